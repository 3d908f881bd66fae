// C[m, n] = epilogue(A[m, k] B) for compute-bound shapes; 16-bit operands and f32 sums, or 8-bit codes and exact s32
// sums. A block of k is 128 bytes of a row whatever it holds: 64 elements, 128 codes.
//
//   warpgroup 0     producer: one lane keeps a ring of kStages slots {A kRows x block, B block x kCols} filled by TMA
//   warpgroups 1, 2 consumers: each multiplies its 64 rows by all kCols columns and stores them while the ring refills;
//                   kRows 64 has but one
//
//   kPingPong       consumers take whole tiles of 128 rows in turn, so one's epilogue hides under the other's products:
//                   best once CTAs do several tiles.  Else both share each tile (wider, less traffic, both store at
//                   once).
//   kMulticast 2    the CTAs of a cluster take tiles (row, col) and (row + 1, col); each loads half of B for both.
//   kSplit s        the s CTAs of a cluster share one tile, each taking k / s; they exchange column slices through
//                   distributed shared memory and each finishes its own.  Fixed order of addition, no workspace.
//
// How, printed by gemm_text.cpp:
//   In, Weight, Out; kRows: 64 or 128; kCols, kStages, kMulticast, kSplit; kBoxRows: rows of a box of A, no more than
//   are needed for the largest m; kBand: of TileOrder; kPingPong; kWidthMajorB: B is [k, n]; kBatched: tensor maps have
//   a third dimension; kParts: of the epilogue; kTmaStore: Out has 16 bits and n is a multiple of 8; kCodeLines: Out
//   has 8 bits and so has n; kReads: the epilogue's fourth argument comes by TMA, into the panels where results are
//   staged, of which a consumer has kPanels; kWeights: no earlier kernel of the stream writes B
#pragma once
#include "kernels/device/mma.cuh"
#include "kernels/device/tma.cuh"
#include "kernels/gemm/gemm_epilogue.cuh"
#include "kernels/gemm/gemm_exchange.cuh"

namespace sl {

template <class How>
struct TilePlan : How {
  using typename How::In;
  using typename How::Out;
  using Sum = typename SumOf<In>::type;
  static constexpr int kBytes = sizeof(In), kRows = How::kRows, kDepth = 128 / kBytes;
  static constexpr int kCols = How::kCols, kStages = How::kStages;
  static constexpr int kMulticast = How::kMulticast, kSplit = How::kSplit;
  static constexpr int kConsumers = kRows / 64, kMathThreads = kConsumers * 128;
  static constexpr int kCluster = kMulticast * kSplit, kThreads = 128 + kMathThreads;
  static constexpr int kHalves = How::kPingPong ? 2 : 1;                  // 64-row pieces of one consumer
  static constexpr int kReaders = How::kPingPong ? 1 : kConsumers;        // consumers of a slot
  static constexpr int kSlice = kCols / kSplit;                           // columns that one CTA finishes
  static constexpr int kParts = How::kParts, kResults = kSlice / kParts;  // and what they become

  // B comes in boxes of kBoxCols columns: a CTA loads kBoxes / kMulticast of them, and multicasts them to its cluster.
  static constexpr int kBoxCols = How::kWidthMajorB ? 64 : kCols / kMulticast;
  static constexpr int kBoxes = kCols / kBoxCols, kBoxBytes = kBoxCols * 128;
  static constexpr int kBytesA = kRows * 128, kBytesB = kCols * 128, kBytesStage = kBytesA + kBytesB;
  static constexpr int kExpected = How::kBoxRows * 128 + kBytesB;  // that land in a slot

  static constexpr int kPanel = kResults % 64 == 0 ? 64 : kResults % 32 == 0 ? 32 : 16;     // columns of one TMA store
  static constexpr int kPanelBytes = 64 * kPanel * 2, kPanels = How::kPanels;               // staged per consumer
  static constexpr int kRowPanels = kResults / kPanel, kTilePanels = kHalves * kRowPanels;  // that a consumer finishes
  static constexpr int kInboxBytes = kSlice / 2 * kMathThreads * 4;                         // from one CTA of a split

