#include "compiler/codegen/ProgramTables.h"

#include "compiler/codegen/PackExpressions.h"
#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::sluice::codegen {

using ::sluice::plan::SizeExpr;

std::vector<std::string> nodeNames(Location loc) {
  llvm::SetVector<StringRef> names;
  loc->walk([&](Location part) {
    if (auto name = dyn_cast<NameLoc>(part)) {
      names.insert(name.getName().getValue());
    }
    return WalkResult::advance();
  });
  std::vector<std::string> result;
  for (StringRef name : names) {
    result.push_back(name.str());
  }
  return result;
}

ProgramTables::ProgramTables(ModuleOp module) : module_(module) {
  int32_t next = 0;
  for (auto weight : module.getOps<exec::WeightOp>()) {
    weights_[weight.getSymName().str()] = next++;
  }
}

FailureOr<uint32_t> ProgramTables::slot(Operation* op, StringRef text) {
  auto expr = SizeExpr::Parse(text.str());
  if (!expr.ok()) {
    return op->emitOpError("bad size expression '") << text << "'";
  }
  for (const std::string& symbol : expr->Symbols()) {
    if (!symbols_.count(symbol)) {
      return op->emitOpError("size '") << text << "' names symbol '" << symbol
                                       << "', which the module does not declare";
    }
  }
  return exprs_.Add(*expr, symbols_);
}

LogicalResult ProgramTables::slots(Operation* op, ArrayAttr texts, std::vector<uint32_t>& to) {
  for (auto text : texts.getAsRange<StringAttr>()) {
    FailureOr<uint32_t> at = slot(op, text.getValue());
    if (failed(at)) {
      return failure();
    }
    to.push_back(*at);
  }
  return success();
}

LogicalResult ProgramTables::addSymbols() {
  for (auto op : module_.getOps<exec::SymbolOp>()) {
    symbols_[op.getName().str()] = static_cast<uint32_t>(symbols_.size());
    auto symbol = std::make_unique<fb::SymbolT>();
    symbol->name = op.getName().str();
    symbol->kind = static_cast<fb::SymbolKind>(op.getKind());
    symbol->min = op.getMin();
    symbol->max = op.getMax();
    program_->symbols.push_back(std::move(symbol));
  }
  for (auto [n, op] : llvm::enumerate(module_.getOps<exec::SymbolOp>())) {
    if (op.getBound()) {
      FailureOr<uint32_t> bound = slot(op, *op.getBound());
      if (failed(bound)) {
        return failure();
      }
      program_->symbols[n]->bound = static_cast<int32_t>(*bound);
    }
  }
  return success();
}

LogicalResult ProgramTables::addAssumption(exec::AssumeOp op) {
  static constexpr std::pair<const char*, uint8_t> kRelations[] = {{"==", 0}, {"!=", 1}, {">=", 2}};
  for (auto [sign, number] : kRelations) {
    if (!op.getText().contains(sign)) {
      continue;
    }
    auto [left, right] = op.getText().split(sign);
    FailureOr<uint32_t> l = slot(op, left.trim()), r = slot(op, right.trim());
    if (failed(l) || failed(r)) {
      return failure();
    }
    auto assumption = std::make_unique<fb::AssumptionT>();
    assumption->left = *l;
    assumption->right = *r;
    assumption->relation = number;
    assumption->text = op.getText().str();
    assumption->function = op.getProgram() ? functions_.at(op.getProgram()->str()) : 0;
    program_->assumptions.push_back(std::move(assumption));
    return success();
  }
  return op.emitOpError("has no relation ==, != or >=");
}

namespace {

// One attribute of a kernel; false for a kind that kernels cannot have.
bool fillAttr(Attribute value, fb::AttrT& to) {
  if (auto flag = dyn_cast<BoolAttr>(value)) {
    to.i = flag.getValue();
  } else if (auto pattern = dyn_cast<nn::PatternAttr>(value)) {
    return false;
  } else if (auto integer = dyn_cast<IntegerAttr>(value)) {
    to.i = integer.getInt();
  } else if (auto number = dyn_cast<FloatAttr>(value)) {
    to.kind = 1;
    to.f = number.getValueAsDouble();
  } else if (auto text = dyn_cast<StringAttr>(value)) {
    to.kind = 2;
    to.s = text.getValue().str();
  } else if (auto ints = dyn_cast<DenseI64ArrayAttr>(value)) {
    to.kind = 3;
    to.is.assign(ints.asArrayRef().begin(), ints.asArrayRef().end());
  } else if (auto floats = dyn_cast<DenseF64ArrayAttr>(value)) {
    to.kind = 4;
    to.fs.assign(floats.asArrayRef().begin(), floats.asArrayRef().end());
  } else {
    return false;
  }
  return true;
}

}  // namespace

