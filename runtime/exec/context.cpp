#include "runtime/exec/context.h"

#include <algorithm>

#include "runtime/exec/copy.h"
#include "runtime/exec/decode.h"

namespace sluice::exec {

using kernels::Tensor;

Context::Context(std::shared_ptr<const Model> model, std::unique_ptr<DeviceEngine> device)
    : model_(std::move(model)),
      engine_(model_->program(), model_->weights(), model_->pool(), std::move(device)),
      state_sizes_(model_->program().states.size()),
      given_(model_->program().main().outputs.size()) {
  for (size_t i = 0; i < model_->outputs().size(); ++i) {
    kept_.emplace_back(&engine_.counters);
  }
}

absl::StatusOr<std::unique_ptr<Context>> Context::Create(std::shared_ptr<const Model> model) {
  std::unique_ptr<DeviceEngine> device;
  if (model->device() != nullptr) {
    ASSIGN_OR_RETURN(device, DeviceEngine::Create(*model->device(), model->program().states.size()));
  }
  return std::unique_ptr<Context>(new Context(std::move(model), std::move(device)));
}

absl::Status Context::CheckInputs(std::span<const Tensor> inputs, bool with_data) const {
  const std::vector<PortDesc>& ports = model_->inputs();
  if (inputs.size() != ports.size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("inputs: %d given, the model has %d", inputs.size(), ports.size()));
  }
  for (size_t i = 0; i < ports.size(); ++i) {
    const PortDesc& port = ports[i];
    const Tensor& t = inputs[i];
    if (!t.present()) {
      if (port.state >= 0) {
        continue;
      }
      return absl::InvalidArgumentError(absl::StrFormat("input '%s': missing; it takes %s %s", port.name,
                                                        Name(port.dtype), model_->program().SizesText(port.sizes)));
    }
    if (t.dtype != port.dtype) {
      return absl::InvalidArgumentError(
          absl::StrFormat("input '%s': element type %s, it must be %s", port.name, Name(t.dtype), Name(port.dtype)));
    }
    int64_t elements = 1;
    for (int d = 0; d < t.rank; ++d) {
      if (t.sizes[d] < 0 || __builtin_mul_overflow(elements, t.sizes[d], &elements) || elements > (int64_t{1} << 56)) {
        return absl::InvalidArgumentError(absl::StrFormat("input '%s': dimension %d is %d", port.name, d, t.sizes[d]));
      }
    }
    // One element may be given where a scalar is asked for: ONNX data sets write scalars as [1].
    const bool scalar = port.sizes.empty() && elements == 1;
    if (t.rank != static_cast<int>(port.sizes.size()) && !scalar) {
      return absl::InvalidArgumentError(absl::StrFormat("input '%s': %d dimensions, it must have %d: %s", port.name,
                                                        t.rank, port.sizes.size(),
                                                        model_->program().SizesText(port.sizes)));
    }
    if (with_data && t.data == nullptr && elements > 0) {
      return absl::InvalidArgumentError(absl::StrFormat("input '%s': no data", port.name));
    }
  }
  return absl::OkStatus();
}

// False where an input of role `branch` is.  Without data (only sizes are asked for) there may be one.
bool Context::HasPast(std::span<const Tensor> inputs) const {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (model_->inputs()[i].role == "branch" && inputs[i].data != nullptr) {
      return *inputs[i].as<uint8_t>() != 0;
    }
  }
  return true;
}

// The inputs with caches of no length.
std::span<const Tensor> Context::WithoutPast(std::span<const Tensor> inputs) {
  without_past_.assign(inputs.begin(), inputs.end());
  for (const StateDesc& state : model_->program().states) {
    Tensor& past = without_past_[state.input];
    if (past.present() && state.length_before != state.length_after) {
      past.sizes[state.axis] = 0;
    }
  }
  return without_past_;
}

absl::Status Context::BindSizes(std::span<const Tensor> inputs) {
  for (size_t s = 0; s < state_sizes_.size(); ++s) {
    state_sizes_[s] = engine_.states[s].shape();
  }
  return engine_.sizes.Bind(inputs, state_sizes_);
}

