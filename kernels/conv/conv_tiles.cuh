// Convolution as a product whose left operand is never stored, channels last:
//   y[pixel, feature] = epilogue(Σ_k patch(pixel, k) · w[feature, k]),   k = (tap, channel)
// A CTA makes kRows pixels × kCols features of one group.  A slot of the ring is 128 bytes of k of each of them,
// however wide an element is, so that one geometry serves 16-bit, 32-bit and 8-bit types: cp.async fills it (zeros on
// the padding), ldmatrix reads it, mma.sync multiplies 32 bytes of k at a time.
//
//   kSplit s   the s CTAs of a cluster share one tile, each taking k / s; they add their parts in a fixed order through
//              distributed shared memory and each finishes its rows: small images fill the GPU so.
//   kVector    channels and k are multiples of 16 bytes and lie dense; else elements are gathered one by one, at any
//              stride (the first convolution reads the image as it came)
//
// How: In, Weight, Out, Bias; kRows, kCols; kDown, kAcross: warps; kStages, kSplit, kVector, kTransposed; kWeights: no
// earlier kernel of the stream writes w; kOutside: what elements beyond x count as, 0 but for codes
#pragma once
#include "kernels/device/chunk.cuh"
#include "kernels/device/window.cuh"
#include "kernels/gemm/gemm_epilogue.cuh"

namespace sl {

template <class How>
struct ConvPlan : How {
  using typename How::In;
  static constexpr int kRows = How::kRows, kCols = How::kCols, kStages = How::kStages, kSplit = How::kSplit;
  static constexpr int kElements = 16 / sizeof(In), kDepth = 8 * kElements;  // of a chunk; of a slot
  static constexpr int kThreads = 32 * How::kDown * How::kAcross;
  static constexpr int kRowStep = kThreads / 8;  // 8 threads fill a row, a chunk each
  static constexpr int kColsEach = kCols / kRowStep;
  // Of the patches a thread fills a chunk of several rows; gathering, several chunks of one row, so that a warp's reads
  // are those of neighbouring pixels.
  static constexpr int kRowsEach = How::kVector ? kRows / kRowStep : 1;
  static constexpr int kChunksEach = How::kVector ? 1 : 8 * kRows / kThreads;
  static constexpr int kBytesA = kRows * 128, kBytesStage = kBytesA + kCols * 128;
  static constexpr int kPitch = kCols + 8;  // of the finished tile: 8 rows of pairs meet all banks
  static constexpr int kRing = kStages * kBytesStage, kTile = kRows * kPitch * 4;
  static constexpr int kShared = kRing > kTile ? kRing : kTile;
  static constexpr int kPairs = kCols / 2, kFinish = kThreads / kPairs;  // rows finished at a time
  static_assert(kRows % kRowStep == 0 && kCols % kRowStep == 0 && kThreads % kPairs == 0);
  static_assert(kRows / kSplit % kFinish == 0 && (kRows / kSplit / kFinish < 8 || kRows / kSplit / kFinish % 8 == 0));
};

// Where a thread's chunk of k lies: a tap and a channel.
struct TapWalk {
  int tap[3], channel;

  SL_DEVICE void begin(const Window& window, int k, int channels) {
    const int number = k / channels;
    channel = k % channels;
    tap[2] = number % window.kernel[2];
    tap[1] = number / window.kernel[2] % window.kernel[1];
    tap[0] = number / window.kernel[2] / window.kernel[1];
  }
  SL_DEVICE void advance(const Window& window, int by, int channels) {
    channel += by;
    while (channel >= channels) {
      channel -= channels;
      if (++tap[2] == window.kernel[2]) {
        tap[2] = 0;
        if (++tap[1] == window.kernel[1]) {
          tap[1] = 0;
          ++tap[0];
        }
      }
    }
  }
};

// Fills the left half of a slot: patches of the rows of this thread, a chunk of one tap each.
template <class P>
struct ChunkLoader {
  using In = typename P::In;
  const In* image[P::kRowsEach];  // of the row's group in its batch; null beyond the last pixel
  int origin[P::kRowsEach][3];
  int step[3], size[3], channels;
  int chunk, row;
  TapWalk walk;