LogicalResult ProgramTables::addKernel(exec::KernelOp op) {
  kernels_[op.getSymName().str()] = static_cast<int32_t>(program_->kernels.size());
  kernel_ops_[op.getSymName().str()] = op;
  auto kernel = std::make_unique<fb::KernelT>();
  kernel->library = !op.isGenerated();
  kernel->name = op.isGenerated() ? op.getSymName().str() : op.getLibrary()->str();
  for (NamedAttribute attr : op.getConfig() ? op.getConfigAttr().getValue() : ArrayRef<NamedAttribute>()) {
    auto to = std::make_unique<fb::AttrT>();
    to->name = attr.getName().str();
    if (!fillAttr(attr.getValue(), *to)) {
      return op.emitOpError("attribute '") << attr.getName() << "' is of a kind that kernels cannot have";
    }
    kernel->attrs.push_back(std::move(to));
  }
  if (op.getCuda()) {
    addCuda(op, *kernel);
  }
  program_->kernels.push_back(std::move(kernel));
  return success();
}

LogicalResult ProgramTables::addState(exec::StateOp op) {
  states_[op.getSymName().str()] = static_cast<int32_t>(program_->states.size());
  auto state = std::make_unique<fb::StateT>();
  state->name = op.getName().str();
  state->layer = static_cast<int32_t>(op.getLayer());
  state->component = op.getComponent().str();
  state->dtype = static_cast<uint8_t>(dtypeOf(op.getType()));
  state->axis = static_cast<int32_t>(op.getAxis());
  state->input = static_cast<int32_t>(op.getInput());
  state->output = static_cast<int32_t>(op.getOutput());
  FailureOr<uint32_t> before = slot(op, op.getBefore()), after = slot(op, op.getAfter());
  if (failed(before) || failed(after) || failed(slots(op, op.getSizes(), state->sizes))) {
    return failure();
  }
  state->length_before = *before;
  state->length_after = *after;
  program_->states.push_back(std::move(state));
  return success();
}

uint32_t ProgramTables::constantOffset(ElementsAttr value, uint64_t& length) {
  auto type = cast<RankedTensorType>(value.getType());
  reference::RefTensor tensor = reference::RefTensor::make(type.getElementType(), type.getShape().vec());
  bool lossy;
  if (tensor.isFloat()) {
    for (auto [n, element] : llvm::enumerate(value.getValues<APFloat>())) {
      APFloat number = element;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      tensor.f[n] = number.convertToDouble();
    }
  } else {
    for (auto [n, element] : llvm::enumerate(value.getValues<APInt>())) {
      tensor.i[n] = element.getSExtValue();
    }
  }
  std::vector<char> bytes = reference::toBytes(tensor);
  // Aligned as arena buffers are, so that kernels may load vectors.
  program_->constants.resize((program_->constants.size() + 63) / 64 * 64, 0);
  uint32_t offset = static_cast<uint32_t>(program_->constants.size());
  program_->constants.insert(program_->constants.end(), bytes.begin(), bytes.end());
  length = bytes.size();
  return offset;
}

LogicalResult ProgramTables::addBuffer(exec::BufferOp op, fb::FunctionT& function) {
  buffers_[op.getResult()] = static_cast<int32_t>(function.buffers.size());
  auto buffer = std::make_unique<fb::BufferT>();
  buffer->kind = static_cast<fb::BufferKind>(op.getKind());
  if (op.getIndex()) {
    buffer->index = static_cast<int32_t>(*op.getIndex());
  }
  if (op.getBytes()) {
    FailureOr<uint32_t> bytes = slot(op, *op.getBytes());
    if (failed(bytes)) {
      return failure();
    }
    buffer->bytes = static_cast<int32_t>(*bytes);
  }
  if (op.getLive()) {
    buffer->first = static_cast<uint32_t>((*op.getLive())[0]);
    buffer->last = static_cast<uint32_t>((*op.getLive())[1]);
  }
  if (op.getKind() == exec::BufferKind::Weight) {
    buffer->index = weights_.at(op.getSource()->str());
  } else if (op.getKind() == exec::BufferKind::State) {
    buffer->index = states_.at(op.getSource()->str());
  } else if (op.getKind() == exec::BufferKind::Constant) {
    buffer->offset = constantOffset(*op.getValue(), buffer->length);
  }
  function.buffers.push_back(std::move(buffer));
  return success();
}

