#!/usr/bin/env bash
# Runs what test/gpu/pack.sh made on the GPU of this machine: compares with the data sets, and data in device memory with
# data on the host.  Needs the driver only; the last line is `N passed, N failed`.
#   ./run.sh [REGEX]              every data set
#   ./run.sh memcheck [REGEX]     the first data set of each under compute-sanitizer
#   ./run.sh racecheck [REGEX]    the same, but for models with kernels that use TMA, whose copies it does not see
# SLUICE_SYNC=1 waits after each kernel and names the one that fails.
set -uo pipefail
cd "$(dirname "$0")"
mode=results
[[ ${1:-} == memcheck || ${1:-} == racecheck ]] && mode=$1 && shift
only=${1:-.} passed=0 failed=0
tool=()
[[ $mode == results ]] || tool=(compute-sanitizer --tool "$mode" --error-exitcode 9 --print-limit 3)

try() {  # WHAT COMMAND…: passes where the command does
  local what=$1 output
  shift
  if output=$("${tool[@]}" "$@" 2>&1); then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $what (exit $?): $(grep -v ' ok$' <<< "$output" | head -4 | tr '\n' ';')"
  fi
}

for artifact in */model.sluice; do
  name=$(dirname "$artifact")
  [[ $name =~ $only ]] || continue
  tolerance=1e-3
  case $name in
    *@bf16) tolerance=8e-2 ;; # eight times f16's: it has three bits less
    *fp16* | *@f16) tolerance=1e-2 ;;
    *int4* | *int8* | *qoperator*) tolerance=2e-2 ;;
  esac
  sets=("${name%@*}"/test_data_set_*)
  if [[ ! -d ${sets[0]} ]]; then
    failed=$((failed + 1))
    echo "FAIL $name: has no data sets"
    continue
  fi
  if [[ $mode == racecheck ]] && grep -qa cp.async.bulk "$artifact"; then
    continue
  fi
  [[ $mode == results ]] || sets=("${sets[0]}")
  arguments=()
  for set in "${sets[@]}"; do
    arguments+=(--test-data "$set")
    [[ $mode != results ]] || try "$set with data in device memory" bin/device_memory "$artifact" "$set"
  done
  try "$name" bin/sluice-run "$artifact" --device cuda:0 "${arguments[@]}" --rtol $tolerance --atol $tolerance
done
echo "$passed passed, $failed failed"
[[ $failed == 0 ]]
