// RUN: sluice-opt %s --split-input-file --sluice-choose-tokens | FileCheck %s

// The last position of each sequence, wherever it is, is computed from there on that the caches need; tokens are i32, so
// the choice is.  What the caller gets stays whole.
module attributes {exec.target = "cuda-sm90a"} {
  // CHECK-LABEL: func.func @main
  // CHECK-SAME: -> (tensor<?x?x32xbf16> {nn.role = "logits"}, tensor<?x2x?x8xbf16> {nn.role = "state"}, tensor<?x?xi32> {nn.name = "next", nn.role = "next"})
  // CHECK: %[[HIDDEN:.*]] = nn.linear
  // CHECK: %[[LOGITS:.*]] = nn.linear
  // CHECK-DAG: %[[LAST:.*]] = nn.size "-min(1, seq) + seq"
  // CHECK-DAG: %[[ONE:.*]] = nn.size "min(1, seq)"
  // CHECK: %[[ROW:.*]] = tensor.extract_slice %[[HIDDEN]][0, %[[LAST]], 0] [%{{.*}}, %[[ONE]], 16] [1, 1, 1]
  // CHECK: %[[NORMED:.*]] = nn.rms_norm %[[ROW]]
  // CHECK: %[[SCALES:.*]] = linalg.broadcast ins(%{{.*}} : tensor<16xbf16>) outs(%{{.*}} : tensor<?x?x16xbf16>)
  // CHECK: %[[SCALED:.*]] = arith.mulf %[[NORMED]], %[[SCALES]] : tensor<?x?x16xbf16>
  // CHECK: %[[SCORES:.*]] = nn.linear %[[SCALED]]
  // CHECK: %[[IDS:.*]] = nn.arg_reduce %[[SCORES]] axis 2 kind "max"
  // CHECK: %[[NEXT:.*]] = arith.trunci %[[IDS]] : tensor<?x?xi64> to tensor<?x?xi32>
  // CHECK: return %[[LOGITS]], %{{.*}}, %[[NEXT]]
  func.func @main(%ids: tensor<?x?xi32> {nn.dims = ["batch", "seq"], nn.role = "tokens"},
                  %x: tensor<?x?x8xbf16> {nn.dims = ["batch", "seq", "8"], nn.role = "input"},
                  %past: tensor<?x2x?x8xbf16> {nn.dims = ["batch", "2", "past", "8"], nn.role = "state"})
      -> (tensor<?x?x32xbf16> {nn.role = "logits"}, tensor<?x2x?x8xbf16> {nn.role = "state"})
      attributes {nn.states = [{name = "0.k", past = 2 : i64, present = 1 : i64, axis = 2 : i64, layer = 0 : i64, component = "k"}]} {
    %batch = nn.size "batch"
    %seq = nn.size "seq"
    %w = nn.weight "w" file 0 offset 0 length 256 : tensor<16x8xbf16>
    %hidden = nn.linear %x, %w acc f32 : (tensor<?x?x8xbf16>, tensor<16x8xbf16>) -> tensor<?x?x16xbf16>
    %heads = nn.reshape %hidden ["batch", "seq", "2", "8"] : (tensor<?x?x16xbf16>) -> tensor<?x?x2x8xbf16>
    %to = tensor.empty(%batch, %seq) : tensor<?x2x?x8xbf16>
    %new = linalg.transpose ins(%heads : tensor<?x?x2x8xbf16>) outs(%to : tensor<?x2x?x8xbf16>) permutation = [0, 2, 1, 3]
    %present = tensor.concat dim(2) %past, %new : (tensor<?x2x?x8xbf16>, tensor<?x2x?x8xbf16>) -> tensor<?x2x?x8xbf16>
    %normed = nn.rms_norm %hidden eps 1.0e-5 : (tensor<?x?x16xbf16>) -> tensor<?x?x16xbf16>
    %scale = nn.weight "scale" file 0 offset 256 length 32 : tensor<16xbf16>
    %all = tensor.empty(%batch, %seq) : tensor<?x?x16xbf16>
    %scales = linalg.broadcast ins(%scale : tensor<16xbf16>) outs(%all : tensor<?x?x16xbf16>) dimensions = [0, 1]
    %scaled = arith.mulf %normed, %scales : tensor<?x?x16xbf16>
    %head = nn.weight "head" file 0 offset 288 length 1024 : tensor<32x16xbf16>
    %logits = nn.linear %scaled, %head acc f32 : (tensor<?x?x16xbf16>, tensor<32x16xbf16>) -> tensor<?x?x32xbf16>
    return %logits, %present : tensor<?x?x32xbf16>, tensor<?x2x?x8xbf16>
  }
}

// -----

// Where positions meet, all of them are needed: a softmax over them.
module attributes {exec.target = "cuda-sm90a"} {
  // CHECK-LABEL: func.func @main
  // CHECK: %[[LOGITS:.*]] = nn.softmax
  // CHECK: %[[ROW:.*]] = tensor.extract_slice %[[LOGITS]][0, %{{.*}}, 0]
  // CHECK: nn.arg_reduce %[[ROW]]
  func.func @main(%ids: tensor<?x?xi64> {nn.dims = ["batch", "seq"], nn.role = "tokens"},
                  %x: tensor<?x?x32xf32> {nn.dims = ["batch", "seq", "32"], nn.role = "input"},
                  %past: tensor<?x?xf32> {nn.dims = ["batch", "past"], nn.role = "state"},
                  %new: tensor<?x?xf32> {nn.dims = ["batch", "seq"], nn.role = "input"})
      -> (tensor<?x?x32xf32> {nn.role = "logits"}, tensor<?x?xf32> {nn.role = "state"})
      attributes {nn.states = [{name = "0.k", past = 2 : i64, present = 1 : i64, axis = 1 : i64, layer = 0 : i64, component = "k"}]} {
    %present = tensor.concat dim(1) %past, %new : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
    %logits = nn.softmax %x axis 1 : (tensor<?x?x32xf32>) -> tensor<?x?x32xf32>
    return %logits, %present : tensor<?x?x32xf32>, tensor<?x?xf32>
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