  template <int kSpatial, int R>
  SL_DEVICE void begin(const View<const In, R>& x, const Extents<int>& extents, const Window& window, int pixels,
                       int tile, int group, int channels_each, int block) {
    channels = channels_each;
    chunk = threadIdx.x % 8;
    row = threadIdx.x / 8;
#pragma unroll
    for (int d = 0; d < 3; ++d) {
      const int i = d + kSpatial - 3;
      size[d] = extents.in[d];
      step[d] = i < 0 ? 0 : static_cast<int>(x.stride(1 + (i < 0 ? 0 : i)));
    }
    const int each = extents.pixels_out();
#pragma unroll
    for (int i = 0; i < P::kRowsEach; ++i) {
      const int pixel = tile * P::kRows + row + i * P::kRowStep;
      extents.split(pixel % each, origin[i]);
      image[i] = pixel < pixels ? x.data + pixel / each * x.stride(0) + group * channels : nullptr;
    }
    walk.begin(window, block * P::kDepth + chunk * P::kElements, channels);
  }
  SL_DEVICE void prepare(const Window&) {}
  SL_DEVICE void fetch(const Window& window, uint32_t slot) {
#pragma unroll
    for (int i = 0; i < P::kRowsEach; ++i) {
      bool inside = walk.tap[0] < window.kernel[0] && image[i] != nullptr;
      int64_t offset = walk.channel;
#pragma unroll
      for (int d = 0; d < 3; ++d) {
        int p;
        inside &= tap_meets<P::kTransposed>(window, d, origin[i][d], walk.tap[d], size[d], p);
        offset += int64_t(p) * step[d];
      }
      const uint32_t to = slot + SwizzledOffset(row + i * P::kRowStep, chunk, 128);
      if (P::kOutside != 0 && !inside) {
        store_chunk(to, all_of<In, P::kElements>(P::kOutside));
      } else {
        copy_chunk(to, inside ? image[i] + offset : nullptr);
      }
    }
    walk.advance(window, P::kDepth, channels);
  }
};

// The same element by element: a thread has several chunks of one row.  Where an element of k lies from where a window
// begins is the same for all rows: the CTA makes a table of it for each slot, one lap ahead.
template <class P>
struct GatherLoader {
  using In = typename P::In;
  struct alignas(16) Entry {
    int offset, at[3];  // elements; positions from where the window begins
  };
  static constexpr int kNowhere = 1 << 29;
  const In* image;
  int origin[3], step[3], size[3], channel_step, channels;
  int chunk, row, block, written = 0, read = 0;
  Entry* table;  // two of kDepth entries

  template <int kSpatial, int R>
  SL_DEVICE void begin(const View<const In, R>& x, const Extents<int>& extents, const Window& window, int pixels,
                       int tile, int group, int channels_each, int first_block) {
    __shared__ Entry entries[2 * P::kDepth];
    table = entries;
    block = first_block;
    channels = channels_each;
    channel_step = static_cast<int>(x.stride(R - 1));
    chunk = threadIdx.x / P::kRows * P::kChunksEach;
    row = threadIdx.x % P::kRows;
    const int pixel = tile * P::kRows + row, each = extents.pixels_out();
    extents.split(pixel % each, origin);
    int64_t base = pixel / each * x.stride(0) + int64_t(group) * channels * channel_step;
#pragma unroll
    for (int d = 0; d < 3; ++d) {
      const int i = d + kSpatial - 3;
      size[d] = extents.in[d];
      step[d] = i < 0 ? 0 : static_cast<int>(x.stride(1 + (i < 0 ? 0 : i)));
      origin[d] = P::kTransposed ? origin[d] + window.pad[d] : origin[d] * window.stride[d] - window.pad[d];
      base += P::kTransposed ? 0 : int64_t(origin[d]) * step[d];
    }
    image = x.data + base;
    origin[2] = pixel < pixels ? origin[2] : -kNowhere;
  }
  // Writes the table of the next slot; a barrier must be between this and its fetch.
  SL_DEVICE void prepare(const Window& window) {
    if (threadIdx.x < P::kDepth) {
      TapWalk walk;
      walk.begin(window, block * P::kDepth + threadIdx.x, channels);
      Entry entry{walk.channel * channel_step, {}};
#pragma unroll
      for (int d = 0; d < 3; ++d) {
        entry.at[d] = walk.tap[d] * window.dilation[d];
        entry.offset += P::kTransposed ? 0 : entry.at[d] * step[d];
      }
      entry.at[2] = walk.tap[0] < window.kernel[0] ? entry.at[2] : kNowhere * 2;
      table[written * P::kDepth + threadIdx.x] = entry;
    }
    ++block;
    written ^= 1;
  }
  SL_DEVICE In element(const Window& window, const Entry& entry) const {
    bool inside = true;
    int offset = entry.offset;
#pragma unroll
    for (int d = 0; d < 3; ++d) {
      if constexpr (P::kTransposed) {
        const int reach = origin[d] - entry.at[d], p = reach / window.stride[d];
        inside &= reach >= 0 && reach % window.stride[d] == 0 && p < size[d];
        offset += p * step[d];
      } else {
        inside &= static_cast<uint32_t>(origin[d] + entry.at[d]) < static_cast<uint32_t>(size[d]);
      }
    }
    return inside ? image[offset] : outside_of<In>(P::kOutside);
  }
  SL_DEVICE void fetch(const Window& window, uint32_t slot) {
    const Entry* const entries = table + read * P::kDepth + chunk * P::kElements;
    Pack<In, P::kElements> held[P::kChunksEach];
#pragma unroll
    for (int i = 0; i < P::kChunksEach * P::kElements; ++i) {
      held[i / P::kElements].at[i % P::kElements] = element(window, entries[i]);
    }
#pragma unroll
    for (int i = 0; i < P::kChunksEach; ++i) {
      store_chunk(slot + SwizzledOffset(row, chunk + i, 128), held[i]);
    }
    read ^= 1;
  }
};

template <class P, bool kVector = P::kVector>
struct PatchLoaderOf {
  using type = ChunkLoader<P>;
};
template <class P>
struct PatchLoaderOf<P, false> {
  using type = GatherLoader<P>;
};

// Fills the right half: rows of the weight.
template <class P>
struct WeightLoader {
  using In = typename P::Weight;
  const In* data;  // of the group
  int features, k, at, first, chunk, row;

