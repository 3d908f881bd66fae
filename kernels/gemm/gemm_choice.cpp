#include "kernels/gemm/gemm_choice.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/base/status.h"

namespace sluice::kernels {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t RoundUp(int64_t a, int64_t b) { return CeilDiv(a, b) * b; }

// Fitted to a sweep of every plan over 60 shapes on an H200 (bench/kernels.py sweep): choosing by these predictions
// costs 1.9 % against the best plan of each shape.
constexpr double kGhz = 1.98;          // the boost clock; under load part of the efficiency below is a lower one
constexpr double kSmBytesPerClk = 52;  // that one SM takes in, however they are sent to it
constexpr double kOneConsumerBytesPerClk =
    66;  // the same, where no second consumer waits for its slot and neighbours ask for blocks alike
constexpr double kFillCost = 6.6;        // of a row that TMA fills against one it reads
constexpr double kL2BytesPerClk = 6800;  // that L2 gives; a multicast counts once
constexpr double kUsPerClk = 1e-3 / kGhz;
constexpr double kPanelUs = 0.4;  // until what the epilogue reads is there, where no room was left to ask for it early

// Rows that a kernel which takes `rows` of x at most reads of it.
int64_t BoxRows(int64_t rows) { return RoundUp(std::max<int64_t>(1, rows), 8); }

double MemoryUs(const GemmWhat& what, const Gpu& gpu) {
  const double weight = static_cast<double>(what.n) * what.k * BitWidth(what.weight) / 8;
  const double in = static_cast<double>(what.m) * what.k * BitWidth(what.in) / 8 / static_cast<double>(what.taps);
  const double out = static_cast<double>(what.m) * what.n / what.parts * BitWidth(what.out) / 8;
  return what.batch * (weight + in + (what.finish_reads ? 2 : 1) * out) / (gpu.read_gbs * 1e3);
}

// ---- tiles

struct TilePlan {
  int64_t rows, cols, stages, multicast, split;
  bool ping_pong = false;
};
// Those of 64 rows are for layers that leave SMs idle: each takes in less.
constexpr TilePlan kTilePlans[] = {
    {128, 256, 4, 2, 1},      {128, 256, 4, 1, 1},       {128, 224, 4, 2, 1},       {128, 224, 4, 1, 1},
    {128, 192, 4, 2, 1},      {128, 192, 4, 1, 1},       {128, 160, 5, 2, 1},       {128, 160, 5, 1, 1},
    {128, 128, 6, 2, 1},      {128, 128, 6, 1, 1},       {128, 96, 7, 2, 1},        {128, 96, 7, 1, 1},
    {128, 64, 8, 2, 1},       {128, 64, 8, 1, 1},        {128, 256, 4, 1, 2},       {128, 256, 4, 1, 4},
    {128, 128, 6, 1, 2},      {128, 128, 6, 1, 4},       {128, 96, 7, 1, 2},        {128, 64, 8, 1, 2},
    {128, 64, 8, 1, 4},       {128, 128, 6, 2, 1, true}, {128, 128, 6, 1, 1, true}, {128, 64, 8, 2, 1, true},
    {128, 64, 8, 1, 1, true}, {64, 64, 13, 1, 1},        {64, 64, 13, 1, 2},        {64, 64, 13, 1, 4},
    {64, 96, 10, 1, 1},       {64, 96, 10, 1, 2},        {64, 128, 8, 1, 1},        {64, 128, 8, 1, 2}};
constexpr int64_t kNarrowest = 64;
constexpr int64_t kStreamTokens = 64;  // the most a stream takes

// Types that wgmma multiplies: 16-bit floats, or 8-bit codes along the depth.
bool ByWgmma(const GemmWhat& what) {
  if (SumsCodes(what)) {
    return !what.weight_by_width && what.parts == 1;
  }
  return what.in == what.weight && (what.in == DType::kBF16 || what.in == DType::kF16) &&
         (what.out == DType::kBF16 || what.out == DType::kF16 || what.out == DType::kF32);
}

// Rows of 16-byte pitch, which tensor maps ask for.
bool Pitched(const GemmWhat& what) {
  const int64_t chunk = 128 / BitWidth(what.in);
  return what.dense_constant && what.k > 0 && what.n > 0 && what.k % chunk == 0 &&
         (!what.weight_by_width || what.n % chunk == 0);
}

// GPCs are not multiples of 4 SMs, and a cluster lies within one.
int64_t Clusters(const GemmHow& how, const Gpu& gpu) {
  return (how.cluster() < 4 ? gpu.sms : gpu.sms_in_clusters_of_4) / how.cluster();
}

void PredictTiles(const GemmWhat& what, const Gpu& gpu, GemmHow& how) {
  const int64_t tile_rows = CeilDiv(what.m, how.rows), rows = CeilDiv(tile_rows, how.multicast);
  const int64_t clusters = std::max<int64_t>(1, rows * CeilDiv(what.n, how.cols) * what.batch);
  const int64_t waves = CeilDiv(clusters, Clusters(how, gpu)), busy = CeilDiv(clusters, waves) * how.cluster();
  // The cluster of a split leaves after its tile; others persist, no more of them than the waves need.
  how.ctas = how.split > 1 ? clusters * how.cluster() : what.m_constant ? busy : Clusters(how, gpu) * how.cluster();
  // A wave covers about band × (ctas / band) tiles: square in bytes.
  const double square = std::sqrt(static_cast<double>(gpu.sms) * how.cols / how.rows) / how.multicast;
  how.band = std::max<int64_t>(1, std::lround(square));

  // A block of k costs, in clk, the largest of: multiplying it, taking it in, and drawing it from L2.
  const double efficiency = (how.ping_pong ? 1.0 : 0.88) * (1 - 12.0 / how.cols) / (1 - 12.0 / 256);
  const int64_t rows_in = std::min(what.m, how.rows), beyond = std::max<int64_t>(0, how.box - rows_in);
  const double rows_bytes = (what.fills ? rows_in + beyond * kFillCost : how.box) * 128.0,
               cols_bytes = how.cols * 128.0;
  const double intake = how.Consumers() == 1 && how.split == 1 ? kOneConsumerBytesPerClk : kSmBytesPerClk;
  const double block = std::max({how.rows / 32.0 * how.cols / efficiency, (rows_bytes + cols_bytes) / intake,
                                 (how.box * 128.0 + cols_bytes / how.multicast) * busy / kL2BytesPerClk});
  const int64_t depth = CeilDiv(CeilDiv(what.k, BlockDepth(what)), how.split);
  double us = (static_cast<double>(waves) * depth * block + 2.0 * how.cols) * kUsPerClk + 1.0;
  // The epilogue: one consumer's warps issue at half the rate of both.
  const double finish = how.rows * how.cols / how.split / how.parts * what.finish_ops /
                        (how.Consumers() == 1 || how.ping_pong ? 80 : 110) * kUsPerClk;
  const double multiply = depth * block * kUsPerClk;
  if (how.ping_pong) {
    us += waves == 1 ? 0.7 : 0;  // one consumer idles
    us += finish + (waves - 1) * std::max(0.0, finish - multiply);
  } else {
    us += (waves - 1) * 0.007 * how.cols;  // stores that nothing hides
    us += waves * (finish + (what.finish_reads ? kPanelUs * (how.TilePanels() - how.panels) : 0));
  }
  if (how.multicast > 1 && what.fills && tile_rows % 2) {
    us *= 1 + 0.5 / tile_rows;  // a tile wholly outside fills slowly
  }
  if (how.split > 1) {  // the exchange: 17 bytes / ns
    us += 0.1 + waves * how.rows * how.cols * 4e-3 * (how.split - 1) / how.split / 17 + (waves - 1) * 2;
  }
  const double memory = 1.05 * MemoryUs(what, gpu);
  how.us = std::max(memory + std::min(3.5, 2.5 + 0.1 * memory), us) + 0.08 * us;
}

void AddTiles(const GemmWhat& what, const Gpu& gpu, std::vector<GemmHow>& all) {
  if (!ByWgmma(what) || !Pitched(what)) {
    return;
  }
  for (const TilePlan& plan : kTilePlans) {
    // Width-major weights come in boxes of 64 columns, which multicasting CTAs share evenly.
    if (what.weight_by_width && plan.cols % (64 * plan.multicast) != 0) {
      continue;
    }
    const bool half_empty = plan.cols >= 2 * what.n && plan.cols > kNarrowest;
    if (plan.rows <= kStreamTokens && what.m_max >= 0 && what.m_max <= kStreamTokens) {
      continue;  // streams do
    }
    if (CeilDiv(what.k, BlockDepth(what)) < plan.split || plan.cols / plan.split % (16 * what.parts) != 0 ||
        half_empty) {
      continue;
    }
    GemmHow how{.form = GemmForm::kTiles,
                .rows = plan.rows,
                .cols = plan.cols,
                .stages = plan.stages,
                .multicast = plan.multicast,
                .split = plan.split,
                .ping_pong = plan.ping_pong,
                .box = BoxRows(what.m_max < 0 ? plan.rows : std::min(what.m_max, plan.rows)),
                .parts = what.parts};
    if (what.finish_reads) {  // the more room, the earlier it is asked for
      const int64_t each = how.Consumers() * (64 * how.PanelCols() * 2 + 8),
                    room = (gpu.shared_per_block - how.SharedBytes()) / each;
      how.panels = std::clamp(how.TilePanels(), how.panels, how.panels + std::max<int64_t>(0, room));
    }
    PredictTiles(what, gpu, how);
    all.push_back(how);
  }
}

// ---- stream

constexpr int64_t kStreamShared = 113 << 10;  // two CTAs fit an SM
constexpr int64_t kStreamRows[] = {8, 16, 24, 32, 40, 48, 56, 64};

// Slots of 4 blocks of k make the fewest barriers; a ring wants at least 4 of them.
void FitStreamRing(GemmHow& how) {
  for (how.blocks = how.rows <= 32 ? 4 : 2;; how.blocks /= 2) {
    for (how.stages = 12; how.stages > 1 && how.SharedBytes() > kStreamShared; --how.stages) {
    }
    if (how.stages >= 4 || how.blocks == 1) {
      return;
    }
  }
}

// Fitted to the kernels of a decoder layer in their places (bench/decode_layer.py), 1 and 32 rows.
constexpr double kStreamUsPerClk = 1e-3 / 1.73;
constexpr double kStreamBytesPerClk = 48;
constexpr int64_t kStreamSplits[] = {1, 2, 4};

// Places for the clusters of a grid: two CTAs an SM.
int64_t StreamPlaces(const GemmHow& how, const Gpu& gpu) { return 2 * Clusters(how, gpu); }

void PredictStream(const GemmWhat& what, const Gpu& gpu, GemmHow& how) {
  const int64_t tiles = CeilDiv(what.n, how.rows), each = CeilDiv(tiles, StreamPlaces(how, gpu));
  const int64_t depth = CeilDiv(what.k, how.split);
  how.ctas = CeilDiv(tiles, each) * how.split;
  const double fill =
      2 * each * (how.rows + how.cols) * BitWidth(what.in) / 8.0 * depth / kStreamBytesPerClk * kStreamUsPerClk;
  const double mma = each * (depth * 4.0 / BlockDepth(what)) * 37 * std::max(1.0, how.cols / 32.0) * kStreamUsPerClk;
  // CTAs come in where those of the kernel before leave, two at once: a grid that leaves places empty leaves SMs idle.
  const double drawn = 0.6 + 0.4 * std::min(1.0, how.ctas / (1.5 * gpu.sms));
  const double rest = 0.5 + 0.1 * (fill + mma) + 0.03 * how.cols + (how.split > 1 ? 0.1 + 0.012 * how.cols : 0);
  how.us = std::max({MemoryUs(what, gpu) / drawn, fill, mma}) + rest;
}

// Of wgmma: that of codes has no odd multiples of 8 from 40 on.
int64_t StreamColumns(const GemmWhat& what) {
  const int64_t cols = BoxRows(what.m_max);
  return SumsCodes(what) && cols > 32 ? RoundUp(cols, 16) : cols;
}

void AddStream(const GemmWhat& what, const Gpu& gpu, std::vector<GemmHow>& all) {
  if (!ByWgmma(what) || !Pitched(what) || what.weight_by_width || what.batched || what.m_max < 0 ||
      what.m_max > kStreamTokens) {
    return;
  }
  for (const int64_t rows : kStreamRows) {
    if (rows % (8 * what.parts) != 0) {
      continue;
    }
    for (const int64_t split : kStreamSplits) {
      GemmHow how{
          .form = GemmForm::kStream, .rows = rows, .cols = StreamColumns(what), .split = split, .parts = what.parts};
      FitStreamRing(how);
      // The cluster of a split has one tile, and each of its CTAs some slots.
      const bool fits =
          CeilDiv(what.n, rows) <= StreamPlaces(how, gpu) && CeilDiv(what.k, BlockDepth(what) * how.blocks) >= split;
      if (split == 1 || fits) {
        PredictStream(what, gpu, how);
        all.push_back(how);
      }
    }
  }
}

// ---- any

constexpr std::array<int64_t, 2> kAnyTiles[] = {{16, 32}, {64, 64}, {128, 128}};

void PredictAny(const GemmWhat& what, const Gpu& gpu, GemmHow& how) {
  how.ctas = CeilDiv(what.m, how.rows) * CeilDiv(what.n, how.cols) * what.batch;
  const double products = what.tf32 ? 1 : what.in == DType::kF32 || what.weight == DType::kF32 ? 3 : 1;
  // Each clk an SM does 512 multiply-adds of tf32 by mma.sync, half of that in practice; small tiles wait for memory.
  const double per_tile = how.rows * how.cols * static_cast<double>(what.k) * products / 256 + what.k * 40.0;
  const int64_t blocks = how.rows < 128 ? 2 : 1, waves = CeilDiv(std::max<int64_t>(1, how.ctas), gpu.sms * blocks);
  how.us = std::max(MemoryUs(what, gpu), waves * per_tile * blocks * kUsPerClk) + 3;
}

void AddAny(const GemmWhat& what, const Gpu& gpu, std::vector<GemmHow>& all) {
  for (const auto& [rows, cols] : kAnyTiles) {
    if (SumsCodes(what) && (rows != 64 || what.parts > 1)) {
      continue;  // gemm_codes.cuh has one
    }
    // A warp of the smallest tile has 8 columns for each part.
    GemmHow how{
        .form = GemmForm::kAny, .rows = rows, .cols = rows == 16 ? cols * what.parts : cols, .parts = what.parts};
    PredictAny(what, gpu, how);
    all.push_back(how);
  }
}

}  // namespace

