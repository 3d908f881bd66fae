// RUN: sluice-opt %s --split-input-file -sluice-print-kernels -sluice-fuse-epilogues | FileCheck %s

#rows = affine_map<(i, j) -> (i, j)>
#columns = affine_map<(i, j) -> (j)>

module attributes {exec.target = "cuda-sm90a"} {
  // The functor reads the bias at its column, ahead of time if it is a weight, and the residual at row and column; nothing
  // else remains of the kernels.
  // CHECK: exec.kernel @linear_0 library "linear" cuda
  // CHECK-SAME: struct Epilogue
  // CHECK-SAME: const float* x0;
  // CHECK-SAME: const float* x1;
  // CHECK-SAME: void fetch(int64_t i1) const {\0A    sl::fetch_ahead(x0 + i1 * 1);\0A  }
  // CHECK-SAME: const float e0 = sl::narrow<float>(value);
  // CHECK-SAME: const float e1 = static_cast<float>(x0[i0 * 0 + i1 * 1]);
  // CHECK-SAME: const float e2 = static_cast<float>(x1[i0 * 64 + i1 * 1]);
  // CHECK-NOT: two(sl::Pair
  // CHECK-NOT: exec.kernel @finish
  exec.kernel @linear library "linear" cuda {
      aligned_ins = 0 : i64, aligned_outs = 0 : i64, block = 256 : i64, cluster = 1 : i64, counters = 0 : i64, entry = "f",
      grid = ["1", "1", "1"], in_place = 0 : i64, invariant = 1 : i64, overlaps = 0 : i64, params = [], shared = 0 : i64,
      strided_ins = 0 : i64, strided_outs = 0 : i64, text = "", workspace = "0"}
  exec.kernel @finish generated dims [["p0", "64"], ["64"], ["p0", "64"], ["p0", "64"]] grid "p0" {
  ^bb0(%s: tensor<?x64xf32>, %b: tensor<64xf32>, %r: tensor<?x64xf32>, %y: tensor<?x64xf32>):
    %0 = linalg.generic {indexing_maps = [#rows, #columns, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%s, %b, %r : tensor<?x64xf32>, tensor<64xf32>, tensor<?x64xf32>) outs(%y : tensor<?x64xf32>) {
    ^bb0(%a: f32, %c: f32, %d: f32, %out: f32):
      %1 = arith.addf %a, %c : f32
      %2 = arith.addf %1, %d : f32
      linalg.yield %2 : f32
    } -> tensor<?x64xf32>
    exec.yield %0 : tensor<?x64xf32>
  }

  // CHECK-LABEL: func.func @fuses
  // CHECK: exec.dispatch @linear_0(%arg0, %arg1, %{{.*}}, %arg2)
  // CHECK-NOT: exec.dispatch
  func.func @fuses(%x: tensor<?x32xf32> {nn.dims = ["n", "32"]}, %w: tensor<64x32xf32>,
                   %r: tensor<?x64xf32> {nn.dims = ["n", "64"]}) -> tensor<?x64xf32> {
    %b = nn.weight "b" file 0 offset 0 length 256 : tensor<64xf32>
    %s = exec.dispatch @linear(%x, %w) sizes [["n", "64"]] : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %y = exec.dispatch @finish(%s, %b, %r) sizes [["n", "64"]] params ["n"]
        : (tensor<?x64xf32>, tensor<64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    return %y : tensor<?x64xf32>
  }

  // Of 16-bit elements that lie as the result does, the functor also takes one that is read already.  A sum of halves is
  // one instruction, and so is one of two: adjacent elements are read together.
  // CHECK: exec.kernel @half_{{[0-9]+}} library "linear" cuda
  // CHECK-SAME: return (*this)(value, i0, i1, x0[i0 * 64 + i1 * 1]);
  // CHECK-SAME: operator()(float value, int64_t i0, int64_t i1, sl::f16 e1) const
  // CHECK-SAME: const sl::f16 v0 = e0 + e1;
  // CHECK-SAME: return two(value, i0, i1, sl::load_two(x0 + i0 * 64 + i1 * 1));
  // CHECK-SAME: sl::Two<sl::f16> two(sl::Pair value, int64_t i0, int64_t i1, sl::Two<sl::f16> e1) const
  // CHECK-SAME: const sl::Two<sl::f16> e0 = sl::narrow<sl::Two<sl::f16>>(value);
  // CHECK-SAME: const sl::Two<sl::f16> v0 = e0 + e1;
  exec.kernel @half library "linear" cuda {
      aligned_ins = 0 : i64, aligned_outs = 0 : i64, block = 256 : i64, cluster = 1 : i64, counters = 0 : i64, entry = "f",
      grid = ["1", "1", "1"], in_place = 0 : i64, invariant = 1 : i64, overlaps = 0 : i64, params = [], shared = 0 : i64,
      strided_ins = 0 : i64, strided_outs = 0 : i64, text = "", workspace = "0"}
  exec.kernel @add generated dims [["p0", "64"], ["p0", "64"], ["p0", "64"]] grid "p0" {
  ^bb0(%s: tensor<?x64xf16>, %r: tensor<?x64xf16>, %y: tensor<?x64xf16>):
    %0 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%s, %r : tensor<?x64xf16>, tensor<?x64xf16>) outs(%y : tensor<?x64xf16>) {
    ^bb0(%a: f16, %d: f16, %out: f16):
      %1 = arith.addf %a, %d : f16
      linalg.yield %1 : f16
    } -> tensor<?x64xf16>
    exec.yield %0 : tensor<?x64xf16>
  }
  func.func @reads(%x: tensor<?x32xf16> {nn.dims = ["n", "32"]}, %w: tensor<64x32xf16>,
                   %r: tensor<?x64xf16> {nn.dims = ["n", "64"]}) -> tensor<?x64xf16> {
    %s = exec.dispatch @half(%x, %w) sizes [["n", "64"]] : (tensor<?x32xf16>, tensor<64x32xf16>) -> tensor<?x64xf16>
    %y = exec.dispatch @add(%s, %r) sizes [["n", "64"]] params ["n"]
        : (tensor<?x64xf16>, tensor<?x64xf16>) -> tensor<?x64xf16>
    return %y : tensor<?x64xf16>
  }

  // A bias one element into its weight is read an element at a time; erf takes two.
  // CHECK: exec.kernel @odd_{{[0-9]+}} library "linear" cuda
  // CHECK-SAME: const sl::Two<sl::bf16> e1 = sl::Two<sl::bf16>(x0[i0 * 0 + i1 * 1 + 1], x0[i0 * 0 + i1 * 1 + 1 + 1]);
  // CHECK-SAME: const sl::Two<sl::bf16> v1 = sl::narrow_result::erf_(v0);
  exec.kernel @odd library "linear" cuda {
      aligned_ins = 0 : i64, aligned_outs = 0 : i64, block = 256 : i64, cluster = 1 : i64, counters = 0 : i64, entry = "f",
      grid = ["1", "1", "1"], in_place = 0 : i64, invariant = 1 : i64, overlaps = 0 : i64, params = [], shared = 0 : i64,
      strided_ins = 0 : i64, strided_outs = 0 : i64, text = "", workspace = "0"}
  exec.kernel @curve generated dims [["p0", "64"], ["64"], ["p0", "64"]] grid "p0"
      strides [["64", "1"], ["1"], ["64", "1"]] offsets ["0", "1", "0"] {
  ^bb0(%s: tensor<?x64xbf16>, %b: tensor<64xbf16>, %y: tensor<?x64xbf16>):
    %0 = linalg.generic {indexing_maps = [#rows, #columns, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%s, %b : tensor<?x64xbf16>, tensor<64xbf16>) outs(%y : tensor<?x64xbf16>) {
    ^bb0(%a: bf16, %c: bf16, %out: bf16):
      %1 = arith.addf %a, %c : bf16
      %2 = math.erf %1 : bf16
      linalg.yield %2 : bf16
    } -> tensor<?x64xbf16>
    exec.yield %0 : tensor<?x64xbf16>
  }
  func.func @curves(%x: tensor<?x32xbf16> {nn.dims = ["n", "32"]}, %w: tensor<64x32xbf16>, %b: tensor<64xbf16>) -> tensor<?x64xbf16> {
    %s = exec.dispatch @odd(%x, %w) sizes [["n", "64"]] : (tensor<?x32xbf16>, tensor<64x32xbf16>) -> tensor<?x64xbf16>
    %y = exec.dispatch @curve(%s, %b) sizes [["n", "64"]] params ["n"]
        : (tensor<?x64xbf16>, tensor<64xbf16>) -> tensor<?x64xbf16>
    return %y : tensor<?x64xbf16>
  }

  // Somebody else reads the sum.
  // CHECK-LABEL: func.func @stays
  // CHECK: exec.dispatch @linear(
  // CHECK: exec.dispatch @keep(
  exec.kernel @keep generated dims [["p0"], ["p0"]] grid "p0" {
  ^bb0(%s: tensor<?xf32>, %y: tensor<?xf32>):
    %0 = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
        ins(%s : tensor<?xf32>) outs(%y : tensor<?xf32>) {
    ^bb0(%a: f32, %out: f32):
      %1 = math.exp %a : f32
      linalg.yield %1 : f32
    } -> tensor<?xf32>
    exec.yield %0 : tensor<?xf32>
  }
  func.func @stays(%x: tensor<?x32xf32> {nn.dims = ["n", "32"]}, %w: tensor<64x32xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
    %s = exec.dispatch @linear(%x, %w) sizes [["n", "64"]] : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x64xf32>
    %y = exec.dispatch @keep(%s) sizes [["n", "64"]] params ["64 * n"] : (tensor<?x64xf32>) -> tensor<?x64xf32>
    return %s, %y : tensor<?x64xf32>, tensor<?x64xf32>
  }
}

// -----

#rows = affine_map<(i, j) -> (i, j)>
#columns = affine_map<(i, j) -> (j)>

module attributes {exec.target = "cuda-sm90a"} {
  // A product of the two halves of the columns: blocks of 8 rows of the weight alternate, and the functor gets both
  // sums.  The gate is the second half here; biases are read where their halves lie.
  // CHECK: exec.kernel @linear_0 library "linear" cuda
  // CHECK-SAME: operator()(float first, float second, int64_t i0, int64_t i1)
  // CHECK-SAME: const float e0 = sl::narrow<float>(second);
  // CHECK-SAME: const float e1 = sl::narrow<float>(first);
  // CHECK-SAME: const float e2 = static_cast<float>(x0[i0 * 0 + i1 * 1 + 16]);
  // CHECK-LABEL: func.func @halves
  // CHECK-SAME: (%[[X:.*]]: tensor<?x32xf32> {{.*}}, %[[B:.*]]: tensor<32xf32>)
  // CHECK: %[[W:.*]] = nn.weight "w"
  // CHECK: %[[APART:.*]] = nn.reshape %[[W]] ["2", "2", "8", "32"]
  // CHECK: %[[TURNED:.*]] = linalg.transpose ins(%[[APART]] : tensor<2x2x8x32xf32>) {{.*}} permutation = [1, 0, 2, 3]
  // CHECK: %[[ROWS:.*]] = nn.reshape %[[TURNED]] ["32", "32"]
  // CHECK: exec.dispatch @linear_0(%[[X]], %[[ROWS]], %[[B]]) sizes {{\[\[}}"n", "16"]]
  // CHECK-NOT: exec.dispatch
  exec.kernel @linear library "linear" cuda {
      aligned_ins = 0 : i64, aligned_outs = 0 : i64, block = 256 : i64, cluster = 1 : i64, counters = 0 : i64, entry = "f",
      grid = ["1", "1", "1"], in_place = 0 : i64, invariant = 1 : i64, overlaps = 0 : i64, params = [], shared = 0 : i64,
      strided_ins = 0 : i64, strided_outs = 0 : i64, text = "", workspace = "0"}
  exec.kernel @gated generated dims [["p0", "16"], ["p0", "16"], ["16"], ["p0", "16"]] grid "p0"
      strides [["32", "1"], ["32", "1"], ["1"], ["16", "1"]] offsets ["16", "0", "16", "0"] {
  ^bb0(%g: tensor<?x16xf32>, %u: tensor<?x16xf32>, %b: tensor<16xf32>, %y: tensor<?x16xf32>):
    %0 = linalg.generic {indexing_maps = [#rows, #rows, #columns, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%g, %u, %b : tensor<?x16xf32>, tensor<?x16xf32>, tensor<16xf32>) outs(%y : tensor<?x16xf32>) {
    ^bb0(%a: f32, %c: f32, %d: f32, %out: f32):
      %1 = arith.addf %a, %d : f32
      %2 = math.tanh %1 : f32
      %3 = arith.mulf %2, %c : f32
      linalg.yield %3 : f32
    } -> tensor<?x16xf32>
    exec.yield %0 : tensor<?x16xf32>
  }
  func.func @halves(%x: tensor<?x32xf32> {nn.dims = ["n", "32"]}, %b: tensor<32xf32>) -> tensor<?x16xf32> {
    %w = nn.weight "w" file 0 offset 0 length 4096 : tensor<32x32xf32>
    %s = exec.dispatch @linear(%x, %w) sizes [["n", "32"]] : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %y = exec.dispatch @gated(%s, %s, %b) sizes [["n", "16"]] params ["n"]
        : (tensor<?x32xf32>, tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x16xf32>
    return %y : tensor<?x16xf32>
  }

  // Rows of what is no weight cannot be put into another order.
  // CHECK-LABEL: func.func @computed
  // CHECK: exec.dispatch @linear(
  // CHECK: exec.dispatch @gated(
  func.func @computed(%x: tensor<?x32xf32> {nn.dims = ["n", "32"]}, %w: tensor<32x32xf32>, %b: tensor<32xf32>) -> tensor<?x16xf32> {
    %s = exec.dispatch @linear(%x, %w) sizes [["n", "32"]] : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
    %y = exec.dispatch @gated(%s, %s, %b) sizes [["n", "16"]] params ["n"]
        : (tensor<?x32xf32>, tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x16xf32>
    return %y : tensor<?x16xf32>
  }

  // Nor halves of 12 columns, which are no whole blocks.
  // CHECK-LABEL: func.func @ragged
  // CHECK: exec.dispatch @linear(
  // CHECK: exec.dispatch @product(
  exec.kernel @product generated dims [["p0", "12"], ["p0", "12"], ["p0", "12"]] grid "p0"
      strides [["24", "1"], ["24", "1"], ["12", "1"]] offsets ["0", "12", "0"] {
  ^bb0(%g: tensor<?x12xf32>, %u: tensor<?x12xf32>, %y: tensor<?x12xf32>):
    %0 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%g, %u : tensor<?x12xf32>, tensor<?x12xf32>) outs(%y : tensor<?x12xf32>) {
    ^bb0(%a: f32, %c: f32, %out: f32):
      %1 = arith.mulf %a, %c : f32
      linalg.yield %1 : f32
    } -> tensor<?x12xf32>
    exec.yield %0 : tensor<?x12xf32>
  }
  func.func @ragged(%x: tensor<?x32xf32> {nn.dims = ["n", "32"]}) -> tensor<?x12xf32> {
    %w = nn.weight "w" file 0 offset 0 length 3072 : tensor<24x32xf32>
    %s = exec.dispatch @linear(%x, %w) sizes [["n", "24"]] : (tensor<?x32xf32>, tensor<24x32xf32>) -> tensor<?x24xf32>
    %y = exec.dispatch @product(%s, %s) sizes [["n", "12"]] params ["n"]
        : (tensor<?x24xf32>, tensor<?x24xf32>) -> tensor<?x12xf32>
    return %y : tensor<?x12xf32>
  }
}

// -----

#rows = affine_map<(i, j) -> (i, j)>

module attributes {exec.target = "cuda-sm90a"} {
  // The map of x, which is read in whole boxes, may reach on behind x; those of the weight and the result may not.
  // CHECK: exec.kernel @linear_0 library "linear" cuda
  // CHECK-SAME: kind = "map", of = 0 : i64, reach = {{[0-9]+}} : i64, runs = array<i64: 0, 0, 1, 1>
  // CHECK-SAME: kind = "map", of = 1 : i64, runs = array<i64: 0, 0, 1, 1>
  exec.kernel @linear library "linear" cuda {
      aligned_ins = 0 : i64, aligned_outs = 0 : i64, block = 256 : i64, cluster = 1 : i64, counters = 0 : i64, entry = "f",
      grid = ["1", "1", "1"], in_place = 0 : i64, invariant = 1 : i64, overlaps = 0 : i64, params = [], shared = 0 : i64,
      strided_ins = 0 : i64, strided_outs = 0 : i64, text = "", workspace = "0"}
  exec.kernel @finish generated dims [["p0", "4096"], ["p0", "4096"]] grid "p0" {
  ^bb0(%s: tensor<?x4096xbf16>, %y: tensor<?x4096xbf16>):
    %0 = linalg.generic {indexing_maps = [#rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%s : tensor<?x4096xbf16>) outs(%y : tensor<?x4096xbf16>) {
    ^bb0(%a: bf16, %out: bf16):
      %1 = arith.addf %a, %a : bf16
      linalg.yield %1 : bf16
    } -> tensor<?x4096xbf16>
    exec.yield %0 : tensor<?x4096xbf16>
  }
  func.func @maps(%x: tensor<?x4096xbf16> {nn.dims = ["n", "4096"]}, %w: tensor<4096x4096xbf16>) -> tensor<?x4096xbf16> {
    %s = exec.dispatch @linear(%x, %w) sizes [["n", "4096"]] : (tensor<?x4096xbf16>, tensor<4096x4096xbf16>) -> tensor<?x4096xbf16>
    %y = exec.dispatch @finish(%s) sizes [["n", "4096"]] params ["n"] : (tensor<?x4096xbf16>) -> tensor<?x4096xbf16>
    return %y : tensor<?x4096xbf16>
  }
}

// -----

#rows = affine_map<(i, j) -> (i, j)>

module attributes {exec.target = "cuda-sm90a"} {
  // A sum that the finish widens is not rounded to bf16 first; the residual and the result are bf16.
  // CHECK: exec.kernel @linear_0 library "linear" cuda
  // CHECK-SAME: sl::bf16 e1) const {\0A    const float e0 = value;
  // CHECK-SAME: sl::from_float<sl::bf16>
  // CHECK-NOT: two(sl::Pair
  exec.kernel @linear library "linear" cuda {
      aligned_ins = 0 : i64, aligned_outs = 0 : i64, block = 256 : i64, cluster = 1 : i64, counters = 0 : i64, entry = "f",
      grid = ["1", "1", "1"], in_place = 0 : i64, invariant = 1 : i64, overlaps = 0 : i64, params = [], shared = 0 : i64,
      strided_ins = 0 : i64, strided_outs = 0 : i64, text = "", workspace = "0"}
  exec.kernel @finish generated dims [["p0", "64"], ["p0", "64"], ["p0", "64"]] grid "p0" {
  ^bb0(%s: tensor<?x64xbf16>, %r: tensor<?x64xbf16>, %y: tensor<?x64xbf16>):
    %0 = linalg.generic {indexing_maps = [#rows, #rows, #rows], iterator_types = ["parallel", "parallel"]}
        ins(%s, %r : tensor<?x64xbf16>, tensor<?x64xbf16>) outs(%y : tensor<?x64xbf16>) {
    ^bb0(%a: bf16, %d: bf16, %out: bf16):
      %1 = arith.extf %a : bf16 to f32
      %2 = arith.extf %d : bf16 to f32
      %3 = arith.addf %1, %2 : f32
      %4 = arith.truncf %3 : f32 to bf16
      linalg.yield %4 : bf16
    } -> tensor<?x64xbf16>
    exec.yield %0 : tensor<?x64xbf16>
  }

  func.func @sums_stay_wide(%x: tensor<?x32xbf16> {nn.dims = ["n", "32"]}, %w: tensor<64x32xbf16>,
                            %r: tensor<?x64xbf16> {nn.dims = ["n", "64"]}) -> tensor<?x64xbf16> {
    %s = exec.dispatch @linear(%x, %w) sizes [["n", "64"]] : (tensor<?x32xbf16>, tensor<64x32xbf16>) -> tensor<?x64xbf16>
    %y = exec.dispatch @finish(%s, %r) sizes [["n", "64"]] params ["n"]
        : (tensor<?x64xbf16>, tensor<?x64xbf16>) -> tensor<?x64xbf16>
    return %y : tensor<?x64xbf16>
  }
}
