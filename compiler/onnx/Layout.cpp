// TensorBuilder: views and movement of elements.
#include "compiler/onnx/TensorBuilder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::onnx_import {
namespace {

SmallVector<int64_t> constantsOf(const Sizes& sizes) {
  return llvm::map_to_vector(sizes, [](const SizeExpr& size) { return *size.Constant(); });
}

// Calls visit(i, index) for each element of a tensor of these sizes, row-major.
void forEachIndex(ArrayRef<int64_t> sizes, llvm::function_ref<void(ArrayRef<int64_t>)> visit) {
  if (llvm::is_contained(sizes, 0)) {
    return;
  }
  SmallVector<int64_t> index(sizes.size(), 0);
  while (true) {
    visit(index);
    int64_t d = static_cast<int64_t>(sizes.size()) - 1;
    for (; d >= 0 && ++index[d] == sizes[d]; --d) {
      index[d] = 0;
    }
    if (d < 0) {
      return;
    }
  }
}

int64_t linearIndex(ArrayRef<int64_t> sizes, ArrayRef<int64_t> index) {
  int64_t linear = 0;
  for (auto [size, i] : llvm::zip_equal(sizes, index)) {
    linear = linear * size + i;
  }
  return linear;
}

// Elements of a tensor whose element at `index` is x's at source(index).
std::vector<Scalar> movedElements(const Tensor& x, const Sizes& sizes,
                                  llvm::function_ref<SmallVector<int64_t>(ArrayRef<int64_t>)> source) {
  std::vector<Scalar> elements;
  SmallVector<int64_t> from = constantsOf(x.sizes());
  forEachIndex(constantsOf(sizes),
               [&](ArrayRef<int64_t> index) { elements.push_back(x.known()[linearIndex(from, source(index))]); });
  return elements;
}

bool allConstant(const Sizes& sizes) {
  return llvm::all_of(sizes, [](const SizeExpr& size) { return size.IsConstant(); });
}

bool isOne(const SizeExpr& size) { return size.Constant() == 1; }

// The number of elements, when it is a number.
std::optional<int64_t> elementCount(ArrayRef<SizeExpr> sizes) {
  SizeExpr count(1);
  for (const SizeExpr& size : sizes) {
    count = count * size;
  }
  return count.Constant();
}

}  // namespace

int64_t TensorBuilder::axis(int64_t axis, int64_t rank) {
  int64_t normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= rank) {
    fail(loc_, "axis " + llvm::Twine(axis) + " is outside rank " + llvm::Twine(rank));
  }
  return normal;
}

Tensor TensorBuilder::reshape(const Tensor& x, Sizes sizes) {
  if (sizes == x.sizes()) {
    return x;
  }
  auto from = elementCount(x.sizes()), to = elementCount(sizes);
  if (from && to && *from != *to) {
    fail(loc_, "needs a tensor of " + llvm::Twine(*to) + " elements, got one of " + llvm::Twine(*from));
  }
  if (x.isKnown()) {
    return withElements(x, x.known(), std::move(sizes));
  }
  if ((x.info().weight || x.info().literal) && allConstant(sizes)) {
    TensorInfo info = x.info();
    info.value = Value();
    info.literal = info.literal ? info.literal.reshape(nn::typeOf(sizes, info.element)) : info.literal;
    info.sizes = std::move(sizes);
    return Tensor(std::move(info));
  }
  Value in = value(x);
  Tensor result = emit<nn::ReshapeOp>(sizes, x.element(), in, nn::sizesAttr(context(), sizes));
  result.info().weight_expr = x.isWeight();
  return result;
}

Tensor TensorBuilder::transpose(const Tensor& x, ArrayRef<int64_t> permutation) {
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, x.rank()))) {
    return x;
  }
  Sizes sizes = llvm::map_to_vector<4>(permutation, [&](int64_t d) { return x.size(d); });
  if (x.isKnown()) {
    auto source = [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> from(index.size());
      for (auto [d, p] : llvm::enumerate(permutation)) {
        from[p] = index[d];
      }
      return from;
    };
    return withElements(x, movedElements(x, sizes, source), sizes);
  }
  auto op = linalg::TransposeOp::create(builder_, loc_, value(x), empty(sizes, x.element()), permutation);
  Tensor result = wrap(op->getResult(0), sizes);
  result.info().weight_expr = x.isWeight();
  return result;
}

Tensor TensorBuilder::swapLast(const Tensor& x) {
  SmallVector<int64_t> permutation = llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  std::swap(permutation[x.rank() - 1], permutation[x.rank() - 2]);
  return transpose(x, permutation);
}

Tensor TensorBuilder::refine(const Tensor& x, const Sizes& sizes) {
  RankedTensorType type = nn::typeOf(sizes, x.element());
  return type == nn::typeOf(x.sizes(), x.element()) ? x : emit<tensor::CastOp>(sizes, x.element(), value(x));
}

