#include "kernels/conv/conv_choice.h"

#include <algorithm>

#include "runtime/base/status.h"

namespace sluice::kernels {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct TileShape {
  int64_t rows, cols, down, across, stages, blocks;
  double products;  // 16-bit multiply-adds of such tiles that an SM makes a clk
};
constexpr TileShape kTileShapes[] = {{128, 256, 2, 4, 4, 1, 1330}, {128, 128, 2, 4, 3, 2, 1000},
                                     {128, 64, 4, 2, 4, 2, 900},   {64, 128, 2, 2, 4, 2, 1000},
                                     {64, 64, 2, 2, 4, 3, 1040},   {64, 32, 2, 2, 4, 4, 440}};
constexpr int64_t kSplits[] = {1, 2, 4, 8};
constexpr int64_t kMaxTaps = 192;  // depthwise: whose weights fit a block's shared memory

// Fitted to a sweep of every plan over ResNet-50's shapes at batch 1, 8 and 32 on an H100 (bench/kernels.py sweep):
// choosing by these predictions costs 2.6 % against the best plan of each shape.
constexpr double kUsPerClk = 1e-3 / 1.7;
constexpr double kSmBytesPerClk = 53;   // that cp.async brings into one SM
constexpr double kGathersPerClk = 3.9;  // elements that one SM gathers a clk
constexpr double kSlotClks = 780;       // a slot's way from L2
constexpr double kFillClks = 2300, kFinishClks = 2370;
constexpr double kClusterClks = 1560, kPeerClks = 42;  // of a tile of 128 × 128

double MemoryUs(const ConvWhat& what, const Gpu& gpu) {
  const double elements = static_cast<double>(what.groups) *
                          (static_cast<double>(what.source) * what.channels + what.features * what.depth());
  const double results = static_cast<double>(what.groups) * what.pixels * what.features;
  return (elements * BitWidth(what.in) + results * BitWidth(what.out)) / 8 / (gpu.copy_gbs * 0.83e3);
}

bool SumsCodes(const ConvWhat& what) { return BitWidth(what.in) == 8; }

// The time of a product against one of 16-bit floats: f32 takes three at half the rate.
double Terms(const ConvWhat& what) { return what.in == DType::kF32 ? 6 : SumsCodes(what) ? 0.5 : 1; }

void PredictTiles(const ConvWhat& what, const Gpu& gpu, const TileShape& shape, ConvHow& how) {
  const int64_t depth = 1024 / BitWidth(what.in), slots = CeilDiv(CeilDiv(what.depth(), depth), how.split);
  const int64_t tiles = CeilDiv(what.pixels, how.rows) * CeilDiv(what.features, how.cols) * what.groups;
  const int64_t ctas = std::max<int64_t>(1, tiles) * how.split;
  const int64_t sms = how.split < 4 ? gpu.sms : gpu.sms_in_clusters_of_4;
  const bool gathers = how.form == ConvForm::kGather;
  const int64_t blocks = gathers ? std::min<int64_t>(shape.blocks, 2) : shape.blocks;
  // The fullest SM decides: it works through its CTAs, some side by side.  Those of a cluster are put side by side even
  // where other SMs are idle.
  const int64_t each = std::max(CeilDiv(ctas, sms), std::min(how.split, blocks));
  const double terms = Terms(what), full = static_cast<double>(how.rows) * how.cols / (128 * 128);
  const double multiply = static_cast<double>(how.rows * how.cols * depth) * terms / shape.products;
  const double fill = gathers ? static_cast<double>((how.rows + how.cols) * depth) / kGathersPerClk
                              : static_cast<double>((how.rows + how.cols) * 128) / kSmBytesPerClk;
  const auto round = [&](int64_t beside) {
    return slots * std::max(kSlotClks, std::max(multiply, fill) * beside) + kFillClks +
           kFinishClks * std::max(1.0, beside * full);
  };
  double clks = (each / blocks) * round(blocks) + (each % blocks > 0 ? round(each % blocks) : 0);
  clks += how.split > 1 ? kClusterClks + kPeerClks * how.split * full : 0;
  const double us = clks * kUsPerClk, memory = MemoryUs(what, gpu);
  how.us = std::max(memory, us) + 0.46 * std::min(memory, us) + 0.1;
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
      PredictTiles(what, gpu, shape, how);
      all.push_back(how);
    }
  }
}

