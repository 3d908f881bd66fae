// Two adjacent elements at a time: what a tensor core's accumulator gives a thread.
#pragma once
#include "kernels/device/layout.cuh"
#include "kernels/device/types.cuh"

namespace sl {

template <class T>
struct PairOf {
  T x, y;
};
using Pair = PairOf<float>;

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
// Two adjacent elements of 16 bits as one value, which operators and functions of scalar.cuh take at once.
template <typename T>
struct Two {
  uint32_t bits;
  SL_DEVICE explicit Two(uint32_t bits) : bits(bits) {}
  SL_DEVICE Two(T both) : bits(both.bits * 0x10001u) {}
  SL_DEVICE Two(T first, T second) : bits(first.bits | static_cast<uint32_t>(second.bits) << 16) {}
  SL_DEVICE T first() const { return {static_cast<uint16_t>(bits)}; }
  SL_DEVICE T second() const { return {static_cast<uint16_t>(bits >> 16)}; }
};
template <typename T>
struct Wide<Two<T>> {
  using type = Pair;
};
template <typename T>
SL_DEVICE Pair widen(Two<T> v) {
  return {to_float(v.first()), to_float(v.second())};
}
template <>
SL_DEVICE Two<f16> narrow<Two<f16>>(Pair v) {
  return Two<f16>(pack<f16>(v.x, v.y));
}
template <>
SL_DEVICE Two<bf16> narrow<Two<bf16>>(Pair v) {
  return Two<bf16>(pack<bf16>(v.x, v.y));
}
// At `p`, which is aligned to both.
template <typename T>
SL_DEVICE Two<T> load_two(const T* p) {
  return Two<T>(*reinterpret_cast<const uint32_t*>(p));
}
// Two codes of 8 bits in 16, below zeros.
SL_DEVICE uint32_t pack_codes(int32_t lo, int32_t hi) { return (lo & 0xff) | (hi & 0xff) << 8; }

// In one access; `p` is aligned to both elements.
template <typename T>
SL_DEVICE void store_pair(T* p, Pair v) {
  *reinterpret_cast<uint32_t*>(p) = pack<T>(v.x, v.y);
}
template <>
SL_DEVICE void store_pair<float>(float* p, Pair v) {
  *reinterpret_cast<float2*>(p) = {v.x, v.y};
}
SL_DEVICE void store_pair(int32_t* p, PairOf<int32_t> v) { *reinterpret_cast<int2*>(p) = {v.x, v.y}; }
SL_DEVICE void store_pair(int8_t* p, PairOf<int32_t> v) {
  *reinterpret_cast<uint16_t*>(p) = static_cast<uint16_t>(pack_codes(v.x, v.y));
}
SL_DEVICE void store_pair(uint8_t* p, PairOf<int32_t> v) {
  *reinterpret_cast<uint16_t*>(p) = static_cast<uint16_t>(pack_codes(v.x, v.y));
}

}  // namespace sl
