// The micro-kernels of contractions: what each instruction set provides, and how the drivers call it.
//
// Two forms, chosen by how the weight lies in memory, never by the number of rows (kernels/gemm/README.md):
//   tile  w is [tiles][k][16]: out[r][16 lanes] += x[k][r] * w[k][16 lanes], k from 0 up, one FMA a step
//   dot   w is [n][k]:         kLanes partial sums along k, then a fixed tree over the lanes
// In both an output sees the same operations in the same order whatever `rows` it was computed with.
#ifndef SLUICE_KERNELS_GEMM_GEMM_OPS_H_
#define SLUICE_KERNELS_GEMM_GEMM_OPS_H_

#include <cstdint>

#include "runtime/base/dtype.h"

namespace sluice::kernels {

inline constexpr int64_t kTile = 16;        // output columns of a weight tile
inline constexpr int64_t kRowsStride = 64;  // floats from row to row of rows_tile()'s x

// out[r][j*16 + c] = Σ_k x[k*step + r] · w[j*w_tile + k*w_k + c]   for r < rows, j < tiles
struct TileArgs {
  const float* x;  // [k][step], rows first: a panel
  const void* w;   // elements of the WType asked for
  int64_t w_tile;  // elements from one tile to the next
  int64_t w_k;     // elements from one k to the next: 16 when packed
  int64_t k;
  float* out;  // [rows][out_row]
  int64_t out_row;
  int64_t cols;                     // columns to write, ≤ 16 * tiles, > 16 * (tiles - 1)
  const float* row_bias = nullptr;  // [rows]: what each row starts from; null: zero
  bool accumulate = false;          // start from what is in out
};

// out[r][j] = Σ_k x[r*x_row + k] · w[j*w_row + k]   for r < rows, j < cols
struct DotArgs {
  const float* x;
  int64_t x_row;
  const void* w;
  int64_t w_row;
  int64_t k;
  float* out;
  int64_t out_row;
};

// Quantised weights, tile form (quant_kernel.h): cols weight rows, their codes as they lie or already unpacked.
struct QuantArgs {
  const float* x;              // [k][rows]; k is padded with zeros to whole 32-bit words of codes
  const float* x_sum;          // [blocks][rows]: sums of x over a block; read only with zero points
  const uint8_t* q;            // [cols][q_row] codes
  int64_t q_row;               // bytes
  uint32_t flip;               // xor-ed into each 32 bits of codes to make them two's complement
  const uint8_t* next_scales;  // where scales not yet transposed go on: fetched meanwhile, a line a word of codes
  const float* values;         // [tiles][k][16] of quant_unpack
  const float* scales;         // [tiles][blocks][16]
  const float* zeros;          // [tiles][blocks][16], the code that `flip` maps to 0 subtracted; null: none
  int64_t k;                   // padded
  int64_t block;               // elements that share a scale: a multiple of 8
  int64_t blocks;
  float* out;  // [rows][out_row]
  int64_t out_row;
  int64_t cols;  // ≤ 16 * tiles, > 16 * (tiles - 1)
};

enum class WType : uint8_t { kF32 = 0, kF16 = 1, kBF16 = 2 };

struct GemmOps {
  int tile_rows;  // largest `rows` of tile(): 14 or 6
  int dot_rows;
  int conv_rows;   // largest `rows` of conv_tile(): divides no panel of 16 evenly on AVX2 (6 6 4), 8 8 on AVX-512
  int conv_tiles;  // tiles conv_tile() takes at once
  // Tiles that a group should have for that many rows, ≤ 4: tile() is fastest when given groups of this size.
  int (*group_tiles)(int rows);
  void (*tile)(WType w, int rows, int tiles, const TileArgs& args);  // panel step == rows
  // x [rows][k], contiguous along k, rows ≤ tile_rows, into the panel [k][rows].
  void (*pack_panel)(WType type, const void* x, int64_t x_row, int rows, int64_t k, float* panel);
  void (*conv_tile)(int rows, int tiles, const TileArgs& args);   // panel step == 16, f32
  void (*rows_tile)(int rows, int tiles, const TileArgs& args);   // x is [rows][kRowsStride], f32
  void (*dot)(WType w, int rows, int cols, const DotArgs& args);  // any rows, cols
  // One row of x against the codes of at most 4 tiles; several against unpacked values of at most group_tiles(rows).
  void (*quant_row)(int bits, int tiles, const QuantArgs& args);
  void (*quant_unpack)(int bits, const QuantArgs& args, float* out);  // one tile
  void (*quant_tile)(int rows, int tiles, const QuantArgs& args);     // rows ≤ tile_rows
  // [rows ≤ 16][n], rows `row` apart, as [n][16] f32, zero padded: scales and float zero points of a tile.
  void (*float_tile)(WType type, const void* in, int64_t row, int64_t rows, int64_t n, float* out);
};

const GemmOps& Gemm();  // for this machine

namespace avx2 {
extern const GemmOps kGemm;
}
namespace avx512 {
extern const GemmOps kGemm;
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_GEMM_GEMM_OPS_H_
