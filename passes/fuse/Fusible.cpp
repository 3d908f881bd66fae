#include "passes/fuse/Fusible.h"

#include "dialects/exec/ExecDialect.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

namespace mlir::sluice::fuse {

using nn::SizeExpr;
using nn::Sizes;

Type signless(Type element) {
  auto integer = dyn_cast<IntegerType>(element);
  return integer && !integer.isSignless() ? IntegerType::get(element.getContext(), integer.getWidth()) : element;
}

Value indexSource(Operation* op) { return op->getOperand(0); }

namespace {

bool isElementwise(Operation* op) {
  if (!OpTrait::hasElementwiseMappableTraits(op) || op->getNumResults() != 1 || op->getNumOperands() == 0) {
    return false;
  }
  return llvm::all_of(op->getOperandTypes(), [](Type type) { return isa<RankedTensorType>(type); }) &&
         isa<RankedTensorType>(op->getResult(0).getType());
}

// For each dimension of a reshape's source, the run [begin, end) of result dimensions that it is; unit dimensions of
// the result between runs belong to none.  None when the shapes do not factor so.
std::optional<SmallVector<std::pair<unsigned, unsigned>>> mergeRuns(const Sizes& source, const Sizes& result) {
  SmallVector<std::pair<unsigned, unsigned>> runs;
  unsigned at = 0;
  for (const SizeExpr& size : source) {
    if (size == SizeExpr(1)) {
      runs.emplace_back(at, at);
      continue;
    }
    while (at < result.size() && result[at] == SizeExpr(1)) {
      ++at;
    }
    unsigned begin = at;
    SizeExpr product(1);
    while (at < result.size() && !(product == size)) {
      product = product * result[at++];
    }
    if (!(product == size)) {
      return std::nullopt;
    }
    runs.emplace_back(begin, at);
  }
  while (at < result.size() && result[at] == SizeExpr(1)) {
    ++at;
  }
  if (at != result.size()) {
    return std::nullopt;
  }
  return runs;
}

bool isIndexOp(Operation* op, nn::SizeAnalysis& sizes) {
  if (isa<linalg::BroadcastOp, linalg::TransposeOp, tensor::BitcastOp>(op)) {
    return true;
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    auto known = [&](OpFoldResult value) { return succeeded(sizes.index(value)); };
    return llvm::all_of(slice.getMixedOffsets(), known) && llvm::all_of(slice.getMixedStrides(), known);
  }
  if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
    return mergeRuns(sizes.of(reshape.getX()), sizes.of(reshape.getResult())).has_value();
  }
  return false;
}

bool isLeaf(Operation* op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto value = dyn_cast<DenseElementsAttr>(constant.getValue());
    return value && value.isSplat() && value.getNumElements() > 0;
  }
  if (auto fill = dyn_cast<linalg::FillOp>(op)) {
    return fill.getInputs().front().getDefiningOp<arith::ConstantOp>() != nullptr;
  }
  return isa<nn::IotaOp, nn::SizesOp>(op);
}

}  // namespace

FuseKind fuseKind(Operation* op, nn::SizeAnalysis& sizes) {
  if (!op) {
    return FuseKind::None;
  }
  for (Type type : op->getResultTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (tensor && tensor.getElementType().isIntOrFloat() && tensor.getElementTypeBitWidth() == 4) {
      return FuseKind::None;
    }
  }
  if (isElementwise(op)) {
    return FuseKind::Compute;
  }
  if (isIndexOp(op, sizes)) {
    return FuseKind::Index;
  }
  return isLeaf(op) ? FuseKind::Leaf : FuseKind::None;
}

bool isHeavy(Operation* op) {
  return isa_and_nonnull<math::MathDialect>(op->getDialect()) &&
         !isa<math::AbsFOp, math::AbsIOp, math::SqrtOp, math::RsqrtOp, math::FloorOp, math::CeilOp, math::RoundEvenOp,
              math::TruncOp, math::CopySignOp, math::IsNaNOp, math::IsInfOp, math::FmaOp>(op);
}

