// attention_prefill.cuh: what a CTA holds, which tiles there are and in which order they are taken, and the two threads
// that fetch them: the scheduler (which tile) and the producer (its Q, K and V).
#pragma once
#include "kernels/attention/attention_score.cuh"
#include "kernels/device/tma.cuh"

namespace sl {

template <class How_>
struct PrefillPlan : How_ {
  using How = How_;
  using typename How_::Element;
  static constexpr int kDim = How_::kDim, kKeys = How_::kKeys, kConsumers = How_::kConsumers, kStages = 2;
  static constexpr int kQStages = How_::kQStages, kPanels = kDim / 64;
  static constexpr bool kTakeTurns = kConsumers == 3;  // measured: 0..4 % with three consumers, 0..-1 % with two
  static constexpr int kQueries = 64 * kConsumers, kThreads = 128 * (kConsumers + 1);
  // Their sum over the warpgroups must be what the launch allocated.
  static constexpr int kProducerRegs = kConsumers == 2 ? 40 : 32, kConsumerRegs = kConsumers == 2 ? 232 : 160;
  // Every score passes through logit and kept, not only those of blocks that the mask cuts.
  static constexpr bool kEveryScore = How_::kBias || How_::kSlopes || How_::kKeyMask;
};

// One unit of work: up to kQueries queries of one head against blocks of kKeys keys.  Valid from q_full to q_empty.
struct PrefillTile {
  int batch, head, first;       // first: index of the first query; -1: no more work
  int count;                    // keys of its sequence
  int first_block, last_block;  // walked from last down to first; none if last < first
  int clean0, clean1;           // blocks in [clean0, clean1) need no mask
};

template <class P>
struct PrefillShared {
  alignas(1024) uint16_t q[P::kQStages][P::kPanels][P::kQueries][64];
  alignas(1024) uint16_t k[P::kStages][P::kPanels][P::kKeys][64];
  alignas(1024) uint16_t v[P::kStages][P::kPanels][P::kKeys][64];
  uint64_t q_full[P::kQStages], q_empty[P::kQStages];
  uint64_t k_full[P::kStages], k_empty[P::kStages], v_full[P::kStages], v_empty[P::kStages];
  PrefillTile tile[P::kQStages];  // travels with q
  PrefillTile pending;            // what the scheduler found next
  uint64_t pending_full, pending_empty;
};

// The list of tiles, in the order CTAs take them: as many heads together as L2 holds the keys of, within those the last
// (with a causal mask: longest) queries first.
template <class P>
struct PrefillList {
  const AttentionSizes& sizes;
  const AttentionExtras<typename P::How>& extras;
  int rows, together;  // query blocks of a head; (batch, head) pairs walked together

  SL_DEVICE PrefillList(const AttentionSizes& sizes, const AttentionExtras<typename P::How>& extras)
      : sizes(sizes), extras(extras), rows(ceil_div(sizes.s, P::kQueries)) {
    const int64_t head_bytes = int64_t(sizes.t) * P::kDim * 2 * 2;
    together = sizes.h / max(sizes.g, 1) *
               int(max(int64_t(1), min(int64_t(sizes.g) * sizes.b, P::kHeadBytes / max(head_bytes, int64_t(1)))));
  }
  SL_DEVICE int count() const { return rows * sizes.b * sizes.h; }
  SL_DEVICE PrefillTile at(int i) const {
    PrefillTile tile;
    tile.first = -1;
    if (i >= count()) {
      return tile;
    }
    const int chunk = i / (rows * together), rest = i - chunk * (rows * together);
    const int width = min(together, sizes.b * sizes.h - chunk * together), row = rest / width;
    const int pair = chunk * together + rest - row * width;
    tile.batch = pair / sizes.h, tile.head = pair - tile.batch * sizes.h, tile.first = (rows - 1 - row) * P::kQueries;

    const Sequence<typename P::How> sequence(extras, sizes, tile.batch);
    tile.count = sequence.count;
    const int q0 = sequence.first_query + tile.first, q1 = min(q0 + P::kQueries, tile.count);
    const Keys any = sequence.any(q0, q1), all = sequence.all(q0, q1);
    tile.first_block = any.begin / P::kKeys;
    tile.last_block = any.end > any.begin ? (any.end - 1) / P::kKeys : tile.first_block - 1;
    tile.clean0 = (all.begin + P::kKeys - 1) / P::kKeys, tile.clean1 = all.end / P::kKeys;
    return tile;
  }
};

// One thread: takes tiles from the shared counter and works out where they lie, a tile ahead of the producer.
template <class P>
SL_DEVICE void schedule_attention(PrefillShared<P>& sm, const PrefillList<P>& list, uint32_t* next) {
  Ring<1> pending;
  for (int index = blockIdx.x;; pending.next()) {
    const PrefillTile tile = list.at(index);
    barrier_wait(shared_address(&sm.pending_empty), pending.parity ^ 1);
    sm.pending = tile;
    barrier_arrive(shared_address(&sm.pending_full));
    if (tile.first < 0) {
      return;
    }
    const int taken = int(atomicAdd(next, 1u));
    if (taken == list.count() - 1) {
      *next = 0;  // one take a tile: this was the last, so rewind for the next launch
    }
    index = gridDim.x + taken;
  }
}

// One thread: keeps the loads of Q, K and V in flight.
template <class P>
SL_DEVICE void produce_attention(PrefillShared<P>& sm, const TensorMap& q_map, const TensorMap& k_map,
                                 const TensorMap& v_map, const AttentionSizes& sizes) {
  Ring<P::kQStages> q;
  Ring<P::kStages> k, v;
  Ring<1> pending;
  auto load = [](auto& ring, const TensorMap& map, uint64_t* full, uint64_t* empty, auto& to, int row, int head,
                 int batch) {
    barrier_wait(shared_address(&empty[ring.slot]), ring.parity ^ 1);
    const uint32_t bar = shared_address(&full[ring.slot]);
    barrier_expect(bar, sizeof(to[0]));
#pragma unroll
    for (int p = 0; p < P::kPanels; ++p) tma_load(shared_address(to[ring.slot][p]), map, bar, p * 64, row, head, batch);
    ring.next();
  };
  while (true) {
    barrier_wait(shared_address(&sm.pending_full), pending.parity);
    const PrefillTile tile = sm.pending;
    barrier_arrive(shared_address(&sm.pending_empty));
    pending.next();
    const int head = tile.head / (sizes.h / sizes.g), first_row = tile.first_block * P::kKeys;
    int row = tile.last_block * P::kKeys;
    const bool any = tile.first >= 0 && row >= first_row;
    if (any) {
      load(k, k_map, sm.k_full, sm.k_empty, sm.k, row, head, tile.batch);
    }
    barrier_wait(shared_address(&sm.q_empty[q.slot]), q.parity ^ 1);
    sm.tile[q.slot] = tile;
    if (tile.first < 0) {
      barrier_arrive(shared_address(&sm.q_full[q.slot]));
      return;
    }
    load(q, q_map, sm.q_full, sm.q_empty, sm.q, tile.first, tile.head, tile.batch);
#pragma unroll 1
    for (; row > first_row; row -= P::kKeys) {
      load(k, k_map, sm.k_full, sm.k_empty, sm.k, row - P::kKeys, head, tile.batch);
      load(v, v_map, sm.v_full, sm.v_empty, sm.v, row, head, tile.batch);
    }
    if (any) {
      load(v, v_map, sm.v_full, sm.v_empty, sm.v, row, head, tile.batch);
    }
  }
}

}  // namespace sl
