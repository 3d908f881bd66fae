// The CUDA convolutions, channels last: what is asked → the ways to compute it → their predicted times.  Pure
// arithmetic, no CUDA.
#ifndef SLUICE_KERNELS_CONV_CONV_CHOICE_H_
#define SLUICE_KERNELS_CONV_CONV_CHOICE_H_

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/target/target.h"
#include "runtime/base/dtype.h"

namespace sluice::kernels {

// Sizes that vary have the value they typically have.
struct ConvWhat {
  DType in = DType::kF16, out = DType::kF16;
  int64_t pixels = 0;  // of the result, over the batch
  int64_t source = 0;  // pixels of x
  int64_t groups = 1;
  int64_t features = 0, channels = 0;  // of a group
  int64_t taps = 1;
  int64_t tap_bits = 0;  // bits that say which rows, columns … of a window are inside an image; -1: transposed

  int64_t depth() const { return taps * channels; }
};

enum class ConvForm : int64_t {
  kTiles,      // conv_tiles.cuh, chunks of 16 bytes
  kGather,     // the same, element by element
  kFew,        // conv_few.cuh: all of k in shared memory
  kDepthwise,  // depthwise.cuh
  kGemm        // gemm/gemm_tiles.cuh or gemm_stream.cuh: GemmHow says the rest
};

// How: the numbers a kernel is instantiated with.
struct ConvHow {
  ConvForm form = ConvForm::kTiles;
  int64_t rows = 0, cols = 0;    // of a tile: pixels, features
  int64_t down = 0, across = 0;  // warps
  int64_t stages = 0, split = 1;
  int64_t blocks = 1;  // of an SM, at least
  int64_t lanes = 1;   // depthwise: channels a thread takes
  double us = 0;       // predicted

  int64_t SharedBytes() const;
  // "tiles 64x64 split 8", "depthwise x8": unique among the candidates of a what.
  std::string Name() const;
  // kernels/common/plan_numbers.h
  static constexpr auto kNumbers =
      std::tuple(&ConvHow::form, &ConvHow::rows, &ConvHow::cols, &ConvHow::down, &ConvHow::across, &ConvHow::stages,
                 &ConvHow::split, &ConvHow::blocks, &ConvHow::lanes);
};

// Every way that can compute `what`, with its prediction.  Never empty for f16, bf16 and f32.
std::vector<ConvHow> ConvCandidates(const ConvWhat& what, const Gpu& gpu);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_CONV_CONV_CHOICE_H_
