// Merges linears that share an input: x is read once, by one launch whose threads meet once.
//
//   %q = linear %x, %wq      →   %y = linear %x, concat(%wq, %wk)
//   %k = linear %x, %wk          %q = %y[.., 0:n], %k = %y[.., n:n + m]
#include "dialects/nn/NNDialect.h"
#include "kernels/registry.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/Fusible.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_MERGELINEARSPASS
#include "passes/fuse/Passes.h.inc"

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

//===-- Facts
//------------------------------------------------------------------------------------------------------===//

// The position of an operand in its kernel's list, absent operands counted.
unsigned slotOf(OpOperand& use) {
  auto segments = use.getOwner()->getAttrOfType<DenseI32ArrayAttr>("operandSegmentSizes");
  if (!segments) {
    return use.getOperandNumber();
  }
  unsigned slot = 0;
  for (int32_t end = 0; slot < segments.size(); ++slot) {
    end += segments[slot];
    if (static_cast<int32_t>(use.getOperandNumber()) < end) {
      break;
    }
  }
  return slot;
}

// True when nobody needs a copy to read `value` as columns of a wider tensor.
bool readsColumns(Value value, nn::SizeAnalysis& sizes) {
  return llvm::all_of(value.getUses(), [&](OpOperand& use) {
    Operation* user = use.getOwner();
    if (isa<nn::ReshapeOp, linalg::TransposeOp, tensor::ExtractSliceOp>(user)) {
      return readsColumns(user->getResult(0), sizes);
    }
    if (fuseKind(user, sizes) == FuseKind::Compute || isa<tensor::ConcatOp>(user)) {
      return true;
    }
    auto op = dyn_cast<nn::KernelOpInterface>(user);
    auto* kernel = op ? ::sluice::kernels::FindCpuKernel(op.getKernelName().str()) : nullptr;
    return kernel && (kernel->strided_ins >> slotOf(use) & 1) != 0;
  });
}

// Weights that can be one: rows of floats, or of codes with a scale for each row or each block of it.
bool canMerge(Value weight) {
  if (!isWeightExpr(weight)) {
    return false;
  }
  if (auto dequantize = weight.getDefiningOp<nn::DequantizeOp>()) {
    bool blocked = dequantize.getBlock() > 0 && dequantize.getAxis() == 1;
    bool perRow =
        dequantize.getBlock() == 0 && dequantize.getAxis() == 0 && typeOf(dequantize.getScale()).getRank() == 1;
    return blocked || perRow;
  }
  // A transposed view of codes is read as codes, which a concat would hide.
  auto transpose = weight.getDefiningOp<linalg::TransposeOp>();
  return !transpose || !transpose.getInput().getDefiningOp<nn::DequantizeOp>();
}

//===-- Decision
//---------------------------------------------------------------------------------------------------===//

// What a weight is made of; equal kinds can be one weight.
Attribute kindOf(Value weight) {
  Builder b(weight.getContext());
  auto dequantize = weight.getDefiningOp<nn::DequantizeOp>();
  if (!dequantize) {
    return TypeAttr::get(typeOf(weight).getElementType());
  }
  SmallVector<Attribute> parts = {b.getI64IntegerAttr(dequantize.getBlock())};
  for (Value operand : dequantize.getOperands()) {
    parts.push_back(TypeAttr::get(typeOf(operand).getElementType()));
  }
  return b.getArrayAttr(parts);
}

using Groups = llvm::MapVector<std::pair<Value, Attribute>, SmallVector<nn::LinearOp>>;

// Linears by input, and by how they accumulate and what their weights are made of; in the order of their first.
Groups groupsOf(Block& block, nn::SizeAnalysis& sizes) {
  Groups groups;
  for (auto linear : block.getOps<nn::LinearOp>()) {
    if (canMerge(linear.getW()) && readsColumns(linear.getResult(), sizes)) {
      Builder b(linear.getContext());
      Attribute acc = linear.getAccAttr() ? Attribute(linear.getAccAttr()) : b.getUnitAttr();
      Attribute element = TypeAttr::get(typeOf(linear.getResult()).getElementType());
      groups[{linear.getX(), b.getArrayAttr({acc, element, kindOf(linear.getW())})}].push_back(linear);
    }
  }
  return groups;
}

//===-- Rewrite
//----------------------------------------------------------------------------------------------------===//

