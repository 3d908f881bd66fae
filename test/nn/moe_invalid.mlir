// RUN: sluice-opt %s --split-input-file --verify-diagnostics

func.func @moe_activation(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>, %d: tensor<4x8x16xf32>) {
  // expected-error@+1 {{activation "swish" is none of silu, gelu, gelu_tanh, relu}}
  %0 = nn.moe %x, %i, %w gate %g down %d activation "swish"
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>) -> tensor<?x8xf32>
  return
}

// -----

// Three experts' weights up, four gate.
func.func @moe_experts(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>, %d: tensor<4x8x16xf32>,
                       %u: tensor<3x16x8xf32>) {
  // expected-error@+1 {{up is 'tensor<3x16x8xf32>', gate and down need 'tensor<4x16x8xf32>'}}
  %0 = nn.moe %x, %i, %w gate %g up %u down %d activation "silu"
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>, tensor<3x16x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @moe_bias(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>, %d: tensor<4x8x16xf32>,
                    %b: tensor<4x16xf32>) {
  // expected-error@+1 {{bias of down is 'tensor<4x16xf32>', gate and down need 'tensor<4x8xf32>'}}
  %0 = nn.moe %x, %i, %w gate %g down %d bias %b activation "silu"
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>, tensor<4x16xf32>) -> tensor<?x8xf32>
  return
}

// -----

// Experts that map to another width than the tokens'.
func.func @moe_width(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>, %d: tensor<4x9x16xf32>) {
  // expected-error@+1 {{operand 4: loop 'd' has size 9 but was 8}}
  %0 = nn.moe %x, %i, %w gate %g down %d activation "silu"
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x9x16xf32>) -> tensor<?x8xf32>
  return
}
