// RUN: sluice-opt %s --split-input-file --sluice-form-kernels | FileCheck %s

// A chain is one kernel: the broadcast scale is read along its own dimension, and rows are the parallel loop.
// CHECK-DAG: #[[WHOLE:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK: exec.kernel @ew_0 generated dims {{\[\[}}"p0", "4"], ["4"], ["p0", "4"]] grid "p0"
// CHECK: linalg.generic {indexing_maps = [#[[WHOLE]], #[[ROW]], #[[WHOLE]]]
// CHECK: %[[P:.*]] = arith.mulf
// CHECK: math.exp %[[P]]
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32> {{.*}}, %[[W:.*]]: tensor<4xf32>
// CHECK: %[[Y:.*]] = exec.dispatch @ew_0(%[[X]], %[[W]]) sizes {{\[\[}}"batch", "4"]] params ["batch"]
// CHECK: return %[[Y]]
func.func @main(%x: tensor<?x4xf32> {nn.dims = ["batch", "4"]}, %w: tensor<4xf32> {nn.dims = ["4"]}) -> tensor<?x4xf32> {
  %b = nn.size "batch"
  %e = tensor.empty(%b) : tensor<?x4xf32>
  %s = linalg.broadcast ins(%w : tensor<4xf32>) outs(%e : tensor<?x4xf32>) dimensions = [0]
  %p = arith.mulf %x, %s : tensor<?x4xf32>
  %y = math.exp %p : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Equal kernels are made once: two layers, one body.
// CHECK: exec.kernel @ew_0
// CHECK-NOT: exec.kernel
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = exec.dispatch @ew_0(%arg0)
// CHECK: %[[B:.*]] = exec.dispatch @softmax(%[[A]])
// CHECK: exec.dispatch @ew_0(%[[B]])
func.func @main(%x: tensor<?x4xf32> {nn.dims = ["batch", "4"]}) -> tensor<?x4xf32> {
  %a = math.tanh %x : tensor<?x4xf32>
  %b = exec.dispatch @softmax(%a) sizes [["batch", "4"]] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = math.tanh %b : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
exec.kernel @softmax library "softmax" {axis = -1 : i64}

// -----

// A value that two kernels want is stored, not computed twice.
// CHECK-LABEL: func.func @main
// CHECK: %[[E:.*]] = exec.dispatch @ew_0(%arg0)
// CHECK-DAG: exec.dispatch @ew_1(%[[E]])
// CHECK-DAG: exec.dispatch @ew_2(%[[E]])
func.func @main(%x: tensor<?x4xf32> {nn.dims = ["batch", "4"]}) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %e = math.exp %x : tensor<?x4xf32>
  %a = arith.addf %e, %e : tensor<?x4xf32>
  %b = arith.mulf %e, %e : tensor<?x4xf32>
  return %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// A costly op behind a broadcast is computed once an element of its own, 4 times here and not 4 * batch.
// CHECK-LABEL: func.func @main
// CHECK: %[[E:.*]] = exec.dispatch @ew_{{[01]}}(%arg1) sizes {{\[\[}}"4"]]
// CHECK: exec.dispatch @ew_{{[01]}}(%arg0, %[[E]]) sizes {{\[\[}}"batch", "4"]]
func.func @main(%x: tensor<?x4xf32> {nn.dims = ["batch", "4"]}, %w: tensor<4xf32> {nn.dims = ["4"]}) -> tensor<?x4xf32> {
  %b = nn.size "batch"
  %e = tensor.empty(%b) : tensor<?x4xf32>
  %heavy = math.exp %w : tensor<4xf32>
  %s = linalg.broadcast ins(%heavy : tensor<4xf32>) outs(%e : tensor<?x4xf32>) dimensions = [0]
  %y = arith.addf %x, %s : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// A slice that only the kernel reads becomes an offset: the second half of rows 8 wide begins at element 4.
// CHECK: exec.kernel @ew_0 generated
// CHECK-SAME: strides {{\[\[}}"8", "1"]
// CHECK-SAME: offsets ["4", "0"]
// CHECK-LABEL: func.func @main
// CHECK-NOT: tensor.extract_slice
// CHECK: exec.dispatch @ew_0(%arg0)
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["batch", "8"]}) -> tensor<?x4xf32> {
  %b = nn.size "batch"
  %h = tensor.extract_slice %x[0, 4] [%b, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %y = math.tanh %h : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// What is computed from weights alone belongs to the weight.
// CHECK-LABEL: func.func @main
// CHECK: %[[W:.*]] = nn.weight
// CHECK: %[[F:.*]] = arith.extf %[[W]]
// CHECK: nn.linear %arg0, %[[F]]
// CHECK-NOT: exec.dispatch
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["batch", "8"]}) -> tensor<?x4xf32> {
  %w = nn.weight "w" file 0 offset 0 length 64 : tensor<4x8xf16>
  %f = arith.extf %w : tensor<4x8xf16> to tensor<4x8xf32>
  %y = nn.linear %x, %f acc f32 : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
