#include "runtime/exec/model.h"

#include <charconv>
#include <set>
#include <utility>

#include "runtime/base/cpu.h"

namespace sluice::exec {
namespace {

absl::StatusOr<int> FindPort(std::span<const PortDesc> ports, const std::string& name, const char* kind) {
  std::string names;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].name == name) {
      return static_cast<int>(i);
    }
    absl::StrAppend(&names, i == 0 ? "" : ", ", ports[i].name);
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("%s '%s': the model has none of that name (it has %s)", kind, name, names));
}

// Number of the CUDA device to run on; -1: the CPU.  The artifact says which of the two it is for.
absl::StatusOr<int> DeviceOrdinal(const Program& program, const std::string& device) {
  const std::string& where = program.artifact->where();
  const char* target = program.artifact->program().target()->c_str();
  if (!program.on_device) {
    if (!device.empty() && device != "cpu") {
      if (const absl::Status status = cuda::Driver::Open().status(); !status.ok()) {
        return absl::Status(status.code(), absl::StrCat("--device: '", device, "': ", std::string(status.message())));
      }
      return absl::FailedPreconditionError(absl::StrFormat(
          "--device: '%s': %s is for target %s (compile it with --target cuda-sm90a)", device, where, target));
    }
    return -1;
  }
  int ordinal = 0;
  const char* end = device.data() + device.size();
  if (device == "cpu") {
    return absl::FailedPreconditionError(
        absl::StrFormat("--device: '%s': %s is for target %s (compile it with --target cpu)", device, where, target));
  }
  if (!device.empty() && device != "cuda") {
    if (device.rfind("cuda:", 0) != 0) {
      return absl::InvalidArgumentError("--device: '" + device + "' (give cpu or cuda:N)");
    }
    const auto [at, error] = std::from_chars(device.data() + 5, end, ordinal);
    if (error != std::errc() || at != end || ordinal < 0) {
      return absl::InvalidArgumentError("--device: '" + device + "' (give cpu or cuda:N)");
    }
  }
  return ordinal;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Model>> Model::Load(std::shared_ptr<const artifact::Artifact> artifact,
                                                         const ModelOptions& options) {
  std::shared_ptr<Model> model(new Model);
  model->pool_ = options.pool != nullptr
                     ? options.pool
                     : std::make_shared<ThreadPool>(options.threads > 0 ? options.threads : AvailableCpus());
  ASSIGN_OR_RETURN(model->program_,
                   Decode(std::move(artifact), {.native = options.native, .find_kernel = options.find_kernel}));
  if (options.verify) {
    RETURN_IF_ERROR(model->artifact().VerifyChunks(*model->pool_));
  }
  ASSIGN_OR_RETURN(const int ordinal, DeviceOrdinal(*model->program_, options.device));
  ASSIGN_OR_RETURN(model->weights_, BindWeights(model->artifact(), options.weights, *model->pool_));
  if (ordinal >= 0) {
    ASSIGN_OR_RETURN(model->device_,
                     DeviceModel::Load(*model->program_, ordinal, model->weights_.bytes(), *model->pool_));
  }
  return model;
}

int64_t Model::weights_bytes() const {
  // Two weights may share their bytes: count places, not names.
  std::set<const uint8_t*> seen;
  int64_t bytes = 0;
  for (const WeightBytes& weight : weights()) {
    bytes += seen.insert(weight.data).second ? weight.bytes : 0;
  }
  return bytes;
}

absl::StatusOr<int> Model::FindInput(const std::string& name) const { return FindPort(inputs(), name, "input"); }
absl::StatusOr<int> Model::FindOutput(const std::string& name) const { return FindPort(outputs(), name, "output"); }

}  // namespace sluice::exec
