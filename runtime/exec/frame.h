// One function of a program, ready to run: its buffers placed, its views filled, its kernels called.
//
// A frame belongs to a context and is reused run after run: at sizes that its plans cover, Run allocates nothing.
#ifndef SLUICE_RUNTIME_EXEC_FRAME_H_
#define SLUICE_RUNTIME_EXEC_FRAME_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/status.h"
#include "runtime/exec/block.h"
#include "runtime/exec/engine.h"
#include "runtime/exec/memory_plan.h"
#include "runtime/exec/program.h"
#include "runtime/exec/stale_views.h"

namespace sluice::exec {

// The loop-carried and stacked values of one Loop instruction, kept between runs.
struct LoopValues {
  struct Value {
    explicit Value(Counters* counters) : memory{Block(counters), Block(counters)} {}
    kernels::Tensor tensor;
    Block memory[2];     // a carried one alternates: a body may hand one input on as another output
    int64_t filled = 0;  // bytes, of a stacked one
  };
  std::vector<Value> values;
  std::vector<kernels::Tensor> args;
};

class Frame {
 public:
  Frame(Engine& engine, const FunctionDesc& function);

  // Runs the function.  The engine's sizes are bound.  `inputs`: one dense tensor a port (none for states).
  // `outputs`: memory for one output a port, where the caller has some; without, the frame keeps the result until its
  // next run.  Inputs may be on the GPU where reads_on_host() is false.  kInvalidArgument when memory is too small;
  // errors of kernels name the ONNX node.
  absl::Status Run(std::span<const kernels::Tensor> inputs, std::span<const Memory> outputs,
                   const InputFacts& facts = {});
  // Some instruction runs on the host.
  bool reads_on_host() const;

  // The plan of the first stage for the engine's sizes, its memory reserved: what caches must have room for.
  absl::StatusOr<const MemoryPlan*> Plan() { return PlanStage(0); }

  // Where output i is after Run: in the caller's memory when it was used, elsewhere otherwise.  Strided for a state.
  kernels::Tensor Output(size_t i) const;

  // Makes `output`, which is output i, its last position of dimension 1 alone, if that spares a copy from the GPU.
  absl::StatusOr<bool> LastToHost(size_t i, kernels::Tensor& output) {
    return device_ != nullptr ? device_->LastToHost(function_.outputs[i].buffer, output) : false;
  }
  // Brings output i to the host, where it is not.
  absl::Status ToHost(size_t i) {
    return device_ == nullptr ? absl::OkStatus() : device_->ToHost(function_.outputs[i].buffer);
  }

  // Where output i, of a buffer of its own, is on the GPU; the frame runs there, in part at least.
  absl::StatusOr<cuda::CUdeviceptr> OnDevice(size_t i);
  // Copies output i, which is dense, to memory of the GPU.
  absl::Status CopyToDevice(size_t i, cuda::CUdeviceptr to, int64_t bytes);

  // Largest arena of the current plans, its lower bound and the workspace, over all stages, in bytes.
  struct MemoryUse {
    int64_t arena = 0, lower_bound = 0, workspace = 0;
  };
  MemoryUse Use() const;

 private:
  struct StageMemory {
    explicit StageMemory(Counters* counters) : arena(counters), workspace(counters) {}
    PlanCache plans;
    MemoryPlan* placed = nullptr;  // whose addresses roots_ hold
    Block arena, workspace;
  };

  absl::StatusOr<MemoryPlan*> PlanStage(size_t stage);
  absl::Status EnterStage(size_t stage);
  absl::Status PlaceOutputs(const StageDesc& stage);
  template <bool kObserved>
  absl::Status RunInstrs();
  absl::Status RunOnDevice(size_t segment);
  absl::Status Launch(const InstrDesc& instr);
  void LaunchNative(const InstrDesc& instr);
  absl::Status TakeCounts(const InstrDesc& instr);
  absl::Status If(const InstrDesc& instr);
  absl::Status Loop(const InstrDesc& instr);
  absl::Status LoopBody(const InstrDesc& instr, LoopValues& loop, int64_t& iterations);
  absl::Status KeepResults(const InstrDesc& instr, LoopValues& loop, Frame& body, int64_t iteration);
  absl::Status FinishLoop(const InstrDesc& instr, LoopValues& loop, int64_t iterations);
  absl::Status FinishCall(const InstrDesc& instr, std::span<const kernels::Tensor> results);
  absl::Status Call(int32_t function, std::span<const kernels::Tensor> args, std::span<const Memory> outputs);

  // Fills views [begin, end) from the slots; false when one lies outside its buffer.
  bool Fill(uint32_t begin, uint32_t end);
  bool FillView(uint32_t index);
  bool FillState(const ViewDesc& view, kernels::Tensor& t);
  absl::Status BadView(const InstrDesc& instr) const;
  absl::Status At(const InstrDesc& instr, const absl::Status& status) const;

  Engine& engine_;
  const FunctionDesc& function_;
  std::vector<Memory> roots_;             // one a buffer; of aliases unused
  std::vector<kernels::Tensor> tensors_;  // one a view
  std::vector<void*> pointers_;           // one a view: tensors_[i].data, as generated kernels want them
  std::vector<int64_t> params_;           // FunctionDesc::params, evaluated
  std::vector<int64_t> counts_;           // FunctionDesc::counts, written by kernels
  std::vector<StageMemory> stages_;
  std::vector<Block> scratch_;  // one an output: when nobody gave memory
  std::span<const Memory> given_;
  std::vector<Memory> call_memory_;
  std::vector<kernels::Tensor> call_results_;
  std::vector<LoopValues> loops_;
  std::vector<StaleViews> stale_;        // one a segment
  std::unique_ptr<DeviceFrame> device_;  // null: no launch of this function runs on a GPU
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_FRAME_H_
