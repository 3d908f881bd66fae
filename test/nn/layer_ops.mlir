// RUN: sluice-opt %s | sluice-opt | FileCheck %s

// Every layer op prints what it parses.

// CHECK-LABEL: func.func @pool
func.func @pool(%x: tensor<?x3x32x32xf32>) {
  // CHECK: nn.pool %{{.*}} kind "max" kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] :
  %0 = nn.pool %x kind "max" kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1]
      : (tensor<?x3x32x32xf32>) -> tensor<?x3x16x16xf32>
  // ceil((32 - 3) / 2) + 1 = 16 windows; the last begins at 30, inside.
  // CHECK: nn.pool %{{.*}} kind "average" {{.*}} {ceil_mode = true, count_include_pad = true}
  %1 = nn.pool %x kind "average" kernel [3, 3] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1]
      {ceil_mode = true, count_include_pad = true} : (tensor<?x3x32x32xf32>) -> tensor<?x3x16x16xf32>
  return
}

// A window that would begin in the padding behind the input is not counted: ceil((5 + 2 - 2) / 2) + 1 = 4, but the
// fourth would begin at 3 * 2 - 1 = 5, one past the last element.
// CHECK-LABEL: func.func @pool_ceil
func.func @pool_ceil(%x: tensor<1x1x5xf32>) {
  // CHECK: nn.pool {{.*}} -> tensor<1x1x3xf32>
  %0 = nn.pool %x kind "max" kernel [2] strides [2] pads [1, 1] dilations [1] {ceil_mode = true} : (tensor<1x1x5xf32>) -> tensor<1x1x3xf32>
  return
}

// CHECK-LABEL: func.func @resize
func.func @resize(%x: tensor<?x3x32x32xf32>) {
  // CHECK: nn.resize %{{.*}} sizes ["batch", "3", "64", "64"] scales [1.000000e+00, 1.000000e+00, 2.000000e+00, 2.000000e+00] mode "linear" coordinate_mode "half_pixel"
  %0 = nn.resize %x sizes ["batch", "3", "64", "64"] scales [1.0, 1.0, 2.0, 2.0] mode "linear" coordinate_mode "half_pixel"
      : (tensor<?x3x32x32xf32>) -> tensor<?x3x64x64xf32>
  return
}

// CHECK-LABEL: func.func @grid_sample
func.func @grid_sample(%x: tensor<?x3x32x32xf32>, %grid: tensor<?x16x20x2xf32>) {
  // CHECK: nn.grid_sample %{{.*}}, %{{.*}} mode "linear" padding "zeros" :
  %0 = nn.grid_sample %x, %grid mode "linear" padding "zeros" : (tensor<?x3x32x32xf32>, tensor<?x16x20x2xf32>) -> tensor<?x3x16x20xf32>
  // CHECK: nn.grid_sample %{{.*}}, %{{.*}} mode "nearest" padding "reflection" {align_corners = true}
  %1 = nn.grid_sample %x, %grid mode "nearest" padding "reflection" {align_corners = true}
      : (tensor<?x3x32x32xf32>, tensor<?x16x20x2xf32>) -> tensor<?x3x16x20xf32>
  return
}

// CHECK-LABEL: func.func @recurrent
func.func @recurrent(%x: tensor<?x?x8xf32>, %w: tensor<2x64x8xf32>, %r: tensor<2x64x16xf32>, %g: tensor<1x48x8xf32>,
                     %h: tensor<1x48x16xf32>, %lens: tensor<?xi32>) {
  // CHECK: nn.lstm %{{.*}}, %{{.*}}, %{{.*}} seq_lens %{{.*}} hidden 16 direction "bidirectional"
  %y, %yh, %yc = nn.lstm %x, %w, %r seq_lens %lens hidden 16 direction "bidirectional"
      : (tensor<?x?x8xf32>, tensor<2x64x8xf32>, tensor<2x64x16xf32>, tensor<?xi32>)
      -> (tensor<?x2x?x16xf32>, tensor<2x?x16xf32>, tensor<2x?x16xf32>)
  // CHECK: nn.gru %{{.*}}, %{{.*}}, %{{.*}} hidden 16 direction "forward" {linear_before_reset = true}
  %z, %zh = nn.gru %x, %g, %h hidden 16 direction "forward" {linear_before_reset = true}
      : (tensor<?x?x8xf32>, tensor<1x48x8xf32>, tensor<1x48x16xf32>) -> (tensor<?x1x?x16xf32>, tensor<1x?x16xf32>)
  return
}

// Scales of one, one a row, and one a block of 32 columns.
// CHECK-LABEL: func.func @quantized
func.func @quantized(%x: tensor<?x64xf32>, %one: tensor<f32>, %z: tensor<ui8>, %rows: tensor<32x64xi8>, %row: tensor<32xf32>,
                     %q: tensor<32x64xui4>, %block: tensor<32x2xf32>) {
  // CHECK: nn.quantize %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?x64xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x64xui8>
  %0 = nn.quantize %x, %one, %z : (tensor<?x64xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x64xui8>
  // CHECK: nn.dequantize %{{.*}}, %{{.*}} {axis = -2 : i64}
  %1 = nn.dequantize %rows, %row {axis = -2 : i64} : (tensor<32x64xi8>, tensor<32xf32>) -> tensor<32x64xf32>
  // CHECK: nn.dequantize %{{.*}}, %{{.*}} {axis = 1 : i64, block = 32 : i64}
  %2 = nn.dequantize %q, %block {axis = 1 : i64, block = 32 : i64} : (tensor<32x64xui4>, tensor<32x2xf32>) -> tensor<32x64xf32>
  return
}
