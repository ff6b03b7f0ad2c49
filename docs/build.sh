#!/bin/sh
# Builds the reference and the pages of docs/ as a web site:  sh docs/build.sh [FOLDER]
#
# It is written to FOLDER, by default build/docs; begin with html/index.html. Doxygen is installed if
# it is missing (Debian, Ubuntu). Any warning is an error: a public name without a sentence, a link
# that leads nowhere. What doxygen reads is prepared by docs/filter.awk and docs/pages.awk.
set -eu

say() { printf 'build.sh: %s\n' "$*"; }
case "${1:-}" in -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;; esac

caller=$PWD
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
out=${1:-$root/build/docs}
case $out in /*) ;; *) out=$caller/$out ;; esac
cd "$root"
if ! command -v doxygen >/dev/null; then
  . cmake/prepare.sh
  say "installing doxygen with apt-get"
  if ! has_apt || ! apt_install doxygen >/dev/null 2>&1; then
    say "doxygen was not found and could not be installed" >&2
    exit 77
  fi
fi

rm -rf "$out/html" "$out/linked.txt"
mkdir -p "$out"
CHAINRULE_DOCS_VERSION=$(sed -n 's/^#define CHAINRULE_VERSION "\(.*\)"/\1/p' include/chainrule/version.hpp)
CHAINRULE_DOCS_OUTPUT=$out
export CHAINRULE_DOCS_VERSION CHAINRULE_DOCS_OUTPUT
doxygen docs/Doxyfile >"$out/doxygen.log" 2>&1 || { cat "$out/doxygen.log"; exit 1; }

# Not counted is what doxygen 1.9 says about specializations and requires-expressions.
grep ': warning: ' "$out/warnings.txt" | grep -v -e 'potential recursive class relation' \
  -e 'doxygen could be confused' >"$out/mistakes.txt" || :
if [ -s "$out/mistakes.txt" ]; then
  sed "s#^$root/##" "$out/mistakes.txt"
  say "failed: $(wc -l <"$out/mistakes.txt") warnings"
  exit 1
fi
LC_ALL=C sort -u "$out/linked.txt" | while read -r file; do
  mkdir -p "$out/html/files/$(dirname "$file")"
  if [ -d "$file" ]; then cp -R "$file" "$out/html/files/$file"; else cp "$file" "$out/html/files/$file.txt"; fi
done
say "the reference is in $out/html/index.html"
