// attention_decode.cuh: what a CTA holds, the line of tiles, how it is cut into runs, and the thread that streams a
// run.
#pragma once
#include "kernels/attention/attention_score.cuh"
#include "kernels/device/tma.cuh"

namespace sl {

template <class How_>
struct DecodePlan : How_ {
  using How = How_;
  using typename How_::Element;
  static constexpr int kDim = How_::kDim, kPanels = kDim / 64, kRows8 = How_::kRows8, kRows = 8 * kRows8, kKeys = 64;
  static constexpr int kStages = How_::kStages, kWarps = How_::kWarps, kThreads = 32 * (kWarps + 1);
  static constexpr int kTogether = 2, kWarpKeys = kKeys / kTogether;  // warps that share the keys of a tile
  static constexpr int kTeams = kWarps / kTogether;
  static constexpr int kPanelBytes = kKeys * 128, kTileBytes = kPanels * kPanelBytes;
  static constexpr int kPartFloats = kRows * (kDim + 2);  // accumulators, then (max, sum) of each row
  static_assert(kStages % kTeams == 0, "a stage must have one owner");
};

template <class P>
struct DecodeShared {
  alignas(1024) uint8_t kv[P::kStages][2][P::kTileBytes];  // K, V
  float o[P::kWarps][P::kRows][P::kDim + 4];               // + 4: no bank conflicts
  float max[P::kWarps][P::kRows], sum[P::kWarps][P::kRows];
  uint64_t full[P::kStages], empty[P::kStages];
  int before[P::kLengths ? P::kBatch + 1 : 1];  // tiles of a key head of the sequences before each
  int last;
};

// The tiles of the sequences, per key head.  Every sequence has at least one, so that its result is written.
template <class P>
struct TileLine {
  using How = typename P::How;
  const DecodeShared<P>& sm;
  const AttentionSizes& sizes;
  const AttentionExtras<How>& extras;

  SL_DEVICE int first_tile(int batch) const {
    const Sequence<How> sequence(extras, sizes, batch);
    return max(0, min(sequence.any(sequence.first_query, sequence.count).begin, sequence.count - 1)) / P::kKeys;
  }
  SL_DEVICE int tiles(int batch) const {
    return max(1, ceil_div(Sequence<How>(extras, sizes, batch).count, P::kKeys) - first_tile(batch));
  }
  SL_DEVICE int before(int batch) const { return P::kLengths ? sm.before[batch] : batch * tiles(0); }
  // The sequence in which tile `tile` of the line lies.
  SL_DEVICE int at(int tile) const {
    if constexpr (!P::kLengths) {
      return tile / (tiles(0) * sizes.g);
    }
    int low = 0, high = sizes.b;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (before(middle) * sizes.g <= tile) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }
};

// Sums the tiles of all sequences into sm.before; one warp.
template <class P>
SL_DEVICE void sum_tiles(DecodeShared<P>& sm, const TileLine<P>& line) {
  const int lane = threadIdx.x % 32;
  int base = 0;
  for (int b0 = 0; b0 < line.sizes.b; b0 += 32) {
    int sum = b0 + lane < line.sizes.b ? line.tiles(b0 + lane) : 0;
#pragma unroll
    for (int d = 1; d < 32; d *= 2) {
      const int other = __shfl_up_sync(~0u, sum, d);
      if (lane >= d) {
        sum += other;
      }
    }
    if (b0 + lane < line.sizes.b) {
      sm.before[b0 + lane + 1] = base + sum;
    }
    base += __shfl_sync(~0u, sum, 31);
  }
  if (lane == 0) {
    sm.before[0] = 0;
  }
}

// The part of one item that lies in this CTA's run: the first, or none; next() moves to the following one.
//
// A run that goes on from one item to another costs about as much as two tiles.  So where all sequences are as long,
// items may get a whole number of runs each, and some CTAs none.
template <class P>
struct Segment {
  const TileLine<P>& line;
  int total;                 // tiles on the line: fewer than 2^31, each being kilobytes of one memory
  int ctas;                  // that have a run
  int run, longer;           // tiles of a run; the first `longer` ones have one more
  int tile, run_end;         // the tile after the segment; the end of this CTA's run
  int batch, before, tiles;  // sequence; tiles of a key head before it and of it
  int head, first, end;      // tiles [first, end) of item (batch, head)
  int cta0, parts;           // CTAs that share the item
  bool some;                 // there is a segment

