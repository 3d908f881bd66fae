#!/usr/bin/env bash
# Runs the lit tests on a build folder; ends with `N passed, N failed`.
set -uo pipefail
build=${1:-build}
out=$(.venv/bin/lit -q --no-progress-bar -j2 --xunit-xml-output "$build/lit.xml" "$build/test" 2>&1)
status=$?
printf '%s\n' "$out"
python3 - "$build/lit.xml" "$status" <<'P'
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
suites = [root] if root.tag == "testsuite" else list(root)
total = sum(int(s.get("tests", 0)) for s in suites)
failed = sum(int(s.get("failures", 0)) for s in suites)
skipped = sum(int(s.get("skipped", 0)) for s in suites)
print(f"{total - failed - skipped} passed, {max(failed, int(sys.argv[2] != '0' and failed == 0))} failed")
P
exit $status
