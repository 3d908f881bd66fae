// RUN: sluice-opt %s --split-input-file --sluice-integer-products | FileCheck %s
// RUN: sluice-opt %s --split-input-file --sluice-integer-products --remarks-filter=.* --remark-format=emitRemark 2>&1 >%t | FileCheck %s --check-prefix=REMARK

module attributes {exec.target = "cuda-sm90a"} {
  // Codes are summed exactly; the zero point of x, -5, takes -5 Σ w off each sum, which is a weight.  Scales that are
  // known are one: 0.5 · 0.5.
  // CHECK-LABEL: func.func @linear
  // CHECK-DAG: %[[W:.*]] = nn.weight "w"
  // CHECK: %[[SUM:.*]] = nn.linear %arg0, %[[W]] : (tensor<?x32xi8>, tensor<8x32xi8>) -> tensor<?x8xi32>
  // CHECK: %[[ONES:.*]] = arith.constant dense<1> : tensor<1x32xi8>
  // CHECK: %[[ROWS:.*]] = nn.linear %[[ONES]], %{{.*}} : (tensor<1x32xi8>, tensor<8x32xi8>) -> tensor<1x8xi32>
  // CHECK: %[[OFF:.*]] = nn.reshape %[[ROWS]] ["8"] : (tensor<1x8xi32>) -> tensor<8xi32>
  // CHECK: %[[OFFS:.*]] = linalg.broadcast ins(%[[OFF]] : tensor<8xi32>) outs({{.*}} : tensor<?x8xi32>) dimensions = [0]
  // CHECK: %[[ZERO:.*]] = arith.constant dense<-5> : tensor<i32>
  // CHECK: %[[ZEROS:.*]] = linalg.broadcast ins(%[[ZERO]] : tensor<i32>)
  // CHECK: %[[TIMES:.*]] = arith.muli %[[OFFS]], %[[ZEROS]] : tensor<?x8xi32>
  // CHECK: %[[EXACT:.*]] = arith.subi %[[SUM]], %[[TIMES]] : tensor<?x8xi32>
  // CHECK: %[[FLOAT:.*]] = arith.sitofp %[[EXACT]] : tensor<?x8xi32> to tensor<?x8xf32>
  // CHECK: arith.constant dense<2.500000e-01> : tensor<f32>
  // CHECK: arith.mulf %[[FLOAT]], {{.*}} : tensor<?x8xf32>
  func.func @linear(%q: tensor<?x32xi8> {nn.dims = ["m", "32"]}) -> tensor<?x8xf32> {
    %half = arith.constant dense<0.5> : tensor<f32>
    %zero = arith.constant dense<-5> : tensor<i8>
    %codes = nn.weight "w" file 0 offset 0 length 256 : tensor<8x32xi8>
    %x = nn.dequantize %q, %half, %zero : (tensor<?x32xi8>, tensor<f32>, tensor<i8>) -> tensor<?x32xf32>
    %w = nn.dequantize %codes, %half : (tensor<8x32xi8>, tensor<f32>) -> tensor<8x32xf32>
    %y = nn.linear %x, %w : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
    return %y : tensor<?x8xf32>
  }

