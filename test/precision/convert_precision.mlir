// RUN: sluice-opt %s --sluice-convert-precision=dtype=bf16 | FileCheck %s
// RUN: sluice-opt %s --sluice-convert-precision=dtype=f32 | FileCheck %s --check-prefix=F32
// RUN: sluice-opt %s --sluice-convert-precision=dtype=tf32 | FileCheck %s --check-prefix=TF32
// RUN: sluice-opt %s --sluice-convert-precision | FileCheck %s --check-prefix=PLAIN

// A linear stores bf16; its weight is cut where it is packed; the maths behind it is f32.
// CHECK-LABEL: func.func @layer
// CHECK-SAME: (%[[X:[a-z0-9]*]]: tensor<?x8xf32> {{.*}} -> tensor<?x4xf32>
// CHECK-DAG: %[[W:.*]] = nn.weight "w"
// CHECK-DAG: %[[W16:.*]] = arith.truncf %[[W]]
// CHECK-DAG: %[[X16:.*]] = arith.truncf %[[X]]
// CHECK: %[[Y:.*]] = nn.linear %[[X16]], %[[W16]] : (tensor<?x8xbf16>, tensor<4x8xbf16>) -> tensor<?x4xbf16>
// CHECK: %[[WIDE:.*]] = arith.extf %[[Y]]
// CHECK: math.exp %[[WIDE]] : tensor<?x4xf32>
// TF32-LABEL: func.func @layer
// TF32: nn.linear %{{.*}}, %{{.*}} acc tf32 : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
// PLAIN-LABEL: func.func @layer
// PLAIN: nn.linear %{{.*}}, %{{.*}} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
func.func @layer(%x: tensor<?x8xf32> {nn.dims = ["n", "8"]}) -> tensor<?x4xf32> {
  %w = nn.weight "w" file 0 offset 0 length 128 : tensor<4x8xf32>
  %y = nn.linear %x, %w : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %e = math.exp %y : tensor<?x4xf32>
  return %e : tensor<?x4xf32>
}

// Between two layers nothing is widened for moving it, and what is read narrow is stored narrow for every reader.
// CHECK-LABEL: func.func @between
// CHECK: %[[A:.*]] = nn.linear {{.*}} -> tensor<?x4x4xbf16>
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[A]] : tensor<?x4x4xbf16>)
// CHECK: %[[B:.*]] = nn.linear %[[T]], {{.*}} -> tensor<?x4x4xbf16>
// CHECK: %[[WIDE:.*]] = arith.extf %[[B]]
// CHECK: %[[SUM:.*]] = arith.addf %[[WIDE]], %[[WIDE]] : tensor<?x4x4xf32>
// CHECK: %[[STORED:.*]] = arith.truncf %[[SUM]]
// CHECK: %[[AGAIN:.*]] = arith.extf %[[STORED]]
// CHECK: nn.linear %[[STORED]]
// CHECK: arith.addf %{{.*}}, %[[AGAIN]]
func.func @between(%x: tensor<?x4x4xf32> {nn.dims = ["n", "4", "4"]}, %e: tensor<?x4x4xf32> {nn.dims = ["n", "4", "4"]}) -> tensor<?x4x4xf32> {
  %w = nn.weight "w" file 0 offset 0 length 64 : tensor<4x4xf32>
  %a = nn.linear %x, %w : (tensor<?x4x4xf32>, tensor<4x4xf32>) -> tensor<?x4x4xf32>
  %t = linalg.transpose ins(%a : tensor<?x4x4xf32>) outs(%e : tensor<?x4x4xf32>) permutation = [0, 2, 1]
  %b = nn.linear %t, %w : (tensor<?x4x4xf32>, tensor<4x4xf32>) -> tensor<?x4x4xf32>
  %sum = arith.addf %b, %b : tensor<?x4x4xf32>
  %c = nn.linear %sum, %w : (tensor<?x4x4xf32>, tensor<4x4xf32>) -> tensor<?x4x4xf32>
  %d = arith.addf %c, %sum : tensor<?x4x4xf32>
  return %d : tensor<?x4x4xf32>
}

// An angle keeps its digits; softmax has one operand and stays f32.
// CHECK-LABEL: func.func @angle
// CHECK: nn.linear %{{.*}}, %{{.*}} : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
// CHECK: math.cos %{{.*}} : tensor<?x8xf32>
// CHECK: nn.softmax %{{.*}} axis 1 : (tensor<?x8xf32>) -> tensor<?x8xf32>
func.func @angle(%x: tensor<?x8xf32> {nn.dims = ["n", "8"]}) -> tensor<?x8xf32> {
  %w = nn.weight "w" file 0 offset 0 length 256 : tensor<8x8xf32>
  %y = nn.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %c = math.cos %y : tensor<?x8xf32>
  %s = nn.softmax %c axis 1 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}

// A cache changes its type with what is appended to it; no other input does.
// CHECK-LABEL: func.func @cache
// CHECK-SAME: (%[[PAST:[a-z0-9]*]]: tensor<2x?x8xbf16>
// CHECK-SAME: -> (tensor<2x?x8xbf16>
// CHECK: %[[NEW:.*]] = nn.linear
// CHECK: tensor.concat dim(1) %[[PAST]], %[[NEW]] : (tensor<2x?x8xbf16>, tensor<2x?x8xbf16>) -> tensor<2x?x8xbf16>
func.func @cache(%past: tensor<2x?x8xf32> {nn.dims = ["2", "past", "8"], nn.role = "state"}, %x: tensor<2x?x8xf32> {nn.dims = ["2", "seq", "8"]})
    -> (tensor<2x?x8xf32> {nn.role = "state"}) {
  %w = nn.weight "w" file 0 offset 0 length 256 : tensor<8x8xf32>
  %new = nn.linear %x, %w : (tensor<2x?x8xf32>, tensor<8x8xf32>) -> tensor<2x?x8xf32>
  %present = tensor.concat dim(1) %past, %new : (tensor<2x?x8xf32>, tensor<2x?x8xf32>) -> tensor<2x?x8xf32>
  return %present : tensor<2x?x8xf32>
}

