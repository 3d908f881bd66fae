// RUN: sluice-opt %s --sluice-convert-precision=dtype=bf16 > %t.same
// RUN: sluice-opt %s > %t.plain
// RUN: diff %t.plain %t.same
// RUN: sluice-opt %s --sluice-convert-precision=dtype=f16 | FileCheck %s
// RUN: sluice-opt %s --sluice-convert-precision=dtype=f32 | FileCheck %s --check-prefix=F32

// A model whose layers are bf16 changes nothing when it is asked for bf16: not the norm that it takes in f32 between two
// casts of its own, nor the f32 angles, nor the rows of its table.  For another type it is converted as any.
// CHECK-LABEL: func.func @main
// CHECK: nn.gather {{.*}} -> tensor<?x8xf16>
// CHECK: nn.rms_norm {{.*}} -> tensor<?x8xf16>
// CHECK: nn.linear {{.*}} -> tensor<?x8xf16>
// F32-LABEL: func.func @main
// F32: nn.linear {{.*}} -> tensor<?x8xf32>
func.func @main(%ids: tensor<?xi64> {nn.dims = ["n"]}, %at: tensor<?x1xf32> {nn.dims = ["n", "1"]}) -> (tensor<?x8xbf16>, tensor<?x4xf32>) {
  %table = nn.weight "t" file 0 offset 0 length 256 : tensor<16x8xbf16>
  %w = nn.weight "w" file 0 offset 256 length 128 : tensor<8x8xbf16>
  %g = nn.weight "g" file 0 offset 384 length 32 : tensor<8xf32>
  %f = nn.weight "f" file 0 offset 416 length 16 : tensor<4x1xf32>
  %x = nn.gather %table, %ids axis 0 : (tensor<16x8xbf16>, tensor<?xi64>) -> tensor<?x8xbf16>
  %wide = arith.extf %x : tensor<?x8xbf16> to tensor<?x8xf32>
  %norm = nn.rms_norm %wide, %g eps 1.0e-05 : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %cut = arith.truncf %norm : tensor<?x8xf32> to tensor<?x8xbf16>
  %y = nn.linear %cut, %w : (tensor<?x8xbf16>, tensor<8x8xbf16>) -> tensor<?x8xbf16>
  %sum = arith.addf %y, %x : tensor<?x8xbf16>
  %angle = nn.linear %at, %f : (tensor<?x1xf32>, tensor<4x1xf32>) -> tensor<?x4xf32>
  %cos = math.cos %angle : tensor<?x4xf32>
  return %sum, %cos : tensor<?x8xbf16>, tensor<?x4xf32>
}
