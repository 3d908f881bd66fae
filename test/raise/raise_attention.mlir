// RUN: sluice-opt %s --sluice-raise-attention --canonicalize | FileCheck %s
// RUN: sluice-opt %s --sluice-raise-attention --remarks-filter=.* --remark-format=emitRemark 2>&1 >%t | FileCheck %s --check-prefix=REMARK

// Keys transposed, no mask; values narrower than keys.
// REMARK: [Passed] attention | Category:raise | Remark="matched: all keys"
// CHECK-LABEL: func.func @cross
// CHECK: nn.attention %arg0, %arg1, %arg2 pattern <full> scale 1.000000e+00
func.func @cross(%q: tensor<?x4x?x16xf32> {nn.dims = ["batch", "4", "seq", "16"]},
                 %k: tensor<?x4x?x16xf32> {nn.dims = ["batch", "4", "keys", "16"]},
                 %v: tensor<?x4x?x8xf32> {nn.dims = ["batch", "4", "keys", "8"]}) -> tensor<?x4x?x8xf32> {
  %b = nn.size "batch"
  %t = nn.size "keys"
  %e0 = tensor.empty(%b, %t) : tensor<?x4x16x?xf32>
  %kt = linalg.transpose ins(%k : tensor<?x4x?x16xf32>) outs(%e0 : tensor<?x4x16x?xf32>) permutation = [0, 1, 3, 2]
  %x = nn.matmul %q, %kt : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
  %p = nn.softmax %x axis 3 : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
  %o = nn.matmul %p, %v : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
  return %o : tensor<?x4x?x8xf32>
}

// A mask of the wrong diagonal stays a bias, and a remark says at which position it differs.
// REMARK: [Passed] attention | Category:raise | Remark="taken over: mask kept as a bias: it is no known pattern: not causal at query {{.*}}"
// CHECK-LABEL: func.func @strictly_before
// CHECK: nn.attention %arg0, %arg1, %arg2 bias %{{.*}} pattern <full>
func.func @strictly_before(%q: tensor<?x4x?x16xf32> {nn.dims = ["batch", "4", "seq", "16"]},
                           %k: tensor<?x4x?x16xf32> {nn.dims = ["batch", "4", "seq", "16"]},
                           %v: tensor<?x4x?x16xf32> {nn.dims = ["batch", "4", "seq", "16"]}) -> tensor<?x4x?x16xf32> {
  %s = nn.size "seq"
  %i = nn.iota "seq" : tensor<?xi64>
  %e = tensor.empty(%s, %s) : tensor<?x?xi64>
  %row = linalg.broadcast ins(%i : tensor<?xi64>) outs(%e : tensor<?x?xi64>) dimensions = [1]
  %col = linalg.broadcast ins(%i : tensor<?xi64>) outs(%e : tensor<?x?xi64>) dimensions = [0]
  %before = arith.cmpi slt, %col, %row : tensor<?x?xi64>
  %mask = nn.reshape %before ["1", "1", "seq", "seq"] : (tensor<?x?xi1>) -> tensor<1x1x?x?xi1>
  %o = nn.attention %q, %k, %v bias %mask pattern <full> scale 2.5e-01
      : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<1x1x?x?xi1>) -> tensor<?x4x?x16xf32>
  return %o : tensor<?x4x?x16xf32>
}

// The same with the diagonal in: causal, for queries and keys of one length.
// REMARK: [Passed] attention | Category:raise | Remark="taken over: causal"
// CHECK-LABEL: func.func @up_to_itself
// CHECK: nn.attention %arg0, %arg1, %arg2 pattern <causal>
func.func @up_to_itself(%q: tensor<?x4x?x16xf32> {nn.dims = ["batch", "4", "seq", "16"]},
                        %k: tensor<?x4x?x16xf32> {nn.dims = ["batch", "4", "seq", "16"]},
                        %v: tensor<?x4x?x16xf32> {nn.dims = ["batch", "4", "seq", "16"]}) -> tensor<?x4x?x16xf32> {
  %s = nn.size "seq"
  %i = nn.iota "seq" : tensor<?xi64>
  %e = tensor.empty(%s, %s) : tensor<?x?xi64>
  %row = linalg.broadcast ins(%i : tensor<?xi64>) outs(%e : tensor<?x?xi64>) dimensions = [1]
  %col = linalg.broadcast ins(%i : tensor<?xi64>) outs(%e : tensor<?x?xi64>) dimensions = [0]
  %before = arith.cmpi sle, %col, %row : tensor<?x?xi64>
  %mask = nn.reshape %before ["1", "1", "seq", "seq"] : (tensor<?x?xi1>) -> tensor<1x1x?x?xi1>
  %o = nn.attention %q, %k, %v bias %mask pattern <full> scale 2.5e-01
      : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>, tensor<1x1x?x?xi1>) -> tensor<?x4x?x16xf32>
  return %o : tensor<?x4x?x16xf32>
}

// Weights that run over queries: no attention, and the remark says so.
// REMARK: [Missed] attention | Category:raise | Remark="not raised: the softmax does not run over the keys"
// CHECK-LABEL: func.func @over_queries
// CHECK-NOT: nn.attention
func.func @over_queries(%q: tensor<?x4x8x16xf32> {nn.dims = ["batch", "4", "8", "16"]},
                        %kt: tensor<?x4x16x8xf32> {nn.dims = ["batch", "4", "16", "8"]},
                        %v: tensor<?x4x8x16xf32> {nn.dims = ["batch", "4", "8", "16"]}) -> tensor<?x4x8x16xf32> {
  %x = nn.matmul %q, %kt : (tensor<?x4x8x16xf32>, tensor<?x4x16x8xf32>) -> tensor<?x4x8x8xf32>
  %p = nn.softmax %x axis 2 : (tensor<?x4x8x8xf32>) -> tensor<?x4x8x8xf32>
  %o = nn.matmul %p, %v : (tensor<?x4x8x8xf32>, tensor<?x4x8x16xf32>) -> tensor<?x4x8x16xf32>
  return %o : tensor<?x4x8x16xf32>
}
