// Decoding 4- and 8-bit weights, their scales and zero points into vectors.  Compiled once per instruction set.
//
// A chunk is one vector load of codes: lane l holds the codes of elements l*kPer … l*kPer + kPer-1 of the chunk
// (kPer = 8 for 4 bits, 4 for 8), lowest first, since the lowest nibble is the first element.  Step j takes code j of
// each lane, so x is laid out [chunk][j][lane] (QuantPermute) and no code ever moves between lanes.
// A scale serves whole lanes: a block is at least 16 elements, a lane at most 8.
#ifndef SLUICE_KERNELS_GEMM_QUANT_DECODE_H_
#define SLUICE_KERNELS_GEMM_QUANT_DECODE_H_

#include "kernels/gemm/gemm_ops.h"
#include "kernels/simd/vec.h"

namespace sluice::kernels::SLUICE_ISA {

template <int kBits>
inline constexpr int kPer = 32 / kBits;

#ifdef __AVX512F__

SLUICE_SIMD VI LaneNumbers() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
SLUICE_SIMD VI ShiftRight(VI v, int n) { return _mm512_srl_epi32(v, _mm_cvtsi32_si128(n)); }
SLUICE_SIMD VI ShiftLeft(VI v, int n) { return _mm512_sll_epi32(v, _mm_cvtsi32_si128(n)); }
SLUICE_SIMD VI LoadWords(const uint8_t* p, int64_t bytes) {
  return bytes >= 64 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8((uint64_t{1} << bytes) - 1, p);
}
SLUICE_SIMD VF Permute(VF v, VI index) { return _mm512_permutexvar_ps(index, v); }
// Bits [shift, shift + bits) of `word`, shift per lane, as floats; sign-extended when `is_signed`.
SLUICE_SIMD VF Field(uint32_t word, VI shift, int bits, bool is_signed) {
  const VI v = ShiftLeft(_mm512_srlv_epi32(_mm512_set1_epi32(static_cast<int>(word)), shift), 32 - bits);
  const __m128i down = _mm_cvtsi32_si128(32 - bits);
  return _mm512_cvtepi32_ps(is_signed ? _mm512_sra_epi32(v, down) : _mm512_srl_epi32(v, down));
}

// 4 bits: a table of the 16 values, indexed by the low four bits of each lane.
struct Decoder4 {
  VF table;
  SLUICE_INLINE_MEMBER explicit Decoder4(uint32_t flip) {
    const VI code = _mm512_xor_si512(LaneNumbers(), _mm512_set1_epi32(static_cast<int>(flip & 15u)));
    table = _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(code, 28), 28));
  }
  SLUICE_INLINE_MEMBER VI Prepare(VI words) const { return words; }
  template <int kStep>
  SLUICE_INLINE_MEMBER VF Get(VI words) const {
    return _mm512_permutexvar_ps(kStep == 0 ? words : _mm512_srli_epi32(words, 4 * kStep), table);
  }
};

struct Decoder8 {
  VI flip;
  SLUICE_INLINE_MEMBER explicit Decoder8(uint32_t flip_bits) : flip(_mm512_set1_epi32(static_cast<int>(flip_bits))) {}
  SLUICE_INLINE_MEMBER VI Prepare(VI words) const { return _mm512_xor_si512(words, flip); }
  template <int kStep>
  SLUICE_INLINE_MEMBER VF Get(VI words) const {
    const VI top = kStep == 3 ? words : _mm512_slli_epi32(words, 24 - 8 * kStep);
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(top, 24));
  }
};

#else  // AVX2

SLUICE_SIMD VI LaneNumbers() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
SLUICE_SIMD VI ShiftRight(VI v, int n) { return _mm256_srl_epi32(v, _mm_cvtsi32_si128(n)); }
SLUICE_SIMD VI ShiftLeft(VI v, int n) { return _mm256_sll_epi32(v, _mm_cvtsi32_si128(n)); }
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
SLUICE_SIMD VF Permute(VF v, VI index) { return _mm256_permutevar8x32_ps(v, index); }
SLUICE_SIMD VF Field(uint32_t word, VI shift, int bits, bool is_signed) {
  const VI v = ShiftLeft(_mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(word)), shift), 32 - bits);
  const __m128i down = _mm_cvtsi32_si128(32 - bits);
  return _mm256_cvtepi32_ps(is_signed ? _mm256_sra_epi32(v, down) : _mm256_srl_epi32(v, down));
}

