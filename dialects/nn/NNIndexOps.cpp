// Sizes, verifiers and folds of the indexing ops.
#include "dialects/nn/NNDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace mlir::nn;

namespace {

int64_t normalAxis(int64_t axis, size_t rank) { return axis < 0 ? axis + static_cast<int64_t>(rank) : axis; }

LogicalResult checkAxis(Operation* op, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    return op->emitOpError("axis ") << axis << " is outside rank " << rank;
  }
  return success();
}

LogicalResult checkSameRank(Operation* op, StringRef name, Value value, StringRef otherName, Value other) {
  int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  int64_t want = cast<RankedTensorType>(other.getType()).getRank();
  if (rank != want) {
    return op->emitOpError() << name << " have rank " << rank << ", " << otherName << " rank " << want;
  }
  return success();
}

FailureOr<SizeExpr> parseSize(Operation* op, Attribute text) {
  auto expr = SizeExpr::Parse(cast<StringAttr>(text).getValue().str());
  if (!expr.ok()) {
    return op->emitOpError("bad size expression '")
           << cast<StringAttr>(text).getValue() << "': " << std::string(expr.status().message());
  }
  return *expr;
}

LogicalResult parseSizes(Operation* op, ArrayAttr texts, Sizes& sizes) {
  for (Attribute text : texts) {
    FailureOr<SizeExpr> size = parseSize(op, text);
    if (failed(size)) {
      return failure();
    }
    sizes.push_back(*size);
  }
  return success();
}

SizeExpr product(ArrayRef<SizeExpr> sizes) {
  SizeExpr result(1);
  for (const SizeExpr& size : sizes) {
    result = result * size;
  }
  return result;
}

}  // namespace

LogicalResult nn::detail::verifyAxis(Operation* op, int64_t axis) {
  return checkAxis(op, axis, cast<RankedTensorType>(op->getOperand(0).getType()).getRank());
}

LogicalResult WeightOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (!type.hasStaticShape()) {
    return emitOpError("has a dynamic shape");
  }
  int64_t bits = type.getElementType().getIntOrFloatBitWidth();
  bits = bits == 1 ? 8 : bits;  // bool: a byte each
  int64_t bytes = (type.getNumElements() * bits + 7) / 8;
  if (static_cast<int64_t>(getLength()) != bytes) {
    return emitOpError("has length ") << getLength() << ", its type needs " << bytes << " bytes";
  }
  return success();
}

LogicalResult SizeOp::verify() { return success(succeeded(parseSize(*this, getExprAttr()))); }

LogicalResult SizesOp::inferSizes(ArrayRef<Sizes>, SmallVectorImpl<Sizes>& results) {
  Sizes parsed;
  if (failed(parseSizes(*this, getExprs(), parsed))) {
    return failure();
  }
  auto type = cast<RankedTensorType>(getType());
  if (type.getRank() == 0 && parsed.size() == 1) {
    results.push_back({});
    return success();
  }
  results.push_back({SizeExpr(static_cast<int64_t>(parsed.size()))});
  return success();
}

LogicalResult ReshapeOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  Sizes sizes;
  if (failed(parseSizes(*this, getSizes(), sizes))) {
    return failure();
  }
  auto from = product(operands[0]).Constant();
  auto to = product(sizes).Constant();
  if (from && to && *from != *to) {
    return emitOpError("gives ") << *to << " elements, its operand has " << *from;
  }
  results.push_back(std::move(sizes));
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  auto in = cast<RankedTensorType>(getX().getType());
  auto out = cast<RankedTensorType>(getType());
  if (in == out && in.hasStaticShape()) {
    return getX();
  }
  if (auto dense = dyn_cast_or_null<DenseElementsAttr>(adaptor.getX()); dense && out.hasStaticShape()) {
    return dense.reshape(out);
  }
  return {};
}

namespace {
// reshape(reshape(x)) → reshape(x)
struct MergeReshapes : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter& rewriter) const override {
    auto inner = op.getX().getDefiningOp<ReshapeOp>();
    if (!inner) {
      return failure();
    }
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), inner.getX(), op.getSizes());
    return success();
  }
};
}  // namespace

void ReshapeOp::getCanonicalizationPatterns(RewritePatternSet& patterns, MLIRContext* context) {
  patterns.add<MergeReshapes>(context);
}

LogicalResult ReverseOp::verify() {
  for (int64_t axis : getAxes()) {
    if (failed(checkAxis(*this, axis, cast<RankedTensorType>(getType()).getRank()))) {
      return failure();
    }
  }
  return success();
}

LogicalResult IotaOp::inferSizes(ArrayRef<Sizes>, SmallVectorImpl<Sizes>& results) {
  FailureOr<SizeExpr> size = parseSize(*this, getSizeAttr());
  if (failed(size)) {
    return failure();
  }
  results.push_back({*size});
  return success();
}