  SL_DEVICE explicit Segment(const TileLine<P>& line)
      : line(line),
        total(line.sizes.h * line.sizes.s == 0 ? 0 : line.before(line.sizes.b) * line.sizes.g),
        ctas(min(int(gridDim.x), total)) {
    const int items = line.sizes.b * line.sizes.g;
    if (!P::kLengths && 0 < items && items <= ctas) {
      const int whole = ctas - ctas % items;
      ctas = ceil_div(total, whole) <= ceil_div(total, ctas) + 2 ? whole : ctas;
    }
    run = total / max(ctas, 1), longer = total - run * ctas;
    tile = run_end = 0;
    if (blockIdx.x < ctas) {  // more CTAs than tiles would leave holes among the parts of an item
      tile = cut(blockIdx.x), run_end = cut(blockIdx.x + 1);
      move_to(line.at(tile));
    }
    next();
  }
  SL_DEVICE void move_to(int b) { batch = b, before = line.before(b), tiles = line.before(b + 1) - before; }
  SL_DEVICE void next() {
    some = tile < run_end;
    if (!some) {
      return;
    }
    while (tile >= (before + tiles) * line.sizes.g) {
      move_to(batch + 1);
    }
    const int offset = tile - before * line.sizes.g;
    head = offset / tiles, first = offset % tiles;
    end = min(tiles, first + run_end - tile);
    cta0 = cta_of(tile - first), parts = cta_of(tile - first + tiles - 1) - cta0 + 1;
    tile += end - first;
  }
  SL_DEVICE int cut(int cta) const { return cta * run + min(cta, longer); }
  SL_DEVICE int cta_of(int t) const {
    const int others = t - longer * (run + 1);  // tiles of the shorter runs before it, if it lies in one
    return others < 0 ? t / (run + 1) : longer + others / run;
  }
};

// Brings what the ring takes first to L2, ahead of the turn: most keys and values are older than the kernel before, and
// what that one still writes it writes there.  Only where that is all: longer runs are bound by the bandwidth.
template <class P>
SL_DEVICE void prefetch_tiles(const TensorMap& k_map, const TensorMap& v_map, const Segment<P>& part) {
  const int skipped = part.line.first_tile(part.batch);
#pragma unroll 1
  for (int tile = part.first; part.run < P::kStages && tile < part.end; ++tile) {
#pragma unroll
    for (int p = 0; p < P::kPanels; ++p) {
      tma_prefetch(k_map, p * 64, (skipped + tile) * P::kKeys, part.head, part.batch);
      tma_prefetch(v_map, p * 64, (skipped + tile) * P::kKeys, part.head, part.batch);
    }
  }
}

template <class P>
SL_DEVICE void stream_tiles(DecodeShared<P>& sm, const TensorMap& k_map, const TensorMap& v_map, Segment<P> part) {
  const TileLine<P>& line = part.line;
  const uint64_t once = evict_first();
  Ring<P::kStages> ring;
  for (; part.some; part.next()) {
    const int skipped = line.first_tile(part.batch);
#pragma unroll 1
    for (int tile = part.first; tile < part.end; ++tile, ring.next()) {
      const uint32_t bar = shared_address(sm.full, ring.slot), to = shared_address(sm.kv, ring.slot);
      barrier_wait(shared_address(sm.empty, ring.slot), ring.parity ^ 1);
      barrier_expect(bar, 2 * P::kTileBytes);
      const int row = (skipped + tile) * P::kKeys;
#pragma unroll
      for (int p = 0; p < P::kPanels; ++p) {
        tma_load_hint(to + p * P::kPanelBytes, k_map, bar, p * 64, row, part.head, part.batch, once);
        tma_load_hint(to + P::kTileBytes + p * P::kPanelBytes, v_map, bar, p * 64, row, part.head, part.batch, once);
      }
    }
  }
}

}  // namespace sl