  SL_DEVICE WeightLoader(const In* data, int features, int k, int tile, int block)
      : data(data), features(features), k(k), first(tile * P::kCols), chunk(threadIdx.x % 8), row(threadIdx.x / 8) {
    at = block * P::kDepth + chunk * P::kElements;
  }
  SL_DEVICE void fetch(uint32_t half) {
#pragma unroll
    for (int i = 0; i < P::kColsEach; ++i) {
      const int feature = first + row + i * P::kRowStep;
      const In* from = feature < features && at < k ? data + int64_t(feature) * k + at : nullptr;
      const uint32_t to = half + SwizzledOffset(row + i * P::kRowStep, chunk, 128);
      if constexpr (P::kVector) {
        copy_chunk(to, from);
      } else {
        Pack<In, P::kElements> held;
#pragma unroll
        for (int e = 0; e < P::kElements; ++e) {
          held.at[e] = from && at + e < k ? from[e] : In();
        }
        store_chunk(to, held);
      }
    }
    at += P::kDepth;
  }
};

// The sums of a tile, as they lie in the threads, and how a slot is added to them: begin(), then other work, then
// finish(), after which the slot may be overwritten.
//
// By mma.sync: a warp multiplies kDownEach × kAcrossEach blocks of 16 × 8.
template <class P>
struct WarpSums {
  using Product = ChunkProduct<typename P::In>;
  static constexpr int kDownEach = P::kRows / P::kDown / 16, kAcrossEach = P::kCols / P::kAcross / 8;
  static_assert(kAcrossEach % 2 == 0);
  typename Product::Sum at[kDownEach][kAcrossEach][4] = {};

  static SL_DEVICE void publish() {}
  SL_DEVICE void begin(uint32_t, uint32_t) {}
  SL_DEVICE void finish(uint32_t patches, uint32_t weights) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int row = warp / P::kAcross * kDownEach * 16 + lane % 16;
    const int col = warp % P::kAcross * kAcrossEach * 8 + lane / 16 * 8 + lane % 8;
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      typename Product::Left left[kDownEach];
#pragma unroll
      for (int i = 0; i < kDownEach; ++i) {
        uint32_t a[4];
        load_matrices(a, patches + SwizzledOffset(row + i * 16, step * 2 + lane / 16, 128));
        left[i].set(a);
      }
#pragma unroll
      for (int j = 0; j < kAcrossEach; j += 2) {
        uint32_t b[4];
        load_matrices(b, weights + SwizzledOffset(col + j * 8, step * 2 + lane / 8 % 2, 128));
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const typename Product::Right right(b[half * 2], b[half * 2 + 1]);
#pragma unroll
          for (int i = 0; i < kDownEach; ++i) {
            Product::add(at[i][j + half], left[i], right);
          }
        }
      }
    }
  }
  // put(row, column, sum, sum of the next column)
  template <class Put>
  SL_DEVICE void each_pair(Put put) const {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int row = warp / P::kAcross * kDownEach * 16 + lane / 4;
    const int col = warp % P::kAcross * kAcrossEach * 8 + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kDownEach; ++i)
