// What a model keeps on a GPU for all its contexts: its kernels, weights and constants.
#ifndef SLUICE_RUNTIME_EXEC_DEVICE_MODEL_H_
#define SLUICE_RUNTIME_EXEC_DEVICE_MODEL_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/thread_pool.h"
#include "runtime/cuda/device.h"
#include "runtime/exec/program.h"

namespace sluice::exec {

struct WeightBytes;

class DeviceModel {
 public:
  // Loads the images, then the weights that kernels on the device read, each place once.  kResourceExhausted with the
  // sums when the device has too little memory; kUnavailable when it cannot serve the artifact.
  static absl::StatusOr<std::unique_ptr<const DeviceModel>> Load(const Program& program, int ordinal,
                                                                 std::span<const WeightBytes> weights,
                                                                 ThreadPool& pool);
  ~DeviceModel();
  DeviceModel(const DeviceModel&) = delete;
  DeviceModel& operator=(const DeviceModel&) = delete;

  const cuda::Device& device() const { return *device_; }
  cuda::CUfunction function(uint32_t form) const { return functions_[form]; }  // DeviceForm::function
  cuda::CUdeviceptr weight(int32_t index) const { return weights_[index]; }
  // Where a byte of Program.constants is.
  cuda::CUdeviceptr constant(int64_t offset) const { return memory_->address() + constants_at_ + offset; }
  int64_t bytes() const { return memory_->bytes(); }
  // What bringing weights and constants from the host took.
  struct Copied {
    int64_t bytes = 0, ns = 0;
  };
  const Copied& copied() const { return copied_; }
  int64_t counters() const { return counters_; }  // the most that one kernel asks for

 private:
  DeviceModel() = default;
  absl::Status LoadKernels(const Program& program);
  absl::Status LoadFunction(const artifact::Artifact& artifact, const fb::Kernel& kernel, const fb::CudaKernel& form);
  absl::Status LoadWeights(const Program& program, std::span<const WeightBytes> weights, ThreadPool& pool);

  std::unique_ptr<cuda::Device> device_;
  std::vector<cuda::CUmodule> modules_;      // one a library; null: not an image
  std::vector<cuda::CUfunction> functions_;  // one a form of a kernel
  std::unique_ptr<cuda::DeviceBlock> memory_;
  std::vector<cuda::CUdeviceptr> weights_;  // 0: no kernel on the device reads it
  int64_t constants_at_ = 0;
  Copied copied_;
  int64_t counters_ = 0;
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_DEVICE_MODEL_H_
