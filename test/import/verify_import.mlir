// RUN: sluice-opt %s --split-input-file --verify-diagnostics --sluice-verify-import

// What the importer gives passes: a broadcast of its own, sizes over the input's dimensions.
func.func @main(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", "4"]}) -> tensor<?x4xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %b = nn.size "batch"
  %e = tensor.empty(%b) : tensor<?x4xf32>
  %w = linalg.broadcast ins(%one : tensor<f32>) outs(%e : tensor<?x4xf32>) dimensions = [0, 1]
  %y = arith.addf %x, %w : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// expected-error@+1 {{import: has no function @main}}
module {
  func.func @other() {
    return
  }
}

// -----

func.func @main(%x: tensor<4xf32> {nn.name = "x", nn.dims = ["4"]}) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  // expected-error@+1 {{import: may not exist after import}}
  %y = linalg.exp ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// Element-wise maths is on tensors.
func.func @main(%x: tensor<4xf32> {nn.name = "x", nn.dims = ["4"]}) -> tensor<4xf32> {
  %a = arith.constant 1.0 : f32
  // expected-error@+1 {{import: operand 0 is no tensor}}
  %b = arith.addf %a, %a : f32
  return %x : tensor<4xf32>
}

// -----

// What a `?` is must follow from the text: an argument says its dimensions, and everything else speaks of them.
// expected-error@+1 {{import: argument 0 is no tensor with nn.dims}}
func.func @main(%x: tensor<?xf32> {nn.name = "x"}) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// -----

// expected-error@+1 {{import: argument 0 has no nn.name}}
func.func @main(%x: tensor<?xf32> {nn.dims = ["batch"]}) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// -----

func.func @main(%x: tensor<?xf32> {nn.name = "x", nn.dims = ["batch"]}) {
  // expected-error@+1 {{import: size 'seq' is no input's dimension}}
  %0 = nn.iota "seq" : tensor<?xi64>
  return
}

// -----

// Every op names the ONNX node it came from.
func.func @main(%x: tensor<4xf32> {nn.name = "x", nn.dims = ["4"]}) -> tensor<4xf32> {
  // expected-error@unknown {{import: does not name the ONNX node it came from}}
  %y = arith.addf %x, %x : tensor<4xf32> loc(unknown)
  return %y : tensor<4xf32>
}
