#!/bin/sh
# Builds and runs all tests:  sh tests/run.sh [preset] [arguments for ctest]
#
#   sh tests/run.sh                  build in build/, run everything
#   sh tests/run.sh --asan           address and undefined-behaviour sanitizers, in build-asan/
#   sh tests/run.sh -R core -V       only the tests whose name matches, verbosely
#
# Presets: --debug --asan --tsan --clang --native. BUILD_DIR names another build folder, JOBS the
# number of parallel jobs. On Debian and Ubuntu what is missing is installed first. The exit status
# is ctest's.
set -eu

preset=release
case "${1:-}" in
  --debug | --asan | --tsan | --clang | --native) preset=${1#--}; shift ;;
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
missing=
command -v cmake >/dev/null || missing="$missing cmake"
command -v ninja >/dev/null || command -v make >/dev/null || missing="$missing make"
if [ "$preset" = clang ]; then
  command -v clang++ >/dev/null || missing="$missing clang"
elif [ -z "${CXX:-}" ]; then
  command -v c++ >/dev/null || command -v g++ >/dev/null || missing="$missing g++"
fi
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  for package in libeigen3-dev catch2 zlib1g-dev libcli11-dev libbenchmark-dev
  do
    case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
      *' installed') ;;
      *) missing="$missing $package" ;;
    esac
  done
  if [ -n "$missing" ]; then
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
      as_root=sudo
      [ -t 0 ] || as_root='sudo -n'  # nobody there to type a password
    fi
    say "installing with apt-get:$missing"
    # shellcheck disable=SC2086  # both are lists of words
    if ! { $as_root apt-get update -q &&
           DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q \
             --no-install-recommends $missing; } </dev/null; then
      say "could not install them; going on with what is there"
    fi
  fi
else
  say "needs a C++20 compiler, CMake 3.22, make or ninja, Eigen 3.4, Catch2 and, for all parts," \
      "zlib, CLI11 and Google Benchmark"
  if [ -n "$missing" ]; then
    say "not found:$missing (installing packages is known here for Debian and Ubuntu only)"
    exit 1
  fi
fi

# --- how many jobs: the processors, but about 1 GB of memory for each compiler -----------------
jobs=${JOBS:-}
if [ -z "$jobs" ]; then
  jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
  if [ -r /proc/meminfo ]; then
    fit=$(awk '/^MemAvailable:/ { print int($2 / 1000000) }' /proc/meminfo)
    [ "${fit:-0}" -ge 1 ] || fit=1
    [ "$jobs" -le "$fit" ] || jobs=$fit
  fi
fi

# --- configure, build, test --------------------------------------------------------------------
set_generator=
if [ ! -f "$build/CMakeCache.txt" ] && [ -z "${CMAKE_GENERATOR:-}" ] && command -v ninja >/dev/null
then
  set_generator='-G Ninja'
fi
say "preset $preset, in $build, $jobs jobs"
# shellcheck disable=SC2086  # -G Ninja is two words
cmake --preset "$preset" -B "$build" $set_generator
cmake --build "$build" --parallel "$jobs"

say "running the tests"
exec ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$jobs" "$@"
