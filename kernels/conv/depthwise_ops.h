// The row kernel of depthwise convolution, for each instruction set.
#ifndef SLUICE_KERNELS_CONV_DEPTHWISE_OPS_H_
#define SLUICE_KERNELS_CONV_DEPTHWISE_OPS_H_

#include <cstdint>

namespace sluice::kernels {

// out[i] = bias + Σ_tap w[tap] · x[offsets[tap] + i * stride]   for i < n, taps upwards.
// Reads up to kDepthwiseSlack * stride floats behind the last one it needs.
struct DepthwiseRow {
  const float* x;
  const int64_t* offsets;  // [taps]
  const float* w;          // [taps]
  int64_t taps;
  int64_t stride;
  float bias;
  float* out;
  int64_t n;
};
inline constexpr int64_t kDepthwiseSlack = 64;

using DepthwiseFn = void (*)(const DepthwiseRow& row);
DepthwiseFn Depthwise();  // for this machine

namespace avx2 {
void RunDepthwiseRow(const DepthwiseRow& row);
}
namespace avx512 {
void RunDepthwiseRow(const DepthwiseRow& row);
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_CONV_DEPTHWISE_OPS_H_
