#include "runtime/exec/sizes.h"

#include <algorithm>

namespace sluice::exec {

using kernels::Tensor;

Sizes::Sizes(const Program& program)
    : program_(program),
      symbols_(program.symbols.size(), 0),
      slots_(program.exprs.code().size(), 0),
      known_(program.symbols.size(), 0) {}

absl::Status Sizes::Bind(std::span<const Tensor> inputs, std::span<const StateSizes> states) {
  const std::vector<PortDesc>& ports = program_.main().inputs;
  std::fill(known_.begin(), known_.end(), uint8_t{0});
  const auto bind = [&](uint32_t slot, int64_t value) {
    const int32_t symbol = program_.slot_symbol[slot];
    if (symbol >= 0 && known_[symbol] == 0) {
      known_[symbol] = 1;
      symbols_[symbol] = value;
    }
  };
  for (size_t i = 0; i < ports.size(); ++i) {
    for (size_t d = 0; inputs[i].present() && d < ports[i].sizes.size(); ++d) {
      bind(ports[i].sizes[d], inputs[i].sizes[d]);
    }
  }
  for (size_t s = 0; s < states.size(); ++s) {
    const StateDesc& state = program_.states[s];
    if (inputs[state.input].present()) {
      continue;
    }
    bind(state.length_before, states[s].length);
    for (size_t d = 0; states[s].shaped && d < state.sizes.size(); ++d) {
      if (static_cast<int32_t>(d) != state.axis) {
        bind(state.sizes[d], states[s].sizes[d]);
      }
    }
  }
  RETURN_IF_ERROR(Solve(inputs));
  Evaluate();
  for (size_t i = 0; i < ports.size(); ++i) {
    if (inputs[i].present()) {
      RETURN_IF_ERROR(Compare(ports[i], inputs[i], "input"));
    }
  }
  return CheckAssumptions();
}

absl::Status Sizes::Compare(const PortDesc& port, const Tensor& tensor, const char* what) const {
  for (size_t d = 0; d < port.sizes.size(); ++d) {
    const int64_t want = slots_[port.sizes[d]];
    if (tensor.sizes[d] != want) {
      const std::string text = program_.SlotText(port.sizes[d]);
      const std::string value = absl::StrCat(want);
      return absl::InvalidArgumentError(absl::StrFormat("%s '%s': dimension %d is %d, it must be %s%s", what, port.name,
                                                        d, tensor.sizes[d], text, text == value ? "" : " = " + value));
    }
  }
  return absl::OkStatus();
}

absl::Status Sizes::CheckAssumptionsOf(int32_t function) const {
  for (const AssumptionDesc& a : program_.assumptions) {
    const int64_t left = slots_[a.left];
    const int64_t right = slots_[a.right];
    const bool holds = a.relation == 0 ? left == right : a.relation == 1 ? left != right : left >= right;
    if (a.function == function && !holds) {
      const std::string who =
          function == 0 ? "the model" : "its sub-program '" + program_.functions[function].name + "'";
      return absl::InvalidArgumentError(
          absl::StrFormat("inputs: %s needs %s, these sizes give %d and %d", who, a.text, left, right));
    }
  }
  return absl::OkStatus();
}

absl::Status Sizes::CheckAssumptions() const {
  RETURN_IF_ERROR(CheckAssumptionsOf(0));
  for (size_t s = 0; s < program_.symbols.size(); ++s) {
    const SymbolDesc& symbol = program_.symbols[s];
    if (symbol.kind == SymbolKind::kFree && program_.main_binds[s] != 0 &&
        (symbols_[s] < symbol.min || (symbol.max >= 0 && symbols_[s] > symbol.max))) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "inputs: %s is %d, the artifact was compiled for %s=%d..%s (compile it with other --dims)", symbol.name,
          symbols_[s], symbol.name, symbol.min, symbol.max < 0 ? std::string() : absl::StrCat(symbol.max)));
    }
  }
  return absl::OkStatus();
}

