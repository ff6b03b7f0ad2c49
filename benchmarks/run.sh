#!/bin/sh
# Measures this machine:  sh benchmarks/run.sh [--native] [options of Google Benchmark]
#
#   sh benchmarks/run.sh                              plain -O2, as most people compile
#   sh benchmarks/run.sh --native                     -march=native, in build-native/
#   sh benchmarks/run.sh --benchmark_filter=epoch/D   another network
#
# Time per epoch of the networks in benchmarks/nets.hpp beside a plain Eigen loop, and what it costs
# to compile the MNIST example. It is built in build/ ($BUILD_DIR names another folder). Digits are
# synthetic unless CHAINRULE_MNIST names a folder. CHAINRULE_BENCHMARK_ROUNDS is the number of
# rounds, CHAINRULE_BENCHMARK_MACHINE what to call the machine. The table is printed; the same is
# written to benchmarks/results/. The exit status is not 0 if something did not learn.
set -eu

flags='-O2 -DNDEBUG'
kind=O2
case "${1:-}" in
  --native) flags="$flags -march=native"; kind=native; shift ;;
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
esac

say() { printf 'run.sh: %s\n' "$*"; }

# From any folder; a relative BUILD_DIR is meant from where the caller is.
caller=$PWD
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
case ${BUILD_DIR:-} in
  '') if [ $kind = native ]; then build=$root/build-native; else build=$root/build; fi ;;
  /*) build=$BUILD_DIR ;;
  *) build=$caller/$BUILD_DIR ;;
esac

# --- build -----------------------------------------------------------------------------------
. "$root/cmake/prepare.sh"
prepare "a C++20 compiler, CMake 3.22, make or ninja, Eigen 3.4, zlib, CLI11 and Google Benchmark" \
  libeigen3-dev zlib1g-dev libcli11-dev libbenchmark-dev || exit 1

mkdir -p "$build"
log=$build/benchmarks-build.log
quietly() {
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    say "this failed: $*" >&2
    exit 1
  fi
}

# configure FOLDER OPTION...: a folder that is configured already keeps its settings.
configure() {
  folder=$1
  shift
  if [ -f "$folder/CMakeCache.txt" ]; then set --; fi
  # shellcheck disable=SC2046  # -G Ninja is two words
  quietly cmake -S "$root" -B "$folder" $(generator_option "$folder") "$@"
}

# Eigen's AVX-512 kernels draw false warnings from g++ 12: warnings are not errors here.
configure "$build" -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS_RELEASE=$flags" \
  -DCHAINRULE_TESTS=OFF -DCHAINRULE_WERROR=OFF
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
if [ -z "$(cached benchmark_DIR)" ] || [ "$(cached benchmark_DIR)" = benchmark_DIR-NOTFOUND ]; then
  say "needs Google Benchmark, which CMake does not find"
  exit 1
fi
quietly cmake --build "$build" --target benchmark_epoch benchmark_cost \
  --parallel "$(job_count)"

# --- measure ---------------------------------------------------------------------------------
compiler=$("$(cached CMAKE_CXX_COMPILER)" --version | head -n 1)
flags="$(cached CMAKE_CXX_FLAGS) $(cached CMAKE_CXX_FLAGS_RELEASE)"
if command -v lscpu >/dev/null; then
  processor=$(lscpu | sed -n 's/^Model name: *//p' | head -n 1)
else
  processor=$(uname -m)
fi
machine=${CHAINRULE_BENCHMARK_MACHINE:-"$processor, $(getconf _NPROCESSORS_ONLN) processors"}
commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)
if [ -n "$(git -C "$root" status --porcelain -- include benchmarks \
             ':!benchmarks/results' 2>/dev/null)" ]; then
  commit="$commit and changes"
fi
today=$(date -u +%Y-%m-%d)
if [ -n "${CHAINRULE_MNIST:-}" ]; then data=MNIST; else data='synthetic digits'; fi
say "$machine"
say "$compiler, flags: $flags, commit $commit"

rows=$build/benchmarks/epoch.rows
rm -f "$rows"
status=0
CHAINRULE_BENCHMARK_JSON=$rows "$build/benchmarks/epoch" "$@" || status=$?
if [ ! -s "$rows" ]; then
  say "nothing was measured" >&2
  exit 1
fi

# In a folder of its own: only the example, from nothing, one job after the other.
example='null'
if [ -f "$root/examples/mnist/CMakeLists.txt" ]; then
  from_nothing=$build/benchmarks/compile
  rm -rf "$from_nothing"
  configure "$from_nothing" -DCMAKE_BUILD_TYPE=Release \
    "-DCMAKE_CXX_COMPILER=$(cached CMAKE_CXX_COMPILER)" "-DCMAKE_CXX_FLAGS_RELEASE=$flags" \
    -DCHAINRULE_TESTS=OFF -DCHAINRULE_BENCHMARKS=OFF -DCHAINRULE_WERROR=OFF
  if measured=$("$build/benchmarks/cost" cmake --build "$from_nothing" --target mnist \
                --parallel 1 2>"$log"); then
    example=$(printf '%s\n' "$measured" | tail -n 1)
    say "compiling the MNIST example: $example"
  else
    say "compiling the MNIST example: not measured, it does not build here"
  fi
else
  say "compiling the MNIST example: skipped, it is not there"
fi

mkdir -p "$root/benchmarks/results"
result=$root/benchmarks/results/$today-$kind.json
{
  printf '{\n  "machine": "%s",\n  "compiler": "%s",\n  "flags": "%s",\n' \
    "$machine" "$compiler" "$flags"
  printf '  "date": "%s",\n  "commit": "%s",\n  "data": "%s",\n' "$today" "$commit" "$data"
  printf '  "compile_mnist_example": %s,\n  "results": [\n' "$example"
  cat "$rows"
  printf '  ]\n}\n'
} >"$result"
say "written to ${result#"$caller"/}"
exit $status
