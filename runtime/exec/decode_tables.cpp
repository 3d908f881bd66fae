#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>

#include "runtime/artifact/verify.h"
#include "runtime/exec/decode.h"

namespace sluice::exec {
namespace {

using artifact::List;
using Op = plan::ExprProgram::Op;

void DecodeExprs(const fb::Program& from, Program& program) {
  for (const fb::ExprInstr* e : List(from.exprs())) {
    program.exprs.code().push_back({static_cast<Op>(e->op()), e->a(), e->b()});
    const bool symbol = static_cast<Op>(e->op()) == Op::kSymbol;
    program.slot_symbol.push_back(symbol ? static_cast<int32_t>(e->a()) : -1);
    bool constant = static_cast<Op>(e->op()) == Op::kConst;
    if (!symbol && !constant) {
      constant = program.slot_constant[e->a()] != 0 && program.slot_constant[e->b()] != 0;
    }
    program.slot_constant.push_back(constant);
  }
}

void DecodeSymbols(const fb::Program& from, Program& program) {
  for (const fb::Symbol* s : List(from.symbols())) {
    SymbolDesc& symbol = program.symbols.emplace_back();
    symbol.name = s->name()->str();
    symbol.kind = static_cast<SymbolKind>(s->kind());
    symbol.bound = s->bound();
    symbol.min = s->min();
    symbol.max = s->max();
  }
  for (size_t slot = program.slot_symbol.size(); slot-- > 0;) {
    if (program.slot_symbol[slot] >= 0) {
      program.symbols[program.slot_symbol[slot]].slot = static_cast<int32_t>(slot);
    }
  }
  for (const fb::Assumption* a : List(from.assumptions())) {
    program.assumptions.push_back({a->left(), a->right(), a->relation(), a->text()->str(), a->function()});
  }
}

std::vector<uint32_t> Slots(const flatbuffers::Vector<uint32_t>* from) {
  std::vector<uint32_t> slots;
  for (uint32_t slot : List(from)) {
    slots.push_back(slot);
  }
  return slots;
}

void DecodeStates(const fb::Program& from, Program& program) {
  for (const fb::State* s : List(from.states())) {
    StateDesc& state = program.states.emplace_back();
    state.name = s->name()->str();
    state.layer = s->layer();
    state.component = s->component() == nullptr ? "" : s->component()->str();
    state.dtype = static_cast<DType>(s->dtype());
    state.sizes = Slots(s->sizes());
    state.axis = s->axis();
    state.input = s->input();
    state.output = s->output();
    state.length_before = s->length_before();
    state.length_after = s->length_after();
  }
}

void DecodeWeights(const fb::Program& from, Program& program) {
  for (const fb::Weight* w : List(from.weights())) {
    WeightDesc& weight = program.weights.emplace_back();
    weight.name = w->name()->str();
    weight.dtype = static_cast<DType>(w->dtype());
    weight.layout = static_cast<kernels::Layout>(w->layout());
    for (int64_t size : List(w->sizes())) {
      weight.sizes.push_back(size);
    }
    weight.bytes = static_cast<int64_t>(w->bytes());
  }
}

// FlatBuffers aligns bytes to 4 only; kernels read constants as their own type.
absl::Status CopyConstants(const fb::Program& from, Program& program) {
  const size_t size = static_cast<size_t>(List(from.constants()).size());
  uint8_t* copy = static_cast<uint8_t*>(std::aligned_alloc(64, (size / 64 + 1) * 64));
  if (copy == nullptr) {
    return absl::ResourceExhaustedError("no memory for the program's constants");
  }
  if (size > 0) {
    std::memcpy(copy, from.constants()->data(), size);
  }
  program.constants = {copy, [](void* p) { std::free(p); }};
  return absl::OkStatus();
}

// A symbol of @main is one that its input dimensions or its == assumptions speak of.
void MarkMainSymbols(const fb::Program& from, Program& program) {
  program.main_binds.assign(program.symbols.size(), 0);
  program.slot_symbols.resize(program.exprs.code().size());
  const auto mark = [&](uint32_t slot) {
    program.slot_symbols[slot] = SymbolsOf(program, slot);
    for (uint32_t symbol : program.slot_symbols[slot]) {
      program.main_binds[symbol] = program.symbols[symbol].kind == SymbolKind::kFree;
    }
  };
  for (const fb::Port* port : List(List(from.functions())[0]->inputs())) {
    for (uint32_t slot : List(port->sizes())) {
      mark(slot);
    }
  }
  for (const AssumptionDesc& a : program.assumptions) {
    if (a.relation == 0 && a.function == 0) {
      mark(a.left);
      mark(a.right);
    }
  }
}

plan::SizeExpr ExprOf(const Program& program, uint32_t slot) {
  const auto& e = program.exprs.code()[slot];
  if (e.op == Op::kConst) {
    return plan::SizeExpr(e.a);
  }
  if (e.op == Op::kSymbol) {
    return plan::SizeExpr::Symbol(program.symbols[e.a].name);
  }
  const plan::SizeExpr a = ExprOf(program, static_cast<uint32_t>(e.a));
  const plan::SizeExpr b = ExprOf(program, static_cast<uint32_t>(e.b));
  switch (e.op) {
    case Op::kAdd:
      return a + b;
    case Op::kSub:
      return a - b;
    case Op::kMul:
      return a * b;
    case Op::kFloorDiv:
      return plan::SizeExpr::FloorDiv(a, b);
    case Op::kCeilDiv:
      return plan::SizeExpr::CeilDiv(a, b);
    case Op::kMod:
      return plan::SizeExpr::Mod(a, b);
    case Op::kMin:
      return plan::SizeExpr::Min(a, b);
    default:
      return plan::SizeExpr::Max(a, b);
  }
}

// Steps feed what is in `next` to the input of role `tokens`.
absl::Status FindNext(Program& program) {
  const FunctionDesc& main = program.main();
  for (size_t i = 0; i < main.outputs.size(); ++i) {
    const PortDesc& port = main.outputs[i];
    if (port.role != "next") {
      continue;
    }
    const auto tokens = std::find_if(main.inputs.begin(), main.inputs.end(),
                                     [](const PortDesc& input) { return input.role == "tokens"; });
    const bool taken = tokens != main.inputs.end() && tokens->dtype == port.dtype &&
                       (port.dtype == DType::kI64 || port.dtype == DType::kI32);
    const BufferDesc& buffer = main.buffers[port.buffer];
    const bool own = buffer.kind == BufferKind::kOutput && buffer.index == static_cast<int32_t>(i);
    if (!taken || !own || i + 1 != main.outputs.size() || port.sizes.size() != 2) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: outputs[%d] ('%s'): no tokens that the input of role 'tokens' takes, behind all other "
                          "outputs (compile the model again)",
                          program.artifact->where(), i, port.name));
    }
    program.next = static_cast<int32_t>(i);
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<uint32_t> SymbolsOf(const Program& program, uint32_t slot) {
  std::set<uint32_t> symbols;
  std::set<uint32_t> seen;
  std::vector<uint32_t> todo = {slot};
  while (!todo.empty()) {
    const uint32_t at = todo.back();
    todo.pop_back();
    const auto& e = program.exprs.code()[at];
    if (!seen.insert(at).second || e.op == Op::kConst) {
      continue;
    }
    if (e.op == Op::kSymbol) {
      symbols.insert(static_cast<uint32_t>(e.a));
      continue;
    }
    todo.push_back(static_cast<uint32_t>(e.a));
    todo.push_back(static_cast<uint32_t>(e.b));
  }
  return {symbols.begin(), symbols.end()};
}

std::string Program::SlotText(uint32_t slot) const { return ExprOf(*this, slot).ToString(); }

std::string Program::SizesText(const std::vector<uint32_t>& slots) const {
  std::string text = "[";
  for (size_t i = 0; i < slots.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", SlotText(slots[i]));
  }
  return text + "]";
}

absl::Status DecodeTables(Program& program) {
  const fb::Program& from = program.artifact->program();
  DecodeExprs(from, program);
  DecodeSymbols(from, program);
  DecodeStates(from, program);
  DecodeWeights(from, program);
  MarkMainSymbols(from, program);
  return CopyConstants(from, program);
}

absl::StatusOr<std::unique_ptr<const Program>> Decode(std::shared_ptr<const artifact::Artifact> artifact,
                                                      const DecodeOptions& options) {
  auto program = std::make_unique<Program>();
  program->artifact = std::move(artifact);
  const fb::Program& from = program->artifact->program();
  const std::string target = from.target() == nullptr ? "" : from.target()->str();
  if (target != "cpu" && from.compute_capability() == 0) {
    return absl::UnimplementedError(
        absl::StrFormat("%s: the artifact is for target '%s', this runtime runs 'cpu' and CUDA targets (compile the "
                        "model with --target cpu)",
                        program->artifact->where(), target));
  }
  RETURN_IF_ERROR(DecodeTables(*program));
  ASSIGN_OR_RETURN(const std::vector<DecodedKernel> kernels, DecodeKernels(*program, options));
  for (const fb::Function* function : List(from.functions())) {
    FunctionDesc& decoded = program->functions.emplace_back();
    RETURN_IF_ERROR(DecodeFunction(*program, kernels, *function, decoded));
  }
  AssignServed(program->functions.front());
  for (FunctionDesc& function : program->functions) {
    AssignSegments(function);
    RETURN_IF_ERROR(AssignStages(*program, function));
  }
  RETURN_IF_ERROR(FindNext(*program));
  return program;
}

}  // namespace sluice::exec
