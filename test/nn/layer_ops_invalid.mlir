// RUN: sluice-opt %s --split-input-file --verify-diagnostics

func.func @pool_values(%x: tensor<1x2x8x8xf32>) {
  // expected-error@+1 {{x of rank 4 needs kernel, strides and dilations of 2 values and twice as many pads}}
  %0 = nn.pool %x kind "max" kernel [2] strides [2] pads [0, 0] dilations [1] : (tensor<1x2x8x8xf32>) -> tensor<1x2x4x4xf32>
  return
}

// -----

func.func @pool_kind(%x: tensor<1x2x8xf32>) {
  // expected-error@+1 {{attribute 'kind' failed to satisfy constraint: string attribute that is one of max, average}}
  %0 = nn.pool %x kind "min" kernel [2] strides [2] pads [0, 0] dilations [1] : (tensor<1x2x8xf32>) -> tensor<1x2x4xf32>
  return
}

// -----

func.func @resize_rank(%x: tensor<1x2x8x8xf32>) {
  // expected-error@+1 {{gives 2 sizes for rank 4}}
  %0 = nn.resize %x sizes ["8", "8"] scales [] mode "linear" coordinate_mode "half_pixel" : (tensor<1x2x8x8xf32>) -> tensor<8x8xf32>
  return
}

// -----

func.func @resize_size(%x: tensor<1x2x8x8xf32>) {
  // expected-error@+1 {{bad size expression "2 *"}}
  %0 = nn.resize %x sizes ["1", "2", "2 *", "8"] scales [] mode "linear" coordinate_mode "half_pixel" : (tensor<1x2x8x8xf32>) -> tensor<1x2x?x8xf32>
  return
}

// -----

func.func @grid_sample_rank(%x: tensor<1x3xf32>, %g: tensor<1x2xf32>) {
  // expected-error@+1 {{x has rank 2, expected 3 to 5}}
  %0 = nn.grid_sample %x, %g mode "linear" padding "zeros" : (tensor<1x3xf32>, tensor<1x2xf32>) -> tensor<1x3xf32>
  return
}

// -----

// A position has a number for each spatial dimension.
func.func @grid_sample_position(%x: tensor<1x3x8x8xf32>, %g: tensor<1x4x4x3xf32>) {
  // expected-error@+1 {{samples 2 spatial dimensions, grid has type 'tensor<1x4x4x3xf32>'}}
  %0 = nn.grid_sample %x, %g mode "linear" padding "zeros" : (tensor<1x3x8x8xf32>, tensor<1x4x4x3xf32>) -> tensor<1x3x4x4xf32>
  return
}

// -----

func.func @grid_sample_images(%x: tensor<2x3x8x8xf32>, %g: tensor<1x4x4x2xf32>) {
  // expected-error@+1 {{grid has 1 images, x has 2}}
  %0 = nn.grid_sample %x, %g mode "linear" padding "zeros" : (tensor<2x3x8x8xf32>, tensor<1x4x4x2xf32>) -> tensor<2x3x4x4xf32>
  return
}

// -----

func.func @grid_sample_padding(%x: tensor<1x3x8x8xf32>, %g: tensor<1x4x4x2xf32>) {
  // expected-error@+1 {{attribute 'padding' failed to satisfy constraint: string attribute that is one of zeros, border, reflection}}
  %0 = nn.grid_sample %x, %g mode "linear" padding "wrap" : (tensor<1x3x8x8xf32>, tensor<1x4x4x2xf32>) -> tensor<1x3x4x4xf32>
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

// An LSTM has four gates.
func.func @lstm_gates(%x: tensor<?x?x8xf32>, %w: tensor<1x48x8xf32>, %r: tensor<1x64x16xf32>) {
  // expected-error@+1 {{w is [1, 48, 8], expected [1, 64, 8]}}
  %y, %yh, %yc = nn.lstm %x, %w, %r hidden 16 direction "forward" : (tensor<?x?x8xf32>, tensor<1x48x8xf32>, tensor<1x64x16xf32>)
      -> (tensor<?x1x?x16xf32>, tensor<1x?x16xf32>, tensor<1x?x16xf32>)
  return
}

// -----

// A GRU has three, once for each direction.
func.func @gru_directions(%x: tensor<?x?x8xf32>, %w: tensor<2x48x8xf32>, %r: tensor<1x48x16xf32>) {
  // expected-error@+1 {{r is [1, 48, 16], expected [2, 48, 16]}}
  %y, %yh = nn.gru %x, %w, %r hidden 16 direction "bidirectional" : (tensor<?x?x8xf32>, tensor<2x48x8xf32>, tensor<1x48x16xf32>)
      -> (tensor<?x2x?x16xf32>, tensor<2x?x16xf32>)
  return
}

// -----

func.func @gru_direction(%x: tensor<?x?x8xf32>, %w: tensor<1x48x8xf32>, %r: tensor<1x48x16xf32>) {
  // expected-error@+1 {{attribute 'direction' failed to satisfy constraint: string attribute that is one of forward, reverse, bidirectional}}
  %y, %yh = nn.gru %x, %w, %r hidden 16 direction "backward" : (tensor<?x?x8xf32>, tensor<1x48x8xf32>, tensor<1x48x16xf32>)
      -> (tensor<?x1x?x16xf32>, tensor<1x?x16xf32>)
  return
}

// -----

func.func @quantize_axis(%x: tensor<4x64xf32>, %s: tensor<64xf32>) {
  // expected-error@+1 {{axis 2 is outside rank 2}}
  %0 = nn.quantize %x, %s {axis = 2 : i64} : (tensor<4x64xf32>, tensor<64xf32>) -> tensor<4x64xui8>
  return
}

// -----

func.func @quantize_scale(%x: tensor<4x64xf32>, %s: tensor<4xf32>) {
  // expected-error@+1 {{scale has type 'tensor<4xf32>', expected the shape of 'tensor<64xf32>'}}
  %0 = nn.quantize %x, %s {axis = 1 : i64} : (tensor<4x64xf32>, tensor<4xf32>) -> tensor<4x64xui8>
  return
}

// -----

// Blocks of 32 divide 70 columns into ceil(70 / 32) = 3.
func.func @dequantize_zero_point(%q: tensor<4x70xui4>, %s: tensor<4x3xf32>, %z: tensor<4x2xui4>) {
  // expected-error@+1 {{zero point has type 'tensor<4x2xui4>', expected the shape of 'tensor<4x3xui4>'}}
  %0 = nn.dequantize %q, %s, %z {axis = 1 : i64, block = 32 : i64} : (tensor<4x70xui4>, tensor<4x3xf32>, tensor<4x2xui4>) -> tensor<4x70xf32>
  return
}