  static_assert(kMulticast == 1 || kSplit == 1, "a cluster serves one purpose");
  static_assert(!How::kPingPong || (kRows == 128 && kSplit == 1 && kCols <= 128));
  static_assert(kBytes == 2 || !How::kWidthMajorB, "wgmma reads codes along the depth only");
  static_assert(kResults % 16 == 0 && kBoxes % kMulticast == 0);
};

template <class P>
struct TileShared {
  alignas(1024) uint8_t ring[P::kStages][P::kBytesStage];  // A, then B
  alignas(1024) uint8_t staging[P::kConsumers][P::kPanels][P::kPanelBytes];
  uint64_t full[P::kStages];                   // the producer's announcement and its bytes; consumers only wait
  uint64_t empty[P::kStages];                  // every reader, in every CTA the slot is written for
  uint64_t arrived;                            // the bytes of a split's partial sums
  uint64_t landed[P::kConsumers][P::kPanels];  // the bytes of what a consumer's epilogue reads
};

template <class P>
SL_DEVICE void init_barriers(TileShared<P>& sm) {
  for (int s = 0; s < P::kStages; ++s) {
    barrier_init(shared_address(&sm.full[s]), 1);
    barrier_init(shared_address(&sm.empty[s]), P::kReaders * P::kMulticast);
  }
  for (int i = 0; i < P::kConsumers * P::kPanels; ++i) {
    barrier_init(shared_address(&sm.landed[0][i]), 1);
  }
  barrier_init(shared_address(&sm.arrived), 1);
  if constexpr (P::kSplit > 1) {
    barrier_expect(shared_address(&sm.arrived), (P::kSplit - 1) * P::kInboxBytes);
  }
  barrier_init_fence();
}

// ---- Producer.

// Where a tile's rows of A are: those of a matrix.  `at` is asked once a tile, then `load` brings one block of k after
// the other.  A convolution has others (kernels/conv/window_rows.cuh).
template <bool kBatched, int kDepth>
struct MatrixRows {
  struct Place {
    int row, batch, depth;
  };
  SL_DEVICE Place at(int row, int batch, int block) const { return {row, batch, block * kDepth}; }
  SL_DEVICE void load(uint32_t to, const TensorMap& map, uint32_t bar, Place& place) const {
    if constexpr (kBatched) {
      tma_load(to, map, bar, place.depth, place.row, place.batch);
    } else {
      tma_load(to, map, bar, place.depth, place.row);
    }
    place.depth += kDepth;
  }
};

template <class P, class Rows>
struct TileProducer {
  TileShared<P>& sm;
  const TensorMap& map_a;
  const TensorMap& map_b;
  const Rows& rows;
  int rank;

  // Also announces what the peer sends and what `rows` will bring.
  SL_DEVICE void load_b(int slot, int depth, int col, int batch) const {
    const uint32_t bar = shared_address(&sm.full[slot]), to = shared_address(sm.ring[slot]) + P::kBytesA;
    barrier_expect(bar, P::kExpected);
    constexpr int kMine = P::kBoxes / P::kMulticast;
#pragma unroll
    for (int i = 0; i < kMine; ++i) {
      const int box = P::kMulticast > 1 ? i + rank * kMine : i, width = col + box * P::kBoxCols;
      const int x = P::kWidthMajorB ? width : depth, y = P::kWidthMajorB ? depth : width;
      if constexpr (P::kMulticast > 1 && P::kBatched) {
        tma_load_multicast(to + box * P::kBoxBytes, map_b, bar, x, y, batch, (1 << P::kMulticast) - 1);
      } else if constexpr (P::kMulticast > 1) {
        tma_load_multicast(to + box * P::kBoxBytes, map_b, bar, x, y, (1 << P::kMulticast) - 1);
      } else if constexpr (P::kBatched) {
        tma_load(to + box * P::kBoxBytes, map_b, bar, x, y, batch);
      } else {
        tma_load(to + box * P::kBoxBytes, map_b, bar, x, y);
      }
    }
  }

