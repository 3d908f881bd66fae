// RUN: sluice-opt %s --split-input-file --verify-diagnostics

func.func @f() {
  // expected-error @+1 {{no exec.weight @w}}
  %0 = exec.constant @w : tensor<4xf32>
  return
}

// -----

func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{no exec.kernel @k}}
  %0 = exec.dispatch @k(%x) sizes [["4"]] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

exec.kernel @k library "copy"
func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{gives params to the library kernel @k}}
  %0 = exec.dispatch @k(%x) sizes [["4"]] params ["4"] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

exec.kernel @k library "copy"
func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{result of type 'tensor<4xf32>' has sizes ["4", "1"]}}
  %0 = exec.dispatch @k(%x) sizes [["4", "1"]] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

exec.kernel @k generated dims [["p0"], ["p0"]] grid "p0" {
^bb0(%x: tensor<?xf32>, %y: tensor<?xf32>):
  exec.yield %y : tensor<?xf32>
}
func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{gives 0 params, @k has 1}}
  %0 = exec.dispatch @k(%x) sizes [["4"]] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

exec.kernel @k generated dims [["4"], ["4"]] grid "4" {
^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>):
  exec.yield %y : tensor<4xf32>
}
func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{has 2 inputs and 1 outputs, @k has 1 and 1}}
  %0 = exec.dispatch @k(%x, %x) sizes [["4"]] : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

exec.weight @w "w" layout row_major : tensor<2xf32> {
  %w = nn.weight "w" file 0 offset 0 length 8 : tensor<2xf32>
  exec.yield %w : tensor<2xf32>
}
func.func @f() {
  // expected-error @+1 {{has type 'tensor<4xf32>', the weight 'tensor<2xf32>'}}
  %0 = exec.constant @w : tensor<4xf32>
  return
}

// -----

exec.kernel @k library "copy"
func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{has sizes of 2 results and 1 results}}
  %0 = exec.dispatch @k(%x) sizes [["4"], ["4"]] : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

exec.kernel @k library "copy"
func.func @f(%x: tensor<?xf32>) {
  // expected-error @+1 {{bad size expression 'n *'}}
  %0 = exec.dispatch @k(%x) sizes [["n *"]] : (tensor<?xf32>) -> tensor<?xf32>
  return
}
