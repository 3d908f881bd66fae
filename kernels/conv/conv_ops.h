// The vector parts of convolution: what each instruction set provides beside the tile kernels of kernels/gemm.
#ifndef SLUICE_KERNELS_CONV_CONV_OPS_H_
#define SLUICE_KERNELS_CONV_CONV_OPS_H_

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

// Up to `lanes` neighbouring columns of one tap's row of a panel: to[i] = bit i of inside ? from[i * step] : 0.
// Always writes `lanes` floats: pieces are sorted by `to`, so that the next one overwrites what was too much, and a
// panel has kPieceSlack floats behind its end.
struct PatchPiece {
  int32_t from;     // offset in the channel's image; may point outside where no bit is set
  int32_t to;       // offset in the channel's part of the panel
  uint32_t inside;  // lanes that are inside the image
};
inline constexpr int64_t kPieceSlack = 16;

struct ConvOps {
  int lanes;
  void (*depthwise_row)(const DepthwiseRow& row);
  void (*copy_pieces)(const PatchPiece* pieces, int64_t count, int64_t step, const float* image, float* panel);
};

const ConvOps& Conv();  // for this machine

namespace avx2 {
extern const ConvOps kConvOps;
}
namespace avx512 {
extern const ConvOps kConvOps;
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_CONV_CONV_OPS_H_
