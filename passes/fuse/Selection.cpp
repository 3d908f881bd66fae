#include "passes/fuse/Selection.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/Fusible.h"

namespace mlir::sluice::fuse {

namespace {

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
  if (auto type = dyn_cast<TypeAttr>(attr.getValue()); type && isa<FloatTF32Type>(type.getValue())) {
    config.push_back(b.getNamedAttr("tf32", b.getI64IntegerAttr(1)));
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

}  // namespace

void setResults(Selection& selection, Operation* op, nn::SizeAnalysis& sizes) {
  for (Value result : op->getResults()) {
    selection.types.push_back(cast<RankedTensorType>(result.getType()));
    selection.sizes.push_back(sizes.of(result));
  }
}

Selection selectionOf(nn::KernelOpInterface op, nn::SizeAnalysis& sizes) {
  Selection selection{.library = op.getKernelName().str(), .slots = slotsOf(op)};
  for (NamedAttribute attr : op->getAttrs()) {
    if (!isSizeText(op, attr.getName())) {
      addConfig(op->getContext(), attr, selection.config);
    }
  }
  if (auto nonzero = dyn_cast<nn::NonzeroOp>(op.getOperation())) {
    selection.counts.push_back(nonzero.getSymbolAttr());
  }
  setResults(selection, op, sizes);
  return selection;
}

absl::StatusOr<kernels::CudaChoice> Selector::choose(const Selection& selection, nn::SizeAnalysis& sizes) {
  if (!selection.counts.empty()) {
    return absl::NotFoundError("a size the data decide");
  }
  kernels::CudaQuery query{.name = selection.library,
                           .attrs = attrsOf(DictionaryAttr::get(module_.getContext(), selection.config))};
  for (Value value : selection.slots) {
    query.ins.push_back(value ? operandOf(cast<RankedTensorType>(value.getType()).getElementType(), sizes.of(value),
                                          isWeightExpr(value), nominal_)
                              : kernels::CudaOperand());
  }
  for (auto [type, size] : llvm::zip_equal(selection.types, selection.sizes)) {
    query.outs.push_back(operandOf(type.getElementType(), size, false, nominal_));
  }
  return kernels::ChooseCuda(query, *target_.gpu);
}

exec::DispatchOp Selector::dispatch(Operation* op, const Selection& selection, const kernels::CudaChoice* choice) {
  MLIRContext* context = module_.getContext();
  SmallVector<Value> operands;
  SmallVector<int64_t> absent;
  for (auto [slot, value] : llvm::enumerate(selection.slots)) {
    value ? operands.push_back(value) : absent.push_back(slot);
  }
  SmallVector<Attribute> sizes;
  for (const nn::Sizes& size : selection.sizes) {
    sizes.push_back(nn::sizesAttr(context, size));
  }
  if (choice) {
    remark::passed(op->getLoc(), remark::RemarkOpts::name("choose-plan").category("fuse"))
        << "kernel " << selection.library << " " << planText(*choice) << ", of "
        << std::to_string(1 + choice->others.size()) << " plans";
  }
  remark::passed(op->getLoc(), remark::RemarkOpts::name("select-kernel").category("fuse"))
      << "kernel " << selection.library << " of the library";
  StringAttr name = nameOf(selection, choice ? cudaAttr(context, choice->kernel) : DictionaryAttr());
  builder_.setInsertionPoint(op);
  return exec::DispatchOp::create(builder_, op->getLoc(), llvm::to_vector_of<Type>(selection.types),
                                  FlatSymbolRefAttr::get(name), operands, builder_.getDenseI64ArrayAttr(absent),
                                  builder_.getArrayAttr(sizes), ArrayAttr(),
                                  selection.counts.empty() ? ArrayAttr() : builder_.getArrayAttr(selection.counts));
}

// The exec.kernel of that library kernel, attributes and device form; one for all ops that agree.
StringAttr Selector::nameOf(const Selection& selection, DictionaryAttr cuda) {
  auto config = DictionaryAttr::get(module_.getContext(), selection.config);
  StringAttr& name = names_[{selection.library, config.getAsOpaquePointer(), cuda.getAsOpaquePointer()}];
  if (!name) {
    name = builder_.getStringAttr(selection.library);
    for (int number = 1; SymbolTable::lookupSymbolIn(module_, name); ++number) {
      name = builder_.getStringAttr(selection.library + "_" + std::to_string(number));
    }
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

}  // namespace mlir::sluice::fuse
