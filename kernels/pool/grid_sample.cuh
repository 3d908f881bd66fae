// Values of an image at the positions of a grid: a thread takes one position in up to kGridChannels channels, which
// share its taps.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/device/scalar.cuh"
#include "kernels/pool/resize.cuh"

namespace sl {

enum class GridPadding { kZeros, kBorder, kReflection };
inline constexpr int kGridChannels = 8;

template <Resampling kMode_, GridPadding kPadding_, bool kAlignCorners_>
struct GridHow {
  static constexpr Resampling kMode = kMode_;
  static constexpr GridPadding kPadding = kPadding_;
  static constexpr bool kAlignCorners = kAlignCorners_;
  static constexpr int kTaps = kMode == Resampling::kNearest ? 1 : kMode == Resampling::kLinear ? 2 : 4;
};

// What one spatial dimension gives a position: elements (-1: none, zero) and their weights.
template <class How, typename M>
struct GridTaps {
  int64_t size, element[How::kTaps];
  M weight[How::kTaps];

  // The outer edges: what reflection folds at.
  __device__ __forceinline__ M low() const { return How::kAlignCorners ? M(0) : M(-0.5); }
  __device__ __forceinline__ M high() const { return static_cast<M>(size - 1) - low(); }
  __device__ __forceinline__ M reflected(M x) const {
    const M over = x < low() ? low() - x : x - high(), range = high() - low();
    if (!(over > 0)) {
      return x;
    }
    if (range <= 0) {
      return low();
    }
    const M turns = floor_(over / range), rest = over - turns * range;
    return (x < low()) != (fmod_(turns, M(2)) != 0) ? low() + rest : high() - rest;
  }
  __device__ __forceinline__ M clamped(M x) const { return minnum(maxnum(x, M(0)), static_cast<M>(size - 1)); }
  __device__ __forceinline__ M position(M g) const {
    const M length = static_cast<M>(size);
    M x = How::kAlignCorners ? (g + 1) / 2 * (length - 1) : ((g + 1) * length - 1) / 2;
    // Far outside (or NaN) is outside: numbers that floats count exactly.
    x = minnum(maxnum(x, M(-4194304)), M(4194304));
    x = How::kMode == Resampling::kNearest ? roundeven_(x) : x;
    if (How::kPadding == GridPadding::kBorder && (x < low() || x > high())) {
      return clamped(x);
    }
    return How::kPadding == GridPadding::kReflection ? reflected(x) : x;
  }
  __device__ __forceinline__ int64_t element_at(M at) const {
    if constexpr (How::kPadding == GridPadding::kZeros) {
      return at >= 0 && at < static_cast<M>(size) ? static_cast<int64_t>(at) : -1;
    } else {
      return static_cast<int64_t>(clamped(How::kPadding == GridPadding::kBorder ? at : reflected(at)));
    }
  }
  __device__ __forceinline__ void place(int64_t n, M g) {
    size = n;
    const M x = position(g), first = floor_(x), f = x - first;
    if constexpr (How::kMode == Resampling::kNearest) {
      weight[0] = 1;
      element[0] = element_at(x);
    } else if constexpr (How::kMode == Resampling::kLinear) {
      weight[0] = 1 - f;
      weight[1] = f;
      element[0] = element_at(first);
      element[1] = element_at(first + 1);
    } else {
      constexpr M a = M(-0.75);
      const auto near = [](M t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
      const auto far = [](M t) { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a; };
      weight[0] = far(1 + f);
      weight[1] = near(f);
      weight[2] = near(1 - f);
      weight[3] = far(2 - f);
#pragma unroll
      for (int t = 0; t < 4; ++t) {
        element[t] = element_at(first + M(t - 1));
      }
    }
  }
};

// The weighted sum over the taps of dimensions d and further in, in the plane's elements from `offset` on.
template <int d, int kSpatial, class How, typename T, typename M>
__device__ __forceinline__ M grid_sum(const GridTaps<How, M> (&dims)[kSpatial], const T* plane, int64_t offset,
                                      M weight) {
  if constexpr (d == kSpatial) {
    return weight == 0 ? M(0) : weight * widen(plane[offset]);
  } else {
    M sum = 0;
#pragma unroll
    for (int t = 0; t < How::kTaps; ++t) {
      if (dims[d].element[t] >= 0) {
        sum += grid_sum<d + 1>(dims, plane, offset * dims[d].size + dims[d].element[t], weight * dims[d].weight[t]);
      }
    }
    return sum;
  }
}

// x [b, c, spatial…], grid [b, out…, n] whose last dimension gives the innermost spatial dimension first → [b, c,
// out…].
template <class How, typename T, int R>
__device__ __forceinline__ void grid_sample(const Step* step, const Arg<R>& xa, const Arg<R>& ga, const Arg<R>& ya) {
  using M = wide<T>;
  constexpr int kSpatial = R - 2;
  const View<const T, R> x(step, xa), grid(step, ga);
  const View<T, R> y(step, ya);
  const int64_t channels = x.size(1), volume = product(x, 2, R), positions = product(y, 2, R);
  const int64_t chunks = (channels + kGridChannels - 1) / kGridChannels;
  walk<1>(x.size(0) * chunks * positions, [&](auto at, auto) {
    using I = decltype(at);
    const I row = at / static_cast<I>(positions), position = at - row * static_cast<I>(positions);
    const int64_t b = row / static_cast<I>(chunks), first = row % static_cast<I>(chunks) * kGridChannels;
    const T* const g = grid.data + (b * positions + position) * kSpatial;
    GridTaps<How, M> dims[kSpatial];
#pragma unroll
    for (int d = 0; d < kSpatial; ++d) {
      dims[d].place(x.size(2 + d), widen(g[kSpatial - 1 - d]));
    }
    for (int64_t c = first; c < channels && c < first + kGridChannels; ++c) {
      const int64_t plane = b * channels + c;
      y.data[plane * positions + position] = narrow<T>(grid_sum<0>(dims, x.data + plane * volume, 0, M(1)));
    }
  });
}

}  // namespace sl
