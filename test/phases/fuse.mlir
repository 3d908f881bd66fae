// Fuse alone: what computes is a dispatch, what comes from weights is a weight of the artifact.

// RUN: sluice-compile %s --from fuse --to fuse | FileCheck %s

// CHECK-DAG: exec.kernel @linear library "linear"
// CHECK-DAG: exec.kernel @ew_0 generated
// CHECK-DAG: exec.weight @w0 "w" layout nk_tile16 : tensor<4x8xf32>
// CHECK: func.func @main
// CHECK: %[[W:.*]] = exec.constant @w0
// CHECK: %[[L:.*]] = exec.dispatch @linear(%arg0, %[[W]])
// CHECK: exec.dispatch @ew_0(%[[L]])
func.func @main(%x: tensor<?x8xf32> {nn.name = "x", nn.dims = ["batch", "8"], nn.role = "input"})
    -> (tensor<?x4xf32> {nn.name = "y", nn.dims = ["batch", "4"], nn.role = "output"}) {
  %w = nn.weight "w" file 0 offset 0 length 128 : tensor<4x8xf32>
  %0 = nn.linear %x, %w acc f32 : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %y = math.tanh %0 : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
