#include <algorithm>
#include <set>

#include "runtime/artifact/verify.h"
#include "runtime/exec/decode.h"

namespace sluice::exec {
namespace {

using artifact::List;

// Decodes one function; the pieces share the two tables.
class FunctionDecoder {
 public:
  FunctionDecoder(const Program& program, const std::vector<DecodedKernel>& kernels, const fb::Function& from,
                  FunctionDesc& function)
      : program_(program), kernels_(kernels), from_(from), function_(function) {}

  absl::Status Run() {
    function_.name = from_.name()->str();
    Buffers();
    for (const fb::Instr* instr : List(from_.instrs())) {
      RETURN_IF_ERROR(Instr(*instr));
    }
    Ports(List(from_.inputs()), function_.inputs);
    Ports(List(from_.outputs()), function_.outputs);
    for (const fb::BucketPlan* plan : List(from_.plans())) {
      function_.plans.push_back(plan);
    }
    return absl::OkStatus();
  }

 private:
  void Buffers() {
    for (const fb::Buffer* b : List(from_.buffers())) {
      BufferDesc& buffer = function_.buffers.emplace_back();
      buffer.kind = static_cast<BufferKind>(b->kind());
      buffer.index = b->index();
      buffer.bytes = b->bytes();
      buffer.first = b->first();
      buffer.last = b->last();
      buffer.length = static_cast<int64_t>(b->length());
      if (buffer.kind == BufferKind::kConstant) {
        buffer.data = program_.constants.get() + b->offset();
      }
    }
  }

  // Follows aliases to the buffer that owns the bytes; the offsets on the way become a range of alias_offsets.
  int32_t Resolve(int32_t buffer, uint32_t& begin, uint32_t& end) {
    begin = static_cast<uint32_t>(function_.alias_offsets.size());
    while (buffer >= 0) {
      const fb::Buffer& b = *from_.buffers()->Get(static_cast<flatbuffers::uoffset_t>(buffer));
      if (b.kind() != fb::BufferKind::Alias) {
        break;
      }
      if (b.base_offset() >= 0) {
        function_.alias_offsets.push_back(static_cast<uint32_t>(b.base_offset()));
      }
      buffer = b.index();
    }
    end = static_cast<uint32_t>(function_.alias_offsets.size());
    return buffer;
  }

  void View(const fb::View& from) {
    ViewDesc& view = function_.views.emplace_back();
    view.buffer = Resolve(from.buffer(), view.alias_begin, view.alias_end);
    if (view.buffer < 0) {
      return;
    }
    view.dtype = static_cast<DType>(from.dtype());
    view.rank = static_cast<uint8_t>(List(from.sizes()).size());
    view.offset = from.offset();
    view.start = from.start();
    view.dense = List(from.strides()).empty();
    bool constant = view.offset < 0 || program_.slot_constant[view.offset] != 0;
    for (uint32_t d = 0; d < view.rank; ++d) {
      view.sizes[d] = from.sizes()->Get(d);
      constant = constant && program_.slot_constant[view.sizes[d]] != 0;
      if (!view.dense) {
        view.strides[d] = from.strides()->Get(d);
        constant = constant && program_.slot_constant[view.strides[d]] != 0;
      }
    }
    for (uint32_t a = view.alias_begin; a < view.alias_end; ++a) {
      constant = constant && program_.slot_constant[function_.alias_offsets[a]] != 0;
    }
    const BufferDesc& buffer = function_.buffers[view.buffer];
    if (buffer.kind == BufferKind::kWeight) {
      view.layout = program_.weights[buffer.index].layout;
    }
    view.fixed = constant && (buffer.kind == BufferKind::kWeight || buffer.kind == BufferKind::kConstant);
  }

  // Appends a list and says where it is.
  static void Numbers(const flatbuffers::Vector<uint32_t>* from, std::vector<uint32_t>& to, uint32_t& begin,
                      uint32_t& end) {
    begin = static_cast<uint32_t>(to.size());
    for (uint32_t number : List(from)) {
      to.push_back(number);
    }
    end = static_cast<uint32_t>(to.size());
  }

