// Attention of many queries: 16-bit operands, f32 softmax, grouped heads, chunks (s < t).
//
//   one CTA per SM, persistent:   warpgroup 0      producer: one thread keeps TMA loads of Q, K, V in flight
//                                 warpgroups 1..C  consumers: 64 queries each, all on the same K and V blocks
//
// A consumer walks the key blocks from last (the diagonal) to first.  Step n of one consumer, tensor cores | CUDA
// cores:
//
//     start S = Q K(n)^T, start O += P V(n+1)  |
//     S done                                   |  mask, row max, P' = exp2(S - max)      while P V runs
//     O done                                   |  O *= exp2(old max - max) where it moved, P = P' in 16 bits
//
// (ptxas lets P V finish before the softmax, which thus runs beside the products of the other consumers: README.md.)
//
// Two consumers fall into step by themselves: while one's products hold the tensor cores the other does its softmax.
// Three do better when they pass a baton round.
//
// How, beyond attention_score.cuh's: kDim (of q, k and v, rounded up to panels of 64: TMA fills with zeros), kKeys (of
// a block), kConsumers, kQStages, kStages (of K and V), kBiasRows (that a tile has of a bias that comes by TMA: 1 or
// kQueries; 0: none), kPerSm (CTAs), kHeadBytes (keys and values that should stay in L2), kRunsToEnd (every sequence
// ends where the tensor maps do: behind it they read zeros).
#pragma once
#include "kernels/attention/prefill_consumer.cuh"

namespace sl {

// The kernel: any grid, kThreads threads, sizeof(PrefillShared) bytes of shared memory, one counter.
//   maps [b, heads, rows, dim] in boxes of one head: kQueries x 64 of q, kKeys x 64 of k and v, kBiasRows x 64 of the
//   bias
template <class P>
SL_DEVICE void attention_prefill(const PrefillMaps& maps, const AttentionViews<typename P::Element>& views,
                                 const AttentionSizes& sizes, const AttentionExtras<typename P::How>& extras,
                                 uint32_t* next) {
  extern __shared__ __align__(1024) uint8_t dynamic[];
  PrefillShared<P>& sm = *reinterpret_cast<PrefillShared<P>*>(dynamic);
  const int warpgroup = warp_uniform(threadIdx.x / 128);
  if (threadIdx.x == 0) {
    prefetch_map(maps.q), prefetch_map(maps.k), prefetch_map(maps.v), prefetch_map(maps.bias);
    constexpr int kReaders = P::kConsumers * 4;  // each consumer warp releases for itself
    auto init = [](uint64_t& full, uint64_t& empty) {
      barrier_init(shared_address(&full), 1);
      barrier_init(shared_address(&empty), kReaders);
    };
    for (int i = 0; i < P::kQStages; ++i) {
      init(sm.q_full[i], sm.q_empty[i]);
    }
    for (int i = 0; i < P::kStages; ++i) {
      init(sm.k_full[i], sm.k_empty[i]), init(sm.v_full[i], sm.v_empty[i]);
    }
    barrier_init(shared_address(&sm.pending_full), 1), barrier_init(shared_address(&sm.pending_empty), 1);
    barrier_init_fence();
  }
  __syncthreads();
  let_next_begin();
  // Who reads or writes what other kernels do, waits; the consumers do so behind the producer.
  if (warpgroup == 0) {
    give_registers<P::kProducerRegs>();
    const int warp = warp_uniform(threadIdx.x / 32);
    if (warp == 0) {
      wait_for_previous();
      PrefillProducer<P>{sm, maps, sizes, extras}.run();
    } else if (warp == 1) {
      schedule_attention<P>(sm, PrefillList<P>(sizes, extras), next);
    }
  } else {
    take_registers<P::kConsumerRegs>();
    PrefillConsumer<P>(sm, sizes, extras, views, warpgroup - 1).run();
  }
}

}  // namespace sl
