// Sparsify alone, which checks patterns and changes none.

// RUN: sluice-compile %s --from sparsify --to sparsify | FileCheck %s

// CHECK: nn.attention %arg0, %arg0, %arg0 pattern <causal, window = 2> scale
func.func @main(%q: tensor<1x2x?x8xf32> {nn.name = "q", nn.dims = ["1", "2", "seq", "8"], nn.role = "input"})
    -> (tensor<1x2x?x8xf32> {nn.name = "y", nn.dims = ["1", "2", "seq", "8"], nn.role = "output"}) {
  %0 = nn.attention %q, %q, %q pattern <causal, window = 2> scale 1.0
      : (tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) -> tensor<1x2x?x8xf32>
  return %0 : tensor<1x2x?x8xf32>
}
