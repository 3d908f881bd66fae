// The quantised contraction (gemm_ops.h): codes are streamed as they lie and become floats only in registers.
//
//   out[r][c] = Σ_chunks scale · (Σ_j x[chunk][j] · value(code_j) − zero · Σ_j x[chunk][j]),   lanes summed at the end
//
// `value` is the code with its default zero point already subtracted, so symmetric weights have no zero term.  The
// inner sum has kPer steps, then one FMA by the scales; the order is the same for every kRows and kCols.
#ifndef SLUICE_KERNELS_GEMM_QUANT_KERNEL_H_
#define SLUICE_KERNELS_GEMM_QUANT_KERNEL_H_

#include "kernels/gemm/quant_decode.h"

namespace sluice::kernels::SLUICE_ISA {

template <int kBits>
struct DecoderOf {
  using Type = Decoder4;
};
template <>
struct DecoderOf<8> {
  using Type = Decoder8;
};

// Step kStep and those after it of one chunk: part[r][c] += x · value.
template <int kBits, int kStep, int kRows, int kCols, typename Decoder>
SLUICE_SIMD void QuantSteps(const Decoder& decoder, const float* x, int64_t x_row, const VI* words,
                            VF (&part)[kRows][kCols]) {
  if constexpr (kStep < kPer<kBits>) {
    VF value[kCols];
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      value[c] = decoder.template Get<kStep>(words[c]);
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const VF xv = Load(x + r * x_row + kStep * kLanes);
#pragma unroll
      for (int c = 0; c < kCols; ++c) {
        part[r][c] = kStep == 0 ? Mul(xv, value[c]) : Fma(xv, value[c], part[r][c]);
      }
    }
    QuantSteps<kBits, kStep + 1, kRows, kCols>(decoder, x, x_row, words, part);
  }
}

template <int kBits, int kRows, int kCols, bool kZero>
void QuantKernel(const QuantArgs& a) {
  constexpr int64_t kChunk = kLanes * kPer<kBits>;
  const typename DecoderOf<kBits>::Type decoder(a.flip);
  const BlockValues<kBits> blocks(a);
  VF acc[kRows][kCols];
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      acc[r][c] = Zero();
    }
  }
  for (int64_t chunk = 0; chunk < a.chunks; ++chunk) {
    VI words[kCols];
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      const int64_t at = chunk * kLanes * 4;
      words[c] = decoder.Prepare(LoadWords(a.q + c * a.q_row + at, a.q_row - at));
    }
    VF part[kRows][kCols];
    QuantSteps<kBits, 0, kRows, kCols>(decoder, a.x + chunk * kChunk, a.x_row, words, part);
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      const VF scale = blocks.Scale(c, chunk);
      const VF zero = kZero ? blocks.ZeroPoint(c, chunk) : Zero();
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        if constexpr (kZero) {
          part[r][c] = Fnma(zero, Load(a.x_sum + r * a.x_sum_row + chunk * kLanes), part[r][c]);
        }
        acc[r][c] = Fma(part[r][c], scale, acc[r][c]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int c = 0; c < kCols; ++c) {
      a.out[r * a.out_row + c] = ReduceAdd(acc[r][c]);
    }
  }
}

template <int kBits>
void QuantPermuteBits(const float* x, int64_t k, int64_t chunks, float* out, float* sums) {
  constexpr int kSteps = kPer<kBits>;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    for (int lane = 0; lane < kLanes; ++lane) {
      float sum = 0;
      for (int j = 0; j < kSteps; ++j) {
        const int64_t from = (chunk * kLanes + lane) * kSteps + j;
        const float v = from < k ? x[from] : 0.0f;
        out[(chunk * kSteps + j) * kLanes + lane] = v;
        sum += v;
      }
      if (sums != nullptr) {
        sums[chunk * kLanes + lane] = sum;
      }
    }
  }
}

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_GEMM_QUANT_KERNEL_H_
