#include "kernels/pool/resize_taps.h"

#include <algorithm>
#include <cmath>

namespace sluice::kernels {
namespace {

// Output position x in coordinates of the input.
float Original(Coordinates mode, int64_t x, float scale, int64_t in, int64_t out) {
  const float at = static_cast<float>(x);
  switch (mode) {
    case Coordinates::kHalfPixel:
      return (at + 0.5f) / scale - 0.5f;
    case Coordinates::kAsymmetric:
      return at / scale;
    case Coordinates::kAlignCorners:
      return out == 1 ? 0 : at * static_cast<float>(in - 1) / static_cast<float>(out - 1);
    case Coordinates::kPytorchHalfPixel:
      return out > 1 ? (at + 0.5f) / scale - 0.5f : 0;
    case Coordinates::kHalfPixelSymmetric: {
      const float adjustment = static_cast<float>(out) / (scale * static_cast<float>(in));
      const float offset = static_cast<float>(in) / 2 * (1 - adjustment);
      return offset + (at + 0.5f) / scale - 0.5f;
    }
  }
  return at;
}

float Round(NearestMode mode, float x) {
  switch (mode) {
    case NearestMode::kFloor:
      return std::floor(x);
    case NearestMode::kCeil:
      return std::ceil(x);
    case NearestMode::kRoundPreferFloor:
      return std::ceil(x - 0.5f);
    case NearestMode::kRoundPreferCeil:
      return std::floor(x + 0.5f);
  }
  return x;
}

// Keys' kernel at distance d with coefficient a.
float Cubic(float d, float a) {
  d = std::fabs(d);
  if (d <= 1) {
    return ((a + 2) * d - (a + 3)) * d * d + 1;
  }
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

void CubicTaps(const ResizeConfig& config, float at, int64_t in, int64_t* position, float* weight) {
  const float base = std::floor(at);
  float total = 0;
  for (int t = 0; t < 4; ++t) {
    const int64_t p = static_cast<int64_t>(base) - 1 + t;
    const bool outside = p < 0 || p >= in;
    weight[t] = outside && config.exclude_outside ? 0 : Cubic(at - base + 1 - static_cast<float>(t), config.cubic_a);
    position[t] = std::clamp<int64_t>(p, 0, in - 1);
    total += weight[t];
  }
  for (int t = 0; t < 4 && config.exclude_outside && total != 0; ++t) {
    weight[t] /= total;
  }
}

}  // namespace

void ComputeTaps(const ResizeConfig& config, int64_t in, int64_t out, float scale, DimTaps* taps) {
  taps->taps = in == out && scale == 1 ? 1 : TapCount(config.mode);
  for (int64_t x = 0; x < out; ++x) {
    int64_t* position = taps->position + x * taps->taps;
    float* weight = taps->weight + x * taps->taps;
    if (in == out && scale == 1) {
      *position = x;
      *weight = 1;
      continue;
    }
    const float at = Original(config.coordinates, x, scale, in, out);
    switch (config.mode) {
      case ResizeMode::kNearest:
        *position = std::clamp<int64_t>(static_cast<int64_t>(Round(config.nearest, at)), 0, in - 1);
        *weight = 1;
        break;
      case ResizeMode::kLinear: {
        const float inside = std::clamp(at, 0.0f, static_cast<float>(in - 1));
        position[0] = std::min(static_cast<int64_t>(inside), in - 1);
        position[1] = std::min(position[0] + 1, in - 1);
        weight[1] = inside - static_cast<float>(position[0]);
        weight[0] = 1 - weight[1];
        break;
      }
      case ResizeMode::kCubic:
        CubicTaps(config, at, in, position, weight);
        break;
    }
  }
}

}  // namespace sluice::kernels
