// The (token, choice) pairs of a mixture of experts by expert: a counting sort in a block's shared memory.
#pragma once
#include "kernels/device/layout.cuh"
#include "kernels/device/types.cuh"
#include "kernels/moe/moe_tiles.cuh"

namespace sl {

template <class How>
struct MoeLists {
  using Index = typename How::Index;
  static constexpr int kTilesMost = How::kPairs / MoeTile::kSide + How::kExperts;

  int count[How::kExperts], begin[How::kExperts], active[How::kExperts], actives;
  int tile_count;
  uint16_t tile_expert[kTilesMost], tile_number[kTilesMost];  // tiles of pairs, by expert; number within the expert
  uint16_t pairs[How::kPairs];                                // sorted by expert

  SL_DEVICE int end(int e, int total) const { return e + 1 < How::kExperts ? begin[e + 1] : total; }

  // Of `total` pairs, whose experts are `indices`.  The order of an expert's pairs is free where one block computes
  // them all: a pair's result does not depend on the others.  Blocks that share them as tiles must find them in the
  // same order.  `places`: kWarps * kExperts numbers to work in, for tiles.
  SL_DEVICE void sort(const Index* indices, int total, int* places) {
    __syncthreads();
    for (int e = threadIdx.x; e < How::kExperts; e += How::kThreads) {
      count[e] = 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < total; i += How::kThreads) {
      atomicAdd(&count[expert(indices[i])], 1);
    }
    __syncthreads();
    if (threadIdx.x < 32) {
      scan();
    }
    __syncthreads();
    if constexpr (How::kTiles) {
      place_in_order(indices, total, places);
    } else {
      for (int i = threadIdx.x; i < total; i += How::kThreads) {
        const int e = expert(indices[i]);
        pairs[begin[e] + atomicAdd(&count[e], -1) - 1] = static_cast<uint16_t>(i);
      }
    }
    __syncthreads();
  }

 private:
  SL_DEVICE static int expert(Index index) {
    const int64_t e = static_cast<int64_t>(index);
    return static_cast<int>(e < 0 ? 0 : e >= How::kExperts ? How::kExperts - 1 : e);
  }
  // By one warp: where each expert begins, which have pairs, and their tiles.
  SL_DEVICE void scan() {
    const int lane = threadIdx.x;
    int before = 0, found = 0, tiles = 0;
    for (int e0 = 0; e0 < How::kExperts; e0 += 32) {
      const int e = e0 + lane, own = e < How::kExperts ? count[e] : 0, own_tiles = ceil_div(own, MoeTile::kSide);
      const int sum = sum_to_lane(own), tile = sum_to_lane(own_tiles);
      const uint32_t chosen = __ballot_sync(~0u, own > 0);
      if (e < How::kExperts) {
        begin[e] = before + sum - own;
      }
      if (own > 0) {
        active[found + __popc(chosen & ((1u << lane) - 1))] = e;
      }
      for (int i = 0; i < own_tiles; ++i) {
        tile_expert[tiles + tile - own_tiles + i] = static_cast<uint16_t>(e);
        tile_number[tiles + tile - own_tiles + i] = static_cast<uint16_t>(i);
      }
      before += __shfl_sync(~0u, sum, 31);
      tiles += __shfl_sync(~0u, tile, 31);
      found += __popc(chosen);
    }
    if (lane == 0) {
      actives = found;
      tile_count = tiles;
    }
  }
  SL_DEVICE static int sum_to_lane(int x) {
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      const int below = __shfl_up_sync(~0u, x, step);
      x += static_cast<int>(threadIdx.x) >= step ? below : 0;
    }
    return x;
  }
  // Each warp counts the pairs of a stretch by expert, and then places them behind those of the stretches before.
  SL_DEVICE void place_in_order(const Index* indices, int total, int* places) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int stretch = ceil_div(ceil_div(total, How::kWarps), 32) * 32, from = warp * stretch;
    const int to = smaller(from + stretch, total);
    int* const mine = places + warp * How::kExperts;
    for (int i = threadIdx.x; i < How::kWarps * How::kExperts; i += How::kThreads) {
      places[i] = 0;
    }
    __syncthreads();
    for (int i = from + lane; i < to; i += 32) {
      atomicAdd(&mine[expert(indices[i])], 1);
    }
    __syncthreads();
    for (int e = threadIdx.x; e < How::kExperts; e += How::kThreads) {
      int place = begin[e];
      for (int* at = places + e; at < places + How::kWarps * How::kExperts; at += How::kExperts) {
        const int next = place + *at;
        *at = place;
        place = next;
      }
    }
    __syncthreads();
    for (int i0 = from; i0 < to; i0 += 32) {
      const int i = i0 + lane, e = i < to ? expert(indices[i]) : -1;
      const uint32_t alike = __match_any_sync(~0u, e), below = alike & ((1u << lane) - 1);
      const int place = e < 0 ? 0 : mine[e];
      __syncwarp();
      if (e >= 0) {
        pairs[place + __popc(below)] = static_cast<uint16_t>(i);
        if (below == 0) {
          mine[e] = place + __popc(alike);
        }
      }
      __syncwarp();
    }
  }
};

}  // namespace sl
