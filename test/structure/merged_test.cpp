// The merged spelling of a decoder (an If between a graph with caches and one without) is the plain one again: same
// ops, roles and states, same tokens, same answers on either branch.
#include <unistd.h>

#include "gtest/gtest.h"
#include "runtime/api/generate.h"
#include "runtime/exec/model.h"
#include "test/structure/compiled.h"
#include "test/structure/merge.h"

namespace sluice::test {
namespace {

namespace fs = std::filesystem;

class Merged : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    plain_ = SharedModel(GetParam()) / "model.onnx";
    ASSERT_TRUE(IsThere(plain_));
    folder_ = fs::temp_directory_path() / ("sluice_merged_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path Merge(Beginning beginning) {
    fs::path merged = folder_ / "model.onnx";
    MergeDecoder(plain_, merged, beginning);
    return merged;
  }

  fs::path plain_, folder_;
};

std::vector<int64_t> GreedyIds(exec::Context& context) {
  const auto stats = api::Generate(context, std::vector<int64_t>{71, 68, 308, 257, 303}, {.max_tokens = 24},
                                   [](const api::Step&) { return true; });
  EXPECT_TRUE(stats.ok()) << stats.status();
  return stats.ok() ? stats->tokens : std::vector<int64_t>();
}

int Remarks(const Raised& raised, const std::string& name, const std::string& kind) {
  int count = 0;
  for (const compiler::Remark& remark : raised.remarks) {
    count += remark.name == name && remark.kind == kind;
  }
  return count;
}

tools::HostTensor Flag(bool value) {
  tools::HostTensor flag;
  flag.name = "use_cache_branch";
  flag.dtype = DType::kBool;
  flag.sizes = {1};
  flag.data = {static_cast<uint8_t>(value)};
  return flag;
}

// `outputs` of the merged model equal those of the plain one, byte by byte.
void ExpectSame(const NamedTensors& outputs, const NamedTensors& plain) {
  for (const auto& [name, tensor] : plain) {
    ASSERT_TRUE(outputs.contains(name)) << name;
    EXPECT_EQ(outputs.at(name).sizes, tensor.sizes) << name;
    EXPECT_EQ(outputs.at(name).data, tensor.data) << name;
  }
}

// Each program raises as much attention as the plain decoder; of the two, one is left.
TEST_P(Merged, RaisesBothProgramsAndKeepsOne) {
  const auto plain = CompileToRaise(plain_), merged = CompileToRaise(Merge(Beginning::kSame));
  ASSERT_TRUE(plain.ok() && merged.ok()) << plain.status() << merged.status();
  EXPECT_EQ(Remarks(*merged, "attention", "passed"), 2 * Remarks(*plain, "attention", "passed"));
  EXPECT_EQ(Remarks(*merged, "cache-branch", "passed"), 1);
  EXPECT_EQ(merged->count("nn.if"), 0);
  EXPECT_GT(plain->count("nn.attention"), 0);
  for (const char* op : {"nn.attention", "nn.linear", "nn.rope", "nn.rms_norm", "nn.layer_norm"}) {
    EXPECT_EQ(merged->count(op), plain->count(op)) << op;
  }
}

TEST_P(Merged, GeneratesTheSameTokens) {
  const auto plain = CompileAndLoad(plain_), merged = CompileAndLoad(Merge(Beginning::kSame));
  ASSERT_TRUE(plain.ok() && merged.ok()) << plain.status() << merged.status();
  EXPECT_EQ(GreedyIds(**merged), GreedyIds(**plain));
}

// Prefills (with an empty past) and decode steps of the data sets.
TEST_P(Merged, ComputesTheSameOnEitherBranch) {
  const auto plain = CompileAndLoad(plain_), merged = CompileAndLoad(Merge(Beginning::kSame));
  ASSERT_TRUE(plain.ok() && merged.ok()) << plain.status() << merged.status();
  for (const bool decode : {false, true}) {
    auto inputs = ReadDataSet(plain_.parent_path() / (decode ? "test_data_set_1" : "test_data_set_0"), "input");
    ASSERT_TRUE(inputs.ok()) << inputs.status();
    const auto expected = RunOnce(**plain, *inputs);
    inputs->insert({"use_cache_branch", Flag(decode)});
    const auto outputs = RunOnce(**merged, *inputs);
    ASSERT_TRUE(expected.ok() && outputs.ok()) << expected.status() << outputs.status();
    ExpectSame(*outputs, *expected);
  }
}

// A caller who says false may hand in any past: exporters' own runtimes give one position of zeros.
TEST_P(Merged, IgnoresThePastWhereTheBranchIsFalse) {
  const auto plain = CompileAndLoad(plain_), merged = CompileAndLoad(Merge(Beginning::kSame));
  ASSERT_TRUE(plain.ok() && merged.ok()) << plain.status() << merged.status();
  auto inputs = ReadDataSet(plain_.parent_path() / "test_data_set_0", "input");
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  const auto expected = RunOnce(**plain, *inputs);
  for (auto& [name, tensor] : *inputs) {
    if (name.rfind("past_key_values.", 0) == 0) {
      tensor.sizes[2] = 1;
      const std::vector<float> ones(tensor.sizes[0] * tensor.sizes[1] * tensor.sizes[3], 1.0F);
      const auto* bytes = reinterpret_cast<const uint8_t*>(ones.data());
      tensor.data.assign(bytes, bytes + ones.size() * sizeof(float));
    }
  }
  inputs->insert({"use_cache_branch", Flag(false)});
  const auto outputs = RunOnce(**merged, *inputs);
  ASSERT_TRUE(expected.ok() && outputs.ok()) << expected.status() << outputs.status();
  ExpectSame(*outputs, *expected);
}

// Programs that differ are both kept, with a remark, and each still answers for its branch.
TEST_P(Merged, KeepsTwoProgramsThatDiffer) {
  const fs::path file = Merge(Beginning::kOtherwise);
  const auto raised = CompileToRaise(file);
  ASSERT_TRUE(raised.ok()) << raised.status();
  EXPECT_EQ(raised->count("nn.if"), 1);
  EXPECT_EQ(Remarks(*raised, "cache-branch", "missed"), 1);

  const auto plain = CompileAndLoad(plain_), merged = CompileAndLoad(file);
  ASSERT_TRUE(plain.ok() && merged.ok()) << plain.status() << merged.status();
  auto inputs = ReadDataSet(plain_.parent_path() / "test_data_set_0", "input");
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  const auto expected = RunOnce(**plain, *inputs);
  inputs->insert({"use_cache_branch", Flag(true)});
  const auto with = RunOnce(**merged, *inputs);
  inputs->at("use_cache_branch") = Flag(false);
  const auto without = RunOnce(**merged, *inputs);
  ASSERT_TRUE(expected.ok() && with.ok() && without.ok()) << with.status() << without.status();
  ExpectSame(*with, *expected);
  EXPECT_NE(without->at("logits").data, expected->at("logits").data);
}

// Positions as an input and rope; learned positions with fused q, k, v; no positions, ALiBi and the mask last.
INSTANTIATE_TEST_SUITE_P(Models, Merged,
                         testing::Values("llama-tiny-optimum", "gpt2-tiny-optimum", "bloom-tiny-optimum"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace sluice::test
