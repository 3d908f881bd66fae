// Decoding 4- and 8-bit weights into vectors of floats.  Compiled once per instruction set.
//
// kLanes weight rows are read 32 bits of each at a time and transposed, so that a vector holds the same kPer codes of
// kLanes rows (kPer = 8 for 4 bits, 4 for 8), lowest first, since the lowest nibble is the first element.
#ifndef SLUICE_KERNELS_GEMM_QUANT_DECODE_H_
#define SLUICE_KERNELS_GEMM_QUANT_DECODE_H_

#include "kernels/gemm/gemm_ops.h"
#include "kernels/simd/transpose.h"
#include "kernels/simd/vec.h"

namespace sluice::kernels::SLUICE_ISA {

template <int kBits>
inline constexpr int kPer = 32 / kBits;

#ifdef __AVX512F__

SLUICE_SIMD VI LoadWords(const uint8_t* p, int64_t bytes) {
  return bytes >= 64 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(bytes <= 0 ? 0 : (uint64_t{1} << bytes) - 1, p);
}
SLUICE_SIMD VI AsWords(VF v) { return _mm512_castps_si512(v); }
SLUICE_SIMD VF AsFloats(VI v) { return _mm512_castsi512_ps(v); }

// 4 bits: a table of the 16 values, indexed by the low four bits of each lane.
struct Decoder4 {
  VF table;
  SLUICE_INLINE_MEMBER explicit Decoder4(uint32_t flip) {
    const VI lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const VI code = _mm512_xor_si512(lane, _mm512_set1_epi32(static_cast<int>(flip & 15u)));
    table = _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(code, 28), 28));
  }
  template <int kStep>
  SLUICE_INLINE_MEMBER VF Get(VI words) const {
    return _mm512_permutexvar_ps(kStep == 0 ? words : _mm512_srli_epi32(words, 4 * kStep), table);
  }
};

struct Decoder8 {
  VI flip;
  SLUICE_INLINE_MEMBER explicit Decoder8(uint32_t flip_bits) : flip(_mm512_set1_epi32(static_cast<int>(flip_bits))) {}
  template <int kStep>
  SLUICE_INLINE_MEMBER VF Get(VI words) const {
    const VI codes = _mm512_xor_si512(words, flip);
    const VI top = kStep == 3 ? codes : _mm512_slli_epi32(codes, 24 - 8 * kStep);
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(top, 24));
  }
};

#else  // AVX2

SLUICE_SIMD VI LoadWords(const uint8_t* p, int64_t bytes) {
  if (bytes >= 32) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  uint8_t padded[32] = {};
  for (int64_t i = 0; i < bytes; ++i) {
    padded[i] = p[i];
  }
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(padded));
}
SLUICE_SIMD VI AsWords(VF v) { return _mm256_castps_si256(v); }
SLUICE_SIMD VF AsFloats(VI v) { return _mm256_castsi256_ps(v); }

// Code j of each lane by two shifts, the second with sign.
template <int kBits>
struct ShiftDecoder {
  VI flip;
  SLUICE_INLINE_MEMBER explicit ShiftDecoder(uint32_t flip_bits)
      : flip(_mm256_set1_epi32(static_cast<int>(flip_bits))) {}
  template <int kStep>
  SLUICE_INLINE_MEMBER VF Get(VI words) const {
    constexpr int kUp = 32 - kBits * (kStep + 1);
    const VI codes = _mm256_xor_si256(words, flip);
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(kUp == 0 ? codes : _mm256_slli_epi32(codes, kUp), 32 - kBits));
  }
};
using Decoder4 = ShiftDecoder<4>;
using Decoder8 = ShiftDecoder<8>;

#endif

template <int kBits>
struct DecoderOf {
  using Type = Decoder4;
};
template <>
struct DecoderOf<8> {
  using Type = Decoder8;
};

// 32-bit words [at, at + kLanes) of kLanes rows: words[i] holds word at + i of each row.  Rows from `rows` on repeat
// the last one (their results are not stored); bytes behind a row's end read as zero.
SLUICE_SIMD void LoadTransposed(const uint8_t* q, int64_t q_row, int64_t rows, int64_t at, VI (&words)[kLanes]) {
  VF v[kLanes];
#pragma unroll
  for (int r = 0; r < kLanes; ++r) {
    const uint8_t* row = q + (r < rows ? r : rows - 1) * q_row;
    v[r] = AsFloats(LoadWords(row + at * 4, q_row - at * 4));
  }
  Transpose(v);
#pragma unroll
  for (int i = 0; i < kLanes; ++i) {
    words[i] = AsWords(v[i]);
  }
}

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_GEMM_QUANT_DECODE_H_
