// RUN: sluice-opt %s --split-input-file --verify-diagnostics --sluice-verify-fuse

// Dispatches, constants and what costs nothing may stay.
exec.kernel @softmax library "softmax" {axis = -1 : i64}
func.func @main(%x: tensor<?x4xf32> {nn.dims = ["batch", "4"]}) -> tensor<?x2x2xf32> {
  %0 = exec.dispatch @softmax(%x) sizes [["batch", "4"]] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %1 = nn.reshape %0 ["batch", "2", "2"] : (tensor<?x4xf32>) -> tensor<?x2x2xf32>
  return %1 : tensor<?x2x2xf32>
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'arith.addf' is left after phase fuse (sluice-form-kernels should have removed it)}}
  %0 = arith.addf %x, %x : tensor<4xf32>
  // expected-error@+1 {{'nn.softmax' is left after phase fuse (sluice-select-kernels should have removed it)}}
  %1 = nn.softmax %0 axis 0 : (tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

func.func @main(%x: tensor<4xf32>) {
  // expected-error@+1 {{'nn.weight' is left after phase fuse (sluice-outline-weights should have removed it)}}
  %0 = nn.weight "w" file 0 offset 0 length 16 : tensor<4xf32>
  return
}
