#include "runtime/exec/device_frame.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "runtime/exec/engine.h"
#include "runtime/exec/frame.h"

namespace sluice::exec {

using cuda::CUdeviceptr;

absl::StatusOr<std::unique_ptr<DeviceEngine>> DeviceEngine::Create(const DeviceModel& model, size_t states) {
  RETURN_IF_ERROR(model.device().MakeCurrent());
  ASSIGN_OR_RETURN(cuda::Stream stream, cuda::Stream::Create(model.device()));
  ASSIGN_OR_RETURN(cuda::Timer timer, cuda::Timer::Create(model.device()));
  std::unique_ptr<DeviceEngine> engine(new DeviceEngine(model, std::move(stream), std::move(timer)));
  if (model.counters() > 0) {
    const int64_t bytes = model.counters() * static_cast<int64_t>(sizeof(uint32_t));
    RETURN_IF_ERROR(engine->counters.Reserve(bytes));
    RETURN_IF_ERROR(engine->stream.Zero(engine->counters.address(), bytes));
  }
  for (size_t s = 0; s < states; ++s) {
    engine->states.emplace_back(model.device());
  }
  engine->held_states.resize(states);
  const char* sync = std::getenv("SLUICE_SYNC");
  engine->launch_by_launch = sync != nullptr && std::strcmp(sync, "1") == 0;
  return engine;
}

absl::Status DeviceEngine::StateToHost(size_t index, uint8_t* host, int64_t bytes) {
  Held& where = held_states[index];
  if (where.host || !where.device) {
    return absl::OkStatus();
  }
  where.host = true;
  RETURN_IF_ERROR(stream.CopyOut(host, states[index].address(), bytes));
  return stream.Synchronize();
}

absl::Status DeviceEngine::MoveState(size_t index, const StateBuffer& state, const StateBuffer::Rows& old) {
  cuda::DeviceBlock grown(model.device());
  RETURN_IF_ERROR(grown.Reserve(state.bytes()));
  const StateBuffer::Rows layout = state.layout();
  RETURN_IF_ERROR(stream.CopyRows({grown.address(), layout.pitch}, {states[index].address(), old.pitch},
                                  state.length() * layout.position, layout.rows));
  RETURN_IF_ERROR(stream.Synchronize());
  states[index] = std::move(grown);  // frees the old one
  ++generation;
  return absl::OkStatus();
}

DeviceFrame::DeviceFrame(Engine& engine, const FunctionDesc& function, const std::vector<Memory>& roots,
                         const std::vector<kernels::Tensor>& tensors)
    : engine_(engine),
      device_(*engine.device),
      function_(function),
      roots_(roots),
      tensors_(tensors),
      held_(function.buffers.size()),
      foreign_(function.buffers.size(), 0),
      kept_(function.buffers.size(), 0),
      ahead_(function.buffers.size(), 0),
      addresses_(function.buffers.size(), 0),
      first_write_(function.buffers.size(), std::numeric_limits<int64_t>::max()),
      last_read_(function.buffers.size(), -1),
      pinned_(device_.model.device()),
      last_(device_.model.device()),
      block_(device_.model.device()),
      sent_(device_.model.device()),
      graphs_(function.segments.size()) {
  for (size_t s = 0; s < function.stages.size(); ++s) {
    stages_.emplace_back(device_.model.device());
  }
  for (uint32_t b = 0; b < function.buffers.size(); ++b) {
    const BufferDesc& buffer = function.buffers[b];
    if (buffer.kind == BufferKind::kWeight) {
      addresses_[b] = device_.model.weight(buffer.index);
    } else if (buffer.kind == BufferKind::kConstant) {
      addresses_[b] = device_.model.constant(buffer.data - engine.program.constants.get());
    } else if (buffer.kind == BufferKind::kInput || buffer.kind == BufferKind::kOutput) {
      ports_.emplace(b, device_.model.device());
    }
    if (buffer.kind == BufferKind::kInput) {
      inputs_.push_back(b);
    }
  }
  // Neighbours travel together.  What is new of a mask may lie far behind its beginning, and tokens may be on the
  // device already.
  const auto place = [&](uint32_t b) {
    const std::string& role = function_.inputs[function_.buffers[b].index].role;
    return std::pair(role == "tokens" ? 2 : role == "mask" ? 1 : 0, b);
  };
  std::sort(inputs_.begin(), inputs_.end(), [&](uint32_t a, uint32_t b) { return place(a) < place(b); });
  for (uint32_t i = 0; i < function.instrs.size(); ++i) {
    const InstrDesc& instr = function.instrs[i];
    for (uint32_t v = instr.ins; v < instr.end; ++v) {
      if (const int32_t b = function.views[v].buffer; b >= 0 && v < instr.outs) {
        last_read_[b] = i;
      } else if (b >= 0) {
        first_write_[b] = std::min<int64_t>(first_write_[b], i);
      }
    }
  }
  NumberViews();
  FindMapStrides();
}

DeviceFrame::~DeviceFrame() {
  if (!device_.model.device().MakeCurrent().ok()) {
    return;
  }
  for (std::list<Graph>& graphs : graphs_) {
    for (Graph& graph : graphs) {
      device_.model.device().driver().cuGraphExecDestroy(graph.exec);
    }
  }
}

Held& DeviceFrame::held(uint32_t buffer) {
  const BufferDesc& desc = function_.buffers[buffer];
  return desc.kind == BufferKind::kState ? device_.held_states[desc.index] : held_[buffer];
}

void DeviceFrame::Begin(const InputFacts& facts) {
  for (uint32_t b = 0; b < held_.size(); ++b) {
    const bool input = function_.buffers[b].kind == BufferKind::kInput;
    foreign_[b] = input && !facts.on_device.empty() ? facts.on_device[function_.buffers[b].index] : 0;
    kept_[b] = input && !facts.kept.empty() ? facts.kept[function_.buffers[b].index] : 0;
    ahead_[b] = input && !facts.ahead.empty() ? facts.ahead[function_.buffers[b].index] : 0;
    held_[b] = {.host = input && foreign_[b] == 0, .device = false};
  }
}

absl::Status DeviceFrame::Reserve(cuda::DeviceBlock& block, int64_t bytes) {
  device_.generation += bytes > block.bytes();
  return block.Reserve(bytes);
}

// Bytes of a port at the plan's bound, so that its address stays.
int64_t DeviceFrame::RoomOf(const PortDesc& port, const MemoryPlan& plan) const {
  int64_t elements = 1;
  for (uint32_t slot : port.sizes) {
    elements *= std::max<int64_t>(0, plan.bound[slot]);
  }
  return ByteSize(port.dtype, elements);
}

absl::Status DeviceFrame::Place(size_t index, const MemoryPlan& plan) {
  StageMemory& stage = stages_[index];
  RETURN_IF_ERROR(Reserve(stage.arena, plan.arena_bytes + plan.device_reach));
  RETURN_IF_ERROR(Reserve(stage.workspace, plan.device_workspace));
  stage.plan = &plan;
  const StageDesc& desc = function_.stages[index];
  for (size_t i = 0; i < desc.arena.size(); ++i) {
    addresses_[desc.arena[i]] = stage.arena.address() + static_cast<CUdeviceptr>(plan.offsets[i]);
  }
  for (uint32_t b : desc.outputs) {
    if ((function_.buffers[b].serves & engine_.wanted) == 0) {
      continue;
    }
    RETURN_IF_ERROR(Reserve(ports_.at(b), RoomOf(function_.outputs[function_.buffers[b].index], plan)));
    addresses_[b] = ports_.at(b).address();
  }
  return index == 0 ? PlaceInputs(plan) : absl::OkStatus();
}

absl::Status DeviceFrame::PlaceInputs(const MemoryPlan& plan) {
  // A large one travels from where it lies: a copy of it on the host would take longer than it spares.
  constexpr int64_t kLarge = 4 << 20;
  step_.resize(engine_.sizes.slots().size() + derived_.size());
  rooms_.assign(1, static_cast<int64_t>(step_.size() * sizeof(int64_t)));
  for (uint32_t b : inputs_) {
    const int64_t room = RoomOf(function_.inputs[function_.buffers[b].index], plan);
    rooms_.push_back(room <= kLarge ? room : 0);
    if (room > kLarge) {
      RETURN_IF_ERROR(Reserve(ports_.at(b), room));
      addresses_[b] = ports_.at(b).address();
    }
  }
  if (staged_.Place(rooms_) || block_.bytes() < staged_.bytes()) {  // without memory after an error
    RETURN_IF_ERROR(sent_.Wait());
    RETURN_IF_ERROR(pinned_.Reserve(staged_.bytes()));
    RETURN_IF_ERROR(block_.Reserve(staged_.bytes()));
    staged_.SetMemory(pinned_.data());
    ++device_.generation;
  }
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (rooms_[i + 1] > 0) {
      addresses_[inputs_[i]] = block_.address() + static_cast<CUdeviceptr>(staged_.offset(i + 1));
    }
  }
  return absl::OkStatus();
}

