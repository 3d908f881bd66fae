// RUN: sluice-opt %s --sluice-convert-to-program | FileCheck %s

// Keys are made of two parts and appended to a cache.  A part of a key is no range of positions, so the key has a
// buffer of its own, which is copied behind the past.
// CHECK-LABEL: exec.program @main
func.func @main(%past: tensor<?x?x24xf32> {nn.name = "past", nn.dims = ["batch", "past", "24"]},
                %a: tensor<?x?x16xf32> {nn.name = "a", nn.dims = ["batch", "seq", "16"]},
                %b: tensor<?x?x8xf32> {nn.name = "b", nn.dims = ["batch", "seq", "8"]})
    -> (tensor<?x?x24xf32> {nn.name = "present"})
    attributes {nn.states = [{name = "0.k", past = 0 : i64, present = 0 : i64, axis = 1 : i64, layer = 0 : i64, component = "k"}]} {
  // CHECK-DAG: %[[CACHE:.*]] = exec.buffer state @s0
  // CHECK-DAG: %[[KEY:.*]] = exec.buffer arena bytes "96 * batch * seq"
  // CHECK: %[[A:.*]] = exec.view %[[KEY]] f32 ["batch", "seq", "16"] strides ["24 * seq", "24", "1"]
  // CHECK: exec.launch @copy ins(%{{.*}}) outs(%[[A]])
  // CHECK: %[[B:.*]] = exec.view %[[KEY]] f32 ["batch", "seq", "8"] strides ["24 * seq", "24", "1"] offset "16"
  // CHECK: exec.launch @copy ins(%{{.*}}) outs(%[[B]])
  %key = tensor.concat dim(2) %a, %b : (tensor<?x?x16xf32>, tensor<?x?x8xf32>) -> tensor<?x?x24xf32>
  // CHECK: %[[FROM:.*]] = exec.view %[[KEY]] f32 ["batch", "seq", "24"]
  // CHECK: %[[TO:.*]] = exec.view %[[CACHE]] f32 ["batch", "seq", "24"] start "past"
  // CHECK: exec.launch @copy ins(%[[FROM]]) outs(%[[TO]])
  %present = tensor.concat dim(1) %past, %key : (tensor<?x?x24xf32>, tensor<?x?x24xf32>) -> tensor<?x?x24xf32>
  return %present : tensor<?x?x24xf32>
}
