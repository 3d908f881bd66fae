#include "kernels/desc.h"
#include "runtime/artifact/verify.h"
#include "runtime/base/dtype.h"

namespace sluice::artifact {
namespace {

constexpr uint32_t kMaxReach = 65536;

class FunctionVerifier {
 public:
  FunctionVerifier(const fb::Program& program, int64_t index, const std::string& where)
      : program_(program), function_(*List(program.functions())[index]), index_(index), where_(where) {}

  absl::Status Run() {
    RETURN_IF_ERROR(Buffers());
    RETURN_IF_ERROR(Ports(true));
    RETURN_IF_ERROR(Ports(false));
    const auto instrs = List(function_.instrs());
    for (int64_t i = 0; i < instrs.size(); ++i) {
      RETURN_IF_ERROR(Instr(*instrs[i], i));
    }
    return Plans();
  }

 private:
  template <typename... Args>
  absl::Status Bad(const absl::FormatSpec<Args...>& format, const Args&... args) const {
    return absl::InvalidArgumentError(absl::StrCat(where_, ".", absl::StrFormat(format, args...)));
  }
  bool IsSlot(int64_t slot) const { return slot >= 0 && slot < List(program_.exprs()).size(); }
  bool IsSlotOrNone(int64_t slot) const { return slot == -1 || IsSlot(slot); }
  template <typename List>
  bool AreSlots(const List& slots) const {
    for (uint32_t slot : slots) {
      if (!IsSlot(slot)) {
        return false;
      }
    }
    return true;
  }
  int64_t BufferCount() const { return List(function_.buffers()).size(); }

  absl::Status Buffers() const {
    const auto buffers = List(function_.buffers());
    for (int64_t i = 0; i < buffers.size(); ++i) {
      if (!BufferIsFine(*buffers[i], i)) {
        return Bad("buffers[%d]: kind %d, index %d, bytes %d, first %u, last %u", i,
                   static_cast<int>(buffers[i]->kind()), buffers[i]->index(), buffers[i]->bytes(), buffers[i]->first(),
                   buffers[i]->last());
      }
    }
    return absl::OkStatus();
  }

  bool BufferIsFine(const fb::Buffer& b, int64_t i) const {
    const uint64_t constants = static_cast<uint64_t>(List(program_.constants()).size());
    const auto is_index = [&](int64_t size) { return b.index() >= 0 && b.index() < size; };
    switch (b.kind()) {
      case fb::BufferKind::Arena:
        return IsSlot(b.bytes()) && b.first() <= b.last() && b.last() < List(function_.instrs()).size();
      case fb::BufferKind::Weight:
        return is_index(List(program_.weights()).size());
      case fb::BufferKind::Constant:
        return b.offset() <= constants && b.length() <= constants - b.offset();
      case fb::BufferKind::Input:
        return is_index(List(function_.inputs()).size()) && function_.inputs()->Get(b.index())->buffer() == i;
      case fb::BufferKind::Output:
        return is_index(List(function_.outputs()).size()) && function_.outputs()->Get(b.index())->buffer() == i;
      case fb::BufferKind::State:
        return index_ == 0 && is_index(List(program_.states()).size());
      case fb::BufferKind::Alias:
        return is_index(BufferCount()) && IsSlotOrNone(b.base_offset()) && RootBuffer(function_, i) >= 0;
    }
    return false;
  }

