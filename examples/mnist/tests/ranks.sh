# --ranks: the same files for any number of ranks, and from a run that was stopped and resumed by
# other ranks.
. "${0%/*}/common.sh"

"$make_files" digits .
if [ -z "${mpirun:-}" ]; then
  status=0
  "$mnist" --quick --ranks >out 2>err || status=$?
  [ $status -eq 2 ] || fail "without MPI it ended with $status, expected 2"
  grep -q '^mnist: --ranks needs MPI' err || fail "without MPI it says: $(cat err)"
  echo "skipped: MPI was not found"
  exit 0
fi

# For machines with fewer processors than ranks, and containers, where the user is root.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none

common='--data . --hidden 40 --dropout 0.2 --optimizer adam --validation 0.1 --batch 33
  --micro-batches 4 --threads 1'
# ranks N FILE OPTION...: a training by N ranks that saves FILE; its output goes to `out`.
ranks() {
  count=$1
  file=$2
  shift 2
  # shellcheck disable=SC2086  # a list of words
  "$mpirun" -n "$count" "$mnist" $common --ranks --patience 60 --checkpoint "$file" "$@" >out 2>err ||
    fail "$count ranks ended with $?: $(cat err)"
}

# shellcheck disable=SC2086
train $common --epochs 3 --checkpoint whole --save weights
one=$final
for count in 1 2 4; do
  ranks $count by-$count --epochs 3 --save weights-$count --log log
  same "$(final_of out)" "$one"
  [ "$(grep -c '^chainrule ' out)" -eq 1 ] || fail "not only the first of $count ranks prints"
  [ "$(wc -l <log)" -eq 4 ] || fail "not one line of the log for each epoch: $(cat log)"
  cmp whole by-$count || fail "$count ranks give other bits than one process"
  cmp weights weights-$count || fail "$count ranks save other weights"
done

# Stopped by a batch system's signal, wherever the training is, then resumed by fewer ranks.
# shellcheck disable=SC2086
train $common --epochs 150 --checkpoint long
# shellcheck disable=SC2086
"$mpirun" -n 4 "$mnist" $common --ranks --patience 60 --epochs 150 --checkpoint part >out 2>err &
child=$!
tries=0
until grep -q 'epoch  2/' out; do
  tries=$((tries + 1))
  [ $tries -lt 600 ] || fail "there is no second epoch: $(cat out err)"
  sleep 0.05
done
kill -TERM $child
wait $child || :
child=
[ -s part ] || fail "there is no checkpoint"
if cmp -s part long; then fail "it was not stopped"; fi
ranks 2 part --epochs 150
grep -q '^resumed ' out || fail "it does not say that it was resumed"
cmp part long || fail "a training that was resumed gives other bits"

# An error of a rank ends all of them, with its message.
status=0
"$mpirun" -n 2 "$mnist" --data . --ranks --micro-batches 1 >out 2>err || status=$?
[ $status -ne 0 ] || fail "2 ranks for 1 micro-batch end with 0"
grep -q 'there are 2 ranks for 1 micro-batches' err || fail "this does not say why: $(cat err)"
