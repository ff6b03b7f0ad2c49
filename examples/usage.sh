#!/bin/sh
# sh usage.sh PROGRAM...: each refuses an unknown option with the exit status 2 and a word about it.
set -eu
for program in "$@"; do
  status=0
  error=$("$program" --nonsense 2>&1 >/dev/null) || status=$?
  echo "${program##*/}: $status: $error"
  [ $status -eq 2 ] || { echo "FAILED: expected the status 2"; exit 1; }
  [ -n "$error" ] || { echo "FAILED: it says nothing"; exit 1; }
done
