#!/bin/sh
# Trainings over MPI, by the program mpi_ranks:
#
#   sh check.sh equal|failures|resume|smpi <program> <mpirun> <scratch folder> [<kills>]
#
#   equal     1, 2, 4 and 8 processes, and a program without ranks, give the same bits
#   failures  whatever happens to a process, all end in time, and not well
#   resume    a training that was killed goes on from its checkpoint, on any number of processes
#   smpi      64 simulated processes (<mpirun> is smpirun) give the bits of a program without ranks
#
# 77 and a line that says why: skipped. For smpi, <program> is compiled by smpicxx.
set -eu

what=$1 program=$2 mpirun=$3 work=$4 kills=${5:-2}
rm -rf "$work"
mkdir -p "$work"
cd "$work"

# As root, as in containers, and with more processes than processors.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
  OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_btl_vader_single_copy_mechanism=none \
  PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none \
  CHAINRULE_THREADS=1 ASAN_OPTIONS=detect_leaks=0

fail() {
  printf '%s: %s\n' "$what" "$1"
  cat "$work"/err "$work"/out 2>/dev/null || :
  exit 1
}
# run <seconds> <processes> <argument>...: status, out and err are left behind.
run() {
  limit=$1 count=$2
  shift 2
  status=0
  timeout -k 2 "$limit" "$mpirun" -n "$count" "$program" "$@" >out 2>err </dev/null || status=$?
}
# The lines that the processes print, which must be as many for each.
lines() { LC_ALL=C sort out | uniq -c | sed 's/^ *//'; }
# expect_lines <processes>: those of `wanted`, from each process.
expect_lines() {
  [ "$status" -eq 0 ] || fail "status $status on $1 processes"
  sed "s/^/$1 /" wanted >all_wanted
  lines >all
  cmp -s all_wanted all || fail "on $1 processes, expected: $(cat all_wanted)"
}
# alone <argument>...: writes `wanted`, by one process without ranks.
alone() {
  "$program" alone=1 "$@" >out 2>err || fail "status $? alone"
  LC_ALL=C sort out >wanted
  [ -s wanted ] || fail "nothing was printed"
}
require_mpirun() {
  status=0
  timeout -k 2 60 "$mpirun" -n 2 true >out 2>err </dev/null || status=$?
  [ "$status" -eq 0 ] || { echo "skipped: $mpirun cannot start processes here"; cat err; exit 77; }
}

case $what in
equal)
  require_mpirun
  alone net=dense,wide,dropout,lenet micro=8
  for count in 1 2 4 8; do
    run 60 $count net=dense,wide,dropout,lenet micro=8
    expect_lines $count
  done
  cat wanted
  ;;

failures)
  require_mpirun
  # ends <what must be said> <argument>...: in time, with a status that is not 0.
  patience=2
  ends() {
    wanted=$1
    shift
    rm -f mark
    run 40 3 patience=$patience mark=mark "$@"
    end=$(date +%s)
    [ "$status" -ne 0 ] || fail "$*: ended well"
    [ "$status" -ne 124 ] && [ "$status" -ne 137 ] || [ "$wanted" = 'signal:* 9' ] || fail "$*: a hang"
    grep -qi "$wanted" err out || fail "$*: nobody says '$wanted'"
    [ ! -e mark ] || [ $((end - $(date +%s -r mark))) -le $((patience + 5)) ] ||
      fail "$*: ended $((end - $(date +%s -r mark))) s after the failure"
    echo "$*: $(grep -i "$wanted" err out | head -n 1)"
  }
  ends 'rank 1: this rank was told to throw' fault=throw
  ends 'rank 1 called exit() in run_ranks' fault=exit
  ends "no answer from .*rank.* for $patience s" fault=stop
  ends 'signal:* 9' fault=kill
  ends 'signal:* 9' fault=kill rank=0
  ends 'rank 1 differs from rank 0 in the training data: 57 samples' fault=data
  ends 'rank 1 differs from rank 0 in the options of fit: seed 8, on rank 0 seed 7' fault=options
  ends 'rank 2 differs from rank 0 in the parameters' fault=parameters rank=2
  ends 'there are 3 ranks for 2 micro-batches' micro=2
  ;;

resume)
  require_mpirun
  alone net=small epochs=4 file=whole
  seed=$(date +%s)
  echo "seed $seed"
  # 12 steps. A kill in the first epoch leaves no checkpoint: it begins again.
  for step in $(awk -v seed="$seed" -v n="$kills" \
      'BEGIN { srand(seed); for (i = 0; i < n; ++i) print 1 + int(12 * rand()) }'); do
    rm -f killed
    run 60 2 net=small epochs=4 file=killed fault=kill step="$step" rank=$((step % 2))
    [ "$status" -ne 0 ] || fail "killed in step $step, but ended well"
    for count in 1 2 4; do
      rm -f copy
      [ ! -e killed ] || cp killed copy
      run 60 $count net=small epochs=4 file=copy
      expect_lines $count
    done
    echo "killed in step $step: $(cat wanted)"
  done
  # A batch system asks one process to end: all do, in the same step.
  rm -f killed
  run 60 3 net=small epochs=4 file=killed fault=term step=5
  [ "$status" -eq 0 ] || fail "status $status after SIGTERM"
  [ "$(grep -c 'after 5 steps: interrupted' out)" -eq 3 ] || fail "not all stopped in step 5"
  for count in 1 4; do
    cp killed copy
    run 60 $count net=small epochs=4 file=copy
    expect_lines $count
  done
  ;;

smpi)
  cat >platform.xml <<'X'
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="c" prefix="node-" suffix="" radical="0-63" speed="1Gf" bw="12.5GBps" lat="2us"/>
</platform>
X
  i=0
  while [ $i -lt 64 ]; do echo node-$i; i=$((i + 1)); done >hosts
  # simulate <processes> <argument>...
  simulate() {
    count=$1
    shift
    status=0
    timeout -k 2 200 "$mpirun" -np "$count" -platform platform.xml -hostfile hosts "$program" \
      net=small micro=64 batch=96 samples=203 patience=0 "$@" >out 2>err </dev/null || status=$?
    [ "$status" -eq 0 ] || fail "status $status on $count simulated processes"
  }
  simulate 1 alone=1
  LC_ALL=C sort out >wanted
  [ -s wanted ] || fail "nothing was printed"
  for count in 1 64; do
    simulate $count
    expect_lines $count
  done
  cat wanted
  ;;
*)
  echo "there is no test $what"
  exit 1
  ;;
esac