LogicalResult ProgramTables::addPort(exec::PortOp op, fb::FunctionT& function) {
  auto port = std::make_unique<fb::PortT>();
  port->name = op.getName().str();
  port->dtype = static_cast<uint8_t>(dtypeOf(op.getType()));
  port->role = op.getRole() ? op.getRole()->str() : "";
  port->state = op.getState() ? states_.at(op.getState()->str()) : -1;
  port->buffer = buffers_.at(op.getBuffer());
  if (failed(slots(op, op.getSizes(), port->sizes))) {
    return failure();
  }
  (op.getKind() == exec::PortKind::Input ? function.inputs : function.outputs).push_back(std::move(port));
  return success();
}

FailureOr<std::unique_ptr<fb::ViewT>> ProgramTables::view(Value value) {
  auto to = std::make_unique<fb::ViewT>();
  if (!value) {
    return to;  // absent
  }
  auto op = value.getDefiningOp<exec::ViewOp>();
  to->buffer = buffers_.at(op.getBuffer());
  to->dtype = static_cast<uint8_t>(dtypeOf(op.getType()));
  if (failed(slots(op, op.getSizes(), to->sizes)) ||
      (op.getStrides() && failed(slots(op, *op.getStrides(), to->strides)))) {
    return failure();
  }
  for (auto [text, where] : {std::pair{op.getOffset(), &to->offset}, std::pair{op.getStart(), &to->start}}) {
    if (text) {
      FailureOr<uint32_t> at = slot(op, *text);
      if (failed(at)) {
        return failure();
      }
      *where = static_cast<int32_t>(*at);
    }
  }
  return to;
}

LogicalResult ProgramTables::views(ValueRange values, ArrayRef<int64_t> absent,
                                   std::vector<std::unique_ptr<fb::ViewT>>& to) {
  auto value = values.begin();
  for (size_t slot = 0; slot < values.size() + absent.size(); ++slot) {
    bool missing = llvm::is_contained(absent, static_cast<int64_t>(slot));
    FailureOr<std::unique_ptr<fb::ViewT>> made = view(missing ? Value() : *value++);
    if (failed(made)) {
      return failure();
    }
    to.push_back(std::move(*made));
  }
  return success();
}

LogicalResult ProgramTables::bindings(Operation* op, ArrayAttr triples, fb::InstrT& instr) {
  for (auto triple : triples.getAsRange<ArrayAttr>()) {
    std::string symbol = cast<StringAttr>(triple[2]).getValue().str();
    auto it = symbols_.find(symbol);
    if (it == symbols_.end()) {
      continue;  // nothing reads it
    }
    instr.result_symbols.push_back(static_cast<uint32_t>(cast<IntegerAttr>(triple[0]).getInt()));
    instr.result_symbols.push_back(static_cast<uint32_t>(cast<IntegerAttr>(triple[1]).getInt()));
    instr.result_symbols.push_back(it->second);
  }
  return success();
}

LogicalResult ProgramTables::addLaunch(exec::LaunchOp op, fb::InstrT& instr) {
  instr.kernel = kernels_.at(op.getKernel().str());
  if (failed(views(op.getIns(), op.getAbsent(), instr.ins)) || failed(views(op.getOuts(), {}, instr.outs))) {
    return failure();
  }
  if (op.getGrid()) {
    FailureOr<uint32_t> grid = slot(op, *op.getGrid());
    if (failed(grid)) {
      return failure();
    }
    instr.grid = static_cast<int32_t>(*grid);
  }
  if (op.getParams() && failed(slots(op, *op.getParams(), instr.params))) {
    return failure();
  }
  exec::KernelOp kernel = kernel_ops_.at(op.getKernel().str());
  if (kernel.getCuda() && failed(addBlocks(op, kernel, instr))) {
    return failure();
  }
  if (op.getCounts()) {
    for (auto symbol : op.getCounts()->getAsRange<StringAttr>()) {
      instr.counts.push_back(symbols_.at(symbol.getValue().str()));
    }
  }
  return success();
}

