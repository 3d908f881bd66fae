#!/usr/bin/env bash
# Runs every gtest executable of a build folder; ends with `N passed, N failed`.
set -uo pipefail
build=${1:-build}
passed=0 failed=0
for test in "$build"/bin/*_test; do
  out=$("$test" --gtest_brief=1 2>&1)
  status=$?
  p=$(grep -oE '^\[  PASSED  \] [0-9]+' <<<"$out" | grep -oE '[0-9]+' | tail -1)
  f=$(grep -cE '^\[  FAILED  \] .*\([0-9]+ ms\)$' <<<"$out")
  p=${p:-0} f=${f:-0}
  if [[ $status != 0 ]]; then
    [[ $f == 0 ]] && f=1
    printf '%s\n' "$out"
  fi
  printf '%s: %d passed, %d failed\n' "$(basename "$test")" "$p" "$f"
  passed=$((passed + p)) failed=$((failed + f))
done
printf '%d passed, %d failed\n' "$passed" "$failed"
exit $((failed != 0))
