#!/bin/sh
# Prints what runs where, as README.md shows it, from the results of the last run of the tests:
#
#   sh tests/run.sh && sh tests/table.sh [build folder]
#
# A cell is "passes", "fails", "skipped" (no device, or no toolkit when it was configured) or "-".
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
results=${1:-$root/build}/test-results.xml
[ -f "$results" ] || { echo "table.sh: there is no $results; run sh tests/run.sh first" >&2; exit 1; }

# <testcase name="opencl.layers" ... status="run|fail|notrun|disabled">: a skipped test is "notrun".
sed -n 's/.*<testcase name="\([^"]*\)".* status="\([^"]*\)".*/\1 \2/p' "$results" | awk '
  function word(name) {
    if (!(name in status)) return "-"
    return status[name] == "run" ? "passes" : status[name] == "fail" ? "fails" : "skipped"
  }
  { status[$1] = $2 }
  END {
    areas = split("conformance memory ops layers losses optim network train autodiff gradients device", area, " ")
    title["conformance"] = "conformance: every verb"; title["memory"] = "memory"
    title["ops"] = "operations"; title["layers"] = "layers"
    title["losses"] = "losses"; title["optim"] = "optimizers"
    title["network"] = "networks"; title["train"] = "training"; title["autodiff"] = "graphs"
    title["gradients"] = "gradients of all of these, against differences"
    title["device"] = "copies, waits, lost devices"
    print "| suite | CPU | OpenCL | CUDA | emulated CUDA | the minimal backend |"
    print "|---|---|---|---|---|---|"
    for (i = 1; i <= areas; ++i)
      printf "| %s | %s | %s | %s | %s | %s |\n", title[area[i]], word(area[i]),
             word("opencl." area[i]), word("cuda." area[i]), word("emulated." area[i]),
             word("minimal." area[i])
    printf "| kernels compile for sm_75 to sm_120 | - | - | %s | - | - |\n", word("cuda")
    printf "| custom activation, gradient-checked | %s | %s | %s | - | - |\n",
           word("example.custom_activation.cpu"), word("example.custom_activation.opencl"),
           word("example.custom_activation.cuda")
  }'
