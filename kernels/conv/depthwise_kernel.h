// DepthwiseRow for one instruction set.  Included by depthwise_avx2.cpp and depthwise_avx512.cpp and by nothing else.
#ifndef SLUICE_KERNELS_CONV_DEPTHWISE_KERNEL_H_
#define SLUICE_KERNELS_CONV_DEPTHWISE_KERNEL_H_

#include "kernels/conv/depthwise_ops.h"
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
#else
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

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_CONV_DEPTHWISE_KERNEL_H_
