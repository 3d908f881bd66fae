#include <algorithm>
#include <cstring>

#include "kernels/conv/conv_ops.h"
#include "kernels/conv/conv_run.h"
#include "kernels/gemm/gemm_driver.h"

namespace sluice::kernels {
namespace {

// A channel with zeros around it, as large as the windows reach.
struct PaddedImage {
  explicit PaddedImage(const ConvProblem& p) {
    for (int d = 0; d < 3; ++d) {
      const int64_t reach = (p.out[d] - 1) * p.stride[d] + (p.kernel[d] - 1) * p.dilation[d] + 1;
      size[d] = std::max(reach, p.pad[d] + p.in[d]);
    }
    floats = size[0] * size[1] * size[2] + kDepthwiseSlack * p.stride[2];
  }
  Size3 size;
  int64_t floats;
};

struct Plan {
  explicit Plan(const ConvProblem& p)
      : image(p),
        weights_at(AlignUp(image.floats * 4)),
        offsets_at(weights_at + AlignUp(p.Taps() * 4)),
        row_at(offsets_at + AlignUp(p.Taps() * 8)),
        bytes(row_at + AlignUp(p.out[2] * 4)) {}
  PaddedImage image;
  int64_t weights_at, offsets_at, row_at, bytes;
};

// Zeros everywhere, then the rows of the channel.
void Pad(const ConvProblem& p, const PaddedImage& image, const float* x, float* to) {
  std::fill(to, to + image.floats, 0.0f);
  for (int64_t z = 0; z < p.in[0]; ++z) {
    for (int64_t y = 0; y < p.in[1]; ++y) {
      float* row = to + ((z + p.pad[0]) * image.size[1] + y + p.pad[1]) * image.size[2] + p.pad[2];
      std::memcpy(row, x + (z * p.in[1] + y) * p.in[2], p.in[2] * sizeof(float));
    }
  }
}

void Channel(const ConvProblem& p, const ConvOperands& o, const Plan& plan, int64_t index, uint8_t* work) {
  float* image = reinterpret_cast<float*>(work);
  float* weights = reinterpret_cast<float*>(work + plan.weights_at);
  int64_t* offsets = reinterpret_cast<int64_t*>(work + plan.offsets_at);
  float* buffer = reinterpret_cast<float*>(work + plan.row_at);
  const int64_t feature = index % (p.groups * p.features);
  const bool direct = o.y.dtype == DType::kF32;
  DepthwiseRow row{.w = weights, .taps = p.Taps(), .stride = p.stride[2], .n = p.out[2]};
  row.offsets = offsets;
  row.bias = o.bias != nullptr ? o.bias[feature] : 0;
  const bool tiled = o.w.layout == Layout::kOihwTile16;  // [groups][1][taps][16]
  const int64_t from = tiled ? feature / p.features * p.Taps() * kTile + feature % p.features : feature * p.Taps();
  ToF32(o.w.as<uint8_t>() + from * (BitWidth(o.w.dtype) / 8), o.w.dtype, tiled ? kTile : 1, p.Taps(), weights);
  const Size3& size = plan.image.size;
  for (int64_t tap = 0; tap < p.Taps(); ++tap) {
    const int64_t z = tap / (p.kernel[1] * p.kernel[2]), y = tap / p.kernel[2] % p.kernel[1], x = tap % p.kernel[2];
    offsets[tap] = (z * p.dilation[0] * size[1] + y * p.dilation[1]) * size[2] + x * p.dilation[2];
  }
  for (int64_t z = 0; z < p.out[0]; ++z) {
    for (int64_t y = 0; y < p.out[1]; ++y) {
      const int64_t at = ((index * p.out[0] + z) * p.out[1] + y) * p.out[2];
      row.x = image + (z * p.stride[0] * size[1] + y * p.stride[1]) * size[2];
      row.out = direct ? o.y.as<float>() + at : buffer;
      Conv().depthwise_row(row);
      if (!direct) {
        FromF32(buffer, p.out[2], o.y.dtype, o.y.data, at);
      }
    }
  }
}

}  // namespace

bool IsDepthwise(const ConvProblem& p) {
  const bool padded = p.pad[0] >= 0 && p.pad[1] >= 0 && p.pad[2] >= 0;
  return p.channels == 1 && p.groups > 1 && p.features <= 4 && padded;
}

int64_t DepthwiseWorkspace(const ConvProblem& p, int threads) { return threads * Plan(p).bytes; }

void ConvDepthwise(const ConvProblem& p, const ConvOperands& o) {
  const Plan plan(p);
  uint8_t* memory = static_cast<uint8_t*>(o.workspace);
  o.pool->ParallelForWithThread(p.batch * p.groups, 1, [&](int64_t begin, int64_t end, int thread) {
    uint8_t* work = memory + thread * plan.bytes;
    for (int64_t group = begin; group < end; ++group) {
      Pad(p, plan.image, o.x + group * p.InPixels(), reinterpret_cast<float*>(work));
      for (int64_t f = 0; f < p.features; ++f) {
        Channel(p, o, plan, group * p.features + f, work);
      }
    }
  });
}

}  // namespace sluice::kernels