  // Weights are no earlier kernel's output: the first lap of the ring need not wait for that kernel.
  SL_DEVICE void run(const TileOrder& order, int first, int stride, int block0, int block1) const {
    const int early = P::kWeights && first < order.count() ? smaller(P::kStages, block1 - block0) : 0;
    for (int s = 0; s < early; ++s) {
      load_b(s, (block0 + s) * P::kDepth, order.at(first).col * P::kCols, order.at(first).batch);
    }
    wait_for_previous();
    Ring<P::kStages> ring;
    for (int i = first; i < order.count(); i += stride) {
      const TileIndex tile = order.at(i);
      const int row = (tile.row * P::kMulticast + (P::kMulticast > 1 ? rank : 0)) * P::kRows;
      auto place = rows.at(row, tile.batch, block0);
#pragma unroll 1  // the producer has few registers
      for (int b = block0; b < block1; ++b, ring.next()) {
        if (i > first || b >= block0 + early) {
          barrier_wait(shared_address(&sm.empty[ring.slot]), ring.parity ^ 1);
          load_b(ring.slot, b * P::kDepth, tile.col * P::kCols, tile.batch);
        }
        rows.load(shared_address(sm.ring[ring.slot]), map_a, shared_address(&sm.full[ring.slot]), place);
      }
    }
  }
};

// ---- Consumers.  acc[i] of a thread is FragmentRow, FragmentColumn (layout.h) of its warpgroup's 64 x kCols.

template <class P>
struct TileStore {
  const TensorMap& map;
  typename P::Out* out;  // [batch, m, n]
  GemmSizes sizes;
  const TensorMap& read_map;  // kReads: of the operand the epilogue reads
  uint32_t staging, landed;
  int consumer, thread;
  Ring<P::kPanels> ring;  // the panel that is staged next

  // Brings panel `p` of the tile to where its results will be staged.
  SL_DEVICE void bring(int p, int slot, int row0, int col0, int batch) const {
    const uint32_t to = staging + slot * P::kPanelBytes, bar = landed + slot * 8;
    const int row = row0 + p / P::kRowPanels * 64, col = col0 + p % P::kRowPanels * P::kPanel;
    barrier_expect(bar, P::kPanelBytes);
    if constexpr (P::kBatched) {
      tma_load(to, read_map, bar, col, row, batch);
    } else {
      tma_load(to, read_map, bar, col, row);
    }
  }
  // While the tile is multiplied: what its first panels need.
  SL_DEVICE void prepare(int row0, int col0, int batch) const {
    if (P::kReads && thread == 0) {
      tma_store_wait_read<0>();
      Ring<P::kPanels> next = ring;
#pragma unroll
      for (int p = 0; p < smaller(P::kPanels, P::kTilePanels); ++p, next.next()) {
        bring(p, next.slot, row0, col0, batch);
      }
    }
  }