Tensor TensorBuilder::repeatIfOne(const Tensor& x, int64_t axis, const SizeExpr& size) {
  Type i64 = builder_.getI64Type();
  Tensor last = sizeNumber(x.size(axis) - SizeExpr(1), i64);
  return gather(x, min(iota(size, i64), last), axis);
}

Tensor TensorBuilder::broadcast(const Tensor& x, const Sizes& sizes) {
  if (x.sizes() == sizes) {
    return x;
  }
  int64_t lead = static_cast<int64_t>(sizes.size()) - x.rank();
  if (lead < 0) {
    fail(loc_,
         "a tensor of rank " + llvm::Twine(x.rank()) + " cannot be broadcast to rank " + llvm::Twine(sizes.size()));
  }
  if (x.isKnown() && x.splatScalar()) {
    return splat(withElements(x, {x.known().front()}, {}), sizes);
  }
  SmallVector<int64_t> added = llvm::to_vector(llvm::seq<int64_t>(0, lead));
  Sizes kept;
  for (int64_t d = 0; d < x.rank(); ++d) {
    const SizeExpr& size = sizes[lead + d];
    if (isOne(x.size(d)) && !isOne(size)) {
      added.push_back(lead + d);
    } else if (facts_.broadcastsAtRunTime(x.size(d), size, loc_)) {
      return broadcast(repeatIfOne(x, d, size), sizes);
    } else {
      kept.push_back(facts_.unifyBroadcast(x.size(d), size, loc_));
    }
  }
  if (x.isKnown() && allConstant(sizes) && nn::typeOf(sizes, x.element()).getNumElements() <= kMaxKnownElements) {
    auto source = [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> from(index.begin() + lead, index.end());
      for (int64_t d = 0; d < x.rank(); ++d) {
        from[d] = isOne(x.size(d)) ? 0 : from[d];
      }
      return from;
    };
    return withElements(x, movedElements(x, sizes, source), sizes);
  }
  if (added.empty()) {
    return refine(x, sizes);
  }
  Tensor dense = refine(reshape(x, kept), kept);
  auto op = linalg::BroadcastOp::create(builder_, loc_, value(dense), empty(sizes, x.element()), added);
  return wrap(op->getResult(0), sizes);
}

Tensor TensorBuilder::unsqueeze(const Tensor& x, ArrayRef<int64_t> axes) {
  Sizes sizes = x.sizes();
  for (int64_t axis : axes) {
    sizes.insert(sizes.begin() + axis, SizeExpr(1));
  }
  return reshape(x, sizes);
}

Tensor TensorBuilder::squeeze(const Tensor& x, ArrayRef<int64_t> axes) {
  Sizes sizes;
  for (int64_t d = 0; d < x.rank(); ++d) {
    if (llvm::is_contained(axes, d)) {
      facts_.unify(x.size(d), SizeExpr(1), loc_);
    } else {
      sizes.push_back(x.size(d));
    }
  }
  return reshape(x, sizes);
}

Tensor TensorBuilder::concat(ArrayRef<Tensor> parts, int64_t axis) {
  Sizes sizes = parts.front().sizes();
  SizeExpr total(0);
  bool known = true;
  SmallVector<Tensor> kept;
  for (const Tensor& part : parts) {
    if (part.rank() != static_cast<int64_t>(sizes.size())) {
      fail(loc_, "concatenates tensors of rank " + llvm::Twine(sizes.size()) + " and " + llvm::Twine(part.rank()));
    }
    for (int64_t d = 0; d < part.rank(); ++d) {
      if (d != axis) {
        sizes[d] = facts_.unify(sizes[d], part.size(d), loc_);
      }
    }
    total = total + part.size(axis);
    known = known && part.isKnown();
    if (part.size(axis).Constant() != 0) {
      kept.push_back(part);
    }
  }
  sizes[axis] = total;
  if (known) {
    std::vector<Scalar> elements;
    int64_t outer = 1;
    for (int64_t d = 0; d < axis; ++d) {
      outer *= *sizes[d].Constant();
    }
    for (int64_t o = 0; o < outer; ++o) {
      for (const Tensor& part : parts) {
        int64_t run = static_cast<int64_t>(part.known().size()) / outer;
        elements.insert(elements.end(), part.known().begin() + o * run, part.known().begin() + (o + 1) * run);
      }
    }
    return withElements(parts.front(), std::move(elements), sizes);
  }
  if (kept.size() == 1) {
    return kept.front();
  }
  SmallVector<Value> values = llvm::map_to_vector(kept, [&](const Tensor& part) { return value(part); });
  Tensor result = emit<tensor::ConcatOp>(sizes, parts.front().element(), axis, values);
  result.info().weight_expr = llvm::all_of(kept, [](const Tensor& part) { return part.isWeight(); });
  return result;
}