// Bytes of a buffer in this run.
int64_t DeviceFrame::BytesOf(uint32_t b) const {
  const BufferDesc& buffer = function_.buffers[b];
  const std::vector<int64_t>& slots = engine_.sizes.slots();
  return buffer.kind == BufferKind::kArena   ? slots[buffer.bytes]
         : buffer.kind == BufferKind::kState ? engine_.states[buffer.index].bytes()
                                             : roots_[b].bytes;
}

uint64_t DeviceFrame::BytesFrom(uint32_t b) const {
  const cuda::DeviceBlock* block = nullptr;
  for (size_t s = 0; s < stages_.size(); ++s) {
    const std::vector<uint32_t>& placed = function_.stages[s].arena;
    block = std::find(placed.begin(), placed.end(), b) != placed.end() ? &stages_[s].arena : block;
  }
  if (const auto port = ports_.find(b); port != ports_.end()) {
    block = &port->second;
  }
  if (block == nullptr || addresses_[b] < block->address()) {
    return 0;
  }
  const uint64_t before = addresses_[b] - block->address(), all = static_cast<uint64_t>(block->bytes());
  return all < before ? 0 : all - before;
}

absl::StatusOr<CUdeviceptr> DeviceFrame::Address(uint32_t b) {
  const BufferDesc& buffer = function_.buffers[b];
  if (buffer.kind == BufferKind::kState) {
    cuda::DeviceBlock& twin = device_.states[buffer.index];
    const int64_t bytes = engine_.states[buffer.index].bytes();
    device_.generation += bytes > twin.bytes();
    RETURN_IF_ERROR(twin.Reserve(bytes));
    addresses_[b] = twin.address();
  }
  return addresses_[b];
}