  // What lies outside is the zero point of x; scales, zero points and a float bias of features are read along the channels.
  // The zero points of w cost the sums of x, a product with ones, and 18 of them are in each sum of w.
  // CHECK-LABEL: func.func @conv
  // CHECK-DAG: %[[S:.*]] = nn.weight "s"
  // CHECK: %[[SUM:.*]] = nn.conv %arg0, %{{.*}} strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 {outside = 3 : i64} : (tensor<1x2x6x6xui8>, tensor<4x2x3x3xui8>) -> tensor<1x4x6x6xi32>
  // CHECK: nn.linear {{.*}} : (tensor<1x18xi8>, tensor<4x18xui8>) -> tensor<1x4xi32>
  // CHECK: %[[Z:.*]] = arith.extui {{.*}} : tensor<4xi8> to tensor<4xi32>
  // CHECK: %[[ZW:.*]] = linalg.broadcast ins(%[[Z]] : tensor<4xi32>) outs({{.*}}) dimensions = [0, 2, 3]
  // CHECK: arith.constant dense<18> : tensor<i32>
  // CHECK: arith.muli %[[ZW]]
  // CHECK: arith.subi
  // CHECK: %[[ONES:.*]] = arith.constant dense<1> : tensor<1x2x3x3xi8>
  // CHECK: %[[XS:.*]] = nn.conv %arg0, %[[ONES]] strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 {outside = 3 : i64} : (tensor<1x2x6x6xui8>, tensor<1x2x3x3xi8>) -> tensor<1x1x6x6xi32>
  // CHECK: %[[FLAT:.*]] = nn.reshape %[[XS]] ["1", "6", "6"]
  // CHECK: linalg.broadcast ins(%[[FLAT]] : tensor<1x6x6xi32>) outs({{.*}}) dimensions = [1]
  // CHECK: linalg.broadcast ins(%[[S]] : tensor<4xf32>) outs({{.*}}) dimensions = [0, 2, 3]
  // CHECK: linalg.broadcast ins(%arg1 : tensor<4xf32>) outs({{.*}}) dimensions = [0, 2, 3]
  // CHECK: arith.addf
  // REMARK: integer-product{{.*}}its weight's zero point costs a product with ones
  func.func @conv(%q: tensor<1x2x6x6xui8>, %bias: tensor<4xf32>) -> tensor<1x4x6x6xf32> {
    %half = arith.constant dense<0.5> : tensor<f32>
    %zx = arith.constant dense<3> : tensor<ui8>
    %zw = arith.constant dense<[128, 129, 130, 131]> : tensor<4xui8>
    %scales = nn.weight "s" file 0 offset 0 length 16 : tensor<4xf32>
    %codes = nn.weight "w" file 0 offset 16 length 72 : tensor<4x2x3x3xui8>
    %x = nn.dequantize %q, %half, %zx : (tensor<1x2x6x6xui8>, tensor<f32>, tensor<ui8>) -> tensor<1x2x6x6xf32>
    %w = nn.dequantize %codes, %scales, %zw : (tensor<4x2x3x3xui8>, tensor<4xf32>, tensor<4xui8>) -> tensor<4x2x3x3xf32>
    %y = nn.conv %x, %w, %bias strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1
        : (tensor<1x2x6x6xf32>, tensor<4x2x3x3xf32>, tensor<4xf32>) -> tensor<1x4x6x6xf32>
    return %y : tensor<1x4x6x6xf32>
  }

