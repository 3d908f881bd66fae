// RUN: sluice-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{is neither of the library nor generated with dims and grid}}
exec.kernel @k

// -----

// expected-error @+1 {{is of the library and has a body}}
exec.kernel @k library "rms_norm" generated dims [] grid "1"

// -----

// expected-error @+1 {{has dims of 1 tensors for 2 arguments}}
exec.kernel @k generated dims [["4"]] grid "4" {
^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>):
  exec.yield %y : tensor<4xf32>
}

// -----

// expected-error @+1 {{argument 0 of type 'tensor<4xf32>' has dims ["4", "4"]}}
exec.kernel @k generated dims [["4", "4"]] grid "4" {
^bb0(%y: tensor<4xf32>):
  exec.yield %y : tensor<4xf32>
}

// -----

// expected-error @+1 {{needs a body that ends in exec.yield}}
exec.kernel @k generated dims [["4"]] grid "4"

// -----

// expected-error @+1 {{has type 'tensor<4xf32>' and yields 'tensor<2xf32>'}}
exec.weight @w "w" layout row_major : tensor<4xf32> {
  %w = nn.weight "w" file 0 offset 0 length 8 : tensor<2xf32>
  exec.yield %w : tensor<2xf32>
}

// -----

// expected-error @+1 {{is no tensor of fixed sizes}}
exec.weight @w "w" layout row_major : tensor<?xf32> {
}

// -----

// expected-error @+1 {{a counted symbol has a bound, others have none}}
exec.symbol "n" counted

// -----

// expected-error @+1 {{has max 1 below min 4}}
exec.symbol "n" free min 4 max 1

// -----

// expected-error @+1 {{'a < b' has none of ==, !=, >=}}
exec.assume "a < b"

// -----

// expected-error @+1 {{bad size expression}}
exec.assume "a == (b"

// -----

// expected-error @+1 {{axis 3 is outside rank 2}}
exec.state @s "k" layer 0 component "k" f32 ["batch", "past"] axis 3 before "past" after "past" input 0 output 0

// -----

// expected-error @+1 {{size "batch" along its axis is not its length before, "past"}}
exec.state @s "k" layer 0 component "k" f32 ["batch", "past"] axis 0 before "past" after "past" input 0 output 0

// -----

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

exec.program @main {
  // expected-error @+1 {{is not an op of a program}}
  %0 = arith.constant 1.0 : f32
}

// -----

exec.program @main {
  // expected-error @+1 {{an input or output has an index, others have none}}
  %0 = exec.buffer input
}

// -----

exec.program @main {
  // expected-error @+1 {{an arena buffer has bytes, others have none}}
  %0 = exec.buffer arena
}

// -----

exec.program @main {
  // expected-error @+1 {{live is [first, last]}}
  %0 = exec.buffer arena bytes "4" live [3, 1]
}

// -----

exec.program @main {
  %0 = exec.buffer arena bytes "4"
  // expected-error @+1 {{has 1 sizes and 2 strides}}
  %1 = exec.view %0 f32 ["1"] strides ["1", "1"]
}

// -----

exec.program @main {
  %0 = exec.buffer arena bytes "4"
  // expected-error @+1 {{has a start, but its buffer is no state}}
  %1 = exec.view %0 f32 ["1"] start "past"
}

// -----

exec.state @s "k" layer 0 component "k" f32 ["past"] axis 0 before "past" after "past" input 0 output 0
exec.program @main {
  %0 = exec.buffer state @s
  // expected-error @+1 {{of a state has neither strides nor offset}}
  %1 = exec.view %0 f32 ["past"] strides ["1"]
}

// -----

exec.kernel @k library "copy"
exec.program @main {
  %0 = exec.buffer arena bytes "4"
  %1 = exec.view %0 f32 ["1"]
  // expected-error @+1 {{a generated kernel has a grid, one of the library has none}}
  exec.launch @k ins(%1) outs(%1) grid "1"
}

// -----

exec.program @main {
  %0 = exec.buffer arena bytes "1"
  %1 = exec.view %0 i1 []
  // expected-error @+1 {{no exec.program @a}}
  exec.if %1 then @a else @a ins() outs() bind []
}

// -----

exec.program @main {
  // expected-error @+1 {{has all of offsets, arena and lower_bound, or none}}
  "exec.pack"() <{bounds = {}, arena = 4 : i64}> : () -> ()
}
