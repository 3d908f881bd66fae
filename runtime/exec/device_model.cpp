#include "runtime/exec/device_model.h"

#include <algorithm>
#include <map>

#include "runtime/artifact/verify.h"
#include "runtime/exec/engine.h"

namespace sluice::exec {
namespace {

using artifact::List;
using cuda::Driver;

constexpr int64_t kAlignment = 256;

int64_t Align(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Weights that some kernel on the device reads.
std::vector<uint8_t> WeightsOnDevice(const Program& program) {
  std::vector<uint8_t> used(program.weights.size(), 0);
  for (const FunctionDesc& function : program.functions) {
    for (const InstrDesc& instr : function.instrs) {
      for (uint32_t v = instr.ins; instr.kind == InstrKind::kDevice && v < instr.end; ++v) {
        const int32_t b = function.views[v].buffer;
        if (b >= 0 && function.buffers[b].kind == BufferKind::kWeight) {
          used[function.buffers[b].index] = 1;
        }
      }
    }
  }
  return used;
}

}  // namespace

DeviceModel::~DeviceModel() {
  for (cuda::CUmodule module : modules_) {
    if (module != nullptr && device_->MakeCurrent().ok()) {
      device_->driver().cuModuleUnload(module);
    }
  }
}

absl::Status DeviceModel::LoadKernels(const Program& program) {
  const auto kernels = List(program.artifact->program().kernels());
  modules_.resize(static_cast<size_t>(List(program.artifact->program().libraries()).size()), nullptr);
  for (const fb::Kernel* kernel : kernels) {  // in the order of DeviceForm::function
    if (kernel->cuda() == nullptr) {
      continue;
    }
    for (const fb::CudaKernel* few : List(kernel->cuda()->smaller())) {
      RETURN_IF_ERROR(LoadFunction(*program.artifact, *kernel, *few));
    }
    RETURN_IF_ERROR(LoadFunction(*program.artifact, *kernel, *kernel->cuda()));
  }
  return absl::OkStatus();
}

absl::Status DeviceModel::LoadFunction(const artifact::Artifact& artifact, const fb::Kernel& kernel,
                                       const fb::CudaKernel& form) {
  const Driver& cuda = device_->driver();
  const fb::Library& library = *artifact.program().libraries()->Get(form.library());
  const std::string what = absl::StrFormat("%s: kernel '%s'", artifact.where(), kernel.name()->c_str());
  cuda::CUmodule& module = modules_[form.library()];
  if (module == nullptr) {
    RETURN_IF_ERROR(artifact.VerifyChunk(*library.chunk(), what));
    RETURN_IF_ERROR(cuda.Check(cuda.cuModuleLoadData(&module, artifact.ChunkBytes(*library.chunk()).data()),
                               (what + ": cuModuleLoadData").c_str()));
  }
  cuda::CUfunction& function = functions_.emplace_back(nullptr);
  RETURN_IF_ERROR(cuda.Check(cuda.cuModuleGetFunction(&function, module, form.entry()->c_str()),
                             (what + ": cuModuleGetFunction").c_str()));
  if (form.shared() > 0) {
    RETURN_IF_ERROR(
        cuda.Check(cuda.cuFuncSetAttribute(function, cuda::kFunctionSharedBytes, static_cast<int>(form.shared())),
                   (what + ": cuFuncSetAttribute").c_str()));
  }
  counters_ = std::max<int64_t>(counters_, form.counters());
  return absl::OkStatus();
}

absl::Status DeviceModel::LoadWeights(const Program& program, std::span<const WeightBytes> weights, ThreadPool& pool) {
  const std::vector<uint8_t> used = WeightsOnDevice(program);
  std::map<const uint8_t*, int64_t> places;  // two weights may share their bytes
  std::vector<int64_t> at(weights.size(), -1);
  int64_t total = 0;
  for (size_t w = 0; w < weights.size(); ++w) {
    if (used[w] == 0) {
      continue;
    }
    const auto [place, fresh] = places.try_emplace(weights[w].data, total);
    at[w] = place->second;
    total += fresh ? Align(weights[w].bytes) : 0;
  }
  constants_at_ = total;
  const auto constants = List(program.artifact->program().constants());
  total += Align(constants.size()) + kAlignment;
  ASSIGN_OR_RETURN(const int64_t free, device_->FreeBytes());
  if (total > free) {
    return absl::ResourceExhaustedError(
        absl::StrFormat("%s: the weights need %d bytes on the device, %s has %d free (use another device)",
                        program.artifact->where(), total, device_->name(), free));
  }
  memory_ = std::make_unique<cuda::DeviceBlock>(*device_);
  RETURN_IF_ERROR(memory_->Reserve(total));
  std::vector<cuda::Device::Upload> uploads;
  weights_.resize(weights.size(), 0);
  for (size_t w = 0; w < weights.size(); ++w) {
    if (at[w] < 0) {
      continue;
    }
    weights_[w] = memory_->address() + at[w];
    if (places.erase(weights[w].data) > 0) {
      uploads.push_back({weights_[w], {weights[w].data, static_cast<size_t>(weights[w].bytes)}});
    }
  }
  if (constants.size() > 0) {
    uploads.push_back({constant(0), {program.constants.get(), static_cast<size_t>(constants.size())}});
  }
  for (const cuda::Device::Upload& upload : uploads) {
    copied_.bytes += static_cast<int64_t>(upload.from.size());
  }
  const int64_t begin = NowNs();
  RETURN_IF_ERROR(device_->CopyAll(uploads, pool));
  copied_.ns = NowNs() - begin;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<const DeviceModel>> DeviceModel::Load(const Program& program, int ordinal,
                                                                     std::span<const WeightBytes> weights,
                                                                     ThreadPool& pool) {
  const fb::Program& from = program.artifact->program();
  std::unique_ptr<DeviceModel> model(new DeviceModel);
  ASSIGN_OR_RETURN(model->device_, cuda::Device::Open({.ordinal = ordinal,
                                                       .capability = static_cast<int>(from.compute_capability()),
                                                       .driver = static_cast<int>(from.driver())}));
  RETURN_IF_ERROR(model->LoadKernels(program));
  RETURN_IF_ERROR(model->LoadWeights(program, weights, pool));
  return model;
}

}  // namespace sluice::exec
