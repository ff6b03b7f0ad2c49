#!/bin/sh
# Builds and runs all tests:  sh tests/run.sh [preset] [arguments for ctest]
#
#   sh tests/run.sh                  build in build/, run everything
#   sh tests/run.sh --asan           address and undefined-behaviour sanitizers, in build-asan/
#   sh tests/run.sh --oclgrind       the OpenCL suites under Oclgrind, which takes long
#   sh tests/run.sh -R core -V       only the tests whose name matches, verbosely
#   sh tests/run.sh -C long          also what takes long: the kernels for GPUs on any device and for
#                                    every family of GPUs, the gradients in float on OpenCL and in
#                                    reverse order on the emulated device, the Debian package, the
#                                    reference, processes that are killed in many steps
#
# Presets: --debug --asan --tsan --clang --native. BUILD_DIR names another build folder, JOBS the
# number of parallel jobs. On Debian and Ubuntu what is missing is installed first. The exit status
# is ctest's.
set -eu

preset=release
oclgrind=
case "${1:-}" in
  --debug | --asan | --tsan | --clang | --native) preset=${1#--}; shift ;;
  --oclgrind) oclgrind=oclgrind; shift ;;
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
esac

say() { printf 'run.sh: %s\n' "$*"; }

# From any folder; a relative BUILD_DIR is meant from where the caller is.
caller=$PWD
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
if [ -n "${BUILD_DIR:-}" ]; then
  case $BUILD_DIR in /*) build=$BUILD_DIR ;; *) build=$caller/$BUILD_DIR ;; esac
elif [ "$preset" = release ]; then
  build=$root/build
else
  build=$root/build-$preset
fi
cd "$root"

# --- what it takes ---------------------------------------------------------------------------
. cmake/prepare.sh
if [ "$preset" = clang ]; then compiler=clang++; fi
prepare "a C++20 compiler, CMake 3.22, make or ninja, Eigen 3.4, Catch2 and, for all parts, zlib, libpng, \
CLI11, Google Benchmark, the OpenCL headers and loader and a driver such as PoCL" libeigen3-dev \
  catch2 zlib1g-dev libpng-dev libcli11-dev libbenchmark-dev ocl-icd-opencl-dev pocl-opencl-icd \
  $oclgrind || exit 1
install_if_possible openmpi-bin libopenmpi-dev
install_if_possible libsimgrid-dev
jobs=$(job_count)

# --- configure, build, test --------------------------------------------------------------------
say "preset $preset, in $build, $jobs jobs"
# shellcheck disable=SC2046  # -G Ninja is two words
cmake --preset "$preset" -B "$build" $(generator_option "$build")
cmake --build "$build" --parallel "$jobs"

if [ -n "$oclgrind" ]; then set -- -C oclgrind -L oclgrind "$@"; fi
say "running the tests"
exec ctest --test-dir "$build" --output-junit test-results.xml --output-on-failure \
  --no-tests=error -j "$jobs" "$@"
