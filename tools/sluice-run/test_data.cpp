// --test-data: ONNX's own layout, input_0.pb … and output_0.pb … in one folder.
#include <cstdio>

#include "runtime/base/json_writer.h"
#include "tools/common/data_set.h"
#include "tools/common/tolerances.h"
#include "tools/sluice-run/options.h"

namespace sluice::tools {
namespace {

using kernels::Tensor;

// What holds for an output: its line in --tolerances, or --rtol and --atol for all.
absl::StatusOr<Tolerance> ToleranceOf(const std::string& output, const RunOptions& options,
                                      const OutputTolerances& single) {
  if (options.tolerances.empty()) {
    return options.tolerance;
  }
  const auto it = single.find(output);
  if (it == single.end()) {
    return absl::InvalidArgumentError(options.tolerances + ": has no line for output '" + output + "'");
  }
  return Tolerance{.rtol = 0, .atol = it->second};
}

absl::StatusOr<bool> RunSet(const RunOptions& options, const OutputTolerances& single, exec::Context& context,
                            const std::string& dir, JsonWriter& json) {
  const exec::Model& model = context.model();
  ASSIGN_OR_RETURN(const DataSet set, ReadDataSet(dir, model));
  std::vector<exec::RunOutput> outputs(model.outputs().size());
  context.ResetStates();
  RETURN_IF_ERROR(context.Run(set.inputs, outputs));
  json.BeginObject().Field("dir", dir).Key("outputs").BeginArray();
  bool all_ok = true;
  for (const auto& [port, tensor] : set.expected) {
    ASSIGN_OR_RETURN(const Tensor want, tensor.View());
    const std::string& name = model.outputs()[port].name;
    ASSIGN_OR_RETURN(const Tolerance tolerance, ToleranceOf(name, options, single));
    const Difference d = Compare(outputs[port].tensor, want, tolerance);
    all_ok = all_ok && d.ok;
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
  OutputTolerances single;
  if (!options.tolerances.empty()) {
    ASSIGN_OR_RETURN(single, ReadTolerances(options.tolerances));
  }
  JsonWriter json;
  json.BeginObject().Key("test_data").BeginArray();
  bool all_ok = true;
  for (const std::string& dir : options.test_data) {
    ASSIGN_OR_RETURN(const bool ok, RunSet(options, single, context, dir, json));
    all_ok = all_ok && ok;
  }
  json.EndArray().Field("ok", all_ok).EndObject();
  if (options.json) {
    std::printf("%s\n", json.text().c_str());
  }
  if (!all_ok) {
    std::fflush(stdout);
    const std::string bound =
        options.tolerances.empty()
            ? absl::StrFormat("--rtol %g --atol %g", options.tolerance.rtol, options.tolerance.atol)
            : options.tolerances + " allows";
    PrintError(kRunTool, "--test-data: results differ from the expected ones by more than " + bound);
  }
  return all_ok ? kExitOk : kExitDifferent;
}

}  // namespace sluice::tools
