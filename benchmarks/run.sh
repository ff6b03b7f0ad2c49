#!/bin/sh
# Measures this machine:  sh benchmarks/run.sh [options]
#
#   --quick         two minutes: nets A and T only, nothing is compiled to see how long it takes
#   --long          with net D, and FANN on C: an hour
#   --install       first installs what it compares with (Debian, Ubuntu): OpenBLAS, oneDNN, libxsmm,
#                   dlib, FANN, NumPy, PyTorch, Fashion-MNIST
#   --data FOLDER   a folder with the four files of MNIST or a relative; else the one that CHAINRULE_MNIST
#                   names, else Fashion-MNIST of the package dataset-fashion-mnist, else synthetic digits
#   --rounds N      how often each takes its turn (5)
#   --nets ABCDT    which networks of benchmarks/shapes.hpp
#   --no-compile    does not measure compilers
#   --against COMMIT  builds this library as of COMMIT too and lets the two take turns, beside the
#                   products alone and nobody else; compiles the README's program of both
#
# Our epochs beside those of plain Eigen, NumPy, PyTorch, dlib and FANN, on the same data, by one
# thread and by two; beside the matrix products alone, by whichever library is found; plain -O2
# beside -march=native; what the MNIST programs cost to compile. What is missing is skipped with a
# word. Everything takes turns, so compare ratios of one run, not times of two.
#
# It is built in build-benchmarks/ ($BUILD_DIR names another folder), by $CXX or c++. $PYTHON names
# interpreters to look for NumPy and PyTorch in, before python3: "/opt/a/bin/python /opt/b/bin/python".
# $CHAINRULE_BENCHMARK_MACHINE says what to call the machine. The tables are printed; all figures are
# written to benchmarks/results/. The exit status is not 0 if a contender did not learn.
set -eu

say() { printf 'run.sh: %s\n' "$*"; }

nets=ABCT
fann_nets=ABT
rounds=5
install=no
compile=yes
kind=
against=
data=${CHAINRULE_MNIST:-}
command_line="sh benchmarks/run.sh $*"
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    --quick) nets=AT; compile=no; kind=-quick ;;
    --long) nets=ABCDT; fann_nets=ABCT; kind=-long ;;
    --install) install=yes ;;
    --no-compile) compile=no ;;
    --data | --rounds | --nets | --against)
      if [ $# -lt 2 ]; then say "$1 needs a value" >&2; exit 2; fi
      case $1 in
        --data) data=$2 ;;
        --rounds) rounds=$2 ;;
        --nets) nets=$2 ;;
        --against) against=$2; kind=-against ;;
      esac
      shift ;;
    *) say "there is no option $1; --help lists them" >&2; exit 2 ;;
  esac
  shift
done

