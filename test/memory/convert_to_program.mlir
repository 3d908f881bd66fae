// RUN: sluice-opt %s --split-input-file --sluice-convert-to-program | FileCheck %s

// A function of two dispatches: ports for its argument and result, a buffer alive from launch 0 to launch 1.
// CHECK: exec.symbol "batch" free
exec.kernel @gather_rows library "gather" {axis = 0 : i64}
exec.kernel @softmax library "softmax" {axis = -1 : i64}
// CHECK-LABEL: exec.program @main
// CHECK-DAG: %[[IN:.*]] = exec.buffer input 0
// CHECK-DAG: %[[OUT:.*]] = exec.buffer output 0
// CHECK-DAG: exec.port input "x" f32 ["batch", "4"] in %[[IN]]
// CHECK-DAG: exec.port output "y" f32 ["2", "4"] in %[[OUT]]
// CHECK-DAG: %[[T:.*]] = exec.buffer arena bytes "32" live [0, 1]
// CHECK: exec.launch @gather_rows
// CHECK: %[[Y:.*]] = exec.view %[[OUT]] f32 ["2", "4"]
// CHECK: exec.launch @softmax ins(%{{.*}}) outs(%[[Y]])
func.func @main(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", "4"]}) -> (tensor<2x4xf32> {nn.name = "y", nn.dims = ["2", "4"]}) {
  %i = arith.constant dense<[1, 0]> : tensor<2xi64>
  %0 = exec.dispatch @gather_rows(%x, %i) sizes [["2", "4"]] : (tensor<?x4xf32>, tensor<2xi64>) -> tensor<2x4xf32>
  %1 = exec.dispatch @softmax(%0) sizes [["2", "4"]] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}

// -----

