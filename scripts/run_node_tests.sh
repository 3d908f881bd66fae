#!/usr/bin/env bash
# Compiles and runs ONNX's node tests in one process; ends with `N passed, N failed, N skipped`.
set -euo pipefail
build=${1:-build}
.venv/bin/python -B test/conformance/node_tests.py "$build/node-tests"
exec "$build/bin/sluice-conformance" --node-tests --known test/conformance/known_node_tests.txt
