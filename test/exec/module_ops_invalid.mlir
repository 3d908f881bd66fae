// RUN: sluice-opt %s --split-input-file --verify-diagnostics

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

// expected-error @+1 {{no exec.program @branch}}
exec.assume "a >= 1" in @branch

// -----

// expected-error @+1 {{axis 3 is outside rank 2}}
exec.state @s "k" layer 0 component "k" f32 ["batch", "past"] axis 3 before "past" after "past" input 0 output 0

// -----

// expected-error @+1 {{size "batch" along its axis is not its length before, "past"}}
exec.state @s "k" layer 0 component "k" f32 ["batch", "past"] axis 0 before "past" after "past" input 0 output 0

// -----

// expected-error @+1 {{has strides of 1 tensors and offsets of 1 for dims of 2}}
exec.kernel @k generated dims [["4"], ["4"]] grid "4" strides [["1"]] offsets ["0"] {
^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>):
  exec.yield %y : tensor<4xf32>
}

// -----

// expected-error @+1 {{has strides ["4", "1"] for dims ["4"]}}
exec.kernel @k generated dims [["4"]] grid "4" strides [["4", "1"]] offsets ["0"] {
^bb0(%y: tensor<4xf32>):
  exec.yield %y : tensor<4xf32>
}

// -----

// A kernel writes something, and nothing that it has no argument for.
// expected-error @+1 {{yields 0 tensors of 1 arguments}}
exec.kernel @k generated dims [["4"]] grid "4" {
^bb0(%y: tensor<4xf32>):
  "exec.yield"() : () -> ()
}

// -----

// expected-error @+1 {{bad size expression 'p0 +'}}
exec.kernel @k generated dims [["4"]] grid "p0 +" {
^bb0(%y: tensor<4xf32>):
  exec.yield %y : tensor<4xf32>
}

// -----

// expected-error @+1 {{expected a list of size expressions, got [4]}}
exec.kernel @k generated dims [[4]] grid "4" {
^bb0(%y: tensor<4xf32>):
  exec.yield %y : tensor<4xf32>
}

// -----

// expected-error @+1 {{needs a body that yields one tensor}}
exec.weight @w "w" layout row_major : tensor<2xf32> {
  %w = nn.weight "w" file 0 offset 0 length 8 : tensor<2xf32>
}
