// RUN: sluice-opt %s | sluice-opt | FileCheck %s
// RUN: sluice-opt %s --mlir-print-debuginfo | sluice-opt | FileCheck %s

// Every op of the module's top level prints what it parses.

// CHECK: exec.symbol "batch" free min 1 max 8
exec.symbol "batch" free min 1 max 8
// CHECK: exec.symbol "count" counted bound "8 * batch"
exec.symbol "count" counted bound "8 * batch"
// CHECK: exec.symbol "trips" result
exec.symbol "trips" result
// CHECK: exec.assume "batch >= 2" in @half
exec.assume "batch >= 2" in @half
// CHECK: exec.assume "total == past + batch"
exec.assume "total == past + batch"
// CHECK: exec.kernel @rms_norm library "rms_norm" {eps = 1.000000e-05 : f64}
exec.kernel @rms_norm library "rms_norm" {eps = 1.0e-5}
// CHECK: exec.kernel @nonzero library "nonzero"
exec.kernel @nonzero library "nonzero"

// The kernel reads rows of a wider tensor, from element p2 on, p1 apart.
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
// CHECK: exec.yield %{{.*}} : tensor<16x4xf32>
exec.weight @w0 "q" layout nk_tile16 : tensor<16x4xf32> {
  %w = nn.weight "q" file 0 offset 0 length 256 : tensor<16x4xf32>
  exec.yield %w : tensor<16x4xf32>
}

// CHECK: exec.state @s0 "0.k" layer 0 component "k" f32 ["batch", "past", "4"] axis 1 before "past" after "past + 1" input 1 output 1
exec.state @s0 "0.k" layer 0 component "k" f32 ["batch", "past", "4"] axis 1 before "past" after "past + 1" input 1 output 1

// CHECK: exec.program @half
exec.program @half {
}
