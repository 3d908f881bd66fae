#include "test/runtime/artifact_builder.h"

#include <algorithm>
#include <utility>

#include "runtime/artifact/format.h"
#include "runtime/artifact/verify.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"

namespace sluice::test {

FunctionBuilder::FunctionBuilder(ArtifactBuilder& owner, std::string name)
    : owner_(owner), index_(static_cast<int>(owner.program.functions.size())) {
  auto function = std::make_unique<fb::FunctionT>();
  function->name = std::move(name);
  owner.program.functions.push_back(std::move(function));
}

fb::FunctionT& FunctionBuilder::function() { return *owner_.program.functions[index_]; }

int FunctionBuilder::AddBuffer(fb::BufferT buffer) {
  function().buffers.push_back(std::make_unique<fb::BufferT>(buffer));
  return static_cast<int>(function().buffers.size()) - 1;
}

std::unique_ptr<fb::PortT> FunctionBuilder::Port(const std::string& name, DType dtype, const Dims& dims,
                                                 const std::string& role, int buffer) {
  auto port = std::make_unique<fb::PortT>();
  port->name = name;
  port->dtype = static_cast<uint8_t>(dtype);
  port->sizes = owner_.Slots(dims);
  port->role = role;
  port->buffer = buffer;
  return port;
}

int FunctionBuilder::Input(const std::string& name, DType dtype, const Dims& dims, const std::string& role) {
  fb::BufferT buffer;
  buffer.kind = fb::BufferKind::Input;
  buffer.index = static_cast<int>(function().inputs.size());
  const int index = AddBuffer(buffer);
  function().inputs.push_back(Port(name, dtype, dims, role, index));
  return index;
}

int FunctionBuilder::Output(const std::string& name, DType dtype, const Dims& dims, const std::string& role) {
  fb::BufferT buffer;
  buffer.kind = fb::BufferKind::Output;
  buffer.index = static_cast<int>(function().outputs.size());
  const int index = AddBuffer(buffer);
  function().outputs.push_back(Port(name, dtype, dims, role, index));
  return index;
}

int FunctionBuilder::OutputPort(const std::string& name, DType dtype, const Dims& dims, int buffer,
                                const std::string& role) {
  function().outputs.push_back(Port(name, dtype, dims, role, buffer));
  return buffer;
}

int FunctionBuilder::Arena(const std::string& bytes) {
  fb::BufferT buffer;
  buffer.kind = fb::BufferKind::Arena;
  buffer.bytes = static_cast<int>(owner_.Slot(bytes));
  return AddBuffer(buffer);
}

int FunctionBuilder::Weight(int weight) {
  fb::BufferT buffer;
  buffer.kind = fb::BufferKind::Weight;
  buffer.index = weight;
  return AddBuffer(buffer);
}

int FunctionBuilder::Constant(const std::vector<uint8_t>& bytes) {
  std::vector<uint8_t>& all = owner_.program.constants;
  all.resize((all.size() + 63) / 64 * 64);
  fb::BufferT buffer;
  buffer.kind = fb::BufferKind::Constant;
  buffer.offset = all.size();
  buffer.length = bytes.size();
  all.insert(all.end(), bytes.begin(), bytes.end());
  return AddBuffer(buffer);
}

int FunctionBuilder::State(int state) {
  fb::BufferT buffer;
  buffer.kind = fb::BufferKind::State;
  buffer.index = state;
  return AddBuffer(buffer);
}

int FunctionBuilder::Alias(int of, const std::string& base_offset) {
  fb::BufferT buffer;
  buffer.kind = fb::BufferKind::Alias;
  buffer.index = of;
  buffer.base_offset = static_cast<int>(owner_.Slot(base_offset));
  return AddBuffer(buffer);
}

ViewPtr FunctionBuilder::View(int buffer, const Dims& sizes, DType dtype, const std::string& offset,
                              const std::string& start) {
  auto view = std::make_unique<fb::ViewT>();
  view->buffer = buffer;
  view->dtype = static_cast<uint8_t>(dtype);
  view->sizes = owner_.Slots(sizes);
  view->offset = offset.empty() ? -1 : static_cast<int>(owner_.Slot(offset));
  view->start = start.empty() ? -1 : static_cast<int>(owner_.Slot(start));
  return view;
}

fb::InstrT& FunctionBuilder::Launch(int kernel, std::vector<ViewPtr> ins, std::vector<ViewPtr> outs) {
  auto instr = std::make_unique<fb::InstrT>();
  instr->kernel = kernel;
  instr->ins = std::move(ins);
  instr->outs = std::move(outs);
  instr->nodes.push_back("node_" + std::to_string(function().instrs.size()));
  function().instrs.push_back(std::move(instr));
  return *function().instrs.back();
}

fb::InstrT& FunctionBuilder::Native(const std::string& entry, std::vector<ViewPtr> ins, std::vector<ViewPtr> outs,
                                    const std::string& grid, const Dims& params) {
  fb::InstrT& instr = Launch(owner_.NativeKernel(entry), std::move(ins), std::move(outs));
  instr.grid = static_cast<int>(owner_.Slot(grid));
  instr.params = owner_.Slots(params);
  return instr;
}

fb::InstrT& FunctionBuilder::If(std::vector<ViewPtr> ins, std::vector<ViewPtr> outs, int then_function,
                                int else_function) {
  fb::InstrT& instr = Launch(-1, std::move(ins), std::move(outs));
  instr.kind = fb::InstrKind::If;
  instr.then_function = then_function;
  instr.else_function = else_function;
  return instr;
}

fb::InstrT& FunctionBuilder::Loop(std::vector<ViewPtr> ins, std::vector<ViewPtr> outs, int body, int carried) {
  fb::InstrT& instr = Launch(-1, std::move(ins), std::move(outs));
  instr.kind = fb::InstrKind::Loop;
  instr.then_function = body;
  instr.carried = static_cast<uint32_t>(carried);
  return instr;
}

ArtifactBuilder::ArtifactBuilder() {
  program.target = "cpu";
  program.producer = "test";
}

FunctionBuilder& ArtifactBuilder::Function(const std::string& name) { return functions_.emplace_back(*this, name); }

uint32_t ArtifactBuilder::Symbol(const std::string& name, fb::SymbolKind kind) {
  const auto [it, made] = symbols_.insert({name, static_cast<uint32_t>(symbols_.size())});
  if (made) {
    auto symbol = std::make_unique<fb::SymbolT>();
    symbol->name = name;
    symbol->kind = kind;
    program.symbols.push_back(std::move(symbol));
  }
  return it->second;
}

uint32_t ArtifactBuilder::Slot(const std::string& text) {
  const plan::SizeExpr expr = plan::SizeExpr::Parse(text).value();
  for (const std::string& name : expr.Symbols()) {
    Symbol(name);
  }
  return exprs_.Add(expr, symbols_);
}

std::vector<uint32_t> ArtifactBuilder::Slots(const Dims& dims) {
  std::vector<uint32_t> slots;
  for (const std::string& dim : dims) {
    slots.push_back(Slot(dim));
  }
  return slots;
}

void ArtifactBuilder::Assume(const std::string& left, int relation, const std::string& right, int function) {
  auto assumption = std::make_unique<fb::AssumptionT>();
  assumption->left = Slot(left);
  assumption->right = Slot(right);
  assumption->relation = static_cast<uint8_t>(relation);
  const char* names[] = {" == ", " != ", " >= "};
  assumption->text = left + names[relation] + right;
  assumption->function = function;
  program.assumptions.push_back(std::move(assumption));
}

int ArtifactBuilder::Kernel(const std::string& name, std::vector<kernels::Attr> attrs) {
  auto kernel = std::make_unique<fb::KernelT>();
  kernel->name = name;
  kernel->library = true;
  for (const kernels::Attr& a : attrs) {
    auto attr = std::make_unique<fb::AttrT>();
    attr->name = a.name;
    attr->kind = static_cast<uint8_t>(a.value.index());
    if (const int64_t* i = std::get_if<0>(&a.value)) {
      attr->i = *i;
    } else if (const double* f = std::get_if<1>(&a.value)) {
      attr->f = *f;
    } else if (const std::string* s = std::get_if<2>(&a.value)) {
      attr->s = *s;
    } else if (const std::vector<int64_t>* is = std::get_if<3>(&a.value)) {
      attr->is = *is;
    } else {
      attr->fs = std::get<4>(a.value);
    }
    kernel->attrs.push_back(std::move(attr));
  }
  program.kernels.push_back(std::move(kernel));
  return static_cast<int>(program.kernels.size()) - 1;
}

int ArtifactBuilder::NativeKernel(const std::string& entry) {
  for (size_t i = 0; i < program.kernels.size(); ++i) {
    if (!program.kernels[i]->library && program.kernels[i]->name == entry) {
      return static_cast<int>(i);
    }
  }
  const int kernel = Kernel(entry);
  program.kernels[kernel]->library = false;
  return kernel;
}

int ArtifactBuilder::Weight(const std::string& name, DType dtype, const std::vector<int64_t>& sizes,
                            const std::vector<uint8_t>& bytes) {
  auto weight = std::make_unique<fb::WeightT>();
  weight->name = name;
  weight->dtype = static_cast<uint8_t>(dtype);
  weight->sizes = sizes;
  weight->bytes = bytes.size();
  program.weights.push_back(std::move(weight));
  weight_bytes_.push_back(bytes);
  return static_cast<int>(program.weights.size()) - 1;
}

int ArtifactBuilder::State(const std::string& name, DType dtype, const Dims& past, const Dims& present, int axis) {
  FunctionBuilder& main = functions_.front();
  const int index = static_cast<int>(program.states.size());
  auto state = std::make_unique<fb::StateT>();
  state->name = name;
  state->component = "k";
  state->dtype = static_cast<uint8_t>(dtype);
  state->sizes = Slots(past);
  state->axis = axis;
  state->input = static_cast<int>(main.function().inputs.size());
  state->output = static_cast<int>(main.function().outputs.size());
  state->length_before = Slot(past[axis]);
  state->length_after = Slot(present[axis]);
  program.states.push_back(std::move(state));
  const int buffer = main.State(index);
  main.function().inputs.push_back(main.Port("past." + name, dtype, past, "state", buffer));
  main.function().inputs.back()->state = index;
  main.function().outputs.push_back(main.Port("present." + name, dtype, present, "state", buffer));
  main.function().outputs.back()->state = index;
  return buffer;
}

// first and last of each Arena buffer: the instructions that touch it or an alias of it.
void ArtifactBuilder::SetLiveRanges() {
  for (const std::unique_ptr<fb::FunctionT>& function : program.functions) {
    std::vector<bool> touched(function->buffers.size(), false);
    for (size_t i = 0; i < function->instrs.size(); ++i) {
      const auto touch = [&](const std::vector<ViewPtr>& views) {
        for (const ViewPtr& view : views) {
          int b = view->buffer;
          while (b >= 0 && function->buffers[b]->kind == fb::BufferKind::Alias) {
            b = function->buffers[b]->index;
          }
          if (b >= 0) {
            fb::BufferT& buffer = *function->buffers[b];
            buffer.first = touched[b] ? buffer.first : static_cast<uint32_t>(i);
            buffer.last = static_cast<uint32_t>(i);
            touched[b] = true;
          }
        }
      };
      touch(function->instrs[i]->ins);
      touch(function->instrs[i]->outs);
    }
  }
}

std::vector<uint8_t> ArtifactBuilder::Finish(const std::map<std::string, std::vector<uint8_t>>& libraries) {
  SetLiveRanges();
  program.exprs.clear();
  for (const plan::ExprProgram::Instr& e : exprs_.code()) {
    program.exprs.emplace_back(static_cast<uint8_t>(e.op), e.a, e.b);
  }
  std::vector<uint8_t> file(artifact::kBlobAlignment, 0);
  const auto append = [&](const std::vector<uint8_t>& bytes) {
    auto chunk = std::make_unique<fb::ChunkT>();
    chunk->offset = file.size();
    file.insert(file.end(), bytes.begin(), bytes.end());
    file.resize((file.size() + artifact::kBlobAlignment - 1) / artifact::kBlobAlignment * artifact::kBlobAlignment, 0);
    chunk->length = file.size() - chunk->offset;
    chunk->hash = Hash64(file.data() + chunk->offset, chunk->length);
    return chunk;
  };
  for (size_t w = 0; w < program.weights.size(); ++w) {
    if (program.weights[w]->chunks.empty() && program.weights[w]->pack.empty()) {
      program.weights[w]->chunks.push_back(append(weight_bytes_[w]));
    }
  }
  for (const auto& [isa, code] : libraries) {
    auto library = std::make_unique<fb::LibraryT>();
    library->isa = isa;
    library->chunk = append(code);
    program.libraries.push_back(std::move(library));
  }
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Program::Pack(builder, &program));
  artifact::Header header;
  header.program_offset = file.size();
  header.program_length = builder.GetSize();
  header.program_hash = Hash64(builder.GetBufferPointer(), builder.GetSize());
  file.insert(file.end(), builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  header.file_length = file.size();
  const auto head = artifact::SerializeHeader(header);
  std::copy(head.begin(), head.end(), file.begin());
  return file;
}

int CudaKernel(ArtifactBuilder& b, const std::string& entry,
               const std::vector<std::pair<fb::CudaParamKind, int>>& params) {
  const int index = b.Kernel(entry);
  fb::KernelT& kernel = *b.program.kernels[index];
  kernel.library = false;
  kernel.cuda = std::make_unique<fb::CudaKernelT>();
  kernel.cuda->entry = entry;
  kernel.cuda->block = 256;
  for (const auto& [kind, operand] : params) {
    auto param = std::make_unique<fb::CudaParamT>();
    param->kind = kind;
    param->operand = static_cast<uint32_t>(operand);
    kernel.cuda->params.push_back(std::move(param));
  }
  b.program.target = "cuda-sm90a";
  b.program.compute_capability = 90;
  b.program.driver = 13000;
  return index;
}

}  // namespace sluice::test
