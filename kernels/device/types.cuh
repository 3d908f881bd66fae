// Element types of device code and their conversions; 16-byte vectors.  No CUDA header is included: NVRTC has none.
#pragma once

using int8_t = signed char;
using uint8_t = unsigned char;
using int16_t = short;
using uint16_t = unsigned short;
using int32_t = int;
using uint32_t = unsigned int;
using int64_t = long;
using uint64_t = unsigned long;

namespace sl {

struct f16 {
  uint16_t bits;
};
struct bf16 {
  uint16_t bits;
};

__device__ __forceinline__ float to_float(f16 x) {
  float r;
  asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x.bits));
  return r;
}
__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }
__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(double x) { return static_cast<float>(x); }
__device__ __forceinline__ float to_float(int32_t x) { return static_cast<float>(x); }

// Rounds to nearest even.
template <typename T>
__device__ __forceinline__ T from_float(float x) {
  return static_cast<T>(x);
}
template <>
__device__ __forceinline__ f16 from_float<f16>(float x) {
  f16 r;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r.bits) : "f"(x));
  return r;
}
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float x) {
  bf16 r;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r.bits) : "f"(x));
  return r;
}

// What products of a type's numbers are summed in: 8-bit codes exactly.
template <typename T>
struct SumOf {
  using type = float;
};
template <>
struct SumOf<int8_t> {
  using type = int32_t;
};
template <>
struct SumOf<uint8_t> {
  using type = int32_t;
};

// What sums and transcendental functions of a type are computed in.
template <typename T>
struct Wide {
  using type = float;
};
template <>
struct Wide<double> {
  using type = double;
};
template <typename T>
using wide = typename Wide<T>::type;

template <typename T>
__device__ __forceinline__ wide<T> widen(T x) {
  return to_float(x);
}
template <>
__device__ __forceinline__ double widen<double>(double x) {
  return x;
}
template <typename T>
__device__ __forceinline__ T narrow(wide<T> x) {
  return from_float<T>(x);
}
template <>
__device__ __forceinline__ double narrow<double>(double x) {
  return x;
}

// The same bits as another type.
template <typename To, typename From>
__device__ __forceinline__ To bits_as(From x) {
  static_assert(sizeof(To) == sizeof(From), "as wide");
  union {
    From from;
    To to;
  } u = {x};
  return u.to;
}

// N elements moved as one access.
template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
  T at[N];
};

template <typename T>
__device__ __forceinline__ bool aligned16(const T* p) {
  return (reinterpret_cast<uint64_t>(p) & 15) == 0;
}

}  // namespace sl