  // 64 rows from row0 + 64 * half on.
  template <class Epilogue>
  SL_DEVICE void run(const typename P::Sum (&sums)[P::kSlice / 2], int half, int row0, int col0, int batch,
                     const Epilogue& epilogue) {
    if constexpr (P::kTmaStore) {
#pragma unroll
      for (int p = 0; p < P::kRowPanels; ++p, ring.next()) {
        const int done = half * P::kRowPanels + p, row = row0 + half * 64, col = col0 + p * P::kPanel;
        const uint32_t panel = staging + ring.slot * P::kPanelBytes;
        stage(sums, p, panel, row, col, batch, epilogue);
        if (thread == 0) {
          if constexpr (P::kBatched) {
            tma_store(map, panel, col, row, batch);
          } else {
            tma_store(map, panel, col, row);
          }
          if (P::kReads && done > 0 && done - 1 + P::kPanels < P::kTilePanels) {
            tma_store_wait_read<1>();  // the panel before this one is free
            bring(done - 1 + P::kPanels, (ring.slot + P::kPanels - 1) % P::kPanels, row0, col0, batch);
          }
        }
      }
    } else if constexpr (P::kCodeLines) {
      const int row = row0 + half * 64 + FragmentRow(thread, 0), col = col0 + FragmentColumn(thread, 0);
#pragma unroll
      for (int line = 0; line < P::kResults / 32; ++line) {
        auto pair = [&](int i) {
          return finish_near(epilogue, sums, i, NearPair(row + (i & 2) * 4, col + i / 4 * 8, batch, sizes.n, sizes));
        };
        store_code_lines(pair, line * 16, out, row, col0 + line * 32, batch, sizes);
      }
    } else {
      const int row = row0 + half * 64 + FragmentRow(thread, 0), col = col0 + FragmentColumn(thread, 0);
#pragma unroll
      for (int r = 0; r < 2; ++r) {
#pragma unroll
        for (int i = 2 * r; i < P::kResults / 2; i += 4) {
          const auto v = finish_pair<P::kParts>(epilogue, sums, i, row + 8 * r, col + i / 4 * 8, batch, sizes);
          store_result(v, out, row + 8 * r, col + i / 4 * 8, batch, sizes.m, sizes.n / P::kParts);
        }
      }
    }
  }

 private:
  // All of a panel is finished before the first of it is stored: a store to shared memory holds back later reads.
  template <class Epilogue>
  SL_DEVICE void stage(const typename P::Sum (&sums)[P::kSlice / 2], int p, uint32_t panel, int row0, int col0,
                       int batch, const Epilogue& epilogue) const {
    using Out = typename P::Out;
    constexpr int kChunks = P::kPanel / 8;
    const int warp = thread / 32, lane = thread % 32;
    const int row = row0 + FragmentRow(thread, 0), col = col0 + FragmentColumn(thread, 0);
    auto place = [&](int chunk) {
      return panel + SwizzledOffset(warp * 16 + lane % 16, chunk + lane / 16, P::kPanel * 2);
    };
    uint32_t words[kChunks / 2][4];
    if constexpr (P::kReads) {  // a warp reads just what it overwrites
      barrier_wait(landed + ring.slot * 8, ring.parity);
#pragma unroll
      for (int c = 0; c < kChunks / 2; ++c) {
        load_matrices(words[c], place(2 * c));
      }
    } else {  // no later than this: ptxas moves conversions of sums into the products, which it then serialises
      if (thread == 0) {
        tma_store_wait_read<P::kPanels - 1>();
      }
      named_sync(1 + consumer, 128);
    }
#pragma unroll
    for (int c = 0; c < kChunks / 2; ++c) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int i = ((p * kChunks + 2 * c) * 4) + 2 * j;
        const int at_row = row + j % 2 * 8, at_col = col + (2 * c + j / 2) * 8;
        const NearPair at(at_row, at_col, batch, sizes.n / P::kParts, sizes);
        if constexpr (P::kReads) {
          words[c][j] = finish_word<Out, P::kParts>(epilogue, sums, i, at, Two<Out>(words[c][j]));
        } else {
          words[c][j] = finish_word<Out, P::kParts>(epilogue, sums, i, at);
        }
      }
    }
#pragma unroll
    for (int c = 0; c < kChunks / 2; ++c) {
      store_matrices(place(2 * c), words[c][0], words[c][1], words[c][2], words[c][3]);
    }
    fence_async_proxy();
    named_sync(1 + consumer, 128);
  }
};

// The first column of the result that a CTA finishes.
template <class P>
SL_DEVICE int column_of(const TileIndex& tile, int rank) {
  return (tile.col * P::kCols + (P::kSplit > 1 ? rank * P::kSlice : 0)) / P::kParts;
}