bool isConversion(Operation* op) {
  return isa<arith::ExtFOp, arith::ExtSIOp, arith::ExtUIOp, arith::TruncIOp, arith::SIToFPOp, arith::UIToFPOp,
             arith::CmpIOp, arith::CmpFOp, arith::AndIOp, arith::OrIOp, arith::XOrIOp>(op);
}

bool isCode(Type element) { return element.isInteger(8); }

std::optional<int64_t> splatZero(Value zero) {
  DenseIntElementsAttr value;
  if (!zero) {
    return 0;
  }
  if (matchPattern(zero, m_Constant(&value)) && value.isSplat()) {
    auto type = cast<IntegerType>(value.getElementType());
    APInt splat = value.getSplatValue<APInt>();
    return type.isUnsigned() ? static_cast<int64_t>(splat.getZExtValue()) : splat.getSExtValue();
  }
  return std::nullopt;
}

std::optional<float> numberOf(Value value) {
  DenseFPElementsAttr number;
  return matchPattern(value, m_Constant(&number)) && number.isSplat()
             ? std::optional(number.getSplatValue<APFloat>().convertToFloat())
             : std::nullopt;
}

//===-- How an Index op reads its source
//---------------------------------------------------------------------------===//

static LinearIndex constantIndex(size_t loops, SizeExpr value = SizeExpr(0)) {
  return {std::move(value), SmallVector<SizeExpr>(loops, SizeExpr(0))};
}

static LinearIndex addScaled(const LinearIndex& a, const LinearIndex& b, const SizeExpr& scale) {
  LinearIndex sum = a;
  sum.offset = a.offset + b.offset * scale;
  for (auto [i, coef] : llvm::enumerate(b.coef)) {
    sum.coef[i] = a.coef[i] + coef * scale;
  }
  return sum;
}

static Indices sliceIndices(tensor::ExtractSliceOp slice, const Indices& result, nn::SizeAnalysis& sizes,
                            size_t loops) {
  Indices source;
  llvm::SmallBitVector dropped = slice.getDroppedDims();
  unsigned next = 0;
  for (auto [d, offset, step] : llvm::enumerate(slice.getMixedOffsets(), slice.getMixedStrides())) {
    LinearIndex index = constantIndex(loops, *sizes.index(offset));
    source.push_back(dropped.test(d) ? index : addScaled(index, result[next++], *sizes.index(step)));
  }
  return source;
}

static Indices reshapeIndices(nn::ReshapeOp reshape, const Indices& result, nn::SizeAnalysis& sizes, size_t loops) {
  Sizes to = sizes.of(reshape.getResult());
  Indices source;
  auto runs = mergeRuns(sizes.of(reshape.getX()), to);
  for (auto [begin, end] : *runs) {
    LinearIndex index = constantIndex(loops);
    SizeExpr inner(1);
    for (unsigned d = end; d > begin; --d) {
      index = addScaled(index, result[d - 1], inner);
      inner = inner * to[d - 1];
    }
    source.push_back(index);
  }
  return source;
}

Indices sourceIndices(Operation* op, const Indices& result, unsigned loops, nn::SizeAnalysis& sizes) {
  if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
    Indices source;
    for (auto [d, index] : llvm::enumerate(result)) {
      if (!llvm::is_contained(broadcast.getDimensions(), static_cast<int64_t>(d))) {
        source.push_back(index);
      }
    }
    return source;
  }
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    Indices source(result.size());
    for (auto [d, from] : llvm::enumerate(transpose.getPermutation())) {
      source[from] = result[d];
    }
    return source;
  }
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    return sliceIndices(slice, result, sizes, loops);
  }
  if (auto reshape = dyn_cast<nn::ReshapeOp>(op)) {
    return reshapeIndices(reshape, result, sizes, loops);
  }
  return result;  // bitcast
}

}  // namespace mlir::sluice::fuse