// From 16 bits to f32: weights widen while they are packed, inputs and results keep their type.
// F32-LABEL: func.func @half
// F32-SAME: (%[[X:[a-z0-9]*]]: tensor<?x8xf16>
// F32: %[[XW:.*]] = arith.extf %[[X]]
// F32: %[[W:.*]] = arith.extf %{{.*}} : tensor<4x8xf16> to tensor<4x8xf32>
// F32: %[[Y:.*]] = nn.linear %[[XW]], %[[W]] : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
// F32: %[[E:.*]] = math.exp %[[Y]] : tensor<?x4xf32>
// F32: %[[R:.*]] = arith.truncf %[[E]] : tensor<?x4xf32> to tensor<?x4xf16>
// F32: return %[[R]]
func.func @half(%x: tensor<?x8xf16> {nn.dims = ["n", "8"]}) -> tensor<?x4xf16> {
  %w = nn.weight "w" file 0 offset 0 length 64 : tensor<4x8xf16>
  %y = nn.linear %x, %w : (tensor<?x8xf16>, tensor<4x8xf16>) -> tensor<?x4xf16>
  %wide = arith.extf %y : tensor<?x4xf16> to tensor<?x4xf32>
  %e = math.exp %wide : tensor<?x4xf32>
  %n = arith.truncf %e : tensor<?x4xf32> to tensor<?x4xf16>
  return %n : tensor<?x4xf16>
}

// Rope stores what it turns in bf16 and reads its angles in f32; a cache takes it as it is.
// CHECK-LABEL: func.func @rope
// CHECK-NOT: arith.extf
// CHECK: nn.rope %{{.*}}, %{{.*}}, %{{.*}} : (tensor<1x2x?x4xbf16>, tensor<1x?x2xf32>, tensor<1x?x2xf32>) -> tensor<1x2x?x4xbf16>
// CHECK-NOT: arith.truncf
// CHECK: tensor.concat dim(2) %{{.*}} : (tensor<1x2x?x4xbf16>, tensor<1x2x?x4xbf16>) -> tensor<1x2x?x4xbf16>
func.func @rope(%past: tensor<1x2x?x4xf32> {nn.dims = ["1", "2", "past", "4"], nn.role = "state"},
                %x: tensor<1x?x4xf32> {nn.dims = ["1", "seq", "4"]},
                %cos: tensor<1x?x2xf32> {nn.dims = ["1", "seq", "2"]}, %sin: tensor<1x?x2xf32> {nn.dims = ["1", "seq", "2"]},
                %e: tensor<1x2x?x4xf32> {nn.dims = ["1", "2", "seq", "4"]}) -> (tensor<1x2x?x4xf32> {nn.role = "state"}) {
  %w = nn.weight "w" file 0 offset 0 length 128 : tensor<8x4xf32>
  %y = nn.linear %x, %w : (tensor<1x?x4xf32>, tensor<8x4xf32>) -> tensor<1x?x8xf32>
  %h = nn.reshape %y ["1", "seq", "2", "4"] : (tensor<1x?x8xf32>) -> tensor<1x?x2x4xf32>
  %t = linalg.transpose ins(%h : tensor<1x?x2x4xf32>) outs(%e : tensor<1x2x?x4xf32>) permutation = [0, 2, 1, 3]
  %k = nn.rope %t, %cos, %sin : (tensor<1x2x?x4xf32>, tensor<1x?x2xf32>, tensor<1x?x2xf32>) -> tensor<1x2x?x4xf32>
  %present = tensor.concat dim(2) %past, %k : (tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>) -> tensor<1x2x?x4xf32>
  return %present : tensor<1x2x?x4xf32>
}

// One table of rows serves who reads them narrow and who reads them wide.
// CHECK-LABEL: func.func @rows
// CHECK: %[[TABLE:.*]] = arith.truncf %{{.*}} : tensor<16x8xf32> to tensor<16x8xbf16>
// CHECK: %[[ROWS:.*]] = nn.gather %[[TABLE]], %{{.*}} axis 0 : (tensor<16x8xbf16>, tensor<?xi64>) -> tensor<?x8xbf16>
// CHECK: %[[WIDE:.*]] = arith.extf %[[ROWS]]
// CHECK-NOT: nn.gather
// CHECK: nn.linear %[[ROWS]]
// CHECK: arith.addf %{{.*}}, %[[WIDE]]
func.func @rows(%ids: tensor<?xi64> {nn.dims = ["n"]}) -> tensor<?x8xf32> {
  %table = nn.weight "t" file 0 offset 0 length 512 : tensor<16x8xf32>
  %w = nn.weight "w" file 0 offset 512 length 256 : tensor<8x8xf32>
  %x = nn.gather %table, %ids axis 0 : (tensor<16x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
  %y = nn.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %sum = arith.addf %y, %x : tensor<?x8xf32>
  return %sum : tensor<?x8xf32>
}
