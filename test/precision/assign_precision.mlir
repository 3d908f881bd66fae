// RUN: sluice-opt %s --sluice-assign-precision | FileCheck %s
// RUN: sluice-opt %s --sluice-assign-precision --remarks-filter=.* --remark-format=emitRemark 2>&1 >%t | FileCheck %s --check-prefix=REMARK

// Products of two half-precision numbers are exact in f32, sums of them are not in half precision.
// REMARK: Remark="accumulates in ", Remark=f32, Remark=": products of ", Remark=f16, Remark=" are exact in it"
// CHECK-LABEL: func.func @half
// CHECK: nn.linear %{{.*}}, %{{.*}} acc f32 :
func.func @half(%x: tensor<?x8xf16>, %w: tensor<4x8xf16>) {
  %0 = nn.linear %x, %w : (tensor<?x8xf16>, tensor<4x8xf16>) -> tensor<?x4xf16>
  return
}

// f64 stays what it is.
// REMARK: Remark="accumulates in ", Remark=f64, Remark=": products of ", Remark=f64, Remark=" are summed in their own type"
// CHECK-LABEL: func.func @double
// CHECK: nn.matmul %{{.*}}, %{{.*}} acc f64 :
func.func @double(%a: tensor<2x4x8xf64>, %b: tensor<2x8x4xf64>) {
  %0 = nn.matmul %a, %b : (tensor<2x4x8xf64>, tensor<2x8x4xf64>) -> tensor<2x4x4xf64>
  return
}

// A type that somebody chose before stays.
// CHECK-LABEL: func.func @chosen
// CHECK: nn.linear %{{.*}}, %{{.*}} acc f64 :
func.func @chosen(%x: tensor<?x8xf32>, %w: tensor<4x8xf32>) {
  %0 = nn.linear %x, %w acc f64 : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return
}
