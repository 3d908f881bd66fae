// Sums and maxima across lanes.
#pragma once
#include "kernels/device/barrier.cuh"

namespace sl {

struct Sum {
  template <typename T>
  SL_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Max {
  SL_DEVICE float operator()(float a, float b) const { return fmaxf(a, b); }
  SL_DEVICE double operator()(double a, double b) const { return fmax(a, b); }
};

// Every lane gets the result over the lanes that differ from it only in the bits [kFrom, kTo) (powers of two): a fixed
// tree, so that equal inputs give equal bits.
//   lanes<1, 4>: the 4 threads of an accumulator row      lanes<4, 32>: the 8 threads of an accumulator column
template <int kFrom, int kTo, typename T, class Op>
SL_DEVICE T reduce_lanes(T x, Op op) {
#pragma unroll
  for (int bit = kFrom; bit < kTo; bit *= 2) {
    x = op(x, __shfl_xor_sync(~0u, x, bit));
  }
  return x;
}

}  // namespace sl
