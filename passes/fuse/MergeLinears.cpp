// Merges linears that share an input: x is read once, by one launch whose threads meet once.
//
//   %q = linear %x, %wq      →   %y = linear %x, concat(%wq, %wk)
//   %k = linear %x, %wk          %q = %y[.., 0:n], %k = %y[.., n:n + m]
//
// Biases and scales of the columns are merged with them, so that they finish the one linear.
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

// What alone reads a value and computes each column from it and a number of its own: a bias, a scale; or converts it.
struct ColumnOp {
  Operation* op = nullptr;  // null: something else reads the value
  Value column;             // weights or a constant [columns]; null: `number` for all
  Attribute number;         // null for a conversion
};

bool isConversionOfFloats(Operation* op) { return isa<arith::ExtFOp, arith::TruncFOp>(op); }

ColumnOp columnOpOf(Value value) {
  Operation* op = value.hasOneUse() ? *value.user_begin() : nullptr;
  if (op && isConversionOfFloats(op)) {
    return {op, {}, {}};
  }
  if (!isa_and_nonnull<arith::AddFOp, arith::MulFOp>(op)) {
    return {};
  }
  Value other = op->getOperand(op->getOperand(0) == value ? 1 : 0);
  auto broadcast = other.getDefiningOp<linalg::BroadcastOp>();
  Value column = broadcast ? broadcast.getInput() : other;
  DenseElementsAttr number;
  if (matchPattern(column, m_Constant(&number)) && number.isSplat()) {
    return {op, {}, number.getSplatValue<Attribute>()};
  }
  bool last = broadcast && typeOf(column).getRank() == 1 &&
              !llvm::is_contained(broadcast.getDimensions(), typeOf(value).getRank() - 1);
  return last && (isWeightExpr(column) || number) ? ColumnOp{op, column, {}} : ColumnOp{};
}

Type elementOf(Value value) { return typeOf(value).getElementType(); }

bool sameKind(const ColumnOp& op, Operation* kind) {
  return op.op && op.op->getName() == kind->getName() &&
         elementOf(op.op->getResult(0)) == elementOf(kind->getResult(0));
}

// Ops of the parts of a merged result that can be one on all of it.
struct Step {
  Operation* kind;
  SmallVector<ColumnOp> ops;  // a part; without an op it stays as it is
};

// The next step, where the merged result has elements of type `whole`; a part may still be of a narrower one.
std::optional<Step> nextStep(ArrayRef<Value> parts, Type whole) {
  SmallVector<ColumnOp> ops =
      llvm::map_to_vector(parts, [&](Value part) { return elementOf(part) == whole ? columnOpOf(part) : ColumnOp{}; });
  for (const ColumnOp& first : ops) {
    Operation* kind = first.op;
    bool fits = kind && llvm::all_of(llvm::zip_equal(parts, ops), [&](auto pair) {
                  auto [part, op] = pair;
                  bool narrows = isa<arith::TruncFOp>(kind);
                  return !narrows || sameKind(op, kind) || elementOf(part) == elementOf(kind->getResult(0));
                });
    if (fits) {
      Step step{kind, ops};
      for (ColumnOp& op : step.ops) {
        op = sameKind(op, kind) ? op : ColumnOp{};
      }
      return step;
    }
  }
  return std::nullopt;
}

// True when generated kernels alone read `value`: they take in what comes before them.
bool onlyComputed(Value value, nn::SizeAnalysis& sizes) {
  return llvm::all_of(value.getUsers(), [&](Operation* user) {
    FuseKind kind = fuseKind(user, sizes);
    return kind == FuseKind::Compute || (kind == FuseKind::Index && onlyComputed(user->getResult(0), sizes));
  });
}

// The steps to take on the merged result of `parts`: none unless somebody reads what they give from memory, and can.
SmallVector<Step> stepsOf(ArrayRef<Value> parts, nn::SizeAnalysis& sizes) {
  SmallVector<Value> at(parts), ends = at;
  SmallVector<Step> steps;
  size_t whole = 0;  // steps after which all parts have the type of the merged result
  Type element = elementOf(at.front());
  while (std::optional<Step> step = nextStep(at, element)) {
    for (auto [part, op] : llvm::zip_equal(at, step->ops)) {
      part = op.op ? op.op->getResult(0) : part;
    }
    element = elementOf(step->kind->getResult(0));
    steps.push_back(std::move(*step));
    if (llvm::all_of(at, [&](Value part) { return elementOf(part) == element; })) {
      whole = steps.size();
      ends = at;
    }
  }
  steps.truncate(whole);
  bool read = llvm::all_of(ends, [&](Value end) { return readsColumns(end, sizes); }) &&
              !llvm::all_of(ends, [&](Value end) { return onlyComputed(end, sizes); });
  return read ? steps : SmallVector<Step>();
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
  SmallVector<DenseElementsAttr> constants;
  for (Value part : parts) {
    shape[0] += typeOf(part).getDimSize(0);
    DenseElementsAttr value;
    if (matchPattern(part, m_Constant(&value))) {
      constants.push_back(value);
    }
  }
  auto whole = RankedTensorType::get(shape, type.getElementType());
  if (constants.size() < parts.size()) {
    return tensor::ConcatOp::create(b, loc, whole, 0, parts);
  }
  auto number = [](DenseElementsAttr value) {
    return value.isSplat() ? value.getSplatValue<Attribute>() : Attribute();
  };
  Attribute first = number(constants.front());
  if (first && llvm::all_of(constants, [&](DenseElementsAttr value) { return number(value) == first; })) {
    return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(whole, first));
  }
  SmallVector<Attribute> elements;
  for (DenseElementsAttr value : constants) {
    llvm::append_range(elements, value.getValues<Attribute>());
  }
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(whole, elements));
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

