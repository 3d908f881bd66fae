// Where the elements of a resized dimension come from: `taps` input positions and weights for each output position.
// Coordinates are computed in f32 as ONNX Runtime does: at ties, f64 would choose other neighbours.
#ifndef SLUICE_KERNELS_POOL_RESIZE_TAPS_H_
#define SLUICE_KERNELS_POOL_RESIZE_TAPS_H_

#include <cstdint>
#include <vector>

#include "kernels/desc.h"

namespace sluice::kernels {

enum class ResizeMode { kNearest, kLinear, kCubic };
enum class Coordinates { kHalfPixel, kAsymmetric, kAlignCorners, kPytorchHalfPixel, kHalfPixelSymmetric };
enum class NearestMode { kRoundPreferFloor, kRoundPreferCeil, kFloor, kCeil };

struct ResizeConfig : Config {
  ResizeMode mode = ResizeMode::kNearest;
  Coordinates coordinates = Coordinates::kHalfPixel;
  NearestMode nearest = NearestMode::kRoundPreferFloor;
  float cubic_a = -0.75f;
  bool exclude_outside = false;
  std::vector<double> scales;
};

constexpr int TapCount(ResizeMode mode) {
  return mode == ResizeMode::kNearest ? 1 : mode == ResizeMode::kLinear ? 2 : 4;
}

struct DimTaps {
  int taps = 1;
  int64_t* position;  // [out][taps]
  float* weight;      // [out][taps]
};

// Fills `taps` for a dimension of `in` >= 1 elements resized to `out`; a dimension that stays as it is gets one tap.
void ComputeTaps(const ResizeConfig& config, int64_t in, int64_t out, float scale, DimTaps* taps);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_POOL_RESIZE_TAPS_H_
