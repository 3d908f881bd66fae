#!/usr/bin/env bash
# Runs the end-to-end tests on a build folder, all or those of the named files (smollm2, compile_cost …); ends with
# `N passed, N failed`.
set -uo pipefail
cd "$(dirname "$0")/.."
exec .venv/bin/python test/e2e/run.py "${1:-build}" "${@:2}"
