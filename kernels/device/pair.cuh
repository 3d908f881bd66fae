// Two adjacent elements at a time: what a tensor core's accumulator gives a thread.
#pragma once
#include "kernels/device/layout.cuh"
#include "kernels/device/types.cuh"

namespace sl {

struct Pair {
  float x, y;
};

// Two 16-bit elements in one register, `lo` in the low half: the order in memory.
template <typename T>
SL_DEVICE uint32_t pack(float lo, float hi);
template <>
SL_DEVICE uint32_t pack<bf16>(float lo, float hi) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
  return r;
}
template <>
SL_DEVICE uint32_t pack<f16>(float lo, float hi) {
  uint32_t r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
  return r;
}

// In one access; `p` is aligned to both elements.
template <typename T>
SL_DEVICE void store_pair(T* p, Pair v) {
  *reinterpret_cast<uint32_t*>(p) = pack<T>(v.x, v.y);
}
template <>
SL_DEVICE void store_pair<float>(float* p, Pair v) {
  *reinterpret_cast<float2*>(p) = {v.x, v.y};
}

}  // namespace sl
