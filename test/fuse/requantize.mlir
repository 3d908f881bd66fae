// RUN: sluice-opt %s --sluice-integer-products --sluice-expand-quantization --sluice-channels-last --sluice-form-kernels --sluice-select-kernels --sluice-print-kernels --sluice-fuse-epilogues | FileCheck %s

module attributes {exec.target = "cuda-sm90a"} {
  // Between quantizations a product is one kernel: its epilogue takes the zero points off the i32 sum, adds the bias, scales,
  // cuts at 0, rounds half to even, and gives a code.
  // CHECK: exec.kernel @[[$KERNEL:conv[0-9_]*]] library "conv"
  // CHECK-SAME: int32_t operator()(int32_t value, int64_t i0, int64_t i1)
  // CHECK-SAME: sl::roundeven_(
  // CHECK-SAME: static_cast<int8_t>(
  // CHECK-LABEL: func.func @conv
  // CHECK-NOT: exec.dispatch @ew
  // CHECK: %[[ROWS:.*]] = nn.linear {{.*}} -> tensor<1x32xi32>
  // CHECK: %[[SUMS:.*]] = nn.reshape %[[ROWS]] ["32"]
  // CHECK: %[[C:.*]] = exec.dispatch @[[$KERNEL]](%{{.*}}, %{{.*}}, %[[SUMS]], %arg1) {{.*}} -> tensor<2x6x6x32xi8>
  // CHECK-NOT: exec.dispatch @ew
  // CHECK: exec.dispatch @conv{{.*}} {{.*}} : (tensor<2x6x6x32xui8>, tensor<16x1x1x32xi8>) -> tensor<2x6x6x16xi32>
  func.func @conv(%q: tensor<2x16x6x6xui8>, %b: tensor<32xi32>) -> tensor<2x16x6x6xi32> {
    %sx = arith.constant dense<0.02> : tensor<f32>
    %zx = arith.constant dense<3> : tensor<ui8>
    %sw = arith.constant dense<0.01> : tensor<f32>
    %unit = arith.constant dense<0.0002> : tensor<f32>
    %sy = arith.constant dense<0.05> : tensor<f32>
    %zy = arith.constant dense<0> : tensor<ui8>
    %zero = arith.constant dense<0.0> : tensor<2x32x6x6xf32>
    %codes = nn.weight "w" file 0 offset 0 length 4608 : tensor<32x16x3x3xi8>
    %next = nn.weight "n" file 0 offset 4608 length 512 : tensor<16x32x1x1xi8>
    %x = nn.dequantize %q, %sx, %zx : (tensor<2x16x6x6xui8>, tensor<f32>, tensor<ui8>) -> tensor<2x16x6x6xf32>
    %w = nn.dequantize %codes, %sw : (tensor<32x16x3x3xi8>, tensor<f32>) -> tensor<32x16x3x3xf32>
    %bias = nn.dequantize %b, %unit : (tensor<32xi32>, tensor<f32>) -> tensor<32xf32>
    %y = nn.conv %x, %w, %bias strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1
        : (tensor<2x16x6x6xf32>, tensor<32x16x3x3xf32>, tensor<32xf32>) -> tensor<2x32x6x6xf32>
    %r = arith.maximumf %y, %zero : tensor<2x32x6x6xf32>
    %c = nn.quantize %r, %sy, %zy : (tensor<2x32x6x6xf32>, tensor<f32>, tensor<ui8>) -> tensor<2x32x6x6xui8>
    %z = nn.conv %c, %next strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
        : (tensor<2x32x6x6xui8>, tensor<16x32x1x1xi8>) -> tensor<2x16x6x6xi32>
    return %z : tensor<2x16x6x6xi32>
  }
}