// What `op`'s kind leaves a value as it is with.
APFloat neutralOf(Operation* op, const llvm::fltSemantics& semantics) {
  return isa<arith::AddFOp>(op) ? APFloat::getZero(semantics, /*Negative=*/true) : APFloat::getOne(semantics);
}

// The numbers of all columns, [columns]: each part's own, or such as leave it as it is.
Value columnsOf(OpBuilder& b, Location loc, const Step& step, ArrayRef<Value> parts) {
  auto element = cast<FloatType>(elementOf(step.kind->getResult(0)));
  SmallVector<Value> columns;
  for (auto [part, op] : llvm::zip_equal(parts, step.ops)) {
    if (op.column) {
      hoist(op.column, &*b.getInsertionPoint());
      columns.push_back(op.column);
      continue;
    }
    auto type = RankedTensorType::get(typeOf(part).getShape().take_back(), element);
    Attribute number = op.op ? op.number : b.getFloatAttr(element, neutralOf(step.kind, element.getFloatSemantics()));
    columns.push_back(arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, number)));
  }
  return concatRows(b, loc, columns);
}

// Takes `step` on `whole`, whose columns the parts are.
Value lift(OpBuilder& b, Value whole, const Step& step, MutableArrayRef<Value> parts, nn::SizeAnalysis& sizes) {
  SmallVector<Location> locs;
  for (const ColumnOp& op : step.ops) {
    if (op.op) {
      locs.push_back(op.op->getLoc());
    }
  }
  Location loc = FusedLoc::get(b.getContext(), locs);
  SmallVector<Value> operands = {whole};
  if (!isConversionOfFloats(step.kind)) {
    Value empty = nn::emptyTensor(b, loc, sizes.of(whole), elementOf(whole));
    auto leading = llvm::to_vector(llvm::seq<int64_t>(0, typeOf(whole).getRank() - 1));
    operands.push_back(
        linalg::BroadcastOp::create(b, loc, columnsOf(b, loc, step, parts), empty, leading)->getResult(0));
  }
  for (auto [part, op] : llvm::zip_equal(parts, step.ops)) {
    part = op.op ? op.op->getResult(0) : part;
  }
  Type type = typeOf(whole).clone(elementOf(step.kind->getResult(0)));
  return b.create(loc, step.kind->getName().getIdentifier(), operands, {type})->getResult(0);
}

// Replaces `parts` by the columns of `whole` that they are.
void slice(OpBuilder& b, Value whole, ArrayRef<Value> parts, nn::SizeAnalysis& sizes) {
  const size_t rank = typeOf(whole).getRank();
  int64_t at = 0;
  for (Value part : parts) {
    SmallVector<OpFoldResult> offsets(rank, b.getIndexAttr(0)), lengths, steps(rank, b.getIndexAttr(1));
    offsets.back() = b.getIndexAttr(at);
    for (const nn::SizeExpr& size : sizes.of(part)) {
      lengths.push_back(nn::sizeValue(b, part.getLoc(), size));
    }
    auto columns = tensor::ExtractSliceOp::create(b, part.getLoc(), typeOf(part), whole, offsets, lengths, steps);
    part.replaceAllUsesWith(columns.getResult());
    at += typeOf(part).getShape().back();
  }
}

void merge(ArrayRef<nn::LinearOp> linears, nn::SizeAnalysis& sizes) {
  nn::LinearOp first = linears.front();
  OpBuilder b(first);
  SmallVector<Value> weights, parts;
  SmallVector<Location> locs;
  int64_t rows = 0;
  for (nn::LinearOp linear : linears) {
    hoist(linear.getW(), first);
    weights.push_back(linear.getW());
    parts.push_back(linear.getResult());
    locs.push_back(linear.getLoc());
    rows += typeOf(linear.getW()).getDimSize(0);
  }
  Location loc = FusedLoc::get(first.getContext(), locs);
  nn::Sizes sizesOfAll = sizes.of(first.getResult());
  sizesOfAll.back() = nn::SizeExpr(rows);
  Type element = typeOf(first.getResult()).getElementType();
  Value whole = nn::LinearOp::create(b, loc, nn::typeOf(sizesOfAll, element), first.getX(),
                                     mergeWeights(b, loc, weights), first.getAccAttr());
  for (const Step& step : stepsOf(parts, sizes)) {
    whole = lift(b, whole, step, parts, sizes);
  }
  slice(b, whole, parts, sizes);
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
      for (Operation& op : llvm::make_early_inc_range(llvm::reverse(block))) {
        if (isOpTriviallyDead(&op)) {
          op.erase();
        }
      }
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
