// In-register transposition of kLanes vectors of kLanes floats.  See vec.h for the rules of such files.
#ifndef SLUICE_KERNELS_SIMD_TRANSPOSE_H_
#define SLUICE_KERNELS_SIMD_TRANSPOSE_H_

#include "kernels/simd/vec.h"

namespace sluice::kernels::SLUICE_ISA {

#ifdef __AVX512F__

// v[i] lane j becomes v[j] lane i.  Pairs of rows, then of pairs, then 128-bit quarters twice: 64 shuffles.
SLUICE_SIMD void Transpose(VF (&v)[16]) {
  VF t[16];
#pragma unroll
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
  }
  // v[4 * g + c]: in quarter q, column 4 * q + c of rows 4 * g … 4 * g + 3.
#pragma unroll
  for (int i = 0; i < 16; i += 4) {
    const __m512d a0 = _mm512_castps_pd(t[i]), a1 = _mm512_castps_pd(t[i + 1]);
    const __m512d b0 = _mm512_castps_pd(t[i + 2]), b1 = _mm512_castps_pd(t[i + 3]);
    v[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a0, b0));
    v[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a0, b0));
    v[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(a1, b1));
    v[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(a1, b1));
  }
#pragma unroll
  for (int c = 0; c < 4; ++c) {
    const VF low01 = _mm512_shuffle_f32x4(v[c], v[c + 4], 0x88);   // quarters 0, 2 of row groups 0, 1
    const VF high01 = _mm512_shuffle_f32x4(v[c], v[c + 4], 0xdd);  // quarters 1, 3
    const VF low23 = _mm512_shuffle_f32x4(v[c + 8], v[c + 12], 0x88);
    const VF high23 = _mm512_shuffle_f32x4(v[c + 8], v[c + 12], 0xdd);
    t[c] = _mm512_shuffle_f32x4(low01, low23, 0x88);
    t[c + 8] = _mm512_shuffle_f32x4(low01, low23, 0xdd);
    t[c + 4] = _mm512_shuffle_f32x4(high01, high23, 0x88);
    t[c + 12] = _mm512_shuffle_f32x4(high01, high23, 0xdd);
  }
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    v[i] = t[i];
  }
}

#else  // AVX2

SLUICE_SIMD void Transpose(VF (&v)[8]) {
  VF t[8];
#pragma unroll
  for (int i = 0; i < 8; i += 4) {
    const VF a = _mm256_unpacklo_ps(v[i], v[i + 1]), b = _mm256_unpackhi_ps(v[i], v[i + 1]);
    const VF c = _mm256_unpacklo_ps(v[i + 2], v[i + 3]), d = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm256_shuffle_ps(a, c, 0x44);
    t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
    t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
    t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
  }
#pragma unroll
  for (int c = 0; c < 4; ++c) {
    v[c] = _mm256_permute2f128_ps(t[c], t[c + 4], 0x20);
    v[c + 4] = _mm256_permute2f128_ps(t[c], t[c + 4], 0x31);
  }
}

#endif

// A panel: out[kk * rows + r] = in[r * row + kk] for r < rows (≤ 16), kk < k.  Writes nothing else.
template <typename T>
SLUICE_SIMD void TransposePanel(const T* in, int64_t row, int64_t rows, int64_t k, float* out) {
  for (int64_t half = 0; half < rows; half += kLanes) {
    const int64_t width = rows - half < kLanes ? rows - half : kLanes;
    for (int64_t k0 = 0; k0 < k; k0 += kLanes) {
      const int64_t n = k - k0 < kLanes ? k - k0 : kLanes;
      VF v[kLanes];
#pragma unroll
      for (int r = 0; r < kLanes; ++r) {
        const T* from = in + (half + r) * row + k0;
        v[r] = r >= width ? Zero() : n == kLanes ? Load(from) : LoadN(from, n);
      }
      Transpose(v);
#pragma unroll
      for (int i = 0; i < kLanes; ++i) {
        if (i < n) {
          StoreN(out + (k0 + i) * rows + half, v[i], width);
        }
      }
    }
  }
}

// Rows of 16-bit or 32-bit floats, kTileRows = 16 of them, contiguous along k, as [k][16] f32: what a tile kernel
// reads.
//   out[kk * 16 + r] = r < rows ? in[r * row + kk] : 0     for kk < k
template <typename T>
SLUICE_SIMD void TransposeTile(const T* in, int64_t row, int64_t rows, int64_t k, float* out) {
  for (int half = 0; half < 16; half += kLanes) {
    for (int64_t k0 = 0; k0 < k; k0 += kLanes) {
      const int64_t n = k - k0 < kLanes ? k - k0 : kLanes;
      VF v[kLanes];
#pragma unroll
      for (int r = 0; r < kLanes; ++r) {
        const T* from = in + (half + r) * row + k0;
        v[r] = half + r >= rows ? Zero() : n == kLanes ? Load(from) : LoadN(from, n);
      }
      Transpose(v);
      if (n == kLanes) {
#pragma unroll
        for (int i = 0; i < kLanes; ++i) {
          Store(out + (k0 + i) * 16 + half, v[i]);
        }
        continue;
      }
#pragma unroll
      for (int i = 0; i < kLanes; ++i) {
        if (i < n) {
          Store(out + (k0 + i) * 16 + half, v[i]);
        }
      }
    }
  }
}

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_SIMD_TRANSPOSE_H_
