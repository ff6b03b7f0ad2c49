# What cannot work ends at once, with one sentence and nothing lost.
. "${0%/*}/common.sh"

timer=
if [ "${limits:-on}" = on ] && [ -x /usr/bin/time ] &&
    /usr/bin/time -f '%U %S %M' -o measured true 2>/dev/null; then
  timer="/usr/bin/time -q -f %U+%S;%M -o measured"
fi

# wrong PATTERN OPTION...: refused as a wrong command line, with the exit status 2.
wrong() {
  refused "$@"
  [ $status -eq 2 ] || fail "it ended with $status, expected 2"
}

# refused PATTERN OPTION...: ends with an error status and one line that contains the pattern,
# within a second (of processor time: others may be at work here) and 100 MB.
refused() {
  pattern=$1
  shift
  status=0
  # shellcheck disable=SC2086  # a list of words
  $timer "$mnist" "$@" >out 2>err || status=$?
  echo "mnist $*: $(cat err)"
  { [ $status -ne 0 ] && [ $status -lt 126 ]; } || fail "it ended with $status: $(cat out)"
  [ "$(wc -l <err)" -eq 1 ] || fail "not one line: $(cat err)"
  grep -q "^mnist: " err || fail "whose error is this?"
  grep -q -e "$pattern" err || fail "this does not say '$pattern'"
  if grep -q '^epoch\|^final' out; then fail "this was noticed too late"; fi
  if [ -n "$timer" ]; then
    IFS=';' read -r seconds kilobytes <measured
    awk "BEGIN { exit !($seconds < 1 && $kilobytes < 100000) }" ||
      fail "it took $seconds seconds and $kilobytes kB"
  fi
}

# --- options
wrong "--batch: .* got 0" --quick --batch 0
wrong "--rate: .* got nan" --quick --rate nan
wrong "--epochs: .* got many" --quick --epochs many
wrong "--nonsense" --quick --nonsense
wrong "--loss" --quick --loss hope
wrong "no activation 'step'; choose one of identity, relu" --quick --activation step
wrong "needs at least one input and one output" --quick --hidden 0,12
wrong "no image 500 in .* 500 images" --quick --predict 500
wrong "--seed: expected a whole number .* got -1" --quick --seed -1
wrong "--seed: expected a whole number .* got 18446744073709551616" --quick --seed 18446744073709551616
wrong "there is no backend 'abacus'" --quick --backend abacus

# --- data
"$make_files" digits .
# A copy of the data set, called $1.
copy() {
  mkdir "$1"
  cp t10k-* train-* "$1"
}
images=train-images-idx3-ubyte
labels=train-labels-idx1-ubyte
refused "/nowhere: No such file" --data /nowhere
[ $status -eq 1 ] || fail "it ended with $status, expected 1"
refused "$images is not a folder" --data $images
copy missing; rm missing/$labels
refused "lacks a file .* $labels" --data missing
copy truncated; head -c 100000 $images >truncated/$images
refused "$images is truncated: .* 235216 bytes, the file has 100000" --data truncated
copy longer; echo >>longer/$images
refused "$images has bytes left over" --data longer
copy swapped; cp t10k-labels-idx1-ubyte swapped/$labels
refused "300 images but .* 100 labels" --data swapped
copy confused; cp $images confused/$labels
refused "3 extents .* expected 1" --data confused
copy empty; : >empty/$images
refused "$images is truncated" --data empty
if command -v gzip >/dev/null && "$make_files" bomb bomb.gz 100 1000 2>/dev/null; then
  copy cut
  gzip cut/$images
  head -c 20000 cut/$images.gz >part
  mv part cut/$images.gz
  refused "$images.gz" --data cut
  # 1 GB after what the header promises; then one whose promise is nearly all that is allowed.
  copy bomb; rm bomb/t10k-images*; mv bomb.gz bomb/t10k-images-idx3-ubyte.gz
  refused "goes on after the 78400 bytes" --data bomb
  copy large; rm large/t10k-*
  "$make_files" labels large/t10k-labels-idx1-ubyte 85000
  "$make_files" bomb large/t10k-images-idx3-ubyte.gz 85000 1000
  refused "goes on after the 66640000 bytes" --data large
  "$make_files" labels large/t10k-labels-idx1-ubyte 1000000
  "$make_files" bomb large/t10k-images-idx3-ubyte.gz 1000000 1
  refused "more than the limit" --data large
fi

# --- weights
train --data . --epochs 1 --hidden 20 --save weights
refused "tensor '0.weight' has the shape .784, 20., expected .784, 30." --data . --hidden 30 --load weights
refused "tensor '1.weight' has the shape .20, 10., expected .20, 20." --data . --hidden 20,20 --load weights
refused "activation=relu.* in the file and .*activation=tanh" --data . --hidden 20 --activation tanh --load weights
for offset in 3 40 200 20000 -1; do
  cp weights damaged
  "$make_files" flip damaged $offset
  refused "damaged: " --data . --hidden 20 --load damaged
done
head -c 30000 weights >damaged
refused "damaged: " --data . --hidden 20 --load damaged
refused "$images: " --data . --load $images
refused "cannot read '/nowhere/file'" --data . --load /nowhere/file

# --- what is to be written
refused "cannot write '/nowhere/file'" --data . --save /nowhere/file
refused "cannot write 'missing'" --data . --save missing
refused "cannot write '/nowhere/log'" --data . --log /nowhere/log
refused "cannot write '/nowhere/page'" --data . --report /nowhere/page
[ ! -e /dev/full ] || refused "cannot write '/dev/full'" --data . --log /dev/full

# A run that is refused leaves an older file as it was.
cp weights older
refused "no image 4000" --data . --save older --predict 4000
cmp weights older || fail "the file of another training was changed"