bool Sizes::OnlyUnknown(uint32_t slot, uint32_t symbol) const {
  for (uint32_t s : program_.slot_symbols[slot]) {
    if (s != symbol && known_[s] == 0) {
      return false;
    }
  }
  return true;
}

bool Sizes::DependsOn(uint32_t slot, uint32_t symbol) const {
  const std::vector<uint32_t>& symbols = program_.slot_symbols[slot];
  return std::find(symbols.begin(), symbols.end(), symbol) != symbols.end();
}

// Degree of a slot in a symbol: 0, 1, or 2 for anything that may have several zeros (a division, a product with
// itself).
int Sizes::Degree(uint32_t slot, uint32_t symbol) const {
  using Op = plan::ExprProgram::Op;
  const plan::ExprProgram::Instr& instr = program_.exprs.code()[slot];
  if (instr.op == Op::kConst || instr.op == Op::kSymbol) {
    return instr.op == Op::kSymbol && instr.a == symbol;
  }
  const int a = Degree(static_cast<uint32_t>(instr.a), symbol);
  const int b = Degree(static_cast<uint32_t>(instr.b), symbol);
  switch (instr.op) {
    case Op::kAdd:
    case Op::kSub:
      return std::max(a, b);
    case Op::kMul:
      return std::min(a + b, 2);
    default:
      return a + b > 0 ? 2 : 0;
  }
}

// Solves left(symbol) = right, both linear in it, by two evaluations.  right < 0: the constant.
bool Sizes::SolveFor(uint32_t symbol, uint32_t left, int64_t right_constant, int32_t right) {
  if (!DependsOn(left, symbol) && (right < 0 || !DependsOn(static_cast<uint32_t>(right), symbol))) {
    return false;
  }
  if (!OnlyUnknown(left, symbol) || (right >= 0 && !OnlyUnknown(static_cast<uint32_t>(right), symbol))) {
    return false;
  }
  if (Degree(left, symbol) > 1 || (right >= 0 && Degree(static_cast<uint32_t>(right), symbol) > 1)) {
    return false;
  }
  const auto difference = [&](int64_t value) {
    symbols_[symbol] = value;
    Evaluate();
    return slots_[left] - (right >= 0 ? slots_[right] : right_constant);
  };
  const int64_t at0 = difference(0);
  const int64_t slope = difference(1) - at0;
  if (slope == 0 || -at0 % slope != 0 || -at0 / slope < 0 || difference(-at0 / slope) != 0) {
    return false;
  }
  known_[symbol] = 1;
  return true;
}

bool Sizes::SolveByAssumption(uint32_t symbol) {
  for (const AssumptionDesc& a : program_.assumptions) {
    if (a.relation == 0 && a.function == 0 && SolveFor(symbol, a.left, 0, static_cast<int32_t>(a.right))) {
      return true;
    }
  }
  return false;
}

// Symbols that are no dimension by themselves: from a dimension or an == assumption where they are the only unknown.
absl::Status Sizes::Solve(std::span<const Tensor> inputs) {
  const std::vector<PortDesc>& ports = program_.main().inputs;
  for (;;) {
    int64_t unknown = -1;
    bool progress = false;
    for (uint32_t s = 0; s < symbols_.size(); ++s) {
      if (program_.main_binds[s] == 0 || known_[s] != 0) {
        continue;
      }
      bool solved = false;
      for (size_t i = 0; i < ports.size() && !solved; ++i) {
        for (size_t d = 0; inputs[i].present() && d < ports[i].sizes.size() && !solved; ++d) {
          solved = SolveFor(s, ports[i].sizes[d], inputs[i].sizes[d], -1);
        }
      }
      solved = solved || SolveByAssumption(s);
      progress = progress || solved;
      unknown = solved ? unknown : s;
    }
    if (unknown < 0) {
      return absl::OkStatus();
    }
    if (!progress) {
      return absl::InvalidArgumentError(absl::StrFormat("inputs: the size '%s' follows from none of the inputs given",
                                                        program_.symbols[unknown].name));
    }
  }
}