LogicalResult ProgramTables::addInstr(Operation* op, fb::FunctionT& function) {
  auto instr = std::make_unique<fb::InstrT>();
  instr->nodes = nodeNames(op->getLoc());
  LogicalResult done = success();
  if (auto launch = dyn_cast<exec::LaunchOp>(op)) {
    done = addLaunch(launch, *instr);
  } else if (auto branch = dyn_cast<exec::IfOp>(op)) {
    instr->kind = fb::InstrKind::If;
    instr->then_function = functions_.at(branch.getThenProgram().str());
    instr->else_function = functions_.at(branch.getElseProgram().str());
    done = success(
        succeeded(views(branch.getCondition(), {}, instr->ins)) && succeeded(views(branch.getArgs(), {}, instr->ins)) &&
        succeeded(views(branch.getOuts(), {}, instr->outs)) && succeeded(bindings(op, branch.getBind(), *instr)));
  } else {
    auto loop = cast<exec::LoopOp>(op);
    instr->kind = fb::InstrKind::Loop;
    instr->then_function = functions_.at(loop.getBody().str());
    instr->carried = static_cast<uint32_t>(loop.getCarried().size());
    for (Value optional : {loop.getTrip(), loop.getCondition()}) {
      FailureOr<std::unique_ptr<fb::ViewT>> made = view(optional);
      if (failed(made)) {
        return failure();
      }
      instr->ins.push_back(std::move(*made));
    }
    done = success(
        succeeded(views(loop.getCarried(), {}, instr->ins)) && succeeded(views(loop.getCaptured(), {}, instr->ins)) &&
        succeeded(views(loop.getOuts(), {}, instr->outs)) && succeeded(bindings(op, loop.getBind(), *instr)));
  }
  function.instrs.push_back(std::move(instr));
  return done;
}

LogicalResult ProgramTables::addPlan(exec::PackOp op, fb::FunctionT& function) {
  auto plan = std::make_unique<fb::BucketPlanT>();
  if (!op.getOffsets()) {
    return op.emitOpError("has no offsets: run sluice-pack-buffers");
  }
  plan->symbols.assign(symbols_.size(), 0);
  for (NamedAttribute bound : op.getBounds()) {
    if (auto it = symbols_.find(bound.getName().str()); it != symbols_.end()) {
      plan->symbols[it->second] = cast<IntegerAttr>(bound.getValue()).getInt();
    }
  }
  size_t next = 0;
  for (const auto& buffer : function.buffers) {
    plan->offsets.push_back(buffer->kind == fb::BufferKind::Arena ? (*op.getOffsets())[next++] : -1);
  }
  plan->arena = static_cast<uint64_t>(*op.getArena());
  plan->lower_bound = static_cast<uint64_t>(*op.getLowerBound());
  function.plans.push_back(std::move(plan));
  return success();
}

LogicalResult ProgramTables::addProgram(exec::ProgramOp op) {
  auto function = std::make_unique<fb::FunctionT>();
  function->name = op.getSymName().str();
  buffers_.clear();
  for (Operation& inner : op.getBody().front()) {
    LogicalResult done = success();
    if (auto buffer = dyn_cast<exec::BufferOp>(inner)) {
      done = addBuffer(buffer, *function);
    } else if (auto port = dyn_cast<exec::PortOp>(inner)) {
      done = addPort(port, *function);
    } else if (auto pack = dyn_cast<exec::PackOp>(inner)) {
      done = addPlan(pack, *function);
    } else if (!isa<exec::ViewOp>(inner)) {
      done = addInstr(&inner, *function);
    }
    if (failed(done)) {
      return failure();
    }
  }
  program_->functions.push_back(std::move(function));
  return success();
}

LogicalResult ProgramTables::build(fb::ProgramT& program) {
  program_ = &program;
  if (failed(addSymbols())) {
    return failure();
  }
  // @main is function 0; the others follow in their order.
  SmallVector<exec::ProgramOp> programs;
  for (auto op : module_.getOps<exec::ProgramOp>()) {
    programs.insert(op.getSymName() == exec::kMainProgram ? programs.begin() : programs.end(), op);
  }
  for (auto [n, op] : llvm::enumerate(programs)) {
    functions_[op.getSymName().str()] = static_cast<int32_t>(n);
  }
  for (Operation& op : *module_.getBody()) {
    LogicalResult done = success();
    if (auto assume = dyn_cast<exec::AssumeOp>(op)) {
      done = addAssumption(assume);
    } else if (auto kernel = dyn_cast<exec::KernelOp>(op)) {
      done = addKernel(kernel);
    } else if (auto state = dyn_cast<exec::StateOp>(op)) {
      done = addState(state);
    }
    if (failed(done)) {
      return failure();
    }
  }
  for (exec::ProgramOp op : programs) {
    if (failed(addProgram(op))) {
      return failure();
    }
  }
  for (const auto& instr : exprs_.code()) {
    program.exprs.emplace_back(static_cast<uint8_t>(instr.op), instr.a, instr.b);
  }
  return success();
}

}  // namespace mlir::sluice::codegen
