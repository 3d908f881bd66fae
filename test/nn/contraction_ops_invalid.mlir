// RUN: sluice-opt %s --split-input-file --verify-diagnostics

// Sizes of one letter of a loop spec contradict each other.
func.func @linear_k(%x: tensor<?x9xf32>, %w: tensor<16x8xf32>) {
  // expected-error@+1 {{operand 1: loop 'k' has size 8 but was 9}}
  %0 = nn.linear %x, %w : (tensor<?x9xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
  return
}

// -----

// A result that the operands do not give.
func.func @linear_result(%x: tensor<?x8xf32>, %w: tensor<16x8xf32>) {
  // expected-error@+1 {{result 0: dimension 1 has size 17, its operands give 16}}
  %0 = nn.linear %x, %w : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x17xf32>
  return
}

// -----

func.func @linear_result_rank(%x: tensor<?x8xf32>, %w: tensor<16x8xf32>) {
  // expected-error@+1 {{result 0 has rank 3, its operands give 2}}
  %0 = nn.linear %x, %w : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<1x?x16xf32>
  return
}

// -----

// A rank that the spec has no letters for.
func.func @linear_rank(%x: tensor<?x8xf32>, %w: tensor<16x8x1xf32>) {
  // expected-error@+1 {{operand 1 has rank 3, loop spec says nk}}
  %0 = nn.linear %x, %w : (tensor<?x8xf32>, tensor<16x8x1xf32>) -> tensor<?x16xf32>
  return
}

// -----

// The dimensions behind `...` are the same on both sides: broadcasts are ops of their own.
func.func @matmul_batch(%a: tensor<2x4x8xf32>, %b: tensor<3x8x4xf32>) {
  // expected-error@+1 {{operand 1: leading dimension 0 has size 3 but was 2}}
  %0 = nn.matmul %a, %b : (tensor<2x4x8xf32>, tensor<3x8x4xf32>) -> tensor<2x4x4xf32>
  return
}

// -----

func.func @matmul_leading(%a: tensor<2x4x8xf32>, %b: tensor<8x4xf32>) {
  // expected-error@+1 {{operand 1 has 0 leading dimensions, operand 0 has 1}}
  %0 = nn.matmul %a, %b : (tensor<2x4x8xf32>, tensor<8x4xf32>) -> tensor<2x4x4xf32>
  return
}

// -----

func.func @conv_channels(%x: tensor<1x4x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error@+1 {{weight has 3 input channels in each of 1 groups, x has 4}}
  %0 = nn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<1x4x8x8xf32>, tensor<8x3x3x3xf32>) -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @conv_pads(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error@+1 {{strides and dilations need 2 values, pads 4}}
  %0 = nn.conv %x, %w strides [1, 1] pads [0, 0] dilations [1, 1] groups 1 : (tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32>) -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @conv_rank(%x: tensor<1x3xf32>, %w: tensor<8x3xf32>) {
  // expected-error@+1 {{x has rank 2, expected 3 to 5}}
  %0 = nn.conv %x, %w strides [] pads [] dilations [] groups 1 : (tensor<1x3xf32>, tensor<8x3xf32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @conv_weight_rank(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3xf32>) {
  // expected-error@+1 {{weight has rank 3, x has 4}}
  %0 = nn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : (tensor<1x3x8x8xf32>, tensor<8x3x3xf32>) -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @conv_transpose_channels(%x: tensor<1x4x8x8xf32>, %w: tensor<3x8x2x2xf32>) {
  // expected-error@+1 {{weight has 3 input channels, x has 4}}
  %0 = nn.conv_transpose %x, %w strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] groups 1
      : (tensor<1x4x8x8xf32>, tensor<3x8x2x2xf32>) -> tensor<1x8x16x16xf32>
  return
}

// -----

func.func @conv_transpose_padding(%x: tensor<1x3x8x8xf32>, %w: tensor<3x8x2x2xf32>) {
  // expected-error@+1 {{output_padding needs 2 values}}
  %0 = nn.conv_transpose %x, %w strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [] groups 1
      : (tensor<1x3x8x8xf32>, tensor<3x8x2x2xf32>) -> tensor<1x8x16x16xf32>
  return
}

// -----

// One choice of experts a token.
func.func @moe_choices(%x: tensor<5x8xf32>, %i: tensor<5x2xi64>, %w: tensor<5x3xf32>, %g: tensor<4x16x8xf32>, %d: tensor<4x8x16xf32>) {
  // expected-error@+1 {{operand 2: loop 'p' has size 3 but was 2}}
  %0 = nn.moe %x, %i, %w gate %g down %d activation "silu"
      : (tensor<5x8xf32>, tensor<5x2xi64>, tensor<5x3xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>) -> tensor<5x8xf32>
  return
}

// -----

func.func @moe_down(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>, %d: tensor<4x16x8xf32>) {
  // expected-error@+1 {{operand 4: loop 'd' has size 16 but was 8}}
  %0 = nn.moe %x, %i, %w gate %g down %d activation "silu"
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x16x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @moe_up(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>, %u: tensor<4x12x8xf32>, %d: tensor<4x8x16xf32>) {
  // expected-error@+1 {{up is 'tensor<4x12x8xf32>', gate and down need 'tensor<4x16x8xf32>'}}
  %0 = nn.moe %x, %i, %w gate %g up %u down %d activation "silu"
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>, tensor<4x12x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @moe_width(%x: tensor<?x9xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>, %d: tensor<4x8x16xf32>) {
  // expected-error@+1 {{operand 3: loop 'd' has size 8 but was 9}}
  %0 = nn.moe %x, %i, %w gate %g down %d activation "silu"
      : (tensor<?x9xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>) -> tensor<?x9xf32>
  return
}

// -----

func.func @moe_activation(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>, %d: tensor<4x8x16xf32>) {
  // expected-error@+1 {{attribute 'activation' failed to satisfy constraint: string attribute that is one of silu, gelu, gelu_tanh, relu}}
  %0 = nn.moe %x, %i, %w gate %g down %d activation "swish"
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>) -> tensor<?x8xf32>
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
