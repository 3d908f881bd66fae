#include "passes/memory/ProgramBuilder.h"

#include "llvm/ADT/SmallBitVector.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "passes/memory/LiveRanges.h"

namespace mlir::sluice::memory {

using nn::SizeExpr;
using nn::Sizes;

namespace {

Type elementOf(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

SizeExpr bytesOf(Type element, const Sizes& sizes) {
  SizeExpr count(1);
  for (const SizeExpr& size : sizes) {
    count = count * size;
  }
  unsigned bits = element.getIntOrFloatBitWidth();
  return bits == 4 ? SizeExpr::CeilDiv(count, SizeExpr(2))
                   : count * SizeExpr(static_cast<int64_t>(std::max(8u, bits) / 8));
}

}  // namespace

ProgramBuilder::ProgramBuilder(func::FuncOp func, ArrayRef<StateInfo> states, SymbolTable& symbols)
    : func_(func), states_(states), symbols_(symbols), builder_(func.getContext()) {
  int position = 0;
  for (Operation& op : func.getBody().front()) {
    positions_[&op] = position++;
  }
}

//===-- Buffers and views
//------------------------------------------------------------------------------------------===//

Value ProgramBuilder::arena(Type element, const Sizes& sizes) {
  return exec::BufferOp::create(builder_, func_.getLoc(), builder_.getType<exec::BufferType>(),
                                kindAttr(exec::BufferKind::Arena), FlatSymbolRefAttr(), IntegerAttr(),
                                builder_.getStringAttr(bytesOf(element, sizes).ToString()), DenseI64ArrayAttr(),
                                ElementsAttr());
}

Value ProgramBuilder::bufferOf(exec::BufferKind kind, FlatSymbolRefAttr source, std::optional<int64_t> index,
                               ElementsAttr value) {
  return exec::BufferOp::create(builder_, func_.getLoc(), builder_.getType<exec::BufferType>(), kindAttr(kind), source,
                                index ? builder_.getI64IntegerAttr(*index) : IntegerAttr(), StringAttr(),
                                DenseI64ArrayAttr(), value);
}

Value ProgramBuilder::view(const Ref& ref) {
  bool zero = ref.offset.Constant() == 0;
  ArrayAttr strides = ref.state || isDense(ref) ? ArrayAttr() : texts(ref.strides);
  return exec::ViewOp::create(
      builder_, ref.buffer.getLoc(), builder_.getType<exec::ViewType>(), ref.buffer, TypeAttr::get(ref.element),
      texts(ref.sizes), strides, zero || ref.state ? StringAttr() : builder_.getStringAttr(ref.offset.ToString()),
      ref.state && ref.start.Constant() != 0 ? builder_.getStringAttr(ref.start.ToString()) : StringAttr());
}

void ProgramBuilder::remember(Value value, const Ref& ref) {
  refs_[value] = ref;
  deaths_[ref.buffer] = std::max(deaths_.lookup(ref.buffer), lastUse(value));
}

// The kernel that copies between such views: on a GPU one for each width and rank, named by its entry.
exec::KernelOp ProgramBuilder::copyKernel(const Ref& from, const Ref& to) {
  ModuleOp module = cast<ModuleOp>(symbols_.getOp());
  const fuse::kernels::Gpu* gpu = fuse::targetOf(module).gpu;
  std::string name = "copy";
  DictionaryAttr cuda;
  if (gpu) {
    fuse::kernels::CudaQuery query{.name = "copy"};
    query.ins = {fuse::operandOf(from.element, from.sizes, false)};
    query.outs = {fuse::operandOf(to.element, to.sizes, false)};
    if (auto choice = fuse::kernels::ChooseCuda(query, *gpu); choice.ok()) {
      cuda = fuse::cudaAttr(func_.getContext(), choice->kernel);
      name = choice->kernel.entry;
    }
  }
  if (auto kernel = symbols_.lookup<exec::KernelOp>(name)) {
    return kernel;
  }
  OpBuilder builder(func_.getContext());
  auto kernel = exec::KernelOp::create(builder, builder.getUnknownLoc(), builder.getStringAttr(name),
                                       builder.getStringAttr("copy"), DictionaryAttr(), ArrayAttr(), StringAttr(),
                                       ArrayAttr(), ArrayAttr(), cuda);
  symbols_.insert(kernel, module.getBody()->begin());
  return kernel;
}

void ProgramBuilder::copy(const Ref& from, const Ref& to, Location loc) {
  exec::KernelOp kernel = copyKernel(from, to);
  Value in = view(from), out = view(to);
  exec::LaunchOp::create(builder_, loc, FlatSymbolRefAttr::get(kernel.getSymNameAttr()), ValueRange{in},
                         ValueRange{out}, builder_.getDenseI64ArrayAttr({}), StringAttr(), ArrayAttr(), ArrayAttr());
}

Ref ProgramBuilder::denseOf(Value value, bool aligned) {
  Ref ref = refOf(value);
  if (isDense(ref) && (!aligned || isAligned(ref))) {
    return ref;
  }
  if (auto it = dense_.find(value); it != dense_.end()) {
    return it->second;
  }
  Ref dense = denseRef(arena(ref.element, ref.sizes), ref.element, ref.sizes);
  copy(ref, dense, value.getLoc());
  deaths_[dense.buffer] = lastUse(value);
  return dense_[value] = dense;
}

//===-- Ports
//------------------------------------------------------------------------------------------------------===//

static StringAttr argText(func::FuncOp func, unsigned i, StringRef attr) {
  return func.getArgAttrOfType<StringAttr>(i, attr);
}
static StringAttr resultText(func::FuncOp func, unsigned i, StringRef attr) {
  return func.getResultAttrOfType<StringAttr>(i, attr);
}

void ProgramBuilder::addInputs() {
  for (BlockArgument arg : func_.getArguments()) {
    unsigned i = arg.getArgNumber();
    const StateInfo* state = llvm::find_if(states_, [&](const StateInfo& s) { return s.past == i; });
    bool cached = state != states_.end();
    Ref ref;
    if (cached) {
      ref = denseRef(bufferOf(exec::BufferKind::State, state->symbol, std::nullopt), elementOf(arg), sizes_.of(arg));
      ref.state = true;
      ref.axis = state->axis;
      ref.start = SizeExpr(0);
    } else {
      ref = denseRef(bufferOf(exec::BufferKind::Input, {}, i), elementOf(arg), sizes_.of(arg));
    }
    remember(arg, ref);
    StringAttr name = argText(func_, i, nn::kNameAttr);
    exec::PortOp::create(builder_, arg.getLoc(), exec::PortKindAttr::get(func_.getContext(), exec::PortKind::Input),
                         name ? name : builder_.getStringAttr("arg" + std::to_string(i)), TypeAttr::get(elementOf(arg)),
                         texts(sizes_.of(arg)), argText(func_, i, nn::kRoleAttr),
                         cached ? state->symbol : FlatSymbolRefAttr(), ref.buffer);
  }
}

void ProgramBuilder::addOutputs() {
  auto returned = cast<func::ReturnOp>(func_.getBody().front().getTerminator());
  outputs_.assign(returned.getNumOperands(), Value());
  output_values_.assign(returned.getNumOperands(), Value());
  for (auto [i, value] : llvm::enumerate(returned.getOperands())) {
    const StateInfo* state =
        llvm::find_if(states_, [&, i = i](const StateInfo& s) { return s.present == static_cast<int64_t>(i); });
    bool cached = state != states_.end();
    Value buffer;
    if (cached) {
      buffer = refOf(func_.getArgument(state->past)).buffer;
    } else {
      buffer = outputs_[i] = bufferOf(exec::BufferKind::Output, {}, i);
    }
    auto dims = func_.getResultAttrOfType<ArrayAttr>(i, nn::kDimsAttr);
    StringAttr name = resultText(func_, i, nn::kNameAttr);
    exec::PortOp::create(builder_, value.getLoc(), exec::PortKindAttr::get(func_.getContext(), exec::PortKind::Output),
                         name ? name : builder_.getStringAttr("result" + std::to_string(i)),
                         TypeAttr::get(elementOf(value)), dims ? dims : texts(sizes_.of(value)),
                         resultText(func_, i, nn::kRoleAttr), cached ? state->symbol : FlatSymbolRefAttr(), buffer);
  }
}

//===-- Ops
//--------------------------------------------------------------------------------------------------------===//

// Slices of a state: only along its axis are they views.
static std::optional<Ref> stateSlice(const Ref& ref, ArrayRef<SizeExpr> offsets, ArrayRef<SizeExpr> steps,
                                     const Sizes& sizes) {
  for (size_t d = 0; d < offsets.size(); ++d) {
    bool whole = offsets[d].Constant() == 0 && d < sizes.size() && sizes[d] == ref.sizes[d];
    if (!(steps[d].Constant() == 1) || (static_cast<int64_t>(d) != ref.axis && !whole)) {
      return std::nullopt;
    }
  }
  Ref result = ref;
  result.start = ref.start + offsets[ref.axis];
  result.sizes = sizes;
  return result;
}

LogicalResult ProgramBuilder::convertView(Operation* op) {
  Value source = op->getOperand(0), result = op->getResult(0);
  Ref ref = refOf(source);
  Sizes sizes = sizes_.of(result);
  if (auto extract = dyn_cast<tensor::ExtractSliceOp>(op)) {
    Sizes offsets, steps;
    for (auto [offset, step] : llvm::zip(extract.getMixedOffsets(), extract.getMixedStrides())) {
      FailureOr<SizeExpr> at = sizes_.index(offset), by = sizes_.index(step);
      if (failed(at) || failed(by)) {
        return op->emitError("takes a slice at a place that is no size expression (nn.size or a constant is needed)");
      }
      offsets.push_back(*at);
      steps.push_back(*by);
    }
    std::optional<Ref> whole =
        ref.state && extract.getDroppedDims().none() ? stateSlice(ref, offsets, steps, sizes) : std::nullopt;
    if (!whole) {
      whole = slice(ref.state ? denseOf(source) : ref, offsets, steps, extract.getDroppedDims(), sizes);
    }
    remember(result, *whole);
    return success();
  }
  if (ref.state && !isa<tensor::CastOp>(op)) {
    ref = denseOf(source);
  }
  if (auto transpose = dyn_cast<linalg::TransposeOp>(op)) {
    ref = permute(ref, transpose.getPermutation());
  } else if (auto repeated = dyn_cast<linalg::BroadcastOp>(op)) {
    ref = broadcast(ref, repeated.getDimensions(), sizes);
  } else if (isa<tensor::BitcastOp>(op)) {
    ref.element = elementOf(result);
  } else if (isa<nn::ReshapeOp>(op)) {
    std::optional<Ref> view = reshape(ref, sizes);
    ref = view ? *view : *reshape(denseOf(source), sizes);
  }
  remember(result, ref);
  return success();
}

void ProgramBuilder::convertConcat(tensor::ConcatOp op) {
  Ref ref = concatRef(op);
  for (auto [i, operand] : llvm::enumerate(op.getInputs())) {
    bool past = ref.state && i == 0;
    if (!past && !placed_.contains({op, static_cast<unsigned>(i)})) {
      copy(refOf(operand), concatSlice(op, i), op.getLoc());
    }
  }
  remember(op.getResult(), ref);
}

void ProgramBuilder::convertDispatch(exec::DispatchOp op) {
  auto kernel = symbols_.lookup<exec::KernelOp>(op.getKernel());
  fuse::KernelTraits traits = fuse::traitsOf(kernel);
  SmallVector<Value> ins, outs;
  SmallVector<Ref> sources;
  int64_t slot = 0;
  for (Value operand : op.getIns()) {
    while (llvm::is_contained(op.getAbsent(), slot)) {
      ++slot;
    }
    bool asItIs = traits.stridedIn(slot) && (!traits.alignedIn(slot) || isAligned(refOf(operand)));
    sources.push_back(asItIs ? refOf(operand) : denseOf(operand, traits.alignedIn(slot)));
    ++slot;
  }
  for (const Ref& source : sources) {
    ins.push_back(view(source));
  }
  for (unsigned i = 0; i < op.getNumResults(); ++i) {
    Ref place = this->place(op, i);
    remember(op.getResult(i), place);
    outs.push_back(view(place));
  }
  StringAttr grid;
  if (kernel.isGenerated()) {
    std::map<std::string, SizeExpr> values;
    for (auto [i, param] : llvm::enumerate(*op.getParams())) {
      values["p" + std::to_string(i)] = SizeExpr::Parse(cast<StringAttr>(param).getValue().str()).value();
    }
    grid = builder_.getStringAttr(SizeExpr::Parse(kernel.getGrid()->str()).value().Substitute(values).ToString());
  }
  exec::LaunchOp::create(builder_, op.getLoc(), op.getKernelAttr(), ins, outs, op.getAbsentAttr(), grid,
                         kernel.isGenerated() ? op.getParamsAttr() : ArrayAttr(), op.getCountsAttr());
}

// (result, dimension, symbol) for each symbol, at the first place that is exactly it.
ArrayAttr ProgramBuilder::bindings(ArrayAttr sizes, ArrayAttr symbols) {
  SmallVector<Attribute> result;
  for (Attribute symbol : symbols) {
    bool found = false;
    for (auto [r, list] : llvm::enumerate(sizes)) {
      for (auto [d, size] : llvm::enumerate(cast<ArrayAttr>(list))) {
        if (size == symbol && !found) {
          found = true;
          result.push_back(
              builder_.getArrayAttr({builder_.getI64IntegerAttr(r), builder_.getI64IntegerAttr(d), symbol}));
        }
      }
    }
  }
  return builder_.getArrayAttr(result);
}

Ref ProgramBuilder::callResult(Operation* op, unsigned result) {
  Ref ref = place(op, result);
  remember(op->getResult(result), ref);
  return ref;
}

void ProgramBuilder::convertIf(nn::IfOp op) {
  SmallVector<Ref> args = llvm::map_to_vector(op.getArgs(), [&](Value arg) { return denseOf(arg); });
  Value condition = view(denseOf(op.getCondition()));
  SmallVector<Value> ins = llvm::map_to_vector(args, [&](const Ref& ref) { return view(ref); });
  SmallVector<Value> outs;
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    outs.push_back(view(callResult(op, i)));
  }
  exec::IfOp::create(builder_, op.getLoc(), condition, op.getThenProgramAttr(), op.getElseProgramAttr(), ins, outs,
                     bindings(op.getSizes(), op.getSymbols()));
}

void ProgramBuilder::convertLoop(nn::LoopOp op) {
  auto dense = [&](Value value) { return denseOf(value); };
  SmallVector<Ref> carried = llvm::map_to_vector(op.getCarried(), dense),
                   captured = llvm::map_to_vector(op.getCaptured(), dense);
  auto toView = [&](const Ref& ref) { return view(ref); };
  Value trip = op.getTrip() ? view(denseOf(op.getTrip())) : Value();
  Value condition = op.getCondition() ? view(denseOf(op.getCondition())) : Value();
  SmallVector<Value> carriedViews = llvm::map_to_vector(carried, toView),
                     capturedViews = llvm::map_to_vector(captured, toView);
  SmallVector<Value> outs;
  for (unsigned i = 0; i < op->getNumResults(); ++i) {
    outs.push_back(view(callResult(op, i)));
  }
  exec::LoopOp::create(builder_, op.getLoc(), op.getBodyAttr(), trip, condition, carriedViews, capturedViews, outs,
                       bindings(op.getSizes(), op.getSymbols()));
}

void ProgramBuilder::convertReturn(func::ReturnOp op) {
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    Ref ref = refOf(value);
    if (outputs_[i]) {
      if (output_values_[i] != value) {
        copy(ref, denseRef(outputs_[i], ref.element, ref.sizes), op.getLoc());
      }
      continue;
    }
    // A state that was not appended to: its whole new contents.
    const StateInfo* state =
        llvm::find_if(states_, [&, i = i](const StateInfo& s) { return s.present == static_cast<int64_t>(i); });
    Ref cache = refOf(func_.getArgument(state->past));
    if (ref.buffer != cache.buffer) {
      cache.sizes = ref.sizes;
      copy(ref, cache, op.getLoc());
    }
  }
}

