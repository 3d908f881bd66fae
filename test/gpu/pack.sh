#!/usr/bin/env bash
# Compiles every model with data sets for a GPU, on a machine without one, into a folder that test/gpu/run.sh runs.
#   test/gpu/pack.sh build/bin ../shared/models OUT [REGEX]
#   test/gpu/pack.sh build/bin build/made-models OUT     those whose weights scripts/run_conformance.sh made
#   test/gpu/pack.sh build/bin kernels     no models: every kernel of the axes in test/cuda, of which test.sh compiles a cover of pairs
# A model of `converted` comes in f16 and bf16, too.  Beside a model in one of these types, or whose activations are rounded
# on demand, lies for each data set how far its outputs may be off: what the reference is off when it rounds like it.
# Those of `raced` come again with a pause behind each wait of a kernel.  Fails where a kernel has no CUDA form, but for
# those whose result has the size that its data decide.
set -euo pipefail
if [[ $2 == kernels ]]; then
  exec "$1/cuda_test" --gtest_also_run_disabled_tests --gtest_filter='*EveryRow*'
fi
bin=$1 models=$2 out=$3 only=${4:-.}
converted=(bert-tiny-optimum gemma2-tiny-dynamo gpt2-tiny-dynamo llama-tiny-optimum phi3-tiny-optimum qwen2-tiny-optimum
  resnet18-small-dynamo roberta-tiny-optimum t5-tiny-decoder-optimum unet-tiny-dynamo vit-tiny-dynamo whisper-tiny-encoder-optimum)
raced=(bert-tiny-optimum gpt2-tiny-dynamo llama-tiny-optimum qwen2-tiny-optimum resnet18-small-dynamo vit-tiny-dynamo
  whisper-tiny-encoder-optimum)
sized_by_data='^nonzero '
failed=0

flags_of() {  # NAME
  awk -v name="$1" '$1 == name {for (i = 2; $i ~ /^--/; ++i) print $i}' "$(dirname "$0")/../conformance/compile_flags.txt"
}

fail() {  # NAME WHY
  echo "FAIL $1: $2"
  failed=$((failed + 1))
}

compile() {  # DIR NAME [FLAG…]
  local model=$1/model.onnx name=$2 artifact=$out/$2/model.sluice error cpu
  shift 2
  mkdir -p "$out/$name"
  if ! error=$("$bin/sluice-compile" -q --target cuda-sm90a "$@" "$model" -o "$artifact" 2>&1); then
    fail "$name" "$(head -1 <<< "$error")"
    rm -rf "${out:?}/$name"
    return
  fi
  cpu=$("$bin/sluice-dump" "$artifact" --kernels | grep -v ', GPU: ' | cut -d, -f1 | grep -v "$sized_by_data" || true)
  [[ -z $cpu ]] || fail "$name" "on the CPU: $(tr '\n' ';' <<< "$cpu")"
}

tolerances() {  # DIR NAME [FLAG…]: DIR's data sets, for the artifact NAME
  local model=$1/model.onnx set name=$2 error
  [[ -d $out/$name ]] || return 0
  for set in "$1"/test_data_set_*; do
    error=$("$bin/sluice-diff" -q "$model" --test-data "$set" --tolerances "$out/$name/$(basename "$set").tolerances" \
      "${@:3}" 2>&1) || fail "$name" "$(head -1 <<< "$error")"
  done
}

with_pauses() {  # DIR NAME [FLAG…]: another artifact whose kernels' waits end late (SL_JITTER), each its own way
  local model=$1/model.onnx name=$2 texts text kernels=()
  texts=$(mktemp -d)
  "$bin/sluice-compile" -q --target cuda-sm90a "${@:3}" "$model" -o "$texts/model.sluice" --dump "$texts"
  for text in "$texts"/*.cu; do
    sed -i '1i #define SL_JITTER' "$text"
    kernels+=(--kernel "$(basename "$text" .cu)=$text")
  done
  "$bin/sluice-compile" -q --target cuda-sm90a "${@:3}" "${kernels[@]}" "$model" -o "$out/$name/pauses.sluice" ||
    fail "$name" "with pauses it does not compile"
  rm -rf "$texts"
}

mkdir -p "$out/bin"
for program in sluice-run device_memory repeat_runs; do
  strip -o "$out/bin/$program" "$bin/$program"
done
cp "$(dirname "$0")/run.sh" "$out/"
for dir in "$models"/*/; do
  name=$(basename "$dir")
  [[ -d $dir/test_data_set_0 && $name =~ $only ]] || continue
  [[ ! -f $dir/make_weights.py || -f $dir/weights.bin ]] || continue
  mapfile -t flags < <(flags_of "$name")
  compile "$dir" "$name" "${flags[@]}"
  [[ -d $out/$name ]] && cp -r "$dir"/test_data_set_* "$out/$name/"
  [[ $name != *fp16* && ${#flags[@]} == 0 ]] || tolerances "$dir" "$name" "${flags[@]}"
  if [[ " ${converted[*]} " == *" $name "* ]]; then
    for dtype in f16 bf16; do
      compile "$dir" "$name@$dtype" --dtype $dtype
      tolerances "$dir" "$name@$dtype" --dtype $dtype
    done
  fi
  [[ " ${raced[*]} " != *" $name "* ]] || with_pauses "$dir" "$name@bf16" --dtype bf16
done
echo "$(find "$out" -name model.sluice | wc -l) artifacts, $failed failed"
[[ $failed == 0 ]]
