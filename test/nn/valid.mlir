// RUN: sluice-opt %s | sluice-opt | FileCheck %s

// Every op of the dialect prints what it parses.

// CHECK-LABEL: func.func @contractions
func.func @contractions(%x: tensor<?x?x64xf32>, %w: tensor<128x64xf32>, %a: tensor<?x4x?x16xf32>, %b: tensor<?x4x16x?xf32>) {
  // CHECK: nn.linear %{{.*}}, %{{.*}} : (tensor<?x?x64xf32>, tensor<128x64xf32>) -> tensor<?x?x128xf32>
  %0 = nn.linear %x, %w : (tensor<?x?x64xf32>, tensor<128x64xf32>) -> tensor<?x?x128xf32>
  // CHECK: nn.linear %{{.*}}, %{{.*}} acc f32
  %1 = nn.linear %x, %w acc f32 : (tensor<?x?x64xf32>, tensor<128x64xf32>) -> tensor<?x?x128xf32>
  // CHECK: nn.matmul
  %2 = nn.matmul %a, %b : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
  return
}

// The window moves floor((32 + 2 - 2 - 1) / 2) + 1 = 16 times.
// CHECK-LABEL: func.func @convolutions
func.func @convolutions(%x: tensor<?x3x32x32xf32>, %w: tensor<8x3x3x3xf32>, %bias: tensor<8xf32>, %t: tensor<3x4x2x2xf32>) {
  // CHECK: nn.conv %{{.*}}, %{{.*}}, %{{.*}} strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1
  %0 = nn.conv %x, %w, %bias strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1
      : (tensor<?x3x32x32xf32>, tensor<8x3x3x3xf32>, tensor<8xf32>) -> tensor<?x8x16x16xf32>
  // (32 - 1) * 2 + (2 - 1) * 1 + 1 = 64.
  // CHECK: nn.conv_transpose
  %1 = nn.conv_transpose %x, %t strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] output_padding [0, 0] groups 1
      : (tensor<?x3x32x32xf32>, tensor<3x4x2x2xf32>) -> tensor<?x4x64x64xf32>
  // CHECK: nn.pool %{{.*}} kind "max" kernel [2, 2]
  %2 = nn.pool %x kind "max" kernel [2, 2] strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1]
      : (tensor<?x3x32x32xf32>) -> tensor<?x3x16x16xf32>
  // CHECK: nn.resize %{{.*}} sizes ["batch", "3", "64", "64"]
  %3 = nn.resize %x sizes ["batch", "3", "64", "64"] scales [1.0, 1.0, 2.0, 2.0] mode "linear" coordinate_mode "half_pixel"
      : (tensor<?x3x32x32xf32>) -> tensor<?x3x64x64xf32>
  return
}

