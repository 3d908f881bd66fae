// Tiles that cp.async fills in chunks of 16 bytes and mma.sync multiplies 32 bytes of depth at a time: ldmatrix gives a
// thread 4 bytes of a row whatever they hold, so one geometry serves elements of 1, 2 and 4 bytes.
#pragma once
#include "kernels/device/mma.cuh"
#include "kernels/device/pair.cuh"

namespace sl {

// ---- Global to shared.  A null source gives zeros.
SL_DEVICE void copy_chunk(uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(from ? 16 : 0) : "memory");
}
SL_DEVICE void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// All but the last `kPending` groups of this thread have arrived.
template <int kPending>
SL_DEVICE void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}
template <typename T, int N>
SL_DEVICE void store_chunk(uint32_t to, const Pack<T, N>& held) {
  static_assert(sizeof(held) == 16);
  const uint4 v = bits_as<uint4>(held);
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}

// What an element beyond a tensor is: 0, or a code.
template <class In>
SL_DEVICE In outside_of(int outside) {
  if constexpr (sizeof(In) == 1) {
    return static_cast<In>(outside);
  } else {
    return In();
  }
}
template <class In, int kElements>
SL_DEVICE Pack<In, kElements> all_of(int outside) {
  Pack<In, kElements> all;
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    all.at[i] = outside_of<In>(outside);
  }
  return all;
}

// ---- Two adjacent sums in shared memory, of this CTA or, where a cluster shares a tile, of a peer.
SL_DEVICE void store_pair_shared(uint32_t to, float x, float y) {
  asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"(to), "f"(x), "f"(y) : "memory");
}
SL_DEVICE void store_pair_shared(uint32_t to, int x, int y) {
  asm volatile("st.shared.v2.s32 [%0], {%1, %2};" ::"r"(to), "r"(x), "r"(y) : "memory");
}
template <int kCluster>
SL_DEVICE void load_pair_shared(uint32_t from, int peer, float (&v)[2]) {
  if constexpr (kCluster > 1) {
    asm volatile("ld.shared::cluster.v2.f32 {%0, %1}, [%2];"
                 : "=f"(v[0]), "=f"(v[1])
                 : "r"(peer_address(from, peer))
                 : "memory");
  } else {
    asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(v[0]), "=f"(v[1]) : "r"(from) : "memory");
  }
}
template <int kCluster>
SL_DEVICE void load_pair_shared(uint32_t from, int peer, int (&v)[2]) {
  float f[2];
  load_pair_shared<kCluster>(from, peer, f);
  v[0] = __float_as_int(f[0]), v[1] = __float_as_int(f[1]);
}

// ---- sums += left · right over 32 bytes of depth: 16 rows × 8 columns.
template <class T>
struct ChunkProduct {  // 16-bit floats
  using Sum = float;
  struct Left {
    uint32_t at[4];
    SL_DEVICE void set(const uint32_t (&a)[4]) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        at[i] = a[i];
      }
    }
  };
  struct Right {
    uint32_t b0, b1;
    SL_DEVICE Right(uint32_t b0, uint32_t b1) : b0(b0), b1(b1) {}
  };
  static SL_DEVICE void add(float (&sums)[4], const Left& left, const Right& right) {
    mma_16x8x16<T>(sums, left.at, right.b0, right.b1);
  }
};
template <>
struct ChunkProduct<float> {  // 3xTF32
  using Sum = float;
  struct Left {
    uint32_t high[4], low[4];
    SL_DEVICE void set(const uint32_t (&a)[4]) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const SplitTf32 v(__uint_as_float(a[i]));
        high[i] = v.high, low[i] = v.low;
      }
    }
  };
  struct Right {
    SplitTf32 b0, b1;
    SL_DEVICE Right(uint32_t b0, uint32_t b1) : b0(__uint_as_float(b0)), b1(__uint_as_float(b1)) {}
  };
  static SL_DEVICE void add(float (&sums)[4], const Left& left, const Right& right) {
    mma_16x8x8_tf32(sums, left.low, right.b0.high, right.b1.high);
    mma_16x8x8_tf32(sums, left.high, right.b0.low, right.b1.low);
    mma_16x8x8_tf32(sums, left.high, right.b0.high, right.b1.high);
  }
};

}  // namespace sl
