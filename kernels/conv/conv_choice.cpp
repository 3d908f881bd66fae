#include "kernels/conv/conv_choice.h"

#include <algorithm>

#include "runtime/base/status.h"

namespace sluice::kernels {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct TileShape {
  int64_t rows, cols, down, across, stages, blocks;
};
constexpr TileShape kTileShapes[] = {{128, 256, 2, 4, 4, 1}, {128, 128, 2, 4, 3, 2}, {128, 64, 4, 2, 4, 2},
                                     {64, 128, 2, 2, 4, 2},  {64, 64, 2, 2, 4, 3},   {64, 32, 2, 2, 4, 4}};
constexpr int64_t kSplits[] = {1, 2, 4, 8};
constexpr int64_t kMaxTaps = 192;  // depthwise: whose weights fit a block's shared memory

constexpr double kUsPerClk = 1e-3 / 1.7;
constexpr double kSmBytesPerClk = 48;     // that cp.async brings into one SM
constexpr double kProductsPerClk = 1100;  // 16-bit multiply-adds of mma.sync an SM makes a clk, tiles of 128 × 128
constexpr double kGathersPerClk = 12;     // elements that one SM gathers a clk
constexpr double kSlotClks = 260;         // a slot's way from L2, shared by the slots in flight
constexpr double kFillClks = 1500, kFinishClks = 900, kClusterClks = 900;

double MemoryUs(const ConvWhat& what, const Gpu& gpu) {
  const double elements = static_cast<double>(what.groups) *
                          (static_cast<double>(what.source) * what.channels + what.features * what.depth());
  const double results = static_cast<double>(what.groups) * what.pixels * what.features;
  return (elements * BitWidth(what.in) + results * BitWidth(what.out)) / 8 / (gpu.copy_gbs * 0.85e3);
}

void PredictTiles(const ConvWhat& what, const Gpu& gpu, ConvHow& how) {
  const int64_t depth = 1024 / BitWidth(what.in), slots = CeilDiv(CeilDiv(what.depth(), depth), how.split);
  const int64_t ctas =
      std::max<int64_t>(1, CeilDiv(what.pixels, how.rows) * CeilDiv(what.features, how.cols) * what.groups) * how.split;
  const int64_t sms = how.split < 4 ? gpu.sms : gpu.sms_in_clusters_of_4;
  // The fullest SM decides: it works through its CTAs, some side by side.
  const int64_t each = CeilDiv(ctas, sms), beside = std::min(each, how.blocks);
  const double terms = what.in == DType::kF32 ? 6 : 1;  // three products at half the rate
  const double full = static_cast<double>(how.rows) * how.cols / (128 * 128);
  const double multiply =
      how.rows * how.cols * static_cast<double>(depth) * terms / (kProductsPerClk * std::min(1.0, 0.55 + 0.45 * full));
  const double fill = how.form == ConvForm::kGather
                          ? (how.rows + how.cols) * static_cast<double>(depth) / kGathersPerClk
                          : (how.rows + how.cols) * 128.0 / kSmBytesPerClk;
  const double slot = std::max(kSlotClks, std::max(multiply, fill) * beside);
  const double clks =
      CeilDiv(each, beside) * (slots * slot + kFillClks + kFinishClks * std::max<double>(1, beside * full)) +
      (how.split > 1 ? kClusterClks + 40.0 * how.split : 0);
  how.us = std::max(MemoryUs(what, gpu), clks * kUsPerClk) + 0.1 * clks * kUsPerClk + 1;
}

void AddTiles(const ConvWhat& what, const Gpu& gpu, std::vector<ConvHow>& all) {
  const int64_t chunk = 128 / BitWidth(what.in), depth = 8 * chunk;
  const bool vector = what.channels % chunk == 0;
  for (const TileShape& shape : kTileShapes) {
    for (const int64_t split : kSplits) {
      const bool wide = shape.cols > 128 && what.in == DType::kF32;  // its sums by mma.sync would spill
      if (wide || (split > 1 && CeilDiv(what.depth(), depth) < 2 * split)) {
        continue;
      }
      ConvHow how{.form = vector ? ConvForm::kTiles : ConvForm::kGather,
                  .rows = shape.rows,
                  .cols = shape.cols,
                  .down = shape.down,
                  .across = shape.across,
                  .stages = shape.stages,
                  .split = split,
                  .blocks = what.in == DType::kF32 || !vector ? 1 : shape.blocks};
      PredictTiles(what, gpu, how);
      all.push_back(how);
    }
  }
}

void AddDepthwise(const ConvWhat& what, const Gpu& gpu, std::vector<ConvHow>& all) {
  if (what.channels != 1 || what.taps > kMaxTaps) {
    return;
  }
  const int64_t wide = 128 / BitWidth(what.in);
  ConvHow how{.form = ConvForm::kDepthwise, .lanes = what.features == 1 && what.groups % wide == 0 ? wide : 1};
  // Each tap of a thread is a load and some twenty instructions of 4 a clk.
  const double steps = static_cast<double>(what.pixels) * what.features * what.groups / how.lanes / 32 * what.taps;
  how.us = std::max(MemoryUs(what, gpu), steps * (16 + 3 * how.lanes) / 2 / gpu.sms * kUsPerClk) + 2.5;
  all.push_back(how);
}

}  // namespace

int64_t ConvHow::SharedBytes() const {
  if (form == ConvForm::kDepthwise) {
    return 0;
  }
  return std::max(stages * (rows + cols) * 128, rows * (cols + 8) * 4);
}

std::string ConvHow::Name() const {
  if (form == ConvForm::kDepthwise) {
    return absl::StrCat("depthwise x", lanes);
  }
  return absl::StrFormat("%s %dx%d%s", form == ConvForm::kTiles ? "tiles" : "gather", rows, cols,
                         split > 1 ? absl::StrCat(" split ", split) : "");
}

std::vector<ConvHow> ConvCandidates(const ConvWhat& what, const Gpu& gpu) {
  std::vector<ConvHow> all;
  AddTiles(what, gpu, all);
  AddDepthwise(what, gpu, all);
  return all;
}

}  // namespace sluice::kernels
