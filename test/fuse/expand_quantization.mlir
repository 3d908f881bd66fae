// RUN: sluice-opt %s --split-input-file --sluice-expand-quantization | FileCheck %s

module attributes {exec.target = "cuda-sm90a"} {
  // A division by a known number is its reciprocal's product, put right; the result is cut before it is an integer: to 0 - 7 and
  // 255 - 7 before the zero point, 7, is added.
  // CHECK-LABEL: func.func @quantize
  // CHECK: %[[NEAR:.*]] = arith.mulf %arg0
  // CHECK: %[[LOW:.*]] = arith.maximumf %[[NEAR]]
  // CHECK: %[[CUT:.*]] = arith.minimumf %[[LOW]]
  // CHECK: %[[REST:.*]] = math.fma %[[CUT]], {{.*}}, %arg0
  // CHECK: %[[Q:.*]] = math.fma %[[REST]], {{.*}}, %[[CUT]]
  // CHECK: math.roundeven %[[Q]]
  // CHECK: arith.constant dense<-7.000000e+00> : tensor<f32>
  // CHECK: arith.constant dense<2.480000e+02> : tensor<f32>
  // CHECK: arith.fptosi
  // CHECK: arith.addi
  // CHECK: %[[I8:.*]] = arith.trunci {{.*}} : tensor<4xi32> to tensor<4xi8>
  // CHECK: tensor.bitcast %[[I8]] : tensor<4xi8> to tensor<4xui8>
  func.func @quantize(%x: tensor<4xf32>) -> tensor<4xui8> {
    %scale = arith.constant dense<0.3> : tensor<f32>
    %zero = arith.constant dense<7> : tensor<ui8>
    %q = nn.quantize %x, %scale, %zero : (tensor<4xf32>, tensor<f32>, tensor<ui8>) -> tensor<4xui8>
    return %q : tensor<4xui8>
  }

  // A scale that is computed is divided by; one an index of the axis is read along it.
  // CHECK-LABEL: func.func @axis
  // CHECK: %[[S:.*]] = linalg.broadcast ins(%arg1 : tensor<3xf32>) outs({{.*}} : tensor<4x3x2xf32>) dimensions = [0, 2]
  // CHECK: arith.divf %arg0, %[[S]]
  func.func @axis(%x: tensor<4x3x2xf32>, %scale: tensor<3xf32>) -> tensor<4x3x2xi8> {
    %q = nn.quantize %x, %scale {axis = 1 : i64} : (tensor<4x3x2xf32>, tensor<3xf32>) -> tensor<4x3x2xi8>
    return %q : tensor<4x3x2xi8>
  }

  // Codes without a sign are widened as such.
  // CHECK-LABEL: func.func @dequantize
  // CHECK: %[[BITS:.*]] = tensor.bitcast %arg0 : tensor<4xui8> to tensor<4xi8>
  // CHECK: %[[F:.*]] = arith.uitofp %[[BITS]]
  // CHECK: arith.constant dense<1.300000e+02> : tensor<f32>
  // CHECK: %[[LESS:.*]] = arith.subf %[[F]]
  // CHECK: arith.mulf %[[LESS]]
  func.func @dequantize(%q: tensor<4xui8>) -> tensor<4xf32> {
    %scale = arith.constant dense<0.3> : tensor<f32>
    %zero = arith.constant dense<130> : tensor<ui8>
    %y = nn.dequantize %q, %scale, %zero : (tensor<4xui8>, tensor<f32>, tensor<ui8>) -> tensor<4xf32>
    return %y : tensor<4xf32>
  }

  // A convolution that is no product of codes is told by what it reads; others who read it get the ops.
  // CHECK-LABEL: func.func @convolution
  // CHECK: %[[F:.*]] = arith.mulf
  // CHECK: %[[X:.*]] = nn.dequantize
  // CHECK: nn.conv %[[X]]
  // CHECK: math.absf %[[F]]
  func.func @convolution(%q: tensor<1x2x4x4xi8>, %w: tensor<2x2x1x1xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
    %scale = arith.constant dense<0.3> : tensor<f32>
    %x = nn.dequantize %q, %scale : (tensor<1x2x4x4xi8>, tensor<f32>) -> tensor<1x2x4x4xf32>
    %y = nn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
        : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
    %z = math.absf %x : tensor<1x2x4x4xf32>
    return %y, %z : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
  }

  // Weights are unpacked when they are loaded; a zero point that is computed stays with its kernel.
  // CHECK-LABEL: func.func @stays
  // CHECK: nn.dequantize
  // CHECK: nn.quantize
  func.func @stays(%x: tensor<4xf32>, %zero: tensor<i8>) -> (tensor<4xf32>, tensor<4xi8>) {
    %scale = arith.constant dense<0.3> : tensor<f32>
    %codes = nn.weight "w" file 0 offset 0 length 4 : tensor<4xi8>
    %w = nn.dequantize %codes, %scale : (tensor<4xi8>, tensor<f32>) -> tensor<4xf32>
    %q = nn.quantize %x, %scale, %zero : (tensor<4xf32>, tensor<f32>, tensor<i8>) -> tensor<4xi8>
    return %w, %q : tensor<4xf32>, tensor<4xi8>
  }
}

// -----

// A CPU has kernels for them.
// CHECK-LABEL: func.func @cpu
// CHECK: nn.quantize
func.func @cpu(%x: tensor<4xf32>) -> tensor<4xi8> {
  %scale = arith.constant dense<0.3> : tensor<f32>
  %q = nn.quantize %x, %scale : (tensor<4xf32>, tensor<f32>) -> tensor<4xi8>
  return %q : tensor<4xi8>
}
