// Internal to pack_weight: boxes of a node's elements, evaluated.
#ifndef SLUICE_RUNTIME_BASE_PACK_BLOCK_H_
#define SLUICE_RUNTIME_BASE_PACK_BLOCK_H_

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

// Dense elements of a box.  4-bit types take a byte each here.
struct Block {
  DType dtype = DType::kUndefined;
  std::vector<int64_t> sizes;
  std::vector<uint8_t> data;
  int element_bytes() const { return BitWidth(dtype) < 8 ? 1 : BitWidth(dtype) / 8; }
  int64_t elements() const {
    int64_t n = 1;
    for (int64_t s : sizes) {
      n *= s;
    }
    return n;
  }
};

absl::StatusOr<Block> Evaluate(const PackExpr& expr, size_t node, const Box& box, PackReader& reader);

}  // namespace sluice::pack_internal

#endif  // SLUICE_RUNTIME_BASE_PACK_BLOCK_H_
