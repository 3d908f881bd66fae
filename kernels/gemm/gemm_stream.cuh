// y[m, n] = epilogue(x[m, k] W[n, k]^T) for few rows m: the time is that of reading W once.
//
// Operands are swapped: rows of W fill wgmma's 64, rows of x (padded to kTokens) its width.  One producer lane streams
// W and x through a ring of TMA slots; one warpgroup multiplies.  The compiler picks kRows so that every CTA gets
// the same number of whole tiles, and CTAs take the two places of each SM:
//   n 4096 on 132 SMs: 32 rows, k in halves -> 256 CTAs, 1 tile each      n 28672: 64 rows -> 224 CTAs, 2 tiles each
// With kSplit > 1 the CTAs of a cluster share the k of one tile, which keeps tiles tall where n is small: x, of which
// each tile reads all, then costs less beside W.  The first CTA adds the others' sums in the order of their ranks. With
// kRows < 64 wgmma multiplies what follows in shared memory into rows nobody stores: free, as HBM is the limit.
//
// Weights are no one's output, so a CTA fills its ring while the kernels before it (programmatic dependent launch)
// still run: two CTAs fit one SM, and the next kernel's come in where ours leave, two at once.  What leaves first takes
// in twice as much; so a grid is best as large as there are places, of half the work each.
//
// How, printed by gemm_cuda.cpp: In, Weight, Out; kRows, kTokens; kBlocks: blocks of k, of 128 bytes a row, in a slot;
// kStages: slots; kSplit; kParts: of the epilogue; kWeights: no earlier kernel of the stream writes W
#pragma once
#include "kernels/device/mma.cuh"
#include "kernels/device/tma.cuh"
#include "kernels/gemm/gemm_epilogue.cuh"

