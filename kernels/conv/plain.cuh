// Convolution by its definition, channels second: a thread a result.  Any geometry, groups and float type; what the
// fast families do not take.
#pragma once
#include "kernels/device/window.cuh"

namespace sl {

// x [b, c, …] → y [b, f, …]; bias [f] or absent; kSpatial dimensions behind the second.
//   w [f, c / groups, …]; kTransposed: [c, f / groups, …], a result gathers from the windows it lies in
template <int kSpatial, bool kTransposed, typename T, typename W, int R>
__device__ __forceinline__ void plain_conv(const Step* step, const Arg<R>& xa, const Arg<R>& wa, const Arg<1>& ba,
                                           const Arg<R>& ya, Window window, int64_t groups) {
  using M = wide<T>;
  const View<const T, R> x(step, xa);
  const View<const W, R> w(step, wa);
  const View<const W, 1> bias(step, ba);
  const View<T, R> y(step, ya);
  const auto extents = Extents<int64_t>::of<kSpatial>(x, y, 2);
  const int64_t channels = x.size(1) / groups, features = y.size(1), each = features / groups;
  const int64_t pixels = extents.pixels_out(), plane = extents.pixels_in(), taps = window.taps();
  // Of the weight, from one channel to the next.
  const int64_t row = kTransposed ? each * taps : taps;
  const int64_t total = x.size(0) * features * pixels;
  for (int64_t n = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; n < total; n += int64_t(gridDim.x) * blockDim.x) {
    const int64_t feature = n / pixels % features, b = n / pixels / features, group = feature / each;
    int64_t o[3];
    extents.split(n % pixels, o);
    const T* const from = x.data + (b * groups + group) * channels * plane;
    const W* const weights =
        w.data + (kTransposed ? (group * channels * each + feature % each) * taps : feature * channels * taps);
    M sum = bias.present() ? static_cast<M>(widen(bias.data[feature])) : M(0);
    for (int64_t c = 0; c < channels; ++c) {
      for_each_tap<kTransposed>(window, extents, o, [&](int tap, const int64_t (&at)[3], bool inside) {
        if (inside) {
          const int64_t pixel = (at[0] * extents.in[1] + at[1]) * extents.in[2] + at[2];
          sum += static_cast<M>(widen(from[c * plane + pixel])) * static_cast<M>(widen(weights[c * row + tap]));
        }
      });
    }
    y.data[n] = narrow<T>(sum);
  }
}

}  // namespace sl
