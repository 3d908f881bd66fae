// What all GEMMs do with a sum before it is rounded.
//
// An epilogue is a functor printed by the compiler: float (value, row, column), of elements of the result only.  The
// result [batch, m, n] is a matrix of batch * m rows.
#pragma once
#include "kernels/device/pair.cuh"

namespace sl {

struct NoEpilogue {
  SL_DEVICE float operator()(float value, int64_t, int64_t) const { return value; }
};

// `m` is this run's: a launch is made for the largest.
struct GemmSizes {
  int m, n, k, batch;
};

// Two adjacent columns of one row; what lies outside the result stays as it is, nobody stores it.
template <class Epilogue>
SL_DEVICE Pair finish(const Epilogue& epilogue, Pair v, int row, int col, int batch, const GemmSizes& sizes) {
  if (row < sizes.m) {
    const int64_t at = int64_t(batch) * sizes.m + row;
    if (col < sizes.n) {
      v.x = epilogue(v.x, at, col);
    }
    if (col + 1 < sizes.n) {
      v.y = epilogue(v.y, at, col + 1);
    }
  }
  return v;
}
template <>
SL_DEVICE Pair finish(const NoEpilogue&, Pair v, int, int, int, const GemmSizes&) {
  return v;
}

// The same, stored into the dense `out` [batch, m, n].
template <class Epilogue, typename Out>
SL_DEVICE void store_result(const Epilogue& epilogue, Pair v, Out* out, int row, int col, int batch,
                            const GemmSizes& sizes) {
  if (row >= sizes.m || col >= sizes.n) {
    return;
  }
  v = finish(epilogue, v, row, col, batch, sizes);
  Out* to = out + (int64_t(batch) * sizes.m + row) * sizes.n + col;
  if (sizes.n % 2 == 0) {
    store_pair(to, v);
  } else {
    to[0] = narrow<Out>(v.x);
    if (col + 1 < sizes.n) {
      to[1] = narrow<Out>(v.y);
    }
  }
}

}  // namespace sl
