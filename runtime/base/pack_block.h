// Internal to pack expressions: boxes of a node's elements, evaluated.
//
// A Block is a strided view of memory it owns: transposes, slices, broadcasts and most reshapes only change sizes and
// strides, so a weight stored [k, n] and needed as tiles of [n, k] is copied twice, file to block to tiles.
#ifndef SLUICE_RUNTIME_BASE_PACK_BLOCK_H_
#define SLUICE_RUNTIME_BASE_PACK_BLOCK_H_

#include <memory>
#include <vector>

#include "runtime/base/pack_weight.h"

namespace sluice::pack_internal {

// Half-open ranges, one a dimension.
struct Box {
  std::vector<int64_t> starts, sizes;
  int64_t elements() const {
    int64_t n = 1;
    for (int64_t s : sizes) {
      n *= s;
    }
    return n;
  }
  static Box Whole(const std::vector<int64_t>& sizes) { return {std::vector<int64_t>(sizes.size(), 0), sizes}; }
};

// Row-major strides, in elements.
std::vector<int64_t> DenseStrides(const std::vector<int64_t>& sizes);

// Element (i, j, …) is at data[(i · strides[0] + j · strides[1] + …) · width].  4-bit types take a byte each here,
// sign-extended when they have a sign.  Move-only.
struct Block {
  DType dtype = DType::kUndefined;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;     // in elements, >= 0; 0: one element for all
  std::unique_ptr<uint8_t[]> data;  // not initialised
  int64_t stored = 0;               // elements in `data`

  int width() const { return BitWidth(dtype) < 8 ? 1 : BitWidth(dtype) / 8; }
  int64_t elements() const { return Box{{}, sizes}.elements(); }
  bool dense() const { return strides == DenseStrides(sizes) && stored == elements(); }
};

// A dense one, uninitialised.
Block MakeBlock(DType dtype, std::vector<int64_t> sizes);
// The same elements, dense; the block itself when it is.
Block Densify(Block block);

// The elements of `box` of node `index`.
absl::StatusOr<Block> Evaluate(const PackExpr& expr, size_t index, const Box& box, PackReader& reader);

// Copies a strided view to a dense one: to[row-major] = from[strided], `width` bytes an element (1, 2, 4 or 8).
// Transposes go by small squares in registers.
void CopyStrided(const uint8_t* from, std::vector<int64_t> sizes, std::vector<int64_t> strides, int width, uint8_t* to);

// The first `count` rows of a block of rank >= 2 as tiles of 16 rows, `[ceil(count / 16)][k][16]`, missing rows zero; k
// is the product of the other dimensions.
void CopyTiles(const Block& block, int64_t count, uint8_t* to);

// kCast, kAdd … kReciprocal of blocks of one size; `b` is null for the unary ones.
Block Compute(PackKind kind, DType dtype, Block a, Block* b);

// (q - zero) * scale of a box, each scale repeated as in nn.dequantize.  Zero may be null; it and scale are dense.
struct DequantizeArgs {
  DType dtype;
  int64_t axis;         // -1: one scale for all
  int64_t block;        // 0: one scale an index of `axis`, scale is a vector
  int64_t axis_start;   // of q's box
  int64_t scale_start;  // of scale's box, along the axis
};
Block Dequantize(const DequantizeArgs& args, Block q, const Block& scale, const Block* zero);

}  // namespace sluice::pack_internal

#endif  // SLUICE_RUNTIME_BASE_PACK_BLOCK_H_
