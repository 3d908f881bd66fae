#include "dialects/nn/SizeAnalysis.h"

#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace mlir::nn {

ArrayAttr sizesAttr(MLIRContext* context, ArrayRef<SizeExpr> sizes) {
  SmallVector<Attribute> texts;
  for (const SizeExpr& size : sizes) {
    texts.push_back(StringAttr::get(context, size.ToString()));
  }
  return ArrayAttr::get(context, texts);
}

Sizes sizesFromAttr(ArrayAttr attr) {
  Sizes sizes;
  for (Attribute text : attr) {
    sizes.push_back(SizeExpr::Parse(cast<StringAttr>(text).getValue().str()).value());
  }
  return sizes;
}

RankedTensorType typeOf(ArrayRef<SizeExpr> sizes, Type element) {
  SmallVector<int64_t> shape;
  for (const SizeExpr& size : sizes) {
    shape.push_back(size.Constant().value_or(ShapedType::kDynamic));
  }
  return RankedTensorType::get(shape, element);
}

OpFoldResult sizeValue(OpBuilder& builder, Location loc, const SizeExpr& size) {
  if (auto constant = size.Constant()) {
    return builder.getIndexAttr(*constant);
  }
  return SizeOp::create(builder, loc, builder.getIndexType(), builder.getStringAttr(size.ToString())).getResult();
}

Value emptyTensor(OpBuilder& builder, Location loc, ArrayRef<SizeExpr> sizes, Type element) {
  SmallVector<OpFoldResult> values;
  for (const SizeExpr& size : sizes) {
    values.push_back(sizeValue(builder, loc, size));
  }
  return tensor::EmptyOp::create(builder, loc, values, element);
}

SizeExpr SizeAnalysis::elements(Value tensor) {
  SizeExpr result(1);
  for (const SizeExpr& size : of(tensor)) {
    result = result * size;
  }
  return result;
}

FailureOr<SizeExpr> SizeAnalysis::index(OpFoldResult value) {
  if (auto attr = dyn_cast<Attribute>(value)) {
    return SizeExpr(cast<IntegerAttr>(attr).getInt());
  }
  Operation* def = cast<Value>(value).getDefiningOp();
  if (auto size = dyn_cast_or_null<SizeOp>(def)) {
    return SizeExpr::Parse(size.getExpr().str()).value();
  }
  if (auto constant = dyn_cast_or_null<arith::ConstantOp>(def)) {
    return SizeExpr(cast<IntegerAttr>(constant.getValue()).getInt());
  }
  if (auto dim = dyn_cast_or_null<tensor::DimOp>(def)) {
    if (auto at = dim.getConstantIndex()) {
      return of(dim.getSource(), *at);
    }
  }
  return failure();
}

namespace {

// Sizes that arguments of functions declare.
std::optional<Sizes> declaredSizes(BlockArgument arg) {
  auto func = dyn_cast_or_null<FunctionOpInterface>(arg.getOwner()->getParentOp());
  if (!func || !arg.getOwner()->isEntryBlock()) {
    return std::nullopt;
  }
  if (auto dims = func.getArgAttrOfType<ArrayAttr>(arg.getArgNumber(), kDimsAttr)) {
    return sizesFromAttr(dims);
  }
  return std::nullopt;
}

// Sizes of an extract_slice's result: its size operands less the dropped unit dimensions.
Sizes sliceSizes(SizeAnalysis& analysis, tensor::ExtractSliceOp op) {
  Sizes sizes;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (auto [d, size] : llvm::enumerate(op.getMixedSizes())) {
    if (!dropped.test(d)) {
      FailureOr<SizeExpr> expr = analysis.index(size);
      sizes.push_back(succeeded(expr) ? *expr : SizeExpr::Symbol("unknown.slice"));
    }
  }
  return sizes;
}

Sizes concatSizes(SizeAnalysis& analysis, tensor::ConcatOp op) {
  Sizes sizes = analysis.of(op.getInputs().front());
  for (Value input : op.getInputs().drop_front()) {
    sizes[op.getDim()] = sizes[op.getDim()] + analysis.of(input)[op.getDim()];
  }
  return sizes;
}

}  // namespace

