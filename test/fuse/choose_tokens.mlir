// RUN: sluice-opt %s --split-input-file --sluice-choose-tokens | FileCheck %s

// The last position of each sequence, wherever it is; tokens are i32, so the choice is.
module attributes {exec.target = "cuda-sm90a"} {
  // CHECK-LABEL: func.func @main
  // CHECK-SAME: -> (tensor<?x?x32xbf16> {nn.role = "logits"}, tensor<?x2x?x8xbf16> {nn.role = "state"}, tensor<?x?xi32> {nn.name = "next", nn.role = "next"})
  // CHECK: %[[LOGITS:.*]] = nn.linear
  // CHECK-DAG: %[[LAST:.*]] = nn.size "-min(1, seq) + seq"
  // CHECK-DAG: %[[ONE:.*]] = nn.size "min(1, seq)"
  // CHECK: %[[ROW:.*]] = tensor.extract_slice %[[LOGITS]][0, %[[LAST]], 0] [%{{.*}}, %[[ONE]], 32] [1, 1, 1]
  // CHECK: %[[IDS:.*]] = nn.arg_reduce %[[ROW]] axis 2 kind "max"
  // CHECK: %[[NEXT:.*]] = arith.trunci %[[IDS]] : tensor<?x?xi64> to tensor<?x?xi32>
  // CHECK: return %[[LOGITS]], %{{.*}}, %[[NEXT]]
  func.func @main(%ids: tensor<?x?xi32> {nn.dims = ["batch", "seq"], nn.role = "tokens"},
                  %x: tensor<?x?x8xbf16> {nn.dims = ["batch", "seq", "8"], nn.role = "input"},
                  %past: tensor<?x2x?x8xbf16> {nn.dims = ["batch", "2", "past", "8"], nn.role = "state"},
                  %new: tensor<?x2x?x8xbf16> {nn.dims = ["batch", "2", "seq", "8"], nn.role = "input"})
      -> (tensor<?x?x32xbf16> {nn.role = "logits"}, tensor<?x2x?x8xbf16> {nn.role = "state"})
      attributes {nn.states = [{name = "0.k", past = 2 : i64, present = 1 : i64, axis = 2 : i64, layer = 0 : i64, component = "k"}]} {
    %w = nn.weight "w" file 0 offset 0 length 512 : tensor<32x8xbf16>
    %logits = nn.linear %x, %w acc f32 : (tensor<?x?x8xbf16>, tensor<32x8xbf16>) -> tensor<?x?x32xbf16>
    %present = tensor.concat dim(2) %past, %new : (tensor<?x2x?x8xbf16>, tensor<?x2x?x8xbf16>) -> tensor<?x2x?x8xbf16>
    return %logits, %present : tensor<?x?x32xbf16>, tensor<?x2x?x8xbf16>
  }
}

// -----

// Without a cache a step takes the whole sequence, which only the host has.
module attributes {exec.target = "cuda-sm90a"} {
  // CHECK-LABEL: func.func @main
  // CHECK-NOT: nn.arg_reduce
  func.func @main(%ids: tensor<?x?xi64> {nn.dims = ["batch", "seq"], nn.role = "tokens"},
                  %logits: tensor<?x?x32xf32> {nn.dims = ["batch", "seq", "32"], nn.role = "input"})
      -> (tensor<?x?x32xf32> {nn.role = "logits"}) attributes {nn.states = []} {
    return %logits : tensor<?x?x32xf32>
  }
}

// -----

// On the CPU logits are at hand.
// CHECK-LABEL: func.func @main
// CHECK-NOT: nn.arg_reduce
func.func @main(%ids: tensor<?x?xi64> {nn.dims = ["batch", "seq"], nn.role = "tokens"},
                %logits: tensor<?x?x32xf32> {nn.dims = ["batch", "seq", "32"], nn.role = "input"},
                %past: tensor<?x?xf32> {nn.dims = ["batch", "past"], nn.role = "state"},
                %new: tensor<?x?xf32> {nn.dims = ["batch", "seq"], nn.role = "input"})
    -> (tensor<?x?x32xf32> {nn.role = "logits"}, tensor<?x?xf32> {nn.role = "state"})
    attributes {nn.states = [{name = "0.k", past = 2 : i64, present = 1 : i64, axis = 1 : i64, layer = 0 : i64, component = "k"}]} {
  %present = tensor.concat dim(1) %past, %new : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
  return %logits, %present : tensor<?x?x32xf32>, tensor<?x?xf32>
}
