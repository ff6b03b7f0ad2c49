#!/bin/sh
# What it pays to train by several processes:  sh benchmarks/ranks.sh [options]
#
#   --ranks N       up to so many on this machine (2), one thread each
#   --rounds N      how often each takes its turn (11)
#   --nets ABC      which networks of benchmarks/shapes.hpp
#   --simulate      in SimGrid's simulator instead: 2 to 256 ranks on networks of 100 Gb/s and 10 Gb/s
#   --step SECONDS  of a step of net C on 64 rows by one process, for --simulate: that measured here
#   --most N        simulates up to so many ranks (256); 512 take minutes, 1024 some GB
#
# It needs MPI (Debian, Ubuntu: libopenmpi-dev), and SimGrid to simulate (libsimgrid-dev). $CXX names
# the compiler for the simulator's, too. Results are printed and written to benchmarks/results/.
#
# The simulated network: each machine has one rank and a link of its own to a switch that never is
# full; a message of n bytes takes a latency and n over the bandwidth, and 0.5 us of its sender's and
# 0.5 us of its receiver's processor. The messages are those of the library's own code, their sizes those
# of net C. Computing passes as the time of a step that was measured. The model is not calibrated: no
# such network was measured.
set -eu

say() { printf 'ranks.sh: %s\n' "$*"; }

ranks=2
rounds=11
nets=ABC
simulate=no
step=
most=256
command_line="sh benchmarks/ranks.sh${*:+ $*}"
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
    --simulate) simulate=yes ;;
    --ranks | --rounds | --nets | --step | --most)
      if [ $# -lt 2 ]; then say "$1 needs a value" >&2; exit 2; fi
      case $1 in
        --ranks) ranks=$2 ;;
        --rounds) rounds=$2 ;;
        --nets) nets=$2 ;;
        --step) step=$2 ;;
        --most) most=$2 ;;
      esac
      shift ;;
    *) say "there is no option $1; --help lists them" >&2; exit 2 ;;
  esac
  shift
done

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# For containers, where the user is root.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export CHAINRULE_THREADS=1

need() {
  command -v "$1" >/dev/null && return
  say "$1 was not found; install $2" >&2
  exit 1
}
# build COMPILER PROGRAM FLAG...
build() {
  compiler=$1
  program=$2
  shift 2
  say "compiling $program"
  # shellcheck disable=SC2046  # a list of words
  "$compiler" -std=c++20 -O2 "$@" -I"$root/include" \
    $(pkg-config --cflags eigen3 2>/dev/null || echo -I/usr/include/eigen3) \
    "$root/benchmarks/ranks.cpp" -o "$work/$program" -pthread
}
# write FILE: what was measured, from $work/results, with where it comes from.
write() {
  processor=$(uname -m)
  if command -v lscpu >/dev/null; then
    processor=$(lscpu | sed -n 's/^Model name: *//p' | head -n 1)
  fi
  commit=$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)
  if [ -n "$(git -C "$root" status --porcelain -- include benchmarks ':!benchmarks/results' \
               2>/dev/null)" ]; then
    commit="$commit and changes"
  fi
  mkdir -p "$root/benchmarks/results"
  {
    printf '{\n  "machine": "%s, %s processors",\n' \
      "${CHAINRULE_BENCHMARK_MACHINE:-$processor}" "$(getconf _NPROCESSORS_ONLN)"
    printf '  "system": "%s",\n  "compiler": "%s",\n  "flags": "-O2",\n' "$(uname -sr)" \
      "$(mpicxx --version 2>/dev/null | head -n 1)"
    printf '  "messages": "%s",\n  "commit": "%s",\n  "date": "%s",\n  "command": "%s",\n' \
      "$1" "$commit" "$(date -u +%Y-%m-%d)" "$command_line"
    printf '  "load": "%s",\n' "$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)"
    printf '  "results": [\n'
    cat "$work/results"
    printf '  ]\n}\n'
  } >"$2"
  say "written to ${2#"$root"/}"
}

need mpicxx libopenmpi-dev
need mpirun openmpi-bin
today=$(date -u +%Y-%m-%d)
if [ $simulate = no ]; then
  build mpicxx ranks
  mpirun --oversubscribe -n "$ranks" "$work/ranks" --rounds "$rounds" --nets "$nets" \
    --json "$work/results"
  write "$(mpirun --version | head -n 1)" "$root/benchmarks/results/$today-ranks.json"
  exit 0
fi

need smpicxx libsimgrid-dev
need smpirun libsimgrid-dev
build smpicxx ranks_simulated -DCHAINRULE_BENCHMARK_SIMULATE
if [ -z "$step" ]; then
  build mpicxx ranks
  mpirun -n 1 "$work/ranks" --rounds "$rounds" --nets C --json "$work/one" >/dev/null
  step=$(sed -n 's/.*"weak".*"seconds": \([^,]*\),.*/\1/p' "$work/one")
fi
say "a step by one process takes $step s"
i=0
while [ $i -lt "$most" ]; do
  echo "node-$i"
  i=$((i + 1))
done >"$work/hosts"
: >"$work/lines"
# network NAME BANDWIDTH LATENCY, of each of the two links between machines.
network() {
  cat >"$work/platform.xml" <<END
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="c" prefix="node-" suffix="" radical="0-$((most - 1))" speed="1Gf" bw="$2" lat="$3"/>
</platform>
END
  count=2
  while [ $count -le "$most" ]; do
    smpirun -np $count -platform "$work/platform.xml" -hostfile "$work/hosts" \
      --cfg=smpi/simulate-computation:no --cfg=smpi/bw-factor:0:1 --cfg=smpi/lat-factor:0:1 \
      --cfg=smpi/ois:0:5e-7:0 --cfg=smpi/os:0:5e-7:0 --cfg=smpi/or:0:5e-7:0 \
      --log=root.thres:error "$work/ranks_simulated" C "$step" >"$work/line" 2>"$work/err" ||
      { cat "$work/err" >&2; exit 1; }
    sed "s|{|{\"network\": \"$1\", |" "$work/line" | tee -a "$work/lines"
    case $count in 2 | 8 | 64) count=$((count * 4)) ;; *) count=$((count * 2)) ;; esac
  done
}
network "100 Gb/s, 2 us" 12.5GBps 1us
network "10 Gb/s, 20 us" 1.25GBps 10us
sed '$!s/$/,/' "$work/lines" >"$work/results"
write "SimGrid $(smpirun -version 2>&1 | sed -n 's/.*version \([0-9.]*\).*/\1/p' | head -n 1)" \
  "$root/benchmarks/results/$today-ranks-simulated.json"