// CHECK-LABEL: func.func @tokens
func.func @tokens(%x: tensor<?x?x64xf32>, %w: tensor<64xf32>, %q: tensor<?x4x?x16xf32>, %k: tensor<?x2x?x16xf32>,
                  %v: tensor<?x2x?x12xf32>, %cos: tensor<?x?x8xf32>, %m: tensor<?x?xi1>, %s: tensor<4xf32>) {
  // CHECK: nn.rms_norm %{{.*}}, %{{.*}} eps 1.000000e-05
  %0 = nn.rms_norm %x, %w eps 1.0e-5 : (tensor<?x?x64xf32>, tensor<64xf32>) -> tensor<?x?x64xf32>
  // CHECK: nn.layer_norm %{{.*}}, %{{.*}}, %{{.*}} eps
  %1 = nn.layer_norm %x, %w, %w eps 1.0e-5 : (tensor<?x?x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<?x?x64xf32>
  // CHECK: nn.softmax %{{.*}} axis -1
  %2 = nn.softmax %x axis -1 : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  // CHECK: nn.rope
  %3 = nn.rope %q, %cos, %cos : (tensor<?x4x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x4x?x16xf32>
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} slopes %{{.*}} pattern <causal, window = 6> scale 2.500000e-01
  %4 = nn.attention %q, %k, %v mask %m slopes %s pattern #nn.pattern<causal, window = 6> scale 2.5e-01
      : (tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x12xf32>, tensor<?x?xi1>, tensor<4xf32>) -> tensor<?x4x?x12xf32>
  return
}

// CHECK-LABEL: func.func @indices
func.func @indices(%x: tensor<?x?x64xf32>, %i: tensor<?x?xi64>, %flat: tensor<?xi1>) {
  // CHECK: nn.weight "w" file 0 offset 4096 length 32768 : tensor<128x64xf32>
  %w = nn.weight "w" file 0 offset 4096 length 32768 : tensor<128x64xf32>
  // CHECK: nn.gather %{{.*}}, %{{.*}} axis 0
  %0 = nn.gather %w, %i axis 0 : (tensor<128x64xf32>, tensor<?x?xi64>) -> tensor<?x?x64xf32>
  // CHECK: nn.reshape %{{.*}} ["batch", "seq", "4", "16"]
  %1 = nn.reshape %x ["batch", "seq", "4", "16"] : (tensor<?x?x64xf32>) -> tensor<?x?x4x16xf32>
  // CHECK: nn.iota "past + seq" : tensor<?xi64>
  %2 = nn.iota "past + seq" : tensor<?xi64>
  // CHECK: nn.size "batch * seq"
  %3 = nn.size "batch * seq"
  // CHECK: nn.sizes ["batch", "seq"] : tensor<2xi64>
  %4 = nn.sizes ["batch", "seq"] : tensor<2xi64>
  // CHECK: nn.top_k %{{.*}} axis -1 k "2" largest true sorted true
  %5, %6 = nn.top_k %x axis -1 k "2" largest true sorted true : (tensor<?x?x64xf32>) -> (tensor<?x?x2xf32>, tensor<?x?x2xi64>)
  // CHECK: nn.nonzero %{{.*}} symbol "hits"
  %7 = nn.nonzero %flat symbol "hits" : (tensor<?xi1>) -> tensor<1x?xi64>
  // CHECK: nn.arg_reduce %{{.*}} axis 2 kind "max"
  %8 = nn.arg_reduce %x axis 2 kind "max" : (tensor<?x?x64xf32>) -> tensor<?x?xi64>
  // CHECK: nn.cumsum
  %9 = nn.cumsum %x axis 1 : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  // CHECK: nn.reverse %{{.*}} axes [1]
  %10 = nn.reverse %x axes [1] : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  return
}

// CHECK-LABEL: func.func @scatters
func.func @scatters(%x: tensor<?x64xf32>, %i: tensor<?x1xi64>, %u: tensor<?x64xf32>, %e: tensor<?x64xi64>) {
  // CHECK: nn.scatter_nd
  %0 = nn.scatter_nd %x, %i, %u : (tensor<?x64xf32>, tensor<?x1xi64>, tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: nn.scatter_elements %{{.*}}, %{{.*}}, %{{.*}} axis 1 {reduction = "add"}
  %1 = nn.scatter_elements %x, %e, %u axis 1 {reduction = "add"} : (tensor<?x64xf32>, tensor<?x64xi64>, tensor<?x64xf32>) -> tensor<?x64xf32>
  // CHECK: nn.gather_nd %{{.*}}, %{{.*}} batch_dims 0
  %2 = nn.gather_nd %x, %i batch_dims 0 : (tensor<?x64xf32>, tensor<?x1xi64>) -> tensor<?x64xf32>
  // CHECK: nn.gather_elements
  %3 = nn.gather_elements %x, %e axis 1 : (tensor<?x64xf32>, tensor<?x64xi64>) -> tensor<?x64xf32>
  return
}

// CHECK-LABEL: func.func @quantized
func.func @quantized(%q: tensor<32x64xui4>, %s: tensor<32x2xf32>, %x: tensor<?x64xf32>, %one: tensor<f32>, %z: tensor<ui8>) {
  // CHECK: nn.dequantize %{{.*}}, %{{.*}} {axis = 1 : i64, block = 32 : i64}
  %0 = nn.dequantize %q, %s {axis = 1 : i64, block = 32 : i64} : (tensor<32x64xui4>, tensor<32x2xf32>) -> tensor<32x64xf32>
  // CHECK: nn.quantize %{{.*}}, %{{.*}}, %{{.*}} :
  %1 = nn.quantize %x, %one, %z : (tensor<?x64xf32>, tensor<f32>, tensor<ui8>) -> tensor<?x64xui8>
  return
}

// CHECK-LABEL: func.func @recurrent
func.func @recurrent(%x: tensor<?x?x8xf32>, %w: tensor<2x64x8xf32>, %r: tensor<2x64x16xf32>, %g: tensor<1x48x8xf32>, %h: tensor<1x48x16xf32>) {
  // CHECK: nn.lstm %{{.*}}, %{{.*}}, %{{.*}} hidden 16 direction "bidirectional"
  %y, %yh, %yc = nn.lstm %x, %w, %r hidden 16 direction "bidirectional" : (tensor<?x?x8xf32>, tensor<2x64x8xf32>, tensor<2x64x16xf32>)
      -> (tensor<?x2x?x16xf32>, tensor<2x?x16xf32>, tensor<2x?x16xf32>)
  // CHECK: nn.gru
  %z, %zh = nn.gru %x, %g, %h hidden 16 direction "forward" : (tensor<?x?x8xf32>, tensor<1x48x8xf32>, tensor<1x48x16xf32>)
      -> (tensor<?x1x?x16xf32>, tensor<1x?x16xf32>)
  return
}

// CHECK-LABEL: func.func @experts
func.func @experts(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>, %d: tensor<4x8x16xf32>) {
  // CHECK: nn.moe %{{.*}}, %{{.*}}, %{{.*}} gate %{{.*}} up %{{.*}} down %{{.*}} activation "silu"
  %0 = nn.moe %x, %i, %w gate %g up %g down %d activation "silu"
      : (tensor<?x8xf32>, tensor<?x2xi64>, tensor<?x2xf32>, tensor<4x16x8xf32>, tensor<4x16x8xf32>, tensor<4x8x16xf32>) -> tensor<?x8xf32>
  return
}

func.func private @yes(%x: tensor<?x4xf32>) -> tensor<?x4xf32>
func.func private @no(%x: tensor<?x4xf32>) -> tensor<?x4xf32>
func.func private @body(%i: tensor<i64>, %c: tensor<i1>, %x: tensor<?x4xf32>) -> (tensor<i1>, tensor<?x4xf32>)

// CHECK-LABEL: func.func @control
func.func @control(%c: tensor<i1>, %n: tensor<i64>, %x: tensor<?x4xf32>) {
  // CHECK: nn.if %{{.*}} then @yes else @no(%{{.*}}) sizes {{\[}}["batch", "4"]] symbols []
  %0 = nn.if %c then @yes else @no (%x) sizes [["batch", "4"]] symbols [] : (tensor<i1>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: nn.loop @body trip %{{.*}} carried(%{{.*}}) captured()
  %1 = nn.loop @body trip %n carried (%x) captured () sizes [["batch", "4"]] symbols [] : (tensor<i64>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}
