// Convolution by its definition: a thread a result.  Any geometry, groups and float type; what the fast families do not
// take.
#pragma once
#include "kernels/device/index.cuh"

namespace sl {

// Spatial dimensions brought to three, missing ones in front.
struct Window {
  int kernel[3], stride[3], pad[3], dilation[3];
};

// x [b, c, …], w [f, c / groups, …], bias [f] or absent → y [b, f, …]; kSpatial dimensions behind the second.
template <int kSpatial, typename T, typename W, int R>
__device__ __forceinline__ void plain_conv(const Step* step, const Arg<R>& xa, const Arg<R>& wa, const Arg<1>& ba,
                                           const Arg<R>& ya, Window window, int64_t groups) {
  using M = wide<T>;
  const View<const T, R> x(step, xa);
  const View<const W, R> w(step, wa);
  const View<const W, 1> bias(step, ba);
  const View<T, R> y(step, ya);
  int64_t in[3], out[3];
#pragma unroll
  for (int d = 0; d < 3; ++d) {
    const int i = d - (3 - kSpatial) + 2;
    in[d] = i < 2 ? 1 : x.size(i < 2 ? 2 : i);
    out[d] = i < 2 ? 1 : y.size(i < 2 ? 2 : i);
  }
  const int64_t channels = x.size(1) / groups, features = y.size(1), pixels = out[0] * out[1] * out[2];
  const int64_t taps = int64_t(window.kernel[0]) * window.kernel[1] * window.kernel[2];
  const int64_t total = x.size(0) * features * pixels;
  for (int64_t n = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; n < total; n += int64_t(gridDim.x) * blockDim.x) {
    const int64_t pixel = n % pixels, feature = n / pixels % features, b = n / pixels / features;
    const int64_t group = feature / (features / groups);
    const int64_t o[3] = {pixel / (out[1] * out[2]), pixel / out[2] % out[1], pixel % out[2]};
    const T* const from = x.data + (b * groups + group) * channels * in[0] * in[1] * in[2];
    const W* const weights = w.data + feature * channels * taps;
    M sum = bias.present() ? static_cast<M>(widen(bias.data[feature])) : M(0);
    for (int64_t c = 0; c < channels; ++c) {
      int64_t tap = c * taps;
      for (int kd = 0; kd < window.kernel[0]; ++kd) {
        const int64_t d = o[0] * window.stride[0] - window.pad[0] + kd * window.dilation[0];
        for (int kh = 0; kh < window.kernel[1]; ++kh) {
          const int64_t h = o[1] * window.stride[1] - window.pad[1] + kh * window.dilation[1];
          for (int kw = 0; kw < window.kernel[2]; ++kw, ++tap) {
            const int64_t v = o[2] * window.stride[2] - window.pad[2] + kw * window.dilation[2];
            if (d >= 0 && d < in[0] && h >= 0 && h < in[1] && v >= 0 && v < in[2]) {
              sum += static_cast<M>(widen(from[((c * in[0] + d) * in[1] + h) * in[2] + v])) *
                     static_cast<M>(widen(weights[tap]));
            }
          }
        }
      }
    }
    y.data[n] = narrow<T>(sum);
  }
}

// The transpose: x [b, c, …], w [c, f / groups, …] → y [b, f, …]; a result gathers from the windows it lies in.
template <int kSpatial, typename T, typename W, int R>
__device__ __forceinline__ void plain_conv_transpose(const Step* step, const Arg<R>& xa, const Arg<R>& wa,
                                                     const Arg<1>& ba, const Arg<R>& ya, Window window,
                                                     int64_t groups) {
  using M = wide<T>;
  const View<const T, R> x(step, xa);
  const View<const W, R> w(step, wa);
  const View<const W, 1> bias(step, ba);
  const View<T, R> y(step, ya);
  int64_t in[3], out[3];
#pragma unroll
  for (int d = 0; d < 3; ++d) {
    const int i = d - (3 - kSpatial) + 2;
    in[d] = i < 2 ? 1 : x.size(i < 2 ? 2 : i);
    out[d] = i < 2 ? 1 : y.size(i < 2 ? 2 : i);
  }
  const int64_t channels = x.size(1) / groups, features = y.size(1), each = features / groups;
  const int64_t pixels = out[0] * out[1] * out[2], windows = in[0] * in[1] * in[2];
  const int64_t taps = int64_t(window.kernel[0]) * window.kernel[1] * window.kernel[2];
  const int64_t total = x.size(0) * features * pixels;
  for (int64_t n = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; n < total; n += int64_t(gridDim.x) * blockDim.x) {
    const int64_t pixel = n % pixels, feature = n / pixels % features, b = n / pixels / features;
    const int64_t group = feature / each;
    const int64_t o[3] = {pixel / (out[1] * out[2]), pixel / out[2] % out[1], pixel % out[2]};
    M sum = bias.present() ? static_cast<M>(widen(bias.data[feature])) : M(0);
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t k[3] = {tap / (window.kernel[1] * window.kernel[2]), tap / window.kernel[2] % window.kernel[1],
                            tap % window.kernel[2]};
      bool meets = true;
      int64_t at = 0;
#pragma unroll
      for (int d = 0; d < 3; ++d) {
        const int64_t p = o[d] + window.pad[d] - k[d] * window.dilation[d];
        meets = meets && p >= 0 && p % window.stride[d] == 0 && p / window.stride[d] < in[d];
        at = at * in[d] + p / window.stride[d];
      }
      for (int64_t c = 0; meets && c < channels; ++c) {
        const int64_t channel = group * channels + c;
        sum += static_cast<M>(widen(x.data[(b * groups * channels + channel) * windows + at])) *
               static_cast<M>(widen(w.data[(channel * each + feature % each) * taps + tap]));
      }
    }
    y.data[n] = narrow<T>(sum);
  }
}

}  // namespace sl
