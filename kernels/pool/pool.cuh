// Max and average over a sliding window.
#pragma once
#include "kernels/device/window.cuh"
#include "kernels/reduce/reduce.cuh"

namespace sl {

// x [b, c, …] → y [b, c, …]; kLast: [b, …, c].  `end`: the padding behind each dimension.  An average divides by the
// taps inside, with kPadCounts also by those on the padding.  A thread takes kLanes neighbouring channels.
template <int kSpatial, bool kLast, int kLanes, bool kMax, bool kPadCounts, typename T, int R>
__device__ __forceinline__ void pool(const Step* step, const Arg<R>& xa, const Arg<R>& ya, Window window,
                                     const int (&end)[3]) {
  using M = typename Folded<T>::type;
  const View<const T, R> x(step, xa);
  const View<T, R> y(step, ya);
  const auto extents = Extents<int64_t>::of<kSpatial>(x, y, kLast ? 1 : 2);
  const int64_t channels = x.size(kLast ? R - 1 : 1), pixels = extents.pixels_out(), plane = extents.pixels_in();
  const int64_t pitch = kLast ? channels : 1;  // from one pixel to the next
  const int64_t total = x.size(0) * channels * pixels / kLanes;
  for (int64_t n = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; n < total; n += int64_t(gridDim.x) * blockDim.x) {
    const int64_t first = n * kLanes, c = kLast ? first % channels : 0;
    const int64_t image = kLast ? first / channels / pixels : n / pixels;
    int64_t o[3];
    extents.split((kLast ? first / channels : n) % pixels, o);
    const T* const from = x.data + image * plane * pitch + c;
    M sum[kLanes];
#pragma unroll
    for (int i = 0; i < kLanes; ++i) {
      sum[i] = kMax ? neutral<M, Fold::kMax>() : M(0);
    }
    int64_t inside = 0, counted = 0;
    for_each_tap<false>(window, extents, o, [&](int, const int64_t (&at)[3], bool is_in) {
      counted += at[0] < extents.in[0] + end[0] && at[1] < extents.in[1] + end[1] && at[2] < extents.in[2] + end[2];
      if (is_in) {
        ++inside;
        const auto taken = *reinterpret_cast<const Pack<T, kLanes>*>(
            from + ((at[0] * extents.in[1] + at[1]) * extents.in[2] + at[2]) * pitch);
#pragma unroll
        for (int i = 0; i < kLanes; ++i) {
          const M v = Folded<T>::from(taken.at[i]);
          sum[i] = kMax ? join<Fold::kMax>(sum[i], v) : sum[i] + v;
        }
      }
    });
    Pack<T, kLanes> r;
#pragma unroll
    for (int i = 0; i < kLanes; ++i) {
      r.at[i] = Folded<T>::to(kMax ? sum[i] : sum[i] / static_cast<M>(kPadCounts ? counted : inside));
    }
    *reinterpret_cast<Pack<T, kLanes>*>(y.data + first) = r;
  }
}

}  // namespace sl