  // A bias in units of both scales, 0.5 · [0.5, 0.25], is added to the sums: where it is the op's, and behind it.
  // CHECK-LABEL: func.func @bias
  // CHECK: %[[SUM:.*]] = nn.conv
  // CHECK: %[[BIAS:.*]] = linalg.broadcast ins(%arg2 : tensor<2xi32>) outs({{.*}}) dimensions = [0, 2, 3]
  // CHECK: %[[ALL:.*]] = arith.addi %[[SUM]], %[[BIAS]]
  // CHECK: arith.sitofp %[[ALL]]
  // CHECK-NOT: arith.addf
  // CHECK: %[[SUM2:.*]] = nn.linear
  // CHECK: %[[BIAS2:.*]] = linalg.broadcast ins(%arg2 : tensor<2xi32>) outs({{.*}}) dimensions = [0]
  // CHECK: %[[ALL2:.*]] = arith.addi %[[SUM2]], %[[BIAS2]]
  // CHECK: arith.sitofp %[[ALL2]]
  // CHECK-NOT: arith.addf
  // CHECK: return
  func.func @bias(%q: tensor<1x4x3x3xui8>, %r: tensor<5x4xui8>, %b: tensor<2xi32>) -> (tensor<1x2x3x3xf32>, tensor<5x2xf32>) {
    %half = arith.constant dense<0.5> : tensor<f32>
    %scales = arith.constant dense<[0.5, 0.25]> : tensor<2xf32>
    %unit = arith.constant dense<[0.25, 0.125]> : tensor<2xf32>
    %codes = nn.weight "w" file 0 offset 0 length 8 : tensor<2x4x1x1xi8>
    %rows = nn.weight "r" file 0 offset 0 length 8 : tensor<2x4xi8>
    %bias = nn.dequantize %b, %unit : (tensor<2xi32>, tensor<2xf32>) -> tensor<2xf32>
    %x = nn.dequantize %q, %half : (tensor<1x4x3x3xui8>, tensor<f32>) -> tensor<1x4x3x3xf32>
    %w = nn.dequantize %codes, %scales : (tensor<2x4x1x1xi8>, tensor<2xf32>) -> tensor<2x4x1x1xf32>
    %y = nn.conv %x, %w, %bias strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
        : (tensor<1x4x3x3xf32>, tensor<2x4x1x1xf32>, tensor<2xf32>) -> tensor<1x2x3x3xf32>
    %x1 = nn.dequantize %r, %half : (tensor<5x4xui8>, tensor<f32>) -> tensor<5x4xf32>
    %w1 = nn.dequantize %rows, %scales : (tensor<2x4xi8>, tensor<2xf32>) -> tensor<2x4xf32>
    %z = nn.linear %x1, %w1 : (tensor<5x4xf32>, tensor<2x4xf32>) -> tensor<5x2xf32>
    %empty = tensor.empty() : tensor<5x2xf32>
    %biases = linalg.broadcast ins(%bias : tensor<2xf32>) outs(%empty : tensor<5x2xf32>) dimensions = [0]
    %sum = arith.addf %biases, %z : tensor<5x2xf32>
    return %y, %sum : tensor<1x2x3x3xf32>, tensor<5x2xf32>
  }

  // In other units it is a float.
  // CHECK-LABEL: func.func @other_units
  // CHECK-NOT: arith.addi
  // CHECK: arith.addf
  func.func @other_units(%q: tensor<1x4x3x3xui8>, %b: tensor<2xi32>) -> tensor<1x2x3x3xf32> {
    %half = arith.constant dense<0.5> : tensor<f32>
    %unit = arith.constant dense<0.126> : tensor<f32>
    %codes = nn.weight "w" file 0 offset 0 length 8 : tensor<2x4x1x1xi8>
    %bias = nn.dequantize %b, %unit : (tensor<2xi32>, tensor<f32>) -> tensor<2xf32>
    %x = nn.dequantize %q, %half : (tensor<1x4x3x3xui8>, tensor<f32>) -> tensor<1x4x3x3xf32>
    %w = nn.dequantize %codes, %half : (tensor<2x4x1x1xi8>, tensor<f32>) -> tensor<2x4x1x1xf32>
    %y = nn.conv %x, %w, %bias strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1
        : (tensor<1x4x3x3xf32>, tensor<2x4x1x1xf32>, tensor<2xf32>) -> tensor<1x2x3x3xf32>
    return %y : tensor<1x2x3x3xf32>
  }

  // Signed codes whose least one stands for 0 are unsigned ones, which need no zero point.
  // CHECK-LABEL: func.func @unsigned
  // CHECK: %[[Z:.*]] = arith.constant dense<0> : tensor<ui8>
  // CHECK: %[[Q:.*]] = nn.quantize %arg0, %{{.*}}, %[[Z]] : {{.*}} -> tensor<2x32xui8>
  // CHECK: nn.linear %[[Q]], %{{.*}} : (tensor<2x32xui8>, tensor<8x32xi8>) -> tensor<2x8xi32>
  // CHECK-NOT: arith.subi
  // CHECK: return
  func.func @unsigned(%f: tensor<2x32xf32>) -> tensor<2x8xf32> {
    %half = arith.constant dense<0.5> : tensor<f32>
    %zero = arith.constant dense<-128> : tensor<i8>
    %codes = nn.weight "w" file 0 offset 0 length 256 : tensor<8x32xi8>
    %q = nn.quantize %f, %half, %zero : (tensor<2x32xf32>, tensor<f32>, tensor<i8>) -> tensor<2x32xi8>
    %x = nn.dequantize %q, %half, %zero : (tensor<2x32xi8>, tensor<f32>, tensor<i8>) -> tensor<2x32xf32>
    %w = nn.dequantize %codes, %half : (tensor<8x32xi8>, tensor<f32>) -> tensor<8x32xf32>
    %y = nn.linear %x, %w : (tensor<2x32xf32>, tensor<8x32xf32>) -> tensor<2x8xf32>
    return %y : tensor<2x8xf32>
  }

