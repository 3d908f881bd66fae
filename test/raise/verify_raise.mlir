// RUN: sluice-opt %s --split-input-file --verify-diagnostics --sluice-verify-raise

// A cache, and a result that is none.
func.func @main(%p: tensor<1x1x?x4xf32> {nn.role = "state"}, %x: tensor<4xf32> {nn.role = "input"})
    -> (tensor<4xf32> {nn.role = "output"}, tensor<1x1x?x4xf32> {nn.role = "state"})
    attributes {nn.states = [{name = "0.k", past = 0 : i64, present = 1 : i64, axis = 2 : i64, layer = 0 : i64, component = "k"}]} {
  return %x, %p : tensor<4xf32>, tensor<1x1x?x4xf32>
}

// -----

// expected-error@+1 {{has no function @main after phase raise}}
module {
}

// -----

// expected-error@+1 {{argument 0 has no role after phase raise (sluice-assign-roles should have given it one)}}
func.func @main(%x: tensor<4xf32>) {
  return
}

// -----

// expected-error@+1 {{result 0 has no role after phase raise (sluice-assign-roles should have given it one)}}
func.func @main(%x: tensor<4xf32> {nn.role = "input"}) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// -----

// expected-error@+1 {{argument 0 has role "logits" after phase raise, which is none}}
func.func @main(%x: tensor<4xf32> {nn.role = "logits"}) {
  return
}

// -----

// expected-error@+1 {{without past, present and axis}}
func.func @main(%x: tensor<4xf32> {nn.role = "state"}) attributes {nn.states = [{past = 0 : i64}]} {
  return
}

// -----

// expected-error@+1 {{of 1 arguments and 0 results}}
func.func @main(%x: tensor<4xf32> {nn.role = "state"}) attributes {nn.states = [{past = 1 : i64, present = -1 : i64, axis = 0 : i64}]} {
  return
}

// -----

// expected-error@+1 {{along an axis that its argument has not}}
func.func @main(%x: tensor<4xf32> {nn.role = "state"}) attributes {nn.states = [{past = 0 : i64, present = -1 : i64, axis = 1 : i64}]} {
  return
}
