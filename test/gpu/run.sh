#!/usr/bin/env bash
# Runs what test/gpu/pack.sh made on the GPU of this machine: compares with the data sets, and data in device memory with
# data on the host.  Needs the driver only.
#   ./run.sh [REGEX]        the last line is `N passed, N failed`
# SLUICE_SYNC=1 waits after each kernel and names the one that fails; RUN="compute-sanitizer …" runs each under a tool.
set -uo pipefail
cd "$(dirname "$0")"
only=${1:-.} passed=0 failed=0
for artifact in */model.sluice; do
  name=$(dirname "$artifact")
  [[ $name =~ $only ]] || continue
  rtol=1e-3 atol=1e-3
  case $name in *fp16* | *int4* | *int8* | *qoperator*) rtol=2e-2 atol=2e-2 ;; esac
  sets=()
  for set in "$name"/test_data_set_*; do
    sets+=(--test-data "$set")
  done
  if output=$(${RUN:-} bin/device_memory "$artifact" 2>&1); then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $name with data in device memory (exit $?): $output"
  fi
  if output=$(${RUN:-} bin/sluice-run "$artifact" --device cuda:0 "${sets[@]}" --rtol $rtol --atol $atol 2>&1); then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $name (exit $?): $(grep -v ' ok$' <<< "$output" | head -3 | tr '\n' ';')"
  fi
done
echo "$passed passed, $failed failed"
