// Memory alone: a program of launches; bounds of sizes give a place to every buffer.

// RUN: sluice-compile %s --from memory --to memory | FileCheck %s
// RUN: sluice-compile %s --from memory --to memory --dims batch=1..8 | FileCheck %s --check-prefix=BOUND

// CHECK: exec.symbol "batch" free
// CHECK: exec.program @main
// CHECK-COUNT-2: exec.launch @softmax
// CHECK-NOT: exec.pack

// 8 rows of 4 numbers are 128 bytes.
// BOUND: exec.symbol "batch" free min 1 max 8
// BOUND: exec.pack bounds {batch = 8 : i64} offsets [0] arena 128 lower_bound 128
exec.kernel @softmax library "softmax" {axis = -1 : i64}
func.func @main(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", "4"], nn.role = "input"})
    -> (tensor<?x4xf32> {nn.name = "y", nn.dims = ["batch", "4"], nn.role = "output"}) {
  %0 = exec.dispatch @softmax(%x) sizes [["batch", "4"]] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = exec.dispatch @softmax(%0) sizes [["batch", "4"]] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %1 : tensor<?x4xf32>
}
