#!/bin/sh
# Builds, tests and measures on a machine with an NVIDIA GPU:  sh benchmarks/gpu.sh [folder]
#
#   sh benchmarks/gpu.sh              with what is installed
#   sh benchmarks/gpu.sh ~/packages   Eigen and Catch2 lie there, where nothing can be installed
#   sh benchmarks/gpu.sh --quick      no tests
#
# The folder has eigen3/Eigen/Core (or Eigen/Core) and catch2/catch.hpp, in it or in its include/.
# Prints one table: latencies, then the nets A, B, C, D and one 4096 wide, per epoch and per step,
# beside the products of a step alone and, where Python has it, PyTorch. The same goes to
# $OUT/gpu.txt, if OUT is set. It is built in build-gpu/ ($BUILD_DIR names another folder). The exit
# status is not 0 if a test failed or a net did not learn.
set -eu

tests=yes
packages=
for argument in "$@"; do
  case $argument in
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    --quick) tests=no ;;
    -*) echo "gpu.sh: there is no option $argument" >&2; exit 2 ;;
    *) packages=$(CDPATH= cd -- "$argument" && pwd) ;;
  esac
done
say() { printf 'gpu.sh: %s\n' "$*"; }

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
build=${BUILD_DIR:-$root/build-gpu}
mkdir -p "$build"
. "$root/cmake/prepare.sh"

# --- what it takes ---------------------------------------------------------------------------
if command -v nvidia-smi >/dev/null; then
  say "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1)"
else
  say "nvidia-smi was not found"
fi
set --
if [ -n "$packages" ]; then
  # Two small CMake packages that point there.
  find_header() {
    for place in "$packages" "$packages/include" "$packages/eigen3" "$packages/include/eigen3"; do
      if [ -f "$place/$1" ]; then echo "$place"; return; fi
    done
    say "there is no $1 in $packages" >&2
    exit 1
  }
  eigen=$(find_header Eigen/Core)
  catch=$(find_header catch2/catch.hpp)
  shims=$build/packages
  mkdir -p "$shims/eigen3" "$shims/catch2"
  {
    echo 'set(Eigen3_FOUND TRUE)'
    echo 'add_library(Eigen3::Eigen INTERFACE IMPORTED)'
    echo "target_include_directories(Eigen3::Eigen INTERFACE \"$eigen\")"
  } >"$shims/eigen3/Eigen3Config.cmake"
  printf 'set(PACKAGE_VERSION 3.4.0)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n' \
    >"$shims/eigen3/Eigen3ConfigVersion.cmake"
  {
    echo 'add_library(Catch2::Catch2 INTERFACE IMPORTED)'
    echo "target_include_directories(Catch2::Catch2 INTERFACE \"$catch\")"
  } >"$shims/catch2/Catch2Config.cmake"
  set -- "-DEigen3_DIR=$shims/eigen3" "-DCatch2_DIR=$shims/catch2"
fi

# --- build -----------------------------------------------------------------------------------
log=$build/build.log
quietly() {
  if ! "$@" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    say "this failed: $*" >&2
    exit 1
  fi
}
# shellcheck disable=SC2046  # -G Ninja is two words
quietly cmake -S "$root" -B "$build" $(generator_option "$build") -DCMAKE_BUILD_TYPE=Release \
  -DCHAINRULE_EXAMPLES=OFF -DCHAINRULE_WERROR=OFF -DCHAINRULE_TEST_ALL_CUDA=ON \
  "-DCHAINRULE_TESTS=$([ $tests = yes ] && echo ON || echo OFF)" "$@"
targets='benchmark_cuda_latency benchmark_cuda_epoch'
if [ $tests = yes ]; then
  # All programs of tests for CUDA and OpenCL that can be built here.
  targets="$targets $(cmake --build "$build" --target help |
    grep -o 'test_\(cuda\|opencl\)[a-z_]*' | sort -u | tr '\n' ' ')"
fi
# shellcheck disable=SC2086  # a list of words
quietly cmake --build "$build" --parallel "$(job_count)" --target $targets

# --- tests -----------------------------------------------------------------------------------
status=0
if [ $tests = yes ]; then
  say "running the tests"
  ctest --test-dir "$build" -L 'cuda|opencl' --output-on-failure || status=1
fi

# --- measure ---------------------------------------------------------------------------------
table=${OUT:-$build}/gpu.txt
{
  "$build/benchmarks/cuda_latency" || echo "cuda_latency: exit status $?"
  echo
  "$build/benchmarks/cuda_epoch" || echo "cuda_epoch: exit status $?"
  if command -v python3 >/dev/null; then
    python3 "$root/benchmarks/gpu_torch.py" || echo "PyTorch: exit status $?"
  else
    echo 'PyTorch: skipped, there is no python3'
  fi
} 2>&1 | tee "$table"
if grep -q 'exit status' "$table"; then status=1; fi
exit $status