// Views cost nothing: the kernel that reads strides gets the transposed rows as they lie, 4 apart.
exec.kernel @matmul library "matmul"
// CHECK-LABEL: exec.program @main
// CHECK: %[[B:.*]] = exec.view %{{.*}} f32 ["4", "8"] strides ["1", "4"]
// CHECK: exec.launch @matmul ins(%{{.*}}, %[[B]])
// CHECK-NOT: exec.launch
func.func @main(%a: tensor<2x4xf32> {nn.name = "a", nn.dims = ["2", "4"]}, %b: tensor<8x4xf32> {nn.name = "b", nn.dims = ["8", "4"]})
    -> (tensor<2x8xf32> {nn.name = "y", nn.dims = ["2", "8"]}) {
  %e = tensor.empty() : tensor<4x8xf32>
  %t = linalg.transpose ins(%b : tensor<8x4xf32>) outs(%e : tensor<4x8xf32>) permutation = [1, 0]
  %y = exec.dispatch @matmul(%a, %t) sizes [["2", "8"]] : (tensor<2x4xf32>, tensor<4x8xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// -----

// A kernel that reads no strides gets a dense copy, made once for both launches.
exec.kernel @softmax library "softmax" {axis = 0 : i64}
// CHECK: exec.kernel @copy library "copy"
// CHECK-LABEL: exec.program @main
// CHECK: exec.launch @copy
// CHECK: exec.launch @softmax
// CHECK: exec.launch @softmax
// CHECK-NOT: exec.launch
func.func @main(%x: tensor<8x4xf32> {nn.name = "x", nn.dims = ["8", "4"]})
    -> (tensor<4x8xf32> {nn.name = "y", nn.dims = ["4", "8"]}, tensor<4x8xf32> {nn.name = "z", nn.dims = ["4", "8"]}) {
  %e = tensor.empty() : tensor<4x8xf32>
  %t = linalg.transpose ins(%x : tensor<8x4xf32>) outs(%e : tensor<4x8xf32>) permutation = [1, 0]
  %y = exec.dispatch @softmax(%t) sizes [["4", "8"]] : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %z = exec.dispatch @softmax(%t) sizes [["4", "8"]] : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y, %z : tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

// Both parts of a concat are written where the result has them: no launch of its own.
exec.kernel @rope library "rope"
// CHECK-LABEL: exec.program @main
// CHECK: %[[OUT:.*]] = exec.buffer output 0
// CHECK: %[[A:.*]] = exec.view %[[OUT]] f32 ["1", "1", "2", "4"]
// CHECK: exec.launch @rope ins(%{{.*}}) outs(%[[A]])
// CHECK: %[[B:.*]] = exec.view %[[OUT]] f32 ["1", "1", "2", "4"] offset "8"
// CHECK: exec.launch @rope ins(%{{.*}}) outs(%[[B]])
// CHECK-NOT: exec.launch
func.func @main(%x: tensor<1x1x2x4xf32> {nn.name = "x", nn.dims = ["1", "1", "2", "4"]}, %c: tensor<1x2x2xf32> {nn.name = "c", nn.dims = ["1", "2", "2"]})
    -> (tensor<1x2x2x4xf32> {nn.name = "y", nn.dims = ["1", "2", "2", "4"]}) {
  %a = exec.dispatch @rope(%x, %c, %c) sizes [["1", "1", "2", "4"]] : (tensor<1x1x2x4xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>) -> tensor<1x1x2x4xf32>
  %b = exec.dispatch @rope(%x, %c, %c) sizes [["1", "1", "2", "4"]] : (tensor<1x1x2x4xf32>, tensor<1x2x2xf32>, tensor<1x2x2xf32>) -> tensor<1x1x2x4xf32>
  %y = tensor.concat dim(1) %a, %b : (tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>) -> tensor<1x2x2x4xf32>
  return %y : tensor<1x2x2x4xf32>
}

// -----

// A cache is a state: the new keys are written behind the past ones, which stay where they are.
exec.kernel @copy library "copy"
// CHECK: exec.state @s0 "0.k" layer 0 component "k" f32 ["1", "1", "past", "4"] axis 2 before "past" after "past + 1" input 0 output 0
// CHECK-LABEL: exec.program @main
// CHECK: %[[S:.*]] = exec.buffer state @s0
// CHECK: exec.port input "past" f32 ["1", "1", "past", "4"] state @s0 in %[[S]]
// CHECK: exec.port output "present" f32 ["1", "1", "past + 1", "4"] state @s0 in %[[S]]
// CHECK: %[[NEW:.*]] = exec.view %[[S]] f32 ["1", "1", "1", "4"] start "past"
// CHECK: exec.launch @copy ins(%{{.*}}) outs(%[[NEW]])
func.func @main(%p: tensor<1x1x?x4xf32> {nn.name = "past", nn.dims = ["1", "1", "past", "4"]}, %n: tensor<1x1x1x4xf32> {nn.name = "new", nn.dims = ["1", "1", "1", "4"]})
    -> (tensor<1x1x?x4xf32> {nn.name = "present", nn.dims = ["1", "1", "past + 1", "4"]})
    attributes {nn.states = [{name = "0.k", past = 0 : i64, present = 0 : i64, axis = 2 : i64, layer = 0 : i64, component = "k"}]} {
  %k = exec.dispatch @copy(%n) sizes [["1", "1", "1", "4"]] : (tensor<1x1x1x4xf32>) -> tensor<1x1x1x4xf32>
  %c = tensor.concat dim(2) %p, %k : (tensor<1x1x?x4xf32>, tensor<1x1x1x4xf32>) -> tensor<1x1x?x4xf32>
  return %c : tensor<1x1x?x4xf32>
}

// -----

// Assumptions are facts of the module, and their symbols are known.
// CHECK-DAG: exec.symbol "past" free
// CHECK-DAG: exec.symbol "seq" free
// CHECK-DAG: exec.symbol "total" free
// CHECK-DAG: exec.assume "total == past + seq"
exec.kernel @copy library "copy"
func.func @main(%x: tensor<?xf32> {nn.name = "x", nn.dims = ["total"]}) -> (tensor<?xf32> {nn.name = "y", nn.dims = ["total"]})
    attributes {nn.assumptions = ["total == past + seq"]} {
  %y = exec.dispatch @copy(%x) sizes [["total"]] : (tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

// A sub-program's assumption is its own.
// CHECK-DAG: exec.assume "n >= 1"
// CHECK-DAG: exec.assume "n >= 2" in @long
// CHECK-NOT: in @short
func.func @main(%c: tensor<i1> {nn.name = "c", nn.dims = []}, %x: tensor<?xf32> {nn.name = "x", nn.dims = ["n"]})
    -> (tensor<?xf32> {nn.name = "y", nn.dims = ["n"]}) attributes {nn.assumptions = ["n >= 1"]} {
  %y = nn.if %c then @long else @short (%x) sizes [["n"]] symbols [] : (tensor<i1>, tensor<?xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}
func.func private @long(%x: tensor<?xf32> {nn.dims = ["n"]}) -> tensor<?xf32> attributes {nn.assumptions = ["n >= 2"]} {
  return %x : tensor<?xf32>
}
func.func private @short(%x: tensor<?xf32> {nn.dims = ["n"]}) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}
