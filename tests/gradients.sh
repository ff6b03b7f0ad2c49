#!/bin/sh
# Prints the table of gradients, docs/gradients.md: how far the gradient of every layer, activation,
# loss, function and operation is from the truth, on each backend whose suite was built.
#
#   sh tests/run.sh && sh tests/gradients.sh [build folder]
#   sh tests/gradients.sh --write [build folder]      # into docs/gradients.md
#
# Runs test_gradients, test_minimal_gradients, test_opencl_gradients and test_cuda_gradients: those
# that are there and have a device. The exit status is 1 if one fails or there is none.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
say() { printf 'gradients.sh: %s\n' "$*" >&2; }

write=no
case "${1:-}" in
  --write) write=yes; shift ;;
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
esac
build=${1:-$root/build}
rows=$(mktemp -d)
trap 'rm -rf "$rows"' EXIT
unset CHAINRULE_TEST_GRADIENTS

# What a suite ran on, where it says so.
machine() {
  case $1 in *opencl*) api_=OpenCL ;; *) api_=CUDA ;; esac
  sed -n "s/^on \(.*\)/$api_ ran on \1./p" "$rows/output"
}

# Kernels are kept where the tests keep theirs.
export CHAINRULE_CACHE_DIR="${CHAINRULE_CACHE_DIR:-$build/programs}"
for suite in test_gradients test_minimal_gradients test_opencl_gradients test_cuda_gradients; do
  program=$build/tests/$suite
  [ -x "$program" ] || { say "$suite was not built"; continue; }
  say "running $suite"
  status=0
  "$program" >"$rows/output" 2>"$rows/errors" || status=$?
  case $status in
    0) cat "$rows/output" >>"$rows/all"; machine "$suite" >>"$rows/machines" ;;
    77) say "$suite: $(head -1 "$rows/output")" ;;
    *) cat "$rows/output" "$rows/errors" >&2; say "$suite failed ($status)"; exit 1 ;;
  esac
done
[ -f "$rows/all" ] || { say "no suite ran; build the tests first: sh tests/run.sh"; exit 1; }

page() {
  cat <<'END'
# The table of gradients

How far gradients are from the truth: one row for each layer, activation, rule of first weights, loss,
function and operation, one column for each backend and scalar.

- **In double** a number is the worst relative error of an analytic gradient against central
  differences, |a - b| / max(|a|, |b|, 10⁻³ max(1, |value|)), over all elements of all gradients: those
  with respect to the parameters of a network and to its input, in batches of 7 or 8, a layer or an
  activation in the middle and a loss at the end; of functions and operations, with respect to all
  operands. Differences themselves are precise to 10⁻⁸ or so: a number shows that there is no mistake,
  not how good the gradient is. The bound is **10⁻⁶** for all rows: where a function has kinks (ReLU,
  hinge, |x|), points lie on both sides of them, but none so close that a difference reaches across.
- **In float** it is the distance from the gradient in double at the same point, relative to the largest
  element of that gradient. The bound follows from the shape: one rounding, ε = 1.2 · 10⁻⁷, for each term
  of the sums on the way, and 16 for each function, as OpenCL allows for the least precise ones.
- **Second derivatives** are the gradients of gradients that a tape makes, against differences of the
  first ones. Devices, which would compile kernels for minutes, have them for operations only. (A dash
  is a row that a backend does not have.)

CPU is the widest instruction set of the machine; minimal is the backend of the
[guide](backend-guide.md), one loop per verb.

```sh
sh tests/run.sh && sh tests/gradients.sh --write   # this page, from the suites that were built
```

Each number is checked against its bound by the tests `gradients`, `minimal.gradients`,
`opencl.gradients` and `cuda.gradients`, by the first of them on all instruction sets
(`cpu_avx2.gradients` ...). OpenCL in float, whose kernels take minutes to build on a processor, is
`opencl.gradients_in_float`, which `sh tests/run.sh -C long` runs. What can be differentiated and has
no row fails `gradients.rows`.
END
  if [ -s "$rows/machines" ]; then echo; cat "$rows/machines"; fi
  awk -F'|' '
    # gradient|backend|scalar|group|name|error
    $1 != "gradient" { next }
    {
      column = $2 "|" $3
      if (!(column in columns_seen)) { columns_seen[column] = 1; columns[++column_count] = column }
      if (!($4 in group_seen)) { group_seen[$4] = 1; groups[++group_count] = $4 }
      if (!(($4, $5) in row_seen)) { row_seen[$4, $5] = 1; rows[$4, ++row_count[$4]] = $5 }
      error[$4, $5, column] = $6
      filled[$4, column] = 1
      if (!(($4, column) in worst) || $6 + 0 > worst[$4, column] + 0) worst[$4, column] = $6
    }
    # The columns that a group has, double first.
    function choose(group,   c, pass, parts) {
      chosen_count = 0
      for (pass = 1; pass <= 2; ++pass)
        for (c = 1; c <= column_count; ++c) {
          split(columns[c], parts, "|")
          if (parts[2] != (pass == 1 ? "double" : "float")) continue
          if (group == "" || (group, columns[c]) in filled) chosen[++chosen_count] = columns[c]
        }
    }
    function cell(errors, key) { return key in errors ? errors[key] : "-" }
    function head(first,   c, parts, line, rule) {
      line = "| " first " |"; rule = "|---|"
      for (c = 1; c <= chosen_count; ++c) {
        split(chosen[c], parts, "|")
        line = line " " (parts[1] in title ? title[parts[1]] : parts[1]) " " parts[2] " |"
        rule = rule "--:|"
      }
      print line "\n" rule
    }
    END {
      title["cpu"] = "CPU"; title["opencl"] = "OpenCL"; title["cuda"] = "CUDA"
      print "\n## The worst of each group\n"
      choose("")
      head("group")
      for (g = 1; g <= group_count; ++g) {
        line = "| " groups[g] " (" row_count[groups[g]] ") |"
        for (c = 1; c <= chosen_count; ++c)
          line = line " " cell(worst, groups[g] SUBSEP chosen[c]) " |"
        print line
      }
      for (g = 1; g <= group_count; ++g) {
        group = groups[g]
        print "\n## " toupper(substr(group, 1, 1)) substr(group, 2) "\n"
        choose(group)
        head("row")
        for (r = 1; r <= row_count[group]; ++r) {
          line = "| " rows[group, r] " |"
          for (c = 1; c <= chosen_count; ++c)
            line = line " " cell(error, group SUBSEP rows[group, r] SUBSEP chosen[c]) " |"
          print line
        }
      }
    }' "$rows/all"
}

if [ "$write" = yes ]; then
  page >"$rows/page"
  cp "$rows/page" "$root/docs/gradients.md"
  say "wrote docs/gradients.md"
else
  page
fi