int64_t GemmHow::PanelCols() const {
  const int64_t slice = cols / split / parts;
  return slice % 64 == 0 ? 64 : slice % 32 == 0 ? 32 : 16;
}

int64_t GemmHow::SharedBytes() const {
  switch (form) {
    case GemmForm::kTiles: {
      const int64_t staging = Consumers() * panels * 64 * PanelCols() * 2;
      const int64_t barriers = 2 * stages + 1 + Consumers() * panels;
      return RoundUp(stages * (rows + cols) * 128 + staging + barriers * 8, 1024);
    }
    case GemmForm::kStream: {
      const int64_t slack = RoundUp((64 - rows) * 128 + 16, 8);
      const int64_t inbox = (split - 1) * cols * 256 + 16;
      return RoundUp(stages * blocks * (rows + cols) * 128 + slack + inbox + (2 * stages + 1) * 8, 1024);
    }
    case GemmForm::kAny:
      return 0;
  }
  return 0;
}

std::string GemmHow::Name() const {
  switch (form) {
    case GemmForm::kTiles:
      return absl::StrFormat("tiles %dx%d%s%s%s%s", rows, cols, ping_pong ? " ping-pong" : "",
                             multicast > 1 ? " multicast" : "", split > 1 ? absl::StrCat(" split ", split) : "",
                             box < rows ? absl::StrCat(" box ", box) : "");
    case GemmForm::kStream:
      return absl::StrFormat("stream %dx%d%s", rows, cols, split > 1 ? absl::StrCat(" split ", split) : "");
    case GemmForm::kAny:
      return absl::StrFormat("any %dx%d", rows, cols);
  }
  return "";
}

bool SumsCodes(const GemmWhat& what) { return BitWidth(what.in) == 8; }
int64_t BlockDepth(const GemmWhat& what) { return 1024 / BitWidth(what.in); }

double PredictGemm(const GemmWhat& what, const Gpu& gpu, GemmHow how) {
  switch (how.form) {
    case GemmForm::kTiles:
      PredictTiles(what, gpu, how);
      break;
    case GemmForm::kStream:
      PredictStream(what, gpu, how);
      break;
    case GemmForm::kAny:
      PredictAny(what, gpu, how);
      break;
  }
  return how.us;
}

std::vector<GemmHow> GemmCandidates(const GemmWhat& what, const Gpu& gpu) {
  std::vector<GemmHow> all;
  AddTiles(what, gpu, all);
  AddStream(what, gpu, all);
  AddAny(what, gpu, all);
  return all;
}

}  // namespace sluice::kernels
