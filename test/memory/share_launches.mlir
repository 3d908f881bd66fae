// RUN: sluice-opt %s --split-input-file --sluice-select-kernels --sluice-convert-to-program --sluice-share-launches --sluice-verify-memory | FileCheck %s
// RUN: sed 's/attributes {exec.target = "cuda-sm90a"}//' %s | sluice-opt --split-input-file --sluice-select-kernels --sluice-convert-to-program --sluice-share-launches | FileCheck %s --check-prefix=CPU

// Queries, keys and values of one packed row: two are turned, the third goes into the cache as it is.  Each has its share
// of the blocks of one launch, of 256 threads: one turns the 4 pairs of 2 heads (2 · seq threads for the queries, seq for
// the keys), or copies 4 elements (4 · seq).  The kernels that were one launch each are gone.
// CHECK-LABEL: exec.kernel @rope_rope_copy library "rope_rope_copy"
// CHECK-SAME: grid = ["p0 + p1 + p2", "1", "1"]
// CHECK-SAME: {kind = "number", of = 0 : i64}, {kind = "operand", of = 0 : i64, rank = 4 : i64}
// CHECK-SAME: {kind = "number", of = 1 : i64}, {kind = "operand", of = 3 : i64, rank = 4 : i64}
// CHECK-SAME: {kind = "number", of = 2 : i64}, {kind = "operand", of = 6 : i64, rank = 4 : i64}, {kind = "operand", of = 9 : i64, rank = 4 : i64}
// CHECK-NOT: exec.kernel
// CHECK: exec.program @main
// CHECK-DAG: %[[K:.*]] = exec.buffer state @s0
// CHECK-DAG: %[[V:.*]] = exec.buffer state @s1
// CHECK-DAG: %[[OUT:.*]] = exec.buffer output 0
// CHECK-DAG: %[[Q1:.*]] = exec.view %[[OUT]] f32 ["1", "4", "seq", "8"]
// CHECK-DAG: %[[K1:.*]] = exec.view %[[K]] f32 ["1", "2", "seq", "8"] start "past"
// CHECK-DAG: %[[V1:.*]] = exec.view %[[V]] f32 ["1", "2", "seq", "8"] start "past"
// CHECK: exec.launch @rope_rope_copy ins(%{{[^)]*}}) outs(%[[Q1]], %[[K1]], %[[V1]])
// CHECK-SAME: params ["min(2112, floordiv(seq + 127, 128))", "min(2112, floordiv(seq + 255, 256))", "min(4224, floordiv(seq + 63, 64))"]
// CHECK-NOT: exec.launch
// CPU: exec.launch @rope
// CPU: exec.launch @rope
// CPU: exec.launch @copy
module attributes {exec.target = "cuda-sm90a"} {
  func.func @main(%x: tensor<1x?x64xf32> {nn.name = "x", nn.dims = ["1", "seq", "64"]},
                  %cos: tensor<1x?x4xf32> {nn.name = "cos", nn.dims = ["1", "seq", "4"]},
                  %sin: tensor<1x?x4xf32> {nn.name = "sin", nn.dims = ["1", "seq", "4"]},
                  %pk: tensor<1x2x?x8xf32> {nn.name = "pk", nn.dims = ["1", "2", "past", "8"]},
                  %pv: tensor<1x2x?x8xf32> {nn.name = "pv", nn.dims = ["1", "2", "past", "8"]})
      -> (tensor<1x4x?x8xf32> {nn.name = "q", nn.dims = ["1", "4", "seq", "8"]}, tensor<1x2x?x8xf32> {nn.name = "k", nn.dims = ["1", "2", "past + seq", "8"]},
          tensor<1x2x?x8xf32> {nn.name = "v", nn.dims = ["1", "2", "past + seq", "8"]})
      attributes {nn.states = [{name = "k", past = 3 : i64, present = 1 : i64, axis = 2 : i64, layer = 0 : i64, component = "k"},
                               {name = "v", past = 4 : i64, present = 2 : i64, axis = 2 : i64, layer = 0 : i64, component = "v"}]} {
    %seq = nn.size "seq"
    %xq = tensor.extract_slice %x[0, 0, 0] [1, %seq, 32] [1, 1, 1] : tensor<1x?x64xf32> to tensor<1x?x32xf32>
    %xk = tensor.extract_slice %x[0, 0, 32] [1, %seq, 16] [1, 1, 1] : tensor<1x?x64xf32> to tensor<1x?x16xf32>
    %xv = tensor.extract_slice %x[0, 0, 48] [1, %seq, 16] [1, 1, 1] : tensor<1x?x64xf32> to tensor<1x?x16xf32>
    %hq = nn.reshape %xq ["1", "seq", "4", "8"] : (tensor<1x?x32xf32>) -> tensor<1x?x4x8xf32>
    %hk = nn.reshape %xk ["1", "seq", "2", "8"] : (tensor<1x?x16xf32>) -> tensor<1x?x2x8xf32>
    %hv = nn.reshape %xv ["1", "seq", "2", "8"] : (tensor<1x?x16xf32>) -> tensor<1x?x2x8xf32>
    %eq = tensor.empty(%seq) : tensor<1x4x?x8xf32>
    %ek = tensor.empty(%seq) : tensor<1x2x?x8xf32>
    %tq = linalg.transpose ins(%hq : tensor<1x?x4x8xf32>) outs(%eq : tensor<1x4x?x8xf32>) permutation = [0, 2, 1, 3]
    %tk = linalg.transpose ins(%hk : tensor<1x?x2x8xf32>) outs(%ek : tensor<1x2x?x8xf32>) permutation = [0, 2, 1, 3]
    %tv = linalg.transpose ins(%hv : tensor<1x?x2x8xf32>) outs(%ek : tensor<1x2x?x8xf32>) permutation = [0, 2, 1, 3]
    %q = nn.rope %tq, %cos, %sin : (tensor<1x4x?x8xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x4x?x8xf32>
    %nk = nn.rope %tk, %cos, %sin : (tensor<1x2x?x8xf32>, tensor<1x?x4xf32>, tensor<1x?x4xf32>) -> tensor<1x2x?x8xf32>
    %k = tensor.concat dim(2) %pk, %nk : (tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) -> tensor<1x2x?x8xf32>
    %v = tensor.concat dim(2) %pv, %tv : (tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>) -> tensor<1x2x?x8xf32>
    return %q, %k, %v : tensor<1x4x?x8xf32>, tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32>
  }
}

// -----

// What reads the launch before waits for it; what stands behind it goes with it, and a norm, whose rows meet at a barrier
// of the block, has its launch for itself.  %b lives from the first launch, where it is written, to the norm.
// CHECK-LABEL: exec.kernel @gather_gather library
// CHECK: exec.buffer arena bytes "4 * n" live [0, 1]
// CHECK: exec.buffer arena bytes "256 * n" live [0, 2]
// CHECK: exec.launch @gather_gather
// CHECK: exec.launch @gather{{(_[0-9]+)?}} ins
// CHECK: exec.launch @rms_norm
// CHECK-NOT: exec.launch
module attributes {exec.target = "cuda-sm90a"} {
  func.func @main(%table: tensor<32x64xf32> {nn.name = "t", nn.dims = ["32", "64"]}, %names: tensor<16xi32> {nn.name = "names", nn.dims = ["16"]},
                  %ids: tensor<?xi64> {nn.name = "ids", nn.dims = ["n"]})
      -> (tensor<?x64xf32> {nn.name = "a", nn.dims = ["n", "64"]}, tensor<?x64xf32> {nn.name = "c", nn.dims = ["n", "64"]}) {
    %i = nn.gather %names, %ids axis 0 : (tensor<16xi32>, tensor<?xi64>) -> tensor<?xi32>
    %b = nn.gather %table, %ids axis 0 : (tensor<32x64xf32>, tensor<?xi64>) -> tensor<?x64xf32>
    %a = nn.gather %table, %i axis 0 : (tensor<32x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    %c = nn.rms_norm %b eps 1.0e-05 : (tensor<?x64xf32>) -> tensor<?x64xf32>
    return %a, %c : tensor<?x64xf32>, tensor<?x64xf32>
  }
}