# From any folder; paths are meant from where the caller is.
caller=$PWD
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
build=${BUILD_DIR:-$root/build-benchmarks}
case $build in /*) ;; *) build=$caller/$build ;; esac
case $data in '' | /*) ;; *) data=$caller/$data ;; esac

# --- build -----------------------------------------------------------------------------------
. "$root/cmake/prepare.sh"
prepare "a C++20 compiler, CMake 3.22, make or ninja, Eigen 3.4 and zlib" libeigen3-dev zlib1g-dev ||
  exit 1
if [ $install = yes ]; then
  if ! has_apt; then say "--install knows Debian and Ubuntu only" >&2; exit 1; fi
  for package in libopenblas-dev libdnnl-dev libxsmm-dev libdlib-dev libfann-dev python3-numpy \
      python3-torch dataset-fashion-mnist; do
    is_installed $package || apt_install $package >/dev/null 2>&1 ||
      say "could not install $package; going on without it"
  done
fi

mkdir -p "$build"
log=$build/benchmarks-build.log
quietly() {
  if ! "$@" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    say "this failed: $*" >&2
    exit 1
  fi
}
flags='-O2 -DNDEBUG'
# Eigen's AVX-512 kernels draw false warnings from g++ 12: warnings are not errors here.
# configure SOURCE BUILD
configure() {
  # shellcheck disable=SC2046  # -G Ninja is two words
  quietly cmake -S "$1" -B "$2" $(generator_option "$2") -DCMAKE_BUILD_TYPE=Release \
    "-DCMAKE_CXX_FLAGS_RELEASE=$flags" -DCMAKE_CXX_FLAGS= -DCHAINRULE_TESTS=OFF \
    -DCHAINRULE_EXAMPLES=OFF -DCHAINRULE_WERROR=OFF
}
configure "$root" "$build"
say "building in $build"
if [ -z "$against" ]; then
  quietly cmake --build "$build" --target contenders --parallel "$(job_count)"
else
  commit_against=$(git -C "$root" rev-parse --short "$against^{commit}") || exit 2
  old=$build/against/$commit_against
  if [ ! -d "$old/source" ]; then
    mkdir -p "$old/source"
    git -C "$root" archive "$commit_against" | tar -x -C "$old/source"
  fi
  configure "$old/source" "$old/build"
  quietly cmake --build "$old/build" --target benchmark_chainrule --parallel "$(job_count)"
  quietly cmake --build "$build" --target products --parallel "$(job_count)"
fi
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }
programs=$build/benchmarks/peers
race=$build/benchmarks/race

# --- data ------------------------------------------------------------------------------------
fashion=/usr/share/datasets/fashion-mnist
if [ -n "$data" ]; then
  data_name=$data
elif [ -f $fashion/train-images-idx3-ubyte.gz ]; then
  data=$fashion
  data_name=Fashion-MNIST
else
  data_name='synthetic digits'
fi
if [ "$(cat "$build/data/name" 2>/dev/null)" != "$data_name" ]; then
  rm -rf "$build/data"
  quietly "$race/write_data" "$build/data" "$data"
  echo "$data_name" >"$build/data/name"
fi
say "data: $data_name"

# --- who takes part --------------------------------------------------------------------------
list=$build/race.list
: >"$list"
entry() { (IFS='	'; printf '%s\n' "$*") >>"$list"; }
# contender KIND NAME NETS THREADS PROGRAM PACKAGE [OPTIONS]: or a word that it is not there.
contender() {
  if [ -x "$programs/$5" ]; then
    entry "$1" "$2" "$3" "$4" "'$programs/$5'${7:+ $7}"
  else
    entry skip "$2" "not built, for want of ${6:-OpenMP}"
  fi
}
if [ -n "$against" ]; then
  entry train "chainrule of $commit_against" ABCDT 12 "'$old/build/benchmarks/peers/chainrule'"
fi
contender train 'chainrule' ABCDT 12 chainrule ''
contender train 'chainrule, extents in the type' T 1 chainrule '' --extents-in-type
contender pair 'chainrule, two processes' ABCD 2 chainrule ''
if [ -z "$against" ]; then
  contender train 'chainrule, -march=native' ABCDT 1 chainrule_native ''
  contender train 'plain Eigen, -march=native' ABCDT 12 eigen_native ''
  contender train 'plain Eigen' ABCDT 1 eigen ''
  contender train 'Eigen, extents in the type' T 1 eigen_native '' --extents-in-type

  # Interpreters that have a module: "VERSION INTERPRETER" a line, a version once.
  pythons_with() {
    for python in ${PYTHON:-} python3 /usr/bin/python3; do
      command -v "$python" >/dev/null || continue
      version=$("$python" -c "import $1; print($1.__version__)" 2>/dev/null) || continue
      echo "$version $python"
    done | awk '!seen[$1]++'
  }
  pythons_with numpy | head -n 1 >"$build/numpy.python"
  pythons_with torch >"$build/torch.python"
  [ -s "$build/numpy.python" ] || entry skip NumPy 'no Python has it (python3-numpy)'
  while read -r version python; do
    entry train "NumPy $version" ABCDT 12 "'$python' '$root/benchmarks/peers/numpy_epoch.py'"
  done <"$build/numpy.python"
  [ -s "$build/torch.python" ] || entry skip PyTorch 'no Python has it (python3-torch)'
  while read -r version python; do
    script="'$python' '$root/benchmarks/peers/torch_epoch.py'"
    entry train "PyTorch $version, eager" ABCDT 12 "$script"
    if "$python" -c 'import torch; torch.compile' 2>/dev/null; then
      entry train "PyTorch $version, compiled" ABCD 12 "$script --compiled"
    else
      entry skip "PyTorch $version, compiled" 'this version has no torch.compile'
    fi
  done <"$build/torch.python"
  contender train 'dlib' ABCD 12 dlib libdlib-dev
  contender train 'FANN, sample by sample' $fann_nets 1 fann libfann-dev
fi
contender gemms 'chainrule' ABCD 12 gemms_chainrule ''
contender gemms 'Eigen, -march=native' ABCD 12 gemms_eigen ''
contender gemms 'OpenBLAS' ABCD 12 gemms_openblas libopenblas-dev
contender gemms 'oneDNN' ABCD 12 gemms_onednn libdnnl-dev
contender gemms 'libxsmm' ABCD 12 gemms_libxsmm 'libxsmm-dev or OpenMP'

# --- compile time ----------------------------------------------------------------------------
eigen_flags=$(pkg-config --cflags eigen3 2>/dev/null || echo -I/usr/include/eigen3)
scratch=$build/compile
# A run: "SECONDS MEGABYTES", or nothing if it does not compile.
cost_of() {
  measured=$("$race/cost" sh -c "$1" 2>>"$log") || return 0
  printf '%s\n' "$measured" |
    sed -n 's/.*"processor_seconds": \([0-9.]*\), "peak_megabytes": \([0-9]*\).*/\1 \2/p'
}
# first_program README: its first program.
first_program() { awk '/^```cpp$/ { on = 1; next } /^```$/ { if (on) exit } on' "$1"; }
# measure_compiler WHAT COMPILER COMMAND: the run of three that took the middle time.
measure_compiler() {
  middle=$(for _ in 1 2 3; do cost_of "$3"; done | sort -n | sed -n 2p)
  if [ -n "$middle" ]; then
    entry compile "$1" "$2" "${middle% *}" "${middle#* }"
  else
    entry skip "compiling $1 by $2" "it does not compile; see $log"
  fi
}
if [ $compile = yes ]; then
  rm -rf "$scratch"
  mkdir -p "$scratch"
  first_program "$root/README.md" >"$scratch/first.cpp"
  example=$root/examples/mnist
  set -- "$(cached CMAKE_CXX_COMPILER)"
  [ -n "$against" ] || set -- "$@" clang++
  for compiler; do
    command -v "$compiler" >/dev/null || { entry skip "$compiler" 'it is not installed'; continue; }
    name=$("$compiler" --version | head -n 1)
    say "compiling with $name"
    common="'$compiler' -std=c++20 $eigen_flags -pthread"
    with="$common -I'$root/include'"
    if [ -n "$against" ]; then
      first_program "$old/source/README.md" >"$scratch/old.cpp"
      measure_compiler "the README's program of $commit_against" "$name" \
        "$common -I'$old/source/include' -O2 -c '$scratch/old.cpp' -o '$scratch/old.o'"
    fi
    measure_compiler "the README's program" "$name" \
      "$with -O2 -c '$scratch/first.cpp' -o '$scratch/first.o'"
    measure_compiler "the README's program, with chainrule::compiled" "$name" \
      "$with -DCHAINRULE_COMPILED -O2 -c '$scratch/first.cpp' -o '$scratch/first.o'"
    [ -z "$against" ] || continue
    # Its options are not optimised (examples/mnist/CMakeLists.txt).
    measure_compiler 'examples/mnist, all its files' "$name" \
      "set -e; cd '$scratch'; $with -DMNIST_BACKEND=cpu -O0 -c '$example/options.cpp'
       for file in main model run; do
         $with -DMNIST_BACKEND=cpu -O2 -c \"$example/\$file.cpp\"
       done
       $with options.o main.o model.o run.o -o mnist"
  done
