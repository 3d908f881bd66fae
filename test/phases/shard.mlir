// Shard alone: one device's program is what it was.

// RUN: sluice-compile %s --from shard --to shard | FileCheck %s

// CHECK: nn.linear %arg0, %{{.*}} acc f32 :
func.func @main(%x: tensor<?x8xf32> {nn.name = "x", nn.dims = ["batch", "8"], nn.role = "input"})
    -> (tensor<?x4xf32> {nn.name = "y", nn.dims = ["batch", "4"], nn.role = "output"}) {
  %w = nn.weight "w" file 0 offset 0 length 128 : tensor<4x8xf32>
  %y = nn.linear %x, %w acc f32 : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
