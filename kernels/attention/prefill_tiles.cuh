// attention_prefill.cuh: what a CTA holds, which tiles there are and in which order they are taken, and the two warps
// that fetch them: the scheduler (which tile) and the producer (its Q, K, V and key mask).
#pragma once
#include "kernels/attention/attention_score.cuh"
#include "kernels/device/tma.cuh"

namespace sl {

template <class How_>
struct PrefillPlan : How_ {
  using How = How_;
  using typename How_::Element;
  static constexpr int kDim = How_::kDim, kKeys = How_::kKeys, kConsumers = How_::kConsumers;
  static constexpr int kStages = How_::kStages, kQStages = How_::kQStages, kPanels = kDim / 64;
  static constexpr bool kTakeTurns = kConsumers == 3;  // measured: 0..4 % with three consumers, 0..-1 % with two
  static constexpr int kQueries = 64 * kConsumers, kThreads = 128 * (kConsumers + 1);
  // What the launch allocates for a thread of each warpgroup; consumers get what the producer gives.
  static constexpr int kRegs = 65536 / (kThreads * How_::kPerSm) / 8 * 8;
  static constexpr int kProducerRegs = kConsumers == 3 ? 32 : kRegs < 96 ? 24 : 40;
  static constexpr int kConsumerRegs = (kRegs * (kConsumers + 1) - kProducerRegs) / kConsumers / 8 * 8;
  // The bias comes by TMA in panels of 64 keys, if it has rows of 16-byte pitch; else it is read where it lies.
  static constexpr int kBiasRows = How_::kBiasRows, kBiasPanels = kKeys / 64;
  // What a row without keys gives is computed under way, not zero.
  static constexpr bool kEmptyCounts = How_::kEmptyRows != kEmptyZero;
};

// One unit of work: up to kQueries queries of one head against blocks of kKeys keys.  Valid from q_full to q_empty.
struct PrefillTile {
  int batch, head;              // batch -1: no more work
  int first;                    // index of the first query; below 0 where tiles do not divide the queries
  int count;                    // keys of its sequence
  int first_block, last_block;  // walked from last down to first; none if last < first
  int clean0, clean1;           // blocks in [clean0, clean1) are within the pattern of every query
  bool all_keys;                // the blocks are all there are: a query may see no key
};

struct PrefillMaps {
  const TensorMap &q, &k, &v, &bias;  // bias: any other if it has none
};

// Panels of the bias, padded to whole lines of the swizzle; they travel with k.
template <class P, bool kAny = (P::kBiasRows > 0)>
struct PrefillBias {};
template <class P>
struct PrefillBias<P, true> {
  alignas(1024) uint16_t bias[P::kStages][P::kBiasPanels][(P::kBiasRows + 7) / 8 * 8][64];
};

template <class P>
struct PrefillShared : PrefillBias<P> {
  alignas(1024) uint16_t q[P::kQStages][P::kPanels][P::kQueries][64];
  alignas(1024) uint16_t k[P::kStages][P::kPanels][P::kKeys][64];
  alignas(1024) uint16_t v[P::kStages][P::kPanels][P::kKeys][64];
  uint64_t q_full[P::kQStages], q_empty[P::kQStages];
  uint64_t k_full[P::kStages], k_empty[P::kStages], v_full[P::kStages], v_empty[P::kStages];
  KeySet<P::kKeys> kept[P::kStages];  // by the key mask: travels with k
  PrefillTile tile[P::kQStages];      // travels with q
  PrefillTile pending;                // what the scheduler found next
  uint64_t pending_full, pending_empty;
};

// The list of tiles, in the order CTAs take them: as many heads together as L2 holds the keys of, within those the last
// (with a causal mask: longest) queries first.  Tiles end with the queries: the one that is not full is the shortest.
// Used by a whole warp.
template <class P>
struct PrefillList {
  using How = typename P::How;
  static constexpr bool kReads = How::kLengths || (P::kEmptyCounts && How::kCausal && How::kKeyMask);
  const AttentionSizes& sizes;
  const AttentionExtras<How>& extras;
  int rows, together;  // query blocks of a head; (batch, head) pairs walked together

