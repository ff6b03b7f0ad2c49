# Results: the last line, and what it does and does not depend on.
. "${0%/*}/common.sh"

train --quick --seed 7
first=$final
grep -q 'synthetic digits: 2000 training and 500 test images' out || fail "no name of the data"
grep -q 'total  *101,770' out || fail "no summary"
grep -q 'accuracy$' out || fail "no confusion matrix"
[ "$(grep -c '^epoch' out)" -eq 3 ] || fail "not one line per epoch: $(cat out)"
if LC_ALL=C grep -q "$(printf '[\033\r]')" out; then fail "control characters in a file"; fi
accuracy=${final##*=}
awk "BEGIN { exit !($accuracy > 0.7) }" || fail "it has not learned: $final"

# The same seed: the same result, for any number of threads. Another seed: another one.
train --quick --seed 7; same "$final" "$first"
train --quick --seed 7 --threads 1; same "$final" "$first"
train --quick --seed 7 --threads 2; same "$final" "$first"
train --quick --seed 8; different "$final" "$first"

# Convolutions: learned, and the same for any number of threads.
train --quick --model lenet --seed 7 --threads 1
lenet=$final
grep -q 'conv2d + relu  *n x 24x24x32' out || fail "no convolution in the summary"
accuracy=${final##*=}
awk "BEGIN { exit !($accuracy > 0.8) }" || fail "lenet has not learned: $final"
train --quick --model lenet --seed 7 --threads 2; same "$final" "$lenet"
train --quick --model lenet --seed 7 --dropout 0; different "$final" "$lenet"

# The options change what they should.
"$make_files" digits .
options="--data . --epochs 2 --seed 7"
# shellcheck disable=SC2086  # a list of words
{
  train $options
  plain=$final
  grep -q '^data  *\.: 300 training and 100 test images' out || fail "not the folder"
  train $options --dropout 0.5 --threads 1; different "$final" "$plain"
  dropped=$final
  train $options --dropout 0.5 --threads 2; same "$final" "$dropped"
  for changed in '--loss mse' '--optimizer adam' '--batch 7' '--rate 0.01' '--momentum 0.5' \
      '--weight-decay 0.1' '--activation tanh' '--hidden 20,10' '--hidden 0' '--validation 0.2'; do
    train $options $changed
    different "$final" "$plain"
  done
  grep -q 'validation loss' out || fail "no validation figures"
}

# Save, load, evaluate: the same result to the last digit. The log has a line per epoch.
train --data . --hidden 20,10 --epochs 2 --save 'the weights' --log log.csv --predict 3 --report report.html
saved=$final
[ "$(grep -c '%' out)" -ge 10 ] || fail "no probabilities"
[ "$(wc -l <log.csv)" -eq 3 ] || fail "the log: $(cat log.csv)"
[ "$(grep -c '^<svg' report.html)" -ge 3 ] || fail "the report"
train --data . --hidden 20,10 --load 'the weights'
same "$final" "$saved"
if grep -q '^epoch' out; then fail "a file that is only to be judged was trained"; fi
train --data . --hidden 20,10 --load 'the weights' --epochs 1
different "$final" "$saved"

# Fashion-MNIST is recognised by the name of its folder; its classes have names.
mkdir fashion-mnist
cp t10k-* train-* fashion-mnist
train --data fashion-mnist --epochs 1 --predict 0
grep -q '^0 T-shirt, 1 trouser, .*, 9 boot$' out || fail "no names of the classes"
grep -Eq '^  sneaker +[0-9.]+ %' out || fail "no name beside a probability"
train --data . --epochs 1 --predict 0
grep -Eq '^  7 +[0-9.]+ %' out || fail "no digit beside a probability"