OperandRole GatherOp::getOperandRole(unsigned index) { return index == 0 ? OperandRole::Weight : OperandRole::Exact; }

LogicalResult GatherOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  const Sizes& data = operands[0];
  int64_t axis = normalAxis(getAxis(), data.size());
  Sizes out(data.begin(), data.begin() + axis);
  out.append(operands[1].begin(), operands[1].end());
  out.append(data.begin() + axis + 1, data.end());
  results.push_back(std::move(out));
  return success();
}

LogicalResult GatherElementsOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  if (failed(checkSameRank(*this, "indices", getIndices(), "data", getData()))) {
    return failure();
  }
  results.push_back(operands[1]);
  return success();
}

LogicalResult GatherNdOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  const Sizes& data = operands[0];
  const Sizes& indices = operands[1];
  if (indices.empty() || !indices.back().IsConstant()) {
    return emitOpError("needs a constant last dimension of indices");
  }
  size_t skip = getBatchDims() + *indices.back().Constant();
  if (skip > data.size()) {
    return emitOpError("index tuples and batch dims name ") << skip << " dimensions, data has " << data.size();
  }
  Sizes out(indices.begin(), indices.end() - 1);
  out.append(data.begin() + skip, data.end());
  results.push_back(std::move(out));
  return success();
}

LogicalResult ScatterElementsOp::verify() {
  return success(succeeded(checkSameRank(*this, "indices", getIndices(), "data", getData())) &&
                 succeeded(checkSameRank(*this, "updates", getUpdates(), "indices", getIndices())));
}

LogicalResult ScatterNdOp::verify() {
  auto data = cast<RankedTensorType>(getData().getType());
  auto indices = cast<RankedTensorType>(getIndices().getType());
  if (indices.getRank() == 0 || indices.isDynamicDim(indices.getRank() - 1)) {
    return emitOpError("needs a constant last dimension of indices");
  }
  int64_t tuple = indices.getShape().back();
  if (tuple > data.getRank()) {
    return emitOpError("index tuples name ") << tuple << " dimensions, data has " << data.getRank();
  }
  int64_t rank = cast<RankedTensorType>(getUpdates().getType()).getRank();
  int64_t want = indices.getRank() - 1 + data.getRank() - tuple;
  if (rank != want) {
    return emitOpError("updates have rank ") << rank << ", slices at the indices rank " << want;
  }
  return success();
}

LogicalResult TopKOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  Sizes out = operands[0];
  int64_t axis = normalAxis(getAxis(), out.size());
  FailureOr<SizeExpr> k = parseSize(*this, getKAttr());
  if (failed(k)) {
    return failure();
  }
  out[axis] = *k;
  results.append({out, out});
  return success();
}

LogicalResult ArgReduceOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  Sizes out = operands[0];
  out.erase(out.begin() + normalAxis(getAxis(), out.size()));
  results.push_back(std::move(out));
  return success();
}

LogicalResult NonzeroOp::inferSizes(ArrayRef<Sizes> operands, SmallVectorImpl<Sizes>& results) {
  results.push_back({SizeExpr(static_cast<int64_t>(operands[0].size())), SizeExpr::Symbol(getSymbol().str())});
  return success();
}

// A sub-program exists, takes `args` values and gives `results`.
static LogicalResult checkProgram(Operation* op, FlatSymbolRefAttr name, size_t args, size_t results,
                                  SymbolTableCollection& table) {
  auto program = table.lookupNearestSymbolFrom<FunctionOpInterface>(op, name);
  if (!program) {
    return op->emitOpError("there is no sub-program ") << name;
  }
  if (program.getNumArguments() != args || program.getNumResults() != results) {
    return op->emitOpError() << name << " takes " << program.getNumArguments() << " values and gives "
                             << program.getNumResults() << ", expected " << args << " and " << results;
  }
  return success();
}

static LogicalResult checkResultSizes(Operation* op, ArrayAttr sizes) {
  if (sizes.size() != op->getNumResults()) {
    return op->emitOpError("has sizes of ") << sizes.size() << " results and " << op->getNumResults() << " results";
  }
  return success();
}

LogicalResult IfOp::verifySymbolUses(SymbolTableCollection& table) {
  for (FlatSymbolRefAttr name : {getThenProgramAttr(), getElseProgramAttr()}) {
    if (failed(checkProgram(*this, name, getArgs().size(), getNumResults(), table))) {
      return failure();
    }
  }
  return checkResultSizes(*this, getSizes());
}

LogicalResult LoopOp::verifySymbolUses(SymbolTableCollection& table) {
  // The body takes the iteration and the condition first, and gives the condition first.
  if (failed(checkProgram(*this, getBodyAttr(), 2 + getCarried().size() + getCaptured().size(), 1 + getNumResults(),
                          table))) {
    return failure();
  }
  return checkResultSizes(*this, getSizes());
}
