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

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_SELECTKERNELSPASS
#include "passes/fuse/Passes.h.inc"

namespace {

// What a dispatch calls: kernel, attributes, operands by slot (null: absent).
struct Selection {
  std::string library;
  SmallVector<NamedAttribute> config;
  SmallVector<Value> slots;
  SmallVector<Attribute> counts;
};

// An attribute as kernels read it: numbers, texts, lists of numbers.  Sizes are in the operands' shapes and are left
// out.
void addConfig(MLIRContext* context, NamedAttribute attr, SmallVector<NamedAttribute>& config) {
  Builder b(context);
  if (auto pattern = dyn_cast<nn::PatternAttr>(attr.getValue())) {
    config.push_back(b.getNamedAttr("causal", b.getI64IntegerAttr(pattern.getCausal())));
    config.push_back(b.getNamedAttr("window", b.getI64IntegerAttr(pattern.getWindow())));
    return;
  }
  if (attr.getName() == "empty_rows") {
    auto rows = static_cast<nn::EmptyRows>(cast<IntegerAttr>(attr.getValue()).getInt());
    config.push_back(b.getNamedAttr("empty_rows", b.getStringAttr(nn::stringifyEmptyRows(rows))));
    return;
  }
  if (isa<TypeAttr, ArrayAttr, DenseI32ArrayAttr>(attr.getValue())) {
    return;
  }
  config.push_back(attr);
}

bool isSizeText(Operation* op, StringRef attr) {
  return (isa<nn::TopKOp>(op) && attr == "k") || (isa<nn::IotaOp>(op) && attr == "size") ||
         (isa<nn::NonzeroOp>(op) && attr == "symbol");
}

SmallVector<Value> slotsOf(Operation* op) {
  SmallVector<Value> slots;
  auto segments = op->getAttrOfType<DenseI32ArrayAttr>("operandSegmentSizes");
  if (!segments) {
    slots.append(op->operand_begin(), op->operand_end());
    return slots;
  }
  unsigned next = 0;
  for (int32_t count : segments.asArrayRef()) {
    slots.push_back(count == 0 ? Value() : op->getOperand(next));
    next += count;
  }
  while (!slots.empty() && !slots.back()) {
    slots.pop_back();
  }
  return slots;
}

Selection selectOp(nn::KernelOpInterface op) {
  Selection selection{.library = op.getKernelName().str(), .slots = slotsOf(op)};
  for (NamedAttribute attr : op->getAttrs()) {
    if (!isSizeText(op, attr.getName())) {
      addConfig(op->getContext(), attr, selection.config);
    }
  }
  if (auto nonzero = dyn_cast<nn::NonzeroOp>(op.getOperation())) {
    selection.counts.push_back(nonzero.getSymbolAttr());
  }
  return selection;
}

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

// What a zero point that is one number everywhere is; none for an operand that is not.
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

std::optional<Selection> select(Operation* op) {
  if (auto reduce = dyn_cast<linalg::ReduceOp>(op)) {
    return selectReduce(reduce);
  }
  std::optional<Selection> special;
  if (auto linear = dyn_cast<nn::LinearOp>(op)) {
    special = selectQuantizedLinear(linear);
  } else if (auto gather = dyn_cast<nn::GatherOp>(op)) {
    special = selectQuantizedGather(gather);
  }
  if (special && kernels::FindCpuKernel(special->library)) {
    return special;
  }
  if (auto kernel = dyn_cast<nn::KernelOpInterface>(op)) {
    return selectOp(kernel);
  }
  return std::nullopt;
}

class Selector {
 public:
  explicit Selector(ModuleOp module) : module_(module), target_(targetOf(module)), builder_(module.getContext()) {}

  LogicalResult replace(Operation* op, const Selection& selection, nn::SizeAnalysis& sizes) {
    DictionaryAttr cuda = target_.gpu ? chooseCuda(op, selection, sizes) : DictionaryAttr();
    if (!cuda && !kernels::FindCpuKernel(selection.library)) {
      return missing(op, selection);
    }
    SmallVector<Value> operands;
    SmallVector<int64_t> absent;
    for (auto [slot, value] : llvm::enumerate(selection.slots)) {
      value ? operands.push_back(value) : absent.push_back(slot);
    }
    SmallVector<Attribute> resultSizes;
    for (Value result : op->getResults()) {
      resultSizes.push_back(nn::sizesAttr(module_.getContext(), sizes.of(result)));
    }
    builder_.setInsertionPoint(op);
    auto dispatch = exec::DispatchOp::create(
        builder_, op->getLoc(), op->getResultTypes(), FlatSymbolRefAttr::get(nameOf(selection, cuda)), operands,
        builder_.getDenseI64ArrayAttr(absent), builder_.getArrayAttr(resultSizes), ArrayAttr(),
        selection.counts.empty() ? ArrayAttr() : builder_.getArrayAttr(selection.counts));
    remark::passed(op->getLoc(), remark::RemarkOpts::name("select-kernel").category("fuse"))
        << "kernel " << selection.library << " of the library";
    op->replaceAllUsesWith(dispatch);  // erased when all are done: the size analysis knows values by address
    return success();
  }

