// RUN: sluice-opt %s | sluice-opt | FileCheck %s

// Every token op prints what it parses.

// CHECK-LABEL: func.func @norms
func.func @norms(%x: tensor<?x?x64xf32>, %w: tensor<64xf32>) {
  // CHECK: nn.rms_norm %{{.*}}, %{{.*}} eps 1.000000e-05
  %0 = nn.rms_norm %x, %w eps 1.0e-5 : (tensor<?x?x64xf32>, tensor<64xf32>) -> tensor<?x?x64xf32>
  // CHECK: nn.rms_norm %{{.*}} eps 1.000000e-05 : (tensor<?x?x64xf32>) ->
  %1 = nn.rms_norm %x eps 1.0e-5 : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  // CHECK: nn.layer_norm %{{.*}}, %{{.*}}, %{{.*}} eps 1.000000e-05
  %2 = nn.layer_norm %x, %w, %w eps 1.0e-5 : (tensor<?x?x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<?x?x64xf32>
  return
}

// CHECK-LABEL: func.func @softmax
func.func @softmax(%x: tensor<?x?x64xf32>) {
  // CHECK: nn.softmax %{{.*}} axis -1 :
  %0 = nn.softmax %x axis -1 : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  // CHECK: nn.softmax %{{.*}} axis 1 {log = true}
  %1 = nn.softmax %x axis 1 {log = true} : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  return
}

// Cos and sin of 6 angles rotate 12 of 16 elements; one batch of them serves all.
// CHECK-LABEL: func.func @rope
func.func @rope(%q: tensor<?x4x?x16xf32>, %cos: tensor<1x?x6xf32>) {
  // CHECK: nn.rope %{{.*}}, %{{.*}}, %{{.*}} {interleaved = true}
  %0 = nn.rope %q, %cos, %cos {interleaved = true} : (tensor<?x4x?x16xf32>, tensor<1x?x6xf32>, tensor<1x?x6xf32>) -> tensor<?x4x?x16xf32>
  return
}

// Four query heads read two key heads; values are narrower than keys.
// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x?x16xf32>, %v: tensor<?x2x?x12xf32>, %m: tensor<?x?xi1>,
                     %l: tensor<?xi64>, %s: tensor<4xf32>, %bias: tensor<1x1x?x?xf32>) {
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} pattern <full> scale 2.500000e-01
  %0 = nn.attention %q, %k, %v pattern <full> scale 2.5e-01
      : (tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x12xf32>) -> tensor<?x4x?x12xf32>
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} slopes %{{.*}} pattern <causal, window = 6> scale
  %1 = nn.attention %q, %k, %v mask %m slopes %s pattern <causal, window = 6> scale 2.5e-01
      : (tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x12xf32>, tensor<?x?xi1>, tensor<4xf32>) -> tensor<?x4x?x12xf32>
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} bias %{{.*}} lengths %{{.*}} pattern <causal> scale {{.*}} empty_rows uniform {softcap = 3.000000e+01 : f64}
  %2 = nn.attention %q, %k, %v bias %bias lengths %l pattern <causal> scale 2.5e-01 empty_rows uniform {softcap = 30.0}
      : (tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, tensor<?x2x?x12xf32>, tensor<1x1x?x?xf32>, tensor<?xi64>) -> tensor<?x4x?x12xf32>
  return
}
