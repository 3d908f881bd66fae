// RUN: sluice-opt %s | sluice-opt | FileCheck %s
// RUN: sluice-opt %s --mlir-print-debuginfo | sluice-opt | FileCheck %s

// Every op of a program prints what it parses.

exec.kernel @rms_norm library "rms_norm" {eps = 1.0e-5}
exec.kernel @ew_0 generated dims [["p0"], ["p0"]] grid "p0" {
^bb0(%x: tensor<?xf32>, %y: tensor<?xf32>):
  exec.yield %y : tensor<?xf32>
}
exec.weight @w0 "q" layout nk_tile16 : tensor<16x4xf32> {
  %w = nn.weight "q" file 0 offset 0 length 256 : tensor<16x4xf32>
  exec.yield %w : tensor<16x4xf32>
}
exec.state @s0 "0.k" layer 0 component "k" f32 ["batch", "past", "4"] axis 1 before "past" after "past + 1" input 1 output 1

// CHECK-LABEL: exec.program @main
exec.program @main {
  // CHECK: exec.buffer input 0
  %in = exec.buffer input 0
  // CHECK: exec.buffer state @s0
  %cache = exec.buffer state @s0
  // CHECK: exec.buffer output 0
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
  // CHECK: exec.port output "y"
  exec.port output "y" f32 ["batch", "4"] in %out
  exec.port output "present" f32 ["batch", "past + 1", "4"] state @s0 in %cache
  // CHECK: exec.view %{{.*}} f32 ["batch", "4"]
  %v0 = exec.view %in f32 ["batch", "4"]
  // CHECK: exec.view %{{.*}} f32 ["batch", "4"] strides ["1", "batch"] offset "4"
  %v1 = exec.view %t f32 ["batch", "4"] strides ["1", "batch"] offset "4"
  // CHECK: exec.view %{{.*}} f32 ["batch", "1", "4"] start "past"
  %v2 = exec.view %cache f32 ["batch", "1", "4"] start "past"
  %cv = exec.view %c i1 []
  // CHECK: exec.launch @rms_norm ins(%{{.*}}, none) outs(%{{.*}})
  exec.launch @rms_norm ins(%v0, none) outs(%v1)
  // CHECK: exec.launch @ew_0 ins(%{{.*}}) outs(%{{.*}}) grid "4 * batch" params ["4 * batch"]
  exec.launch @ew_0 ins(%v0) outs(%v1) grid "4 * batch" params ["4 * batch"]
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
