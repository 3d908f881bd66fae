// The quantised contraction (gemm_ops.h), tile form: lanes are weight rows, k runs upwards.
//
//   out[r][c] = Σ_blocks scale · (Σ_k x[r][k] · value[k][c] − zero · Σ_k x[r][k])       each Σ_k one chain of FMAs
//
// `value` is the code with its default zero point already subtracted, so symmetric weights have no zero term.
// One row of x (QuantRow): codes become floats in registers, four tiles at a time.  More rows (QuantTile): a group of
// tiles is decoded once into L2 (QuantUnpack) and every panel of x is multiplied with it.  Same operations, same order.
#ifndef SLUICE_KERNELS_GEMM_QUANT_KERNEL_H_
#define SLUICE_KERNELS_GEMM_QUANT_KERNEL_H_

#include "kernels/gemm/quant_decode.h"
#include "kernels/gemm/tile_kernel.h"

namespace sluice::kernels::SLUICE_ISA {

// part += x[step] · value(step) for steps kStep, kStep + 1 … of one word.
template <int kBits, int kStep, int kVectors, typename Decoder>
SLUICE_SIMD void QuantSteps(const Decoder& decoder, const float* x, const VI (&words)[kVectors], VF (&part)[kVectors]) {
  if constexpr (kStep < kPer<kBits>) {
    const VF xv = Set1(x[kStep]);
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      part[v] = Fma(xv, decoder.template Get<kStep>(words[v]), part[v]);
    }
    QuantSteps<kBits, kStep + 1, kVectors>(decoder, x, words, part);
  }
}

template <int kBits, int kTiles>
void QuantRow(const QuantArgs& a) {
  constexpr int kVectors = kTiles * kVecs;
  const typename DecoderOf<kBits>::Type decoder(a.flip);
  VF acc[kVectors], part[kVectors];
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    acc[v] = part[v] = Zero();
  }
  int64_t block = 0;
  int64_t block_end = a.block;
  for (int64_t word = 0; word * kPer<kBits> < a.k; word += kLanes) {
    VI words[kVectors][kLanes];  // through L1: word i of all vectors is used at once
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const int64_t row = v * kLanes < a.cols ? v * kLanes : 0;
      LoadTransposed(a.q + row * a.q_row, a.q_row, a.cols - row, word, words[v]);
    }
    for (int i = 0; i < kLanes && (word + i) * kPer<kBits> < a.k; ++i) {
      const int64_t k = (word + i) * kPer<kBits>;
      VI at[kVectors];
      // A row is too short for the hardware to see a stream: fetch the same words of the next group, a row at a time.
      const uint8_t* next = a.q + (kTiles * kTile + i) * a.q_row + word * 4;
#pragma unroll
      for (int v = 0; v < kVectors; ++v) {
        at[v] = words[v][i];
        _mm_prefetch(reinterpret_cast<const char*>(next + v * kLanes * a.q_row), _MM_HINT_T0);
      }
      _mm_prefetch(reinterpret_cast<const char*>(a.next_scales + (word + i) * 64), _MM_HINT_T0);
      QuantSteps<kBits, 0, kVectors>(decoder, a.x + k, at, part);
      if (k + kPer<kBits> == block_end || k + kPer<kBits> >= a.k) {
#pragma unroll
        for (int v = 0; v < kVectors; ++v) {
          const int64_t at_scale = (v / kVecs * a.blocks + block) * kTile + v % kVecs * kLanes;
          if (a.zeros != nullptr) {
            part[v] = Fnma(Load(a.zeros + at_scale), Set1(a.x_sum[block]), part[v]);
          }
          acc[v] = Fma(part[v], Load(a.scales + at_scale), acc[v]);
          part[v] = Zero();
        }
        ++block;
        block_end += a.block;
      }
    }
  }
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    StoreN(a.out + v * kLanes, acc[v], a.cols - v * kLanes);
  }
}

template <int kBits, int kStep, typename Decoder>
SLUICE_SIMD void UnpackSteps(const Decoder& decoder, VI words, float* out) {
  if constexpr (kStep < kPer<kBits>) {
    Store(out + kStep * kTile, decoder.template Get<kStep>(words));
    UnpackSteps<kBits, kStep + 1>(decoder, words, out);
  }
}

// The values of one tile as [k][16].
template <int kBits>
void QuantUnpack(const QuantArgs& a, float* out) {
  const typename DecoderOf<kBits>::Type decoder(a.flip);
  for (int64_t half = 0; half < kTile; half += kLanes) {
    const int64_t row = half < a.cols ? half : 0;
    for (int64_t word = 0; word * kPer<kBits> < a.k; word += kLanes) {
      VI words[kLanes];
      LoadTransposed(a.q + row * a.q_row, a.q_row, a.cols - row, word, words);
#pragma unroll
      for (int i = 0; i < kLanes; ++i) {
        const int64_t k = (word + i) * kPer<kBits>;
        if (k < a.k) {
          UnpackSteps<kBits, 0>(decoder, words[i], out + k * kTile + half);
        }
      }
    }
  }
}

// kRows rows against kTiles unpacked tiles, values [tiles][k][16].
template <int kRows, int kTiles>
void QuantTile(const QuantArgs& a) {
  constexpr int kVectors = kTiles * kVecs;
  float acc[kRows][kTiles * kTile] = {};
  const float* x = a.x;
  const float* values = a.values;
  const int64_t tile = a.k * kTile;
  for (int64_t block = 0; block < a.blocks; ++block) {
    const int64_t left = a.k - block * a.block;
    const int64_t steps = left < a.block ? left : a.block;
    VF part[kRows][kVectors];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int v = 0; v < kVectors; ++v) {
        part[r][v] = Zero();
      }
    }
    for (int64_t k = 0; k < steps; ++k) {
      VF w[kVectors];
#pragma unroll
      for (int v = 0; v < kVectors; ++v) {
        w[v] = Load(values + (v / kVecs) * tile + (v % kVecs) * kLanes);
      }
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const VF xv = Set1(x[r]);
#pragma unroll
        for (int v = 0; v < kVectors; ++v) {
          part[r][v] = Fma(xv, w[v], part[r][v]);
        }
      }
      x += kRows;
      values += kTile;
    }
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = (v / kVecs * a.blocks + block) * kTile + v % kVecs * kLanes;
      const VF scale = Load(a.scales + at);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        if (a.zeros != nullptr) {
          part[r][v] = Fnma(Load(a.zeros + at), Set1(a.x_sum[block * kRows + r]), part[r][v]);
        }
        Store(acc[r] + v * kLanes, Fma(part[r][v], scale, Load(acc[r] + v * kLanes)));
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      StoreN(a.out + r * a.out_row + v * kLanes, Load(acc[r] + v * kLanes), a.cols - v * kLanes);
    }
  }
}

// [rows ≤ 16][n] floats of any type as [n][16].
void FloatTile(WType type, const void* in, int64_t row, int64_t rows, int64_t n, float* out) {
  switch (type) {
    case WType::kF32:
      return TransposeTile(static_cast<const float*>(in), row, rows, n, out);
    case WType::kF16:
      return TransposeTile(static_cast<const F16*>(in), row, rows, n, out);
    case WType::kBF16:
      return TransposeTile(static_cast<const BF16*>(in), row, rows, n, out);
  }
}

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_GEMM_QUANT_KERNEL_H_