absl::Status Context::PrepareStates(std::span<const Tensor> inputs) {
  if (engine_.states.empty()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const MemoryPlan* plan, engine_.frames[0]->Plan());
  const std::vector<int64_t>& slots = engine_.sizes.slots();
  for (size_t s = 0; s < engine_.states.size(); ++s) {
    const StateDesc& desc = model_->program().states[s];
    StateBuffer& state = engine_.states[s];
    const int64_t positions = plan->state_lengths[s];
    if (const Tensor& past = inputs[desc.input]; past.present()) {
      RETURN_IF_ERROR(state.CopyIn(past, positions));
      HeldOnHost(s);
      continue;
    }
    std::array<int64_t, kernels::kMaxRank> sizes{};
    for (size_t d = 0; d < desc.sizes.size(); ++d) {
      sizes[d] = slots[desc.sizes[d]];
    }
    const bool moves = positions > state.capacity() && state.length() > 0;
    const bool on_device = engine_.device != nullptr && engine_.device->held_states[s].device;
    const StateBuffer::Rows old = moves && on_device ? state.layout() : StateBuffer::Rows();
    RETURN_IF_ERROR(state.Reserve(sizes, positions, /*keep=*/!on_device));
    if (moves && on_device) {
      RETURN_IF_ERROR(engine_.device->MoveState(s, state, old));
      engine_.device->held_states[s] = {.host = false, .device = true};
    }
  }
  return absl::OkStatus();
}

void Context::HeldOnHost(size_t state) {
  if (engine_.device != nullptr) {
    engine_.device->held_states[state] = {.host = engine_.states[state].length() > 0, .device = false};
  }
}

absl::Status Context::SetStream(void* stream) {
  if (engine_.device == nullptr) {
    return absl::FailedPreconditionError("stream: the model runs on the CPU");
  }
  RETURN_IF_ERROR(engine_.device->model.device().MakeCurrent());
  return engine_.device->stream.Use(static_cast<cuda::CUstream>(stream));
}

absl::Status Context::Run(std::span<const Tensor> inputs, std::span<RunOutput> outputs, const InputFacts& facts,
                          bool wait) {
  if (engine_.device != nullptr) {
    RETURN_IF_ERROR(engine_.device->model.device().MakeCurrent());
  }
  const absl::Status status = RunPrepared(inputs, outputs, facts, wait);
  engine_.cancelled.store(false, std::memory_order_relaxed);
  if (engine_.device != nullptr && absl::IsInternal(status) && !engine_.device->launch_by_launch) {
    return absl::InternalError(
        absl::StrCat(std::string(status.message()), " (SLUICE_SYNC=1 names the kernel and its nodes)"));
  }
  return status;
}

absl::Status Context::CheckPlaces(std::span<const RunOutput> outputs, std::span<const uint8_t> on_device) const {
  const auto refuse = [&](const char* what, const std::string& name) {
    return engine_.device != nullptr
               ? absl::OkStatus()
               : absl::InvalidArgumentError(absl::StrFormat(
                     "%s '%s': is on a device, the model runs on the CPU (give host memory)", what, name));
  };
  for (size_t i = 0; i < on_device.size(); ++i) {
    RETURN_IF_ERROR(on_device[i] == 0 ? absl::OkStatus() : refuse("input", model_->inputs()[i].name));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    RETURN_IF_ERROR(!outputs[i].on_device ? absl::OkStatus() : refuse("output", model_->outputs()[i].name));
  }
  return absl::OkStatus();
}

// Caches are taken in from the host, and what runs there reads there.
absl::Status Context::BringToHost(std::span<const uint8_t> on_device) {
  const bool all = engine_.frames[0]->reads_on_host();
  bool copied = false;
  on_device_.assign(on_device.begin(), on_device.end());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    while (brought_.size() <= i) {
      brought_.emplace_back(&engine_.counters);
    }
    Tensor& t = inputs_[i];
    const PortDesc& port = model_->inputs()[i];
    const bool read_here = all || port.state >= 0 || port.role == "branch";
    if (on_device_[i] == 0 || !t.present() || !read_here) {
      continue;
    }
    RETURN_IF_ERROR(brought_[i].Reserve(DenseBytes(t)));
    RETURN_IF_ERROR(
        engine_.device->stream.CopyOut(brought_[i].data(), reinterpret_cast<cuda::CUdeviceptr>(t.data), DenseBytes(t)));
    t.data = brought_[i].data();
    on_device_[i] = 0;
    copied = true;
  }
  return copied ? engine_.device->stream.Synchronize() : absl::OkStatus();
}

