#include "runtime/exec/memory_plan.h"

#include <algorithm>
#include <bit>

#include "runtime/artifact/format.h"
#include "runtime/artifact/verify.h"
#include "runtime/plan/pack.h"

namespace sluice::exec {
namespace {

constexpr int64_t kAlignment = artifact::kArenaAlignment;
constexpr int64_t kMaxBytes = int64_t{1} << 56;

// The symbols' bounds: those of the bucket plan, or rounded up.
absl::StatusOr<std::vector<int64_t>> ChooseBounds(const Program& program, const FunctionDesc& function, size_t stage,
                                                  const Sizes& sizes, const fb::BucketPlan** bucket) {
  *bucket = nullptr;
  if (function.plans.empty() || stage != 0) {
    return RoundUpSymbols(program, sizes.symbols());
  }
  for (const fb::BucketPlan* plan : function.plans) {
    bool fits = *bucket == nullptr || plan->arena() < (*bucket)->arena();
    for (size_t s = 0; fits && s < program.symbols.size(); ++s) {
      fits = program.symbols[s].kind != SymbolKind::kFree || sizes.symbols()[s] <= plan->symbols()->Get(s);
    }
    *bucket = fits ? plan : *bucket;
  }
  if (*bucket == nullptr) {
    return absl::InvalidArgumentError(
        "inputs: these sizes are outside the buckets the artifact was compiled for (compile it with other --dims)");
  }
  std::vector<int64_t> bounds = sizes.symbols();
  for (size_t s = 0; s < bounds.size(); ++s) {
    if (program.symbols[s].kind == SymbolKind::kFree) {
      bounds[s] = (*bucket)->symbols()->Get(s);
    }
  }
  return bounds;
}

// Every slot at its upper bound, not below its value in this run (an expression may fall where a symbol grows).
std::vector<int64_t> SlotsAt(const Program& program, const FunctionDesc& function, std::vector<int64_t> symbols,
                             const Sizes& sizes) {
  Sizes bound(program);
  for (size_t s = 0; s < symbols.size(); ++s) {
    bound.Set(s, symbols[s]);
  }
  bound.SetToBounds(function.counts);
  std::vector<int64_t> slots = bound.slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    slots[i] = std::max(slots[i], sizes.slots()[i]);
  }
  return slots;
}

kernels::Tensor Shape(const FunctionDesc& function, uint32_t index, const std::vector<int64_t>& slots) {
  const ViewDesc& view = function.views[index];
  kernels::Tensor t;
  if (view.buffer < 0) {
    return t;
  }
  t.dtype = view.dtype;
  t.layout = view.layout;
  t.rank = view.rank;
  int64_t stride = 1;
  for (int d = view.rank - 1; d >= 0; --d) {
    t.sizes[d] = slots[view.sizes[d]];
    t.strides[d] = view.dense ? stride : slots[view.strides[d]];
    stride *= t.sizes[d];
  }
  return t;
}

int64_t WorkspaceBytes(const FunctionDesc& function, const StageDesc& stage, const std::vector<int64_t>& slots,
                       int threads) {
  int64_t bytes = 0;
  std::vector<kernels::Tensor> tensors;
  for (uint32_t i : stage.workspace) {
    const InstrDesc& instr = function.instrs[i];
    tensors.clear();
    for (uint32_t v = instr.ins; v < instr.end; ++v) {
      tensors.push_back(Shape(function, v, slots));
    }
    const size_t ins = instr.outs - instr.ins;
    const std::span<const kernels::Tensor> all = tensors;
    bytes = std::max(bytes, instr.kernel->workspace(instr.config, all.first(ins), all.subspan(ins), threads));
  }
  return bytes;
}

// What the maps of a launch may reach on into, if an operand is the last of its memory.
int64_t ReachBytes(const FunctionDesc& function, const InstrDesc& instr, const std::vector<int64_t>& slots) {
  int64_t bytes = 0;
  for (const fb::CudaParam* param : artifact::List(FormFor(instr, slots).cuda->params())) {
    if (param->kind() == fb::CudaParamKind::TensorMap && param->reach() > 0) {
      const auto runs = artifact::List(param->runs());
      const kernels::Tensor t = Shape(function, instr.ins + param->operand(), slots);
      const int64_t row = t.strides[runs[runs.size() - 3]] * BitWidth(t.dtype) / 8;
      bytes = std::max(bytes, param->reach() * std::clamp<int64_t>(row, 0, kMaxBytes / param->reach()));
    }
  }
  return bytes;
}

absl::Status TakeBucketOffsets(const FunctionDesc& function, const StageDesc& stage,
                               std::span<const plan::PackBuffer> problem, MemoryPlan& memory) {
  plan::PackResult result;
  for (uint32_t b : stage.arena) {
    result.offsets.push_back(memory.bucket->offsets()->Get(b));
  }
  result.peak = static_cast<int64_t>(memory.bucket->arena());
  if (!plan::VerifyPacking(problem, result)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "function '%s': a bucket's buffers overlap or leave its arena (compile the model again)", function.name));
  }
  memory.offsets = std::move(result.offsets);
  memory.arena_bytes = result.peak;
  memory.lower_bound = static_cast<int64_t>(memory.bucket->lower_bound());
  return absl::OkStatus();
}

}  // namespace

