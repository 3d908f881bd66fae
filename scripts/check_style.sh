#!/usr/bin/env bash
# The rules a machine can check: formatting, the include table, no leftovers.  Ends with `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/.."
passed=0 failed=0
check() {  # NAME, then the offending lines on stdin: none is a pass
  local found
  found=$(cat)
  if [[ -z "$found" ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAILED %s\n%s\n' "$1" "$found"
  fi
}
mapfile -t sources < <(git ls-files '*.cpp' '*.h' '*.c' | grep -v '^third_party/')
check "format (clang-format-22 -i FILE)" < <(clang-format-22 --dry-run -Werror "${sources[@]}" 2>&1 | grep -E 'error:' | cut -d: -f1,2 | sort -u | head -20)
check "include table (scripts/include_table.txt)" < <(python3 scripts/check_includes.py)
check "trailing space" < <(git ls-files -z '*.cpp' '*.h' '*.td' '*.py' '*.sh' '*.cmake' '*.md' '*.txt' | xargs -0 grep -nE '[[:space:]]+$' | head -20)
check "file length" < <(git ls-files '*.cpp' '*.h' '*.cuh' '*.cu' '*.td' '*.py' | xargs wc -l | awk '$2 != "total" && $1 > 500 {print $2 ": " $1 " lines, at most 500"}')
check "leftovers" < <(git grep -nIE '\b(TODO|FIXME|XXX|HACK)\b' -- '*.cpp' '*.h' '*.td' '*.py' | head)
check "file size" < <(git ls-files -z | xargs -0 stat -c '%s %n' | awk '$1 > 2000000 {print $2 ": " $1 " bytes, at most 2 MB"}')
printf '%d passed, %d failed\n' "$passed" "$failed"
exit $((failed != 0))