Sizes SizeAnalysis::compute(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Operation* op = tensor.getDefiningOp();
  unsigned number = op ? cast<OpResult>(tensor).getResultNumber() : 0;
  if (!op) {
    if (auto sizes = declaredSizes(cast<BlockArgument>(tensor))) {
      return *sizes;
    }
  } else if (type.hasStaticShape()) {
    // Below: every dimension comes from the type.
  } else if (auto spec = dyn_cast<LoopSpecOpInterface>(op)) {
    SmallVector<Sizes> operands, results;
    for (Value operand : op->getOperands()) {
      operands.push_back(isa<RankedTensorType>(operand.getType()) ? of(operand) : Sizes());
    }
    if (succeeded(spec.inferSizes(operands, results))) {
      return results[number];
    }
  } else if (auto attr = op->getAttrOfType<ArrayAttr>("sizes"); attr && number < attr.size()) {
    return sizesFromAttr(cast<ArrayAttr>(attr[number]));  // nn.if, nn.loop, exec.dispatch: a list a result
  } else if (auto empty = dyn_cast<tensor::EmptyOp>(op)) {
    Sizes sizes;
    for (OpFoldResult size : empty.getMixedSizes()) {
      FailureOr<SizeExpr> expr = index(size);
      sizes.push_back(succeeded(expr) ? *expr : SizeExpr::Symbol("unknown." + std::to_string(unknowns_++)));
    }
    return sizes;
  } else if (auto dps = dyn_cast<DestinationStyleOpInterface>(op)) {
    return of(dps.getDpsInitOperand(number)->get());
  } else if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    return sliceSizes(*this, slice);
  } else if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    return concatSizes(*this, concat);
  } else if (isa<tensor::CastOp, tensor::BitcastOp>(op) || op->hasTrait<OpTrait::Elementwise>()) {
    // A select's condition may be a scalar: the last operand is a tensor in every element-wise op.
    return of(op->getOperands().back());
  }
  Sizes sizes;
  for (int64_t size : type.getShape()) {
    sizes.push_back(ShapedType::isDynamic(size) ? SizeExpr::Symbol("unknown." + std::to_string(unknowns_++))
                                                : SizeExpr(size));
  }
  return sizes;
}

Sizes SizeAnalysis::of(Value tensor) {
  if (auto it = memo_.find(tensor); it != memo_.end()) {
    return it->second;
  }
  Sizes sizes = compute(tensor);
  // A size the type knows beats an expression that was only assumed equal to it.
  for (auto [d, size] : llvm::enumerate(cast<RankedTensorType>(tensor.getType()).getShape())) {
    if (!ShapedType::isDynamic(size)) {
      sizes[d] = SizeExpr(size);
    }
  }
  memo_[tensor] = sizes;
  return sizes;
}

namespace {

bool isKnown(const SizeExpr& size) {
  return llvm::none_of(size.Symbols(),
                       [](const std::string& symbol) { return StringRef(symbol).starts_with("unknown."); });
}

// Upstream's patterns ask values for their sizes and so keep them alive; here a size is an expression of its own.
struct DimToSize : OpRewritePattern<tensor::DimOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(tensor::DimOp dim, PatternRewriter& rewriter) const final {
    auto type = dyn_cast<RankedTensorType>(dim.getSource().getType());
    std::optional<int64_t> at = dim.getConstantIndex();
    if (!type || !at || *at < 0 || *at >= type.getRank()) {
      return failure();
    }
    SizeAnalysis sizes;
    SizeExpr size = sizes.of(dim.getSource(), *at);
    if (!isKnown(size)) {
      return failure();
    }
    OpFoldResult value = sizeValue(rewriter, dim.getLoc(), size);
    if (auto constant = dyn_cast<Attribute>(value)) {
      rewriter.replaceOpWithNewOp<arith::ConstantOp>(dim, cast<TypedAttr>(constant));
    } else {
      rewriter.replaceOp(dim, cast<Value>(value));
    }
    return success();
  }
};

}  // namespace

void NNDialect::getCanonicalizationPatterns(RewritePatternSet& patterns) const {
  patterns.add<DimToSize>(patterns.getContext());
}

}  // namespace mlir::nn