template <class P, class Epilogue>
SL_DEVICE void fetch_columns(const Epilogue& epilogue, int col, const GemmSizes& sizes) {
  for (int i = threadIdx.x - 128; i < smaller(P::kResults, sizes.n / P::kParts - col); i += P::kMathThreads) {
    fetch_column(epilogue, col + i, 0);
  }
}

template <class P, class Epilogue>
SL_DEVICE void finish_tile(const typename P::Sum (&acc)[P::kHalves][P::kCols / 2], TileShared<P>& sm,
                           TileStore<P>& store, int rank, int row, int col, int batch, const Epilogue& epilogue) {
  if constexpr (P::kSplit > 1) {
    typename P::Sum own[P::kSlice / 2];
    exchange_slices<P>(acc[0], own, sm, rank, ceil_div(store.sizes.k, P::kDepth), store.consumer * 128 + store.thread);
    store.run(own, 0, row, col, batch, epilogue);
  } else {
#pragma unroll
    for (int half = 0; half < P::kHalves; ++half) {
      store.run(acc[half], half, row, col, batch, epilogue);
    }
  }
}

template <class P, class Epilogue>
SL_DEVICE void consume_tiles(TileShared<P>& sm, TileStore<P>& store, const TileOrder& order, int rank, int first,
                             int stride, int block0, int block1, const Epilogue& epilogue) {
  using Mma = Wgmma<typename P::In, P::kCols, typename P::Weight>;
  constexpr int kStepB = P::kWidthMajorB ? kWidthDepthStep : kDepthStep;
  const int consumer = store.consumer, thread = store.thread;
  const uint64_t a_matrix = MatrixDescriptor(shared_address(sm.ring) + (P::kPingPong ? 0 : consumer * 64 * 128));
  const uint64_t b_matrix = MatrixDescriptor(shared_address(sm.ring) + P::kBytesA, P::kWidthMajorB ? P::kBoxBytes : 16);
  auto release = [&](int slot) {  // one lane for the warpgroup, to each CTA the slot is written for
    if constexpr (P::kMulticast > 1) {
      if (thread < P::kMulticast) {
        barrier_arrive_peer(shared_address(&sm.empty[slot]), thread);
      }
    } else {
      if (thread == 0) {
        barrier_arrive(shared_address(&sm.empty[slot]));
      }
    }
  };
  Ring<P::kStages> ring;
  if (P::kPingPong && consumer == 1) {
    ring.skip(block1 - block0);
  }
  for (int i = first + (P::kPingPong ? consumer * stride : 0); i < order.count();
       i += P::kPingPong ? 2 * stride : stride) {
    const TileIndex tile = order.at(i);
    const int row =
        (tile.row * P::kMulticast + (P::kMulticast > 1 ? rank : 0)) * P::kRows + (P::kPingPong ? 0 : consumer * 64);
    const int col = column_of<P>(tile, rank);
    typename P::Sum acc[P::kHalves][P::kCols / 2];
    int previous = 0;
    // A parity wait cannot tell this lap from the one before last: begin only when the other consumer's slots are full.
    if (P::kPingPong && i > first) {
      named_sync(3 + consumer, 256);
    }
    for (int b = block0; b < block1; ++b, ring.next()) {
      barrier_wait(shared_address(&sm.full[ring.slot]), ring.parity);
      const uint64_t a = a_matrix + ring.slot * (P::kBytesStage / 16), w = b_matrix + ring.slot * (P::kBytesStage / 16);
      wgmma_begin();
#pragma unroll
      for (int step = 0; step < 4; ++step)
#pragma unroll
        for (int half = 0; half < P::kHalves; ++half) {
          Mma::template shared<P::kWidthMajorB>(acc[half], a + kDepthStep * step + half * (64 * 128 / 16),
                                                w + kStepB * step, step > 0 || b > block0);
        }
      wgmma_commit();
      if (b == block0) {
        store.prepare(row, col, tile.batch);
      }
      wgmma_wait<1>();  // the previous slot's reads have retired; this one's run on
      if (b > block0) {
        release(previous);
      }
      previous = ring.slot;
    }
    if (P::kPingPong && i + stride < order.count()) {
      named_arrive(4 - consumer, 256);
    }
    wgmma_wait<0>();
#pragma unroll
    for (int half = 0; half < P::kHalves; ++half) {
      pin(acc[half]);
    }
    release(previous);
    finish_tile(acc, sm, store, rank, row, col, tile.batch, epilogue);
    if (P::kPingPong) {
      ring.skip(block1 - block0);
    }
  }
  if (P::kTmaStore && thread == 0) {
    tma_store_wait_read<0>();  // the staging must outlive its last store
  }
}