// Moves what `value` is made of before `anchor`: weights depend on nothing else.
void hoist(Value value, Operation* anchor) {
  Operation* op = value.getDefiningOp();
  if (op->isBeforeInBlock(anchor)) {
    return;
  }
  for (Value operand : op->getOperands()) {
    hoist(operand, anchor);
  }
  op->moveBefore(anchor);
}

Value concatRows(OpBuilder& b, Location loc, ArrayRef<Value> parts) {
  RankedTensorType type = typeOf(parts.front());
  SmallVector<int64_t> shape(type.getShape());
  shape[0] = 0;
  bool equalSplats = true;
  DenseElementsAttr first;
  for (Value part : parts) {
    shape[0] += typeOf(part).getDimSize(0);
    DenseElementsAttr value;
    bool splat = matchPattern(part, m_Constant(&value)) && value.isSplat();
    first = splat && !first ? value : first;
    equalSplats &= splat && value.getSplatValue<Attribute>() == first.getSplatValue<Attribute>();
  }
  auto whole = RankedTensorType::get(shape, type.getElementType());
  if (equalSplats) {
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(whole, first.getSplatValue<Attribute>()));
  }
  return tensor::ConcatOp::create(b, loc, whole, 0, parts);
}

Value mergeWeights(OpBuilder& b, Location loc, ArrayRef<Value> weights) {
  auto first = weights.front().getDefiningOp<nn::DequantizeOp>();
  if (!first) {
    return concatRows(b, loc, weights);
  }
  // Codes, scales and zero points are the op's operands.
  auto merged = [&](unsigned operand) {
    return concatRows(b, loc, llvm::map_to_vector(weights, [&](Value weight) {
                        return weight.getDefiningOp()->getOperand(operand);
                      }));
  };
  Value q = merged(0), scale = merged(1), zero = first.getZeroPoint() ? merged(2) : Value();
  auto type = RankedTensorType::get(typeOf(q).getShape(), typeOf(first.getResult()).getElementType());
  return nn::DequantizeOp::create(b, loc, type, q, scale, zero, first.getAxisAttr(), first.getBlockAttr());
}

void merge(ArrayRef<nn::LinearOp> linears, nn::SizeAnalysis& sizes) {
  nn::LinearOp first = linears.front();
  OpBuilder b(first);
  SmallVector<Value> weights;
  SmallVector<Location> locs;
  int64_t rows = 0;
  for (nn::LinearOp linear : linears) {
    hoist(linear.getW(), first);
    weights.push_back(linear.getW());
    locs.push_back(linear.getLoc());
    rows += typeOf(linear.getW()).getDimSize(0);
  }
  Location loc = FusedLoc::get(first.getContext(), locs);
  nn::Sizes whole = sizes.of(first.getResult());
  whole.back() = nn::SizeExpr(rows);
  Type element = typeOf(first.getResult()).getElementType();
  Value y = nn::LinearOp::create(b, loc, nn::typeOf(whole, element), first.getX(), mergeWeights(b, loc, weights),
                                 first.getAccAttr());
  int64_t at = 0;
  for (nn::LinearOp linear : linears) {
    SmallVector<OpFoldResult> offsets(whole.size(), b.getIndexAttr(0)), lengths, steps(whole.size(), b.getIndexAttr(1));
    offsets.back() = b.getIndexAttr(at);
    for (const nn::SizeExpr& size : sizes.of(linear.getResult())) {
      lengths.push_back(nn::sizeValue(b, loc, size));
    }
    auto part =
        tensor::ExtractSliceOp::create(b, linear.getLoc(), typeOf(linear.getResult()), y, offsets, lengths, steps);
    linear.getResult().replaceAllUsesWith(part.getResult());
    at += typeOf(linear.getW()).getDimSize(0);
  }
  remark::passed(loc, remark::RemarkOpts::name("merge-linears").category("fuse"))
      << std::to_string(linears.size()) << " linears of one input are one of " << std::to_string(rows) << " rows";
}

struct MergeLinears : impl::MergeLinearsPassBase<MergeLinears> {
  void runOnOperation() final {
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      Block& block = func.getBody().front();
      nn::SizeAnalysis sizes;
      for (auto& [key, linears] : groupsOf(block, sizes)) {
        if (linears.size() > 1) {
          merge(linears, sizes);
        }
      }
      // Erased when all are done: the size analysis knows values by address.
      for (auto linear : llvm::make_early_inc_range(block.getOps<nn::LinearOp>())) {
        if (linear.getResult().use_empty()) {
          linear.erase();
        }
      }
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
