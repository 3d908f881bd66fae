// Attention of few queries (s · h/g rows for each key head): reads K and V once.
//
// All 64-key tiles of the batch, in the order (batch, key head, tile), form one line that is cut into equal runs, one a
// CTA: every CTA streams the same number of bytes whatever the batch and the lengths.  An item (batch, key head) that
// lies across a cut leaves partial results; the last CTA to finish its part merges them, in tile order (deterministic).
//
//   3 sequences of 2, 1, 3 tiles, 1 key head, 3 CTAs:   |0 0|1 2|2 2|     sequence 2 is merged from CTAs 1 and 2
//
//   warp kWarps   producer: streams [K tile | V tile] pairs into a ring of kStages
//   warps 0..     consumers, in teams: team i owns tiles i, i + kTeams, ... of the run, each of its warps half of the
//                 keys; they meet only at the end of an item.  kStages is a multiple of kTeams, so a stage has one
//                 owner: a team that met a barrier only every other lap could not tell a phase from the one two laps
//                 before.
//
// Tensor core shape m16n8k16 with the keys (then the dims) as m and the rows as n: a group of 8 rows wastes nothing.
// S^T[key, row] = K Q^T, then O^T[dim, row] += V^T P^T, whose operand is S^T transposed (movmatrix).
//
// How, beyond attention_score.cuh's: kDim (of q, k and v, rounded up to panels of 64), kRows8 (groups of 8 rows),
// kStages, kWarps, kBatch (the most; read with kLengths only)
#pragma once
#include "kernels/attention/decode_consumer.cuh"

namespace sl {

// The kernel: kThreads threads, sizeof(DecodeShared) bytes of shared memory; a counter and 2 · kPartFloats floats of
// workspace a CTA.  maps [b, g, t, dim] in boxes of one head, 64 x 64.
template <class P>
SL_DEVICE void attention_decode(const TensorMap& k_map, const TensorMap& v_map,
                                const AttentionViews<typename P::Element>& views, const AttentionSizes& sizes,
                                const AttentionExtras<typename P::How>& extras, void* workspace, uint32_t* arrived) {
  extern __shared__ __align__(1024) uint8_t dynamic[];
  DecodeShared<P>& sm = *reinterpret_cast<DecodeShared<P>*>(dynamic);
  const DecodeRows<typename P::Element> q_rows(views.q), out_rows(views.out);
  if (threadIdx.x == 0) {
    prefetch_map(k_map), prefetch_map(v_map);
    for (int i = 0; i < P::kStages; ++i) {
      barrier_init(shared_address(sm.full, i), 1), barrier_init(shared_address(sm.empty, i), P::kTogether);
    }
    barrier_init_fence();
  }
  let_next_begin();
  const int warp = warp_uniform(threadIdx.x / 32);
  const TileLine<P> line{sm, sizes, extras};
  if constexpr (P::kLengths) {
    wait_for_previous();
    if (warp == 0) {
      sum_tiles(sm, line);
    }
    __syncthreads();
  }
  Segment<P> part(line);
  if (!part.some && blockIdx.x > 0) {
    return;  // makes room for the next kernel; the first CTA waits for all
  }
  DecodeConsumer<P> consumer(sm, views, q_rows, out_rows, part, static_cast<float*>(workspace), arrived);
  if constexpr (!P::kLengths) {
    if (threadIdx.x == 32 * P::kWarps && part.some) {
      prefetch_tiles(k_map, v_map, part);
    }
    wait_for_previous();
    __syncthreads();
  }
  if (warp < P::kWarps) {
    consumer.run();
  } else if (threadIdx.x % 32 == 0) {
    stream_tiles<P>(sm, k_map, v_map, part);
  }
}

}  // namespace sl
