#include "runtime/exec/frame.h"

#include <algorithm>
#include <chrono>

#include "runtime/exec/copy.h"

namespace sluice::exec {

using kernels::Tensor;

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Engine::Engine(const Program& program, std::span<const WeightBytes> weights, ThreadPool& pool,
               std::unique_ptr<DeviceEngine> on_device)
    : program(program), weights(weights), pool(pool), sizes(program), device(std::move(on_device)) {
  sizes.Evaluate();  // constants
  for (const StateDesc& state : program.states) {
    states.emplace_back(state, &counters);
  }
  for (const FunctionDesc& function : program.functions) {
    frames.push_back(std::make_unique<Frame>(*this, function));
  }
}

Engine::~Engine() = default;

Frame::Frame(Engine& engine, const FunctionDesc& function)
    : engine_(engine),
      function_(function),
      roots_(function.buffers.size()),
      tensors_(function.views.size()),
      pointers_(function.views.size(), nullptr),
      params_(function.params.size(), 0),
      counts_(function.counts.size(), 0),
      loops_(function.loops) {
  for (size_t s = 0; s < function.stages.size(); ++s) {
    stages_.emplace_back(&engine.counters);
  }
  for (size_t o = 0; o < function.outputs.size(); ++o) {
    scratch_.emplace_back(&engine.counters);
  }
  for (size_t b = 0; b < function.buffers.size(); ++b) {
    const BufferDesc& buffer = function.buffers[b];
    if (buffer.kind == BufferKind::kWeight) {
      const WeightBytes& weight = engine.weights[buffer.index];
      roots_[b] = {const_cast<uint8_t*>(weight.data), weight.bytes};
    } else if (buffer.kind == BufferKind::kConstant) {
      roots_[b] = {const_cast<uint8_t*>(buffer.data), buffer.length};
    }
  }
  for (size_t v = 0; v < function.views.size(); ++v) {
    tensors_[v].dtype = function.views[v].dtype;
    tensors_[v].layout = function.views[v].layout;
    tensors_[v].rank = function.views[v].rank;
  }
  if (engine.device != nullptr && !function.segments.empty()) {
    for (const SegmentDesc& segment : function.segments) {
      stale_.emplace_back(function, segment.begin, segment.end);
    }
    device_ = std::make_unique<DeviceFrame>(engine, function, roots_, tensors_);
  }
}

// The hot loop.  Everything it reads was decoded; it evaluates slots into views and calls kernels.
template <bool kObserved>
absl::Status Frame::RunInstrs() {
  size_t segment = 0;
  for (uint32_t i = 0; i < function_.instrs.size(); ++i) {
    const InstrDesc& instr = function_.instrs[i];
    if (engine_.cancelled.load(std::memory_order_relaxed)) {
      return absl::CancelledError("the run was cancelled");
    }
    if (instr.kind == InstrKind::kDevice) {
      RETURN_IF_ERROR(RunOnDevice(segment));
      i = function_.segments[segment++].end - 1;
      continue;
    }
    if ((instr.serves & engine_.wanted) == 0) {
      continue;
    }
    if (device_ != nullptr) {
      RETURN_IF_ERROR(device_->BeforeHost(i));
    }
    const bool call = instr.kind == InstrKind::kIf || instr.kind == InstrKind::kLoop;
    if (!Fill(instr.ins, call ? instr.outs : instr.end)) {
      return BadView(instr);
    }
    const int64_t begin = kObserved ? NowNs() : 0;
    absl::Status status;
    switch (instr.kind) {
      case InstrKind::kLaunch:
        status = Launch(instr);
        break;
      case InstrKind::kNative:
        LaunchNative(instr);
        break;
      case InstrKind::kDevice:
        break;
      case InstrKind::kIf:
        status = If(instr);
        break;
      case InstrKind::kLoop:
        status = Loop(instr);
        break;
    }
    if (!status.ok()) {
      return call ? status : At(instr, status);
    }
    if (device_ != nullptr) {
      device_->AfterHost(i);
    }
    if constexpr (kObserved) {
      if (!call) {
        const std::span<const Tensor> all = tensors_;
        engine_.observer->OnLaunch(function_, instr, all.subspan(instr.ins, instr.outs - instr.ins),
                                   all.subspan(instr.outs, instr.end - instr.outs), begin, NowNs());
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Frame::RunOnDevice(size_t index) {
  for (uint32_t v : stale_[index].Find(engine_.sizes.slots(), roots_)) {
    if (!FillView(v)) {
      stale_[index].Forget();
      return BadView(*std::find_if(function_.instrs.begin(), function_.instrs.end(),
                                   [&](const InstrDesc& instr) { return instr.ins <= v && v < instr.end; }));
    }
  }
  return device_->RunSegment(index);
}

absl::Status Frame::Run(std::span<const Tensor> inputs, std::span<const Memory> outputs, const InputFacts& facts) {
  for (size_t b = 0; b < roots_.size(); ++b) {
    const BufferDesc& buffer = function_.buffers[b];
    if (buffer.kind == BufferKind::kInput) {
      roots_[b] = {inputs[buffer.index].as<uint8_t>(), DenseBytes(inputs[buffer.index])};
    }
  }
  given_ = outputs;
  if (device_ != nullptr) {
    device_->Begin(facts);
  }
  RETURN_IF_ERROR(EnterStage(0));
  return engine_.observer != nullptr ? RunInstrs<true>() : RunInstrs<false>();
}

absl::StatusOr<MemoryPlan*> Frame::PlanStage(size_t index) {
  const StageDesc& stage = function_.stages[index];
  StageMemory& memory = stages_[index];
  if (!stage.counted.empty()) {
    engine_.sizes.SetToBounds(stage.counted);
  }
  std::vector<int64_t> bounds;
  if (device_ != nullptr) {
    ASSIGN_OR_RETURN(bounds, BoundsOf(engine_.program, function_, index, engine_.sizes));
  }
  MemoryPlan* plan = memory.plans.Find(stage, engine_.sizes.slots(), device_ != nullptr ? &bounds : nullptr);
  if (plan == nullptr) {
    ASSIGN_OR_RETURN(std::unique_ptr<MemoryPlan> made,
                     MakePlan(engine_.program, function_, index, engine_.sizes, engine_.pool.threads()));
    engine_.counters.plans_made += 1;
    memory.placed = nullptr;  // may be the one that the cache drops
    plan = memory.plans.Add(std::move(made));
    RETURN_IF_ERROR(memory.arena.Reserve(plan->arena_bytes));
    RETURN_IF_ERROR(memory.workspace.Reserve(plan->workspace_bytes));
  }
  return plan;
}

absl::Status Frame::EnterStage(size_t index) {
  const StageDesc& stage = function_.stages[index];
  StageMemory& memory = stages_[index];
  ASSIGN_OR_RETURN(MemoryPlan* const plan, PlanStage(index));
  if (plan != memory.placed) {
    for (size_t i = 0; i < stage.arena.size(); ++i) {
      roots_[stage.arena[i]] = {memory.arena.data() + plan->offsets[i], plan->bytes[i]};
    }
    memory.placed = plan;
  }
  if (device_ != nullptr) {
    RETURN_IF_ERROR(device_->Place(index, *plan));
  }
  return PlaceOutputs(stage);
}

absl::Status Frame::PlaceOutputs(const StageDesc& stage) {
  for (uint32_t b : stage.outputs) {
    const int32_t port = function_.buffers[b].index;
    const PortDesc& desc = function_.outputs[port];
    int64_t elements = 1;
    for (uint32_t slot : desc.sizes) {
      const int64_t size = engine_.sizes.slots()[slot];
      if (size < 0 || __builtin_mul_overflow(elements, size, &elements) || elements > (int64_t{1} << 56)) {
        return absl::ResourceExhaustedError(absl::StrFormat("output '%s': its size is %d", desc.name, size));
      }
    }
    const int64_t bytes = ByteSize(desc.dtype, elements);
    if (given_[port].data != nullptr) {
      if (given_[port].bytes < bytes) {
        return absl::InvalidArgumentError(absl::StrFormat("output '%s': needs %d bytes, the caller's buffer has %d",
                                                          desc.name, bytes, given_[port].bytes));
      }
      roots_[b] = {given_[port].data, bytes};
    } else {
      RETURN_IF_ERROR(scratch_[port].Reserve(bytes));
      roots_[b] = {scratch_[port].data(), bytes};
    }
  }
  return absl::OkStatus();
}

absl::Status Frame::Launch(const InstrDesc& instr) {
  const std::span<const Tensor> all = tensors_;
  kernels::LaunchArgs args;
  args.ins = all.subspan(instr.ins, instr.outs - instr.ins);
  args.outs = all.subspan(instr.outs, instr.end - instr.outs);
  args.config = instr.config;
  args.workspace = stages_[instr.stage].workspace.data();
  args.pool = &engine_.pool;
  args.counts = std::span(counts_).subspan(instr.counts_begin, instr.counts_end - instr.counts_begin);
  engine_.counters.launches += 1;
  RETURN_IF_ERROR(instr.kernel->run(args));
  return instr.counts_any ? TakeCounts(instr) : absl::OkStatus();
}

// From here on views have the real sizes.
absl::Status Frame::TakeCounts(const InstrDesc& instr) {
  for (uint32_t c = instr.counts_begin; c < instr.counts_end; ++c) {
    const uint32_t symbol = function_.counts[c];
    if (counts_[c] < 0 || counts_[c] > engine_.sizes.symbols()[symbol]) {
      return absl::InternalError(absl::StrFormat("the kernel counted %d, at most %d are possible", counts_[c],
                                                 engine_.sizes.symbols()[symbol]));
    }
    engine_.sizes.Set(symbol, counts_[c]);
  }
  engine_.sizes.Evaluate();
  return absl::OkStatus();
}

void Frame::LaunchNative(const InstrDesc& instr) {
  const std::vector<int64_t>& slots = engine_.sizes.slots();
  const int64_t grid = slots[instr.grid];
  if (grid <= 0) {
    return;
  }
  for (uint32_t p = instr.params_begin; p < instr.params_end; ++p) {
    params_[p] = slots[function_.params[p]];
  }
  int64_t elements = 1;
  for (uint32_t v = instr.ins; v < instr.end; ++v) {
    elements = std::max(elements, tensors_[v].elements());
  }
  // A chunk is worth waking a thread for when it has some ten thousand elements.
  constexpr int64_t kElementsPerChunk = 16384;
  const int64_t grain = std::max<int64_t>(1, kElementsPerChunk / std::max<int64_t>(1, elements / grid));
  engine_.counters.launches += 1;
  const void* const* ins = pointers_.data() + instr.ins;
  void* const* outs = pointers_.data() + instr.outs;
  const int64_t* params = params_.data() + instr.params_begin;
  engine_.pool.ParallelFor(grid, grain,
                           [&](int64_t begin, int64_t end) { instr.entry(ins, outs, params, begin, end); });
}

Tensor Frame::Output(size_t i) const {
  const PortDesc& port = function_.outputs[i];
  const BufferDesc& buffer = function_.buffers[port.buffer];
  const std::vector<int64_t>& slots = engine_.sizes.slots();
  if (buffer.kind == BufferKind::kState) {
    const StateDesc& state = engine_.program.states[buffer.index];
    return engine_.states[buffer.index].View(slots[port.sizes[state.axis]]);
  }
  Tensor t;
  t.dtype = port.dtype;
  t.rank = static_cast<int>(port.sizes.size());
  for (int d = 0; d < t.rank; ++d) {
    t.sizes[d] = slots[port.sizes[d]];
  }
  SetDenseStrides(t);
  uint8_t* data = roots_[port.buffer].data;
  for (uint32_t a = port.alias_begin; a < port.alias_end; ++a) {
    data += slots[function_.alias_offsets[a]];
  }
  t.data = data;
  return t;
}

bool Frame::reads_on_host() const {
  return std::any_of(function_.instrs.begin(), function_.instrs.end(),
                     [](const InstrDesc& instr) { return instr.kind != InstrKind::kDevice; });
}

absl::Status Frame::CopyToDevice(size_t i, cuda::CUdeviceptr to, int64_t bytes) {
  const Tensor output = Output(i);
  const int32_t buffer = function_.outputs[i].buffer;
  if (device_ == nullptr) {
    return engine_.device->stream.CopyIn(to, output.data, bytes);
  }
  const bool state = function_.buffers[buffer].kind == BufferKind::kState;
  const uint8_t* root = state ? engine_.states[function_.buffers[buffer].index].data() : roots_[buffer].data;
  return device_->CopyTo(to, buffer, output.as<const uint8_t>() - root, bytes);
}

absl::StatusOr<cuda::CUdeviceptr> Frame::OnDevice(size_t i) {
  return device_->OnDevice(static_cast<uint32_t>(function_.outputs[i].buffer));
}

Frame::MemoryUse Frame::Use() const {
  MemoryUse use;
  for (const StageMemory& stage : stages_) {
    if (stage.placed != nullptr) {
      use.arena += stage.placed->arena_bytes;
      use.lower_bound += stage.placed->lower_bound;
      use.workspace += stage.placed->workspace_bytes;
    }
  }
  return use;
}

absl::Status Frame::BadView(const InstrDesc& instr) const {
  return At(instr, absl::InvalidArgumentError("an operand lies outside its buffer (compile the model again)"));
}

absl::Status Frame::At(const InstrDesc& instr, const absl::Status& status) const {
  const std::string where = instr.nodes.empty() ? instr.kernel_name : instr.nodes[0];
  return absl::Status(status.code(), absl::StrCat(where, ": ", std::string(status.message())));
}

}  // namespace sluice::exec
