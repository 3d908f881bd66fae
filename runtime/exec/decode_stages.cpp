#include <algorithm>
#include <set>

#include "runtime/artifact/verify.h"
#include "runtime/exec/decode.h"

namespace sluice::exec {
namespace {

using Op = plan::ExprProgram::Op;

class StageAssigner {
 public:
  StageAssigner(const Program& program, FunctionDesc& function) : program_(program), function_(function) {}

  absl::Status Run() {
    symbol_stage_.assign(program_.symbols.size(), 0);
    call_of_stage_ = {-1};
    for (size_t i = 0; i < function_.instrs.size(); ++i) {
      InstrDesc& instr = function_.instrs[i];
      if (instr.results_begin < instr.results_end) {
        instr.begins_stage = static_cast<int32_t>(call_of_stage_.size());
        call_of_stage_.push_back(static_cast<int64_t>(i));
        for (uint32_t r = instr.results_begin; r < instr.results_end; ++r) {
          symbol_stage_[function_.results[r].symbol] = instr.begins_stage;
        }
      }
    }
    function_.stages.resize(call_of_stage_.size());
    StagesOfSlots();
    RETURN_IF_ERROR(Buffers());
    RETURN_IF_ERROR(Workspaces());
    Counted();
    Monitored();
    Binds();
    return absl::OkStatus();
  }

 private:
  // A Counted symbol is known (as its bound) when its bound is; bounds are slots, so this repeats until nothing moves.
  void StagesOfSlots() {
    const auto& code = program_.exprs.code();
    slot_stage_.assign(code.size(), 0);
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t i = 0; i < code.size(); ++i) {
        int32_t stage = 0;
        if (code[i].op == Op::kSymbol) {
          stage = symbol_stage_[code[i].a];
        } else if (code[i].op != Op::kConst) {
          stage = std::max(slot_stage_[code[i].a], slot_stage_[code[i].b]);
        }
        moved = moved || stage != slot_stage_[i];
        slot_stage_[i] = stage;
      }
      for (size_t s = 0; s < program_.symbols.size(); ++s) {
        const SymbolDesc& symbol = program_.symbols[s];
        if (symbol.kind == SymbolKind::kCounted && slot_stage_[symbol.bound] > symbol_stage_[s]) {
          symbol_stage_[s] = slot_stage_[symbol.bound];
          moved = true;
        }
      }
    }
  }

