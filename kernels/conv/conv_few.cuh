// Convolutions of few channels, such as a network's first: all of k fits shared memory, so a CTA fetches the weights
// once and works through tiles of pixels.
//
// Where an element of k lies from where a window begins, and which taps it needs inside the image, is one table for the
// whole launch; which taps are inside is one mask for each pixel.  What an element costs is then a test, an address and
// a load, at any stride: the image is read as it came.
//
// How: as conv_tiles.cuh, with kStages slots for all of k, kSplit 1, kVector and kTransposed false
#pragma once
#include "kernels/conv/conv_tiles.cuh"

namespace sl {

template <class How>
struct FewPlan : ConvPlan<How> {
  using Base = ConvPlan<How>;
  // The patches of all slots, whose place the sums take, then the weights, which stay.
  static constexpr int kPatches = Base::kStages * Base::kBytesA, kBytesB = Base::kBytesStage - Base::kBytesA;
  static constexpr int kWeightsAt = kPatches > Base::kTile ? kPatches : Base::kTile;
  static constexpr int kBytes = kWeightsAt + Base::kStages * kBytesB;
  static constexpr int kLength = Base::kStages * Base::kDepth;
};

struct TapEntry {
  int offset;     // elements from where the window begins
  uint32_t taps;  // one bit a dimension: FewLoader::inside has them where the tap is inside the image
};

template <class P, int kSpatial, int R>
struct FewLoader {
  using In = typename P::In;
  static constexpr uint32_t kNever = 1u << 31;
  const View<const In, R>& x;
  const Window& window;
  const TapEntry* table;
  Extents<int> extents;
  int pixels, group, channels, step[3];
  int row = threadIdx.x % P::kRows, chunk = threadIdx.x / P::kRows * P::kChunksEach;
  const In* image = nullptr;
  uint32_t inside = 0;

  // The bit of tap 0 of dimension d.
  SL_DEVICE int first_bit(int d) const {
    return d == 0 ? 0 : d == 1 ? window.kernel[0] : window.kernel[0] + window.kernel[1];
  }
  SL_DEVICE void fill(TapEntry* entries) {
    const int channel_step = static_cast<int>(x.stride(R - 1));
    for (int k = threadIdx.x; k < P::kLength; k += P::kThreads) {
      TapWalk walk;
      walk.begin(window, k, channels);
      TapEntry entry{walk.channel * channel_step, walk.tap[0] < window.kernel[0] ? 0 : kNever};
#pragma unroll
      for (int d = 0; d < 3; ++d) {
        entry.offset += walk.tap[d] * window.dilation[d] * step[d];
        entry.taps |= entry.taps == kNever ? 0 : 1u << (first_bit(d) + walk.tap[d]);
      }
      entries[k] = entry;
    }
  }
  SL_DEVICE void place(int tile) {
    const int pixel = tile * P::kRows + row, each = extents.pixels_out();
    int o[3];
    extents.split(pixel % each, o);
    image = x.data + pixel / each * x.stride(0) + int64_t(group) * channels * x.stride(R - 1);
    inside = 0;
#pragma unroll
    for (int d = 0; d < 3; ++d) {
      const int begin = o[d] * window.stride[d] - window.pad[d];
      image += int64_t(begin) * step[d];
#pragma unroll
      for (int tap = 0; tap < window.kernel[d]; ++tap) {
        const bool is = static_cast<uint32_t>(begin + tap * window.dilation[d]) < static_cast<uint32_t>(extents.in[d]);
        inside |= (is && pixel < pixels ? 1u : 0u) << (first_bit(d) + tap);
      }
    }
  }
  SL_DEVICE void fetch(int s, uint32_t slot) const {
    const TapEntry* const entries = table + s * P::kDepth + chunk * P::kElements;
    Pack<In, P::kElements> held[P::kChunksEach];
#pragma unroll
    for (int i = 0; i < P::kChunksEach * P::kElements; ++i) {
      const TapEntry entry = entries[i];
      held[i / P::kElements].at[i % P::kElements] = (inside & entry.taps) == entry.taps ? image[entry.offset] : In();
    }
#pragma unroll
    for (int i = 0; i < P::kChunksEach; ++i) {
      store_chunk(slot + SwizzledOffset(row, chunk + i, 128), held[i]);
    }
  }
};

// As conv_tiles; a grid of tiles of features × groups × any, FewPlan<How>::kBytes bytes of shared memory.
template <class How, int kSpatial, int R, class Epilogue>
SL_DEVICE void conv_few(const View<const typename How::In, R>& x, const View<const typename How::In, R>& w,
                        const typename How::Bias* bias, const View<typename How::Out, R>& y, const Window& window,
                        int groups, const Epilogue& epilogue) {
  using P = FewPlan<How>;
  extern __shared__ __align__(1024) uint8_t dynamic[];
  __shared__ __align__(16) TapEntry table[P::kLength];
  const uint32_t ring = shared_address(dynamic);
  const auto extents = Extents<int>::template of<kSpatial>(x, y, 1);
  const int pixels = static_cast<int>(x.size(0)) * extents.pixels_out(), features = static_cast<int>(y.size(R - 1));
  const int each = features / groups, channels = static_cast<int>(x.size(R - 1)) / groups, k = window.taps() * channels;
  const int across = ceil_div(each, P::kCols), column = blockIdx.x % (across * groups);
  const int tile_col = column % across, group = column / across;
  let_next_begin();
  FewLoader<P, kSpatial, R> patches{x, window, table, extents, pixels, group, channels};
#pragma unroll
  for (int d = 0; d < 3; ++d) {
    const int i = d + kSpatial - 3;
    patches.step[d] = i < 0 ? 0 : static_cast<int>(x.stride(1 + (i < 0 ? 0 : i)));
  }
  patches.fill(table);
  if (!P::kWeights) {
    wait_for_previous();
  }
  WeightLoader<P> weights(w.data + int64_t(group) * each * k, each, k, tile_col, 0);
#pragma unroll
  for (int s = 0; s < P::kStages; ++s) {
    weights.fetch(ring + P::kWeightsAt + s * P::kBytesB);
  }
  if (P::kWeights) {
    wait_for_previous();
  }
  __syncthreads();
  const int stride = gridDim.x / (across * groups);
#pragma unroll 1
  for (int tile = blockIdx.x / (across * groups); tile * P::kRows < pixels; tile += stride) {
    patches.place(tile);
#pragma unroll 1
    for (int s = 0; s < P::kStages; ++s) {
      patches.fetch(s, ring + s * P::kBytesA);
    }
    typename SumsOfPlan<P>::type sums;
    sums.publish();
    __syncthreads();
#pragma unroll 1
    for (int s = 0; s < P::kStages; ++s) {
      const uint32_t left = ring + s * P::kBytesA, right = ring + P::kWeightsAt + s * P::kBytesB;
      sums.begin(left, right);
      sums.finish(left, right);
    }
    __syncthreads();  // nobody reads the patches any more
    finish_tile<P>(sums, ring, 0, int64_t(tile) * P::kRows, pixels, group * each + tile_col * P::kCols,
                   smaller((group + 1) * each, group * each + (tile_col + 1) * P::kCols), features, y.data, bias,
                   epilogue);
    __syncthreads();  // nor the sums
  }
}

}  // namespace sl