  SL_DEVICE PrefillList(const AttentionSizes& sizes, const AttentionExtras<How>& extras)
      : sizes(sizes), extras(extras), rows(ceil_div(sizes.s, P::kQueries)) {
    const int64_t head_bytes = int64_t(sizes.t) * P::kDim * 2 * 2;
    together = sizes.group() *
               int(max(int64_t(1), min(int64_t(sizes.g) * sizes.b, P::kHeadBytes / max(head_bytes, int64_t(1)))));
  }
  SL_DEVICE int count() const { return rows * sizes.b * sizes.h; }
  SL_DEVICE PrefillTile at(int i) const {
    PrefillTile tile;
    tile.batch = -1;
    if (i >= count()) {
      return tile;
    }
    const int chunk = i / (rows * together), rest = i - chunk * (rows * together);
    const int width = min(together, sizes.b * sizes.h - chunk * together), row = rest / width;
    const int pair = chunk * together + rest - row * width;
    tile.batch = pair / sizes.h, tile.head = pair - tile.batch * sizes.h,
    tile.first = sizes.s - (row + 1) * P::kQueries;

    const Sequence<How> sequence(extras, sizes, tile.batch);
    tile.count = sequence.count;
    const int q0 = sequence.first_query + max(tile.first, 0),
              q1 = min(sequence.first_query + tile.first + P::kQueries, tile.count);
    tile.all_keys = P::kEmptyCounts && has_empty_row(sequence, tile.batch, q0, q1);
    const Keys any = tile.all_keys ? Keys{0, tile.count} : sequence.any(q0, q1), all = sequence.all(q0, q1);
    tile.first_block = any.begin / P::kKeys;
    tile.last_block = any.end > any.begin ? (any.end - 1) / P::kKeys : tile.first_block - 1;
    tile.clean0 = (all.begin + P::kKeys - 1) / P::kKeys, tile.clean1 = all.end / P::kKeys;
    return tile;
  }

 private:
  // Whether one of the queries at positions [q0, q1) sees no key and has keys outside its pattern.
  SL_DEVICE bool has_empty_row(const Sequence<How>& sequence, int batch, int q0, int q1) const {
    if (!How::kCausal || q0 < 0 || !How::kKeyMask) {
      return How::kCausal && q0 < 0;
    }
    const uint8_t* mask = extras.key_mask + int64_t(batch) * sizes.t;
    const int lane = threadIdx.x % 32;
    int last = -1;  // the last key that is kept, so far
    for (int key0 = sequence.any(q0, q1).begin / 32 * 32; key0 < q1; key0 += 32) {
      const int at = key0 + lane;  // key, then query
      const uint32_t kept = __ballot_sync(~0u, at < q1 && mask[min(at, q1 - 1)] != 0),
                     before = kept & ~0u >> (31 - lane);
      const int mine = before != 0 ? key0 + 31 - __clz(before) : last;
      const bool empty = at >= q0 && at < q1 && (mine < 0 || (How::kWindow && at - mine >= How::kWindow));
      if (__any_sync(~0u, empty)) {
        return true;
      }
      last = kept != 0 ? key0 + 31 - __clz(kept) : last;
      if (!How::kWindow && last >= 0) {
        return false;  // later queries see that one
      }
    }
    return false;
  }
};

// One warp: takes tiles from the shared counter and works out where they lie, a tile ahead of the producer.
template <class P>
SL_DEVICE void schedule_attention(PrefillShared<P>& sm, const PrefillList<P>& list, uint32_t* next) {
  const bool leader = threadIdx.x % 32 == 0;
  Ring<1> pending;
  // The first tile is found while the kernel before this one ends, unless that needs what it may write.
  if constexpr (PrefillList<P>::kReads) {
    wait_for_previous();
  }
  PrefillTile tile = list.at(blockIdx.x);
  if constexpr (!PrefillList<P>::kReads) {
    wait_for_previous();
  }
  while (true) {
    barrier_wait(shared_address(&sm.pending_empty), pending.parity ^ 1);
    int taken = 0;
    if (leader) {
      sm.pending = tile;
      barrier_arrive(shared_address(&sm.pending_full));
      taken = tile.batch < 0 ? 0 : int(atomicAdd(next, 1u));
    }
    if (tile.batch < 0) {
      return;
    }
    taken = warp_uniform(taken);
    if (leader && taken == list.count() - 1) {
      *next = 0;  // one take a tile: this was the last, so rewind for the next launch
    }
    tile = list.at(gridDim.x + taken);
    pending.next();
  }
}

// One warp: keeps the loads of Q, K and V in flight.
template <class P>
struct PrefillProducer {
  PrefillShared<P>& sm;
  const PrefillMaps& maps;
  const AttentionSizes& sizes;
  const AttentionExtras<typename P::How>& extras;
  const int lane = threadIdx.x % 32;
  Ring<P::kQStages> q;
  Ring<P::kStages> k, v;

