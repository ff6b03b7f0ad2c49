# Ctrl-C: ends after the batch under way, saves, and says what was reached.
. "${0%/*}/common.sh"

"$make_files" digits .
for signal in INT TERM; do
  "$mnist" --data . --epochs 900000 --save weights --log log.csv >out 2>err &
  child=$!
  tries=0
  until grep -q '^epoch  3/' out; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || fail "there is no third epoch: $(cat out err)"
    kill -0 $child || fail "it has ended: $(cat out err)"
    sleep 0.1
  done
  kill -$signal $child
  status=0
  wait $child || status=$?
  child=
  [ $status -eq 130 ] || fail "after SIG$signal it ended with $status: $(cat err)"
  [ ! -s err ] || fail "errors: $(cat err)"
  grep -q '^stopped: interrupted$' out || fail "it does not say that it was interrupted"
  reached=$(final_of out)
  echo "SIG$signal: $reached"
  [ "$(grep -c '^epoch' out)" -ge 3 ] || fail "no epochs"
  [ "$(wc -l <log.csv)" -ge 4 ] || fail "no log"
  train --data . --load weights
  same "$final" "$reached"
  rm weights
done
