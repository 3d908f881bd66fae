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

// 4-bit weights: codes, scales and zero points are merged; zero points that are constants stay one.
// CHECK-LABEL: func.func @main
// CHECK-DAG: %[[Q:.*]] = tensor.concat dim(0) %{{.*}}, %{{.*}} : (tensor<16x64xui4>, tensor<4x64xui4>) -> tensor<20x64xui4>
// CHECK-DAG: %[[S:.*]] = tensor.concat dim(0) %{{.*}}, %{{.*}} : (tensor<16x2xf32>, tensor<4x2xf32>) -> tensor<20x2xf32>
// CHECK-DAG: %[[Z:.*]] = arith.constant dense<{{\[\[8, 8\], .*\[8, 8\], \[7, 9\], \[7, 9\], \[7, 9\], \[7, 9\]\]}}> : tensor<20x2xui4>
// CHECK: %[[W:.*]] = nn.dequantize %[[Q]], %[[S]], %[[Z]] {axis = 1 : i64, block = 32 : i64}
// CHECK: nn.linear %{{.*}}, %[[W]] acc f32
func.func @main(%x: tensor<?x64xf32> {nn.dims = ["batch", "64"]}) -> (tensor<?x16xf32>, tensor<?x4xf32>) {
  %q0 = nn.weight "q0" file 0 offset 0 length 512 : tensor<16x64xui4>
  %s0 = nn.weight "s0" file 0 offset 512 length 128 : tensor<16x2xf32>
  %z0 = arith.constant dense<8> : tensor<16x2xui4>
  %w0 = nn.dequantize %q0, %s0, %z0 {axis = 1 : i64, block = 32 : i64} : (tensor<16x64xui4>, tensor<16x2xf32>, tensor<16x2xui4>) -> tensor<16x64xf32>
  %q1 = nn.weight "q1" file 0 offset 640 length 128 : tensor<4x64xui4>
  %s1 = nn.weight "s1" file 0 offset 768 length 32 : tensor<4x2xf32>
  %z1 = arith.constant dense<[[7, 9], [7, 9], [7, 9], [7, 9]]> : tensor<4x2xui4>
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

// -----

// Biases become one on the merged result, whichever side of the sum they stand on; what has none gets −0, which changes
// nothing; a scale of q alone is a product with 1 elsewhere.  Attention reads the columns of what comes out.
// CHECK-LABEL: func.func @main
// CHECK: %[[BQ:.*]] = nn.weight "bq"
// CHECK: %[[Y:.*]] = nn.linear %{{.*}} -> tensor<?x24xf16>
// CHECK-DAG: %[[NONE:.*]] = arith.constant dense<-0.000000e+00> : tensor<8xf16>
// CHECK-DAG: %[[BV:.*]] = nn.weight "bv"
// CHECK: %[[B:.*]] = tensor.concat dim(0) %[[BQ]], %[[NONE]], %[[BV]] : (tensor<8xf16>, tensor<8xf16>, tensor<8xf16>) -> tensor<24xf16>
// CHECK: %[[BIAS:.*]] = linalg.broadcast ins(%[[B]] : tensor<24xf16>) outs(%{{.*}} : tensor<?x24xf16>) dimensions = [0]
// CHECK: %[[SUM:.*]] = arith.addf %[[Y]], %[[BIAS]]
// CHECK: %[[S:.*]] = arith.constant dense<[5.000000e-01, 5.000000e-01, 5.000000e-01, 5.000000e-01, 5.000000e-01, 5.000000e-01, 5.000000e-01, 5.000000e-01, 1.000000e+00,
// CHECK: %[[SCALE:.*]] = linalg.broadcast ins(%[[S]] : tensor<24xf16>)
// CHECK: %[[ALL:.*]] = arith.mulf %[[SUM]], %[[SCALE]]
// CHECK: tensor.extract_slice %[[ALL]][0, 0] [%{{.*}}, 8] [1, 1]
// CHECK: tensor.extract_slice %[[ALL]][0, 8] [%{{.*}}, 8] [1, 1]
// CHECK: tensor.extract_slice %[[ALL]][0, 16] [%{{.*}}, 8] [1, 1]
// CHECK-NOT: arith.addf
// CHECK-NOT: arith.mulf
// CHECK: nn.attention
func.func @main(%x: tensor<?x8xf16> {nn.dims = ["seq", "8"]}) -> tensor<1x2x?x4xf16> {
  %wq = nn.weight "wq" file 0 offset 0 length 128 : tensor<8x8xf16>
  %wk = nn.weight "wk" file 0 offset 128 length 128 : tensor<8x8xf16>
  %wv = nn.weight "wv" file 0 offset 256 length 128 : tensor<8x8xf16>
  %bq = nn.weight "bq" file 0 offset 384 length 16 : tensor<8xf16>
  %half = arith.constant dense<5.0e-01> : tensor<f16>
  %s = nn.size "seq"
  %e = tensor.empty(%s) : tensor<?x8xf16>
  %h = tensor.empty(%s) : tensor<1x2x?x4xf16>
  %q = nn.linear %x, %wq : (tensor<?x8xf16>, tensor<8x8xf16>) -> tensor<?x8xf16>
  %q1 = linalg.broadcast ins(%bq : tensor<8xf16>) outs(%e : tensor<?x8xf16>) dimensions = [0]
  %q2 = arith.addf %q1, %q : tensor<?x8xf16>
  %q3 = linalg.broadcast ins(%half : tensor<f16>) outs(%e : tensor<?x8xf16>) dimensions = [0, 1]
  %q4 = arith.mulf %q2, %q3 : tensor<?x8xf16>
  %k = nn.linear %x, %wk : (tensor<?x8xf16>, tensor<8x8xf16>) -> tensor<?x8xf16>
  %v = nn.linear %x, %wv : (tensor<?x8xf16>, tensor<8x8xf16>) -> tensor<?x8xf16>
  %bv = nn.weight "bv" file 0 offset 400 length 16 : tensor<8xf16>
  %v1 = linalg.broadcast ins(%bv : tensor<8xf16>) outs(%e : tensor<?x8xf16>) dimensions = [0]
  %v2 = arith.addf %v, %v1 : tensor<?x8xf16>
  %q5 = nn.reshape %q4 ["1", "seq", "2", "4"] : (tensor<?x8xf16>) -> tensor<1x?x2x4xf16>
  %k5 = nn.reshape %k ["1", "seq", "2", "4"] : (tensor<?x8xf16>) -> tensor<1x?x2x4xf16>
  %v5 = nn.reshape %v2 ["1", "seq", "2", "4"] : (tensor<?x8xf16>) -> tensor<1x?x2x4xf16>
  %q6 = linalg.transpose ins(%q5 : tensor<1x?x2x4xf16>) outs(%h : tensor<1x2x?x4xf16>) permutation = [0, 2, 1, 3]
  %k6 = linalg.transpose ins(%k5 : tensor<1x?x2x4xf16>) outs(%h : tensor<1x2x?x4xf16>) permutation = [0, 2, 1, 3]
  %v6 = linalg.transpose ins(%v5 : tensor<1x?x2x4xf16>) outs(%h : tensor<1x2x?x4xf16>) permutation = [0, 2, 1, 3]
  %o = nn.attention %q6, %k6, %v6 pattern <full> scale 1.0
      : (tensor<1x2x?x4xf16>, tensor<1x2x?x4xf16>, tensor<1x2x?x4xf16>) -> tensor<1x2x?x4xf16>
  return %o : tensor<1x2x?x4xf16>
}

// -----

// Left where they are: the product that both biases feed takes them in as it is; nothing would be saved.
// CHECK-LABEL: func.func @main
// CHECK: %[[Y:.*]] = nn.linear %{{.*}} -> tensor<?x16xf32>
// CHECK-DAG: %[[A:.*]] = tensor.extract_slice %[[Y]][0, 0]
// CHECK-DAG: %[[B:.*]] = tensor.extract_slice %[[Y]][0, 8]
// CHECK-DAG: arith.addf %[[A]]
// CHECK-DAG: arith.addf %[[B]]
func.func @main(%x: tensor<?x8xf32> {nn.dims = ["seq", "8"]}) -> tensor<?x8xf32> {
  %wa = nn.weight "wa" file 0 offset 0 length 256 : tensor<8x8xf32>
  %wb = nn.weight "wb" file 0 offset 256 length 256 : tensor<8x8xf32>
  %ba = nn.weight "ba" file 0 offset 512 length 32 : tensor<8xf32>
  %bb = nn.weight "bb" file 0 offset 544 length 32 : tensor<8xf32>
  %s = nn.size "seq"
  %e = tensor.empty(%s) : tensor<?x8xf32>
  %a = nn.linear %x, %wa : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %b = nn.linear %x, %wb : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %a1 = linalg.broadcast ins(%ba : tensor<8xf32>) outs(%e : tensor<?x8xf32>) dimensions = [0]
  %b1 = linalg.broadcast ins(%bb : tensor<8xf32>) outs(%e : tensor<?x8xf32>) dimensions = [0]
  %a2 = arith.addf %a, %a1 : tensor<?x8xf32>
  %b2 = arith.addf %b, %b1 : tensor<?x8xf32>
  %p = arith.mulf %a2, %b2 : tensor<?x8xf32>
  return %p : tensor<?x8xf32>
}

// -----

// Conversions on the way are lifted too (--dtype keeps sums f32); what has none is widened and narrowed again, exactly.
// CHECK-LABEL: func.func @main
// CHECK: %[[Y:.*]] = nn.linear %{{.*}} -> tensor<?x16xf16>
// CHECK: %[[WIDE:.*]] = arith.extf %[[Y]] : tensor<?x16xf16> to tensor<?x16xf32>
// CHECK: tensor.concat dim(0) %{{.*}} : (tensor<8xf32>, tensor<8xf32>) -> tensor<16xf32>
// CHECK: %[[SUM:.*]] = arith.addf %[[WIDE]], %{{.*}} : tensor<?x16xf32>
// CHECK: %[[ALL:.*]] = arith.truncf %[[SUM]] : tensor<?x16xf32> to tensor<?x16xf16>
// CHECK: tensor.extract_slice %[[ALL]][0, 0] [%{{.*}}, 8] [1, 1] : tensor<?x16xf16>
// CHECK: tensor.extract_slice %[[ALL]][0, 8] [%{{.*}}, 8] [1, 1] : tensor<?x16xf16>
// CHECK-NOT: arith.truncf
func.func @main(%x: tensor<?x8xf16> {nn.dims = ["seq", "8"]}) -> tensor<1x2x?x4xf16> {
  %wq = nn.weight "wq" file 0 offset 0 length 128 : tensor<8x8xf16>
  %wk = nn.weight "wk" file 0 offset 128 length 128 : tensor<8x8xf16>
  %bk = nn.weight "bk" file 0 offset 256 length 32 : tensor<8xf32>
  %s = nn.size "seq"
  %e = tensor.empty(%s) : tensor<?x8xf32>
  %h = tensor.empty(%s) : tensor<1x2x?x4xf16>
  %q = nn.linear %x, %wq : (tensor<?x8xf16>, tensor<8x8xf16>) -> tensor<?x8xf16>
  %k = nn.linear %x, %wk : (tensor<?x8xf16>, tensor<8x8xf16>) -> tensor<?x8xf16>
  %k1 = arith.extf %k : tensor<?x8xf16> to tensor<?x8xf32>
  %k2 = linalg.broadcast ins(%bk : tensor<8xf32>) outs(%e : tensor<?x8xf32>) dimensions = [0]
  %k3 = arith.addf %k1, %k2 : tensor<?x8xf32>
  %k4 = arith.truncf %k3 : tensor<?x8xf32> to tensor<?x8xf16>
  %q5 = nn.reshape %q ["1", "seq", "2", "4"] : (tensor<?x8xf16>) -> tensor<1x?x2x4xf16>
  %k5 = nn.reshape %k4 ["1", "seq", "2", "4"] : (tensor<?x8xf16>) -> tensor<1x?x2x4xf16>
  %q6 = linalg.transpose ins(%q5 : tensor<1x?x2x4xf16>) outs(%h : tensor<1x2x?x4xf16>) permutation = [0, 2, 1, 3]
  %k6 = linalg.transpose ins(%k5 : tensor<1x?x2x4xf16>) outs(%h : tensor<1x2x?x4xf16>) permutation = [0, 2, 1, 3]
  %o = nn.attention %q6, %k6, %k6 pattern <full> scale 1.0
      : (tensor<1x2x?x4xf16>, tensor<1x2x?x4xf16>, tensor<1x2x?x4xf16>) -> tensor<1x2x?x4xf16>
  return %o : tensor<1x2x?x4xf16>
}

// -----

// Refused: the sum of k is read as f32 while q is f16, so no type holds both; the biases stay behind the slices.
// CHECK-LABEL: func.func @main
// CHECK: %[[Y:.*]] = nn.linear %{{.*}} -> tensor<?x16xf16>
// CHECK-DAG: tensor.extract_slice %[[Y]][0, 0]
// CHECK-DAG: %[[K:.*]] = tensor.extract_slice %[[Y]][0, 8]
// CHECK: arith.extf %[[K]] : tensor<?x8xf16> to tensor<?x8xf32>
func.func @main(%x: tensor<?x8xf16> {nn.dims = ["seq", "8"]}, %past: tensor<?x8xf32> {nn.dims = ["past", "8"]}) -> (tensor<1x2x?x4xf16>, tensor<?x8xf32>) {
  %wq = nn.weight "wq" file 0 offset 0 length 128 : tensor<8x8xf16>
  %wk = nn.weight "wk" file 0 offset 128 length 128 : tensor<8x8xf16>
  %bk = nn.weight "bk" file 0 offset 256 length 32 : tensor<8xf32>
  %s = nn.size "seq"
  %e = tensor.empty(%s) : tensor<?x8xf32>
  %h = tensor.empty(%s) : tensor<1x2x?x4xf16>
  %q = nn.linear %x, %wq : (tensor<?x8xf16>, tensor<8x8xf16>) -> tensor<?x8xf16>
  %k = nn.linear %x, %wk : (tensor<?x8xf16>, tensor<8x8xf16>) -> tensor<?x8xf16>
  %k1 = arith.extf %k : tensor<?x8xf16> to tensor<?x8xf32>
  %k2 = linalg.broadcast ins(%bk : tensor<8xf32>) outs(%e : tensor<?x8xf32>) dimensions = [0]
  %k3 = arith.addf %k1, %k2 : tensor<?x8xf32>
  %all = tensor.concat dim(0) %past, %k3 : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %q5 = nn.reshape %q ["1", "seq", "2", "4"] : (tensor<?x8xf16>) -> tensor<1x?x2x4xf16>
  %q6 = linalg.transpose ins(%q5 : tensor<1x?x2x4xf16>) outs(%h : tensor<1x2x?x4xf16>) permutation = [0, 2, 1, 3]
  %o = nn.attention %q6, %q6, %q6 pattern <full> scale 1.0
      : (tensor<1x2x?x4xf16>, tensor<1x2x?x4xf16>, tensor<1x2x?x4xf16>) -> tensor<1x2x?x4xf16>
  return %o, %all : tensor<1x2x?x4xf16>, tensor<?x8xf32>
}
