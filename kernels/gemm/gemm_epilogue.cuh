// What all GEMMs do with a sum before it is rounded.
//
// An epilogue is a functor printed by the compiler: float (value, row, column), of elements of the result only.  The
// result [batch, m, n] is a matrix of batch * m rows.  One that reads an operand of the result's shape also takes its
// element as a fourth argument, from whom has read it already.
//
// With two parts it is float (first, second, row, column), and the result has half of the sums' columns: its columns
// 8 i ... 8 i + 7 come from the sums' 16 i ... 16 i + 7 and 16 i + 8 ... 16 i + 15.  An accumulator of the tensor cores
// gives a thread both, whether W's rows are its columns or its rows.
#pragma once
#include "kernels/device/pair.cuh"

namespace sl {

struct NoEpilogue {
  SL_DEVICE float operator()(float value, int64_t, int64_t) const { return value; }
};

// A number for each column added before another epilogue.
template <class Bias, class Rest>
struct Biased {
  const Bias* bias;
  Rest rest;
  SL_DEVICE float operator()(float value, int64_t row, int64_t column) const {
    return rest(value + to_float(bias[column]), row, column);
  }
};
template <class Bias, class Rest>
SL_DEVICE Biased<Bias, Rest> biased(const Bias* bias, const Rest& rest) {
  return {bias, rest};
}

// `m` is this run's: a launch is made for the largest.  `n`: columns of the sums.
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
// Of two parts; `col` is the result's, which has an even number of them.
template <class Epilogue>
SL_DEVICE Pair finish(const Epilogue& epilogue, Pair first, Pair second, int row, int col, int batch,
                      const GemmSizes& sizes) {
  if (row < sizes.m && col < sizes.n / 2) {
    const int64_t at = int64_t(batch) * sizes.m + row;
    return {epilogue(first.x, second.x, at, col), epilogue(first.y, second.y, at, col + 1)};
  }
  return first;
}

// Pair `i` (even) of the results that an accumulator's sums, ordered as FragmentColumn, make.
template <int kParts, class Epilogue, int kN>
SL_DEVICE Pair finish_pair(const Epilogue& epilogue, const float (&sums)[kN], int i, int row, int col, int batch,
                           const GemmSizes& sizes) {
  if constexpr (kParts == 2) {
    const int j = i / 4 * 8 + i % 4;
    return finish(epilogue, {sums[j], sums[j + 1]}, {sums[j + 4], sums[j + 5]}, row, col, batch, sizes);
  } else {
    return finish(epilogue, {sums[i], sums[i + 1]}, row, col, batch, sizes);
  }
}

// Pair `i` again, without branches, so that what the functor reads for many pairs is on its way at once: outside the
// result it is called for the nearest pair within.  The result has elements, and an even number of columns.
// `elements`: none, or a pair of the operand that lies as the result does.
template <int kParts, class Epilogue, int kN, typename... Two>
SL_DEVICE Pair finish_near(const Epilogue& epilogue, const float (&sums)[kN], int i, int row, int col, int batch,
                           const GemmSizes& sizes, const Two&... elements) {
  const int64_t at = int64_t(batch) * sizes.m + smaller(row, sizes.m - 1);
  const int near = smaller(col, sizes.n / kParts - 2);
  if constexpr (kParts == 2) {
    const int j = i / 4 * 8 + i % 4;
    return {epilogue(sums[j], sums[j + 4], at, near), epilogue(sums[j + 1], sums[j + 5], at, near + 1)};
  } else {
    return {epilogue(sums[i], at, near, elements.at[0]...), epilogue(sums[i + 1], at, near + 1, elements.at[1]...)};
  }
}

// A finished pair into the dense `out` [batch, m, width].
template <typename Out>
SL_DEVICE void store_result(Pair v, Out* out, int row, int col, int batch, int m, int width) {
  if (row >= m || col >= width) {
    return;
  }
  Out* to = out + (int64_t(batch) * m + row) * width + col;
  if (width % 2 == 0) {
    store_pair(to, v);
  } else {
    to[0] = narrow<Out>(v.x);
    if (col + 1 < width) {
      to[1] = narrow<Out>(v.y);
    }
  }
}

}  // namespace sl
