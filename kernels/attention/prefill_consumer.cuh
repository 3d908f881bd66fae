// attention_prefill.cuh: a consumer warpgroup, from the scores of a tile to its rows of the result.
#pragma once
#include "kernels/attention/prefill_tiles.cuh"

namespace sl {

// Consumers pass a baton round, if kTakeTurns: one starts its products only when it holds it.
template <class P>
struct Baton {
  int consumer;
  SL_DEVICE explicit Baton(int consumer) : consumer(consumer) {
    if (consumer == P::kConsumers - 1) {
      pass();  // consumer 0 starts with it
    }
  }
  SL_DEVICE void take() const {
    if constexpr (P::kTakeTurns) {
      named_sync(1 + consumer, 256);  // 128 takers + 128 passers
    }
  }
  SL_DEVICE void pass() const {
    if constexpr (P::kTakeTurns) {
      named_arrive(1 + (consumer + 1 == P::kConsumers ? 0 : consumer + 1), 256);
    }
  }
};

// Softmax state of the two rows a thread owns: FragmentRow(thread, 0) and 8 further down.
struct RowState {
  float max[2], sum[2];  // sum: of this thread's columns only; the four threads of a row add up at the end
};

// Turns logits into weights in place and folds them into the row state; where a maximum of the warp's rows has moved,
// which it tells, the accumulator is then to be scaled by `shrink`.  One moves only where weights would exceed 2^8: few
// blocks make it do so.
template <int N>
SL_DEVICE bool softmax_step(float (&s)[N], RowState& row, float slope, float (&shrink)[2]) {
  float offset[2];
  bool moves = false;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float a = fmaxf(s[2 * r], s[2 * r + 1]), b = fmaxf(s[4 + 2 * r], s[4 + 2 * r + 1]);
#pragma unroll
    for (int j = 2; j < N / 4; j += 2) {
      a = fmaxf(a, fmaxf(s[4 * j + 2 * r], s[4 * j + 2 * r + 1]));
      b = fmaxf(b, fmaxf(s[4 * j + 4 + 2 * r], s[4 * j + 4 + 2 * r + 1]));
    }
    const float seen = reduce_lanes<1, 4>(fmaxf(a, b), Max());
    const bool stays = seen - row.max[r] <= 8 / slope;
    const float top = stays ? row.max[r] : fmaxf(seen, row.max[r]);
    offset[r] = top == -infinity() ? 0 : top * slope;  // a row that has seen no key yet
    shrink[r] = stays ? 1 : exp2_fast(row.max[r] * slope - offset[r]);
    row.max[r] = top;
    moves |= !stays;
  }
#pragma unroll
  for (int i = 0; i < N; ++i) {
    s[i] = exp2_fast(s[i] * slope - offset[(i / 2) % 2]);
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float a = 0, b = 0;
#pragma unroll
    for (int j = 0; j < N / 4; ++j) {
      a += s[4 * j + 2 * r], b += s[4 * j + 2 * r + 1];
    }
    row.sum[r] = row.sum[r] * shrink[r] + (a + b);
  }
  return __any_sync(~0u, moves);
}

// 4 x 4 transpose over the four threads of a row: before, thread i holds column pair i of four 8-column blocks; after,
// all 16 bytes of block i.
SL_DEVICE void transpose_quad(uint32_t (&x)[4], int i) {
  const bool odd = i & 1, high = i & 2;
  uint32_t a = __shfl_xor_sync(~0u, odd ? x[0] : x[1], 1), b = __shfl_xor_sync(~0u, odd ? x[2] : x[3], 1);
  if (odd) {
    x[0] = a, x[2] = b;
  } else {
    x[1] = a, x[3] = b;
  }
  a = __shfl_xor_sync(~0u, high ? x[0] : x[2], 2), b = __shfl_xor_sync(~0u, high ? x[1] : x[3], 2);
  if (high) {
    x[0] = a, x[1] = b;
  } else {
    x[2] = a, x[3] = b;
  }
}

