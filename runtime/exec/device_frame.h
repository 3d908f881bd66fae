// The part of a frame that runs on a GPU: its buffers there, what is where, and a CUDA graph for each segment and plan.
//
// Every buffer exists twice, here and there, and is copied when the other side needs what one side wrote last.  Host
// instructions are the exception; a program without any copies its inputs, runs one graph and copies its outputs.
//
// Parameters of a graph never change: addresses and constants are in it, all other numbers in the step block: every
// slot of the program, then what follows from slots and caches (offsets in bytes, strides).  It travels with the
// inputs.
#ifndef SLUICE_RUNTIME_EXEC_DEVICE_FRAME_H_
#define SLUICE_RUNTIME_EXEC_DEVICE_FRAME_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "kernels/desc.h"
#include "runtime/cuda/device.h"
#include "runtime/exec/device_model.h"
#include "runtime/exec/memory_plan.h"
#include "runtime/exec/program.h"
#include "runtime/exec/staged.h"
#include "runtime/exec/state.h"

namespace sluice::exec {

struct Engine;
struct Memory;

// Which side has a buffer's bytes; neither: nobody wrote any.
struct Held {
  bool host = false;
  bool device = false;
};

// What is known of a run's inputs besides their tensors; of each: one an input, or nothing.
struct InputFacts {
  std::span<const uint8_t> on_device;  // not 0: its data are in memory of the model's GPU
  std::span<const int64_t> kept;       // so many bytes at its data are what they were in the run before
  std::span<const int64_t> ahead;      // so many bytes behind its own are those of later, longer ones
};

// What the device frames of one context share.
struct DeviceEngine {
  static absl::StatusOr<std::unique_ptr<DeviceEngine>> Create(const DeviceModel& model, size_t states);

  const DeviceModel& model;
  cuda::Stream stream;
  cuda::Timer timer;  // of kernels that run one by one
  cuda::DeviceBlock counters;
  std::vector<cuda::DeviceBlock> states;  // the twins of the context's caches
  std::vector<Held> held_states;
  bool launch_by_launch = false;  // SLUICE_SYNC=1: waits after every kernel, so that an error names it
  uint64_t generation = 0;        // grows when memory of the device moves: graphs of before are void

  // Bytes of state `index` are needed on the host, where they are `bytes` at `host`.
  absl::Status StateToHost(size_t index, uint8_t* host, int64_t bytes);
  // State `index`, whose bytes are here and lay as `old`, lies as `state` says from now on.
  absl::Status MoveState(size_t index, const StateBuffer& state, const StateBuffer::Rows& old);

 private:
  DeviceEngine(const DeviceModel& model, cuda::Stream stream, cuda::Timer timer)
      : model(model), stream(std::move(stream)), timer(std::move(timer)), counters(model.device()) {}
};

class DeviceFrame {
 public:
  // `roots` and `tensors` are the frame's: a memory a buffer and a tensor a view, on the host.
  DeviceFrame(Engine& engine, const FunctionDesc& function, const std::vector<Memory>& roots,
              const std::vector<kernels::Tensor>& tensors);
  ~DeviceFrame();

  // A run begins: inputs are on the host, or in memory of the caller's on the device, where roots_ then point; nothing
  // else is anywhere.
  void Begin(const InputFacts& facts);
  // A plan was placed for a stage.
  absl::Status Place(size_t stage, const MemoryPlan& plan);
  // Views of the segment are filled.
  absl::Status RunSegment(size_t segment);
  // Before and after a host instruction: brings what it needs; notes what it wrote.
  absl::Status BeforeHost(uint32_t instr);
  void AfterHost(uint32_t instr);
  // The bytes of a buffer on the host.
  absl::Status ToHost(int32_t buffer);
  // Makes `output`, which is dense and lies in the buffer, its last position alone, and brings that to the host, until
  // the next call; false where the host has the bytes, or nobody.
  absl::StatusOr<bool> LastToHost(int32_t buffer, kernels::Tensor& output);
  // Where the bytes of a buffer are on the device, once what is queued has run.
  absl::StatusOr<cuda::CUdeviceptr> OnDevice(uint32_t buffer);
  // Copies `bytes` of a buffer, from `offset` on, to memory on the device.
  absl::Status CopyTo(cuda::CUdeviceptr to, int32_t buffer, int64_t offset, int64_t bytes);

