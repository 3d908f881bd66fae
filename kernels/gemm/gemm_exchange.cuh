// How the CTAs of a split add up their partial tiles, through distributed shared memory.
#pragma once
#include "kernels/device/barrier.cuh"
#include "kernels/device/layout.cuh"
#include "kernels/device/types.cuh"

namespace sl {

template <class P>
struct TileShared;

// Where the partial sums of a split land: the last slots of the ring.  Unless slots are to spare, CTAs wait until all
// rings are idle.
template <class P>
struct Inbox {
  static constexpr int kBytes = P::kSplit * P::kInboxBytes, kBegin = P::kStages * P::kBytesStage - kBytes;
  static SL_DEVICE bool spare(int blocks) { return ceil_div(blocks, P::kSplit) * P::kBytesStage <= kBegin; }
};

// Sums the partial tiles of a split's CTAs; `own` becomes this CTA's slice.
template <class P>
SL_DEVICE void exchange_slices(const typename P::Sum (&acc)[P::kCols / 2], typename P::Sum (&own)[P::kSlice / 2],
                               TileShared<P>& sm, int rank, int blocks, int math_thread) {
  using Sum = typename P::Sum;
  constexpr int kFloats = P::kSlice / 2, kVectors = kFloats / 4;
  const uint32_t inbox = shared_address(sm.ring) + Inbox<P>::kBegin, arrived = shared_address(&sm.arrived);
  if (!Inbox<P>::spare(blocks)) {
    cluster_sync();
  }
#pragma unroll
  for (int to = 0; to < P::kSplit; ++to) {
    if (to == rank) {
      continue;
    }
    const uint32_t box = peer_address(inbox + rank * P::kInboxBytes + math_thread * 16, to),
                   bar = peer_address(arrived, to);
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const Sum* s = &acc[to * kFloats + v * 4];
      store_peer(box + v * P::kMathThreads * 16, bits_as<float>(s[0]), bits_as<float>(s[1]), bits_as<float>(s[2]),
                 bits_as<float>(s[3]), bar);
    }
  }
#pragma unroll
  for (int i = 0; i < kFloats; ++i) {  // selects: a branch would keep acc in local memory
    own[i] = acc[i];
#pragma unroll
    for (int to = 1; to < P::kSplit; ++to) {
      own[i] = rank == to ? acc[to * kFloats + i] : own[i];
    }
  }
  barrier_wait(arrived, 0);
#pragma unroll
  for (int from = 0; from < P::kSplit; ++from) {
    if (from == rank) {
      continue;
    }
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      float4 f;
      asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];"
                   : "=f"(f.x), "=f"(f.y), "=f"(f.z), "=f"(f.w)
                   : "r"(inbox + from * P::kInboxBytes + (v * P::kMathThreads + math_thread) * 16));
      own[v * 4] += bits_as<Sum>(f.x), own[v * 4 + 1] += bits_as<Sum>(f.y);
      own[v * 4 + 2] += bits_as<Sum>(f.z), own[v * 4 + 3] += bits_as<Sum>(f.w);
    }
  }
}

}  // namespace sl
