// The product of many pairs of one expert: 128 of their vectors by 128 weight rows on the tensor cores.  Both lie along
// k, 16-bit; the vectors are gathered, so chunks of 16 bytes go by cp.async through a ring, not by TMA.
#pragma once
#include "kernels/device/mma.cuh"
#include "kernels/device/types.cuh"

namespace sl {

SL_DEVICE void copy_async(uint32_t to, const void* from, bool inside) {  // zeros when not inside
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(inside ? 16 : 0) : "memory");
}
SL_DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
SL_DEVICE void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Of one group of 256 threads: 4 warps along the vectors, 2 along the weight rows, 32 x 64 sums each.
struct MoeTile {
  static constexpr int kSide = 128, kDepth = 32, kStages = 4, kRowBytes = kDepth * 2;
  static constexpr int kBytes = kSide * kRowBytes, kThreads = 256;
  uint8_t ring[kStages][2][kBytes];  // vectors, weights

  // acc[i][j]: vectors 16 i …, weight rows 8 j … of this thread's warp (tile_vector, tile_row).
  //   vector(i), row(i): where number i of the tile begins, both [k] · k a multiple of 8      sync(): of the group
  template <typename T, typename Vector, typename RowOf, typename Sync>
  SL_DEVICE void multiply(float (&acc)[2][8][4], int64_t k, int thread, Vector vector, RowOf row, Sync sync) {
    const int line = thread / 4, chunk = thread % 4;
    const T* const from[4] = {vector(line), vector(line + 64), row(line), row(line + 64)};
    const uint32_t base = shared_address(ring);
    const auto fetch = [&](int block) {
      const int64_t at = int64_t(block) * kDepth + chunk * 8;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const uint32_t to =
            base + (block % kStages * 2 + i / 2) * kBytes + SwizzledOffset(line + i % 2 * 64, chunk, kRowBytes);
        copy_async(to, at < k ? from[i] + at : from[i], at < k);
      }
    };
    const int blocks = static_cast<int>((k + kDepth - 1) / kDepth);
    sync();  // the ring is idle
#pragma unroll
    for (int b = 0; b < kStages - 1; ++b) {
      if (b < blocks) {
        fetch(b);
      }
      copy_commit();
    }
    for (int b = 0; b < blocks; ++b) {
      copy_wait<kStages - 2>();
      sync();  // block b is here for all, and block b − 1 is read
      if (b + kStages - 1 < blocks) {
        fetch(b + kStages - 1);
      }
      copy_commit();
      multiply_block<T>(acc, base + b % kStages * 2 * kBytes, thread);
    }
  }
  template <typename T>
  SL_DEVICE static void multiply_block(float (&acc)[2][8][4], uint32_t vectors, int thread) {
    const int lane = thread % 32;
    const uint32_t rows = vectors + kBytes;
#pragma unroll
    for (int step = 0; step < kDepth / 16; ++step) {
      uint32_t a[2][4], b[4][4];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int at = tile_vector(thread) + 16 * i + lane % 16;
        load_matrices(a[i], vectors + SwizzledOffset(at, 2 * step + lane / 16, kRowBytes));
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int at = tile_row(thread) + 16 * j + lane / 16 * 8 + lane % 8;
        load_matrices(b[j], rows + SwizzledOffset(at, 2 * step + lane / 8 % 2, kRowBytes));
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) {
          mma_16x8x16<T>(acc[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
  }
  SL_DEVICE static int tile_vector(int thread) { return thread / 32 % 4 * 32; }
  SL_DEVICE static int tile_row(int thread) { return thread / 128 * 64; }
  // Of element e of acc[i][j]: the vector and the weight row in the tile.
  SL_DEVICE static int vector_of(int thread, int i, int e) {
    return tile_vector(thread) + 16 * i + thread % 32 / 4 + e / 2 * 8;
  }
  SL_DEVICE static int row_of(int thread, int j, int e) { return tile_row(thread) + 8 * j + thread % 4 * 2 + e % 2; }
};

}  // namespace sl
