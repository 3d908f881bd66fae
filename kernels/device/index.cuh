// Rows of tensors: products of sizes, and the element a number of a row-major walk stands for.
#pragma once
#include "kernels/device/step.cuh"

namespace sl {

// Product of dimensions [first, last).
template <typename V>
__device__ __forceinline__ int64_t product(const V& x, int first, int last) {
  int64_t n = 1;
  for (int d = first; d < last; ++d) {
    n *= x.size(d);
  }
  return n;
}

// Sum of index · stride over the first D dimensions of x, the indices being the digits of `number` in `sizes`' (the
// first D dimensions of another tensor); a dimension of size 1 in x repeats.
template <int D, typename T, int R, typename U, int Q>
__device__ __forceinline__ int64_t offset_of(const View<T, R>& x, const View<U, Q>& sizes, int64_t number) {
  int64_t at = 0;
#pragma unroll
  for (int d = D - 1; d >= 0; --d) {
    const int64_t size = sizes.size(d);
    const int64_t rest = size == 0 ? 0 : number / size;
    at += x.size(d) == 1 ? 0 : (number - rest * size) * x.stride(d);
    number = rest;
  }
  return at;
}

}  // namespace sl
