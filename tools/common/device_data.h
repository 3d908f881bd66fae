// A model's inputs and results in memory of its GPU, as callers have them whose data never leave it.
//
//   ASSIGN_OR_RETURN(DeviceData data, DeviceData::Create(*model, made.tensors, sizes));  // sizes: Context::OutputSizes
//   RETURN_IF_ERROR(context->SetStream(data.stream().get()));
//   RETURN_IF_ERROR(context->Run(data.inputs(), data.outputs(), {.on_device = data.places()}));         // queued
//   RETURN_IF_ERROR(data.stream().Synchronize());
#ifndef SLUICE_TOOLS_COMMON_DEVICE_DATA_H_
#define SLUICE_TOOLS_COMMON_DEVICE_DATA_H_

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/status.h"
#include "runtime/cuda/device.h"
#include "runtime/exec/context.h"

namespace sluice::tools {

class DeviceData {
 public:
  // Copies `inputs`, which are on the host, and reserves room for results of the sizes of `results`.  `model` is one
  // that runs on a GPU.
  static absl::StatusOr<DeviceData> Create(const exec::Model& model, std::span<const kernels::Tensor> inputs,
                                           std::span<const kernels::Tensor> results);

  const cuda::Stream& stream() const { return stream_; }
  std::span<const kernels::Tensor> inputs() const { return inputs_; }
  std::span<exec::RunOutput> outputs() { return outputs_; }
  std::span<const uint8_t> places() const { return places_; }  // `on_device` of Context::Run
  // What a run left as result `index`.
  absl::StatusOr<std::vector<uint8_t>> Result(size_t index) const;

 private:
  explicit DeviceData(cuda::Stream stream) : stream_(std::move(stream)) {}
  absl::StatusOr<void*> Block(const cuda::Device& device, int64_t bytes);

  cuda::Stream stream_;
  std::vector<cuda::DeviceBlock> blocks_;
  std::vector<kernels::Tensor> inputs_;
  std::vector<exec::RunOutput> outputs_;
  std::vector<uint8_t> places_;
};

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_COMMON_DEVICE_DATA_H_
