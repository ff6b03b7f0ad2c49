# The same run on every backend that this machine has: $backends, set by CTest, are those that the
# program was built for.
. "${0%/*}/common.sh"
export CHAINRULE_CACHE_DIR="$folder/cache"

train --quick --seed 7 --log cpu.csv --dropout 0.2
accuracy_of_cpu=${final##*=}

train --quick --seed 7 --model lenet --epochs 1
lenet_of_cpu=${final##*=}

# The losses of the first epochs agree with the CPU's to 1e-4, the result to 0.3 points; twice the
# same run, twice the same bits.
for backend in $backends; do
  if ! "$mnist" --backend "$backend" --quick --epochs 0 >out 2>err; then
    grep -Eq 'there is no|driver' err || fail "$backend: $(cat err)"
    echo "skipped: $(cat err)"
    continue
  fi
  train --backend "$backend" --quick --seed 7 --log "$backend.csv" --dropout 0.2 --save first
  first=$final
  train --backend "$backend" --quick --seed 7 --log again.csv --dropout 0.2 --save second
  same "$final" "$first"
  cmp first second || fail "$backend: two runs gave different weights"
  paste -d, cpu.csv "$backend.csv" | awk -F, -v backend="$backend" '
    NR > 1 { off = ($5 - $13) / $5; if (off < 0) off = -off; if (!(off <= 1e-4)) bad = 1
             print backend ": epoch " $1 ": loss " $13 ", the CPU has " $5 }
    END { exit bad || NR != 4 }' || fail "$backend: the losses are not the CPU's"
  awk "BEGIN { d = ${final##*=} - $accuracy_of_cpu; exit !(d <= 0.003 && d >= -0.003) }" ||
    fail "$backend: accuracy ${final##*=}, the CPU has $accuracy_of_cpu"
  train --backend "$backend" --quick --seed 7 --model lenet --epochs 1
  awk "BEGIN { d = ${final##*=} - $lenet_of_cpu; exit !(d <= 0.01 && d >= -0.01) }" ||
    fail "$backend: lenet has an accuracy of ${final##*=}, on the CPU $lenet_of_cpu"
  # What one backend saved, another reads.
  train --load first --quick --dropout 0.2
  awk "BEGIN { d = ${final##*=} - ${first##*=}; exit !(d <= 0.003 && d >= -0.003) }" ||
    fail "the CPU judges what $backend saved by ${final##*=}, $backend by ${first##*=}"
done

train --backend auto --quick
grep -q '^auto: .*using ' out || fail "auto does not say what it took: $(cat out)"

if "$mnist" --backend abacus --quick >out 2>err; then fail "there is no backend abacus"; fi
grep -q "^mnist: there is no backend 'abacus'; choose auto or one of: cpu" err ||
  fail "abacus: $(cat err)"
