#include "passes/memory/Ref.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallBitVector.h"

namespace mlir::sluice::memory {

using nn::SizeExpr;
using nn::Sizes;

namespace {
bool isOne(const SizeExpr& size) { return size.Constant() == 1; }
}  // namespace

Sizes denseStrides(ArrayRef<SizeExpr> sizes) {
  Sizes strides(sizes.size(), SizeExpr(1));
  for (size_t d = sizes.size(); d-- > 1;) {
    strides[d - 1] = strides[d] * sizes[d];
  }
  return strides;
}

bool isDense(const Ref& ref) {
  if (ref.state) {
    return false;
  }
  Sizes dense = denseStrides(ref.sizes);
  for (size_t d = 0; d < dense.size(); ++d) {
    if (!isOne(ref.sizes[d]) && !(dense[d] == ref.strides[d])) {
      return false;
    }
  }
  return true;
}

bool isAligned(const Ref& ref) {
  if (ref.state) {
    return ref.start.Constant() == 0;
  }
  std::optional<int64_t> offset = ref.offset.Constant();
  return offset && *offset * std::max(8u, ref.element.getIntOrFloatBitWidth()) / 8 % 16 == 0;
}

Ref denseRef(Value buffer, Type element, const Sizes& sizes) {
  return {.buffer = buffer, .element = element, .sizes = sizes, .strides = denseStrides(sizes), .offset = SizeExpr(0)};
}

Ref permute(const Ref& ref, ArrayRef<int64_t> permutation) {
  Ref result = ref;
  for (auto [d, from] : llvm::enumerate(permutation)) {
    result.sizes[d] = ref.sizes[from];
    result.strides[d] = ref.strides[from];
  }
  return result;
}

Ref unpermute(const Ref& ref, ArrayRef<int64_t> permutation) {
  Ref result = ref;
  for (auto [d, to] : llvm::enumerate(permutation)) {
    result.sizes[to] = ref.sizes[d];
    result.strides[to] = ref.strides[d];
  }
  return result;
}

Ref slice(const Ref& ref, ArrayRef<SizeExpr> offsets, ArrayRef<SizeExpr> steps, const llvm::SmallBitVector& dropped,
          const Sizes& sizes) {
  Ref result = ref;
  result.sizes = sizes;
  result.strides.clear();
  for (size_t d = 0; d < offsets.size(); ++d) {
    result.offset = result.offset + offsets[d] * ref.strides[d];
    if (!dropped.test(d)) {
      result.strides.push_back(ref.strides[d] * steps[d]);
    }
  }
  return result;
}

Ref broadcast(const Ref& ref, ArrayRef<int64_t> added, const Sizes& sizes) {
  Ref result = ref;
  result.sizes = sizes;
  result.strides.clear();
  size_t next = 0;
  for (int64_t d = 0; d < static_cast<int64_t>(sizes.size()); ++d) {
    result.strides.push_back(llvm::is_contained(added, d) ? SizeExpr(0) : ref.strides[next++]);
  }
  return result;
}

// Both shapes are cut into runs of equal products; within a run the source must be walked with one stride.
std::optional<Ref> reshape(const Ref& ref, const Sizes& sizes) {
  Ref result = ref;
  result.sizes = sizes;
  if (isDense(ref)) {
    result.strides = denseStrides(sizes);
    return result;
  }
  if (ref.state) {
    return std::nullopt;
  }
  result.strides.assign(sizes.size(), SizeExpr(0));
  size_t from = 0, to = 0;
  auto skipOnes = [](const Sizes& shape, size_t& at) {
    while (at < shape.size() && isOne(shape[at])) {
      ++at;
    }
  };
  while (true) {
    skipOnes(ref.sizes, from);
    skipOnes(sizes, to);
    if (from == ref.sizes.size() || to == sizes.size()) {
      break;
    }
    size_t fromEnd = from + 1, toEnd = to + 1;
    SizeExpr source = ref.sizes[from], target = sizes[to];
    // Grow the run that has fewer dimensions left to try, until the products meet.
    while (!(source == target)) {
      bool sourceIsFactor = source.IsConstant() && target.IsConstant()
                                ? *source.Constant() < *target.Constant()
                                : source.ToString().size() <= target.ToString().size();
      if (sourceIsFactor && fromEnd < ref.sizes.size()) {
        source = source * ref.sizes[fromEnd++];
      } else if (toEnd < sizes.size()) {
        target = target * sizes[toEnd++];
      } else if (fromEnd < ref.sizes.size()) {
        source = source * ref.sizes[fromEnd++];
      } else {
        return std::nullopt;
      }
    }
    size_t inner = from;  // the last dimension of the run that is not 1, so far
    for (size_t d = from + 1; d < fromEnd; ++d) {
      if (!isOne(ref.sizes[d])) {
        if (!(ref.strides[inner] == ref.strides[d] * ref.sizes[d])) {
          return std::nullopt;
        }
        inner = d;
      }
    }
    SizeExpr stride = ref.strides[inner];
    for (size_t d = toEnd; d-- > to;) {
      result.strides[d] = stride;
      stride = stride * sizes[d];
    }
    from = fromEnd;
    to = toEnd;
  }
  return from == ref.sizes.size() && to == sizes.size() ? std::optional<Ref>(result) : std::nullopt;
}

}  // namespace mlir::sluice::memory