  absl::Status Instr(const fb::Instr& from) {
    InstrDesc& instr = function_.instrs.emplace_back();
    instr.ins = static_cast<uint32_t>(function_.views.size());
    for (const fb::View* v : List(from.ins())) {
      View(*v);
    }
    instr.outs = static_cast<uint32_t>(function_.views.size());
    for (const fb::View* v : List(from.outs())) {
      View(*v);
    }
    instr.end = static_cast<uint32_t>(function_.views.size());
    Numbers(from.params(), function_.params, instr.params_begin, instr.params_end);
    Numbers(from.counts(), function_.counts, instr.counts_begin, instr.counts_end);
    instr.results_begin = static_cast<uint32_t>(function_.results.size());
    const auto triples = List(from.result_symbols());
    for (int64_t i = 0; i < triples.size(); i += 3) {
      function_.results.push_back({triples[i], triples[i + 1], triples[i + 2]});
    }
    instr.results_end = static_cast<uint32_t>(function_.results.size());
    for (const flatbuffers::String* node : List(from.nodes())) {
      instr.nodes.push_back(node->str());
    }
    instr.then_function = from.then_function();
    instr.else_function = from.else_function();
    instr.carried = from.carried();
    switch (from.kind()) {
      case fb::InstrKind::If:
        instr.kind = InstrKind::kIf;
        instr.kernel_name = "if";
        return absl::OkStatus();
      case fb::InstrKind::Loop:
        instr.kind = InstrKind::kLoop;
        instr.kernel_name = "loop";
        instr.loop = function_.loops++;
        return absl::OkStatus();
      case fb::InstrKind::Launch:
        break;
    }
    const DecodedKernel& kernel = kernels_[from.kernel()];
    instr.kernel_name = kernel.name;
    if (!kernel.forms.empty()) {
      instr.kind = InstrKind::kDevice;
      instr.forms = kernel.forms;
      for (size_t f = 0; f < instr.forms.size(); ++f) {  // the table has the last one's first
        const size_t row = (f + 1) % instr.forms.size();
        std::copy_n(from.blocks()->begin() + 3 * row, 3, instr.forms[f].blocks.begin());
      }
      instr.rows = from.rows();
      instr.workspace = from.workspace();
      return absl::OkStatus();
    }
    instr.kind = kernel.kernel != nullptr ? InstrKind::kLaunch : InstrKind::kNative;
    instr.kernel = kernel.kernel;
    instr.config = kernel.config;
    instr.entry = kernel.entry;
    instr.grid = static_cast<uint32_t>(std::max(0, from.grid()));
    return instr.kernel == nullptr ? absl::OkStatus() : CheckOperands(instr);
  }

  // A library kernel reads strides and packed layouts only where its description says so.
  absl::Status CheckOperands(const InstrDesc& instr) const {
    const auto strided = [&](const ViewDesc& v) {
      return !v.dense || (v.buffer >= 0 && function_.buffers[v.buffer].kind == BufferKind::kState);
    };
    for (uint32_t i = instr.ins; i < instr.end; ++i) {
      const bool in = i < instr.outs;
      const uint32_t operand = i - (in ? instr.ins : instr.outs);
      const ViewDesc& view = function_.views[i];
      const uint32_t mask = in ? instr.kernel->strided_ins : instr.kernel->strided_outs;
      if (strided(view) && mask != ~0u && (operand >= 32 || (mask >> operand & 1) == 0)) {
        return absl::InvalidArgumentError(
            absl::StrFormat("%s: kernel '%s' reads no strides of %s %u (compile the model again)",
                            program_.artifact->where(), instr.kernel_name, in ? "operand" : "result", operand));
      }
      if (view.layout != kernels::Layout::kRowMajor) {
        const auto& known = instr.kernel->layouts;
        if (std::none_of(known.begin(), known.end(), [&](const auto& l) {
              return l.operand == static_cast<int>(operand) && l.layout == view.layout;
            })) {
          return absl::InvalidArgumentError(
              absl::StrFormat("%s: kernel '%s' does not read layout %d of operand %u (compile the model again)",
                              program_.artifact->where(), instr.kernel_name, static_cast<int>(view.layout), operand));
        }
      }
    }
    return absl::OkStatus();
  }

  template <typename List>
  void Ports(const List& from, std::vector<PortDesc>& ports) {
    for (const fb::Port* p : from) {
      PortDesc& port = ports.emplace_back();
      port.name = p->name()->str();
      port.dtype = static_cast<DType>(p->dtype());
      for (uint32_t slot : artifact::List(p->sizes())) {
        port.sizes.push_back(slot);
      }
      port.role = p->role() == nullptr ? "" : p->role()->str();
      port.state = p->state();
      port.buffer = Resolve(p->buffer(), port.alias_begin, port.alias_end);
    }
  }

  const Program& program_;
  const std::vector<DecodedKernel>& kernels_;
  const fb::Function& from_;
  FunctionDesc& function_;
};

}  // namespace

absl::Status DecodeFunction(const Program& program, const std::vector<DecodedKernel>& kernels, const fb::Function& from,
                            FunctionDesc& function) {
  return FunctionDecoder(program, kernels, from, function).Run();
}

}  // namespace sluice::exec
