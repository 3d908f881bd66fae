// RUN: sluice-opt %s --split-input-file --verify-diagnostics --sluice-convert-to-program

// expected-error@+1 {{has no function @main}}
module {
}

// -----

// What fuse leaves behind computes nothing; an op that does has no launch.
func.func @main(%x: tensor<4xf32> {nn.name = "x", nn.dims = ["4"]}) -> (tensor<4xf32> {nn.name = "y", nn.dims = ["4"]}) {
  // expected-error@+1 {{'arith.addf'}}
  %y = arith.addf %x, %x : tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Ports are tensors.
// expected-error@+1 {{argument 0 of type 'index' is no tensor}}
func.func @main(%i: index) {
  return
}