 private:
  struct Derived {
    uint32_t view;
    int dim;  // -1: the offset in bytes
  };
  struct StageMemory {
    explicit StageMemory(const cuda::Device& device) : arena(device), workspace(device) {}
    cuda::DeviceBlock arena, workspace;
    const MemoryPlan* plan = nullptr;
  };
  // One launch, ready: the values of its parameters.
  struct Launch {
    const fb::CudaKernel* kernel = nullptr;
    cuda::CUfunction function = nullptr;
    std::array<unsigned, 3> grid{};
    std::vector<std::vector<uint64_t>> values;
    std::vector<void*> params;
  };
  struct Graph {
    std::vector<uint64_t> key;
    cuda::CUgraphExec exec = nullptr;
  };

  Held& held(uint32_t buffer);
  absl::Status ToDevice(uint32_t buffer);
  absl::StatusOr<cuda::CUdeviceptr> Address(uint32_t buffer);
  int64_t BytesOf(uint32_t buffer) const;
  bool InPlace(uint32_t input) const;
  // Bytes from the beginning of a buffer to the end of the memory it lies in; 0: not known.
  uint64_t BytesFrom(uint32_t buffer) const;
  absl::Status Reserve(cuda::DeviceBlock& block, int64_t bytes);
  int64_t RoomOf(const PortDesc& port, const MemoryPlan& plan) const;
  // Makes room for the plan's inputs.
  absl::Status PlaceInputs(const MemoryPlan& plan);
  // Puts bytes among those that the next Send copies.
  absl::Status Stage(size_t part, const void* from, int64_t bytes, int64_t kept = 0);
  absl::Status StageStep();
  absl::Status Send();

  //--- device_graph.cpp
  void NumberViews();
  int64_t OffsetNumber(uint32_t view);
  int64_t StrideNumber(uint32_t view, int dim);
  int64_t Number(uint32_t slot) const;
  int64_t Derive(uint32_t view, int dim);
  void FindMapStrides();
  absl::StatusOr<Launch> Prepare(const InstrDesc& instr);
  absl::Status AddParam(const InstrDesc& instr, const fb::CudaParam& param, Launch& launch);
  absl::Status AddTensorMap(const InstrDesc& instr, const fb::CudaParam& param, Launch& launch);
  absl::StatusOr<cuda::CUgraphExec> Build(const SegmentDesc& segment);
  absl::Status AddNodes(const std::vector<Launch>& launches, cuda::CUgraph graph);
  absl::StatusOr<int64_t> LaunchAndWait(const Launch& launch);
  absl::Status LaunchEach(const SegmentDesc& segment);
  absl::Status At(const InstrDesc& instr, const absl::Status& status) const;

  Engine& engine_;
  DeviceEngine& device_;
  const FunctionDesc& function_;
  const std::vector<Memory>& roots_;
  const std::vector<kernels::Tensor>& tensors_;
  std::vector<Held> held_;                        // one a buffer; a state's is the engine's
  std::vector<uint8_t> foreign_;                  // one a buffer: the caller's, on the device
  std::vector<int64_t> kept_, ahead_;             // one a buffer: of InputFacts
  std::vector<cuda::CUdeviceptr> addresses_;      // one a buffer
  std::map<uint32_t, cuda::DeviceBlock> ports_;   // of outputs and of large inputs
  std::vector<int64_t> first_write_, last_read_;  // one a buffer: instructions
  std::vector<StageMemory> stages_;
  std::vector<Derived> derived_;
  std::map<std::vector<uint32_t>, int64_t> dense_strides_;  // sizes whose product it is → number
  std::vector<int64_t> offsets_;                            // one a view: number
  std::vector<std::array<int64_t, kernels::kMaxRank>> strides_;
  // Of each segment: strides of tensor maps that are no constants (a cache's, or behind a size that varies).  A map
  // holds them, so a graph is for one value of each.
  std::vector<std::vector<Derived>> map_strides_;
  std::vector<uint32_t> inputs_;  // buffers: part i + 1 of what is staged, part 0 is the step block
  std::vector<int64_t> rooms_;    // of the parts
  std::vector<int64_t> step_;
  Staged staged_;
  cuda::PinnedBlock pinned_, last_;
  cuda::DeviceBlock block_;               // twin of pinned_
  cuda::Event sent_;                      // the copies from pinned_
  std::vector<std::list<Graph>> graphs_;  // one a segment, latest first
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_DEVICE_FRAME_H_
