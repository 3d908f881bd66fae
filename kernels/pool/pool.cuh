// Max and average over a sliding window: a thread a result.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/reduce/reduce.cuh"

namespace sl {

// Spatial dimensions brought to three, missing ones in front.
struct PoolWindow {
  int kernel[3], stride[3], begin[3], end[3], dilation[3];
};

// x [b, c, …] → y [b, c, …].  An average divides by the taps inside, with kPadCounts also by those on the padding.
template <int kSpatial, bool kMax, bool kPadCounts, typename T, int R>
__device__ __forceinline__ void pool(const Step* step, const Arg<R>& xa, const Arg<R>& ya, PoolWindow window) {
  using M = typename Folded<T>::type;
  const View<const T, R> x(step, xa);
  const View<T, R> y(step, ya);
  int64_t in[3], out[3];
#pragma unroll
  for (int d = 0; d < 3; ++d) {
    const int i = d - (3 - kSpatial) + 2;
    in[d] = i < 2 ? 1 : x.size(i < 2 ? 2 : i);
    out[d] = i < 2 ? 1 : y.size(i < 2 ? 2 : i);
  }
  const int64_t pixels = out[0] * out[1] * out[2], total = x.size(0) * x.size(1) * pixels;
  for (int64_t n = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; n < total; n += int64_t(gridDim.x) * blockDim.x) {
    const int64_t pixel = n % pixels;
    const int64_t o[3] = {pixel / (out[1] * out[2]), pixel / out[2] % out[1], pixel % out[2]};
    const T* const from = x.data + n / pixels * in[0] * in[1] * in[2];
    M sum = kMax ? neutral<M, Fold::kMax>() : M(0);
    int64_t inside = 0, counted = 0;
    for (int k0 = 0; k0 < window.kernel[0]; ++k0) {
      for (int k1 = 0; k1 < window.kernel[1]; ++k1) {
        for (int k2 = 0; k2 < window.kernel[2]; ++k2) {
          const int k[3] = {k0, k1, k2};
          bool is_in = true, counts = true;
          int64_t at = 0;
#pragma unroll
          for (int d = 0; d < 3; ++d) {
            const int64_t p = o[d] * window.stride[d] - window.begin[d] + k[d] * window.dilation[d];
            is_in = is_in && p >= 0 && p < in[d];
            counts = counts && p >= -window.begin[d] && p < in[d] + window.end[d];
            at = at * in[d] + p;
          }
          counted += counts;
          if (is_in) {
            ++inside;
            sum = kMax ? join<Fold::kMax>(sum, folded<M>(from[at])) : sum + folded<M>(from[at]);
          }
        }
      }
    }
    y.data[n] = unfolded<T>(kMax ? sum : sum / static_cast<M>(kPadCounts ? counted : inside));
  }
}

}  // namespace sl