// Code j of each lane by two shifts, the second with sign.
template <int kBits>
struct ShiftDecoder {
  VI flip;
  SLUICE_INLINE_MEMBER explicit ShiftDecoder(uint32_t flip_bits)
      : flip(_mm256_set1_epi32(static_cast<int>(flip_bits))) {}
  SLUICE_INLINE_MEMBER VI Prepare(VI words) const { return _mm256_xor_si256(words, flip); }
  template <int kStep>
  SLUICE_INLINE_MEMBER VF Get(VI words) const {
    constexpr int kUp = 32 - kBits * (kStep + 1);
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(kUp == 0 ? words : _mm256_slli_epi32(words, kUp), 32 - kBits));
  }
};
using Decoder4 = ShiftDecoder<4>;
using Decoder8 = ShiftDecoder<8>;

#endif

SLUICE_SIMD VF LoadFloatsN(const void* p, DType type, int64_t index, int64_t n) {
  switch (type) {
    case DType::kF16:
      return LoadN(static_cast<const F16*>(p) + index, n);
    case DType::kBF16:
      return LoadN(static_cast<const BF16*>(p) + index, n);
    default:
      return LoadN(static_cast<const float*>(p) + index, n);
  }
}

// The scale and the zero point of each lane of chunk `chunk`, for one weight row.
template <int kBits>
struct BlockValues {
  static constexpr int64_t kChunk = kLanes * kPer<kBits>;
  VI lane_block;      // which of the chunk's blocks a lane belongs to
  int block_shift;    // log2 of the block size
  int64_t per_chunk;  // blocks of a chunk; 1 when a block is a chunk or more
  const QuantArgs& a;

  SLUICE_INLINE_MEMBER explicit BlockValues(const QuantArgs& args)
      : block_shift(__builtin_ctzll(static_cast<uint64_t>(args.block))), a(args) {
    per_chunk = args.block >= kChunk ? 1 : kChunk >> block_shift;
    const VI element = ShiftLeft(LaneNumbers(), kBits == 4 ? 3 : 2);
    lane_block = ShiftRight(element, per_chunk == 1 ? 31 : block_shift);
  }
  SLUICE_INLINE_MEMBER int64_t FirstBlock(int64_t chunk) const { return (chunk * kChunk) >> block_shift; }

  SLUICE_INLINE_MEMBER VF Floats(const void* p, DType type, int64_t row, int64_t chunk) const {
    const int64_t block = FirstBlock(chunk);
    const int64_t left = a.blocks - block;
    return Permute(LoadFloatsN(p, type, row * a.blocks + block, left), lane_block);
  }
  SLUICE_INLINE_MEMBER VF Scale(int64_t row, int64_t chunk) const { return Floats(a.scale, a.scale_type, row, chunk); }
  SLUICE_INLINE_MEMBER VF ZeroPoint(int64_t row, int64_t chunk) const {
    const VF base = Set1(a.zero_base);
    if (a.zero_type == a.scale_type) {
      return Sub(Floats(a.zero, a.zero_type, row, chunk), base);
    }
    const int64_t bit = FirstBlock(chunk) * kBits;
    const uint8_t* p = static_cast<const uint8_t*>(a.zero) + row * a.zero_row;
    uint32_t word = 0;
    for (int64_t i = 0; i < 4 && bit / 8 + i < a.zero_row; ++i) {
      word |= uint32_t{p[bit / 8 + i]} << (8 * i);
    }
    word >>= bit % 8;
    const bool is_signed = a.zero_type == DType::kI4 || a.zero_type == DType::kI8;
    return Sub(Field(word, ShiftLeft(lane_block, kBits == 4 ? 2 : 3), kBits, is_signed), base);
  }
};

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_GEMM_QUANT_DECODE_H_
