// Interpolation to other sizes: a thread a result.  Coordinates are f32, as on the CPU (resize_taps.h): at ties another
// precision would choose other neighbours.
#pragma once
#include "kernels/device/index.cuh"
#include "kernels/elementwise/walk.cuh"
#include "kernels/reduce/reduce.cuh"

namespace sl {

enum class Resampling { kNearest, kLinear, kCubic };
enum class Coordinates { kHalfPixel, kAsymmetric, kAlignCorners, kPytorchHalfPixel, kHalfPixelSymmetric };
enum class Rounding { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };

template <Resampling kMode_, Coordinates kCoordinates_, Rounding kRounding_, bool kExcludeOutside_>
struct ResizeHow {
  static constexpr Resampling kMode = kMode_;
  static constexpr Coordinates kCoordinates = kCoordinates_;
  static constexpr Rounding kRounding = kRounding_;
  static constexpr bool kExcludeOutside = kExcludeOutside_;
  static constexpr int kTaps = kMode == Resampling::kNearest ? 1 : kMode == Resampling::kLinear ? 2 : 4;
};

// The graph's scales; 0: result / input.
template <int R>
struct ResizeScales {
  float of[R];
};

// What one dimension gives a result: How::kTaps elements and their weights.
template <class How>
struct ResizeTaps {
  int64_t index, in;  // of the result; elements of the input
  bool same;          // the dimension stays as it is
  float at;           // `index` in coordinates of the input
  float a, sum;       // cubic: Keys' coefficient, what the weights are divided by

  __device__ __forceinline__ void place(int64_t input, int64_t output, float scale, float coefficient) {
    in = input;
    a = coefficient;
    sum = 1;
    scale = scale == 0 ? static_cast<float>(output) / static_cast<float>(in) : scale;
    same = in == output && scale == 1;
    at = original(static_cast<float>(index), scale, static_cast<float>(in), static_cast<float>(output));
    if constexpr (How::kMode == Resampling::kLinear) {
      at = fminf(fmaxf(at, 0.0f), static_cast<float>(in - 1));
    } else if constexpr (How::kMode == Resampling::kCubic && How::kExcludeOutside) {
      const float total = raw_weight(0) + raw_weight(1) + raw_weight(2) + raw_weight(3);
      sum = total == 0 ? 1 : total;
    }
  }
  __device__ static __forceinline__ float original(float x, float scale, float in, float out) {
    if constexpr (How::kCoordinates == Coordinates::kAsymmetric) {
      return x / scale;
    } else if constexpr (How::kCoordinates == Coordinates::kAlignCorners) {
      return out == 1 ? 0 : x * (in - 1) / (out - 1);
    } else if constexpr (How::kCoordinates == Coordinates::kPytorchHalfPixel) {
      return out > 1 ? (x + 0.5f) / scale - 0.5f : 0;
    } else if constexpr (How::kCoordinates == Coordinates::kHalfPixelSymmetric) {
      const float offset = __fmul_rn(in / 2, 1 - out / (scale * in));
      return offset + (x + 0.5f) / scale - 0.5f;
    } else {
      return (x + 0.5f) / scale - 0.5f;
    }
  }
  __device__ static __forceinline__ float rounded(float x) {
    return How::kRounding == Rounding::kFloor             ? floorf(x)
           : How::kRounding == Rounding::kCeil            ? ceilf(x)
           : How::kRounding == Rounding::kRoundPreferCeil ? floorf(x + 0.5f)
                                                          : ceilf(x - 0.5f);
  }
  // Cubic: tap t before it is brought inside.
  __device__ __forceinline__ int64_t raw_position(int t) const { return static_cast<int64_t>(floorf(at)) - 1 + t; }
  __device__ __forceinline__ float raw_weight(int t) const {
    if (How::kExcludeOutside && (raw_position(t) < 0 || raw_position(t) >= in)) {
      return 0;
    }
    const float d = fabsf(at - floorf(at) + 1 - static_cast<float>(t));
    return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
  }
  __device__ __forceinline__ int64_t position(int t) const {
    const int64_t p = same                                 ? index
                      : How::kMode == Resampling::kNearest ? static_cast<int64_t>(rounded(at))
                      : How::kMode == Resampling::kLinear  ? static_cast<int64_t>(at) + t
                                                           : raw_position(t);
    return p < 0 ? 0 : p >= in ? in - 1 : p;
  }
  __device__ __forceinline__ float weight(int t) const {
    if (same || How::kMode == Resampling::kNearest) {
      return t == 0 ? 1 : 0;
    }
    if constexpr (How::kMode == Resampling::kLinear) {
      const float right = at - floorf(at);
      return t == 0 ? 1 - right : right;
    } else {
      return raw_weight(t) / sum;
    }
  }
};

// A sum as an element: integers are brought into range (cubic overshoots) and truncated.
template <typename T, typename M>
__device__ __forceinline__ T resized(M sum) {
  if constexpr (sizeof(T) == 1) {
    const M low = T(-1) < T(0) ? M(-128) : M(0), high = T(-1) < T(0) ? M(127) : M(255);
    return static_cast<T>(sum < low ? low : sum > high ? high : sum);
  } else {
    return narrow<T>(sum);
  }
}

// Bit d of kKept: dimension d is known to stay as it is.  Nearest takes any type of the elements' width as T.
template <class How, unsigned kKept, typename T, int R>
__device__ __forceinline__ void resize(const Step* step, const Arg<R>& xa, const Arg<R>& ya,
                                       const ResizeScales<R>& scales, float cubic_a) {
  using M = wide<T>;
  const View<const T, R> x(step, xa);
  const View<T, R> y(step, ya);
  int64_t in[R], out[R];
  int combinations = 1;
#pragma unroll
  for (int d = 0; d < R; ++d) {
    in[d] = x.size(d);
    out[d] = y.size(d);
    combinations *= (kKept >> d & 1) != 0 ? 1 : How::kTaps;
  }
  walk<1>(product(y, 0, R), [&](auto at, auto) {
    using I = decltype(at);
    I rest = at;
    ResizeTaps<How> dims[R];
#pragma unroll
    for (int d = R - 1; d >= 0; --d) {
      const I size = static_cast<I>(out[d]), upper = rest / size;
      dims[d].index = static_cast<int64_t>(rest - upper * size);
      if ((kKept >> d & 1) == 0) {
        dims[d].place(in[d], out[d], scales.of[d], cubic_a);
      }
      rest = upper;
    }
    M sum = 0;
    for (int c = 0; c < combinations; ++c) {
      int64_t from = 0, stride = 1;
      float weight = 1;
      int taps = c;
#pragma unroll
      for (int d = R - 1; d >= 0; --d) {
        if ((kKept >> d & 1) != 0) {
          from += dims[d].index * stride;
        } else {
          from += dims[d].position(taps % How::kTaps) * stride;
          weight *= dims[d].weight(taps % How::kTaps);
          taps /= How::kTaps;
        }
        stride *= in[d];
      }
      if constexpr (How::kMode == Resampling::kNearest) {
        y.data[at] = x.data[from];
      } else {
        sum += weight == 0 ? M(0) : static_cast<M>(weight) * static_cast<M>(Folded<T>::from(x.data[from]));
      }
    }
    if constexpr (How::kMode != Resampling::kNearest) {
      y.data[at] = resized<T>(sum);
    }
  });
}

}  // namespace sl