// The caller feeds an output of the run before, which this run reads before it writes it: it can stay where it is.
bool DeviceFrame::InPlace(uint32_t b) const {
  for (const auto& [output, block] : ports_) {
    if (foreign_[b] != 0 && function_.buffers[output].kind == BufferKind::kOutput &&
        reinterpret_cast<CUdeviceptr>(roots_[b].data) == block.address()) {
      return last_read_[b] < first_write_[output];
    }
  }
  return false;
}

absl::Status DeviceFrame::ToDevice(uint32_t b) {
  ASSIGN_OR_RETURN(const CUdeviceptr address, Address(b));
  Held& where = held(b);
  if (where.device || (!where.host && foreign_[b] == 0)) {
    return absl::OkStatus();
  }
  where.device = true;
  const auto input = std::find(inputs_.begin(), inputs_.end(), b);
  const size_t part = input == inputs_.end() ? 0 : static_cast<size_t>(input - inputs_.begin()) + 1;
  const bool staged = part > 0 && rooms_[part] > 0;
  if (foreign_[b] != 0) {
    if (staged) {
      staged_.Forget(part);
    }
    const CUdeviceptr from = reinterpret_cast<CUdeviceptr>(roots_[b].data);
    if (InPlace(b)) {
      addresses_[b] = from;  // until the next run places its inputs
      return absl::OkStatus();
    }
    return device_.stream.CopyWithin(address, from, BytesOf(b));
  }
  if (staged) {
    return Stage(part, roots_[b].data, std::min(BytesOf(b) + ahead_[b], rooms_[part]), kept_[b]);
  }
  const BufferDesc& buffer = function_.buffers[b];
  const uint8_t* from = buffer.kind == BufferKind::kState ? engine_.states[buffer.index].data() : roots_[b].data;
  return device_.stream.CopyIn(address, from, BytesOf(b));
}

