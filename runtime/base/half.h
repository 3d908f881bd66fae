// 16- and 8-bit floats.  Every conversion rounds to nearest, ties to even, keeps denormals and infinities, and turns a
// NaN into a quiet NaN of the same sign.
//
//   uint16_t h = F32ToF16(1.5f);            // 0x3e00
//   F32ToF16(x, h, n);                      // many at once: F16C or AVX-512 where the machine has them
//
// The scalar ones are plain integer arithmetic, always inlined: safe in files compiled for different instruction sets
// (an ordinary inline function would be merged across them), and compilers vectorise loops over them.
#ifndef SLUICE_RUNTIME_BASE_HALF_H_
#define SLUICE_RUNTIME_BASE_HALF_H_

#include <bit>
#include <cstdint>

#define SLUICE_INLINE [[gnu::always_inline]] inline

namespace sluice {

SLUICE_INLINE float F16ToF32(uint16_t h) {
  const uint32_t sign = uint32_t{h & 0x8000u} << 16;
  const uint32_t exponent = (h >> 10) & 0x1f;
  const uint32_t mantissa = h & 0x3ffu;
  // Normal numbers, and infinity and NaN (made quiet), by moving bits; denormals by an exact subtraction.
  const uint32_t normal = ((exponent + 112) << 23) | (mantissa << 13);
  const uint32_t special = 0x7f800000u | (mantissa << 13) | (mantissa != 0 ? 0x00400000u : 0);
  const uint32_t tiny = std::bit_cast<uint32_t>(std::bit_cast<float>(0x38800000u | (mantissa << 13)) - 0x1p-14f);
  const uint32_t magnitude = exponent == 0 ? tiny : exponent == 31 ? special : normal;
  return std::bit_cast<float>(sign | magnitude);
}

SLUICE_INLINE uint16_t F32ToF16(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  // Below 2^-14 the result is denormal: adding 0.5 aligns its last place with f32's, and the adder rounds.
  const uint32_t tiny = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  // Otherwise: re-bias, add half of the last place (less one when it is even: ties), cut.  A carry into 31 << 10 is
  // the overflow to infinity.
  const uint32_t normal = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  const uint32_t special = magnitude > 0x7f800000u ? 0x7e00u | ((magnitude >> 13) & 0x3ffu) : 0x7c00u;
  const uint32_t result = magnitude < 0x38800000u ? tiny : magnitude >= 0x47800000u ? special : normal;
  return static_cast<uint16_t>(sign | result);
}

SLUICE_INLINE float BF16ToF32(uint16_t b) { return std::bit_cast<float>(uint32_t{b} << 16); }

SLUICE_INLINE uint16_t F32ToBF16(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x40u;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

// From f64 in one rounding (by way of f32, odd-rounded, so that the second rounding sees what was lost).
SLUICE_INLINE float F64ToF32Odd(double d) {
  const float f = static_cast<float>(d);
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  if (static_cast<double>(f) == d || (bits & 0x7fffffffu) > 0x7f800000u) {
    return f;
  }
  // Inexact: truncate towards zero, then set the last bit.
  const bool away = (d < 0 ? -static_cast<double>(f) : static_cast<double>(f)) > (d < 0 ? -d : d);
  return std::bit_cast<float>((away ? bits - 1 : bits) | 1u);
}
SLUICE_INLINE uint16_t F64ToF16(double d) { return F32ToF16(F64ToF32Odd(d)); }
SLUICE_INLINE uint16_t F64ToBF16(double d) { return F32ToBF16(F64ToF32Odd(d)); }

// The 8-bit types of ONNX: E4M3FN has no infinity and one NaN a sign; E5M2 is the upper byte of an f16.
SLUICE_INLINE float F8E5M2ToF32(uint8_t v) { return F16ToF32(static_cast<uint16_t>(v << 8)); }
SLUICE_INLINE float F8E4M3FNToF32(uint8_t v) {
  const uint32_t sign = uint32_t{v & 0x80u} << 24;
  const uint32_t magnitude = v & 0x7fu;
  const float tiny = static_cast<float>(magnitude) * 0x1p-9f;
  const uint32_t bits = magnitude == 0x7f ? 0x7fc00000u
                        : magnitude < 8   ? std::bit_cast<uint32_t>(tiny)
                                          : (magnitude << 20) + (120u << 23);
  return std::bit_cast<float>(sign | bits);
}
// Overflow: E4M3FN saturates to 448, E5M2 to 57344 (ONNX Cast with saturate = 1); infinities saturate too.
uint8_t F32ToF8E4M3FN(float f);
uint8_t F32ToF8E5M2(float f);

// Many at once: y[i] = convert(x[i]) for i in [0, n).  x and y do not overlap.
void F16ToF32(const uint16_t* x, float* y, int64_t n);
void F32ToF16(const float* x, uint16_t* y, int64_t n);
void BF16ToF32(const uint16_t* x, float* y, int64_t n);
void F32ToBF16(const float* x, uint16_t* y, int64_t n);

}  // namespace sluice

#endif  // SLUICE_RUNTIME_BASE_HALF_H_
