#!/usr/bin/env bash
# Compiles every model with data sets for a GPU, on a machine without one, into a folder that test/gpu/run.sh runs.
#   test/gpu/pack.sh build/bin ../shared/models OUT [REGEX]
set -euo pipefail
bin=$1 models=$2 out=$3 only=${4:-.}
flags_of() {  # NAME
  awk -v name="$1" '$1 == name {for (i = 2; $i ~ /^--/; ++i) print $i}' "$(dirname "$0")/../conformance/compile_flags.txt"
}
mkdir -p "$out/bin"
cp "$bin/sluice-run" "$bin/device_memory" "$out/bin/"
cp "$(dirname "$0")/run.sh" "$out/"
failed=0
for dir in "$models"/*/; do
  name=$(basename "$dir")
  [[ -d $dir/test_data_set_0 && $name =~ $only ]] || continue
  mkdir -p "$out/$name"
  mapfile -t flags < <(flags_of "$name")
  if ! "$bin/sluice-compile" -q --target cuda-sm90a "${flags[@]}" "$dir/model.onnx" -o "$out/$name/model.sluice" \
      --report "$out/$name/report.json" 2> "$out/$name/error"; then
    echo "FAIL $name: $(head -1 "$out/$name/error")"
    rm -rf "${out:?}/$name"
    failed=$((failed + 1))
    continue
  fi
  cp -r "$dir"/test_data_set_* "$out/$name/"
done
echo "$failed failed to compile"
