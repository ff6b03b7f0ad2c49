#!/bin/sh
# Builds the example and trains it:  sh examples/mnist/run.sh [options]
#
# The options are the program's, listed below. Without --data it learns from the first of these:
#   - the folder that the environment variable CHAINRULE_MNIST names
#   - MNIST, fetched once into ~/.cache/chainrule/mnist (or below $XDG_CACHE_HOME)
#   - Fashion-MNIST from Debian's package dataset-fashion-mnist
#   - synthetic digits
# It is built in build/ ($BUILD_DIR names another folder). On Debian and Ubuntu, what is missing is
# installed first. The exit status is the program's.
set -eu

say() { printf 'run.sh: %s\n' "$*"; }

help=no
data_given=no
opencl_wanted=no
previous=
for argument in "$@"; do
  case $argument in
    -h | --help) help=yes ;;
    --data | --data=*) data_given=yes ;;
    --backend=opencl*) opencl_wanted=yes ;;
    opencl*) if [ "$previous" = --backend ]; then opencl_wanted=yes; fi ;;
  esac
  previous=$argument
done
if [ $help = yes ]; then sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; echo; fi

# From any folder; paths in options, BUILD_DIR and CHAINRULE_MNIST are meant from where one is.
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
build=${BUILD_DIR:-$root/build}
program=$build/examples/mnist/mnist
if [ $help = yes ] && [ -x "$program" ]; then exec "$program" --help; fi
. "$root/cmake/prepare.sh"
. "$root/examples/mnist/find_data.sh"

# --- build -----------------------------------------------------------------------------------
# Runs a command whose output matters only if it fails.
quietly() {
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    say "this failed: $*" >&2
    return 1
  fi
}

packages='libeigen3-dev zlib1g-dev libcli11-dev'
if [ $help = no ] && [ $data_given = no ] && [ -z "${CHAINRULE_MNIST:-}" ]; then
  command -v curl >/dev/null || command -v wget >/dev/null || packages="$packages curl"
fi
if [ $opencl_wanted = yes ]; then
  packages="$packages ocl-icd-opencl-dev"
  # PoCL runs on the processor; whoever has a driver already has a device.
  ls /etc/OpenCL/vendors/*.icd >/dev/null 2>&1 || packages="$packages pocl-opencl-icd"
fi
# shellcheck disable=SC2086  # a list of words
prepare "a C++20 compiler, CMake 3.22, make or ninja, Eigen 3.4, CLI11, zlib, and curl or wget" \
  $packages || exit 1

mkdir -p "$build"
log=$build/mnist-build.log
new_options=
if [ ! -f "$build/build.ninja" ] && [ ! -f "$build/Makefile" ]; then
  # Only what this takes. A folder that is configured already keeps its settings.
  new_options='-DCMAKE_BUILD_TYPE=Release -DCHAINRULE_TESTS=OFF -DCHAINRULE_BENCHMARKS=OFF'
fi
# shellcheck disable=SC2046,SC2086  # lists of words
quietly cmake -S "$root" -B "$build" -DCHAINRULE_EXAMPLES=ON $(generator_option "$build") \
  $new_options
if grep 'example mnist: skipped' "$log" >&2; then exit 1; fi
[ -x "$program" ] || say "building in $build (half a minute, once)"
quietly cmake --build "$build" --target mnist --parallel "$(job_count)"

# --- data, training --------------------------------------------------------------------------
if [ $help = yes ] || [ $data_given = yes ]; then exec "$program" "$@"; fi
find_data
if [ -n "$data" ]; then set -- --data "$data" "$@"; fi
exec "$program" "$@"