absl::Status DeviceFrame::ToHost(int32_t index) {
  const uint32_t b = static_cast<uint32_t>(index);
  const BufferDesc& buffer = function_.buffers[b];
  if (buffer.kind == BufferKind::kWeight || buffer.kind == BufferKind::kConstant) {
    return absl::OkStatus();
  }
  if (buffer.kind == BufferKind::kState) {
    StateBuffer& state = engine_.states[buffer.index];
    return device_.StateToHost(static_cast<size_t>(buffer.index), state.data(), state.bytes());
  }
  Held& where = held(b);
  if (where.host || !where.device) {
    return absl::OkStatus();
  }
  where.host = true;
  RETURN_IF_ERROR(device_.stream.CopyOut(roots_[b].data, addresses_[b], BytesOf(b)));
  return device_.stream.Synchronize();
}

absl::StatusOr<CUdeviceptr> DeviceFrame::OnDevice(uint32_t b) {
  RETURN_IF_ERROR(ToDevice(b));
  RETURN_IF_ERROR(Send());
  return Address(b);
}

absl::Status DeviceFrame::CopyTo(CUdeviceptr to, int32_t index, int64_t offset, int64_t bytes) {
  const uint32_t b = static_cast<uint32_t>(index);
  const BufferKind kind = function_.buffers[b].kind;
  if (kind != BufferKind::kWeight && kind != BufferKind::kConstant) {
    RETURN_IF_ERROR(ToDevice(b));
    RETURN_IF_ERROR(Send());
    if (held(b).device) {
      ASSIGN_OR_RETURN(const CUdeviceptr from, Address(b));
      return device_.stream.CopyWithin(to, from + static_cast<CUdeviceptr>(offset), bytes);
    }
  }
  return device_.stream.CopyIn(to, roots_[b].data + offset, bytes);
}

absl::StatusOr<bool> DeviceFrame::LastToHost(int32_t index, kernels::Tensor& output) {
  const uint32_t b = static_cast<uint32_t>(index);
  const Held where = held(b);
  if (function_.buffers[b].kind != BufferKind::kOutput || output.rank < 2 || where.host || !where.device ||
      output.elements() == 0) {
    return false;
  }
  const int64_t sequence = ByteSize(output.dtype, output.strides[0]);
  const int64_t position = ByteSize(output.dtype, output.strides[1]);
  // Pitches have 32 bits: a long prompt's sequences go one by one.
  const bool together = sequence <= std::numeric_limits<int32_t>::max();
  const int64_t batch = output.size(0), begin = output.as<uint8_t>() - roots_[b].data + sequence - position;
  RETURN_IF_ERROR(last_.Reserve(batch * position));
  for (int64_t i = 0; i < batch; i += together ? batch : 1) {
    const CUdeviceptr from = addresses_[b] + static_cast<CUdeviceptr>(begin + i * sequence);
    RETURN_IF_ERROR(device_.stream.CopyRowsOut(last_.data() + i * position, {from, together ? sequence : position},
                                               position, together ? batch : 1));
  }
  output.sizes[1] = 1;
  output.strides[0] = output.strides[1];
  output.data = last_.data();
  RETURN_IF_ERROR(device_.stream.Synchronize());
  return true;
}

absl::Status DeviceFrame::BeforeHost(uint32_t i) {
  const InstrDesc& instr = function_.instrs[i];
  for (uint32_t v = instr.ins; v < instr.end; ++v) {
    const int32_t b = function_.views[v].buffer;
    if (b >= 0 &&
        !(v >= instr.outs && function_.buffers[b].kind == BufferKind::kArena && function_.buffers[b].first == i)) {
      RETURN_IF_ERROR(ToHost(b));
    }
  }
  return absl::OkStatus();
}

