// RUN: sluice-opt %s --split-input-file --sluice-outline-weights | FileCheck %s

// A weight that only linears read lies in their packed layout; a slice of a packed weight is its own expression.
// CHECK: exec.weight @w0 "qk" layout nk_tile16 : tensor<16x8xf32>
// CHECK: %[[W:.*]] = nn.weight "qk" file 0 offset 0 length 1024 : tensor<32x8xf32>
// CHECK: %[[K:.*]] = tensor.extract_slice %[[W]][16, 0] [16, 8] [1, 1]
// CHECK: exec.yield %[[K]]
// CHECK-LABEL: func.func @main
// CHECK: %[[C:.*]] = exec.constant @w0 : tensor<16x8xf32>
// CHECK: exec.dispatch @linear(%arg0, %[[C]])
exec.kernel @linear library "linear"
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["batch", "8"]}) -> tensor<?x16xf32> {
  %w = nn.weight "qk" file 0 offset 0 length 1024 : tensor<32x8xf32>
  %k = tensor.extract_slice %w[16, 0] [16, 8] [1, 1] : tensor<32x8xf32> to tensor<16x8xf32>
  %y = exec.dispatch @linear(%x, %k) sizes [["batch", "16"]] : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// A tied embedding is stored once, in the layout that both the gather and the linear read, whatever its two names.
// CHECK: exec.weight @w0 "embed" layout [[LAYOUT:[a-z0-9_]+]] : tensor<32x8xf32>
// CHECK-NOT: exec.weight
// CHECK-LABEL: func.func @main
// CHECK: %[[C:.*]] = exec.constant @w0
// CHECK-DAG: exec.dispatch @gather(%[[C]], %arg0)
// CHECK-DAG: exec.dispatch @linear(%{{.*}}, %[[C]])
exec.kernel @linear library "linear"
exec.kernel @gather library "gather" {axis = 0 : i64}
func.func @main(%i: tensor<?xi64> {nn.dims = ["batch"]}) -> tensor<?x32xf32> {
  %e = nn.weight "embed" file 0 offset 0 length 1024 : tensor<32x8xf32>
  %h = nn.weight "head" file 0 offset 0 length 1024 : tensor<32x8xf32>
  %x = exec.dispatch @gather(%e, %i) sizes [["batch", "8"]] : (tensor<32x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
  %y = exec.dispatch @linear(%x, %h) sizes [["batch", "32"]] : (tensor<?x8xf32>, tensor<32x8xf32>) -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

// A kernel that reads rows gets rows.
// CHECK: exec.weight @w0 "scale" layout row_major : tensor<8xf32>
exec.kernel @rms_norm library "rms_norm" {eps = 1.0e-5}
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["batch", "8"]}) -> tensor<?x8xf32> {
  %w = nn.weight "scale" file 0 offset 0 length 32 : tensor<8xf32>
  %y = exec.dispatch @rms_norm(%x, %w) sizes [["batch", "8"]] : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
