// RUN: sluice-opt %s --split-input-file --verify-diagnostics

func.func @rms_norm_weight(%x: tensor<?x8xf32>, %w: tensor<9xf32>) {
  // expected-error@+1 {{operand 1: loop 'd' has size 9 but was 8}}
  %0 = nn.rms_norm %x, %w eps 1.0e-5 : (tensor<?x8xf32>, tensor<9xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @softmax_axis(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{axis -3 is outside rank 2}}
  %0 = nn.softmax %x axis -3 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @attention_heads(%q: tensor<1x5x3x8xf32>, %k: tensor<1x2x3x8xf32>) {
  // expected-error@+1 {{has 5 query heads, not a multiple of its 2 key heads}}
  %0 = nn.attention %q, %k, %k pattern <full> scale 1.0
      : (tensor<1x5x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>) -> tensor<1x5x3x8xf32>
  return
}

// -----

func.func @attention_bias(%q: tensor<1x2x3x8xf32>, %b: tensor<3x3xf32>) {
  // expected-error@+1 {{bias has rank 2, expected 4}}
  %0 = nn.attention %q, %q, %q bias %b pattern <full> scale 1.0
      : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<3x3xf32>) -> tensor<1x2x3x8xf32>
  return
}

// -----

func.func @attention_mask(%q: tensor<1x2x3x8xf32>, %m: tensor<1x1x3xi1>) {
  // expected-error@+1 {{key mask has rank 3, expected 2, [batch, keys]}}
  %0 = nn.attention %q, %q, %q mask %m pattern <full> scale 1.0
      : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x1x3xi1>) -> tensor<1x2x3x8xf32>
  return
}

// -----

func.func @attention_lengths(%q: tensor<1x2x3x8xf32>, %l: tensor<1x1xi64>) {
  // expected-error@+1 {{lengths have rank 2, expected 1}}
  %0 = nn.attention %q, %q, %q lengths %l pattern <full> scale 1.0
      : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x1xi64>) -> tensor<1x2x3x8xf32>
  return
}

// -----

func.func @attention_slopes(%q: tensor<1x2x3x8xf32>, %s: tensor<4xf32>) {
  // expected-error@+1 {{slopes must be one a query head}}
  %0 = nn.attention %q, %q, %q slopes %s pattern <full> scale 1.0
      : (tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<4xf32>) -> tensor<1x2x3x8xf32>
  return
}

// -----

func.func @attention_keys(%q: tensor<1x2x3x8xf32>, %v: tensor<1x2x4x8xf32>) {
  // expected-error@+1 {{operand 2: loop 't' has size 4 but was 3}}
  %0 = nn.attention %q, %q, %v pattern <causal> scale 1.0
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

func.func @rope_angles(%x: tensor<1x2x3x8xf32>, %c: tensor<1x3x4xf32>, %s: tensor<1x3x2xf32>) {
  // expected-error@+1 {{cos has 4 angles, sin has 2}}
  %0 = nn.rope %x, %c, %s : (tensor<1x2x3x8xf32>, tensor<1x3x4xf32>, tensor<1x3x2xf32>) -> tensor<1x2x3x8xf32>
  return
}

// -----

// expected-error@+1 {{expected 'causal' or 'full'}}
func.func @pattern(%q: tensor<1x2x3x8xf32>) attributes {p = #nn.pattern<diagonal>} {
  return
}
