// RUN: sluice-opt %s --sluice-convert-to-program | FileCheck %s

// Views lie between a kernel and the cache its result is appended to: the kernel cannot write there, so its result is
// copied behind the past.
exec.kernel @softmax library "softmax" {axis = -1 : i64}
// CHECK-LABEL: exec.program @main
// CHECK: %[[CACHE:.*]] = exec.buffer state @s0
// CHECK: exec.launch @softmax
// CHECK: %[[NEW:.*]] = exec.view %[[CACHE]] f32 ["1", "2", "seq", "4"] start "past"
// CHECK: exec.launch @copy ins(%{{.*}}) outs(%[[NEW]])
func.func @main(%past: tensor<1x2x?x4xf32> {nn.name = "past", nn.dims = ["1", "2", "past", "4"], nn.role = "state"},
                %x: tensor<1x2x?x4xf32> {nn.name = "x", nn.dims = ["1", "2", "seq", "4"], nn.role = "input"})
    -> (tensor<1x2x?x4xf32> {nn.name = "present", nn.dims = ["1", "2", "past + seq", "4"], nn.role = "state"})
    attributes {nn.states = [{name = "0.k", past = 0 : i64, present = 0 : i64, axis = 2 : i64, layer = 0 : i64, component = "k"}]} {
  %seq = nn.size "seq"
  %0 = exec.dispatch @softmax(%x) sizes [["1", "2", "seq", "4"]] : (tensor<1x2x?x4xf32>) -> tensor<1x2x?x4xf32>
  %1 = tensor.empty(%seq) : tensor<1x?x2x4xf32>
  %2 = linalg.transpose ins(%0 : tensor<1x2x?x4xf32>) outs(%1 : tensor<1x?x2x4xf32>) permutation = [0, 2, 1, 3]
  %3 = nn.reshape %2 ["1", "seq", "2", "4"] : (tensor<1x?x2x4xf32>) -> tensor<1x?x2x4xf32>
  %4 = tensor.empty(%seq) : tensor<1x2x?x4xf32>
  %5 = linalg.transpose ins(%3 : tensor<1x?x2x4xf32>) outs(%4 : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %6 = tensor.concat dim(2) %past, %5 : (tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>) -> tensor<1x2x?x4xf32>
  return %6 : tensor<1x2x?x4xf32>
}