  // Scales along what is summed stay sums of floats.
  // CHECK-LABEL: func.func @stays
  // CHECK: nn.linear {{.*}} : (tensor<2x32xf32>, tensor<8x32xf32>) -> tensor<2x8xf32>
  // REMARK: sums what codes stand for: {{.*}}its weight has a scale or zero point for each index of a dimension that is summed
  func.func @stays(%q: tensor<2x32xi8>) -> tensor<2x8xf32> {
    %half = arith.constant dense<0.5> : tensor<f32>
    %scales = nn.weight "s" file 0 offset 0 length 128 : tensor<32xf32>
    %codes = nn.weight "w" file 0 offset 128 length 256 : tensor<8x32xi8>
    %x = nn.dequantize %q, %half : (tensor<2x32xi8>, tensor<f32>) -> tensor<2x32xf32>
    %w = nn.dequantize %codes, %scales {axis = 1 : i64} : (tensor<8x32xi8>, tensor<32xf32>) -> tensor<8x32xf32>
    %y = nn.linear %x, %w : (tensor<2x32xf32>, tensor<8x32xf32>) -> tensor<2x8xf32>
    return %y : tensor<2x8xf32>
  }

  // Sums of x differ from group to group.
  // CHECK-LABEL: func.func @groups
  // CHECK: nn.conv {{.*}} groups 2 : (tensor<1x4x6x6xf32>, tensor<4x2x3x3xf32>)
  // REMARK: sums what codes stand for: {{.*}}its weight has a zero point, and sums of x differ from group to group
  func.func @groups(%q: tensor<1x4x6x6xui8>) -> tensor<1x4x4x4xf32> {
    %half = arith.constant dense<0.5> : tensor<f32>
    %zw = arith.constant dense<7> : tensor<ui8>
    %codes = nn.weight "w" file 0 offset 0 length 72 : tensor<4x2x3x3xui8>
    %x = nn.dequantize %q, %half : (tensor<1x4x6x6xui8>, tensor<f32>) -> tensor<1x4x6x6xf32>
    %w = nn.dequantize %codes, %half, %zw : (tensor<4x2x3x3xui8>, tensor<f32>, tensor<ui8>) -> tensor<4x2x3x3xf32>
    %y = nn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 2
        : (tensor<1x4x6x6xf32>, tensor<4x2x3x3xf32>) -> tensor<1x4x4x4xf32>
    return %y : tensor<1x4x4x4xf32>
  }

