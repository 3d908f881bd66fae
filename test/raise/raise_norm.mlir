// RUN: sluice-opt %s --sluice-raise-norm --canonicalize | FileCheck %s

// x · (1 / sqrt(mean(x²) + eps)) · w: sum, 1/8 as a factor, the weight taken in.  The epsilon is the f32 nearest to 1e-5.
// CHECK-LABEL: func.func @written_out
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>, %[[W:.*]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.*]] = nn.rms_norm %[[X]], %[[W]] eps 9.9{{[0-9]+}}E-6
// CHECK-NEXT: return %[[Y]]
func.func @written_out(%x: tensor<4x8xf32>, %w: tensor<8xf32>) -> tensor<4x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %eighth = arith.constant dense<0.125> : tensor<4xf32>
  %eps = arith.constant dense<1.0e-05> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %e = tensor.empty() : tensor<4x8xf32>
  %squares = arith.mulf %x, %x : tensor<4x8xf32>
  %sum = linalg.reduce { arith.addf } ins(%squares : tensor<4x8xf32>) outs(%zero : tensor<4xf32>) dimensions = [1]
  %mean = arith.mulf %sum, %eighth : tensor<4xf32>
  %inside = arith.addf %mean, %eps : tensor<4xf32>
  %root = math.sqrt %inside : tensor<4xf32>
  %inverse = arith.divf %one, %root : tensor<4xf32>
  %factor = linalg.broadcast ins(%inverse : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
  %normal = arith.mulf %x, %factor : tensor<4x8xf32>
  %weight = linalg.broadcast ins(%w : tensor<8xf32>) outs(%e : tensor<4x8xf32>) dimensions = [0]
  %y = arith.mulf %normal, %weight : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// Without a weight, and the division written as one.
// CHECK-LABEL: func.func @divided
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf32>)
// CHECK: nn.rms_norm %[[X]] eps 9.9{{[0-9]+}}E-7 : (tensor<4x8xf32>)
func.func @divided(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %eight = arith.constant dense<8.0> : tensor<4xf32>
  %eps = arith.constant dense<1.0e-06> : tensor<4xf32>
  %e = tensor.empty() : tensor<4x8xf32>
  %squares = arith.mulf %x, %x : tensor<4x8xf32>
  %sum = linalg.reduce { arith.addf } ins(%squares : tensor<4x8xf32>) outs(%zero : tensor<4xf32>) dimensions = [1]
  %mean = arith.divf %sum, %eight : tensor<4xf32>
  %inside = arith.addf %mean, %eps : tensor<4xf32>
  %root = math.sqrt %inside : tensor<4xf32>
  %divisor = linalg.broadcast ins(%root : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
  %y = arith.divf %x, %divisor : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// Half precision: the maths runs in f32 between casts; the norm takes the halves themselves.
// CHECK-LABEL: func.func @half
// CHECK-SAME: (%[[X:.*]]: tensor<4x8xf16>, %[[W:.*]]: tensor<8xf16>)
// CHECK: nn.rms_norm %[[X]], %[[W]] eps 9.9{{[0-9]+}}E-6 : (tensor<4x8xf16>, tensor<8xf16>) -> tensor<4x8xf16>
func.func @half(%x: tensor<4x8xf16>, %w: tensor<8xf16>) -> tensor<4x8xf16> {
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %eighth = arith.constant dense<0.125> : tensor<4xf32>
  %eps = arith.constant dense<1.0e-05> : tensor<4xf32>
  %e = tensor.empty() : tensor<4x8xf32>
  %h = tensor.empty() : tensor<4x8xf16>
  %wide = arith.extf %x : tensor<4x8xf16> to tensor<4x8xf32>
  %squares = arith.mulf %wide, %wide : tensor<4x8xf32>
  %sum = linalg.reduce { arith.addf } ins(%squares : tensor<4x8xf32>) outs(%zero : tensor<4xf32>) dimensions = [1]
  %mean = arith.mulf %sum, %eighth : tensor<4xf32>
  %inside = arith.addf %mean, %eps : tensor<4xf32>
  %inverse = math.rsqrt %inside : tensor<4xf32>
  %factor = linalg.broadcast ins(%inverse : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
  %normal = arith.mulf %wide, %factor : tensor<4x8xf32>
  %narrow = arith.truncf %normal : tensor<4x8xf32> to tensor<4x8xf16>
  %weight = linalg.broadcast ins(%w : tensor<8xf16>) outs(%h : tensor<4x8xf16>) dimensions = [0]
  %y = arith.mulf %narrow, %weight : tensor<4x8xf16>
  return %y : tensor<4x8xf16>
}

// Refused: the mean is over the first dimension.
// CHECK-LABEL: func.func @other_dimension
// CHECK-NOT: nn.rms_norm
func.func @other_dimension(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<8xf32>
  %eighth = arith.constant dense<0.125> : tensor<8xf32>
  %eps = arith.constant dense<1.0e-05> : tensor<8xf32>
  %e = tensor.empty() : tensor<8x8xf32>
  %squares = arith.mulf %x, %x : tensor<8x8xf32>
  %sum = linalg.reduce { arith.addf } ins(%squares : tensor<8x8xf32>) outs(%zero : tensor<8xf32>) dimensions = [0]
  %mean = arith.mulf %sum, %eighth : tensor<8xf32>
  %inside = arith.addf %mean, %eps : tensor<8xf32>
  %inverse = math.rsqrt %inside : tensor<8xf32>
  %factor = linalg.broadcast ins(%inverse : tensor<8xf32>) outs(%e : tensor<8x8xf32>) dimensions = [0]
  %y = arith.mulf %x, %factor : tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}

// Refused: the sum of 8 squares is divided by 4.
// CHECK-LABEL: func.func @no_mean
// CHECK-NOT: nn.rms_norm
func.func @no_mean(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %quarter = arith.constant dense<0.25> : tensor<4xf32>
  %eps = arith.constant dense<1.0e-05> : tensor<4xf32>
  %e = tensor.empty() : tensor<4x8xf32>
  %squares = arith.mulf %x, %x : tensor<4x8xf32>
  %sum = linalg.reduce { arith.addf } ins(%squares : tensor<4x8xf32>) outs(%zero : tensor<4xf32>) dimensions = [1]
  %mean = arith.mulf %sum, %quarter : tensor<4xf32>
  %inside = arith.addf %mean, %eps : tensor<4xf32>
  %inverse = math.rsqrt %inside : tensor<4xf32>
  %factor = linalg.broadcast ins(%inverse : tensor<4xf32>) outs(%e : tensor<4x8xf32>) dimensions = [1]
  %y = arith.mulf %x, %factor : tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
