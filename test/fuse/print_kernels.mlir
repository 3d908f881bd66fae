// RUN: sluice-opt %s -sluice-print-kernels | FileCheck %s
// RUN: sed 's/attributes {exec.target = "cuda-sm90a"}//' %s | sluice-opt -sluice-print-kernels | FileCheck %s --check-prefix=CPU

// A bias over rows: 16 bytes a thread, the row's elements dense, the bias by its column; the grid covers the bound.
// CPU-NOT: cuda
module attributes {exec.target = "cuda-sm90a"} {
  // CHECK-LABEL: exec.kernel @bias
  // CHECK-SAME: block = 256
  // CHECK-SAME: entry = "bias"
  // CHECK-SAME: grid = ["max(floordiv(p0 + 31, 32), min(2112, floordiv(p0 + 15, 16)))", "1", "1"]
  // CHECK-SAME: params = [{kind = "step", of = 0 : i64}, {kind = "address", of = 0 : i64}, {kind = "address", of = 1 : i64}, {kind = "address", of = 2 : i64}, {kind = "number", of = 0 : i64}]
  // CHECK-SAME: const int64_t p0 = sl::value(step, n0);
  // CHECK-SAME: const sl::f16* const x0 =
  // CHECK-SAME: const float v0 = static_cast<float>(sl::widen(e0));
  // CHECK-SAME: const float v1 = v0 + e1;
  // CHECK-SAME: sl::walk_packs<4, 2>(blocks, 64 * p0, sl::aligned<4>(x0) && sl::aligned<4>(x1) && sl::aligned<4>(x2),
  // CHECK-SAME: sl::pack_at<kLanes>(x0 + (i0 * (64) + i1))
  // CHECK-SAME: sl::pack_at<kLanes>(x1 + (i1))
  exec.kernel @bias generated dims [["p0", "64"], ["64"], ["p0", "64"]] grid "p0" {
  ^bb0(%x: tensor<?x64xf16>, %b: tensor<64xf32>, %y: tensor<?x64xf32>):
    %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
                         iterator_types = ["parallel", "parallel"]}
        ins(%x, %b : tensor<?x64xf16>, tensor<64xf32>) outs(%y : tensor<?x64xf32>) {
    ^bb0(%a: f16, %c: f32, %out: f32):
      %1 = arith.extf %a : f16 to f32
      %2 = arith.addf %1, %c : f32
      linalg.yield %2 : f32
    } -> tensor<?x64xf32>
    exec.yield %0 : tensor<?x64xf32>
  }

  // Functions whose exactness in f32 a 16-bit result would not keep have cheaper forms for it.
  // CHECK-LABEL: exec.kernel @narrow
  // CHECK-SAME: sl::narrow_result::erf_(e0)
  // CHECK-LABEL: exec.kernel @exact
  // CHECK-SAME: = sl::erf_(e0)
  exec.kernel @narrow generated dims [["p0"], ["p0"]] grid "p0" {
  ^bb0(%x: tensor<?xf16>, %y: tensor<?xf16>):
    %0 = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
        ins(%x : tensor<?xf16>) outs(%y : tensor<?xf16>) {
    ^bb0(%a: f16, %out: f16):
      %1 = math.erf %a : f16
      linalg.yield %1 : f16
    } -> tensor<?xf16>
    exec.yield %0 : tensor<?xf16>
  }
  exec.kernel @exact generated dims [["p0"], ["p0"]] grid "p0" {
  ^bb0(%x: tensor<?xf32>, %y: tensor<?xf32>):
    %0 = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
        ins(%x : tensor<?xf32>) outs(%y : tensor<?xf32>) {
    ^bb0(%a: f32, %out: f32):
      %1 = math.erf %a : f32
      linalg.yield %1 : f32
    } -> tensor<?xf32>
    exec.yield %0 : tensor<?xf32>
  }

  // A transposed operand is read an element at a time.
  // CHECK-LABEL: exec.kernel @transposed
  // CHECK-SAME: sl::walk_packs<1, 2>(blocks, p0 * p1, true,
  // CHECK-SAME: x0[i0 + i1 * (p0)]
  exec.kernel @transposed generated dims [["p1", "p0"], ["p0", "p1"]] grid "p0" {
  ^bb0(%x: tensor<?x?xi32>, %y: tensor<?x?xi32>):
    %0 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>],
                         iterator_types = ["parallel", "parallel"]}
        ins(%x : tensor<?x?xi32>) outs(%y : tensor<?x?xi32>) {
    ^bb0(%a: i32, %out: i32):
      %1 = arith.muli %a, %a : i32
      linalg.yield %1 : i32
    } -> tensor<?x?xi32>
    exec.yield %0 : tensor<?x?xi32>
  }

  // An op that has no text keeps the kernel on the CPU.
  // CHECK-LABEL: exec.kernel @no_text
  // CHECK-NOT: cuda
  // CHECK: arith.mului_extended
  exec.kernel @no_text generated dims [["p0"], ["p0"]] grid "p0" {
  ^bb0(%x: tensor<?xi32>, %y: tensor<?xi32>):
    %0 = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
        ins(%x : tensor<?xi32>) outs(%y : tensor<?xi32>) {
    ^bb0(%a: i32, %out: i32):
      %low, %high = arith.mului_extended %a, %a : i32
      linalg.yield %high : i32
    } -> tensor<?xi32>
    exec.yield %0 : tensor<?xi32>
  }
}