LogicalResult ProgramBuilder::convert(Operation* op) {
  if (isa<nn::SizeOp, tensor::EmptyOp>(op)) {
    return success();
  }
  if (auto constant = dyn_cast<exec::ConstantOp>(op)) {
    Value& buffer = weights_[constant.getWeightAttr()];
    buffer = buffer ? buffer : bufferOf(exec::BufferKind::Weight, constant.getWeightAttr(), std::nullopt);
    remember(constant.getResult(), denseRef(buffer, elementOf(constant.getResult()), sizes_.of(constant.getResult())));
  } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (isa<RankedTensorType>(constant.getType())) {
      Value buffer = bufferOf(exec::BufferKind::Constant, {}, std::nullopt, cast<ElementsAttr>(constant.getValue()));
      remember(constant.getResult(),
               denseRef(buffer, elementOf(constant.getResult()), sizes_.of(constant.getResult())));
    }
  } else if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    convertConcat(concat);
  } else if (auto dispatch = dyn_cast<exec::DispatchOp>(op)) {
    convertDispatch(dispatch);
  } else if (auto call = dyn_cast<nn::IfOp>(op)) {
    convertIf(call);
  } else if (auto loop = dyn_cast<nn::LoopOp>(op)) {
    convertLoop(loop);
  } else if (auto returned = dyn_cast<func::ReturnOp>(op)) {
    convertReturn(returned);
  } else if (isa<nn::ReshapeOp, tensor::ExtractSliceOp, tensor::BitcastOp, tensor::CastOp, linalg::TransposeOp,
                 linalg::BroadcastOp>(op)) {
    return convertView(op);
  } else {
    return op->emitError() << "'" << op->getName()
                           << "' cannot become part of a program (phase fuse should have removed it)";
  }
  return success();
}

// Buffers first, then ports; unused arena buffers go, the others get their live ranges.
void ProgramBuilder::finish() {
  setLiveRanges(program_);
  Block& block = program_.getBody().front();
  SmallVector<Operation*> first;
  llvm::append_range(first, llvm::map_range(block.getOps<exec::BufferOp>(), [](exec::BufferOp op) { return op; }));
  llvm::append_range(first, llvm::map_range(block.getOps<exec::PortOp>(), [](exec::PortOp op) { return op; }));
  for (Operation* op : llvm::reverse(first)) {
    op->moveBefore(&block, block.begin());
  }
}

LogicalResult ProgramBuilder::build() {
  builder_.setInsertionPoint(func_);
  StringAttr name = func_.getSymNameAttr();
  func_.setSymName((name.getValue() + ".tensors").str());
  program_ = exec::ProgramOp::create(builder_, func_.getLoc(), name);
  builder_.setInsertionPointToEnd(&program_.getBody().emplaceBlock());
  addInputs();
  addOutputs();
  for (Operation& op : func_.getBody().front()) {
    if (failed(convert(&op))) {
      return failure();
    }
  }
  finish();
  return success();
}

}  // namespace mlir::sluice::memory
