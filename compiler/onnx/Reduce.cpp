// TensorBuilder: reductions and matrix products.
#include <limits>

#include "compiler/onnx/TensorBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::onnx_import {
namespace {

// The element every other one wins against.
Scalar neutralElement(Reduction kind, Type element) {
  if (isa<FloatType>(element)) {
    double infinity = std::numeric_limits<double>::infinity();
    return Scalar::ofNumber(kind == Reduction::Prod  ? 1
                            : kind == Reduction::Max ? -infinity
                            : kind == Reduction::Min ? infinity
                                                     : 0);
  }
  unsigned width = element.getIntOrFloatBitWidth();
  bool is_unsigned = element.isUnsignedInteger() || width == 1;
  APInt least = is_unsigned ? APInt::getMinValue(width) : APInt::getSignedMinValue(width);
  APInt most = is_unsigned ? APInt::getMaxValue(width) : APInt::getSignedMaxValue(width);
  auto size = [&](const APInt& value) {
    return Scalar::ofSize(SizeExpr(is_unsigned ? static_cast<int64_t>(value.getZExtValue()) : value.getSExtValue()));
  };
  switch (kind) {
    case Reduction::Prod:
      return Scalar::ofSize(SizeExpr(1));
    case Reduction::Max:
      return size(least);
    case Reduction::Min:
      return size(most);
    default:
      return Scalar::ofSize(SizeExpr(0));
  }
}

Value combine(OpBuilder& b, Location loc, Reduction kind, Value x, Value y) {
  bool is_float = isa<FloatType>(x.getType());
  switch (kind) {
    case Reduction::Prod:
      return is_float ? arith::MulFOp::create(b, loc, x, y).getResult()
                      : arith::MulIOp::create(b, loc, x, y).getResult();
    case Reduction::Max:
      return is_float ? arith::MaximumFOp::create(b, loc, x, y).getResult()
                      : arith::MaxSIOp::create(b, loc, x, y).getResult();
    case Reduction::Min:
      return is_float ? arith::MinimumFOp::create(b, loc, x, y).getResult()
                      : arith::MinSIOp::create(b, loc, x, y).getResult();
    default:
      return is_float ? arith::AddFOp::create(b, loc, x, y).getResult()
                      : arith::AddIOp::create(b, loc, x, y).getResult();
  }
}

Binary binaryOf(Reduction kind) {
  return kind == Reduction::Prod  ? Binary::Mul
         : kind == Reduction::Max ? Binary::Max
         : kind == Reduction::Min ? Binary::Min
                                  : Binary::Add;
}

}  // namespace

Tensor TensorBuilder::reduce(Reduction kind, const Tensor& x, ArrayRef<int64_t> axes, bool keep) {
  Sizes kept, with_ones = x.sizes();
  SizeExpr count(1);
  for (int64_t d = 0; d < x.rank(); ++d) {
    if (llvm::is_contained(axes, d)) {
      with_ones[d] = SizeExpr(1);
      count = count * x.size(d);
    } else {
      kept.push_back(x.size(d));
    }
  }
  if (x.isKnown() && kept.empty() && kind != Reduction::Mean) {
    Scalar sum = neutralElement(kind, x.element());
    bool folded = !x.known().empty();
    for (auto [i, scalar] : llvm::enumerate(x.known())) {
      auto next = i == 0 ? scalar : foldBinary(binaryOf(kind), sum, scalar, x.element(), facts_);
      folded = folded && next;
      sum = next.value_or(sum);
    }
    if (folded) {
      return withElements(x, {sum}, keep ? with_ones : kept);
    }
  }
  Type element = x.element();
  if (kind == Reduction::Mean || kind == Reduction::Sum) {
    // Half precision is summed in f32.
    if (auto narrow = dyn_cast<FloatType>(element); narrow && narrow.getWidth() < 32) {
      return cast(reduce(kind, cast(x, builder_.getF32Type()), axes, keep), element);
    }
  }
  if (kind == Reduction::Mean) {
    Tensor sum = reduce(Reduction::Sum, x, axes, keep);
    return div(sum, sizeNumber(count, element));
  }
  if (element.isUnsignedInteger() || element.isInteger(1)) {  // no unsigned maximum among the bodies: reduce wider
    return cast(reduce(kind, cast(x, builder_.getI64Type()), axes, keep), element);
  }
  Value init = value(splat(withElements(x, {neutralElement(kind, element)}, {}), kept));
  auto op = linalg::ReduceOp::create(builder_, loc_, ValueRange{value(x)}, ValueRange{init}, axes,
                                     [&](OpBuilder& b, Location loc, ValueRange args) {
                                       linalg::YieldOp::create(b, loc, combine(b, loc, kind, args[0], args[1]));
                                     });
  Tensor result = wrap(op->getResult(0), kept);
  return keep ? reshape(result, with_ones) : result;
}

Tensor TensorBuilder::linear(const Tensor& x, const Tensor& w) {
  if (x.rank() == 0) {
    fail(loc_, "multiplies a scalar by a matrix");
  }
  facts_.unify(x.size(-1), w.size(1), loc_);
  Sizes sizes = x.sizes();
  sizes.back() = w.size(0);
  return emit<nn::LinearOp>(sizes, x.element(), value(x), value(w), TypeAttr());
}

Tensor TensorBuilder::matmul(const Tensor& a, const Tensor& b) {
  if (a.rank() == 0 || b.rank() == 0) {
    fail(loc_, "multiplies a scalar as a matrix");
  }
  if (a.element() != b.element()) {
    fail(loc_, "multiplies matrices of different element types");
  }
  if (b.rank() == 2 && b.isWeight()) {
    return linear(a, swapLast(b));
  }
  if (a.rank() == 1) {
    Tensor product = matmul(unsqueeze(a, {0}), b);
    return squeeze(product, {product.rank() - (b.rank() == 1 ? 1 : 2)});
  }
  if (b.rank() == 1) {
    Tensor product = matmul(a, unsqueeze(b, {1}));
    return squeeze(product, {product.rank() - 1});
  }
  facts_.unify(a.size(-1), b.size(-2), loc_);
  if (b.rank() == 2 && a.rank() > 2) {
    // One matrix for all batches: rows of all batches are rows of one matrix.
    Tensor product = matmul(mergeDims(a, 0, a.rank() - 1), b);
    return splitDim(product, 0, ArrayRef<SizeExpr>(a.sizes()).drop_back());
  }
  Tensor left_batch({.element = a.element(), .sizes = Sizes(a.sizes().begin(), a.sizes().end() - 2), .loc = loc_});
  Tensor right_batch({.element = b.element(), .sizes = Sizes(b.sizes().begin(), b.sizes().end() - 2), .loc = loc_});
  Sizes batch = broadcastSizes({left_batch, right_batch});
  Sizes left = batch, right = batch, out = batch;
  left.append({a.size(-2), a.size(-1)});
  right.append({b.size(-2), b.size(-1)});
  out.append({a.size(-2), b.size(-1)});
  return emit<nn::MatmulOp>(out, a.element(), value(broadcast(a, left)), value(broadcast(b, right)), TypeAttr());
}

}  // namespace mlir::onnx_import
