// TensorBuilder: constants, known contents, and how tensors become IR values.
#include "compiler/onnx/TensorBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::onnx_import {

Value TensorBuilder::value(const Tensor& x) {
  TensorInfo& info = x.info();
  if (!info.value) {
    info.value = materialize(x);
  }
  return info.value;
}

Value TensorBuilder::materialize(const Tensor& x) {
  TensorInfo& info = x.info();
  if (info.known) {
    return materializeKnown(x);
  }
  if (info.literal) {
    return arith::ConstantOp::create(builder_, info.loc, info.literal);
  }
  const WeightRef& w = *info.weight;
  return nn::WeightOp::create(builder_, info.loc, nn::typeOf(info.sizes, info.element), builder_.getStringAttr(w.name),
                              builder_.getI64IntegerAttr(w.file), builder_.getI64IntegerAttr(w.offset),
                              builder_.getI64IntegerAttr(w.length));
}

Value TensorBuilder::materializeKnown(const Tensor& x) {
  TensorInfo& info = x.info();
  RankedTensorType type = nn::typeOf(info.sizes, info.element);
  if (llvm::all_of(*info.known, [](const Scalar& s) { return s.constant().has_value(); })) {
    return arith::ConstantOp::create(builder_, info.loc, elementsOf(*info.known, type));
  }
  // Sizes that data depend on.
  bool ratio = isa<FloatType>(info.element);
  SmallVector<Attribute> exprs;
  int64_t divisor = 1;
  for (const Scalar& scalar : *info.known) {
    divisor = std::max(divisor, scalar.real ? 1 : scalar.divisor);
  }
  for (const Scalar& scalar : *info.known) {
    SizeExpr size = scalar.size * SizeExpr(divisor / scalar.divisor);
    if (scalar.real || divisor % scalar.divisor != 0) {
      fail(info.loc, "a float computed from sizes and used as data has no common divisor");
    }
    exprs.push_back(builder_.getStringAttr(size.ToString()));
  }
  Type integer = ratio ? builder_.getI64Type() : info.element;
  Sizes flat;
  if (!info.sizes.empty()) {
    flat.push_back(SizeExpr(static_cast<int64_t>(exprs.size())));
  }
  Location before = loc_;
  loc_ = info.loc;
  Tensor sizes = emit<nn::SizesOp>(flat, integer, builder_.getArrayAttr(exprs));
  if (ratio) {
    sizes = div(cast(sizes, info.element), static_cast<double>(divisor));
  }
  Value result = value(info.sizes.size() > 1 ? reshape(sizes, info.sizes) : sizes);
  loc_ = before;
  return result;
}

Tensor TensorBuilder::wrap(Value value, Sizes sizes) {
  return Tensor({.element = cast<RankedTensorType>(value.getType()).getElementType(),
                 .sizes = std::move(sizes),
                 .loc = loc_,
                 .value = value});
}

Tensor TensorBuilder::knownTensor(std::vector<Scalar> elements, Sizes sizes, Type element) {
  return Tensor({.element = element, .sizes = std::move(sizes), .loc = loc_, .known = std::move(elements)});
}

Tensor TensorBuilder::constant(DenseElementsAttr elements) {
  Sizes sizes(elements.getType().getShape().begin(), elements.getType().getShape().end());
  Type element = elements.getElementType();
  if (elements.getNumElements() <= kMaxKnownElements) {
    return knownTensor(scalarsOf(elements), std::move(sizes), element);
  }
  return Tensor({.element = element, .sizes = std::move(sizes), .loc = loc_, .literal = elements});
}

Tensor TensorBuilder::ints(ArrayRef<int64_t> values) {
  return sizeTensor(SmallVector<SizeExpr>(values.begin(), values.end()));
}

Tensor TensorBuilder::sizeTensor(ArrayRef<SizeExpr> values) {
  std::vector<Scalar> elements;
  for (const SizeExpr& size : values) {
    elements.push_back(Scalar::ofSize(size));
  }
  return knownTensor(std::move(elements), {SizeExpr(static_cast<int64_t>(values.size()))}, builder_.getI64Type());
}

Tensor TensorBuilder::number(double value, Type element) {
  Scalar scalar =
      isa<FloatType>(element) ? Scalar::ofNumber(roundTo(element, value)) : Scalar::ofSize(static_cast<int64_t>(value));
  return knownTensor({scalar}, {}, element);
}

Tensor TensorBuilder::sizeNumber(const SizeExpr& value, Type element) {
  auto constant = value.Constant();
  if (constant) {
    return number(static_cast<double>(*constant), element);
  }
  return knownTensor({Scalar::ofSize(value)}, {}, element);
}

Value TensorBuilder::sizeIndex(const SizeExpr& size) {
  Value& index = sizes_[size.ToString()];
  if (!index) {
    index = nn::SizeOp::create(builder_, loc_, builder_.getIndexType(), builder_.getStringAttr(size.ToString()));
  }
  return index;
}

OpFoldResult TensorBuilder::sizeOf(const SizeExpr& size) {
  if (auto constant = size.Constant()) {
    return builder_.getIndexAttr(*constant);
  }
  return sizeIndex(size);
}

Value TensorBuilder::empty(const Sizes& sizes, Type element) {
  SmallVector<OpFoldResult> values;
  for (const SizeExpr& size : sizes) {
    values.push_back(sizeOf(size));
  }
  return tensor::EmptyOp::create(builder_, loc_, values, element);
}

Tensor TensorBuilder::splat(const Tensor& scalar, const Sizes& sizes) {
  RankedTensorType type = nn::typeOf(sizes, scalar.element());
  auto known = scalar.splatScalar();
  if (known && known->constant() && type.hasStaticShape()) {
    Tensor result({.element = scalar.element(), .sizes = sizes, .loc = loc_});
    if (type.getNumElements() <= kMaxKnownElements) {
      result.info().known = std::vector<Scalar>(type.getNumElements(), *known);
    } else {
      result.info().literal = elementsOf({*known}, RankedTensorType::get(type.getShape(), scalar.element()));
    }
    return result;
  }
  auto make = [&] {
    SmallVector<int64_t> dims(sizes.size());
    std::iota(dims.begin(), dims.end(), 0);
    auto op =
        linalg::BroadcastOp::create(builder_, loc_, value(reshape(scalar, {})), empty(sizes, scalar.element()), dims);
    return op->getResult(0);
  };
  if (sizes.empty()) {
    return reshape(scalar, {});
  }
  if (!known || !known->constant()) {
    return wrap(make(), sizes);
  }
  // Constants everywhere in tensors of one shape recur all over a graph: one op each.
  std::string key;
  llvm::raw_string_ostream os(key);
  os << elementsOf({*known}, RankedTensorType::get({}, scalar.element()));
  for (const SizeExpr& size : sizes) {
    os << '|' << size.ToString();
  }
  Value& cached = splats_[key];
  if (!cached) {
    cached = make();
  }
  Tensor result = wrap(cached, sizes);
  return result;
}

Tensor TensorBuilder::iota(const SizeExpr& size, Type element) {
  return emit<nn::IotaOp>({size}, element, builder_.getStringAttr(size.ToString()));
}

}  // namespace mlir::onnx_import
