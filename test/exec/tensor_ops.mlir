// RUN: sluice-opt %s | sluice-opt | FileCheck %s
// RUN: sluice-opt %s --mlir-print-debuginfo | sluice-opt | FileCheck %s

// Dispatches and constants print what they parse.

exec.kernel @rms_norm library "rms_norm" {eps = 1.0e-5}
exec.kernel @nonzero library "nonzero"
exec.kernel @ew_0 generated dims [["p0", "4"], ["p0", "4"]] grid "p0" {
^bb0(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>):
  exec.yield %y : tensor<?x4xf32>
}
exec.weight @w0 "q" layout nk_tile16 : tensor<16x4xf32> {
  %w = nn.weight "q" file 0 offset 0 length 256 : tensor<16x4xf32>
  exec.yield %w : tensor<16x4xf32>
}

// CHECK-LABEL: func.func @dispatches
func.func @dispatches(%x: tensor<?x4xf32> {nn.dims = ["batch", "4"]}) -> tensor<?x4xf32> {
  // CHECK: exec.constant @w0 : tensor<16x4xf32>
  %w = exec.constant @w0 : tensor<16x4xf32>
  // An absent weight keeps its slot.
  // CHECK: exec.dispatch @rms_norm(%{{.*}}, none) sizes {{\[\[}}"batch", "4"]] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %0 = exec.dispatch @rms_norm(%x, none) sizes [["batch", "4"]] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: exec.dispatch @rms_norm(none, %{{.*}}, none) sizes
  %1 = exec.dispatch @rms_norm(none, %x, none) sizes [["batch", "4"]] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: exec.dispatch @ew_0({{.*}}) sizes {{.*}} params ["batch"]
  %2 = exec.dispatch @ew_0(%0) sizes [["batch", "4"]] params ["batch"] : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: exec.dispatch @nonzero({{.*}}) sizes {{.*}} counts ["count"]
  %3 = exec.dispatch @nonzero(%2) sizes [["2", "count"]] counts ["count"] : (tensor<?x4xf32>) -> tensor<2x?xi64>
  return %2 : tensor<?x4xf32>
}