#pragma unroll
      for (int j = 0; j < kAcrossEach; ++j)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          put(row + i * 16 + half * 8, col + j * 8, at[i][j][2 * half], at[i][j][2 * half + 1]);
        }
  }
};

// By wgmma, for 16-bit types and codes: a warpgroup multiplies 64 rows by all columns, straight from the slot.
template <class P>
struct GroupSums {
  static_assert(P::kThreads == P::kRows * 2);
  using Sum = typename SumOf<typename P::In>::type;
  Sum at[P::kCols / 2] = {};

  // Before the barrier that tells others: what this thread copied is seen by wgmma.
  static SL_DEVICE void publish() { fence_async_proxy(); }
  SL_DEVICE void begin(uint32_t patches, uint32_t weights) {
    const uint64_t left = MatrixDescriptor(patches + warp_uniform(threadIdx.x / 128) * 64 * 128);
    const uint64_t right = MatrixDescriptor(weights);
    pin(at);
    wgmma_begin();
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      Wgmma<typename P::In, P::kCols, typename P::Weight>::template shared<false>(at, left + kDepthStep * step,
                                                                                  right + kDepthStep * step, 1);
    }
    wgmma_commit();
  }
  SL_DEVICE void finish(uint32_t, uint32_t) {
    wgmma_wait<0>();
    pin(at);
  }
  template <class Put>
  SL_DEVICE void each_pair(Put put) const {
    const int group = threadIdx.x / 128, thread = threadIdx.x % 128;
#pragma unroll
    for (int i = 0; i < P::kCols / 2; i += 2) {
      put(group * 64 + FragmentRow(thread, i), FragmentColumn(thread, i), at[i], at[i + 1]);
    }
  }
};

template <class P, bool kGroups = sizeof(typename P::In) <= 2>
struct SumsOfPlan {
  using type = GroupSums<P>;
};
template <class P>
struct SumsOfPlan<P, false> {
  using type = WarpSums<P>;
};

// The finished tile in shared memory, then this CTA's rows of it: parts of a split added in order, bias, epilogue.
template <class P, class Sums, class Epilogue>
SL_DEVICE void finish_tile(const Sums& sums, uint32_t tile, int rank, int64_t pixel0, int64_t pixels, int feature0,
                           int feature_end, int pitch, typename P::Out* out, const typename P::Bias* bias,
                           const Epilogue& epilogue) {
  using Sum = typename SumOf<typename P::In>::type;
  sums.each_pair([&](int row, int col, Sum x, Sum y) { store_pair_shared(tile + (row * P::kPitch + col) * 4, x, y); });
  if constexpr (P::kSplit > 1) {
    cluster_publish();
  } else {
    __syncthreads();
  }
  constexpr int kMine = P::kRows / P::kSplit;
  const int col = threadIdx.x % P::kPairs * 2, feature = feature0 + col;
  Sum added[2] = {};
  if (bias && feature < feature_end) {
    added[0] = static_cast<Sum>(to_float(bias[feature]));
    added[1] = feature + 1 < feature_end ? static_cast<Sum>(to_float(bias[feature + 1])) : Sum(0);
  }
  // In batches: sums, then what the epilogue reads, then stores, so that none of these waits for the one before.
  constexpr int kRounds = kMine / P::kFinish, kBatch = kRounds < 8 ? kRounds : 8;
#pragma unroll 1
  for (int r = 0; r < kRounds; r += kBatch) {
    const int row = rank * kMine + r * P::kFinish + threadIdx.x / P::kPairs;
    Sum parts[kBatch][2];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const uint32_t at = tile + ((row + i * P::kFinish) * P::kPitch + col) * 4;
      load_pair_shared<P::kSplit>(at, 0, parts[i]);
#pragma unroll
      for (int peer = 1; peer < P::kSplit; ++peer) {
        Sum more[2];
        load_pair_shared<P::kSplit>(at, peer, more);
        parts[i][0] += more[0], parts[i][1] += more[1];
      }
    }
    // Threads beyond the result redo its last elements: a branch around each read would make it wait for the one
    // before.
    PairOf<decltype(epilogue(Sum(), 0, 0))> values[kBatch];
    const int last = feature_end - 1;
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int64_t at = pixel0 + row + i * P::kFinish, pixel = at < pixels ? at : pixels - 1;
      values[i].x = epilogue(parts[i][0] + added[0], pixel, smaller(feature, last));
      values[i].y = epilogue(parts[i][1] + added[1], pixel, smaller(feature + 1, last));
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int64_t pixel = pixel0 + row + i * P::kFinish;
      if (pixel < pixels && feature < feature_end) {
        typename P::Out* const to = out + pixel * pitch + feature;
        if (pitch % 2 == 0 && feature % 2 == 0 && feature + 1 < feature_end) {
          store_pair(to, values[i]);
        } else {
          to[0] = rounded<typename P::Out>(values[i].x);
          if (feature + 1 < feature_end) {
            to[1] = rounded<typename P::Out>(values[i].y);
          }
        }
      }
    }
  }
  if constexpr (P::kSplit > 1) {
    cluster_sync();  // a peer may still read this CTA's tile
  }
}

