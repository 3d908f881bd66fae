// Sums and maxima over a warp or a block, in an order that depends on its size only.
#pragma once
#include "kernels/device/scalar.cuh"

namespace sl {

struct Add {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Product {
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a * b;
  }
};
struct Largest {
  __device__ __forceinline__ float operator()(float a, float b) const { return maximum(a, b); }
  __device__ __forceinline__ double operator()(double a, double b) const { return maximum(a, b); }
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
struct Smallest {
  __device__ __forceinline__ float operator()(float a, float b) const { return minimum(a, b); }
  __device__ __forceinline__ double operator()(double a, double b) const { return minimum(a, b); }
  template <typename T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};

// Every lane gets the result.
template <typename Op, typename T>
__device__ __forceinline__ T warp_reduce(T x, Op op) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    x = op(x, __shfl_xor_sync(0xffffffffu, x, lanes));
  }
  return x;
}

// Every thread of the block gets the result.  kThreads is a multiple of 32.
template <int kThreads, typename Op, typename T>
__device__ __forceinline__ T block_reduce(T x, Op op) {
  x = warp_reduce(x, op);
  if constexpr (kThreads > 32) {
    __shared__ T parts[kThreads / 32];
    __syncthreads();  // the parts of the reduction before are read
    if (threadIdx.x % 32 == 0) {
      parts[threadIdx.x / 32] = x;
    }
    __syncthreads();
    x = parts[0];
#pragma unroll
    for (int w = 1; w < kThreads / 32; ++w) {
      x = op(x, parts[w]);
    }
  }
  return x;
}

}  // namespace sl
