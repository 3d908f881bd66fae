#include "kernels/attention/attention_choice.h"

#include <algorithm>

#include "runtime/base/status.h"

namespace sluice::kernels {
namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t RoundUp(int64_t a, int64_t b) { return CeilDiv(a, b) * b; }

// ---- prefill

// Fitted to runs on an H200 (bench/kernels.py sweep).  Rate: the share of 4096 multiply-adds / clk and SM that a long
// loop of these tiles reached, all blocks of an SM together; clks: what a tile costs beside its blocks of keys.
struct PrefillTile {
  int64_t dim, keys, consumers, q_stages, stages, per_sm;
  double rate, clks;
};
constexpr PrefillTile kPrefillTiles[] = {
    {64, 128, 3, 2, 2, 1, 0.6, 2750},   {64, 128, 2, 2, 2, 1, 0.47, 1650},  {64, 128, 1, 2, 2, 2, 0.495, 840},
    {64, 80, 1, 2, 2, 3, 0.533, 900},   {64, 64, 1, 2, 2, 3, 0.485, 730},   {128, 128, 2, 2, 2, 1, 0.784, 2600},
    {128, 80, 3, 1, 3, 1, 0.896, 5050}, {128, 64, 3, 1, 2, 1, 0.808, 3650}, {128, 64, 2, 2, 2, 1, 0.65, 2600},
    {128, 64, 1, 2, 2, 2, 0.5, 1000},   {256, 64, 2, 1, 2, 1, 0.6, 2600}};
constexpr double kGhz = 1.6;  // under sustained tensor load
constexpr double kPrefillStartUs = 2.3;
constexpr double kAlone = 0.15;  // what a tile takes longer than its share, for each block that could be beside it
constexpr int64_t kMaxDim = 256;

// A tile costs its two products at the rate for each 64 queries and block of keys that they see (blocks that the mask
// cuts cost as much as full ones, which is what small tiles save), plus a start and an end.
double PrefillUs(const AttentionWhat& what, const PrefillTile& tile, const Gpu& gpu) {
  const int64_t queries = 64 * tile.consumers, past = std::max<int64_t>(0, what.t - what.s);
  const double block_clks = 4.0 * 64 * tile.keys * tile.dim / 4096 / tile.rate;
  double all = 0, longest = 0;
  for (int64_t last = what.s; last > 0; last -= queries) {  // tiles end with the queries
    double clks = tile.clks;
    for (int64_t q = last; q > std::max<int64_t>(0, last - queries); q -= 64) {
      const int64_t begin = what.window > 0 ? std::max<int64_t>(0, q - 64 + past - what.window + 1) : 0;
      const int64_t end = what.causal ? q + past : what.t;
      clks += ((end - 1) / tile.keys - begin / tile.keys + 1) * block_clks;
    }
    all += clks;
    longest = std::max(longest, clks * (1 + kAlone * static_cast<double>(tile.per_sm - 1)));
  }
  const double tiles = std::max(1.0, static_cast<double>(what.b) * what.h * CeilDiv(what.s, queries));
  // A list that ends unevenly: as if half a tile more on every SM.
  const double busy = std::min<double>(gpu.sms, tiles), tail = tiles > busy ? 1 + 0.5 * busy / tiles : 1;
  return std::max(longest, all * what.b * what.h / busy * tail) / (kGhz * 1e3) + kPrefillStartUs;
}

bool SixteenBits(const AttentionWhat& what) {
  return what.same_types && (what.type == DType::kBF16 || what.type == DType::kF16) && what.d % 8 == 0 &&
         what.e % 8 == 0 && what.d > 0 && what.e > 0 && std::max(what.d, what.e) <= kMaxDim;
}

int64_t PanelDim(const AttentionWhat& what) {
  const int64_t dim = std::max(what.d, what.e);
  return dim <= 128 ? RoundUp(dim, 64) : kMaxDim;
}

// Three consumers have registers for the causal pattern and one thing more, as long as neither that nor the keys are
// many.
bool ThreeHold(const PrefillTile& tile, const AttentionWhat& what) {
  const int more = what.bias + what.key_mask + what.slopes + (what.window > 0);
  const bool small = tile.keys > tile.dim ? !what.bias && !what.key_mask && !what.softcap && !what.lengths
                                          : !what.bias || what.bias_rows > 0;
  return !what.empty_rows && (more == 0 || (more == 1 && small));
}

// Whether the tile's registers hold what `what` asks beside the plain pattern: ptxas must not spill.
bool Holds(const PrefillTile& tile, const AttentionWhat& what) {
  if (tile.consumers > 2 && !ThreeHold(tile, what)) {
    return false;
  }
  if (tile.per_sm > 2 && tile.keys > 64 && what.empty_rows && (what.causal || what.lengths)) {
    return false;
  }
  // The bias comes in panels of 64 keys.
  return !what.bias || (tile.dim * tile.keys <= 128 * 64 && tile.keys % 64 == 0);
}

void AddPrefill(const AttentionWhat& what, const Gpu& gpu, std::vector<AttentionHow>& all) {
  for (const PrefillTile& tile : kPrefillTiles) {
    if (!SixteenBits(what) || tile.dim != PanelDim(what) || what.beyond_ends || !Holds(tile, what)) {
      continue;
    }
    AttentionHow how{.form = AttentionForm::kPrefill,
                     .dim = tile.dim,
                     .keys = tile.keys,
                     .consumers = tile.consumers,
                     .q_stages = tile.q_stages,
                     .stages = tile.stages,
                     .bias_rows = std::min(what.bias_rows, 64 * tile.consumers),
                     .per_sm = tile.per_sm,
                     .us = PrefillUs(what, tile, gpu)};
    how.ctas = gpu.sms * how.per_sm;
    all.push_back(how);
  }
}

// ---- decode

constexpr int64_t kTileKeys = 64;
constexpr int64_t kMaxRows = 16;     // of a key head: two groups of 8
constexpr int64_t kMaxBatch = 1024;  // whose lengths one block sums
// Microseconds, fitted on an H200: to start, to go on to another item, and to merge one that is cut.
constexpr double kStartUs = 3.3, kSwitchUs = 2.3, kLongSwitchUs = 0.2, kMergeUs = 1.7, kEightPartsUs = 0.1;
constexpr double kSmGbs = 65;  // what one SM draws when few are busy

// The number of blocks whose slowest run is the shortest: start, stream, one more switch for each further item it
// touches, and a merge if items are cut.
//   8 items of 1024 tiles on 132 SMs:  132 blocks touch two items each, 128 one each  -> 128, although four SMs idle
void PredictDecode(const AttentionWhat& what, const Gpu& gpu, AttentionHow& how) {
  const int64_t keys = what.window > 0 ? std::min(what.t, what.window + kTileKeys) : what.t;
  const int64_t items = std::max<int64_t>(1, what.b * what.g),
                tiles = items * std::max<int64_t>(1, CeilDiv(keys, kTileKeys));
  const double tile_bytes = 2.0 * kTileKeys * (what.d + what.e);
  how.us = 1e30;
  for (int64_t ctas = 1; ctas <= std::min<int64_t>(gpu.sms, tiles); ++ctas) {
    const int64_t run = CeilDiv(tiles, ctas);
    const double gbs = std::min(kSmGbs, gpu.read_gbs / ctas);
    const bool uncut = items % ctas == 0, aligned = uncut || ctas % items == 0;
    const int64_t touched = aligned ? CeilDiv(items, ctas) : run * items / tiles + 2;
    const int64_t parts = CeilDiv(ctas, items);
    const double merge = uncut ? 0 : kMergeUs + kEightPartsUs * CeilDiv(parts, 8);
    const double us =
        kStartUs + run * tile_bytes / (gbs * 1e3) + (touched - 1) * (run > 32 ? kLongSwitchUs : kSwitchUs) + merge;
    if (us <= how.us) {
      how.us = us;
      how.ctas = ctas;
    }
  }
}

void AddDecode(const AttentionWhat& what, const Gpu& gpu, std::vector<AttentionHow>& all) {
  const int64_t rows = what.s_max < 0 ? kMaxRows + 1 : what.s_max * what.h / std::max<int64_t>(1, what.g);
  if (!SixteenBits(what) || rows > kMaxRows || rows < 1 ||
      (what.lengths && (what.b_max < 0 || what.b_max > kMaxBatch))) {
    return;
  }
  AttentionHow how{.form = AttentionForm::kDecode, .dim = PanelDim(what), .rows8 = CeilDiv(rows, 8)};
  how.stages = how.dim <= 128 ? 4 : 2;
  PredictDecode(what, gpu, how);
  how.us *= 1 + 0.1 * (how.rows8 - 1);  // half the warps share a tile's keys
  all.push_back(how);
}

// ---- any

void AddAny(const AttentionWhat& what, const Gpu& gpu, std::vector<AttentionHow>& all) {
  if (!what.same_types || std::max(what.d, what.e) > kMaxDim) {
    return;
  }
  AttentionHow how{.form = AttentionForm::kAny};
  how.dim = std::max<int64_t>(8, RoundUp(std::max(what.d, what.e), 8));
  how.real_bytes = what.type == DType::kF64 ? 8 : 4;
  how.ctas = CeilDiv(what.s, 16) * what.b * what.h;
  // Shared memory bounds it: about 16 multiply-adds / clk and SM.
  const double products = static_cast<double>(what.b) * what.h * RoundUp(what.s, 16) * what.t * (what.d + what.e);
  how.us = products / std::min<double>(gpu.sms, std::max<int64_t>(1, how.ctas)) / 16 / (kGhz * 1e3) + 3;
  all.push_back(how);
}

}  // namespace

