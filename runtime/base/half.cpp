#include "runtime/base/half.h"

#include "runtime/base/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice {
namespace {

// Rounds to a format of `mantissa` bits whose smallest normal is 2^min_exponent and whose largest value is `max`.
// Slow and plain: 8-bit floats are only made when weights are packed.
uint8_t RoundF8(float f, int mantissa, int min_exponent, float max, uint8_t max_code, uint8_t nan_code) {
  const uint32_t bits = std::bit_cast<uint32_t>(f);
  const uint8_t sign = static_cast<uint8_t>((bits >> 24) & 0x80u);
  const float a = std::bit_cast<float>(bits & 0x7fffffffu);
  if (a != a) {
    return sign | nan_code;
  }
  if (a >= max) {
    return sign | max_code;
  }
  int exponent = static_cast<int>(std::bit_cast<uint32_t>(a) >> 23) - 127;
  exponent = exponent < min_exponent ? min_exponent : exponent;
  // In units of the last place; the addition and subtraction of 2^23 round to an integer, ties to even.
  const float unit = std::bit_cast<float>(static_cast<uint32_t>(127 + mantissa - exponent) << 23);
  const float scaled = a * unit;
  const volatile float shifted = scaled + 0x1p23f;
  const uint32_t steps = static_cast<uint32_t>(shifted - 0x1p23f);
  const uint32_t base = static_cast<uint32_t>(exponent - min_exponent) << mantissa;
  const uint32_t code = base + steps;  // `steps` holds the implicit one, worth one exponent step
  return sign | static_cast<uint8_t>(code > max_code ? max_code : code);
}

#if defined(__x86_64__)
// NOTE: `n` rounded down to whole vectors; the callers finish the rest with the scalar functions.
__attribute__((target("avx512f"))) int64_t F16ToF32V4(const uint16_t* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_ps(y + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i))));
  }
  return i;
}

__attribute__((target("avx,f16c"))) int64_t F16ToF32V3(const uint16_t* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
  }
  return i;
}

__attribute__((target("avx512f"))) int64_t F32ToF16V4(const float* x, uint16_t* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i),
                        _mm512_cvtps_ph(_mm512_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
  return i;
}

__attribute__((target("avx,f16c"))) int64_t F32ToF16V3(const float* x, uint16_t* y, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
  return i;
}

// bf16 needs no special instruction (vcvtneps2bf16 flushes denormals, so it is not used): the compiler vectorises.
__attribute__((target("avx2"))) void F32ToBF16V3(const float* x, uint16_t* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    y[i] = F32ToBF16(x[i]);
  }
}

__attribute__((target("avx2"))) void BF16ToF32V3(const uint16_t* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    y[i] = BF16ToF32(x[i]);
  }
}
#endif

}  // namespace

uint8_t F32ToF8E4M3FN(float f) { return RoundF8(f, 3, -6, 448.0f, 0x7e, 0x7f); }
uint8_t F32ToF8E5M2(float f) { return RoundF8(f, 2, -14, 57344.0f, 0x7b, 0x7f); }

void F16ToF32(const uint16_t* x, float* y, int64_t n) {
  int64_t i = 0;
#if defined(__x86_64__)
  i = Cpu().v4() ? F16ToF32V4(x, y, n) : Cpu().v3() ? F16ToF32V3(x, y, n) : 0;
#endif
  for (; i < n; ++i) {
    y[i] = F16ToF32(x[i]);
  }
}

void F32ToF16(const float* x, uint16_t* y, int64_t n) {
  int64_t i = 0;
#if defined(__x86_64__)
  i = Cpu().v4() ? F32ToF16V4(x, y, n) : Cpu().v3() ? F32ToF16V3(x, y, n) : 0;
#endif
  for (; i < n; ++i) {
    y[i] = F32ToF16(x[i]);
  }
}

void BF16ToF32(const uint16_t* x, float* y, int64_t n) {
#if defined(__x86_64__)
  if (Cpu().v3()) {
    return BF16ToF32V3(x, y, n);
  }
#endif
  for (int64_t i = 0; i < n; ++i) {
    y[i] = BF16ToF32(x[i]);
  }
}

void F32ToBF16(const float* x, uint16_t* y, int64_t n) {
#if defined(__x86_64__)
  if (Cpu().v3()) {
    return F32ToBF16V3(x, y, n);
  }
#endif
  for (int64_t i = 0; i < n; ++i) {
    y[i] = F32ToBF16(x[i]);
  }
}

}  // namespace sluice
