#include "tools/common/device_data.h"

#include <algorithm>
#include <utility>

#include "runtime/exec/copy.h"

namespace sluice::tools {

using kernels::Tensor;

absl::StatusOr<void*> DeviceData::Block(const cuda::Device& device, int64_t bytes) {
  RETURN_IF_ERROR(blocks_.emplace_back(device).Reserve(std::max<int64_t>(bytes, 1)));
  return reinterpret_cast<void*>(blocks_.back().address());
}

absl::StatusOr<DeviceData> DeviceData::Create(const exec::Model& model, std::span<const Tensor> inputs,
                                              std::span<const Tensor> results) {
  const cuda::Device& device = model.device()->device();
  RETURN_IF_ERROR(device.MakeCurrent());
  ASSIGN_OR_RETURN(cuda::Stream stream, cuda::Stream::Create(device));
  DeviceData data(std::move(stream));
  data.inputs_.assign(inputs.begin(), inputs.end());
  for (Tensor& t : data.inputs_) {
    data.places_.push_back(t.present() ? 1 : 0);
    if (!t.present()) {
      continue;
    }
    ASSIGN_OR_RETURN(void* const to, data.Block(device, exec::DenseBytes(t)));
    RETURN_IF_ERROR(data.stream_.CopyIn(reinterpret_cast<cuda::CUdeviceptr>(to), t.data, exec::DenseBytes(t)));
    t.data = to;
  }
  for (const Tensor& result : results) {
    const int64_t bytes = exec::DenseBytes(result);
    ASSIGN_OR_RETURN(void* const to, data.Block(device, bytes));
    data.outputs_.push_back({.data = to, .bytes = bytes, .on_device = true});
  }
  RETURN_IF_ERROR(data.stream_.Synchronize());
  return data;
}

absl::StatusOr<std::vector<uint8_t>> DeviceData::Result(size_t index) const {
  const exec::RunOutput& output = outputs_[index];
  std::vector<uint8_t> bytes(static_cast<size_t>(exec::DenseBytes(output.tensor)));
  RETURN_IF_ERROR(stream_.CopyOut(bytes.data(), reinterpret_cast<cuda::CUdeviceptr>(output.data),
                                  static_cast<int64_t>(bytes.size())));
  RETURN_IF_ERROR(stream_.Synchronize());
  return bytes;
}

}  // namespace sluice::tools
