#!/usr/bin/env bash
# Compiles and runs every model of ../shared/models in one process, its data sets and other sizes; ends with `N passed, N failed`.
set -uo pipefail
build=${1:-build}
if [[ ! -d ../shared/models ]]; then
  echo "../shared/models is missing: the conformance tests need the test models beside the checkout"
  echo "0 passed, 1 failed"
  exit 1
fi
exec "$build/bin/sluice-conformance" --models ../shared/models --sizes --known test/conformance/known_failures.txt --flags test/conformance/compile_flags.txt
