// Instantiates the micro-kernels for one instruction set and puts them into its GemmOps.
// Included by gemm_avx2.cpp and gemm_avx512.cpp and by nothing else.
#ifndef SLUICE_KERNELS_GEMM_GEMM_TABLE_H_
#define SLUICE_KERNELS_GEMM_GEMM_TABLE_H_

#include "kernels/gemm/dot_kernel.h"
#include "kernels/gemm/quant_kernel.h"
#include "kernels/gemm/tile_kernel.h"
#include "kernels/simd/transpose.h"

namespace sluice::kernels::SLUICE_ISA {

#ifdef __AVX512F__
inline constexpr int kTileRows = 14, kConvRows = 8, kConvTiles = 3;
inline constexpr int kDotRows = 4, kDotCols = 6, kDotWide = 8;
inline constexpr int kQuantRows = 6, kQuantCols = 2;
#else
inline constexpr int kTileRows = 6, kConvRows = 6, kConvTiles = 1;
inline constexpr int kDotRows = 3, kDotCols = 4, kDotWide = 8;
inline constexpr int kQuantRows = 3, kQuantCols = 2;
#endif

// Tiles of a group: as many as the registers hold, since few rows leave room and independent chains hide FMA's latency.
constexpr int GroupTiles(int rows) {
#ifdef __AVX512F__
  return rows <= 6 ? 4 : 2;
#else
  return rows == 1 ? 4 : rows <= 3 ? 2 : 1;
#endif
}

template <typename W, int kRows, int kXRow = 1, int kXStep = kRows>
void TileOfRows(int tiles, const TileArgs& a) {
  constexpr int kGroup = GroupTiles(kRows);
  TileArgs part = a;
  const W* w = static_cast<const W*>(a.w);
  for (int t = 0; t < tiles;) {
    const int n = tiles - t >= kGroup ? kGroup : 1;
    part.w = w + t * a.w_tile;
    part.out = a.out + t * kTile;
    const int64_t left = a.cols - t * kTile;
    part.cols = left < n * kTile ? left : n * kTile;
    n == 1 ? TileKernel<W, kRows, 1, kXRow, kXStep>(part) : TileKernel<W, kRows, kGroup, kXRow, kXStep>(part);
    t += n;
  }
}

template <typename W, int kRows = kTileRows>
void TileDispatch(int rows, int tiles, const TileArgs& a) {
  if constexpr (kRows > 0) {
    rows == kRows ? TileOfRows<W, kRows>(tiles, a) : TileDispatch<W, kRows - 1>(rows, tiles, a);
  }
}

void RunTile(WType w, int rows, int tiles, const TileArgs& a) {
  switch (w) {
    case WType::kF32:
      return TileDispatch<float>(rows, tiles, a);
    case WType::kF16:
      return TileDispatch<F16>(rows, tiles, a);
    case WType::kBF16:
      return TileDispatch<BF16>(rows, tiles, a);
  }
}

void RunPackPanel(WType type, const void* x, int64_t x_row, int rows, int64_t k, float* panel) {
  switch (type) {
    case WType::kF32:
      return TransposePanel(static_cast<const float*>(x), x_row, rows, k, panel);
    case WType::kF16:
      return TransposePanel(static_cast<const F16*>(x), x_row, rows, k, panel);
    case WType::kBF16:
      return TransposePanel(static_cast<const BF16*>(x), x_row, rows, k, panel);
  }
}

template <int kRows = kTileRows>
void RunRowsTile(int rows, int tiles, const TileArgs& a) {
  if constexpr (kRows > 0) {
    rows == kRows ? TileOfRows<float, kRows, kRowsStride, 1>(tiles, a) : RunRowsTile<kRows - 1>(rows, tiles, a);
  }
}

template <int kRows = kConvRows>
void RunConvTile(int rows, int tiles, const TileArgs& a) {
  if constexpr (kRows > 0) {
    if (rows != kRows) {
      return RunConvTile<kRows - 1>(rows, tiles, a);
    }
    if (tiles == 1) {
      TileKernel<float, kRows, 1, 1, kTile>(a);
    } else if (tiles == 2) {
      TileKernel<float, kRows, 2, 1, kTile>(a);
    } else {
      TileKernel<float, kRows, 3, 1, kTile>(a);
    }
  }
}

template <typename W, int kRows>
void DotOfRows(int cols, const DotArgs& a) {
  constexpr int kGroup = kRows == 1 ? kDotWide : kDotCols;
  DotArgs part = a;
  for (int c = 0; c < cols;) {
    const int n = cols - c >= kGroup ? kGroup : 1;
    part.w = static_cast<const W*>(a.w) + c * a.w_row;
    part.out = a.out + c;
    n == 1 ? DotKernel<W, kRows, 1>(part) : DotKernel<W, kRows, kGroup>(part);
    c += n;
  }
}

template <typename W, int kRows = kDotRows>
void DotDispatch(int rows, int cols, const DotArgs& a) {
  if constexpr (kRows > 0) {
    DotArgs part = a;
    for (; rows >= kRows; rows -= kRows) {
      DotOfRows<W, kRows>(cols, part);
      part.x += kRows * a.x_row;
      part.out += kRows * a.out_row;
    }
    DotDispatch<W, kRows - 1>(rows, cols, part);
  }
}

void RunDot(WType w, int rows, int cols, const DotArgs& a) {
  switch (w) {
    case WType::kF32:
      return DotDispatch<float>(rows, cols, a);
    case WType::kF16:
      return DotDispatch<F16>(rows, cols, a);
    case WType::kBF16:
      return DotDispatch<BF16>(rows, cols, a);
  }
}

template <int kBits, bool kHasZero, int kRows>
void QuantOfRows(int cols, const QuantArgs& a) {
  constexpr int kGroup = kRows == 1 ? 4 : kQuantCols;
  QuantArgs part = a;
  const int64_t scale_bytes = a.blocks * (a.scale_type == DType::kF32 ? 4 : 2);
  for (int c = 0; c < cols;) {
    const int n = cols - c >= kGroup ? kGroup : 1;
    part.q = a.q + c * a.q_row;
    part.scale = static_cast<const uint8_t*>(a.scale) + c * scale_bytes;
    part.zero = kHasZero ? static_cast<const uint8_t*>(a.zero) + c * a.zero_row : nullptr;
    part.out = a.out + c;
    n == 1 ? QuantKernel<kBits, kRows, 1, kHasZero>(part) : QuantKernel<kBits, kRows, kGroup, kHasZero>(part);
    c += n;
  }
}

template <int kBits, bool kHasZero, int kRows = kQuantRows>
void QuantDispatch(int rows, int cols, const QuantArgs& a) {
  if constexpr (kRows > 0) {
    rows == kRows ? QuantOfRows<kBits, kHasZero, kRows>(cols, a)
                  : QuantDispatch<kBits, kHasZero, kRows - 1>(rows, cols, a);
  }
}

void RunQuant(int bits, int rows, int cols, const QuantArgs& a) {
  if (bits == 4) {
    a.zero != nullptr ? QuantDispatch<4, true>(rows, cols, a) : QuantDispatch<4, false>(rows, cols, a);
  } else {
    a.zero != nullptr ? QuantDispatch<8, true>(rows, cols, a) : QuantDispatch<8, false>(rows, cols, a);
  }
}

void RunQuantPermute(int bits, const float* x, int64_t k, int64_t chunks, float* out, float* sums) {
  bits == 4 ? QuantPermuteBits<4>(x, k, chunks, out, sums) : QuantPermuteBits<8>(x, k, chunks, out, sums);
}

int GroupTilesOf(int rows) { return GroupTiles(rows); }

extern const GemmOps kGemm;
const GemmOps kGemm = {
    .lanes = kLanes,
    .tile_rows = kTileRows,
    .dot_rows = kDotRows,
    .dot_cols = kDotCols,
    .quant_rows = kQuantRows,
    .conv_rows = kConvRows,
    .conv_tiles = kConvTiles,
    .group_tiles = GroupTilesOf,
    .tile = RunTile,
    .pack_panel = RunPackPanel,
    .conv_tile = RunConvTile<kConvRows>,
    .rows_tile = RunRowsTile<kTileRows>,
    .dot = RunDot,
    .quant = RunQuant,
    .quant_permute = RunQuantPermute,
};

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_GEMM_GEMM_TABLE_H_
