// RUN: sluice-opt %s | sluice-opt | FileCheck %s

// Every op of the dialect prints what it parses.

// CHECK: exec.symbol "batch" free min 1 max 8
exec.symbol "batch" free min 1 max 8
// CHECK: exec.symbol "count" counted bound "8 * batch"
exec.symbol "count" counted bound "8 * batch"
exec.symbol "trips" result
// CHECK: exec.assume "total == past + batch"
exec.assume "total == past + batch"
// CHECK: exec.kernel @rms_norm library "rms_norm" {eps = 1.000000e-05 : f64}
exec.kernel @rms_norm library "rms_norm" {eps = 1.0e-5}
exec.kernel @nonzero library "nonzero"
// CHECK: exec.kernel @ew_0 generated dims {{\[\[}}"p0", "4"], ["p0"], ["p0", "4"]] grid "p0"
// CHECK-SAME: strides {{\[\[}}"p1", "1"], ["1"], ["4", "1"]] offsets ["p2", "0", "0"]
exec.kernel @ew_0 generated dims [["p0", "4"], ["p0"], ["p0", "4"]] grid "p0"
    strides [["p1", "1"], ["1"], ["4", "1"]] offsets ["p2", "0", "0"] {
^bb0(%x: tensor<?x4xf32>, %s: tensor<?xf32>, %y: tensor<?x4xf32>):
  %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<?x4xf32>, tensor<?xf32>) outs(%y : tensor<?x4xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %1 = arith.addf %a, %b : f32
    linalg.yield %1 : f32
  } -> tensor<?x4xf32>
  exec.yield %0 : tensor<?x4xf32>
}
// CHECK: exec.weight @w0 "q" layout nk_tile16 : tensor<16x4xf32>
exec.weight @w0 "q" layout nk_tile16 : tensor<16x4xf32> {
  %w = nn.weight "q" file 0 offset 0 length 256 : tensor<16x4xf32>
  exec.yield %w : tensor<16x4xf32>
}
// CHECK: exec.state @s0 "0.k" layer 0 component "k" f32 ["batch", "past", "4"] axis 1 before "past" after "past + 1" input 1 output 1
exec.state @s0 "0.k" layer 0 component "k" f32 ["batch", "past", "4"] axis 1 before "past" after "past + 1" input 1 output 1

// CHECK-LABEL: func.func @dispatches
func.func @dispatches(%x: tensor<?x4xf32> {nn.dims = ["batch", "4"]}, %s: tensor<?xf32> {nn.dims = ["batch"]}) -> tensor<?x4xf32> {
  // CHECK: exec.constant @w0 : tensor<16x4xf32>
  %w = exec.constant @w0 : tensor<16x4xf32>
  // CHECK: exec.dispatch @rms_norm(%{{.*}}, none) sizes {{\[\[}}"batch", "4"]] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %0 = exec.dispatch @rms_norm(%x, none) sizes [["batch", "4"]] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: exec.dispatch @ew_0({{.*}}) sizes {{.*}} params ["batch", "4", "0"]
  %1 = exec.dispatch @ew_0(%0, %s) sizes [["batch", "4"]] params ["batch", "4", "0"]
      : (tensor<?x4xf32>, tensor<?xf32>) -> tensor<?x4xf32>
  // CHECK: exec.dispatch @nonzero({{.*}}) sizes {{.*}} counts ["count"]
  %2 = exec.dispatch @nonzero(%1) sizes [["2", "count"]] counts ["count"] : (tensor<?x4xf32>) -> tensor<2x?xi64>
  return %1 : tensor<?x4xf32>
}

// CHECK-LABEL: exec.program @main
exec.program @main {
  // CHECK: exec.buffer input 0
  %in = exec.buffer input 0
  %cache = exec.buffer state @s0
  %out = exec.buffer output 0
  // CHECK: exec.buffer weight @w0
  %w = exec.buffer weight @w0
  // CHECK: exec.buffer constant value dense<true> : tensor<i1>
  %c = exec.buffer constant value dense<true> : tensor<i1>
  // CHECK: exec.buffer arena bytes "16 * batch" live [0, 1]
  %t = exec.buffer arena bytes "16 * batch" live [0, 1]
  // CHECK: exec.port input "x" f32 ["batch", "4"] role "input" in
  exec.port input "x" f32 ["batch", "4"] role "input" in %in
  // CHECK: exec.port input "past" f32 ["batch", "past", "4"] state @s0 in
  exec.port input "past" f32 ["batch", "past", "4"] state @s0 in %cache
  exec.port output "y" f32 ["batch", "4"] in %out
  exec.port output "present" f32 ["batch", "past + 1", "4"] state @s0 in %cache
  %v0 = exec.view %in f32 ["batch", "4"]
  // CHECK: exec.view %{{.*}} f32 ["batch", "4"] strides ["1", "batch"] offset "4"
  %v1 = exec.view %t f32 ["batch", "4"] strides ["1", "batch"] offset "4"
  // CHECK: exec.view %{{.*}} f32 ["batch", "1", "4"] start "past"
  %v2 = exec.view %cache f32 ["batch", "1", "4"] start "past"
  %cv = exec.view %c i1 []
  // CHECK: exec.launch @rms_norm ins(%{{.*}}, none) outs(%{{.*}})
  exec.launch @rms_norm ins(%v0, none) outs(%v1)
  %v3 = exec.view %out f32 ["batch", "4"]
  // CHECK: exec.if %{{.*}} then @step else @step ins(%{{.*}}) outs(%{{.*}}) bind {{\[\[}}0, 0, "trips"]]
  exec.if %cv then @step else @step ins(%v0) outs(%v3) bind [[0, 0, "trips"]]
  // CHECK: exec.loop @step while %{{.*}} carried(%{{.*}}) captured() outs(%{{.*}}) bind []
  exec.loop @step while %cv carried(%v0) captured() outs(%v3) bind []
  // CHECK: exec.pack bounds {batch = 8 : i64} offsets [0] arena 128 lower_bound 128
  exec.pack bounds {batch = 8 : i64} offsets [0] arena 128 lower_bound 128
}
exec.program @step {
}