  // 33025 · 255 · 255 is below 2^31, one product more is not.
  // CHECK-LABEL: func.func @deep
  // CHECK: nn.linear {{.*}} -> tensor<2x1xi32>
  // CHECK: nn.linear {{.*}} -> tensor<2x1xf32>
  // REMARK: sums what codes stand for: {{.*}}i32 does not hold the sum of 33026 products
  func.func @deep(%q: tensor<2x33025xi8>, %r: tensor<2x33026xi8>) -> (tensor<2x1xf32>, tensor<2x1xf32>) {
    %half = arith.constant dense<0.5> : tensor<f32>
    %a = nn.weight "a" file 0 offset 0 length 33025 : tensor<1x33025xi8>
    %b = nn.weight "b" file 0 offset 33025 length 33026 : tensor<1x33026xi8>
    %x = nn.dequantize %q, %half : (tensor<2x33025xi8>, tensor<f32>) -> tensor<2x33025xf32>
    %w = nn.dequantize %a, %half : (tensor<1x33025xi8>, tensor<f32>) -> tensor<1x33025xf32>
    %y = nn.linear %x, %w : (tensor<2x33025xf32>, tensor<1x33025xf32>) -> tensor<2x1xf32>
    %x1 = nn.dequantize %r, %half : (tensor<2x33026xi8>, tensor<f32>) -> tensor<2x33026xf32>
    %w1 = nn.dequantize %b, %half : (tensor<1x33026xi8>, tensor<f32>) -> tensor<1x33026xf32>
    %z = nn.linear %x1, %w1 : (tensor<2x33026xf32>, tensor<1x33026xf32>) -> tensor<2x1xf32>
    return %y, %z : tensor<2x1xf32>, tensor<2x1xf32>
  }
}

// -----

// On a CPU too, codes less zero points in i32 (MatMulInteger) are products of codes.  Zero points that are computed, of rows
// of a and columns of b, are read along the result.  A weight becomes rows.
// CHECK-LABEL: func.func @computed
// CHECK: %[[ROWS:.*]] = linalg.transpose ins(%{{.*}} : tensor<32x8xi8>)
// CHECK: %[[SUM:.*]] = nn.linear %arg0, %[[ROWS]] : (tensor<?x32xui8>, tensor<8x32xi8>) -> tensor<?x8xi32>
// CHECK: linalg.broadcast ins(%{{.*}} : tensor<?xi32>) outs({{.*}} : tensor<?x8xi32>) dimensions = [1]
// CHECK: %[[EXACT:.*]] = arith.subi %[[SUM]]
// CHECK: return %[[EXACT]]
func.func @computed(%a: tensor<?x32xui8> {nn.dims = ["m", "32"]}, %za: tensor<?xui8> {nn.dims = ["m"]}) -> tensor<?x8xi32> {
  %b = nn.weight "w" file 0 offset 0 length 256 : tensor<32x8xi8>
  %m = nn.size "m"
  %bits = tensor.bitcast %a : tensor<?x32xui8> to tensor<?x32xi8>
  %wide = arith.extui %bits : tensor<?x32xi8> to tensor<?x32xi32>
  %zbits = tensor.bitcast %za : tensor<?xui8> to tensor<?xi8>
  %zwide = arith.extui %zbits : tensor<?xi8> to tensor<?xi32>
  %empty = tensor.empty(%m) : tensor<?x32xi32>
  %zeros = linalg.broadcast ins(%zwide : tensor<?xi32>) outs(%empty : tensor<?x32xi32>) dimensions = [1]
  %x = arith.subi %wide, %zeros : tensor<?x32xi32>
  %w = arith.extsi %b : tensor<32x8xi8> to tensor<32x8xi32>
  %y = nn.matmul %x, %w : (tensor<?x32xi32>, tensor<32x8xi32>) -> tensor<?x8xi32>
  return %y : tensor<?x8xi32>
}

// -----

// On a CPU dequantized codes are summed as floats.
// CHECK-LABEL: func.func @cpu
// CHECK: nn.linear {{.*}} -> tensor<2x8xf32>
// REMARK: sums what codes stand for: {{.*}}the CPU's kernels sum floats faster
func.func @cpu(%q: tensor<2x32xi8>) -> tensor<2x8xf32> {
  %half = arith.constant dense<0.5> : tensor<f32>
  %codes = nn.weight "w" file 0 offset 0 length 256 : tensor<8x32xi8>
  %x = nn.dequantize %q, %half : (tensor<2x32xi8>, tensor<f32>) -> tensor<2x32xf32>
  %w = nn.dequantize %codes, %half : (tensor<8x32xi8>, tensor<f32>) -> tensor<8x32xf32>
  %y = nn.linear %x, %w : (tensor<2x32xf32>, tensor<8x32xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}
