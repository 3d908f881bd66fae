// RUN: sluice-opt %s --split-input-file --verify-diagnostics

// Sizes of one letter of a loop spec contradict each other.
func.func @linear_k(%x: tensor<?x9xf32>, %w: tensor<16x8xf32>) {
  // expected-error@+1 {{operand 1: loop 'k' has size 8 but was 9}}
  %0 = nn.linear %x, %w : (tensor<?x9xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
  return
}

// -----

func.func @linear_result(%x: tensor<?x8xf32>, %w: tensor<16x8xf32>) {
  // expected-error@+1 {{result 0: dimension 1 has size 17, its operands give 16}}
  %0 = nn.linear %x, %w : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x17xf32>
  return
}

// -----

func.func @linear_rank(%x: tensor<?x8xf32>, %w: tensor<16x8x1xf32>) {
  // expected-error@+1 {{operand 1 has rank 3, loop spec says nk}}
  %0 = nn.linear %x, %w : (tensor<?x8xf32>, tensor<16x8x1xf32>) -> tensor<?x16xf32>
  return
}

// -----

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

func.func @attention_heads(%q: tensor<1x5x3x8xf32>, %k: tensor<1x2x3x8xf32>) {
  // expected-error@+1 {{has 5 query heads, not a multiple of its 2 key heads}}
  %0 = nn.attention %q, %k, %k pattern #nn.pattern<full> scale 1.0
      : (tensor<1x5x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) -> tensor<1x5x3x8xf32>
  return
}

// -----

func.func @attention_bias(%q: tensor<1x2x3x8xf32>, %b: tensor<3x3xf32>) {
  // expected-error@+1 {{bias has rank 2, expected 4}}
  %0 = nn.attention %q, %q, %q bias %b pattern #nn.pattern<full> scale 1.0
      : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<3x3xf32>) -> tensor<1x2x3x8xf32>
  return
}

// -----

func.func @attention_keys(%q: tensor<1x2x3x8xf32>, %v: tensor<1x2x4x8xf32>) {
  // expected-error@+1 {{operand 2: loop 't' has size 4 but was 3}}
  %0 = nn.attention %q, %q, %v pattern #nn.pattern<causal> scale 1.0
      : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x3x8xf32>
  return
}

// -----

func.func @rope_wide(%x: tensor<1x2x3x8xf32>, %c: tensor<1x3x5xf32>) {
  // expected-error@+1 {{rotates 10 of 8 elements}}
  %0 = nn.rope %x, %c, %c : (tensor<1x2x3x8xf32>, tensor<1x3x5xf32>, tensor<1x3x5xf32>) -> tensor<1x2x3x8xf32>
  return
}

// -----

func.func @rope_rank(%x: tensor<1x2x3x8xf32>, %c: tensor<3x4xf32>) {
  // expected-error@+1 {{cos and sin must have rank 3}}
  %0 = nn.rope %x, %c, %c : (tensor<1x2x3x8xf32>, tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<1x2x3x8xf32>
  return
}

// -----

func.func @weight_length() {
  // expected-error@+1 {{has length 100, its type needs 128 bytes}}
  %0 = nn.weight "w" file 0 offset 0 length 100 : tensor<4x8xf32>
  return
}

// -----

// 15 nibbles are 8 bytes.
func.func @weight_int4() {
  // expected-error@+1 {{has length 7, its type needs 8 bytes}}
  %0 = nn.weight "w" file 0 offset 0 length 7 : tensor<3x5xui4>
  return
}

// -----

func.func @size_text() {
  // expected-error@+1 {{bad size expression 'batch +'}}
  %0 = nn.size "batch +"
  return
}

// -----

func.func @reshape_count(%x: tensor<4x6xf32>) {
  // expected-error@+1 {{gives 25 elements, its operand has 24}}
  %0 = nn.reshape %x ["5", "5"] : (tensor<4x6xf32>) -> tensor<5x5xf32>
  return
}

// -----

func.func @gather_axis(%x: tensor<4x6xf32>, %i: tensor<3xi64>) {
  // expected-error@+1 {{axis 2 is outside rank 2}}
  %0 = nn.gather %x, %i axis 2 : (tensor<4x6xf32>, tensor<3xi64>) -> tensor<4x6x3xf32>
  return
}

// -----

func.func @gather_nd_depth(%x: tensor<4x6xf32>, %i: tensor<5x3xi64>) {
  // expected-error@+1 {{index tuples and batch dims name 3 dimensions, data has 2}}
  %0 = nn.gather_nd %x, %i batch_dims 0 : (tensor<4x6xf32>, tensor<5x3xi64>) -> tensor<5xf32>
  return
}

// -----

func.func @gather_nd_unknown(%x: tensor<4x6xf32>, %i: tensor<5x?xi64>) {
  // expected-error@+1 {{needs a constant last dimension of indices}}
  %0 = nn.gather_nd %x, %i batch_dims 0 : (tensor<4x6xf32>, tensor<5x?xi64>) -> tensor<5xf32>
  return
}

// -----

func.func @pool_values(%x: tensor<1x2x8x8xf32>) {
  // expected-error@+1 {{x of rank 4 needs kernel, strides and dilations of 2 values and twice as many pads}}
  %0 = nn.pool %x kind "max" kernel [2] strides [2] pads [0, 0] dilations [1] : (tensor<1x2x8x8xf32>) -> tensor<1x2x4x4xf32>
  return
}

// -----

func.func @resize_rank(%x: tensor<1x2x8x8xf32>) {
  // expected-error@+1 {{gives 2 sizes for rank 4}}
  %0 = nn.resize %x sizes ["8", "8"] scales [] mode "linear" coordinate_mode "half_pixel" : (tensor<1x2x8x8xf32>) -> tensor<8x8xf32>
  return
}

// -----

func.func @lstm_rank(%x: tensor<4x8xf32>, %w: tensor<1x64x8xf32>, %r: tensor<1x64x16xf32>) {
  // expected-error@+1 {{x has rank 2, expected 3}}
  %y, %yh, %yc = nn.lstm %x, %w, %r hidden 16 direction "forward" : (tensor<4x8xf32>, tensor<1x64x8xf32>, tensor<1x64x16xf32>)
      -> (tensor<4x1x1x16xf32>, tensor<1x1x16xf32>, tensor<1x1x16xf32>)
  return
}

// -----

func.func @if_program(%c: tensor<i1>) {
  // expected-error@+1 {{there is no sub-program @nowhere}}
  nn.if %c then @nowhere else @nowhere () sizes [] symbols [] : (tensor<i1>) -> ()
  return
}

// -----

// expected-error@+1 {{expected 'causal' or 'full'}}
func.func @pattern(%q: tensor<1x2x3x8xf32>) attributes {p = #nn.pattern<diagonal>} {
  return
}
