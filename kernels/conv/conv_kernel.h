// ConvOps for one instruction set.  Included by conv_avx2.cpp and conv_avx512.cpp and by nothing else.
#ifndef SLUICE_KERNELS_CONV_CONV_KERNEL_H_
#define SLUICE_KERNELS_CONV_CONV_KERNEL_H_

#include "kernels/conv/conv_ops.h"
#include "kernels/simd/vec.h"

namespace sluice::kernels::SLUICE_ISA {

// x[0], x[stride], x[2 * stride] …
#ifdef __AVX512F__
SLUICE_SIMD VF LoadEverySecond(const float* x) {
  const VI even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(Load(x), even, Load(x + 16));
}
SLUICE_SIMD VF LoadStrided(const float* x, int64_t stride) {
  const VI lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm512_i32gather_ps(_mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(stride))), x, 4);
}
// Lanes of `inside` only: x[0], x[step] …, zero elsewhere.  No other byte is read.
SLUICE_SIMD VF LoadInside(const float* x, uint32_t inside) {
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>(inside), x);
}
SLUICE_SIMD VF LoadEverySecondInside(const float* x, uint32_t inside) {
  const uint32_t spread = _pdep_u32(inside, 0x55555555u);
  const VF low = LoadInside(x, spread & 0xffffu);
  const VF high = (spread >> 16) != 0 ? LoadInside(x + 16, spread >> 16) : Zero();
  const VI even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return _mm512_permutex2var_ps(low, even, high);
}
#else
SLUICE_SIMD VF LoadInside(const float* x, uint32_t inside) {
  const VI bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const VI set = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(inside)), bit);
  return _mm256_maskload_ps(x, _mm256_cmpeq_epi32(set, bit));
}
SLUICE_SIMD VF LoadEverySecondInside(const float* x, uint32_t inside) {
  const uint32_t spread = _pdep_u32(inside, 0x5555u);
  const VF low = LoadInside(x, spread & 0xffu);
  const VF high = (spread >> 8) != 0 ? LoadInside(x + 8, spread >> 8) : Zero();
  const VF both = _mm256_shuffle_ps(low, high, 0x88);
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(both), 0xd8));
}
SLUICE_SIMD VF LoadEverySecond(const float* x) {
  const VF both = _mm256_shuffle_ps(Load(x), Load(x + 8), 0x88);
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(both), 0xd8));
}
SLUICE_SIMD VF LoadStrided(const float* x, int64_t stride) {
  const VI lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_i32gather_ps(x, _mm256_mullo_epi32(lane, _mm256_set1_epi32(static_cast<int>(stride))), 4);
}
#endif

template <int kStride>
SLUICE_SIMD VF LoadBy(const float* x, int64_t stride) {
  if constexpr (kStride == 1) {
    return Load(x);
  } else if constexpr (kStride == 2) {
    return LoadEverySecond(x);
  } else {
    return LoadStrided(x, stride);
  }
}

// kVectors vectors of outputs from `at` on: as many independent chains as hide the latency of FMA.
template <int kStride, int kVectors>
SLUICE_SIMD void DepthwiseBlock(const DepthwiseRow& row, int64_t at) {
  VF acc[kVectors];
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    acc[v] = Set1(row.bias);
  }
  for (int64_t tap = 0; tap < row.taps; ++tap) {
    const VF w = Set1(row.w[tap]);
    const float* x = row.x + row.offsets[tap] + at * row.stride;
#pragma unroll
    for (int v = 0; v < kVectors; ++v) {
      acc[v] = Fma(w, LoadBy<kStride>(x + v * kLanes * row.stride, row.stride), acc[v]);
    }
  }
#pragma unroll
  for (int v = 0; v < kVectors; ++v) {
    const int64_t left = row.n - at - v * kLanes;
    if (left >= kLanes) {
      Store(row.out + at + v * kLanes, acc[v]);
    } else {
      StoreN(row.out + at + v * kLanes, acc[v], left);
    }
  }
}

template <int kStride>
SLUICE_SIMD void DepthwiseBy(const DepthwiseRow& row) {
  int64_t at = 0;
  for (; row.n - at > 2 * kLanes; at += 4 * kLanes) {
    DepthwiseBlock<kStride, 4>(row, at);
  }
  for (; at < row.n; at += kLanes) {
    DepthwiseBlock<kStride, 1>(row, at);
  }
}

void RunDepthwiseRow(const DepthwiseRow& row) {
  if (row.stride == 1) {
    DepthwiseBy<1>(row);
  } else if (row.stride == 2) {
    DepthwiseBy<2>(row);
  } else {
    DepthwiseBy<3>(row);
  }
}

void CopyPieces(const PatchPiece* pieces, int64_t count, int64_t step, const float* image, float* panel) {
  for (int64_t i = 0; i < count; ++i) {
    const PatchPiece piece = pieces[i];
    const float* from = image + piece.from;
    float* to = panel + piece.to;
    if (step == 1) {
      Store(to, LoadInside(from, piece.inside));
    } else if (step == 2) {
      Store(to, LoadEverySecondInside(from, piece.inside));
    } else {
      for (int lane = 0; lane < kLanes; ++lane) {
        to[lane] = (piece.inside >> lane & 1) != 0 ? from[lane * step] : 0.0f;
      }
    }
  }
}

extern const ConvOps kConvOps;
const ConvOps kConvOps = {
    .lanes = kLanes,
    .depthwise_row = RunDepthwiseRow,
    .copy_pieces = CopyPieces,
};

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_CONV_CONV_KERNEL_H_