  absl::Status Ports(bool inputs) const {
    const auto ports = List(inputs ? function_.inputs() : function_.outputs());
    const auto buffers = List(function_.buffers());
    const char* kind = inputs ? "inputs" : "outputs";
    for (int64_t i = 0; i < ports.size(); ++i) {
      const fb::Port& p = *ports[i];
      if (p.buffer() < 0 || p.buffer() >= BufferCount() || BitWidth(static_cast<DType>(p.dtype())) == 0 ||
          List(p.sizes()).size() > kernels::kMaxRank || !AreSlots(List(p.sizes()))) {
        return Bad("%s[%d] ('%s'): buffer %d, type %d, rank %d", kind, i, p.name()->c_str(), p.buffer(), p.dtype(),
                   List(p.sizes()).size());
      }
      const fb::Buffer& b = *buffers[p.buffer()];
      const bool state = b.kind() == fb::BufferKind::State;
      const bool own = b.kind() == fb::BufferKind::Input && b.index() == i;
      if (inputs && (p.state() >= 0 ? !(state && b.index() == p.state()) : !own)) {
        return Bad("inputs[%d] ('%s'): buffer %d is not its own", i, p.name()->c_str(), p.buffer());
      }
      if (p.state() < -1 || p.state() >= List(program_.states()).size()) {
        return Bad("%s[%d] ('%s'): state %d", kind, i, p.name()->c_str(), p.state());
      }
      if (state) {
        const fb::State& s = *program_.states()->Get(b.index());
        if (p.dtype() != s.dtype() || List(p.sizes()).size() != List(s.sizes()).size()) {
          return Bad("%s[%d] ('%s'): type or rank differ from those of its state", kind, i, p.name()->c_str());
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status View(const fb::View& v, int64_t instr, const char* list, int64_t i) const {
    const auto bad = [&](const char* what) { return Bad("instrs[%d].%s[%d]: %s", instr, list, i, what); };
    if (v.buffer() == -1) {
      return absl::OkStatus();
    }
    if (v.buffer() < 0 || v.buffer() >= BufferCount()) {
      return bad("buffer");
    }
    const auto sizes = List(v.sizes());
    const auto strides = List(v.strides());
    if (BitWidth(static_cast<DType>(v.dtype())) == 0 || sizes.size() > kernels::kMaxRank || !AreSlots(sizes) ||
        !AreSlots(strides) || !IsSlotOrNone(v.offset()) || !IsSlotOrNone(v.start())) {
      return bad("type, rank or slots");
    }
    if (!strides.empty() && strides.size() != sizes.size()) {
      return bad("as many strides as sizes, or none");
    }
    const int64_t root = RootBuffer(function_, v.buffer());
    const fb::Buffer& b = *function_.buffers()->Get(root);
    if (b.kind() == fb::BufferKind::Arena && (instr < b.first() || instr > b.last())) {
      return bad("outside the life of its buffer");
    }
    if (b.kind() == fb::BufferKind::State) {
      const fb::State& s = *program_.states()->Get(b.index());
      if (root != v.buffer() || v.dtype() != s.dtype() || sizes.size() != List(s.sizes()).size() || !strides.empty() ||
          v.offset() != -1) {
        return bad("a view of a state has its type and rank, no strides and no offset");
      }
    } else if (v.start() != -1) {
      return bad("start, on a buffer that is no state");
    }
    const bool written = list[0] == 'o';
    if (written && (b.kind() == fb::BufferKind::Weight || b.kind() == fb::BufferKind::Constant ||
                    b.kind() == fb::BufferKind::Input)) {
      return bad("writes to a weight, a constant or an input");
    }
    return absl::OkStatus();
  }

  absl::Status Instr(const fb::Instr& instr, int64_t at) const {
    const auto ins = List(instr.ins());
    const auto outs = List(instr.outs());
    for (int64_t i = 0; i < ins.size(); ++i) {
      RETURN_IF_ERROR(View(*ins[i], at, "ins", i));
    }
    for (int64_t i = 0; i < outs.size(); ++i) {
      RETURN_IF_ERROR(View(*outs[i], at, "outs", i));
    }
    RETURN_IF_ERROR(Symbols(instr, at));
    switch (instr.kind()) {
      case fb::InstrKind::Launch:
        return Launch(instr, at);
      case fb::InstrKind::If:
        if (ins.empty() || ins[0]->buffer() < 0 || !IsBool(*ins[0])) {
          return Bad("instrs[%d]: its condition is not a bool", at);
        }
        RETURN_IF_ERROR(Call(instr, at, instr.then_function(), 0));
        return Call(instr, at, instr.else_function(), 0);
      case fb::InstrKind::Loop:
        if (ins.size() < 2 + static_cast<int64_t>(instr.carried()) ||
            (ins[0]->buffer() >= 0 && static_cast<DType>(ins[0]->dtype()) != DType::kI64) ||
            (ins[1]->buffer() >= 0 && !IsBool(*ins[1]))) {
          return Bad("instrs[%d]: trip count (i64), condition (bool) or carried values", at);
        }
        return Call(instr, at, instr.then_function(), static_cast<int64_t>(instr.carried()));
    }
    return Bad("instrs[%d]: kind %d is unknown", at, static_cast<int>(instr.kind()));
  }

  static bool IsBool(const fb::View& v) { return static_cast<DType>(v.dtype()) == DType::kBool; }

  absl::Status Symbols(const fb::Instr& instr, int64_t at) const {
    const auto symbols = List(program_.symbols());
    for (uint32_t s : List(instr.counts())) {
      if (s >= symbols.size() || symbols[s]->kind() != fb::SymbolKind::Counted) {
        return Bad("instrs[%d].counts: symbol %u", at, s);
      }
    }
    const auto triples = List(instr.result_symbols());
    if (triples.size() % 3 != 0 ||
        (instr.kind() == fb::InstrKind::Launch ? !triples.empty() : !List(instr.counts()).empty())) {
      return Bad("instrs[%d]: counts belong to launches, result_symbols (triples) to calls", at);
    }
    for (int64_t i = 0; i < triples.size(); i += 3) {
      const uint32_t result = triples[i];
      const uint32_t symbol = triples[i + 2];
      if (result >= List(instr.outs()).size() || triples[i + 1] >= List(instr.outs()->Get(result)->sizes()).size() ||
          symbol >= symbols.size() || symbols[symbol]->kind() != fb::SymbolKind::Result) {
        return Bad("instrs[%d].result_symbols: result %u, dimension %u, symbol %u", at, result, triples[i + 1], symbol);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Launch(const fb::Instr& instr, int64_t at) const {
    if (instr.kernel() < 0 || instr.kernel() >= List(program_.kernels()).size()) {
      return Bad("instrs[%d]: kernel %d", at, instr.kernel());
    }
    const fb::Kernel& kernel = *program_.kernels()->Get(instr.kernel());
    if (kernel.cuda() != nullptr) {
      return CudaLaunch(*kernel.cuda(), instr, at);
    }
    if (!kernel.library() &&
        (!IsSlot(instr.grid()) || !AreSlots(List(instr.params())) || List(program_.libraries()).empty())) {
      return Bad("instrs[%d]: a generated kernel needs a grid, params and a library", at);
    }
    return absl::OkStatus();
  }

  // Parameters name operands and numbers of this launch; a map's dimensions are runs of its operand's, all of them.
  absl::Status CudaLaunch(const fb::CudaKernel& kernel, const fb::Instr& instr, int64_t at) const {
    const auto smaller = List(kernel.smaller());
    if (List(instr.blocks()).size() != 3 * (1 + smaller.size()) || !AreSlots(List(instr.blocks())) ||
        !IsSlotOrNone(instr.workspace()) || !AreSlots(List(instr.params()))) {
      return Bad("instrs[%d]: a kernel on a GPU needs three slots of blocks, and slots for workspace and params", at);
    }
    if (!smaller.empty() && !IsSlot(instr.rows())) {
      return Bad("instrs[%d]: a kernel with forms for few rows needs a slot of rows", at);
    }
    if (!List(instr.counts()).empty()) {
      return Bad("instrs[%d]: a kernel on a GPU writes no sizes", at);
    }
    RETURN_IF_ERROR(CudaParams(kernel, instr, at));
    for (const fb::CudaKernel* few : smaller) {
      RETURN_IF_ERROR(CudaParams(*few, instr, at));
    }
    return absl::OkStatus();
  }

  absl::Status CudaParams(const fb::CudaKernel& kernel, const fb::Instr& instr, int64_t at) const {
    const int64_t ins = List(instr.ins()).size();
    const int64_t operands = ins + List(instr.outs()).size();
    for (const fb::CudaParam* p : List(kernel.params())) {
      const bool number = p->kind() == fb::CudaParamKind::Number;
      const bool absent = p->kind() == fb::CudaParamKind::Operand && p->operand() == kAbsentOperand;
      const bool operand =
          !absent && (p->kind() == fb::CudaParamKind::Operand || p->kind() == fb::CudaParamKind::Address ||
                      p->kind() == fb::CudaParamKind::TensorMap);
      if ((number && p->operand() >= List(instr.params()).size()) || (operand && p->operand() >= operands)) {
        return Bad("instrs[%d]: a parameter names %s %u", at, number ? "number" : "operand", p->operand());
      }
      if (p->kind() == fb::CudaParamKind::TensorMap) {
        const fb::View& view = p->operand() < ins ? *instr.ins()->Get(p->operand())
                                                  : *instr.outs()->Get(static_cast<uint32_t>(p->operand() - ins));
        RETURN_IF_ERROR(Runs(*p, view, at));
        if (p->reach() > 0 && (p->operand() >= ins || p->reach() > kMaxReach || List(p->runs()).size() < 4 ||
                               List(p->windows()).size() > 0)) {
          return Bad("instrs[%d]: a tensor map of operand %u cannot reach on by %u rows", at, p->operand(), p->reach());
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status Runs(const fb::CudaParam& p, const fb::View& view, int64_t at) const {
    const auto runs = List(p.runs());
    const auto windows = List(p.windows());
    const int64_t rank = runs.size() / 2, box = windows.size() == 0 ? rank : 2;
    int64_t next = 0;
    bool fine = runs.size() % 2 == 0 && box == List(p.box()).size() &&
                (windows.size() == 0 || (rank > 2 && windows.size() == 3 * (rank - 2)));
    for (int64_t i = 0; fine && i < runs.size(); i += 2) {
      fine = runs[i] == next && runs[i + 1] >= runs[i];
      next = runs[i + 1] + 1;
    }
    if (!fine || next != List(view.sizes()).size()) {
      return Bad("instrs[%d]: a tensor map whose dimensions are not those of operand %u", at, p.operand());
    }
    return absl::OkStatus();
  }

  static bool Matches(const fb::Port& port, const fb::View& view, int64_t extra_rank) {
    return view.buffer() >= 0 && port.dtype() == view.dtype() &&
           List(port.sizes()).size() + extra_rank == List(view.sizes()).size();
  }

  // If: function(arguments…) gives the results.  Loop: function(iteration, condition, carried…, captured…) gives
  // (condition, carried…, scanned…), of which the call's results are all but the first, scanned ones with one rank
  // more.
  absl::Status Call(const fb::Instr& instr, int64_t at, int64_t callee, int64_t carried) const {
    const auto functions = List(program_.functions());
    if (callee <= 0 || callee >= functions.size()) {
      return Bad("instrs[%d]: calls function %d", at, callee);
    }
    const bool loop = instr.kind() == fb::InstrKind::Loop;
    const auto inputs = List(functions[callee]->inputs());
    const auto outputs = List(functions[callee]->outputs());
    const auto ins = List(instr.ins());
    const auto outs = List(instr.outs());
    const int64_t skip_in = loop ? 2 : 0;  // of the function's inputs
    const int64_t first_in = loop ? 2 : 1;
    const int64_t skip_out = loop ? 1 : 0;
    if (inputs.size() - skip_in != ins.size() - first_in || outputs.size() - skip_out != outs.size() ||
        outs.size() < carried) {
      return Bad("instrs[%d]: calls function %d with other numbers of arguments or results", at, callee);
    }
    for (int64_t i = 0; i + first_in < ins.size(); ++i) {
      if (!Matches(*inputs[i + skip_in], *ins[i + first_in], 0)) {
        return Bad("instrs[%d].ins[%d]: type or rank differ from the input of function %d", at, i + first_in, callee);
      }
    }
    for (int64_t i = 0; i < outs.size(); ++i) {
      if (!Matches(*outputs[i + skip_out], *outs[i], loop && i >= carried ? 1 : 0)) {
        return Bad("instrs[%d].outs[%d]: type or rank differ from the output of function %d", at, i, callee);
      }
    }
    if (loop && (static_cast<DType>(inputs[0]->dtype()) != DType::kI64 ||
                 static_cast<DType>(inputs[1]->dtype()) != DType::kBool ||
                 static_cast<DType>(outputs[0]->dtype()) != DType::kBool)) {
      return Bad("instrs[%d]: function %d is no loop body", at, callee);
    }
    return absl::OkStatus();
  }

  absl::Status Plans() const {
    const auto plans = List(function_.plans());
    for (int64_t i = 0; i < plans.size(); ++i) {
      const fb::BucketPlan& p = *plans[i];
      if (List(p.symbols()).size() != List(program_.symbols()).size() || List(p.offsets()).size() != BufferCount() ||
          p.arena() > (uint64_t{1} << 56)) {
        return Bad("plans[%d]: one bound a symbol, one offset a buffer", i);
      }
      for (int64_t b = 0; b < BufferCount(); ++b) {
        const int64_t offset = p.offsets()->Get(static_cast<flatbuffers::uoffset_t>(b));
        const bool arena = function_.buffers()->Get(b)->kind() == fb::BufferKind::Arena;
        const bool inside = offset >= 0 && offset % kArenaAlignment == 0 && static_cast<uint64_t>(offset) <= p.arena();
        if (offset != -1 && !(arena && inside)) {  // -1 in the arena: planned once a call's result decides its size
          return Bad("plans[%d].offsets[%d]: %d", i, b, offset);
        }
      }
    }
    return absl::OkStatus();
  }

  const fb::Program& program_;
  const fb::Function& function_;
  int64_t index_;
  const std::string& where_;
};

}  // namespace

int64_t RootBuffer(const fb::Function& function, int64_t buffer) {
  const auto buffers = List(function.buffers());
  for (int64_t steps = 0; steps <= buffers.size(); ++steps) {
    if (buffer < 0 || buffer >= buffers.size()) {
      return -1;
    }
    if (buffers[buffer]->kind() != fb::BufferKind::Alias) {
      return buffer;
    }
    buffer = buffers[buffer]->index();
  }
  return -1;
}

absl::Status VerifyFunction(const fb::Program& program, int64_t index, const std::string& where) {
  return FunctionVerifier(program, index, where).Run();
}

}  // namespace sluice::artifact