Tensor TensorBuilder::slice(const Tensor& x, int64_t axis, const SizeExpr& start, const SizeExpr& size, int64_t step) {
  if (step == 1 && start.Constant() == 0 && size == x.size(axis)) {
    return x;
  }
  Sizes sizes = x.sizes();
  sizes[axis] = size;
  if (x.isKnown() && start.IsConstant() && size.IsConstant()) {
    auto source = [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> from(index);
      from[axis] = *start.Constant() + index[axis] * step;
      return from;
    };
    return withElements(x, movedElements(x, sizes, source), sizes);
  }
  Tensor in = x;
  SizeExpr begin = start;
  if (size.Constant() == 0) {
    begin = SizeExpr(0);  // an offset at the end is out of bounds to extract_slice
  } else if (step < 0) {
    in = emit<nn::ReverseOp>(x.sizes(), x.element(), value(x), builder_.getDenseI64ArrayAttr({axis}));
    begin = x.size(axis) - SizeExpr(1) - start;
  }
  SmallVector<OpFoldResult> offsets(x.rank(), builder_.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(x.rank(), builder_.getIndexAttr(1));
  offsets[axis] = sizeOf(begin);
  strides[axis] = builder_.getIndexAttr(std::abs(step));
  SmallVector<OpFoldResult> extents = llvm::map_to_vector(sizes, [&](const SizeExpr& s) { return sizeOf(s); });
  auto op = tensor::ExtractSliceOp::create(builder_, loc_, nn::typeOf(sizes, x.element()), value(in), offsets, extents,
                                           strides);
  Tensor result = wrap(op.getResult(), sizes);
  result.info().weight_expr = x.isWeight() && step > 0;
  return result;
}

Tensor TensorBuilder::gather(const Tensor& data, const Tensor& indices, int64_t axis) {
  const SizeExpr& extent = data.size(axis);
  Sizes sizes(data.sizes().begin(), data.sizes().begin() + axis);
  sizes.append(indices.sizes().begin(), indices.sizes().end());
  sizes.append(data.sizes().begin() + axis + 1, data.sizes().end());
  bool constant =
      indices.isKnown() && llvm::all_of(indices.known(), [](const Scalar& s) { return s.constant().has_value(); });
  auto normal = [&](const Scalar& index) {
    int64_t i = *index.size.Constant();
    return i < 0 ? extent + SizeExpr(i) : SizeExpr(i);
  };
  if (constant && extent.IsConstant()) {
    for (const Scalar& index : indices.known()) {
      int64_t i = *normal(index).Constant();
      if (i < 0 || i >= *extent.Constant()) {
        fail(loc_, "index " + llvm::Twine(*index.size.Constant()) + " is outside axis " + llvm::Twine(axis) +
                       " of size " + llvm::Twine(*extent.Constant()));
      }
    }
  }
  if (constant && data.isKnown()) {
    int64_t index_rank = indices.rank();
    SmallVector<int64_t> index_sizes = constantsOf(indices.sizes());
    auto source = [&](ArrayRef<int64_t> index) {
      SmallVector<int64_t> from(index.begin(), index.begin() + axis);
      int64_t at = linearIndex(index_sizes, index.slice(axis, index_rank));
      from.push_back(*normal(indices.known()[at]).Constant());
      from.append(index.begin() + axis + index_rank, index.end());
      return from;
    };
    return withElements(data, movedElements(data, sizes, source), sizes);
  }
  if (constant && indices.known().size() == 1) {
    SizeExpr start = normal(indices.known()[0]);
    if (!extent.IsConstant()) {
      int64_t i = *indices.known()[0].size.Constant();
      facts_.assumeAtLeast(extent, SizeExpr(i < 0 ? -i : i + 1), loc_);
    }
    return reshape(slice(data, axis, start, SizeExpr(1)), sizes);
  }
  Tensor at = indices.element().isInteger(32) || indices.element().isInteger(64) ? indices
                                                                                 : cast(indices, builder_.getI64Type());
  Value from = value(data);
  return emit<nn::GatherOp>(sizes, data.element(), from, value(at), builder_.getI64IntegerAttr(axis));
}

Tensor TensorBuilder::mergeDims(const Tensor& x, int64_t begin, int64_t end) {
  Sizes sizes(x.sizes().begin(), x.sizes().begin() + begin);
  SizeExpr merged(1);
  for (int64_t d = begin; d < end; ++d) {
    merged = merged * x.size(d);
  }
  sizes.push_back(merged);
  sizes.append(x.sizes().begin() + end, x.sizes().end());
  return reshape(x, sizes);
}

Tensor TensorBuilder::splitDim(const Tensor& x, int64_t axis, ArrayRef<SizeExpr> parts) {
  Sizes sizes(x.sizes().begin(), x.sizes().begin() + axis);
  sizes.append(parts.begin(), parts.end());
  sizes.append(x.sizes().begin() + axis + 1, x.sizes().end());
  return reshape(x, sizes);
}

}  // namespace mlir::onnx_import
