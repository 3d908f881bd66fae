// Raise alone: roles are given, accumulate types are not.

// RUN: sluice-compile %s --from raise --to raise | FileCheck %s

// CHECK: func.func @main(%arg0: tensor<?x8xf32> {{.*}}nn.role = "input"
// CHECK: nn.linear %arg0, %{{.*}} : (tensor<?x8xf32>
func.func @main(%x: tensor<?x8xf32> {nn.name = "x", nn.dims = ["batch", "8"]}) -> (tensor<?x4xf32> {nn.name = "y", nn.dims = ["batch", "4"]}) {
  %w = nn.weight "w" file 0 offset 0 length 128 : tensor<4x8xf32>
  %y = nn.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
