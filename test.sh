#!/usr/bin/env bash
# Every test: ./test.sh.  Installs what is missing, builds, runs each stage within its time budget and all within 45
# minutes, prints the time of each and ends with the line `N passed, N failed`.  Works without a GPU.
set -uo pipefail
cd "$(dirname "$0")"
passed=0 failed=0 report=""
log=build/test-logs
total=$((45 * 60))

# stage NAME MINUTES COMMAND...: runs it under its budget; the command's last `N passed, N failed` line is added up, a
# command without one counts as one test.
stage() {
  local name=$1 began=$SECONDS status=0
  local budget=$(($2 * 60)) left=$((total - SECONDS))
  ((budget < left)) || budget=$((left > 1 ? left : 1))
  shift 2
  printf '== %s (budget %d s)\n' "$name" "$budget"
  timeout --kill-after=10 "$budget" "$@" 2>&1 | tee "$log/$name.log" | scripts/progress.sh
  status=${PIPESTATUS[0]}
  local line p f
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log/$name.log" | tail -1)
  if [[ -n "$line" ]]; then
    p=${line%% passed*} f=${line#*passed, } f=${f%% failed*}
    [[ $status != 0 && $f == 0 ]] && f=1
  else
    p=$((status == 0)) f=$((status != 0))
  fi
  passed=$((passed + p)) failed=$((failed + f))
  local note=""
  [[ $status == 124 || $status == 137 ]] && note=" OVER BUDGET"
  report+=$(printf '%-14s %4d s of %4d s  %5d passed %4d failed%s' "$name" $((SECONDS - began)) "$budget" "$p" "$f" "$note")$'\n'
  if (( f )); then
    printf -- '-- %s failed; the end of its log (%s):\n' "$name" "$log/$name.log"
    tail -40 "$log/$name.log"
  fi
  return "$status"
}

finish() {
  printf '\n%s%-14s %4d s of %4d s\n\n%d passed, %d failed\n' "$report" all "$SECONDS" "$total" "$passed" "$failed"
  exit $((failed != 0))
}

mkdir -p "$log"
stage install 15 scripts/install.sh || finish
stage configure 5 cmake --preset dev || finish
stage build 22 cmake --build build || finish
stage style 2 scripts/check_style.sh
stage unit 8 scripts/run_unit_tests.sh build
stage lit 4 scripts/run_lit.sh build
stage conformance 5 scripts/run_conformance.sh build
stage node-tests 3 scripts/run_node_tests.sh build
stage package 6 scripts/package.sh runtime
stage e2e 6 scripts/run_e2e.sh build
finish
