#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "runtime/base/json_writer.h"
#include "tools/common/tensor_file.h"
#include "tools/sluice-run/options.h"

namespace sluice::tools {
namespace {

using kernels::Tensor;

// A name as a file name: what separates folders becomes '_'.
std::string FileName(const std::string& name) {
  std::string file = name;
  std::replace(file.begin(), file.end(), '/', '_');
  return file + ".npy";
}

void PrintSummary(const std::string& name, const Tensor& t) {
  double least = 0, most = 0, sum = 0;
  for (int64_t i = 0; i < t.elements(); ++i) {
    const double v = ElementAt(t, i);
    least = i == 0 ? v : std::min(least, v);
    most = i == 0 ? v : std::max(most, v);
    sum += v;
  }
  std::string sizes;
  for (int d = 0; d < t.rank; ++d) {
    absl::StrAppend(&sizes, d == 0 ? "" : ", ", t.sizes[d]);
  }
  std::printf("%s %s [%s] min %g max %g mean %g\n", name.c_str(), Name(t.dtype), sizes.c_str(), least, most,
              t.elements() > 0 ? sum / static_cast<double>(t.elements()) : 0.0);
}

absl::Status ReadInputs(const RunOptions& options, const exec::Model& model, std::vector<HostTensor>& files,
                        std::vector<Tensor>& inputs) {
  files.reserve(options.inputs.size());  // views point into them
  inputs.resize(model.inputs().size());
  for (const std::string& argument : options.inputs) {
    const size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError("--input: '" + argument + "' (give NAME=FILE)");
    }
    ASSIGN_OR_RETURN(const int index, model.FindInput(argument.substr(0, equals)));
    ASSIGN_OR_RETURN(HostTensor file, ReadTensor(argument.substr(equals + 1)));
    files.push_back(std::move(file));
    ASSIGN_OR_RETURN(inputs[index], files.back().View());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ExitCode> RunOnce(const RunOptions& options, exec::Context& context) {
  const exec::Model& model = context.model();
  std::vector<HostTensor> files;
  std::vector<Tensor> inputs;
  RETURN_IF_ERROR(ReadInputs(options, model, files, inputs));
  if (!options.output_dir.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.output_dir, error);
    if (error) {
      return absl::InvalidArgumentError(options.output_dir + ": cannot make the folder: " + error.message());
    }
  }
  std::vector<exec::RunOutput> outputs(model.outputs().size());
  const auto start = std::chrono::steady_clock::now();
  RETURN_IF_ERROR(context.Run(inputs, outputs));
  const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
  JsonWriter json;
  json.BeginObject().Key("outputs").BeginArray();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = model.outputs()[i].name;
    const Tensor& t = outputs[i].tensor;
    json.BeginObject().Field("name", name).Field("dtype", Name(t.dtype));
    json.Field("sizes", std::vector<int64_t>(t.sizes.begin(), t.sizes.begin() + t.rank));
    if (!options.output_dir.empty()) {
      const std::string path = options.output_dir + "/" + FileName(name);
      RETURN_IF_ERROR(WriteTensor(path, t));
      json.Field("file", path);
    }
    json.EndObject();
    if (!options.json) {
      PrintSummary(name, t);
    }
  }
  json.EndArray().Field("ms", ms.count()).EndObject();
  if (options.json) {
    std::printf("%s\n", json.text().c_str());
  }
  return kExitOk;
}

}  // namespace sluice::tools
