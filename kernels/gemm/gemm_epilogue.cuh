// What all GEMMs do with a sum before it is rounded.
//
// An epilogue is a functor printed by the compiler: float (value, row, column), of elements of the result only.  The
// result [batch, m, n] is a matrix of batch * m rows.  One that reads an operand of the result's shape also takes its
// element as a fourth argument, from whom has read it already.  Sums of 8-bit codes are int32_t, and so is the value
// then; a result that is a code is an int32_t too.
//
// With two parts it is float (first, second, row, column), and the result has half of the sums' columns: its columns
// 8 i ... 8 i + 7 come from the sums' 16 i ... 16 i + 7 and 16 i + 8 ... 16 i + 15.  An accumulator of the tensor cores
// gives a thread both, whether W's rows are its columns or its rows.
#pragma once
#include "kernels/device/pair.cuh"

namespace sl {

struct NoEpilogue {
  template <class Sum>
  SL_DEVICE Sum operator()(Sum value, int64_t, int64_t) const {
    return value;
  }
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

// Brings into L2 what the functor reads of a column that no kernel writes, before the kernel's turn, if it says how.
template <class Epilogue>
SL_DEVICE auto fetch_column(const Epilogue& epilogue, int col, int) -> decltype(epilogue.fetch(col)) {
  epilogue.fetch(col);
}
template <class Epilogue>
SL_DEVICE void fetch_column(const Epilogue&, int, long) {}

// `m` is this run's: a launch is made for the largest.  `n`: columns of the sums.
struct GemmSizes {
  int m, n, k, batch;
};

// Two adjacent columns of one row; what lies outside the result stays as it is, nobody stores it.
template <class Epilogue, class Sum>
SL_DEVICE auto finish(const Epilogue& epilogue, PairOf<Sum> v, int row, int col, int batch, const GemmSizes& sizes) {
  PairOf<decltype(epilogue(v.x, 0, 0))> result{};
  if (row < sizes.m) {
    const int64_t at = int64_t(batch) * sizes.m + row;
    if (col < sizes.n) {
      result.x = epilogue(v.x, at, col);
    }
    if (col + 1 < sizes.n) {
      result.y = epilogue(v.y, at, col + 1);
    }
  }
  return result;
}
template <class Sum>
SL_DEVICE PairOf<Sum> finish(const NoEpilogue&, PairOf<Sum> v, int, int, int, const GemmSizes&) {
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
template <int kParts, class Epilogue, class Sum, int kN>
SL_DEVICE auto finish_pair(const Epilogue& epilogue, const Sum (&sums)[kN], int i, int row, int col, int batch,
                           const GemmSizes& sizes) {
  if constexpr (kParts == 2) {
    const int j = i / 4 * 8 + i % 4;
    return finish(epilogue, {sums[j], sums[j + 1]}, {sums[j + 4], sums[j + 5]}, row, col, batch, sizes);
  } else {
    return finish(epilogue, PairOf<Sum>{sums[i], sums[i + 1]}, row, col, batch, sizes);
  }
}

// Where `row`, `col` of a result lies that has elements and an even number of columns, or the nearest pair within it:
// without branches, what functors read for many pairs is on its way at once.
struct NearPair {
  int64_t row;
  int col;
  SL_DEVICE NearPair(int row, int col, int batch, int width, const GemmSizes& sizes)
      : row(int64_t(batch) * sizes.m + smaller(row, sizes.m - 1)), col(smaller(col, width - 2)) {}
};

// Pair `i` again, of one part.
template <class Epilogue, class Sum, int kN>
SL_DEVICE auto finish_near(const Epilogue& epilogue, const Sum (&sums)[kN], int i, const NearPair& at) {
  return PairOf<decltype(epilogue(sums[i], at.row, at.col))>{epilogue(sums[i], at.row, at.col),
                                                             epilogue(sums[i + 1], at.row, at.col + 1)};
}

// Two elements of 16 bits at once, by the functor's form for two if it has one.
template <typename Out, class Epilogue, typename... Values>
SL_DEVICE auto finish_two(int, const Epilogue& epilogue, const Values&... values)
    -> decltype(epilogue.two(values...).bits) {
  return epilogue.two(values...).bits;
}
template <typename Out, class Epilogue, class Sum>
SL_DEVICE uint32_t finish_two(long, const Epilogue& epilogue, PairOf<Sum> v, int64_t row, int col) {
  return pack<Out>(epilogue(v.x, row, col), epilogue(v.y, row, col + 1));
}
template <typename Out, class Epilogue>
SL_DEVICE uint32_t finish_two(long, const Epilogue& epilogue, Pair v, int64_t row, int col, Two<Out> e) {
  return pack<Out>(epilogue(v.x, row, col, e.first()), epilogue(v.y, row, col + 1, e.second()));
}
template <typename Out, class Epilogue>
SL_DEVICE uint32_t finish_two(long, const Epilogue& epilogue, Pair first, Pair second, int64_t row, int col) {
  return pack<Out>(epilogue(first.x, second.x, row, col), epilogue(first.y, second.y, row, col + 1));
}

// Pair `i` again, rounded to 16 bits.  `element`: none, or two of the operand that lies as the result does.
template <typename Out, int kParts, class Epilogue, class Sum, int kN, typename... Element>
SL_DEVICE uint32_t finish_word(const Epilogue& epilogue, const Sum (&sums)[kN], int i, const NearPair& at,
                               const Element&... element) {
  if constexpr (kParts == 2) {
    const int j = i / 4 * 8 + i % 4;
    return finish_two<Out>(0, epilogue, Pair{sums[j], sums[j + 1]}, Pair{sums[j + 4], sums[j + 5]}, at.row, at.col);
  } else {
    return finish_two<Out>(0, epilogue, PairOf<Sum>{sums[i], sums[i + 1]}, at.row, at.col, element...);
  }
}

// A finished value as it is stored: a sum of codes as it is.
template <typename Out>
SL_DEVICE Out rounded(float x) {
  return from_float<Out>(x);
}
template <typename Out>
SL_DEVICE Out rounded(int32_t x) {
  return static_cast<Out>(x);
}

// A finished pair into the dense `out` [batch, m, width].
template <typename Out, class Value>
SL_DEVICE void store_result(PairOf<Value> v, Out* out, int row, int col, int batch, int m, int width) {
  if (row >= m || col >= width) {
    return;
  }
  Out* to = out + (int64_t(batch) * m + row) * width + col;
  if (width % 2 == 0) {
    store_pair(to, v);
  } else {
    to[0] = rounded<Out>(v.x);
    if (col + 1 < width) {
      to[1] = rounded<Out>(v.y);
    }
  }
}

// 32 adjacent columns of codes in rows `row` and `row` + 8, whose pairs a quad of threads holds as four registers of
// four columns of 8 each: the quad turns them, so that each thread stores 8 adjacent codes and the quad a whole sector.
template <class PairAt, class Out>
SL_DEVICE void store_code_lines(const PairAt& pair, int i, Out* out, int row, int col, int batch,
                                const GemmSizes& sizes) {
  const int quad = threadIdx.x % 4, at = col + quad * 8;
  const bool high = quad >= 2, odd = quad % 2 != 0;
  uint32_t held[2][2];  // by row: of columns 0 and 8, 16 and 24
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const auto first = pair(i + half * 8 + 2 * r), second = pair(i + half * 8 + 4 + 2 * r);
      held[r][half] = pack_codes(first.x, first.y) | pack_codes(second.x, second.y) << 16;
    }
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    // With the thread two on: both keep the columns of their half.
    const uint32_t far = __shfl_xor_sync(~0u, high ? held[r][0] : held[r][1], 2);
    const uint32_t low = high ? far : held[r][0], above = high ? held[r][1] : far;  // from threads 0 and 1, 2 and 3
    // With its neighbour: each keeps one group of 8 columns.
    const uint32_t near = __shfl_xor_sync(~0u, __byte_perm(low, above, odd ? 0x5410 : 0x7632), 1);
    const uint32_t keep = __byte_perm(low, above, odd ? 0x7632 : 0x5410);
    const uint32_t a = odd ? near : keep, b = odd ? keep : near;  // from even threads, from odd ones
    if (row + 8 * r < sizes.m && at < sizes.n) {
      Out* const to = out + (int64_t(batch) * sizes.m + row + 8 * r) * sizes.n + at;
      *reinterpret_cast<uint2*>(to) = {__byte_perm(a, b, 0x5410), __byte_perm(a, b, 0x7632)};
    }
  }
}

}  // namespace sl
