// RUN: sluice-opt %s --canonicalize | FileCheck %s

// A size asked of a value becomes an expression: the value is not kept alive by it.
// CHECK-LABEL: func.func @asked
func.func @asked(%table: tensor<100x64xf32>, %ids: tensor<?x?xi64> {nn.dims = ["batch", "past + seq"]}) -> (index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // CHECK-NOT: nn.gather
  %y = nn.gather %table, %ids axis 0 : (tensor<100x64xf32>, tensor<?x?xi64>) -> tensor<?x?x64xf32>
  // CHECK-DAG: %[[B:.*]] = nn.size "batch"
  // CHECK-DAG: %[[T:.*]] = nn.size "past + seq"
  %d0 = tensor.dim %y, %c0 : tensor<?x?x64xf32>
  %d1 = tensor.dim %y, %c1 : tensor<?x?x64xf32>
  // CHECK: return %[[B]], %[[T]]
  return %d0, %d1 : index, index
}

// Upstream's exchange of a transpose with a broadcast asks the broadcast's source: its answer is an expression, too.
// CHECK-LABEL: func.func @exchanged
// CHECK-NOT: tensor.dim
// CHECK: linalg.transpose
// CHECK: linalg.broadcast
// CHECK-NOT: tensor.dim
// CHECK: return
func.func @exchanged(%x: tensor<?x?xf32> {nn.dims = ["batch", "seq"]}) -> tensor<?x4x?xf32> {
  %b = nn.size "batch"
  %s = nn.size "seq"
  %e0 = tensor.empty(%b, %s) : tensor<?x?x4xf32>
  %y = linalg.broadcast ins(%x : tensor<?x?xf32>) outs(%e0 : tensor<?x?x4xf32>) dimensions = [2]
  %e1 = tensor.empty(%s, %b) : tensor<?x4x?xf32>
  %z = linalg.transpose ins(%y : tensor<?x?x4xf32>) outs(%e1 : tensor<?x4x?xf32>) permutation = [1, 2, 0]
  return %z : tensor<?x4x?xf32>
}

// What nothing tells stays a question.
// CHECK-LABEL: func.func @unknown
func.func @unknown(%x: tensor<?xf32>) -> index {
  %c0 = arith.constant 0 : index
  // CHECK: tensor.dim
  %d = tensor.dim %x, %c0 : tensor<?xf32>
  return %d : index
}
