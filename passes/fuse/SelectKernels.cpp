// Makes dispatches of library kernels.  The op says which kernel it is (KernelOpInterface); here only the forms that
// take other operands than the op has: reductions, and linears and gathers of quantized weights.
#include "dialects/nn/NNDialect.h"
#include "kernels/registry.h"
#include "llvm/ADT/StringExtras.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/fuse/Fusible.h"
#include "passes/fuse/Passes.h"
#include "passes/fuse/Selection.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_SELECTKERNELSPASS
#include "passes/fuse/Passes.h.inc"

namespace {

std::optional<StringRef> reduceKind(linalg::ReduceOp reduce) {
  Block& body = reduce.getCombiner().front();
  if (body.getOperations().size() != 2 || reduce->getNumResults() != 1) {
    return std::nullopt;
  }
  Operation* op = &body.front();
  if (isa<arith::AddFOp, arith::AddIOp>(op)) {
    return "sum";
  }
  if (isa<arith::MulFOp, arith::MulIOp>(op)) {
    return "prod";
  }
  if (isa<arith::MaximumFOp, arith::MaxNumFOp, arith::MaxSIOp, arith::MaxUIOp, arith::OrIOp>(op)) {
    return "max";
  }
  if (isa<arith::MinimumFOp, arith::MinNumFOp, arith::MinSIOp, arith::MinUIOp, arith::AndIOp>(op)) {
    return "min";
  }
  return std::nullopt;
}

std::optional<Selection> selectReduce(linalg::ReduceOp reduce) {
  std::optional<StringRef> kind = reduceKind(reduce);
  if (!kind) {
    return std::nullopt;
  }
  Builder b(reduce.getContext());
  return Selection{.library = "reduce",
                   .config = {b.getNamedAttr("axes", b.getDenseI64ArrayAttr(reduce.getDimensions())),
                              b.getNamedAttr("kind", b.getStringAttr(*kind))},
                   .slots = {reduce.getInputs().front()}};
}

// The dequantization of a weight behind `weight`, as codes [n, k] with scales [n, blocks]: its own operands, transposed
// when the weight is its transpose.
struct Codes {
  Value q, scale, zero;
  int64_t block = 0;
};

Value transposed(OpBuilder& builder, Value x) {
  auto type = cast<RankedTensorType>(x.getType());
  auto to = RankedTensorType::get({type.getDimSize(1), type.getDimSize(0)}, type.getElementType());
  Value empty = tensor::EmptyOp::create(builder, x.getLoc(), to.getShape(), to.getElementType());
  return linalg::TransposeOp::create(builder, x.getLoc(), x, empty, ArrayRef<int64_t>{1, 0})->getResult(0);
}

std::optional<Codes> codesOf(Value weight, OpBuilder& builder) {
  auto transpose = weight.getDefiningOp<linalg::TransposeOp>();
  Value source = transpose ? transpose.getInput() : weight;
  auto dequantize = source.getDefiningOp<nn::DequantizeOp>();
  if (!dequantize || !isWeightExpr(source) || cast<RankedTensorType>(source.getType()).getRank() != 2) {
    return std::nullopt;
  }
  int64_t kAxis = transpose ? 0 : 1;
  auto scaleType = cast<RankedTensorType>(dequantize.getScale().getType());
  bool blocked = dequantize.getBlock() > 0 && static_cast<int64_t>(dequantize.getAxis()) == kAxis;
  bool perRow =
      dequantize.getBlock() == 0 && scaleType.getRank() == 1 && static_cast<int64_t>(dequantize.getAxis()) == 1 - kAxis;
  if (!blocked && !perRow) {
    return std::nullopt;
  }
  Codes codes{dequantize.getQ(), dequantize.getScale(), dequantize.getZeroPoint(),
              static_cast<int64_t>(dequantize.getBlock())};
  if (transpose) {
    builder.setInsertionPoint(transpose);
    codes.q = transposed(builder, codes.q);
    codes.scale = blocked ? transposed(builder, codes.scale) : codes.scale;
    codes.zero = blocked && codes.zero ? transposed(builder, codes.zero) : codes.zero;
  }
  return codes;
}

// The zero point linear_q4 and linear_q8 mean when they get none.
int64_t impliedZero(Type code) {
  return code.isUnsignedInteger() ? int64_t{1} << (code.getIntOrFloatBitWidth() - 1) : 0;
}

unsigned codeBits(const Codes& codes) { return cast<RankedTensorType>(codes.q.getType()).getElementTypeBitWidth(); }

std::optional<Selection> selectQuantizedLinear(nn::LinearOp linear) {
  OpBuilder builder(linear);
  std::optional<Codes> codes = codesOf(linear.getW(), builder);
  if (!codes || !isa<FloatType>(cast<RankedTensorType>(linear.getX().getType()).getElementType())) {
    return std::nullopt;
  }
  unsigned bits = codeBits(*codes);
  bool fits = bits == 8 || (bits == 4 && codes->block >= 16);
  if (!fits || (codes->block != 0 && (codes->block < 16 || codes->block > 256 || !llvm::isPowerOf2_64(codes->block)))) {
    return std::nullopt;
  }
  Selection selection{.library = bits == 4 ? "linear_q4" : "linear_q8",
                      .config = {builder.getNamedAttr("block", builder.getI64IntegerAttr(codes->block))},
                      .slots = {linear.getX(), codes->q, codes->scale}};
  Type code = cast<RankedTensorType>(codes->q.getType()).getElementType();
  if (splatZero(codes->zero) != impliedZero(code)) {
    if (!codes->zero) {
      return std::nullopt;
    }
    selection.slots.push_back(codes->zero);
  }
  return selection;
}

std::optional<Selection> selectQuantizedGather(nn::GatherOp gather) {
  auto dequantize = gather.getData().getDefiningOp<nn::DequantizeOp>();
  if (!dequantize || !isWeightExpr(gather.getData()) || gather.getAxis() != 0 || dequantize.getBlock() == 0 ||
      dequantize.getAxis() != 1) {
    return std::nullopt;
  }
  auto q = cast<RankedTensorType>(dequantize.getQ().getType());
  if (q.getRank() != 2 || q.getElementTypeBitWidth() != 4) {
    return std::nullopt;
  }
  Builder builder(gather.getContext());
  Selection selection{.library = "gather_q4",
                      .config = {builder.getNamedAttr("block", builder.getI64IntegerAttr(dequantize.getBlock()))},
                      .slots = {dequantize.getQ(), gather.getIndices(), dequantize.getScale()}};
  if (std::optional<int64_t> zero = splatZero(dequantize.getZeroPoint())) {
    selection.config.push_back(builder.getNamedAttr("zero", builder.getI64IntegerAttr(*zero)));
  } else {
    selection.slots.push_back(dequantize.getZeroPoint());
  }
  return selection;
}

std::optional<Selection> select(Operation* op, nn::SizeAnalysis& sizes) {
  std::optional<Selection> special;
  if (auto reduce = dyn_cast<linalg::ReduceOp>(op)) {
    special = selectReduce(reduce);
  } else if (auto linear = dyn_cast<nn::LinearOp>(op)) {
    special = selectQuantizedLinear(linear);
  } else if (auto gather = dyn_cast<nn::GatherOp>(op)) {
    special = selectQuantizedGather(gather);
  }
  if (special && kernels::FindCpuKernel(special->library)) {
    setResults(*special, op, sizes);
    return special;
  }
  if (auto kernel = dyn_cast<nn::KernelOpInterface>(op)) {
    return selectionOf(kernel, sizes);
  }
  return std::nullopt;
}

LogicalResult missing(Operation* op, const Selection& selection, StringRef target) {
  SmallVector<std::string> types, have;
  for (Value value : selection.slots) {
    types.push_back(value ? llvm::formatv("{0}", value.getType()).str() : "none");
  }
  for (const kernels::CpuKernel* kernel : kernels::AllCpuKernels()) {
    have.push_back(kernel->name);
  }
  llvm::sort(have);
  return op->emitError() << "needs kernel '" << selection.library << "' (" << llvm::join(types, ", ")
                         << "), which target " << target << " lacks; it has "
                         << (have.empty() ? "none" : llvm::join(have, ", "));
}

LogicalResult replace(Operation* op, const Selection& selection, Selector& selector, nn::SizeAnalysis& sizes) {
  const bool gpu = selector.target().gpu != nullptr;
  absl::StatusOr<kernels::CudaChoice> choice =
      gpu ? selector.choose(selection, sizes) : absl::StatusOr<kernels::CudaChoice>(absl::NotFoundError(""));
  if (gpu && !choice.ok()) {
    remark::missed(op->getLoc(), remark::RemarkOpts::name("select-kernel").category("fuse"))
        << "kernel " << selection.library << " runs on the CPU: " << std::string(choice.status().message());
  }
  if (!choice.ok() && !kernels::FindCpuKernel(selection.library)) {
    return missing(op, selection, selector.target().name);
  }
  // Erased when all are done: the size analysis knows values by address.
  op->replaceAllUsesWith(selector.dispatch(op, selection, choice.ok() ? &*choice : nullptr));
  return success();
}

struct SelectKernels : impl::SelectKernelsPassBase<SelectKernels> {
  void runOnOperation() final {
    Selector selector(getOperation());
    bool failedAny = false;
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      nn::SizeAnalysis sizes;
      for (Operation& op : llvm::make_early_inc_range(func.getBody().front())) {
        bool ofWeights = op.getNumResults() == 1 && isWeightExpr(op.getResult(0));
        if (ofWeights) {
          continue;
        }
        if (std::optional<Selection> selection = select(&op, sizes)) {
          failedAny |= failed(replace(&op, *selection, selector, sizes));
        }
      }
      for (Operation& op : llvm::make_early_inc_range(llvm::reverse(func.getBody().front()))) {
        if (isOpTriviallyDead(&op)) {
          op.erase();
        }
      }
    }
    if (failedAny) {
      signalPassFailure();
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
