#!/usr/bin/env bash
# The linter (.clang-tidy) over all sources, or over the given ones; needs a configured build folder.
#   scripts/lint.sh [FILE…]          BUILD=build-release scripts/lint.sh for another folder
set -uo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
files=("$@")
if (( ${#files[@]} == 0 )); then
  mapfile -t files < <(git ls-files '*.cpp' '*.c' | grep -v '^examples/')
fi
found=$(printf '%s\n' "${files[@]}" | nice xargs -P "$(nproc)" -n 4 clang-tidy-22 --quiet -p "$build" 2>/dev/null | grep -E '(warning|error): ' | sort -u)
if [[ -n "$found" ]]; then
  printf '%s\n' "$found"
  exit 1
fi
printf 'lint: %d files clean\n' "${#files[@]}"
