// RUN: sluice-opt %s --split-input-file --sluice-merge-linears | FileCheck %s
// RUN: sluice-opt %s --split-input-file --sluice-merge-linears --remarks-filter=.* --remark-format=emitRemark 2>&1 >%t | FileCheck %s --check-prefix=REMARK

// 16 and 4 rows become one weight of 20; the element-wise users read its columns.
// REMARK: [Passed] merge-linears | Category:fuse | Remark=2, Remark=" linears of one input are one of ", Remark=20
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: tensor<?x8xf32>
// CHECK-DAG: %[[A:.*]] = nn.weight "a"
// CHECK-DAG: %[[B:.*]] = nn.weight "b"
// CHECK: %[[W:.*]] = tensor.concat dim(0) %[[A]], %[[B]] : (tensor<16x8xf32>, tensor<4x8xf32>) -> tensor<20x8xf32>
// CHECK: %[[Y:.*]] = nn.linear %[[X]], %[[W]] acc f32 : (tensor<?x8xf32>, tensor<20x8xf32>) -> tensor<?x20xf32>
// CHECK: %[[P:.*]] = tensor.extract_slice %[[Y]][0, 0] [%{{.*}}, 16] [1, 1]
// CHECK: %[[Q:.*]] = tensor.extract_slice %[[Y]][0, 16] [%{{.*}}, 4] [1, 1]
// CHECK: math.exp %[[P]]
// CHECK: math.exp %[[Q]]
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["batch", "8"]}) -> (tensor<?x16xf32>, tensor<?x4xf32>) {
  %a = nn.weight "a" file 0 offset 0 length 512 : tensor<16x8xf32>
  %p = nn.linear %x, %a acc f32 : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
  %0 = math.exp %p : tensor<?x16xf32>
  %b = nn.weight "b" file 0 offset 512 length 128 : tensor<4x8xf32>
  %q = nn.linear %x, %b acc f32 : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %1 = math.exp %q : tensor<?x4xf32>
  return %0, %1 : tensor<?x16xf32>, tensor<?x4xf32>
}

// -----

// Heads are views, and rope and attention read strides.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-1: nn.linear
// CHECK-NOT: nn.linear
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["seq", "8"]}, %c: tensor<1x?x2xf32> {nn.dims = ["1", "seq", "2"]}) -> tensor<1x2x?x4xf32> {
  %a = nn.weight "a" file 0 offset 0 length 256 : tensor<8x8xf32>
  %b = nn.weight "b" file 0 offset 256 length 256 : tensor<8x8xf32>
  %s = nn.size "seq"
  %e = tensor.empty(%s) : tensor<1x2x?x4xf32>
  %q = nn.linear %x, %a : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %k = nn.linear %x, %b : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %q1 = nn.reshape %q ["1", "seq", "2", "4"] : (tensor<?x8xf32>) -> tensor<1x?x2x4xf32>
  %k1 = nn.reshape %k ["1", "seq", "2", "4"] : (tensor<?x8xf32>) -> tensor<1x?x2x4xf32>
  %q2 = linalg.transpose ins(%q1 : tensor<1x?x2x4xf32>) outs(%e : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %k2 = linalg.transpose ins(%k1 : tensor<1x?x2x4xf32>) outs(%e : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %q3 = nn.rope %q2, %c, %c : (tensor<1x2x?x4xf32>, tensor<1x?x2xf32>, tensor<1x?x2xf32>) -> tensor<1x2x?x4xf32>
  %o = nn.attention %q3, %k2, %k2 pattern <causal> scale 5.0e-01
      : (tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>) -> tensor<1x2x?x4xf32>
  return %o : tensor<1x2x?x4xf32>
}

// -----

// 4-bit weights: codes, scales and zero points are merged, and one zero point everywhere stays one number.
// CHECK-LABEL: func.func @main
// CHECK-DAG: %[[Q:.*]] = tensor.concat dim(0) %{{.*}}, %{{.*}} : (tensor<16x64xui4>, tensor<4x64xui4>) -> tensor<20x64xui4>
// CHECK-DAG: %[[S:.*]] = tensor.concat dim(0) %{{.*}}, %{{.*}} : (tensor<16x2xf32>, tensor<4x2xf32>) -> tensor<20x2xf32>
// CHECK-DAG: %[[Z:.*]] = arith.constant dense<8> : tensor<20x2xui4>
// CHECK: %[[W:.*]] = nn.dequantize %[[Q]], %[[S]], %[[Z]] {axis = 1 : i64, block = 32 : i64}
// CHECK: nn.linear %{{.*}}, %[[W]] acc f32
func.func @main(%x: tensor<?x64xf32> {nn.dims = ["batch", "64"]}) -> (tensor<?x16xf32>, tensor<?x4xf32>) {
  %q0 = nn.weight "q0" file 0 offset 0 length 512 : tensor<16x64xui4>
  %s0 = nn.weight "s0" file 0 offset 512 length 128 : tensor<16x2xf32>
  %z0 = arith.constant dense<8> : tensor<16x2xui4>
  %w0 = nn.dequantize %q0, %s0, %z0 {axis = 1 : i64, block = 32 : i64} : (tensor<16x64xui4>, tensor<16x2xf32>, tensor<16x2xui4>) -> tensor<16x64xf32>
  %q1 = nn.weight "q1" file 0 offset 640 length 128 : tensor<4x64xui4>
  %s1 = nn.weight "s1" file 0 offset 768 length 32 : tensor<4x2xf32>
  %z1 = arith.constant dense<8> : tensor<4x2xui4>
  %w1 = nn.dequantize %q1, %s1, %z1 {axis = 1 : i64, block = 32 : i64} : (tensor<4x64xui4>, tensor<4x2xf32>, tensor<4x2xui4>) -> tensor<4x64xf32>
  %a = nn.linear %x, %w0 acc f32 : (tensor<?x64xf32>, tensor<16x64xf32>) -> tensor<?x16xf32>
  %b = nn.linear %x, %w1 acc f32 : (tensor<?x64xf32>, tensor<4x64xf32>) -> tensor<?x4xf32>
  %0 = math.exp %a : tensor<?x16xf32>
  %1 = math.exp %b : tensor<?x4xf32>
  return %0, %1 : tensor<?x16xf32>, tensor<?x4xf32>
}

// -----

// Refused: the norm reads dense rows and the function returns one; a merged result would be copied out for each.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-3: nn.linear
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["batch", "8"]}) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = nn.weight "a" file 0 offset 0 length 256 : tensor<8x8xf32>
  %b = nn.weight "b" file 0 offset 256 length 256 : tensor<8x8xf32>
  %c = nn.weight "c" file 0 offset 512 length 256 : tensor<8x8xf32>
  %p = nn.linear %x, %a : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %q = nn.linear %x, %b : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %r = nn.linear %x, %c : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %0 = nn.rms_norm %p eps 1.0e-5 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = math.exp %r : tensor<?x8xf32>
  return %0, %q, %1 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// Refused: they accumulate in other types.
// CHECK-LABEL: func.func @main
// CHECK-COUNT-2: nn.linear
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["batch", "8"]}) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = nn.weight "a" file 0 offset 0 length 256 : tensor<8x8xf32>
  %b = nn.weight "b" file 0 offset 256 length 256 : tensor<8x8xf32>
  %p = nn.linear %x, %a acc f32 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %q = nn.linear %x, %b acc f64 : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %0 = math.exp %p : tensor<?x8xf32>
  %1 = math.exp %q : tensor<?x8xf32>
  return %0, %1 : tensor<?x8xf32>, tensor<?x8xf32>
}
