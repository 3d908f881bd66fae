// Depthwise convolution, channels last: each result channel reads one channel of x, so memory is what it costs.
#pragma once
#include "kernels/device/window.cuh"
#include "kernels/gemm/gemm_epilogue.cuh"

namespace sl {

// A block takes a slab of channels, whose weights lie in shared memory in the order they are used, and kPixels pixels
// of it; a thread kLanes neighbouring channels of a pixel.
template <int kLanes, int kTaps>
struct SlabPlan {
  static constexpr int kThreads = 256, kAcross = kLanes > 1 ? 8 : 32, kSlab = kAcross * kLanes;
  static constexpr int kDown = kThreads / kAcross, kPixels = 4 * kDown;
};

// x [b, …, f / kEach], w [f, …, 1], bias [f] or null → y [b, …, f], dense.  A grid of slabs × blocks of pixels.
template <int kSpatial, int kLanes, int kTaps, int kEach, bool kTransposed, typename T, typename Out, typename Bias,
          int R, class Epilogue>
SL_DEVICE void depthwise(const View<const T, R>& x, const View<const T, R>& w, const Bias* bias, const View<Out, R>& y,
                         const Window& window, const Epilogue& epilogue) {
  using P = SlabPlan<kLanes, kTaps>;
  static_assert(kEach == 1 || kLanes == 1, "neighbouring results read neighbouring channels");
  __shared__ float weights[kTaps][P::kSlab];
  const auto extents = Extents<int>::template of<kSpatial>(x, y, 1);
  const int features = static_cast<int>(y.size(R - 1)), channels = static_cast<int>(x.size(R - 1));
  const int each = extents.pixels_out(), pixels = static_cast<int>(x.size(0)) * each;
  const int slabs = ceil_div(features, P::kSlab);
  const int first = blockIdx.x % slabs * P::kSlab, block = blockIdx.x / slabs;
  const int across = threadIdx.x % P::kAcross * kLanes;
  let_next_begin();
  wait_for_previous();
  for (int i = threadIdx.x; i < kTaps * P::kSlab; i += P::kThreads) {
    const int tap = i % kTaps, c = i / kTaps;
    weights[tap][c] = first + c < features ? to_float(w.data[int64_t(first + c) * kTaps + tap]) : 0.0f;
  }
  __syncthreads();
  const int feature = first + across;
  if (feature >= features) {
    return;
  }
  float added[kLanes];
#pragma unroll
  for (int i = 0; i < kLanes; ++i) {
    added[i] = bias ? to_float(bias[feature + i]) : 0.0f;
  }
  for (int round = 0; round < P::kPixels / P::kDown; ++round) {
    const int pixel = block * P::kPixels + round * P::kDown + threadIdx.x / P::kAcross;
    if (pixel >= pixels) {
      return;
    }
    int o[3];
    extents.split(pixel % each, o);
    const T* const from = x.data + int64_t(pixel / each) * extents.pixels_in() * channels + feature / kEach;
    float sum[kLanes];
#pragma unroll
    for (int i = 0; i < kLanes; ++i) {
      sum[i] = added[i];
    }
    for_each_tap<kTransposed>(window, extents, o, [&](int tap, const int (&at)[3], bool inside) {
      Pack<T, kLanes> taken = {};
      if (inside) {
        taken = *reinterpret_cast<const Pack<T, kLanes>*>(
            from + ((int64_t(at[0]) * extents.in[1] + at[1]) * extents.in[2] + at[2]) * channels);
      }
#pragma unroll
      for (int i = 0; i < kLanes; ++i) {
        sum[i] += to_float(taken.at[i]) * weights[tap][across + i];
      }
    });
    Pack<Out, kLanes> r;
#pragma unroll
    for (int i = 0; i < kLanes; ++i) {
      r.at[i] = narrow<Out>(epilogue(sum[i], pixel, feature + i));
    }
    *reinterpret_cast<Pack<Out, kLanes>*>(y.data + int64_t(pixel) * features + feature) = r;
  }
}

}  // namespace sl