uint64_t RowsWithin(uint64_t rows, uint64_t reach, uint64_t row_bytes, uint64_t bytes, uint64_t offset) {
  if (row_bytes == 0 || bytes < offset) {
    return rows;
  }
  return std::max(rows, std::min((rows + reach - 1) / reach * reach, (bytes - offset) / row_bytes));
}

const DeviceForm& FormFor(const InstrDesc& instr, const std::vector<int64_t>& bound) {
  const int64_t rows = instr.rows < 0 ? 0 : bound[instr.rows];
  return *std::find_if(instr.forms.begin(), std::prev(instr.forms.end()),
                       [&](const DeviceForm& form) { return rows <= form.cuda->limit(); });
}

int64_t RoundUpSize(int64_t size) {
  if (size <= 1) {
    return size;
  }
  const uint64_t n = static_cast<uint64_t>(size);
  const uint64_t power = std::bit_ceil(n);
  if (n <= 64) {
    return static_cast<int64_t>(power);
  }
  if (n > (uint64_t{1} << 60)) {
    return size;
  }
  const uint64_t step = power / 8;  // a quarter of the power of two below n
  return static_cast<int64_t>((n + step - 1) / step * step);
}

std::vector<int64_t> RoundUpSymbols(const Program& program, std::span<const int64_t> symbols) {
  std::vector<size_t> order;
  for (size_t s = 0; s < symbols.size(); ++s) {
    if (program.symbols[s].kind != SymbolKind::kCounted) {
      order.push_back(s);
    }
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return symbols[a] != symbols[b] ? symbols[a] > symbols[b] : a < b; });
  std::vector<int64_t> bounds(symbols.begin(), symbols.end());
  int64_t leader = -1;  // value of the symbol whose bound is shared
  int64_t shared = 0;
  for (size_t s : order) {
    const int64_t value = symbols[s];
    if (leader < 0 || leader - value > std::max<int64_t>(1, leader / 8)) {
      leader = value;
      shared = RoundUpSize(value);
    }
    const int64_t max = program.symbols[s].max;
    bounds[s] = max >= value ? std::min(shared, max) : shared;
  }
  return bounds;
}

absl::StatusOr<std::vector<int64_t>> BoundsOf(const Program& program, const FunctionDesc& function, size_t stage,
                                              const Sizes& sizes) {
  const fb::BucketPlan* bucket = nullptr;
  ASSIGN_OR_RETURN(std::vector<int64_t> bounds, ChooseBounds(program, function, stage, sizes, &bucket));
  for (size_t s = 0; s < bounds.size(); ++s) {
    if (program.symbols[s].kind == SymbolKind::kCounted) {
      bounds[s] = 0;  // follows from the others
    }
  }
  return bounds;
}

