// A loaded model: the decoded program, its kernels and its weights.  Immutable; many contexts share it.
//
//   ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::Open("model.sluice"));
//   ASSIGN_OR_RETURN(std::shared_ptr<const Model> model, Model::Load(artifact, {.threads = 2}));
//   ASSIGN_OR_RETURN(std::unique_ptr<Context> context, Context::Create(model));
#ifndef SLUICE_RUNTIME_EXEC_MODEL_H_
#define SLUICE_RUNTIME_EXEC_MODEL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/artifact/artifact.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "runtime/exec/device_model.h"
#include "runtime/exec/engine.h"
#include "runtime/exec/program.h"
#include "runtime/exec/weights.h"

namespace sluice::exec {

struct ModelOptions {
  int threads = 0;                   // 0: as many as the process may use
  std::shared_ptr<ThreadPool> pool;  // used instead of a new one of `threads`
  bool native = true;                // false: refuse artifacts with machine code
  std::string weights;               // stripped artifacts: a model file, "random" or "random:SEED"
  std::string device;                // "cpu", "cuda:N"; empty: what the artifact is for, cuda:0
  bool verify = true;                // compare the checksums of all weights
  KernelFinder find_kernel = kernels::FindCpuKernel;
};

class Model {
 public:
  // Errors: those of Decode (program.h), BindWeights (weights.h) and DeviceModel::Load; kDataLoss for a wrong byte in
  // the weights; kFailedPrecondition for a device the artifact is not for.
  static absl::StatusOr<std::shared_ptr<const Model>> Load(std::shared_ptr<const artifact::Artifact> artifact,
                                                           const ModelOptions& options);

  const artifact::Artifact& artifact() const { return *program_->artifact; }
  const Program& program() const { return *program_; }
  std::span<const WeightBytes> weights() const { return weights_.bytes(); }
  int64_t weights_bytes() const;
  ThreadPool& pool() const { return *pool_; }
  const DeviceModel* device() const { return device_.get(); }  // null: on the CPU

  const std::vector<PortDesc>& inputs() const { return program_->main().inputs; }
  // Those that callers see: all but `next`.
  std::span<const PortDesc> outputs() const {
    const std::span<const PortDesc> all = program_->main().outputs;
    return all.first(all.size() - (program_->next >= 0 ? 1 : 0));
  }
  // Index of the port of that name; kInvalidArgument lists the names there are.
  absl::StatusOr<int> FindInput(const std::string& name) const;
  absl::StatusOr<int> FindOutput(const std::string& name) const;

 private:
  Model() = default;
  std::unique_ptr<const Program> program_;
  Weights weights_;
  std::shared_ptr<ThreadPool> pool_;
  std::unique_ptr<const DeviceModel> device_;
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_MODEL_H_
