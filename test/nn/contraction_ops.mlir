// RUN: sluice-opt %s | sluice-opt | FileCheck %s

// Every contraction prints what it parses.

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<?x?x64xf32>, %w: tensor<128x64xf32>) {
  // CHECK: nn.linear %{{.*}}, %{{.*}} : (tensor<?x?x64xf32>, tensor<128x64xf32>) -> tensor<?x?x128xf32>
  %0 = nn.linear %x, %w : (tensor<?x?x64xf32>, tensor<128x64xf32>) -> tensor<?x?x128xf32>
  // CHECK: nn.linear %{{.*}}, %{{.*}} acc f32
  %1 = nn.linear %x, %w acc f32 : (tensor<?x?x64xf32>, tensor<128x64xf32>) -> tensor<?x?x128xf32>
  return
}

// CHECK-LABEL: func.func @matmul
func.func @matmul(%a: tensor<?x4x?x16xf32>, %b: tensor<?x4x16x?xf32>) {
  // CHECK: nn.matmul %{{.*}}, %{{.*}} : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
  %0 = nn.matmul %a, %b : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
  // CHECK: nn.matmul %{{.*}}, %{{.*}} acc f32
  %1 = nn.matmul %a, %b acc f32 : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
  return
}

// The window moves floor((32 + 2 - 2 - 1) / 2) + 1 = 16 times.
// CHECK-LABEL: func.func @conv
func.func @conv(%x: tensor<?x3x32x32xf32>, %w: tensor<8x3x3x3xf32>, %bias: tensor<8xf32>) {
  // CHECK: nn.conv %{{.*}}, %{{.*}}, %{{.*}} strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1
  %0 = nn.conv %x, %w, %bias strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1
      : (tensor<?x3x32x32xf32>, tensor<8x3x3x3xf32>, tensor<8xf32>) -> tensor<?x8x16x16xf32>
  return
}

// One spatial dimension, a dilated kernel: floor((32 - 2 * 2 - 1) / 1) + 1 = 28; 6 channels in 3 groups of 2.
// CHECK-LABEL: func.func @conv_1d
func.func @conv_1d(%x: tensor<?x6x32xf32>, %w: tensor<9x2x3xf32>) {
  // CHECK: nn.conv %{{.*}}, %{{.*}} strides [1] pads [0, 0] dilations [2] groups 3
  %0 = nn.conv %x, %w strides [1] pads [0, 0] dilations [2] groups 3
      : (tensor<?x6x32xf32>, tensor<9x2x3xf32>) -> tensor<?x9x28xf32>
  return
}

// Codes are summed in i32; what is beyond x counts as their zero point.
// CHECK-LABEL: func.func @conv_codes
func.func @conv_codes(%x: tensor<?x3x8x8xui8>, %w: tensor<8x3x3x3xi8>) {
  // CHECK: nn.conv %{{.*}}, %{{.*}} strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 {outside = 114 : i64}
  %0 = nn.conv %x, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 {outside = 114 : i64}
      : (tensor<?x3x8x8xui8>, tensor<8x3x3x3xi8>) -> tensor<?x8x8x8xi32>
  return
}

// (32 - 1) * 2 + (2 - 1) * 1 + 1 = 64.
// CHECK-LABEL: func.func @conv_transpose
func.func @conv_transpose(%x: tensor<?x3x32x32xf32>, %w: tensor<3x4x2x2xf32>) {
  // CHECK: nn.conv_transpose %{{.*}}, %{{.*}} strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] groups 1
  %0 = nn.conv_transpose %x, %w strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] groups 1
      : (tensor<?x3x32x32xf32>, tensor<3x4x2x2xf32>) -> tensor<?x4x64x64xf32>
  return
}

// CHECK-LABEL: func.func @moe
func.func @moe(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>,
                   %d: tensor<4x8x16xf32>, %gb: tensor<4x16xf32>, %db: tensor<4x8xf32>) {
  // CHECK: nn.moe %arg0, %arg1, %arg2 gate %arg3 up %arg3 down %arg4 activation "silu"
  %0 = nn.moe %x, %i, %w gate %g up %g down %d activation "silu"
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>, tensor<4x16x8xf32>) -> tensor<?x8xf32>
  // CHECK: nn.moe %arg0, %arg1, %arg2 gate %arg3 bias %arg5 down %arg4 bias %arg6 activation "relu" acc f32
  %1 = nn.moe %x, %i, %w gate %g bias %gb down %d bias %db activation "relu" acc f32
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>, tensor<4x16xf32>, tensor<4x8xf32>)
      -> tensor<?x8xf32>
  return
}
