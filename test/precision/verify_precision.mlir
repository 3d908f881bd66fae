// RUN: sluice-opt %s --split-input-file --verify-diagnostics --sluice-verify-precision

// Only contractions accumulate.
func.func @main(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  %0 = nn.linear %x, %w acc f32 : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %1 = nn.softmax %0 axis -1 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @main(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  // expected-error@+1 {{'nn.linear' has no accumulate type after phase precision (sluice-assign-precision should have given it one)}}
  %0 = nn.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return
}
