#!/bin/sh
# Builds the Debian packages of this checkout:  sh packaging/build_deb.sh [FOLDER]
#
# They are written to FOLDER, by default build/debian, which is emptied first. Needs dpkg-dev and
# debhelper.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
out=${1:-$root/build/debian}
version=$(sed -n 's/^#define CHAINRULE_VERSION "\(.*\)"/\1/p' "$root/include/chainrule/version.hpp")
rm -rf "$out"
tree=$out/chainrule-$version
mkdir -p "$tree"
cd "$root"
cp -R CMakeLists.txt LICENSE README.md CHANGELOG.md cmake include "$tree"
tar -C "$out" --owner=0 --group=0 -czf "$out/chainrule_$version.orig.tar.gz" "chainrule-$version"
cp -R packaging/debian "$tree/debian"
cd "$tree"
exec dpkg-buildpackage -us -uc