 private:
  // The op's kernel on the GPU; null when its family has none, which a remark tells.
  DictionaryAttr chooseCuda(Operation* op, const Selection& selection, nn::SizeAnalysis& sizes) {
    MLIRContext* context = module_.getContext();
    kernels::CudaQuery query{.name = selection.library,
                             .attrs = attrsOf(DictionaryAttr::get(context, selection.config))};
    auto operand = [&](Value value) {
      return operandOf(cast<RankedTensorType>(value.getType()).getElementType(), sizes.of(value), isWeightExpr(value));
    };
    for (Value value : selection.slots) {
      query.ins.push_back(value ? operand(value) : kernels::CudaOperand());
    }
    for (Value value : op->getResults()) {
      query.outs.push_back(operand(value));
    }
    absl::StatusOr<kernels::CudaChoice> choice =
        selection.counts.empty() ? kernels::ChooseCuda(query, *target_.gpu)
                                 : absl::StatusOr<kernels::CudaChoice>(absl::NotFoundError("a size the data decide"));
    if (!choice.ok()) {
      remark::missed(op->getLoc(), remark::RemarkOpts::name("select-kernel").category("fuse"))
          << "kernel " << selection.library << " runs on the CPU: " << std::string(choice.status().message());
      return DictionaryAttr();
    }
    remark::passed(op->getLoc(), remark::RemarkOpts::name("choose-plan").category("fuse"))
        << "kernel " << selection.library << " " << choice->plan.name << ", predicted "
        << llvm::formatv("{0:f2}", choice->plan.us).str() << " us, of " << std::to_string(1 + choice->others.size())
        << " plans";
    return cudaAttr(context, choice->kernel);
  }

  LogicalResult missing(Operation* op, const Selection& selection) {
    SmallVector<std::string> types, have;
    for (Value value : selection.slots) {
      types.push_back(value ? llvm::formatv("{0}", value.getType()).str() : "none");
    }
    for (const kernels::CpuKernel* kernel : kernels::AllCpuKernels()) {
      have.push_back(kernel->name);
    }
    llvm::sort(have);
    return op->emitError() << "needs kernel '" << selection.library << "' (" << llvm::join(types, ", ")
                           << "), which target " << target_.name << " lacks; it has "
                           << (have.empty() ? "none" : llvm::join(have, ", "));
  }

  // The exec.kernel of that library kernel, attributes and device form; one for all ops that agree.
  StringAttr nameOf(const Selection& selection, DictionaryAttr cuda) {
    auto config = DictionaryAttr::get(module_.getContext(), selection.config);
    StringAttr& name = names_[{selection.library, config.getAsOpaquePointer(), cuda.getAsOpaquePointer()}];
    if (!name) {
      int number = counts_[selection.library]++;
      name = builder_.getStringAttr(number == 0 ? selection.library : selection.library + "_" + std::to_string(number));
      OpBuilder::InsertionGuard guard(builder_);
      auto functions = module_.getOps<func::FuncOp>();
      builder_.setInsertionPoint(module_.getBody(),
                                 functions.empty() ? module_.getBody()->end() : Block::iterator(*functions.begin()));
      exec::KernelOp::create(builder_, builder_.getUnknownLoc(), name, builder_.getStringAttr(selection.library),
                             config.empty() ? DictionaryAttr() : config, ArrayAttr(), StringAttr(), ArrayAttr(),
                             ArrayAttr(), cuda);
    }
    return name;
  }

  ModuleOp module_;
  const kernels::Target& target_;
  OpBuilder builder_;
  std::map<std::tuple<std::string, const void*, const void*>, StringAttr> names_;
  std::map<std::string, int> counts_;
};

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
        if (std::optional<Selection> selection = select(&op)) {
          failedAny |= failed(selector.replace(&op, *selection, sizes));
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