  template <class Tile>
  SL_DEVICE void load(Tile& to, const TensorMap& map, uint32_t bar, int row, int head, int batch) const {
#pragma unroll
    for (int p = 0; p < P::kPanels; ++p) {
      tma_load(shared_address(to[p]), map, bar, p * 64, row, head, batch);
    }
  }
  SL_DEVICE void load_q(const PrefillTile& tile) {
    const uint32_t bar = shared_address(sm.q_full, q.slot);
    if (lane == 0) {
      barrier_expect(bar, sizeof(sm.q[0]));
      load(sm.q[q.slot], maps.q, bar, tile.first, tile.head, tile.batch);
    }
    q.next();
  }
  // The bias that goes with a block of keys.
  SL_DEVICE void load_bias(const PrefillTile& tile, int key, uint32_t bar) const {
    const int row = P::kBiasRows > 1 ? tile.first : 0;
#pragma unroll
    for (int p = 0; p < P::kBiasPanels; ++p) {
      tma_load(shared_address(sm.bias[k.slot][p]), maps.bias, bar, key + p * 64, row,
               extras.bias_h != 0 ? tile.head : 0, extras.bias_b != 0 ? tile.batch : 0);
    }
  }
  SL_DEVICE void load_k(const PrefillTile& tile, int row, int head) {
    const int batch = tile.batch;
    using Set = KeySet<P::kKeys>;
    uint8_t kept[Set::kWords];  // read while the slot is still in use
#pragma unroll
    for (int w = 0; P::kKeyMask && w < Set::kWords; ++w) {
      const int key = row + 32 * w + lane;
      kept[w] = extras.key_mask[int64_t(batch) * sizes.t + min(key, sizes.t - 1)];
    }
    barrier_wait(shared_address(sm.k_empty, k.slot), k.parity ^ 1);
    const uint32_t bar = shared_address(sm.k_full, k.slot);
    if (lane == 0) {
      barrier_announce(bar, sizeof(sm.k[0]) + P::kBiasRows * P::kBiasPanels * 128);
      load(sm.k[k.slot], maps.k, bar, row, head, batch);
      if constexpr (P::kBiasRows > 0) {
        load_bias(tile, row, bar);
      }
    }
#pragma unroll
    for (int w = 0; P::kKeyMask && w < Set::kWords; ++w) {
      const uint32_t word = __ballot_sync(~0u, kept[w] != 0) & Set::bits(0, P::kKeys - 32 * w);
      if (lane == 0) {
        sm.kept[k.slot].words[w] = word;
      }
    }
    if (lane == 0) {
      barrier_arrive(bar);
    }
    k.next();
  }
  SL_DEVICE void load_v(int row, int head, int batch) {
    barrier_wait(shared_address(sm.v_empty, v.slot), v.parity ^ 1);
    const uint32_t bar = shared_address(sm.v_full, v.slot);
    if (lane == 0) {
      barrier_expect(bar, sizeof(sm.v[0]));
      load(sm.v[v.slot], maps.v, bar, row, head, batch);
    }
    v.next();
  }
  SL_DEVICE void run() {
    Ring<1> pending;
    while (true) {
      barrier_wait(shared_address(&sm.pending_full), pending.parity);
      const PrefillTile tile = sm.pending;
      __syncwarp();
      if (lane == 0) {
        barrier_arrive(shared_address(&sm.pending_empty));
      }
      pending.next();
      const int head = tile.head / sizes.group(), first_row = tile.first_block * P::kKeys;
      int row = tile.last_block * P::kKeys;
      const bool any = tile.batch >= 0 && row >= first_row;
      if (any) {
        load_k(tile, row, head);
      }
      barrier_wait(shared_address(sm.q_empty, q.slot), q.parity ^ 1);
      if (lane == 0) {
        sm.tile[q.slot] = tile;
      }
      if (tile.batch < 0) {
        if (lane == 0) {
          barrier_arrive(shared_address(sm.q_full, q.slot));
        }
        return;
      }
      load_q(tile);
#pragma unroll 1
      for (; row > first_row; row -= P::kKeys) {
        load_k(tile, row - P::kKeys, head);
        load_v(row, head, tile.batch);
      }
      if (any) {
        load_v(row, head, tile.batch);
      }
    }
  }
};

}  // namespace sl
