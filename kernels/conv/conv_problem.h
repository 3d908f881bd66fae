// Sizes and attributes of nn.conv and nn.conv_transpose, one to three spatial dimensions brought to three.
#ifndef SLUICE_KERNELS_CONV_CONV_PROBLEM_H_
#define SLUICE_KERNELS_CONV_CONV_PROBLEM_H_

#include <array>
#include <cstdint>
#include <memory>

#include "kernels/desc.h"

namespace sluice::kernels {

using Size3 = std::array<int64_t, 3>;  // depth, height, width; missing ones in front

struct ConvConfig : Config {
  std::vector<int64_t> strides, pads, dilations;  // pads: begins, then ends; empty: ones, zeros, ones
  int64_t groups = 1;
  int64_t outside = 0;  // what codes beyond x count as
};

absl::StatusOr<std::unique_ptr<Config>> PrepareConv(const Attrs& attrs);

// in: the tensor the window slides over; out: one value a window position.  For conv_transpose the roles swap: each of
// its inputs is scattered to the window of its outputs, so `in` is its output.
struct ConvProblem {
  enum class Kind { kConv, kTranspose };
  ConvProblem(Kind kind, const ConvConfig& config, const Tensor& x, const Tensor& w, const Tensor& y);

  int64_t Taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t InPixels() const { return in[0] * in[1] * in[2]; }
  int64_t OutPixels() const { return out[0] * out[1] * out[2]; }

  int64_t batch, groups;
  int64_t channels;  // of x, per group
  int64_t features;  // of y, per group
  Size3 in, out, kernel, stride, pad, dilation;
};

// Positions i in [0, n) of a window row whose input column first + i * step lies in [0, width): [begin, end).
struct Span {
  int64_t begin, end;
};
inline Span InsideOf(int64_t first, int64_t step, int64_t width, int64_t n) {
  const int64_t begin = first >= 0 ? 0 : (-first + step - 1) / step;
  const int64_t end = first >= width ? 0 : (width - first + step - 1) / step;
  return {begin < n ? begin : n, end < n ? end : n};
}

// f64, i32, and 8-bit codes whose sums are i32: plain loops over the definition.
template <typename X, typename W, typename Y>
void ConvPlain(const ConvProblem& p, const X* x, const W* w, const Y* bias, Y* y, int64_t outside, ThreadPool* pool);
void ConvTransposePlain(const ConvProblem& p, const double* x, const double* w, const double* bias, double* y,
                        ThreadPool* pool);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_CONV_CONV_PROBLEM_H_
