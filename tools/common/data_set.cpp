#include "tools/common/data_set.h"

#include <filesystem>
#include <utility>

namespace sluice::tools {
namespace {

// KIND_0.pb, KIND_1.pb … until one is missing.
absl::StatusOr<std::vector<HostTensor>> ReadSeries(const std::string& dir, const char* kind) {
  std::vector<HostTensor> tensors;
  for (int i = 0;; ++i) {
    const std::string path = absl::StrFormat("%s/%s_%d.pb", dir, kind, i);
    if (!std::filesystem::exists(path)) {
      return tensors;
    }
    ASSIGN_OR_RETURN(HostTensor t, ReadTensor(path));
    tensors.push_back(std::move(t));
  }
}

absl::StatusOr<int> PortOf(const HostTensor& t, size_t number, std::span<const exec::PortDesc> ports,
                           const std::string& dir, const char* kind) {
  for (size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].name == t.name) {
      return static_cast<int>(i);
    }
  }
  if (t.name.empty() && number < ports.size()) {
    return static_cast<int>(number);
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("%s/%s_%d.pb: '%s' is no %s of the model", dir, kind, number, t.name, kind));
}

}  // namespace

absl::StatusOr<DataSet> ReadDataSet(const std::string& dir, const exec::Model& model) {
  if (!std::filesystem::is_directory(dir)) {
    return absl::NotFoundError(dir + ": no such folder of test data");
  }
  DataSet set;
  ASSIGN_OR_RETURN(set.files, ReadSeries(dir, "input"));
  ASSIGN_OR_RETURN(std::vector<HostTensor> outputs, ReadSeries(dir, "output"));
  if (outputs.empty()) {
    return absl::NotFoundError(dir + "/output_0.pb: no such file (test data are input_K.pb and output_K.pb)");
  }
  set.inputs.resize(model.inputs().size());
  for (size_t i = 0; i < set.files.size(); ++i) {
    ASSIGN_OR_RETURN(const int port, PortOf(set.files[i], i, model.inputs(), dir, "input"));
    set.files[i] = set.files[i].As(model.inputs()[port].dtype);
    ASSIGN_OR_RETURN(set.inputs[port], set.files[i].View());
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    ASSIGN_OR_RETURN(const int port, PortOf(outputs[i], i, model.outputs(), dir, "output"));
    set.expected.push_back({port, outputs[i].As(model.outputs()[port].dtype)});
  }
  return set;
}

}  // namespace sluice::tools