  absl::Status TooEarly(const std::string& what) const {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: function '%s': %s is used before the call that decides its size",
                        program_.artifact->where(), function_.name, what));
  }

  absl::Status Buffers() {
    for (size_t b = 0; b < function_.buffers.size(); ++b) {
      BufferDesc& buffer = function_.buffers[b];
      if (buffer.kind == BufferKind::kArena) {
        buffer.stage = slot_stage_[buffer.bytes];
        if (static_cast<int64_t>(buffer.first) < call_of_stage_[buffer.stage]) {
          return TooEarly(absl::StrCat("buffer ", b));
        }
        function_.stages[buffer.stage].arena.push_back(static_cast<uint32_t>(b));
      } else if (buffer.kind == BufferKind::kOutput) {
        for (uint32_t slot : function_.outputs[buffer.index].sizes) {
          buffer.stage = std::max(buffer.stage, slot_stage_[slot]);
        }
        function_.stages[buffer.stage].outputs.push_back(static_cast<uint32_t>(b));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Workspaces() {
    for (size_t i = 0; i < function_.instrs.size(); ++i) {
      InstrDesc& instr = function_.instrs[i];
      instr.counts_any = instr.counts_begin < instr.counts_end;
      if (instr.kind != InstrKind::kLaunch && instr.kind != InstrKind::kDevice) {
        continue;
      }
      for (uint32_t v = instr.ins; v < instr.end; ++v) {
        const ViewDesc& view = function_.views[v];
        for (uint32_t d = 0; d < view.rank; ++d) {
          instr.stage = std::max(instr.stage, slot_stage_[view.sizes[d]]);
        }
      }
      if (static_cast<int64_t>(i) <= call_of_stage_[instr.stage]) {
        return TooEarly(absl::StrFormat("an operand of instruction %d", i));
      }
      if (instr.kernel != nullptr && instr.kernel->workspace != nullptr) {
        function_.stages[instr.stage].workspace.push_back(static_cast<uint32_t>(i));
      }
    }
    return absl::OkStatus();
  }

  void Counted() {
    for (uint32_t symbol : function_.counts) {
      function_.stages[symbol_stage_[symbol]].counted.push_back(symbol);
    }
  }

  void Monitored() {
    for (StageDesc& stage : function_.stages) {
      std::set<uint32_t> slots;
      // Caches are planned with the arena: both grow at the same step.
      if (&stage == &program_.functions.front().stages.front()) {
        for (const StateDesc& state : program_.states) {
          slots.insert({state.length_before, state.length_after});
        }
      }
      for (uint32_t b : stage.arena) {
        slots.insert(static_cast<uint32_t>(function_.buffers[b].bytes));
      }
      for (uint32_t i : stage.workspace) {
        for (uint32_t v = function_.instrs[i].ins; v < function_.instrs[i].end; ++v) {
          const ViewDesc& view = function_.views[v];
          slots.insert(view.sizes.begin(), view.sizes.begin() + view.rank);
        }
      }
      MonitorDevice(static_cast<int32_t>(&stage - function_.stages.data()), slots);
      for (uint32_t slot : slots) {
        if (program_.slot_constant[slot] == 0) {
          stage.monitored.push_back(slot);
        }
      }
    }
  }

  void MonitorForm(const InstrDesc& instr, const DeviceForm& form, std::set<uint32_t>& slots) const {
    slots.insert(form.blocks.begin(), form.blocks.end());
    for (const fb::CudaParam* param : artifact::List(form.cuda->params())) {
      if (param->kind() == fb::CudaParamKind::TensorMap) {
        const ViewDesc& view = function_.views[instr.ins + param->operand()];
        slots.insert(view.sizes.begin(), view.sizes.begin() + view.rank);
      }
    }
  }

  // What a CUDA graph is built for: grids, workspaces, the sizes of tensor maps, and room for what the caller gives and
  // takes.
  void MonitorDevice(int32_t stage, std::set<uint32_t>& slots) const {
    for (const InstrDesc& instr : function_.instrs) {
      if (instr.kind != InstrKind::kDevice || instr.stage != stage) {
        continue;
      }
      for (const DeviceForm& form : instr.forms) {
        MonitorForm(instr, form, slots);
      }
      for (const int32_t slot : {instr.workspace, instr.rows}) {
        if (slot >= 0) {
          slots.insert(static_cast<uint32_t>(slot));
        }
      }
    }
    if (function_.segments.empty()) {
      return;
    }
    for (const PortDesc& port : function_.inputs) {
      if (stage == 0) {
        slots.insert(port.sizes.begin(), port.sizes.end());
      }
    }
    for (uint32_t b : function_.stages[stage].outputs) {
      const PortDesc& port = function_.outputs[function_.buffers[b].index];
      slots.insert(port.sizes.begin(), port.sizes.end());
    }
  }

  // Symbols that only this function's arguments know: not @main's, not counted, not results of a call.
  void Binds() {
    std::set<uint32_t> results;
    for (const FunctionDesc& f : program_.functions) {
      for (const ResultSymbol& r : f.results) {
        results.insert(r.symbol);
      }
    }
    std::set<uint32_t> bound;
    for (size_t i = 0; i < function_.inputs.size(); ++i) {
      const PortDesc& port = function_.inputs[i];
      for (size_t d = 0; d < port.sizes.size(); ++d) {
        const int32_t symbol = program_.slot_symbol[port.sizes[d]];
        if (symbol >= 0 && program_.main_binds[symbol] == 0 && results.count(symbol) == 0 &&
            program_.symbols[symbol].kind != SymbolKind::kCounted && bound.insert(symbol).second) {
          function_.binds.push_back(
              {static_cast<uint32_t>(i), static_cast<uint32_t>(d), static_cast<uint32_t>(symbol)});
        }
      }
    }
  }

  const Program& program_;
  FunctionDesc& function_;
  std::vector<int32_t> symbol_stage_;
  std::vector<int32_t> slot_stage_;
  std::vector<int64_t> call_of_stage_;
};

}  // namespace

absl::Status AssignStages(const Program& program, FunctionDesc& function) {
  return StageAssigner(program, function).Run();
}

}  // namespace sluice::exec
