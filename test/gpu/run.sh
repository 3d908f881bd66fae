#!/usr/bin/env bash
# Runs what test/gpu/pack.sh made on the GPU of this machine, 8 models at a time (JOBS).  Needs the driver only; the last
# line is `N passed, N failed`.
#   ./run.sh [REGEX]              every data set, and data in device memory against data on the host
#   ./run.sh memcheck [REGEX]     the first data set of each under compute-sanitizer
#   ./run.sh racecheck [REGEX]    the same, but for models with kernels that use TMA, whose copies it does not see
#   ./run.sh repeat [REGEX]       1,000 overlapping runs bit by bit, of models whose kernels pause behind their waits
# SLUICE_SYNC=1 waits after each kernel and names the one that fails.
set -uo pipefail
cd "$(dirname "$0")"
export MODE=results
[[ ${1:-} == memcheck || ${1:-} == racecheck || ${1:-} == repeat ]] && MODE=$1 && shift
# Images hold machine code: nothing is compiled at run time, but for the poison of repeat_runs.
[[ $MODE == repeat ]] || export CUDA_DISABLE_PTX_JIT=1
only=${1:-.}

try() {  # WHAT COMMAND…: prints `ok WHAT`, or `FAIL WHAT` and what was said
  local what=$1 output tool=()
  shift
  [[ $MODE != *check ]] || tool=(compute-sanitizer --tool "$MODE" --error-exitcode 9 --print-limit 3)
  if output=$("${tool[@]}" "$@" 2>&1); then
    echo "ok $what"
  else
    echo "FAIL $what (exit $?): $(grep -v ' ok$' <<< "$output" | head -4 | tr '\n' ';')"
  fi
}

check() {  # ARTIFACT
  local artifact=$1 name tolerance=1e-3 sets set held
  name=$(dirname "$artifact")
  case $name in
    *int4*) tolerance=2e-2 ;;
    # A code of the last quantization: sums of codes are exact, those of the data were rounded to f32, which decides a tie.
    *int8* | *qoperator*) tolerance=3.5e-2 ;;
  esac
  sets=("${name%@*}"/test_data_set_*[0-9])
  if [[ ! -d ${sets[0]} ]]; then
    echo "FAIL $name: has no data sets"
    return
  fi
  if [[ $MODE == repeat ]]; then
    try "$name" bin/repeat_runs "$artifact" "${sets[0]}" 1000
    return
  fi
  if [[ $MODE == racecheck ]] && grep -qaE '/(gemm_tiles|gemm_stream|attention_prefill|attention_decode|window_rows)\.cuh' "$artifact"; then
    return
  fi
  [[ $MODE == results ]] || sets=("${sets[0]}")
  for set in "${sets[@]}"; do
    [[ $MODE != results ]] || try "$name, $(basename "$set") in device memory" bin/device_memory "$artifact" "$set"
    held=(--tolerances "$name/$(basename "$set").tolerances")
    [[ -f ${held[1]} ]] || held=(--rtol $tolerance --atol $tolerance)
    try "$name, $(basename "$set")" bin/sluice-run "$artifact" --device cuda:0 --test-data "$set" "${held[@]}"
  done
}

export -f try check
kind=model
[[ $MODE != repeat ]] || kind=pauses
lines=$(printf '%s\n' */$kind.sluice | grep -E "$only" | xargs -P "${JOBS:-8}" -I{} bash -c 'check "$1"' _ {})
grep ^FAIL <<< "$lines"
failed=$(grep -c ^FAIL <<< "$lines")
echo "$(grep -c '^ok ' <<< "$lines") passed, $failed failed"
[[ $failed == 0 ]]
