// Precision alone: every contraction says how it accumulates.

// RUN: sluice-compile %s --from precision --to precision | FileCheck %s

// CHECK: nn.linear %arg0, %{{.*}} acc f32 :
func.func @main(%x: tensor<?x8xf16> {nn.name = "x", nn.dims = ["batch", "8"], nn.role = "input"})
    -> (tensor<?x4xf16> {nn.name = "y", nn.dims = ["batch", "4"], nn.role = "output"}) {
  %w = nn.weight "w" file 0 offset 0 length 64 : tensor<4x8xf16>
  %y = nn.linear %x, %w : (tensor<?x8xf16>, tensor<4x8xf16>) -> tensor<?x4xf16>
  return %y : tensor<?x4xf16>
}
