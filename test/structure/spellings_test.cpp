// One llama by six exporters: the same ops after raise and, on the CPU target, the same logits in prompts and decode
// steps.
#include <algorithm>
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/structure/compiled.h"

namespace sluice::test {
namespace {

constexpr const char* kSpellings[] = {"dynamo",     "dynamo-opset23",     "optimum",
                                      "genai-fp32", "genai-fp32-unfused", "genai-fp16"};
constexpr int kLayers = 3;

std::filesystem::path ModelOf(const std::string& spelling) {
  return SharedModel("llama-tiny-" + spelling) / "model.onnx";
}

TEST(Spellings, HaveTheSameOpsAfterRaise) {
  for (const char* spelling : kSpellings) {
    SCOPED_TRACE(spelling);
    ASSERT_TRUE(IsThere(ModelOf(spelling)));
    const auto raised = CompileToRaise(ModelOf(spelling));
    ASSERT_TRUE(raised.ok()) << raised.status();
    EXPECT_EQ(raised->count("nn.attention"), kLayers);
    EXPECT_EQ(raised->count("nn.rms_norm"), 2 * kLayers + 1);
    EXPECT_EQ(raised->count("nn.rope"), 2 * kLayers);
    EXPECT_EQ(raised->count("nn.linear"), 7 * kLayers + 1);  // q, k, v, o, gate, up, down; the head
    EXPECT_EQ(raised->count("nn.softmax"), 0);
  }
}

TEST(Spellings, GiveTheSameLogits) {
  const std::vector<int64_t> prompt = {71, 68, 408, 257, 303, 309, 365, 17, 250}, next = {12, 400, 5, 77, 5, 333};
  std::vector<std::vector<float>> expected;
  for (const char* spelling : kSpellings) {
    SCOPED_TRACE(spelling);
    ASSERT_TRUE(IsThere(ModelOf(spelling)));
    const auto context = CompileAndLoad(ModelOf(spelling));
    ASSERT_TRUE(context.ok()) << context.status();
    const auto logits = Decode(**context, prompt, next);
    ASSERT_TRUE(logits.ok()) << logits.status();
    if (expected.empty()) {
      expected = *logits;
    }
    for (size_t step = 0; step < expected.size(); ++step) {
      ASSERT_EQ((*logits)[step].size(), expected[step].size());
      float largest = 0, difference = 0;
      for (size_t i = 0; i < expected[step].size(); ++i) {
        largest = std::max(largest, std::abs(expected[step][i]));
        difference = std::max(difference, std::abs(expected[step][i] - (*logits)[step][i]));
      }
      const bool half = std::string(spelling) == "genai-fp16";
      EXPECT_LE(difference, (half ? 1e-2F : 1e-5F) * largest) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace sluice::test