absl::Status Context::RunPrepared(std::span<const Tensor> inputs, std::span<RunOutput> outputs, InputFacts facts,
                                  bool wait) {
  const int64_t begin = engine_.device != nullptr ? NowNs() : 0;
  RETURN_IF_ERROR(CheckInputs(inputs, true));
  const auto complete = [&](const auto& list) { return list.empty() || list.size() == inputs.size(); };
  if (!complete(facts.on_device) || !complete(facts.kept) || !complete(facts.ahead)) {
    return absl::InvalidArgumentError(absl::StrFormat("inputs: %d given, facts of %d, %d and %d", inputs.size(),
                                                      facts.on_device.size(), facts.kept.size(), facts.ahead.size()));
  }
  if (outputs.size() != model_->outputs().size()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("outputs: %d given, the model has %d", outputs.size(), model_->outputs().size()));
  }
  RETURN_IF_ERROR(CheckPlaces(outputs, facts.on_device));
  if (std::any_of(facts.on_device.begin(), facts.on_device.end(), [](uint8_t there) { return there != 0; })) {
    inputs_.assign(inputs.begin(), inputs.end());
    RETURN_IF_ERROR(BringToHost(facts.on_device));
    inputs = inputs_;
    facts.on_device = on_device_;
  }
  if (!HasPast(inputs)) {
    inputs = WithoutPast(inputs);
    ResetStates();
  }
  RETURN_IF_ERROR(BindSizes(inputs));
  RETURN_IF_ERROR(PrepareStates(inputs));
  const std::vector<PortDesc>& ports = model_->program().main().outputs;
  engine_.wanted = wait || model_->program().next < 0 ? kAlways : kAlways | ports[model_->program().next].bit;
  bool queued = engine_.device != nullptr && (engine_.device->stream.borrowed() || !wait);
  for (size_t i = 0; i < outputs.size(); ++i) {
    given_[i] = outputs[i].on_device ? Memory{} : Memory{static_cast<uint8_t*>(outputs[i].data), outputs[i].bytes};
    queued = queued && (outputs[i].on_device || !outputs[i].wanted);
    engine_.wanted |= outputs[i].wanted ? ports[i].bit : 0;
  }
  RETURN_IF_ERROR(engine_.frames[0]->Run(inputs, given_, facts));
  engine_.counters.queue_ns += engine_.device != nullptr ? NowNs() - begin : 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].wanted) {
      RETURN_IF_ERROR(outputs[i].on_device ? GiveOnDevice(i, outputs[i]) : TakeOutput(i, outputs[i]));
    }
  }
  if (engine_.device != nullptr && !queued) {
    RETURN_IF_ERROR(engine_.device->stream.Synchronize());
  }
  for (size_t s = 0; s < engine_.states.size(); ++s) {
    const StateDesc& desc = model_->program().states[s];
    engine_.states[s].set_length(engine_.sizes.slots()[desc.length_after]);
  }
  return absl::OkStatus();
}

// Results of kind Output are where they belong; all others are copied to the caller or kept.
absl::Status Context::TakeOutput(size_t index, RunOutput& output) {
  if (output.last && output.data == nullptr) {
    output.tensor = engine_.frames[0]->Output(index);
    ASSIGN_OR_RETURN(const bool taken, engine_.frames[0]->LastToHost(index, output.tensor));
    if (taken) {
      return absl::OkStatus();
    }
  }
  RETURN_IF_ERROR(engine_.frames[0]->ToHost(index));
  const PortDesc& port = model_->outputs()[index];
  output.tensor = engine_.frames[0]->Output(index);
  const FunctionDesc& main = model_->program().main();
  if (main.buffers[port.buffer].kind == BufferKind::kOutput &&
      main.buffers[port.buffer].index == static_cast<int>(index)) {
    return absl::OkStatus();
  }
  const Tensor from = output.tensor;
  const int64_t bytes = DenseBytes(from);
  if (output.data == nullptr) {
    RETURN_IF_ERROR(kept_[index].Reserve(bytes));
    output.tensor.data = kept_[index].data();
  } else if (output.bytes < bytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("output '%s': needs %d bytes, the caller's buffer has %d", port.name, bytes, output.bytes));
  } else {
    output.tensor.data = output.data;
  }
  SetDenseStrides(output.tensor);
  CopyTensor(from, output.tensor);
  return absl::OkStatus();
}

absl::Status Context::GiveOnDevice(size_t index, RunOutput& output) {
  output.tensor = engine_.frames[0]->Output(index);
  const int64_t bytes = DenseBytes(output.tensor);
  if (output.data == nullptr || output.bytes < bytes) {
    return absl::InvalidArgumentError(absl::StrFormat("output '%s': needs %d bytes, the caller's buffer has %d",
                                                      model_->outputs()[index].name, bytes,
                                                      output.data == nullptr ? 0 : output.bytes));
  }
  const cuda::CUdeviceptr to = reinterpret_cast<cuda::CUdeviceptr>(output.data);
  if (IsDense(output.tensor)) {
    RETURN_IF_ERROR(engine_.frames[0]->CopyToDevice(index, to, bytes));
  } else {  // a cache has room behind its positions
    RETURN_IF_ERROR(engine_.frames[0]->ToHost(index));
    RETURN_IF_ERROR(kept_[index].Reserve(bytes));
    Tensor dense = output.tensor;
    dense.data = kept_[index].data();
    SetDenseStrides(dense);
    CopyTensor(output.tensor, dense);
    RETURN_IF_ERROR(engine_.device->stream.CopyIn(to, dense.data, bytes));
  }
  output.tensor.data = output.data;
  SetDenseStrides(output.tensor);
  return absl::OkStatus();
}

