// Windows that slide over the spatial dimensions of a tensor: where a tap lies.  One walk for convolutions, their
// transposes and pools; spatial dimensions are brought to three, missing ones in front.
#pragma once
#include "kernels/device/layout.cuh"
#include "kernels/device/step.cuh"

namespace sl {

struct Window {
  int kernel[3], stride[3], pad[3], dilation[3];

  SL_BOTH int taps() const { return kernel[0] * kernel[1] * kernel[2]; }
};

// Where tap `tap` of the window of result `o` lies along dimension d; false: outside a tensor of that size.
// kTransposed: a result gathers from those windows it lies in, and most taps meet none.
template <bool kTransposed, typename I>
SL_BOTH bool tap_meets(const Window& window, int d, I o, int tap, I size, I& at) {
  if (kTransposed) {
    const I reach = o + window.pad[d] - tap * window.dilation[d];
    at = reach / window.stride[d];
    return reach >= 0 && reach % window.stride[d] == 0 && at < size;
  }
  at = o * window.stride[d] - window.pad[d] + tap * window.dilation[d];
  return at >= 0 && at < size;
}

// Sizes of x and y along the spatial dimensions, which begin at `first`.
template <typename I>
struct Extents {
  I in[3], out[3];

  template <int kSpatial, typename T, typename U, int R>
  static SL_DEVICE Extents of(const View<T, R>& x, const View<U, R>& y, int first) {
    Extents e;
#pragma unroll
    for (int d = 0; d < 3; ++d) {
      const int i = d + kSpatial - 3;
      e.in[d] = i < 0 ? 1 : static_cast<I>(x.size(first + (i < 0 ? 0 : i)));
      e.out[d] = i < 0 ? 1 : static_cast<I>(y.size(first + (i < 0 ? 0 : i)));
    }
    return e;
  }
  SL_DEVICE I pixels_in() const { return in[0] * in[1] * in[2]; }
  SL_DEVICE I pixels_out() const { return out[0] * out[1] * out[2]; }
  SL_DEVICE void split(I pixel, I (&o)[3]) const {
    o[2] = pixel % out[2];
    o[1] = pixel / out[2] % out[1];
    o[0] = pixel / out[2] / out[1];
  }
};

// body(tap, at, inside) for each tap of the window of result `o`, in row-major order: its number, and the three
// coordinates where it lies.
template <bool kTransposed, typename I, typename Body>
SL_DEVICE void for_each_tap(const Window& window, const Extents<I>& extents, const I (&o)[3], Body body) {
  I at[3];
  int tap = 0;
#pragma unroll 1
  for (int i = 0; i < window.kernel[0]; ++i) {
    const bool in0 = tap_meets<kTransposed>(window, 0, o[0], i, extents.in[0], at[0]);
#pragma unroll 1
    for (int j = 0; j < window.kernel[1]; ++j) {
      const bool in1 = in0 & tap_meets<kTransposed>(window, 1, o[1], j, extents.in[1], at[1]);
#pragma unroll 4
      for (int k = 0; k < window.kernel[2]; ++k, ++tap) {
        const bool in2 = in1 & tap_meets<kTransposed>(window, 2, o[2], k, extents.in[2], at[2]);
        body(tap, at, in2);
      }
    }
  }
}

}  // namespace sl
