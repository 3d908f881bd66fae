// RUN: sluice-opt %s --split-input-file --sluice-select-kernels | FileCheck %s

// The op's attributes go to the kernel, one kernel for each name and set of attributes.
// CHECK-DAG: exec.kernel @rms_norm library "rms_norm" {eps = 1.000000e-05 : f64}
// CHECK-DAG: exec.kernel @rms_norm_1 library "rms_norm" {eps = 2.500000e-01 : f64}
// CHECK-LABEL: func.func @main
// CHECK: exec.dispatch @rms_norm(%arg0, %arg1) sizes {{\[\[}}"batch", "8"]]
// CHECK: exec.dispatch @rms_norm(%
// CHECK: exec.dispatch @rms_norm_1(%
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["batch", "8"]}, %w: tensor<8xf32> {nn.dims = ["8"]}) -> tensor<?x8xf32> {
  %0 = nn.rms_norm %x, %w eps 1.0e-5 : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %1 = nn.rms_norm %0, %w eps 1.0e-5 : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %2 = nn.rms_norm %1, %w eps 0.25 : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}

// -----

// Absent operands keep their slots: slopes are the seventh operand of attention.
// CHECK: exec.kernel @attention library "attention"
// CHECK-SAME: causal = 1 : i64
// CHECK-SAME: window = 4 : i64
// CHECK-LABEL: func.func @main
// CHECK: exec.dispatch @attention(%arg0, %arg0, %arg0, none, none, none, %arg1)
func.func @main(%q: tensor<1x2x3x8xf32> {nn.dims = ["1", "2", "3", "8"]}, %s: tensor<2xf32> {nn.dims = ["2"]}) -> tensor<1x2x3x8xf32> {
  %0 = nn.attention %q, %q, %q slopes %s pattern <causal, window = 4> scale 1.0
      : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<2xf32>) -> tensor<1x2x3x8xf32>
  return %0 : tensor<1x2x3x8xf32>
}

// -----

// A reduction is the kernel `reduce` of its combiner's kind.
// CHECK: exec.kernel @reduce library "reduce" {axes = array<i64: 1>, kind = "max"}
// CHECK-LABEL: func.func @main
// CHECK: exec.dispatch @reduce(%arg0) sizes {{\[\[}}"batch"]]
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["batch", "8"]}) -> tensor<?xf32> {
  %b = nn.size "batch"
  %e = tensor.empty(%b) : tensor<?xf32>
  %0 = linalg.reduce { arith.maximumf } ins(%x : tensor<?x8xf32>) outs(%e : tensor<?xf32>) dimensions = [1]
  return %0 : tensor<?xf32>
}

// -----

// A linear of a dequantized weight takes codes and scales; 8 is the zero point that 4-bit codes imply.
// CHECK: exec.kernel @linear_q4 library "linear_q4" {block = 32 : i64}
// CHECK-LABEL: func.func @main
// CHECK-DAG: %[[Q:.*]] = nn.weight "q"
// CHECK-DAG: %[[S:.*]] = nn.weight "s"
// CHECK: exec.dispatch @linear_q4(%arg0, %[[Q]], %[[S]])
func.func @main(%x: tensor<?x64xf32> {nn.dims = ["batch", "64"]}) -> tensor<?x16xf32> {
  %q = nn.weight "q" file 0 offset 0 length 512 : tensor<16x64xui4>
  %s = nn.weight "s" file 0 offset 512 length 128 : tensor<16x2xf32>
  %z = arith.constant dense<8> : tensor<16x2xui4>
  %w = nn.dequantize %q, %s, %z {axis = 1 : i64, block = 32 : i64} : (tensor<16x64xui4>, tensor<16x2xf32>, tensor<16x2xui4>) -> tensor<16x64xf32>
  %y = nn.linear %x, %w acc f32 : (tensor<?x64xf32>, tensor<16x64xf32>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// The count of a nonzero is its kernel's to write.
// CHECK-LABEL: func.func @main
// CHECK: exec.dispatch @nonzero(%arg0) sizes {{\[\[}}"1", "hits"]] counts ["hits"]
func.func @main(%x: tensor<?xi1> {nn.dims = ["seq"]}) -> tensor<1x?xi64> {
  %0 = nn.nonzero %x symbol "hits" : (tensor<?xi1>) -> tensor<1x?xi64>
  return %0 : tensor<1x?xi64>
}
