#!/bin/sh
# Builds, measures and tests on a machine with an NVIDIA GPU:  sh benchmarks/gpu.sh [folder]
#
#   sh benchmarks/gpu.sh              with what is installed
#   sh benchmarks/gpu.sh ~/packages   Eigen and Catch2 lie there, where nothing can be installed
#   sh benchmarks/gpu.sh --quick      no tests
#   sh benchmarks/gpu.sh --cuda       CUDA alone, also where there is OpenCL
#
# The folder has eigen3/Eigen/Core (or Eigen/Core) and catch2/catch.hpp, in it or in its include/.
# What measures is built and run first, so that a test that hangs costs no numbers. It prints one
# table: latencies, then the nets A, B, C, D and one 4096 wide, per epoch and per step, beside the
# products of a step alone and, where Python has it, PyTorch. Then come the tests, and the
# conformance suite once more under compute-sanitizer (memcheck, racecheck), where that is there.
#
# Each program is ended after 10 minutes ($LIMIT names other seconds). What they print is kept in
# $OUT/logs, and the table in $OUT/gpu.txt; without OUT, in the build folder. That is build-gpu/
# ($BUILD_DIR names another). The exit status is not 0 if a program failed or a net did not learn.
set -eu

tests=yes
only_cuda=no
packages=
for argument in "$@"; do
  case $argument in
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    --quick) tests=no ;;
    --cuda) only_cuda=yes ;;
    -*) echo "gpu.sh: there is no option $argument" >&2; exit 2 ;;
    *) packages=$(CDPATH= cd -- "$argument" && pwd) ;;
  esac
done
say() { printf 'gpu.sh: %s\n' "$*"; }

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
build=${BUILD_DIR:-$root/build-gpu}
out=${OUT:-$build}
logs=$out/logs
limit=${LIMIT:-600}
mkdir -p "$build" "$logs"
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

[ $only_cuda = no ] || set -- "$@" -DCMAKE_DISABLE_FIND_PACKAGE_OpenCL=ON
apis='cuda|opencl'
[ $only_cuda = no ] || apis=cuda

# --- build and run ---------------------------------------------------------------------------
# quietly <log> <command>...: shows what a command prints only if it fails, and then ends.
quietly() {
  log=$logs/$1.log
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    say "this failed: $*" >&2
    exit 1
  fi
}
compile() {
  name=$1
  shift
  quietly "$name" cmake --build "$build" --parallel "$(job_count)" --target "$@"
}
status=0
# run <name> <command>...: prints what a program says and keeps it; a failure is said and noted.
run() {
  name=$1
  shift
  code=0
  timeout "$limit" "$@" >"$logs/$name.log" 2>&1 || code=$?
  case $code in
    0) ;;
    124) echo "$name: ended after $limit seconds" ;;
    *) echo "$name: exit status $code" ;;
  esac >>"$logs/$name.log"
  [ $code -eq 0 ] || status=1
  cat "$logs/$name.log"
}

# shellcheck disable=SC2046  # -G Ninja is two words
quietly configure cmake -S "$root" -B "$build" $(generator_option "$build") \
  -DCMAKE_BUILD_TYPE=Release -DCHAINRULE_EXAMPLES=OFF -DCHAINRULE_WERROR=OFF \
  -DCHAINRULE_TEST_ALL_CUDA=ON "-DCHAINRULE_TESTS=$([ $tests = yes ] && echo ON || echo OFF)" "$@"

# --- measure ---------------------------------------------------------------------------------
compile build_benchmarks benchmark_cuda_latency benchmark_cuda_epoch
table=$out/gpu.txt
run cuda_latency "$build/benchmarks/cuda_latency"
echo
run cuda_epoch "$build/benchmarks/cuda_epoch"
if command -v python3 >/dev/null; then
  run torch python3 "$root/benchmarks/gpu_torch.py"
else
  echo 'PyTorch: skipped, there is no python3' | tee "$logs/torch.log"
fi
{
  cat "$logs/cuda_latency.log"
  echo
  cat "$logs/cuda_epoch.log" "$logs/torch.log"
} >"$table"
[ $tests = yes ] || exit $status

# --- tests -----------------------------------------------------------------------------------
# All programs of tests for these APIs that can be built here.
targets=$(cmake --build "$build" --target help | grep -oE "test_($apis)[a-z_]*" | sort -u)
# shellcheck disable=SC2086  # a list of words
compile build_tests $targets
say "running the tests"
ctest --test-dir "$build" -L "$apis" --timeout "$limit" \
  --output-on-failure --output-log "$logs/tests.log" || status=1
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck; do
    say "running the conformance suite under compute-sanitizer $tool"
    run "$tool" compute-sanitizer --tool "$tool" --error-exitcode 1 \
      "$build/tests/test_cuda_conformance"
  done
else
  say "compute-sanitizer was not found, so the conformance suite does not run under it"
fi
exit $status