absl::Status Sizes::BindByName(const std::map<std::string, int64_t>& given) {
  std::fill(known_.begin(), known_.end(), uint8_t{0});
  std::string names;
  for (uint32_t s = 0; s < symbols_.size(); ++s) {
    if (program_.main_binds[s] != 0) {
      absl::StrAppend(&names, names.empty() ? "" : ", ", program_.symbols[s].name);
    }
  }
  for (const auto& [name, value] : given) {
    bool found = false;
    for (uint32_t s = 0; s < symbols_.size(); ++s) {
      if (program_.symbols[s].name == name && program_.main_binds[s] != 0) {
        known_[s] = 1;
        symbols_[s] = value;
        found = true;
      }
    }
    if (!found) {
      return absl::InvalidArgumentError(
          absl::StrFormat("--dims: '%s' is no size of the model's inputs (they are %s)", name, names));
    }
  }
  MakeUp();
  return absl::OkStatus();
}

std::vector<std::string> Sizes::FreeNames() {
  std::fill(known_.begin(), known_.end(), uint8_t{0});
  std::vector<std::string> names;
  for (uint32_t symbol : MakeUp()) {
    names.push_back(program_.symbols[symbol].name);
  }
  return names;
}

// The assumption `symbol` is a side of by itself: of ==, or the greater one of >=.
const AssumptionDesc* Sizes::AssumptionOn(uint32_t symbol) const {
  const auto is = [&](uint32_t slot) { return program_.slot_symbol[slot] == static_cast<int32_t>(symbol); };
  for (const AssumptionDesc& a : program_.assumptions) {
    if ((is(a.left) && a.relation != 1) || (is(a.right) && a.relation == 0)) {
      return &a;
    }
  }
  return nullptr;
}

// Binds what is not known: what follows from an assumption, else a made-up value.  Returns the symbols that got one.
std::vector<uint32_t> Sizes::MakeUp() {
  std::vector<uint32_t> made_up;
  const auto bind = [&](uint32_t symbol, int64_t value) {
    known_[symbol] = 1;
    symbols_[symbol] = value;
    made_up.push_back(symbol);
  };
  for (const StateDesc& state : program_.states) {
    if (const int32_t symbol = program_.slot_symbol[state.length_before]; symbol >= 0 && known_[symbol] == 0) {
      bind(static_cast<uint32_t>(symbol), 0);
    }
  }
  for (const bool constrained : {false, true}) {
    for (uint32_t s = 0; s < symbols_.size(); ++s) {
      if (program_.main_binds[s] == 0 || known_[s] != 0 || SolveByAssumption(s)) {
        continue;
      }
      int64_t least = std::max<int64_t>(1, program_.symbols[s].min);
      if (const AssumptionDesc* assumption = AssumptionOn(s)) {
        if (!constrained) {
          continue;
        }
        symbols_[s] = least;
        Evaluate();
        least = assumption->relation == 2 ? std::max(least, slots_[assumption->right]) : least;
      }
      bind(s, least);
    }
  }
  Evaluate();
  return made_up;
}

absl::Status Sizes::BindCall(int32_t index, std::span<const Tensor> inputs) {
  const FunctionDesc& function = program_.functions[index];
  for (const FunctionDesc::Bind& bind : function.binds) {
    symbols_[bind.symbol] = inputs[bind.input].sizes[bind.dim];
  }
  if (!function.binds.empty()) {
    Evaluate();
  }
  for (size_t i = 0; i < function.inputs.size(); ++i) {
    RETURN_IF_ERROR(Compare(function.inputs[i], inputs[i], "sub-program input"));
  }
  return CheckAssumptionsOf(index);
}

void Sizes::SetToBounds(std::span<const uint32_t> counted) {
  // A bound may depend on another Counted symbol: as many passes as such a chain is long.
  for (size_t pass = 0; pass <= counted.size(); ++pass) {
    Evaluate();
    bool moved = false;
    for (uint32_t symbol : counted) {
      const int64_t bound = slots_[program_.symbols[symbol].bound];
      moved = moved || symbols_[symbol] != bound;
      symbols_[symbol] = bound;
    }
    if (!moved) {
      return;
    }
  }
}

}  // namespace sluice::exec
