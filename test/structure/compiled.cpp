#include "test/structure/compiled.h"

#include <regex>
#include <sstream>

#include "runtime/artifact/artifact.h"
#include "runtime/exec/decoder.h"
#include "runtime/exec/model.h"
#include "tools/common/compare.h"

namespace sluice::test {

absl::StatusOr<Raised> CompileToRaise(const std::filesystem::path& model) {
  ASSIGN_OR_RETURN(
      compiler::CompileResult result,
      compiler::Compile({.model = model.string(), .to = "raise", .emit = "-", .strip_weights = true, .remarks = true}));
  // %3 = nn.gather …, nn.store …
  static const std::regex op(R"(^\s*(?:%\S+(?:, %\S+)* = )?"?([a-z_]+\.[a-z_0-9.]+))");
  Raised raised{{}, std::move(result.remarks)};
  std::istringstream lines(result.ir);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, match, op)) {
      ++raised.ops[match[1]];
    }
  }
  return raised;
}

absl::StatusOr<std::unique_ptr<exec::Context>> CompileAndLoad(const std::filesystem::path& model) {
  ASSIGN_OR_RETURN(const compiler::CompileResult result, compiler::Compile({.model = model.string(), .threads = 2}));
  ASSIGN_OR_RETURN(const auto artifact, artifact::Artifact::FromMemory(result.artifact, model.string()));
  ASSIGN_OR_RETURN(const auto loaded, exec::Model::Load(artifact, {.threads = 2}));
  return exec::Context::Create(loaded);
}

absl::StatusOr<NamedTensors> ReadDataSet(const std::filesystem::path& folder, const std::string& kind) {
  NamedTensors tensors;
  for (int i = 0;; ++i) {
    const std::filesystem::path file = folder / (kind + "_" + std::to_string(i) + ".pb");
    if (!std::filesystem::exists(file)) {
      return tensors;
    }
    ASSIGN_OR_RETURN(tools::HostTensor tensor, tools::ReadTensor(file.string()));
    const std::string name = tensor.name;
    tensors.insert({name, std::move(tensor)});
  }
}

absl::StatusOr<NamedTensors> RunOnce(exec::Context& context, const NamedTensors& inputs) {
  const exec::Model& model = context.model();
  std::vector<kernels::Tensor> ins;
  for (const exec::PortDesc& port : model.inputs()) {
    const auto it = inputs.find(port.name);
    if (it == inputs.end()) {
      return absl::NotFoundError("no data for input " + port.name);
    }
    ASSIGN_OR_RETURN(const kernels::Tensor view, it->second.View());
    ins.push_back(view);
  }
  std::vector<exec::RunOutput> outs(model.outputs().size());
  context.ResetStates();
  RETURN_IF_ERROR(context.Run(ins, outs));
  NamedTensors results;
  for (size_t i = 0; i < outs.size(); ++i) {
    const std::string& name = model.outputs()[i].name;
    results.insert({name, tools::CopyOf(name, outs[i].tensor)});
  }
  return results;
}

absl::StatusOr<std::vector<std::vector<float>>> Decode(exec::Context& context, const std::vector<int64_t>& prompt,
                                                       const std::vector<int64_t>& next) {
  ASSIGN_OR_RETURN(const std::unique_ptr<exec::Decoder> decoder, exec::Decoder::Create(context, /*batch=*/1));
  std::vector<std::vector<float>> logits;
  const auto keep = [&] {
    const exec::Decoder::Row row = decoder->Logits(0);
    kernels::Tensor t;
    t.data = const_cast<void*>(row.data);
    t.dtype = row.dtype;
    t.rank = 1;
    t.sizes[0] = row.size;
    t.strides[0] = 1;
    std::vector<float>& values = logits.emplace_back();
    for (int64_t i = 0; i < row.size; ++i) {
      values.push_back(static_cast<float>(tools::ElementAt(t, i)));
    }
  };
  RETURN_IF_ERROR(decoder->Step(prompt));
  keep();
  for (const int64_t token : next) {
    RETURN_IF_ERROR(decoder->Step({&token, 1}));
    keep();
  }
  return logits;
}

}  // namespace sluice::test