void DeviceFrame::AfterHost(uint32_t i) {
  const InstrDesc& instr = function_.instrs[i];
  for (uint32_t v = instr.outs; v < instr.end; ++v) {
    if (const int32_t b = function_.views[v].buffer; b >= 0) {
      held(static_cast<uint32_t>(b)) = {.host = true, .device = false};
    }
  }
}

absl::Status DeviceFrame::Stage(size_t part, const void* from, int64_t bytes, int64_t kept) {
  // The copies before must have left the pinned memory: they have, unless the run before is only queued.
  const int64_t begin = NowNs();
  RETURN_IF_ERROR(sent_.Wait());
  engine_.counters.queue_ns -= NowNs() - begin;  // is no work
  staged_.Set(part, from, bytes, kept);
  return absl::OkStatus();
}

// Slots, then derived numbers.
absl::Status DeviceFrame::StageStep() {
  const std::vector<int64_t>& slots = engine_.sizes.slots();
  std::copy(slots.begin(), slots.end(), step_.begin());
  for (size_t i = 0; i < derived_.size(); ++i) {
    const auto [view, dim] = derived_[i];
    const kernels::Tensor& t = tensors_[view];
    const int32_t b = function_.views[view].buffer;
    const BufferDesc& buffer = function_.buffers[b];
    const uint8_t* begin = buffer.kind == BufferKind::kState ? engine_.states[buffer.index].data() : roots_[b].data;
    step_[slots.size() + i] = dim >= 0 ? t.strides[dim] : static_cast<const uint8_t*>(t.data) - begin;
  }
  return Stage(0, step_.data(), static_cast<int64_t>(step_.size() * sizeof(int64_t)));
}

absl::Status DeviceFrame::Send() {
  const std::vector<Staged::Range>& changed = staged_.TakeChanged();
  for (const auto& [begin, end] : changed) {
    RETURN_IF_ERROR(
        device_.stream.CopyIn(block_.address() + static_cast<CUdeviceptr>(begin), pinned_.data() + begin, end - begin));
  }
  return changed.empty() ? absl::OkStatus() : sent_.Record(device_.stream);
}

absl::Status DeviceFrame::RunSegment(size_t index) {
  const SegmentDesc& segment = function_.segments[index];
  for (uint32_t b : segment.needs) {
    RETURN_IF_ERROR(ToDevice(b));
  }
  RETURN_IF_ERROR(StageStep());
  RETURN_IF_ERROR(Send());
  engine_.counters.launches += segment.end - segment.begin;
  if (device_.launch_by_launch || engine_.observer != nullptr) {
    RETURN_IF_ERROR(LaunchEach(segment));
  } else {
    std::vector<uint64_t> key = {device_.generation, engine_.wanted & segment.serves};
    for (const StageMemory& stage : stages_) {
      key.push_back(stage.plan == nullptr ? 0 : stage.plan->serial);
    }
    for (const auto& [view, dim] : map_strides_[index]) {
      key.push_back(static_cast<uint64_t>(tensors_[view].strides[dim]));
    }
    for (uint32_t b : segment.needs) {
      if (foreign_[b] != 0) {
        key.push_back(addresses_[b]);
      }
    }
    std::list<Graph>& graphs = graphs_[index];
    auto graph = std::find_if(graphs.begin(), graphs.end(), [&](const Graph& g) { return g.key == key; });
    if (graph == graphs.end()) {
      ASSIGN_OR_RETURN(const cuda::CUgraphExec exec, Build(segment));
      graphs.push_front({std::move(key), exec});
      graph = graphs.begin();
      if (graphs.size() > PlanCache::kPlans) {
        device_.model.device().driver().cuGraphExecDestroy(graphs.back().exec);
        graphs.pop_back();
      }
    }
    const cuda::Driver& cuda = device_.model.device().driver();
    RETURN_IF_ERROR(cuda.Check(cuda.cuGraphLaunch(graph->exec, device_.stream.get()), "cuGraphLaunch"));
  }
  for (uint32_t b : segment.writes) {
    held(b) = {.host = false, .device = true};
  }
  return absl::OkStatus();
}

}  // namespace sluice::exec
