# run.sh and how it finds data, with a network, a package manager and a build that are only played:
# nothing is fetched, installed or built here.
root=$(cd "${0%/*}/../../.." && pwd)
. "${0%/*}/common.sh"

cmake=$(command -v cmake)
mkdir bin mirror fashion 'here and there' build build/examples build/examples/mnist
play() {
  cat >"bin/$1"
  chmod +x "bin/$1"
}
# curl gives files of mirror/$first_mirror or $second_mirror, named by the address, if they exist.
play curl <<'END'
#!/bin/sh
while [ $# -gt 1 ]; do
  if [ "$1" = -o ]; then shift; out=$1; fi
  shift
done
echo "$1" >>"$folder/fetched"
case $1 in
  *//one/*) from=$folder/mirror/$first_mirror ;;
  *) from=$folder/mirror/$second_mirror ;;
esac
cp "$from/${1##*/}" "$out" 2>/dev/null
END
play cmake <<END
#!/bin/sh
if [ "\$1" = -E ]; then exec "$cmake" "\$@"; fi
echo "\$*" >>"$folder/built"
END
echo 'echo "install ok installed"' | play dpkg-query
echo 'exit 1' | play apt-get
echo 'exit 1' | play apt-cache
echo 'printf "<%s>\n" "$@"; exit 7' | play program
cp bin/program build/examples/mnist/mnist
PATH=$folder/bin:$PATH
export PATH folder

say() { echo "said: $*"; }
. "$root/cmake/prepare.sh"
fashion_folder=$folder/fashion
. "$root/examples/mnist/find_data.sh"
mnist_mirrors='https://one/mnist https://two/mnist'
for mirror in good bad none; do mkdir "mirror/$mirror"; done
mnist_files=
for name in t10k-labels-idx1 t10k-images-idx3 train-labels-idx1 train-images-idx3; do
  name=$name-ubyte.gz
  echo "the true $name" >mirror/good/$name
  echo "the true $name" >mirror/bad/$name
  sum=$(cmake -E md5sum mirror/good/$name)
  mnist_files="$mnist_files${mnist_files:+
}$name ${sum%% *}"
done
echo "something else" >mirror/bad/train-labels-idx1-ubyte.gz

# finds FOLDER TEXT: find_data chooses that folder and says the text.
finds() {
  find_data >said
  cat said
  same "$data" "$1"
  grep -q -e "$2" said || fail "it did not say '$2'"
  if find "$folder/cache" -name '.fetching*' 2>/dev/null | grep .; then fail "a file is left"; fi
}
export XDG_CACHE_HOME="$folder/cache"
cache=$folder/cache/chainrule/mnist
export first_mirror=none second_mirror=none

finds "" "synthetic digits, for MNIST could not be fetched"
first_mirror=bad
finds "" "https://one/mnist gave files with another checksum"
[ ! -e "$cache/train-labels-idx1-ubyte.gz" ] || fail "a wrong file was kept"
first_mirror=none
for file in mirror/good/*; do cp "$file" fashion; done
finds "$folder/fashion" "Fashion-MNIST from the package .* for MNIST could not be fetched"
first_mirror=bad second_mirror=good
finds "$cache" "MNIST, fetched from https://two/mnist"
for file in mirror/good/*; do cmp "$file" "$cache/${file##*/}" || fail "not the true file"; done
rm fetched
finds "$cache" "MNIST, fetched earlier"
CHAINRULE_MNIST="$folder/here and there"
finds "$folder/here and there" "CHAINRULE_MNIST"
[ ! -e fetched ] || fail "it was fetched without need"
unset CHAINRULE_MNIST

# The whole script, called from another folder, with spaces in everything.
runs() {
  expected=$1
  shift
  status=0
  (cd 'here and there' && BUILD_DIR=$folder/build sh "$root/examples/mnist/run.sh" "$@") >out ||
    status=$?
  [ $status -eq 7 ] || fail "the program's status is lost: $status"
  same "$(grep '^<' out | tr -d '\n')" "$expected"
}
runs "<--data><a b><--save><c  d><>" --data 'a b' --save 'c  d' ''
runs "<--data=a b>" '--data=a b'
rm -f built
runs "<--help>" --help
[ ! -e built ] || fail "it built for --help"
grep -q 'sh examples/mnist/run.sh \[options\]' out || fail "no help of the script"
runs "<--data><$cache><--quick>" --quick
CHAINRULE_MNIST='x y'
export CHAINRULE_MNIST
runs "<--data><x y>"
[ ! -e fetched ] || fail "it was fetched without need"
grep -q -e "--build $folder/build --target mnist" built || fail "it did not build"
