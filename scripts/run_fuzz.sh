#!/usr/bin/env bash
# Fuzzes every reader of foreign bytes: scripts/run_fuzz.sh [SECONDS] [TARGET...].  SECONDS (default 30) each; the
# corpus stays in build-fuzz/corpus and grows from run to run.  A finding ends the target and leaves its input in
# build-fuzz.  Ends with `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-30}
shift || true
passed=0 failed=0
[[ -e build-fuzz/build.ninja ]] || cmake --preset fuzz || exit 1
ninja -C build-fuzz $(ninja -C build-fuzz -t targets all | grep -oE '^bin/fuzz_[a-z_]+' | grep -v replay | sort -u) || exit 1
cd build-fuzz
# MLIR's own library is built without the sanitizer: containers that cross into it are not marked.
export ASAN_OPTIONS=detect_container_overflow=0:detect_leaks=0
for seeds in bin/fuzz_seeds*; do
  "$seeds" corpus || exit 1
done
for binary in bin/fuzz_*; do
  target=${binary#bin/fuzz_}
  [[ $target == seeds* || $target == replay* ]] && continue
  [[ $# != 0 && " $* " != *" $target "* ]] && continue
  if "$binary" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -artifact_prefix="$target-" -print_final_stats=1 \
      "corpus/$target" 2>"$target.log"; then
    passed=$((passed + 1))
    printf 'ok     %s: %s runs\n' "$target" "$(grep -oE 'number_of_executed_units: [0-9]+' "$target.log" | grep -oE '[0-9]+')"
  else
    failed=$((failed + 1))
    printf 'FAILED %s\n' "$target"
    grep -E 'ERROR|SUMMARY|^    #[0-9] |Test unit written' "$target.log" | head -20
  fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
exit $((failed != 0))
