// RUN: sluice-opt %s --split-input-file --verify-diagnostics --sluice-verify-sparsify

func.func @main(%q: tensor<1x2x3x8xf32>) {
  %0 = nn.attention %q, %q, %q pattern <causal, window = 2> scale 1.0
      : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) -> tensor<1x2x3x8xf32>
  return
}

// -----

func.func @main(%q: tensor<1x2x3x8xf32>) {
  // expected-error@+1 {{after phase sparsify: a window of -2 keys is none}}
  %0 = nn.attention %q, %q, %q pattern <causal, window = -2> scale 1.0
      : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) -> tensor<1x2x3x8xf32>
  return
}