int64_t AttentionHow::SharedBytes(int64_t batch) const {
  switch (form) {
    case AttentionForm::kPrefill: {
      const int64_t queries = 64 * consumers, barriers = (2 * q_stages + 4 * stages + 2) * 8;
      const int64_t kept = stages * CeilDiv(keys, 32) * 4, tiles = (q_stages + 1) * 36;
      const int64_t slot = 2 * keys * dim * 2 + RoundUp(bias_rows, 8) * keys * 2;
      return RoundUp(q_stages * queries * dim * 2 + stages * slot + barriers + RoundUp(kept + tiles, 8), 1024);
    }
    case AttentionForm::kDecode: {
      const int64_t rows = 8 * rows8, merge = warps() * rows * (dim + 4 + 2) * 4;
      return RoundUp(stages * 2 * kTileKeys * dim * 2 + merge + 2 * stages * 8 + (batch > 0 ? batch + 1 : 1) * 4 + 4,
                     1024);
    }
    case AttentionForm::kAny:
      return ((16 + 32) * (dim + 1) + 32 * dim + 16 * 32) * real_bytes;
  }
  return 0;
}

std::string AttentionHow::Name() const {
  switch (form) {
    case AttentionForm::kPrefill:
      return absl::StrFormat("prefill %dx%d d%d%s", 64 * consumers, keys, dim,
                             per_sm > 1 ? absl::StrCat(" x", per_sm) : "");
    case AttentionForm::kDecode:
      return absl::StrFormat("decode %d rows d%d c%d", 8 * rows8, dim, ctas);
    case AttentionForm::kAny:
      return absl::StrFormat("any d%d", dim);
  }
  return "";
}

std::vector<AttentionHow> AttentionCandidates(const AttentionWhat& what, const Gpu& gpu) {
  std::vector<AttentionHow> all;
  AddPrefill(what, gpu, all);
  AddDecode(what, gpu, all);
  AddAny(what, gpu, all);
  return all;
}

}  // namespace sluice::kernels