fi

# --- measure ---------------------------------------------------------------------------------
compiler=$("$(cached CMAKE_CXX_COMPILER)" --version | head -n 1)
processor=$(uname -m)
sets=unknown
if command -v lscpu >/dev/null; then
  processor=$(lscpu | sed -n 's/^Model name: *//p' | head -n 1)
  sets=$(lscpu | sed -n 's/^Flags: *//p' | tr ' ' '\n' |
         grep -E '^(sse4_2|avx|avx2|fma|avx512f|avx512_bf16|amx_bf16)$' | tr '\n' ' ')
fi
commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)
if [ -n "$(git -C "$root" status --porcelain -- include benchmarks ':!benchmarks/results' \
             2>/dev/null)" ]; then
  commit="$commit and changes"
fi
today=$(date -u +%Y-%m-%d)
entry note machine \
  "${CHAINRULE_BENCHMARK_MACHINE:-$processor, $(getconf _NPROCESSORS_ONLN) processors}"
entry note 'instruction sets' "${sets% }"
entry note system "$(uname -sr)"
entry note compiler "$compiler"
entry note flags "$flags"
entry note chainrule \
  "$(sed -n 's/^#define CHAINRULE_VERSION "\(.*\)"/\1/p' "$root/include/chainrule/version.hpp")"
entry note commit "$commit"
entry note date "$today"
entry note data "$data_name"
entry note rounds "$rounds"
entry note command "$command_line"

mkdir -p "$root/benchmarks/results"
result=$root/benchmarks/results/$today-race$kind.json
: >"$build/race.log"
status=0
"$race/race" --list "$list" --nets "$nets" --rounds "$rounds" --data "$build/data" \
  --json "$result" --log "$build/race.log" || status=$?
say "written to ${result#"$caller"/}"
exit $status
