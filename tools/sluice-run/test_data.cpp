// --test-data: ONNX's own layout, input_0.pb … and output_0.pb … in one folder.
#include <cstdio>
#include <filesystem>

#include "runtime/base/json_writer.h"
#include "tools/common/tensor_file.h"
#include "tools/sluice-run/options.h"

namespace sluice::tools {
namespace {

using kernels::Tensor;

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

// The port a file is for: by the tensor's name, or, without one, by the file's number.
absl::StatusOr<int> PortOf(const HostTensor& t, size_t number, const std::vector<exec::PortDesc>& ports,
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

absl::StatusOr<bool> RunSet(const RunOptions& options, exec::Context& context, const std::string& dir,
                            JsonWriter& json) {
  const exec::Model& model = context.model();
  if (!std::filesystem::is_directory(dir)) {
    return absl::NotFoundError(dir + ": no such folder of test data");
  }
  ASSIGN_OR_RETURN(std::vector<HostTensor> files, ReadSeries(dir, "input"));
  ASSIGN_OR_RETURN(std::vector<HostTensor> expected, ReadSeries(dir, "output"));
  if (expected.empty()) {
    return absl::NotFoundError(dir + "/output_0.pb: no such file (test data are input_K.pb and output_K.pb)");
  }
  std::vector<Tensor> inputs(model.inputs().size());
  for (size_t i = 0; i < files.size(); ++i) {
    ASSIGN_OR_RETURN(const int port, PortOf(files[i], i, model.inputs(), dir, "input"));
    files[i] = files[i].As(model.inputs()[port].dtype);  // caches of an artifact compiled with --dtype
    ASSIGN_OR_RETURN(inputs[port], files[i].View());
  }
  std::vector<exec::RunOutput> outputs(model.outputs().size());
  context.ResetStates();
  RETURN_IF_ERROR(context.Run(inputs, outputs));
  json.BeginObject().Field("dir", dir).Key("outputs").BeginArray();
  bool all_ok = true;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSIGN_OR_RETURN(const int port, PortOf(expected[i], i, model.outputs(), dir, "output"));
    expected[i] = expected[i].As(model.outputs()[port].dtype);
    ASSIGN_OR_RETURN(const Tensor want, expected[i].View());
    const Difference d = Compare(outputs[port].tensor, want, options.tolerance);
    all_ok = all_ok && d.ok;
    const std::string& name = model.outputs()[port].name;
    json.BeginObject().Field("name", name).Field("max_abs", d.max_abs).Field("max_rel", d.max_rel).Field("ok", d.ok);
    if (!d.why.empty()) {
      json.Field("why", d.why);
    }
    json.EndObject();
    if (!options.json) {
      std::printf("%s %.3g %.3g %s%s%s\n", name.c_str(), d.max_abs, d.max_rel, d.ok ? "ok" : "DIFFERENT",
                  d.why.empty() ? "" : " ", d.why.c_str());
    }
  }
  json.EndArray().EndObject();
  return all_ok;
}

}  // namespace

absl::StatusOr<ExitCode> RunTestData(const RunOptions& options, exec::Context& context) {
  JsonWriter json;
  json.BeginObject().Key("test_data").BeginArray();
  bool all_ok = true;
  for (const std::string& dir : options.test_data) {
    ASSIGN_OR_RETURN(const bool ok, RunSet(options, context, dir, json));
    all_ok = all_ok && ok;
  }
  json.EndArray().Field("ok", all_ok).EndObject();
  if (options.json) {
    std::printf("%s\n", json.text().c_str());
  }
  if (!all_ok) {
    std::fflush(stdout);
    PrintError(kRunTool,
               absl::StrFormat("--test-data: results differ from the expected ones by more than --rtol %g --atol %g",
                               options.tolerance.rtol, options.tolerance.atol));
  }
  return all_ok ? kExitOk : kExitDifferent;
}

}  // namespace sluice::tools
