// Structure, not names: a model whose every value, node, initializer and dimension was renamed and whose inputs and
// outputs come in another order compiles to the same ops, roles and states, and computes the same.
#include "test/structure/rename.h"

#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/api/generate.h"
#include "runtime/exec/model.h"
#include "test/structure/compiled.h"

namespace sluice::test {
namespace {

namespace fs = std::filesystem;
using exec::StateDesc;
using Names = std::map<std::string, std::string>;

class Renaming : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    original_ = SharedModel(GetParam()) / "model.onnx";
    ASSERT_TRUE(IsThere(original_));
    folder_ = fs::temp_directory_path() / ("sluice_rename_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    names_ = RenameModel(original_, folder_ / "model.onnx", /*seed=*/20250711);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path original_, folder_;
  Names names_;
};

// What a state is, with its ports by name.
using StateText = std::map<std::string, std::string>;
StateText StatesOf(const exec::Model& model, const Names& names) {
  StateText states;
  const auto named = [&](std::span<const exec::PortDesc> ports, int32_t port) {
    const std::string name = port < 0 ? "" : ports[port].name;
    const auto it = names.find(name);
    return it == names.end() ? name : it->second;
  };
  for (const StateDesc& state : model.program().states) {
    states[named(model.inputs(), state.input)] =
        absl::StrFormat("%s: layer %d, %s, axis %d, output '%s'", state.name, state.layer, state.component, state.axis,
                        named(model.outputs(), state.output));
  }
  return states;
}

Names RolesOf(std::span<const exec::PortDesc> ports, const Names& names) {
  Names roles;
  for (const exec::PortDesc& port : ports) {
    const auto it = names.find(port.name);
    roles[it == names.end() ? port.name : it->second] = port.role;
  }
  return roles;
}

std::vector<int64_t> GreedyIds(exec::Context& context) {
  const std::vector<int64_t> prompt = {71, 68, 308, 257, 303};
  const auto stats = api::Generate(context, prompt, {.max_tokens = 12}, [](const api::Step&) { return true; });
  EXPECT_TRUE(stats.ok()) << stats.status();
  return stats.ok() ? stats->tokens : std::vector<int64_t>();
}

bool Generates(exec::Context& context) { return exec::Decoder::Create(context, 1).ok(); }

TEST_P(Renaming, ChangesNothing) {
  const auto raised = CompileToRaise(original_), renamed_raised = CompileToRaise(folder_ / "model.onnx");
  ASSERT_TRUE(raised.ok() && renamed_raised.ok()) << raised.status() << renamed_raised.status();
  EXPECT_EQ(raised->ops, renamed_raised->ops);

  const auto context = CompileAndLoad(original_), renamed = CompileAndLoad(folder_ / "model.onnx");
  ASSERT_TRUE(context.ok() && renamed.ok()) << context.status() << renamed.status();
  const exec::Model &model = (*context)->model(), &renamed_model = (*renamed)->model();
  EXPECT_EQ(RolesOf(model.inputs(), names_), RolesOf(renamed_model.inputs(), {}));
  EXPECT_EQ(RolesOf(model.outputs(), names_), RolesOf(renamed_model.outputs(), {}));
  EXPECT_EQ(StatesOf(model, names_), StatesOf(renamed_model, {}));

  ASSERT_EQ(Generates(**context), Generates(**renamed));
  if (Generates(**context)) {
    EXPECT_EQ(GreedyIds(**context), GreedyIds(**renamed));
  }

  const fs::path set = original_.parent_path() / "test_data_set_1";
  const auto inputs = ReadDataSet(set, "input");
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  NamedTensors renamed_inputs;
  for (const auto& [name, tensor] : *inputs) {
    renamed_inputs[names_.at(name)] = tensor;
  }
  const auto outputs = RunOnce(**context, *inputs), renamed_outputs = RunOnce(**renamed, renamed_inputs);
  ASSERT_TRUE(outputs.ok() && renamed_outputs.ok()) << outputs.status() << renamed_outputs.status();
  for (const auto& [name, tensor] : *outputs) {
    const auto other = renamed_outputs->find(names_.at(name));
    ASSERT_NE(other, renamed_outputs->end()) << name;
    EXPECT_EQ(tensor.sizes, other->second.sizes) << name;
    EXPECT_EQ(tensor.data, other->second.data) << name;
  }
}

// Of each exporter, and what differs between models: where the mask stands, whether positions are an input, experts,
// a decoder with two sub-programs, one that reads another model's cache.
INSTANTIATE_TEST_SUITE_P(Models, Renaming,
                         testing::Values("llama-tiny-dynamo", "llama-tiny-dynamo-opset23", "llama-tiny-optimum",
                                         "llama-tiny-genai-fp32", "llama-tiny-genai-fp16", "gpt2-tiny-dynamo",
                                         "bloom-tiny-optimum", "falcon-tiny-optimum", "gemma2-tiny-optimum",
                                         "qwen3-moe-tiny-optimum", "t5-tiny-decoder-merged-optimum",
                                         "t5-tiny-decoder-with-past-optimum", "roberta-tiny-optimum"),
                         [](const auto& info) { return ModelTestName(info.param); });

}  // namespace
}  // namespace sluice::test
