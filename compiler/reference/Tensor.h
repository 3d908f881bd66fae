// Tensors of the reference evaluator: row-major, every float as double, every integer (bool, index) as int64.
#ifndef SLUICE_COMPILER_REFERENCE_TENSOR_H_
#define SLUICE_COMPILER_REFERENCE_TENSOR_H_

#include <cstdint>
#include <vector>

#include "mlir/IR/BuiltinTypes.h"

namespace mlir::sluice::reference {

struct RefTensor {
  Type element;  // the IR's element type; values are exact in it only as far as the evaluator's precision says
  std::vector<int64_t> sizes;
  std::vector<double> f;   // float elements
  std::vector<int64_t> i;  // integer elements

  static RefTensor make(Type element, std::vector<int64_t> sizes) {
    RefTensor t;
    t.element = element;
    t.sizes = std::move(sizes);
    if (isa<FloatType>(element)) {
      t.f.resize(t.elements());
    } else {
      t.i.resize(t.elements());
    }
    return t;
  }
  bool isFloat() const { return isa<FloatType>(element); }
  int64_t rank() const { return static_cast<int64_t>(sizes.size()); }
  int64_t elements() const { return product(0, sizes.size()); }
  // Product of sizes [begin, end).
  int64_t product(size_t begin, size_t end) const {
    int64_t n = 1;
    for (size_t d = begin; d < end; ++d) {
      n *= sizes[d];
    }
    return n;
  }
  std::vector<int64_t> strides() const {
    std::vector<int64_t> s(sizes.size(), 1);
    for (size_t d = sizes.size(); d-- > 1;) {
      s[d - 1] = s[d] * sizes[d];
    }
    return s;
  }
  // Element `from` of `other` (same kind) becomes element `to`.
  void copyElement(int64_t to, const RefTensor& other, int64_t from) {
    if (isFloat()) {
      f[to] = other.f[from];
    } else {
      i[to] = other.i[from];
    }
  }
};

// Calls body(index) for every index of a box, last dimension fastest; `index` is reused.  Nothing when a size is 0.
template <typename Body>
void forEachIndex(const std::vector<int64_t>& sizes, Body body) {
  for (int64_t size : sizes) {
    if (size == 0) {
      return;
    }
  }
  std::vector<int64_t> index(sizes.size(), 0);
  while (true) {
    body(index);
    size_t d = sizes.size();
    while (d > 0 && ++index[d - 1] == sizes[d - 1]) {
      index[--d] = 0;
    }
    if (d == 0) {
      return;
    }
  }
}

inline int64_t offsetOf(const std::vector<int64_t>& index, const std::vector<int64_t>& strides) {
  int64_t offset = 0;
  for (size_t d = 0; d < index.size(); ++d) {
    offset += index[d] * strides[d];
  }
  return offset;
}

}  // namespace mlir::sluice::reference

#endif  // SLUICE_COMPILER_REFERENCE_TENSOR_H_