// The kernel: a grid of kCluster x any, kThreads threads, sizeof(TileShared<TilePlan<How>>) bytes of shared memory.
//   map_a [batch, m, k] boxes kBoxRows x kDepth      map_b [batch, n, k] boxes kBoxCols x kDepth, or [batch, k, n]
//   boxes kDepth x 64 map_c [batch, m, n] boxes 64 x kPanel, rows of a box swizzled over its whole width; map_read the
//   same
// A split's grid has one cluster per tile of the largest m.
template <class How, class Epilogue, class Rows = MatrixRows<How::kBatched, 128 / sizeof(typename How::In)>>
SL_DEVICE void gemm_tiles(const TensorMap& map_a, const TensorMap& map_b, const TensorMap& map_c,
                          const TensorMap& map_read, typename How::Out* out, const GemmSizes& sizes,
                          const Epilogue& epilogue, const Rows& rows = {}) {
  using P = TilePlan<How>;
  extern __shared__ __align__(1024) uint8_t dynamic[];
  TileShared<P>& sm = *reinterpret_cast<TileShared<P>*>(dynamic);
  const int group = threadIdx.x / 128, thread = threadIdx.x % 128;
  const int rank = P::kCluster > 1 ? cluster_rank() : 0;
  const int blocks = ceil_div(sizes.k, P::kDepth);
  const int block0 = P::kSplit > 1 ? blocks * rank / P::kSplit : 0,
            block1 = P::kSplit > 1 ? blocks * (rank + 1) / P::kSplit : blocks;
  const int first = blockIdx.x / P::kCluster, stride = gridDim.x / P::kCluster;
  const TileOrder order{ceil_div(sizes.m, P::kRows * P::kMulticast), ceil_div(sizes.n, P::kCols), sizes.batch,
                        P::kBand};

  if (threadIdx.x == 0) {
    prefetch_map(map_a), prefetch_map(map_b), prefetch_map(map_c), prefetch_map(map_read);
    init_barriers(sm);
  }
  if constexpr (P::kCluster > 1) {
    cluster_sync();
  } else {
    __syncthreads();
  }
  let_next_begin();  // its CTA cannot come in before this one leaves: shared memory is full

  if (group == 0) {
    if constexpr (P::kConsumers > 1) {
      give_registers<40>();
    }
    if (thread == 0) {
      TileProducer<P, Rows>{sm, map_a, map_b, rows, rank}.run(order, first, stride, block0, block1);
    }
    __syncwarp();
    if constexpr (P::kSplit > 1) {
      if (first < order.count() && !Inbox<P>::spare(blocks)) {
        cluster_sync();  // the one in exchange_slices
      }
    }
  } else {
    if constexpr (P::kConsumers > 1) {
      take_registers<232>();
    }
    if (first < order.count()) {
      fetch_columns<P>(epilogue, column_of<P>(order.at(first), rank), sizes);
    }
    wait_for_previous();  // what the epilogue reads
    TileStore<P> store{
        map_c,     out,   sizes, map_read, shared_address(sm.staging[group - 1]), shared_address(sm.landed[group - 1]),
        group - 1, thread};
    consume_tiles<P>(sm, store, order, rank, first, stride, block0, block1, epilogue);
  }
  if constexpr (P::kMulticast > 1) {  // a peer may still arrive on, or write into, this CTA's shared memory
    __syncwarp();
    cluster_sync();
  }
}

}  // namespace sl