namespace sl {

template <class How>
struct StreamPlan : How {
  using typename How::In;
  using typename How::Out;
  using Sum = typename SumOf<In>::type;
  static constexpr int kDepth = 128 / sizeof(In);  // elements of a block of k
  static constexpr int kRows = How::kRows, kTokens = How::kTokens, kBlocks = How::kBlocks;
  static constexpr int kStages = How::kStages, kSplit = How::kSplit, kParts = How::kParts, kThreads = 160;
  static constexpr int kBytesW = kRows * 128, kBytesX = kTokens * 128;  // one block of k
  static constexpr int kBytesBlock = kBytesW + kBytesX, kBytesStage = kBlocks * kBytesBlock;
  static constexpr int kSlack = (64 - kRows) * 128;  // what wgmma reads past the last W
  static constexpr int kVectors = kTokens / 8;       // of 16 bytes: one thread's sums
  static constexpr int kBytesSums = kVectors * 128 * 16, kBytesInbox = (kSplit - 1) * kBytesSums;
  static_assert(kBytesW % 1024 == 0 && kBytesX % 1024 == 0 && kRows % (8 * kParts) == 0);
};

template <class P>
struct StreamShared {
  alignas(1024) uint8_t ring[P::kStages][P::kBytesStage];  // by block of k: W, x
  alignas(1024) uint8_t slack[P::kSlack + 16];
  alignas(16) uint8_t inbox[P::kBytesInbox + 16];  // of the first CTA: the others' sums, by rank
  uint64_t full[P::kStages], empty[P::kStages];
  uint64_t arrived;  // bytes in the inbox
};

// The run of tiles of one CTA, as slots: slot i holds kBlocks blocks of k of tile tile0 + i / depth, from slot0 of the
// tile's on.  A split's cluster has one tile.
struct StreamRun {
  int slot0, depth, tile0, tile1, count;
  SL_DEVICE StreamRun(int tiles, int slots, int split, int rank) {
    const int clusters = gridDim.x / split, each = ceil_div(tiles, clusters), cluster = blockIdx.x / split;
    slot0 = slots * rank / split, depth = slots * (rank + 1) / split - slot0;
    tile0 = cluster * each, tile1 = min(tiles, tile0 + each), count = max(0, tile1 - tile0) * depth;
  }
  SL_DEVICE int column(int i) const { return slot0 + i % depth; }  // in slots
  SL_DEVICE int tile(int i) const { return tile0 + i / depth; }
};

template <class P>
SL_DEVICE void produce_stream(StreamShared<P>& sm, const TensorMap& map_w, const TensorMap& map_x,
                              const StreamRun& run) {
  const uint64_t once = evict_first();
  auto load_w = [&](int i, int s) {  // also announces x
    const uint32_t bar = shared_address(&sm.full[s]), to = shared_address(sm.ring[s]);
    barrier_expect(bar, P::kBytesStage);
#pragma unroll
    for (int b = 0; b < P::kBlocks; ++b)
      tma_load_hint(to + b * P::kBytesBlock, map_w, bar, (run.column(i) * P::kBlocks + b) * P::kDepth,
                    run.tile(i) * P::kRows, once);
  };
  auto load_x = [&](int i, int s) {
    const uint32_t bar = shared_address(&sm.full[s]), to = shared_address(sm.ring[s]) + P::kBytesW;
#pragma unroll
    for (int b = 0; b < P::kBlocks; ++b)
      tma_load(to + b * P::kBytesBlock, map_x, bar, (run.column(i) * P::kBlocks + b) * P::kDepth, 0);
  };
  if constexpr (!P::kWeights) {
    wait_for_previous();
  }
  const int ahead = min(P::kStages, run.count);
  for (int i = 0; i < ahead; ++i) {
    load_w(i, i);
  }
  wait_for_previous();
  Ring<P::kStages> ring;
  for (int i = 0; i < ahead; ++i, ring.next()) {
    load_x(i, i);
  }
  for (int i = ahead; i < run.count; ++i, ring.next()) {
    barrier_wait(shared_address(&sm.empty[ring.slot]), ring.parity ^ 1);
    load_w(i, ring.slot);
    load_x(i, ring.slot);
  }
}

// Register i of a thread is row FragmentRow of W and token FragmentColumn.
template <class P, class Epilogue>
SL_DEVICE void store_stream(const typename P::Sum (&sums)[P::kTokens / 2], typename P::Out* y, int tile,
                            const GemmSizes& sizes, const Epilogue& epilogue) {
#pragma unroll
  for (int i = 0; i < P::kTokens / 2; ++i) {
    const int token = FragmentColumn(threadIdx.x, i), local = FragmentRow(threadIdx.x, i),
              row = tile * P::kRows + local;
    if (token >= sizes.m || local >= P::kRows || row >= sizes.n) {
      continue;
    }
    if constexpr (P::kParts == 1) {
      y[int64_t(token) * sizes.n + row] = rounded<typename P::Out>(epilogue(sums[i], token, row));
    } else if (i % 4 < 2) {  // row + 8 is in register i + 2
      const int col = row / 16 * 8 + row % 8;
      y[int64_t(token) * (sizes.n / 2) + col] = rounded<typename P::Out>(epilogue(sums[i], sums[i + 2], token, col));
    }
  }
}

// Sends this CTA's sums to the first of its cluster, which adds them to its own; true there.
template <class P>
SL_DEVICE bool reduce_stream(typename P::Sum (&sums)[P::kTokens / 2], StreamShared<P>& sm, int rank) {
  using Sum = typename P::Sum;
  cluster_wait();  // the first CTA's barrier is ready
  if (rank > 0) {
    const uint32_t to = peer_address(shared_address(sm.inbox) + (rank - 1) * P::kBytesSums, 0),
                   bar = peer_address(shared_address(&sm.arrived), 0);
#pragma unroll
    for (int v = 0; v < P::kVectors; ++v) {
      const Sum* s = &sums[v * 4];
      store_peer(to + (v * 128 + threadIdx.x) * 16, bits_as<float>(s[0]), bits_as<float>(s[1]), bits_as<float>(s[2]),
                 bits_as<float>(s[3]), bar);
    }
    return false;
  }
  barrier_wait(shared_address(&sm.arrived), 0);
#pragma unroll
  for (int peer = 0; peer < P::kSplit - 1; ++peer) {
#pragma unroll
    for (int v = 0; v < P::kVectors; ++v) {
      const float4 f = reinterpret_cast<const float4*>(sm.inbox)[(peer * P::kVectors + v) * 128 + threadIdx.x];
      sums[v * 4] += bits_as<Sum>(f.x), sums[v * 4 + 1] += bits_as<Sum>(f.y);
      sums[v * 4 + 2] += bits_as<Sum>(f.z), sums[v * 4 + 3] += bits_as<Sum>(f.w);
    }
  }
  return true;
}

template <class P, class Epilogue>
SL_DEVICE void consume_stream(StreamShared<P>& sm, typename P::Out* y, const StreamRun& run, int rank,
                              const GemmSizes& sizes, const Epilogue& epilogue) {
  const uint64_t w_matrix = MatrixDescriptor(shared_address(sm.ring));
  Ring<P::kStages> ring;
  for (int tile = run.tile0; tile < run.tile1; ++tile) {
    // Even and odd steps sum apart, so that the next wgmma need not wait for the last one's sum.
    typename P::Sum even[P::kTokens / 2], odd[P::kTokens / 2];
    int previous = 0;
    for (int d = 0; d < run.depth; ++d, ring.next()) {
      barrier_wait(shared_address(&sm.full[ring.slot]), ring.parity);
      const uint64_t slot = w_matrix + ring.slot * (P::kBytesStage / 16);
      wgmma_begin();
#pragma unroll
      for (int step = 0; step < 4 * P::kBlocks; ++step) {
        const uint64_t block = slot + step / 4 * (P::kBytesBlock / 16) + step % 4 * kDepthStep;
        const uint64_t x = block + P::kBytesW / 16;
        Wgmma<typename P::Weight, P::kTokens, typename P::In>::template shared<0>(step % 2 ? odd : even, block, x,
                                                                                  step > 1 || d > 0);
      }
      wgmma_commit();
      wgmma_wait<1>();
      if (d > 0 && threadIdx.x == 0) {
        barrier_arrive(shared_address(&sm.empty[previous]));
      }
      previous = ring.slot;
    }
    wgmma_wait<0>();
    if (threadIdx.x == 0) {
      barrier_arrive(shared_address(&sm.empty[previous]));
    }
#pragma unroll
    for (int i = 0; i < P::kTokens / 2; ++i) {
      even[i] += odd[i];
    }
    if constexpr (P::kSplit > 1) {
      if (!reduce_stream<P>(even, sm, rank)) {
        return;
      }
    }
    store_stream<P>(even, y, tile, sizes, epilogue);
  }
}

// The kernel: any grid (kSplit CTAs a tile, if that is more than 1), kThreads threads,
// sizeof(StreamShared<StreamPlan<How>>) bytes of shared memory.
//   map_w [n, k] boxes kRows x kDepth      map_x [m, k] boxes kTokens x kDepth
template <class How, class Epilogue>
SL_DEVICE void gemm_stream(const TensorMap& map_w, const TensorMap& map_x, typename How::Out* y, const GemmSizes& sizes,
                           const Epilogue& epilogue) {
  using P = StreamPlan<How>;
  extern __shared__ __align__(1024) uint8_t dynamic[];
  StreamShared<P>& sm = *reinterpret_cast<StreamShared<P>*>(dynamic);
  const int rank = P::kSplit > 1 ? cluster_rank() : 0;
  const StreamRun run(sizes.m > 0 ? ceil_div(sizes.n, P::kRows) : 0, ceil_div(sizes.k, P::kDepth * P::kBlocks),
                      P::kSplit, rank);
  if (threadIdx.x == 128) {
    prefetch_map(map_w), prefetch_map(map_x);
    for (int s = 0; s < P::kStages; ++s) {
      barrier_init(shared_address(&sm.full[s]), 1), barrier_init(shared_address(&sm.empty[s]), 1);
    }
    if (P::kSplit > 1) {
      barrier_init(shared_address(&sm.arrived), 1);
      barrier_expect(shared_address(&sm.arrived), P::kBytesInbox);
    }
    barrier_init_fence();
  }
  __syncthreads();
  if constexpr (P::kSplit > 1) {
    cluster_arrive();
  }
  let_next_begin();
  if (threadIdx.x < 128) {
    wait_for_previous();  // what the epilogue reads
    consume_stream<P>(sm, y, run, rank, sizes, epilogue);
  } else if (threadIdx.x == 128) {
    produce_stream<P>(sm, map_w, map_x, run);
  }
}

}  // namespace sl