// x [b, …, c], w [f, …, c / groups], bias [f] or null → y [b, …, f], dense.  A grid of kSplit × tiles of features ×
// groups × tiles of the largest number of pixels; ConvPlan<How>::kShared bytes of shared memory.
template <class How, int kSpatial, int R, class Epilogue>
SL_DEVICE void conv_tiles(const View<const typename How::In, R>& x, const View<const typename How::Weight, R>& w,
                          const typename How::Bias* bias, const View<typename How::Out, R>& y, const Window& window,
                          int groups, const Epilogue& epilogue) {
  using P = ConvPlan<How>;
  extern __shared__ __align__(1024) uint8_t dynamic[];
  const uint32_t ring = shared_address(dynamic);
  const auto extents = Extents<int>::template of<kSpatial>(x, y, 1);
  const int pixels = static_cast<int>(x.size(0)) * extents.pixels_out(), features = static_cast<int>(y.size(R - 1));
  const int each = features / groups, channels = static_cast<int>(x.size(R - 1)) / groups, k = window.taps() * channels;
  const int rank = P::kSplit > 1 ? cluster_rank() : 0;
  const int tile = blockIdx.x / P::kSplit, across = ceil_div(each, P::kCols);
  const int tile_col = tile % across, group = tile / across % groups, tile_row = tile / across / groups;
  let_next_begin();
  if (tile_row * P::kRows >= pixels) {
    wait_for_previous();  // whoever waits for this kernel means those before it too
    return;
  }
  const int blocks = ceil_div(k, P::kDepth), block0 = blocks * rank / P::kSplit,
            block1 = blocks * (rank + 1) / P::kSplit;
  WeightLoader<P> weights(w.data + int64_t(group) * each * k, each, k, tile_col, block0);
  typename PatchLoaderOf<P>::type patches;
  patches.template begin<kSpatial>(x, extents, window, pixels, tile_row, group, channels, block0);

  const int early = smaller(P::kStages - 1, block1 - block0);
  if (!P::kWeights) {
    wait_for_previous();
  }
  for (int s = 0; s < early; ++s) {
    weights.fetch(ring + s * P::kBytesStage + P::kBytesA);
  }
  if (P::kWeights) {
    wait_for_previous();
  }
#pragma unroll
  for (int s = 0; s < P::kStages - 1; ++s) {
    if (!P::kVector) {
      patches.prepare(window);
      __syncthreads();
    }
    if (s < early) {
      patches.fetch(window, ring + s * P::kBytesStage);
    }
    copy_commit();
  }
  typename SumsOfPlan<P>::type sums;
  Ring<P::kStages> read;
  int write = P::kStages - 1;
#pragma unroll 1
  for (int b = block0; b < block1; ++b, read.next()) {
    copy_wait<P::kStages - 2>();
    patches.prepare(window);
    sums.publish();
    __syncthreads();  // the slot is full, and the one written below was last read before this barrier
    const uint32_t full = ring + read.slot * P::kBytesStage;
    sums.begin(full, full + P::kBytesA);
    if (b + P::kStages - 1 < block1) {
      const uint32_t slot = ring + write * P::kBytesStage;
      weights.fetch(slot + P::kBytesA);
      patches.fetch(window, slot);
    }
    copy_commit();
    write = write + 1 == P::kStages ? 0 : write + 1;
    sums.finish(full, full + P::kBytesA);
  }
  copy_wait<0>();
  __syncthreads();
  finish_tile<P>(sums, ring, rank, int64_t(tile_row) * P::kRows, pixels, group * each + tile_col * P::kCols,
                 smaller((group + 1) * each, group * each + (tile_col + 1) * P::kCols), features, y.data, bias,
                 epilogue);
}

}  // namespace sl