absl::StatusOr<Tensor> Context::Chosen() {
  Frame& main = *engine_.frames[0];
  const size_t next = static_cast<size_t>(model_->program().next);
  Tensor tensor = main.Output(next);
  ASSIGN_OR_RETURN(const cuda::CUdeviceptr address, main.OnDevice(next));
  tensor.data = reinterpret_cast<void*>(address);
  return tensor;
}

absl::Status Context::CopyChosen(PinnedTokens& to) {
  RETURN_IF_ERROR(to.copied_.Wait());
  const int64_t begin = NowNs();
  ASSIGN_OR_RETURN(to.tensor_, Chosen());
  const cuda::CUdeviceptr from = reinterpret_cast<cuda::CUdeviceptr>(to.tensor_.data);
  const int64_t bytes = DenseBytes(to.tensor_);
  RETURN_IF_ERROR(to.block_.Reserve(bytes));
  to.tensor_.data = to.block_.data();
  RETURN_IF_ERROR(engine_.device->stream.CopyOut(to.block_.data(), from, bytes));
  RETURN_IF_ERROR(to.copied_.Record(engine_.device->stream));
  engine_.counters.queue_ns += NowNs() - begin;
  return absl::OkStatus();
}

absl::Status PinnedTokens::Read(std::vector<int64_t>& tokens) {
  RETURN_IF_ERROR(copied_.Wait());
  tokens.resize(static_cast<size_t>(tensor_.elements()));
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = tensor_.dtype == DType::kI64 ? tensor_.as<int64_t>()[i] : tensor_.as<int32_t>()[i];
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Tensor>> Context::OutputSizes(std::span<const Tensor> inputs) {
  RETURN_IF_ERROR(CheckInputs(inputs, false));
  inputs = HasPast(inputs) ? inputs : WithoutPast(inputs);
  RETURN_IF_ERROR(BindSizes(inputs));
  const Program& program = model_->program();
  engine_.sizes.SetToBounds(program.main().counts);
  std::vector<Tensor> outputs;
  for (const PortDesc& port : model_->outputs()) {
    Tensor& t = outputs.emplace_back();
    t.dtype = port.dtype;
    t.rank = static_cast<int>(port.sizes.size());
    for (int d = 0; d < t.rank; ++d) {
      t.sizes[d] = engine_.sizes.slots()[port.sizes[d]];
      for (uint32_t symbol : SymbolsOf(program, port.sizes[d])) {
        t.sizes[d] = program.symbols[symbol].kind == SymbolKind::kResult ? -1 : t.sizes[d];
      }
    }
    SetDenseStrides(t);
  }
  return outputs;
}

int64_t Context::state_length() const {
  int64_t length = 0;
  for (size_t s = 0; s < engine_.states.size(); ++s) {
    const StateDesc& desc = model_->program().states[s];
    length = desc.length_before == desc.length_after ? length : std::max(length, engine_.states[s].length());
  }
  return length;
}

void Context::ResetStates() {
  for (StateBuffer& state : engine_.states) {
    state.Reset();
  }
}

absl::Status Context::TruncateStates(int64_t length) {
  if (length < 0 || length > state_length()) {
    return absl::OutOfRangeError(absl::StrFormat("states: cannot keep %d positions of %d", length, state_length()));
  }
  for (size_t s = 0; s < engine_.states.size(); ++s) {
    const StateDesc& desc = model_->program().states[s];
    if (desc.length_before != desc.length_after) {
      engine_.states[s].set_length(std::min(length, engine_.states[s].length()));
    }
  }
  return absl::OkStatus();
}

int64_t Context::state_capacity() const {
  int64_t capacity = 0;
  for (size_t s = 0; s < engine_.states.size(); ++s) {
    const StateDesc& desc = model_->program().states[s];
    capacity = desc.length_before == desc.length_after ? capacity : std::max(capacity, engine_.states[s].capacity());
  }
  return capacity;
}

int64_t Context::state_bytes() const {
  int64_t bytes = 0;
  for (const StateBuffer& state : engine_.states) {
    bytes += state.bytes();
  }
  return bytes;
}

Frame::MemoryUse Context::memory_use() const {
  Frame::MemoryUse use;
  for (const std::unique_ptr<Frame>& frame : engine_.frames) {
    const Frame::MemoryUse one = frame->Use();
    use.arena += one.arena;
    use.lower_bound += one.lower_bound;
    use.workspace += one.workspace;
  }
  return use;
}

}  // namespace sluice::exec