struct Blocks {
  int first, last;  // none if last < first
  bool half;        // no more than half the keys of the last one are seen
};

// One consumer warpgroup.
template <class P>
struct PrefillConsumer {
  using How = typename P::How;
  using Element = typename P::Element;
  using Set = KeySet<P::kKeys>;
  static constexpr bool kSets = How::kKeyMask || P::kEmptyCounts;
  // Of a block that the diagonal cuts, half the scores may do: where that leaves registers.  Wider heads gain nothing.
  static constexpr bool kHalves = How::kCausal && P::kConsumers == 3 && P::kKeys == 2 * P::kDim &&
                                  P::kWidth == P::kDim && How::kRunsToEnd && How::kWindow == 0 && How::kSoftcap == 0 &&
                                  !How::kSlopes && !kSets;
  static constexpr int kDim = P::kDim, kKeys = P::kKeys, kPanelBytes = kKeys * 128;
  static constexpr int kStageStep = kDim * kKeys * 2 / 16, kQStep = kDim * P::kQueries * 2 / 16;

  PrefillShared<P>& sm;
  const AttentionSizes& sizes;
  const AttentionExtras<How>& extras;
  const AttentionViews<Element>& views;
  const int consumer, lane, row;  // row: of the tile; and row + 8
  const uint64_t q_matrix, k_matrix, v_matrix;

  // Numbers of the tile and of the key block whose scores come next; the block whose values come next is the one
  // before. Slots and parities follow from them: registers are what this kernel has least of.
  uint32_t tiles = 0, blocks_done = 0;
  RowState state;
  float s[kKeys / 2], o[kDim / 2], shrink[2];
  uint32_t p[kKeys / 16][4];
  // What the keys are that a row has taken so far, if it may see none (kEmptyCounts): the better, the higher.
  enum Rank { kNothing, kAll, kEither, kSees };
  int rank[2];

  SL_DEVICE PrefillConsumer(PrefillShared<P>& sm, const AttentionSizes& sizes, const AttentionExtras<How>& extras,
                            const AttentionViews<Element>& views, int consumer)
      : sm(sm),
        sizes(sizes),
        extras(extras),
        views(views),
        consumer(consumer),
        lane(threadIdx.x % 32),
        row(consumer * 64 + FragmentRow(threadIdx.x % 128, 0)),
        q_matrix(MatrixDescriptor(shared_address(&sm.q[0][0][consumer * 64][0]))),
        k_matrix(MatrixDescriptor(shared_address(sm.k))),
        v_matrix(MatrixDescriptor(shared_address(sm.v), kPanelBytes)) {}

  SL_DEVICE void release(uint32_t bar) const {
    if (lane == 0) {
      barrier_arrive(bar);
    }
  }
  SL_DEVICE int q_slot() const { return tiles % P::kQStages; }
  SL_DEVICE int k_slot() const { return blocks_done % P::kStages; }
  SL_DEVICE int v_slot() const { return (blocks_done - 1) % P::kStages; }
  template <int N>
  SL_DEVICE void start_scores(float (&s)[N]) {  // s = Q K^T for the first 2 N keys
    const MatrixSteps q(q_matrix, q_slot() * kQStep), k(k_matrix, k_slot() * kStageStep);
    pin(s);
    wgmma_begin();
#pragma unroll
    for (int i = 0; i < kDim / 16; ++i) {
      const int step = i % 4 * kDepthStep, panel = i / 4;
      Wgmma<Element, 2 * N>::template shared<0>(s, q.at(panel * (P::kQueries * 128 / 16) + step),
                                                k.at(panel * (kPanelBytes / 16) + step), i > 0);
    }
    wgmma_commit();
  }
  SL_DEVICE void start_output(bool keep) {  // o (+)= P V
    const MatrixSteps v(v_matrix, v_slot() * kStageStep);
    pin(o), pin(p);
    wgmma_begin();
#pragma unroll
    for (int i = 0; i < kKeys / 16; ++i) {
      Wgmma<Element, kDim>::template registers<1>(o, p[i], v.at(i * kWidthDepthStep), i > 0 || keep);
    }
    wgmma_commit();
  }
  // From dot products of block n to logits; -infinity for what a row does not take.
  template <int N>
  SL_DEVICE void make_logits(float (&s)[N], const PrefillTile& tile, int n, const Set& kept) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      s[i] = Score<How>::scaled(s[i]);
    }
    const bool whole = (!How::kWindow || n >= tile.clean0) && n < tile.clean1 && (!How::kKeyMask || kept.all());
    if (!Score<How>::kAddends && whole) {
      rise(0, kSees), rise(1, kSees);
      return;
    }
    // What lies beyond the sequence may hold anything, in K too: its scores are replaced, never used.
    const int key0 = n * kKeys, column0 = lane % 4 * 2;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int index = max(tile.first + row + 8 * r, 0), query = tile.count - sizes.s + index;
      const Score<How> score(extras, sizes, tile.batch, tile.head, index, query);
      const Keys keys = Sequence<How>(tile.count, tile.count - sizes.s).of(query);
      const Keys pattern{keys.begin - key0, keys.end - key0};
      Set takes;  // only where it is more than the pattern: the widest tiles have no registers for it
      bool flat = false;
      if constexpr (kSets) {
        takes = takes_for_now(r, pattern, kept, tile.count - key0);
        flat = How::kEmptyRows == kEmptyUniform && rank[r] != kSees;
      }