absl::StatusOr<std::unique_ptr<MemoryPlan>> MakePlan(const Program& program, const FunctionDesc& function,
                                                     size_t stage_index, const Sizes& sizes, int threads) {
  const StageDesc& stage = function.stages[stage_index];
  auto memory = std::make_unique<MemoryPlan>();
  ASSIGN_OR_RETURN(std::vector<int64_t> bounds, ChooseBounds(program, function, stage_index, sizes, &memory->bucket));
  const std::vector<int64_t> slots = SlotsAt(program, function, std::move(bounds), sizes);
  for (uint32_t slot : stage.monitored) {
    memory->planned.push_back(slots[slot]);
  }
  if (&function == &program.main() && stage_index == 0) {
    for (const StateDesc& state : program.states) {
      memory->state_lengths.push_back(std::max(slots[state.length_before], slots[state.length_after]));
    }
  }
  std::vector<plan::PackBuffer> problem;
  int64_t total = 0;
  for (uint32_t b : stage.arena) {
    const BufferDesc& buffer = function.buffers[b];
    const int64_t bytes = slots[buffer.bytes];
    total = std::max<int64_t>(total, 0) + std::min(std::max<int64_t>(bytes, 0), kMaxBytes);
    if (bytes < 0 || total > kMaxBytes) {
      return absl::ResourceExhaustedError(
          absl::StrFormat("function '%s': a buffer of %d bytes (use smaller sizes)", function.name, bytes));
    }
    memory->bytes.push_back(bytes);
    problem.push_back({static_cast<int64_t>(buffer.first), static_cast<int64_t>(buffer.last) + 1, bytes});
  }
  memory->workspace_bytes = WorkspaceBytes(function, stage, slots, threads);
  if (!function.segments.empty()) {
    ASSIGN_OR_RETURN(memory->symbols, BoundsOf(program, function, stage_index, sizes));
    memory->bound = slots;
    for (const InstrDesc& instr : function.instrs) {
      if (instr.kind != InstrKind::kDevice || instr.stage != static_cast<int32_t>(stage_index)) {
        continue;
      }
      memory->device_reach = std::max(memory->device_reach, ReachBytes(function, instr, slots));
      if (instr.workspace >= 0) {
        memory->device_workspace = std::max(memory->device_workspace, slots[instr.workspace]);
      }
    }
  }
  if (memory->bucket != nullptr) {
    RETURN_IF_ERROR(TakeBucketOffsets(function, stage, problem, *memory));
    return memory;
  }
  plan::PackResult result = plan::Pack(problem, {.alignment = kAlignment});
  memory->offsets = std::move(result.offsets);
  memory->arena_bytes = result.peak;
  memory->lower_bound = result.lower_bound;
  return memory;
}

MemoryPlan* PlanCache::Find(const StageDesc& stage, const std::vector<int64_t>& slots,
                            const std::vector<int64_t>* symbols) {
  MemoryPlan* best = nullptr;
  for (const std::unique_ptr<MemoryPlan>& plan : plans_) {
    if (symbols != nullptr && plan->symbols != *symbols) {
      continue;
    }
    if ((best == nullptr || plan->arena_bytes < best->arena_bytes) && plan->Covers(stage, slots)) {
      best = plan.get();
    }
  }
  if (best != nullptr) {
    best->last_used = ++clock_;
  }
  return best;
}

MemoryPlan* PlanCache::Add(std::unique_ptr<MemoryPlan> plan) {
  if (plans_.size() >= kPlans) {
    plans_.erase(std::min_element(plans_.begin(), plans_.end(),
                                  [](const auto& a, const auto& b) { return a->last_used < b->last_used; }));
  }
  plan->last_used = plan->serial = ++clock_;
  plans_.push_back(std::move(plan));
  return plans_.back().get();
}

}  // namespace sluice::exec
