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
#else
inline constexpr int kTileRows = 6, kConvRows = 6, kConvTiles = 1;
inline constexpr int kDotRows = 3, kDotCols = 4, kDotWide = 8;
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

template <int kBits>
void QuantRowOf(int tiles, const QuantArgs& a) {
  if (tiles == 4) {
    return QuantRow<kBits, 4>(a);
  }
  QuantArgs part = a;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t left = a.cols - t * kTile;
    part.cols = left < kTile ? left : kTile;
    part.q = a.q + t * kTile * a.q_row;
    part.scales = a.scales + t * a.blocks * kTile;
    part.zeros = a.zeros == nullptr ? nullptr : a.zeros + t * a.blocks * kTile;
    part.out = a.out + t * kTile;
    QuantRow<kBits, 1>(part);
  }
}

void RunQuantRow(int bits, int tiles, const QuantArgs& a) {
  bits == 4 ? QuantRowOf<4>(tiles, a) : QuantRowOf<8>(tiles, a);
}

void RunQuantUnpack(int bits, const QuantArgs& a, float* out) {
  bits == 4 ? QuantUnpack<4>(a, out) : QuantUnpack<8>(a, out);
}

template <int kRows>
void QuantTileOfRows(int tiles, const QuantArgs& a) {
  constexpr int kGroup = GroupTiles(kRows);
  if (tiles == kGroup) {
    return QuantTile<kRows, kGroup>(a);
  }
  QuantArgs part = a;
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t left = a.cols - t * kTile;
    part.cols = left < kTile ? left : kTile;
    part.values = a.values + t * a.k * kTile;
    part.scales = a.scales + t * a.blocks * kTile;
    part.zeros = a.zeros == nullptr ? nullptr : a.zeros + t * a.blocks * kTile;
    part.out = a.out + t * kTile;
    QuantTile<kRows, 1>(part);
  }
}

template <int kRows = kTileRows>
void RunQuantTile(int rows, int tiles, const QuantArgs& a) {
  if constexpr (kRows > 0) {
    rows == kRows ? QuantTileOfRows<kRows>(tiles, a) : RunQuantTile<kRows - 1>(rows, tiles, a);
  }
}

int GroupTilesOf(int rows) { return GroupTiles(rows); }

extern const GemmOps kGemm;
const GemmOps kGemm = {
    .tile_rows = kTileRows,
    .dot_rows = kDotRows,
    .conv_rows = kConvRows,
    .conv_tiles = kConvTiles,
    .group_tiles = GroupTilesOf,
    .tile = RunTile,
    .pack_panel = RunPackPanel,
    .conv_tile = RunConvTile<kConvRows>,
    .rows_tile = RunRowsTile<kTileRows>,
    .dot = RunDot,
    .quant_row = RunQuantRow,
    .quant_unpack = RunQuantUnpack,
    .quant_tile = RunQuantTile<kTileRows>,
    .float_tile = FloatTile,
};

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_GEMM_GEMM_TABLE_H_