constexpr int64_t kFewSlots = 8;   // whose table fits beside the ring
constexpr int64_t kMaskBits = 31;  // of a pixel's mask of taps
constexpr double kFewPerClk = 20;  // elements that one SM fetches a clk

// Channels that are no whole chunks, and few: a CTA keeps its weights and walks tiles.
void AddFew(const ConvWhat& what, const Gpu& gpu, std::vector<ConvHow>& all) {
  const int64_t depth = 1024 / BitWidth(what.in), slots = CeilDiv(what.depth(), depth);
  if (SumsCodes(what) || what.channels % (128 / BitWidth(what.in)) == 0 || slots > kFewSlots || what.tap_bits < 0 ||
      what.tap_bits > kMaskBits) {
    return;
  }
  for (const TileShape& shape : kTileShapes) {
    ConvHow how{.form = ConvForm::kFew,
                .rows = shape.rows,
                .cols = shape.cols,
                .down = shape.down,
                .across = shape.across,
                .stages = slots};
    if (shape.cols > 128 || how.SharedBytes() > gpu.shared_per_block) {
      continue;
    }
    // A block's table takes 2 KiB more; sums and elements on their way to shared memory take registers for three.
    how.blocks = what.in == DType::kF32 || shape.cols > 64
                     ? 1
                     : std::clamp<int64_t>(gpu.shared_per_sm / (how.SharedBytes() + (3 << 10)), 1, 3);
    const int64_t across = CeilDiv(what.features, how.cols) * what.groups;
    const int64_t each =
        std::max<int64_t>(1, gpu.sms * how.blocks / across);  // CTAs that walk the tiles of some features
    const double terms = Terms(what), full = static_cast<double>(how.rows * how.cols) / (128 * 128);
    const double fetch = static_cast<double>(how.rows * slots * depth) / kFewPerClk,
                 multiply = static_cast<double>(how.rows * how.cols * slots * depth) * terms / shape.products;
    const double clks = kFillClks + CeilDiv(CeilDiv(what.pixels, how.rows), each) *
                                        (kSlotClks * slots + kFinishClks * std::max(1.0, how.blocks * full) +
                                         (fetch + multiply) * how.blocks);
    const double us = clks * kUsPerClk, memory = MemoryUs(what, gpu);
    how.us = std::max(memory, us) + 0.46 * std::min(memory, us) + 0.1;
    all.push_back(how);
  }
}

void AddDepthwise(const ConvWhat& what, const Gpu& gpu, std::vector<ConvHow>& all) {
  if (SumsCodes(what) || what.channels != 1 || what.taps > kMaxTaps) {
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
  const int64_t patches = stages * rows * 128, weights = stages * cols * 128, tile = rows * (cols + 8) * 4;
  return form == ConvForm::kFew ? std::max(patches, tile) + weights : std::max(patches + weights, tile);
}

std::string ConvHow::Name() const {
  if (form == ConvForm::kDepthwise) {
    return absl::StrCat("depthwise x", lanes);
  }
  const char* name = form == ConvForm::kTiles ? "tiles" : form == ConvForm::kFew ? "few" : "gather";
  return absl::StrFormat("%s %dx%d%s", name, rows, cols, split > 1 ? absl::StrCat(" split ", split) : "");
}

std::vector<ConvHow> ConvCandidates(const ConvWhat& what, const Gpu& gpu) {
  std::vector<ConvHow> all;
  AddTiles(what, gpu, all);
  AddFew(what, gpu, all);
  AddDepthwise(what, gpu, all);
  return all;
}

}  // namespace sluice::kernels