#pragma unroll
      for (int j = 0; j < N / 2; ++j) {
        const int column = j / 2 * 8 + j % 2;
        const bool taken = kSets
                               ? takes.words[column / 32] >> column0 >> (column % 32) & 1
                               : column < pattern.end - column0 && (!How::kWindow || column >= pattern.begin - column0);
        float& x = s[j / 2 * 4 + 2 * r + j % 2];
        if constexpr (P::kBiasRows > 0) {
          x += taken ? shared_bias(r, column) + score.alibi_of(key0 + column0 + column) : 0.0f;
        } else if constexpr (Score<How>::kAddends) {
          x += taken ? score.addend(key0 + column0 + column) : 0.0f;
          if (j % 4 == 3) {
            asm volatile("" ::: "memory");  // more loads in flight would spill
          }
        }
        x = taken ? (flat ? 0.0f : x) : -infinity();
      }
    }
  }
  // Of row r and column `column` of this thread's columns (as if its first were 0) of the block whose K has come.
  SL_DEVICE float shared_bias(int r, int column) const {
    const int line = P::kBiasRows > 1 ? row + 8 * r : 0, chunk = column / 8 % 8;
    const uint8_t* panel = reinterpret_cast<const uint8_t*>(sm.bias[k_slot()][column / 64]);
    const uint32_t pair = reinterpret_cast<const uint32_t*>(panel + SwizzledOffset(line, chunk, 128))[lane % 4];
    return to_float(typename How::BiasElement{static_cast<uint16_t>(pair >> column % 2 * 16)});
  }
  // What row r takes of a block: what it sees.  As long as it has seen no key, it takes what it gives if it never does,
  // by the best of the ranks so far; a better one starts it afresh.
  SL_DEVICE Set takes_for_now(int r, Keys pattern, const Set& kept, int count) {
    const Set within = Set::of(pattern);
    const Set sees = How::kKeyMask ? within & kept : within;
    if constexpr (!P::kEmptyCounts) {
      return sees;
    }
    const Set all = Set::of({0, count});
    const Set either = How::kEmptyRows == kEmptyEither && How::kKeyMask ? (within | kept) & all : all;
    rise(r, sees.any() ? kSees : either.any() ? kEither : kAll);
    return rank[r] == kSees ? sees : rank[r] == kEither ? either : all;
  }
  SL_DEVICE void rise(int r, int found) {
    if (P::kEmptyCounts && found > rank[r]) {
      rank[r] = found;
      state.max[r] = -infinity();
    }
  }
  SL_DEVICE void make_weights() {  // an f32 accumulator, packed in pairs, is exactly a 16-bit A operand
#pragma unroll
    for (int i = 0; i < kKeys / 4; ++i) {
      p[i / 4][i % 4] = pack<Element>(s[2 * i], s[2 * i + 1]);
    }
  }
  // Rows of the last block beyond the sequence may hold anything, and 0 * NaN is not 0.  Each consumer clears for
  // itself.
  SL_DEVICE void clear_values(int valid) {
    const uint32_t base = shared_address(sm.v, v_slot());
    for (int i = threadIdx.x % 128; i < (kKeys - valid) * (kDim / 8); i += 128) {
      const int r = valid + i / (kDim / 8), chunk = i % (kDim / 8);
      asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};" ::"r"(base + chunk / 8 * kPanelBytes +
                                                                    SwizzledOffset(r, chunk % 8, 128)),
                   "r"(0)
                   : "memory");
    }
    fence_async_proxy();
    named_sync(4 + consumer, 128);
  }
  SL_DEVICE void wait_values(int n, int count) {
    barrier_wait(shared_address(sm.v_full, v_slot()), (blocks_done - 1) / P::kStages & 1);
    if (!How::kRunsToEnd && count - n * kKeys < kKeys) {
      clear_values(count - n * kKeys);
    }
  }

  // A block that no row of this warpgroup sees.
  SL_DEVICE void pass_over(const PrefillTile& tile, int n, const Baton<P>& baton) {
    if (n < tile.last_block) {
      baton.take();
      baton.pass();
    }
    barrier_wait(shared_address(sm.k_full, k_slot()), blocks_done / P::kStages & 1);
    release(shared_address(sm.k_empty, k_slot()));
    ++blocks_done;
    barrier_wait(shared_address(sm.v_full, v_slot()), (blocks_done - 1) / P::kStages & 1);
    release(shared_address(sm.v_empty, v_slot()));
  }
  // The blocks that this warpgroup's rows see, as first and last; none if it has no rows.
  SL_DEVICE Blocks own_blocks(const PrefillTile& tile) const {
    Blocks own{How::kWindow ? tile.first_block : 0, tile.last_block, false};
    const int first = tile.first + consumer * 64;
    if (first + 64 <= 0) {
      own.last = own.first - 1;
    } else if (How::kCausal && !tile.all_keys) {
      const Sequence<How> sequence(tile.count, tile.count - sizes.s);
      const Keys any =
          sequence.any(sequence.first_query + max(first, 0), min(sequence.first_query + first + 64, tile.count));
      own.first = How::kWindow ? any.begin / kKeys : 0;
      own.last = any.end > any.begin ? (any.end - 1) / kKeys : own.first - 1;
      own.half = any.end - own.last * kKeys <= kKeys / 2;
    }
    return own;
  }
  SL_DEVICE void attend(const PrefillTile& tile, const Baton<P>& baton) {
    const Blocks own = own_blocks(tile);
    const int first_block = How::kWindow ? tile.first_block : 0;
    int n = tile.last_block;
    for (; n >= first_block && n > own.last; --n) {
      pass_over(tile, n, baton);
    }
    if (own.last >= own.first) {
      attend_blocks(tile, own, baton);
      n = own.first - 1;
    } else {
      release(shared_address(sm.q_empty, q_slot()));
    }
    for (; How::kWindow && n >= first_block; --n) {
      pass_over(tile, n, baton);
    }
  }
  SL_DEVICE void attend_blocks(const PrefillTile& tile, Blocks own, const Baton<P>& baton) {
    const int first = own.first, last = own.last;
    barrier_wait(shared_address(sm.k_full, k_slot()), blocks_done / P::kStages & 1);
    if (last < tile.last_block) {
      baton.take();
    }
    if (kHalves && own.half) {
      first_scores(reinterpret_cast<float (&)[kKeys / (kHalves ? 4 : 2)]>(s), tile, own, baton);
#pragma unroll
      for (int i = kKeys / 4; i < kKeys / 2; ++i) {
        s[i] = 0;
      }
    } else {
      first_scores(s, tile, own, baton);
    }
    ++blocks_done;
    make_weights();
    for (int n = last - 1; n >= first; --n) {
      barrier_wait(shared_address(sm.k_full, k_slot()), blocks_done / P::kStages & 1);
      baton.take();
      start_scores(s);
      wait_values(n + 1, tile.count);
      start_output(n < last - 1);
      baton.pass();
      wgmma_wait<1>();
      pin(s);
      const bool moves = finish_scores(s, tile, n, n == first);
      wgmma_wait<0>();
      pin(o), pin(p);
      release(shared_address(sm.v_empty, v_slot()));
      ++blocks_done;
      make_weights();
      if (moves) {
#pragma unroll
        for (int i = 0; i < kDim / 2; ++i) {
          o[i] *= shrink[i / 2 % 2];
        }
      }
    }
    wait_values(first, tile.count);
    start_output(first < last);
    wgmma_wait<0>();
    pin(o);
    release(shared_address(sm.v_empty, v_slot()));
  }
  // The weights of the block that a tile begins with.
  template <int N>
  SL_DEVICE void first_scores(float (&s)[N], const PrefillTile& tile, const Blocks& own, const Baton<P>& baton) {
    start_scores(s);
    if (own.last < tile.last_block) {
      baton.pass();
    }
    wgmma_wait<0>();
    pin(s);
    finish_scores(s, tile, own.last, own.first == own.last);
  }
  // From the scores of block n, which have arrived, to weights that are not yet packed; whether a maximum has moved.
  template <int N>
  SL_DEVICE bool finish_scores(float (&s)[N], const PrefillTile& tile, int n, bool last_of_q) {
    Set kept;
    if constexpr (How::kKeyMask) {
      kept = sm.kept[k_slot()];
    }
    if (last_of_q) {
      release(shared_address(sm.q_empty, q_slot()));
    }
    if constexpr (P::kBiasRows > 0) {  // lies in K's slot
      make_logits(s, tile, n, kept);
      release(shared_address(sm.k_empty, k_slot()));
    } else {
      release(shared_address(sm.k_empty, k_slot()));
      make_logits(s, tile, n, kept);
    }
    return softmax_step(s, state, Score<How>::kSlope, shrink);
  }

  SL_DEVICE void store(const PrefillTile& tile) const {
    const float sums[2] = {reduce_lanes<1, 4>(state.sum[0], Sum()), reduce_lanes<1, 4>(state.sum[1], Sum())};
    const int index = tile.first + row;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const float scale = __fdividef(1.0f, sums[r]);
      const View<Element, 4>& out = views.out;
      Element* to = out.data + tile.batch * out.stride(0) + tile.head * out.stride(1) +
                    (index + 8 * r) * out.stride(2) + lane % 4 * 8;
#pragma unroll
      for (int g = 0; g < kDim / 32; ++g) {
        uint32_t x[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const uint32_t pair = pack<Element>(o[16 * g + 4 * j + 2 * r] * scale, o[16 * g + 4 * j + 2 * r + 1] * scale);
          x[j] = sums[r] == 0 ? 0 : pair;  // o is not even set if no row saw a key
        }
        transpose_quad(x, lane % 4);
        if (index + 8 * r >= 0 && 32 * g + lane % 4 * 8 < P::kWidth) {
          *reinterpret_cast<uint4*>(to + 32 * g) = {x[0], x[1], x[2], x[3]};
        }
      }
    }
  }

  SL_DEVICE void run() {
    const Baton<P> baton(consumer);
    while (true) {
      barrier_wait(shared_address(sm.q_full, q_slot()), tiles / P::kQStages & 1);
      const PrefillTile tile = sm.tile[q_slot()];
      if (tile.batch < 0) {
        return;
      }
      state = {{-infinity(), -infinity()}, {0, 0}};
      rank[0] = rank[1] = 0;
      attend(tile, baton);
      ++tiles;
      store(tile);
    }
  }
};

}  // namespace sl
