// A place to run a model: its arena, plans and caches.  One run at a time; contexts of one model run in parallel.
//
//   std::vector<kernels::Tensor> inputs = …;            // one a port, in the model's order, dense
//   std::vector<RunOutput> outputs(model->outputs().size());
//   RETURN_IF_ERROR(context->Run(inputs, outputs));
//   outputs[0].tensor                                   // valid until the next run
//
// States: a past that is not given is the one the context holds from the run before, so a decoder runs step by step
// with `present` never copied.  A past given is copied in; a present asked for is copied out.  Where an input of role
// `branch` is false there is no past: what is given or held counts as empty.
#ifndef SLUICE_RUNTIME_EXEC_CONTEXT_H_
#define SLUICE_RUNTIME_EXEC_CONTEXT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/status.h"
#include "runtime/exec/engine.h"
#include "runtime/exec/frame.h"
#include "runtime/exec/model.h"

namespace sluice::exec {

struct RunOutput {
  bool wanted = true;    // false: nothing is computed for it alone (a state stays where it is)
  void* data = nullptr;  // the caller's memory of `bytes`; null: the context keeps the result
  int64_t bytes = 0;
  bool on_device = false;  // `data` is memory of the model's GPU
  bool last = false;       // only the last position of dimension 1 is wanted; a GPU may then give that alone
  kernels::Tensor tensor;  // the result, when wanted: dense, with its real sizes
};

// Tokens that a GPU chose, on their way to the host.
class PinnedTokens {
 public:
  explicit PinnedTokens(const cuda::Device& device) : block_(device), copied_(device) {}
  ~PinnedTokens() { copied_.Wait().IgnoreError(); }  // the memory is being written until then

  // Waits for them.
  absl::Status Read(std::vector<int64_t>& tokens);

 private:
  friend class Context;
  cuda::PinnedBlock block_;
  cuda::Event copied_;
  kernels::Tensor tensor_;  // in the block
};

class Context {
 public:
  static absl::StatusOr<std::unique_ptr<Context>> Create(std::shared_ptr<const Model> model);

  const Model& model() const { return *model_; }

  // Runs once.  `inputs`: one a port; not present() where a state's past is not given.  `outputs`: one a port.
  // kInvalidArgument names the input (missing, element type, rank, size), the broken assumption, or the output whose
  // memory is too small; kCancelled after Cancel; kernel errors name the ONNX node.
  absl::Status Run(std::span<const kernels::Tensor> inputs, std::span<RunOutput> outputs,
                   const InputFacts& facts = {}) {
    return Run(inputs, outputs, facts, /*wait=*/true);
  }
  // The same on a GPU, but chooses tokens where the model does, and returns once the run is queued; no output may be
  // wanted on the host.  Errors of kernels come with a later call.
  absl::Status Queue(std::span<const kernels::Tensor> inputs, std::span<RunOutput> outputs, const InputFacts& facts) {
    return Run(inputs, outputs, facts, /*wait=*/false);
  }

  // The model chooses tokens itself, on its GPU: the most likely ones behind the last positions.
  bool chooses() const {
    const Program& program = model_->program();
    return engine_.device != nullptr && program.next >= 0 && !program.main().segments.empty();
  }
  // Those of the last run that was queued, [batch, 1], in memory of the GPU until the next one.
  absl::StatusOr<kernels::Tensor> Chosen();
  // Queues a copy of them to the host.
  absl::Status CopyChosen(PinnedTokens& to);

  // Work goes to the caller's CUDA stream from now on, behind what is in it; null: to the context's own.  A run whose
  // wanted outputs are all on the device then returns once it is queued.  kFailedPrecondition without a GPU.
  absl::Status SetStream(void* stream);

  // Sizes of the outputs for inputs of these sizes (data may be null), without running.  A size that data decide is at
  // its largest; -1 when it has no bound.
  absl::StatusOr<std::vector<kernels::Tensor>> OutputSizes(std::span<const kernels::Tensor> inputs);

  // Ends the run in progress, or the next one, at its next instruction.  From any thread.
  void Cancel() { engine_.cancelled.store(true, std::memory_order_relaxed); }

  // Positions the growing states hold (all hold the same number); 0 without states.
  int64_t state_length() const;
  int64_t state_capacity() const;  // they have room for
  void ResetStates();
  // Forgets all positions from `length` on.  kOutOfRange when there are fewer.
  absl::Status TruncateStates(int64_t length);
  int64_t state_bytes() const;

  const Counters& counters() const { return engine_.counters; }
  Frame::MemoryUse memory_use() const;
  void set_observer(LaunchObserver* observer) { engine_.observer = observer; }
  // Sizes of the last run, for messages and tools.
  const Sizes& sizes() const { return engine_.sizes; }

 private:
  Context(std::shared_ptr<const Model> model, std::unique_ptr<DeviceEngine> device);
  absl::Status CheckInputs(std::span<const kernels::Tensor> inputs, bool with_data) const;
  bool HasPast(std::span<const kernels::Tensor> inputs) const;
  std::span<const kernels::Tensor> WithoutPast(std::span<const kernels::Tensor> inputs);
  absl::Status BindSizes(std::span<const kernels::Tensor> inputs);
  void HeldOnHost(size_t state);  // its twin on the device is old
  absl::Status PrepareStates(std::span<const kernels::Tensor> inputs);
  absl::Status Run(std::span<const kernels::Tensor> inputs, std::span<RunOutput> outputs, const InputFacts& facts,
                   bool wait);
  absl::Status RunPrepared(std::span<const kernels::Tensor> inputs, std::span<RunOutput> outputs, InputFacts facts,
                           bool wait);
  absl::Status CheckPlaces(std::span<const RunOutput> outputs, std::span<const uint8_t> on_device) const;
  absl::Status BringToHost(std::span<const uint8_t> on_device);
  absl::Status TakeOutput(size_t index, RunOutput& output);
  absl::Status GiveOnDevice(size_t index, RunOutput& output);

  std::shared_ptr<const Model> model_;
  Engine engine_;
  std::vector<StateSizes> state_sizes_;
  std::vector<kernels::Tensor> without_past_;  // the inputs, where a branch empties the caches
  std::vector<Memory> given_;
  std::vector<Block> kept_;  // one an output: copies the context made
  // Of a run with inputs on the device: the inputs, which of them are left there, the others' bytes on the host.
  std::vector<kernels::Tensor> inputs_;
  std::vector<uint8_t> on_device_;
  std::vector<Block> brought_;
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_CONTEXT_H_
