# What the tests share; to be sourced as `. common.sh`, with $mnist and $make_files set by CTest. It
# makes a folder of its own and goes there; the folder disappears at the end.
set -eu
unset CHAINRULE_THREADS NO_COLOR
folder=$(mktemp -d)
child=
trap 'if [ -n "$child" ]; then kill -KILL "$child" 2>/dev/null || :; fi; rm -rf "$folder"' EXIT
cd "$folder"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# The last line of the file $1, which must be one of results.
final_of() {
  tail -n 1 "$1" >last
  grep -Eq '^final: test_loss=[0-9.]+ test_accuracy=[0-9.]+$' last ||
    fail "the last line of $1 is not the result: $(cat last)"
  cat last
}

# Runs the program; assigns its last line to $final. It must end with 0 and write no error.
train() {
  "$mnist" "$@" >out 2>err || fail "mnist $* ended with $?: $(cat err)"
  [ ! -s err ] || fail "mnist $* wrote to the standard error: $(cat err)"
  final=$(final_of out)
  echo "mnist $*: $final"
}

same() { [ "$1" = "$2" ] || fail "these differ: '$1' and '$2'"; }
different() { [ "$1" != "$2" ] || fail "these should differ: '$1'"; }
