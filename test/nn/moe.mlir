// RUN: sluice-opt %s | sluice-opt | FileCheck %s

// CHECK-LABEL: func.func @experts
func.func @experts(%x: tensor<?x8xf32>, %i: tensor<?x2xi64>, %w: tensor<?x2xf32>, %g: tensor<4x16x8xf32>,
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
