// RUN: sluice-opt %s --sluice-raise-rope --canonicalize | FileCheck %s
// RUN: sluice-opt %s --sluice-raise-rope --remarks-filter=.* --remark-format=emitRemark 2>&1 >%t | FileCheck %s --check-prefix=REMARK

// x·cos + rotate_half(x)·sin, with an angle of 2 repeated to 4: the op takes the 2.
// REMARK: [Passed] rope | Category:raise | Remark="matched, half style"
// CHECK-LABEL: func.func @half_style
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x3x4xf32>, %[[F:.*]]: tensor<1x3x2xf32>)
// CHECK: %[[COS:.*]] = math.cos %[[F]] : tensor<1x3x2xf32>
// CHECK: %[[SIN:.*]] = math.sin %[[F]] : tensor<1x3x2xf32>
// CHECK: nn.rope %[[X]], %[[COS]], %[[SIN]] :
func.func @half_style(%x: tensor<1x2x3x4xf32>, %f: tensor<1x3x2xf32>) -> tensor<1x2x3x4xf32> {
  %angle = tensor.concat dim(2) %f, %f : (tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<1x3x4xf32>
  %cos = math.cos %angle : tensor<1x3x4xf32>
  %sin = math.sin %angle : tensor<1x3x4xf32>
  %e = tensor.empty() : tensor<1x2x3x4xf32>
  %c = linalg.broadcast ins(%cos : tensor<1x3x4xf32>) outs(%e : tensor<1x2x3x4xf32>) dimensions = [1]
  %s = linalg.broadcast ins(%sin : tensor<1x3x4xf32>) outs(%e : tensor<1x2x3x4xf32>) dimensions = [1]
  %low = tensor.extract_slice %x[0, 0, 0, 0] [1, 2, 3, 2] [1, 1, 1, 1] : tensor<1x2x3x4xf32> to tensor<1x2x3x2xf32>
  %high = tensor.extract_slice %x[0, 0, 0, 2] [1, 2, 3, 2] [1, 1, 1, 1] : tensor<1x2x3x4xf32> to tensor<1x2x3x2xf32>
  %neg = arith.negf %high : tensor<1x2x3x2xf32>
  %half = tensor.concat dim(3) %neg, %low : (tensor<1x2x3x2xf32>, tensor<1x2x3x2xf32>) -> tensor<1x2x3x4xf32>
  %a = arith.mulf %x, %c : tensor<1x2x3x4xf32>
  %b = arith.mulf %half, %s : tensor<1x2x3x4xf32>
  %y = arith.addf %a, %b : tensor<1x2x3x4xf32>
  return %y : tensor<1x2x3x4xf32>
}

// Partial rotation: the first 4 of 6 elements are rotated, the op copies the rest.
// CHECK-LABEL: func.func @partial
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x3x6xf32>
// CHECK: %[[Y:.*]] = nn.rope %[[X]], %{{.*}}, %{{.*}} : (tensor<1x2x3x6xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>)
// CHECK-NEXT: return %[[Y]]
func.func @partial(%x: tensor<1x2x3x6xf32>, %cos: tensor<1x3x2xf32>, %sin: tensor<1x3x2xf32>) -> tensor<1x2x3x6xf32> {
  %head = tensor.extract_slice %x[0, 0, 0, 0] [1, 2, 3, 4] [1, 1, 1, 1] : tensor<1x2x3x6xf32> to tensor<1x2x3x4xf32>
  %rest = tensor.extract_slice %x[0, 0, 0, 4] [1, 2, 3, 2] [1, 1, 1, 1] : tensor<1x2x3x6xf32> to tensor<1x2x3x2xf32>
  %r = nn.rope %head, %cos, %sin : (tensor<1x2x3x4xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<1x2x3x4xf32>
  %y = tensor.concat dim(3) %r, %rest : (tensor<1x2x3x4xf32>, tensor<1x2x3x2xf32>) -> tensor<1x2x3x6xf32>
  return %y : tensor<1x2x3x6xf32>
}

// Refused: cos and sin of four angles that nothing says are twice the same two.
// REMARK: [Missed] rope | Category:raise | Remark="not raised: ", Remark="the two halves of cos and sin are not provably equal"
// CHECK-LABEL: func.func @four_angles
// CHECK-NOT: nn.rope
func.func @four_angles(%x: tensor<1x2x3x4xf32>, %cos: tensor<1x3x4xf32>, %sin: tensor<1x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %e = tensor.empty() : tensor<1x2x3x4xf32>
  %c = linalg.broadcast ins(%cos : tensor<1x3x4xf32>) outs(%e : tensor<1x2x3x4xf32>) dimensions = [1]
  %s = linalg.broadcast ins(%sin : tensor<1x3x4xf32>) outs(%e : tensor<1x2x3x4xf32>) dimensions = [1]
  %low = tensor.extract_slice %x[0, 0, 0, 0] [1, 2, 3, 2] [1, 1, 1, 1] : tensor<1x2x3x4xf32> to tensor<1x2x3x2xf32>
  %high = tensor.extract_slice %x[0, 0, 0, 2] [1, 2, 3, 2] [1, 1, 1, 1] : tensor<1x2x3x4xf32> to tensor<1x2x3x2xf32>
  %neg = arith.negf %high : tensor<1x2x3x2xf32>
  %half = tensor.concat dim(3) %neg, %low : (tensor<1x2x3x2xf32>, tensor<1x2x3x2xf32>) -> tensor<1x2x3x4xf32>
  %a = arith.mulf %x, %c : tensor<1x2x3x4xf32>
  %b = arith.mulf %half, %s : tensor<1x2x3x4xf32>
  %y = arith.addf %a, %b : tensor<1x2x3x4xf32>
  return %y : tensor<1x2x3x4xf32>
}
