#include "tools/common/made_inputs.h"

#include "test/runtime/run_helper.h"

namespace sluice {
namespace {

using test::ArtifactBuilder;
using test::FunctionBuilder;
using test::ValuesOf;
using test::Views;
using testing::AllOf;
using testing::Each;
using testing::Ge;
using testing::HasSubstr;
using testing::Lt;

enum Port { kTokens, kMask, kPositions };

// With a cache a decoder, without it an encoder; it answers with its tokens, the vocabulary is 10.
std::shared_ptr<const exec::Model> Model(bool cache) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int ids = main.Input("ids", DType::kI64, {"batch", "seq"}, "tokens");
  main.Input("m", DType::kI64, {"batch", cache ? "past + seq" : "seq"}, "mask");
  main.Input("p", DType::kI64, {"batch", "seq"}, "positions");
  if (cache) {
    b.State("0.k", DType::kF32, {"batch", "past", "1"}, {"batch", "past + seq", "1"}, 1);
  }
  const int logits = main.Output("y", DType::kI64, {"batch", "seq", "10"}, "logits");
  main.Launch(b.Kernel("copy"), Views(main.View(ids, {"batch", "seq"}, DType::kI64)),
              Views(main.View(logits, {"batch", "seq"}, DType::kI64)));
  auto model = test::LoadModel(b.Finish());
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *model : nullptr;
}

TEST(MadeInputs, ADecoderIsPaddedInFrontAndItsPositionsCountWhatTheMaskShows) {
  const auto model = Model(true);
  ASSERT_NE(model, nullptr);
  bool padded = false;
  for (uint32_t seed = 1; seed < 9; ++seed) {
    auto inputs = tools::MakeInputs(*model, {{"batch", 2}, {"past", 3}, {"seq", 2}}, {.seed = seed, .padding = true});
    ASSERT_TRUE(inputs.ok()) << inputs.status();
    EXPECT_THAT(ValuesOf<int64_t>(inputs->tensors[kTokens]), Each(AllOf(Ge(0), Lt(10))));
    const std::vector<int64_t> mask = ValuesOf<int64_t>(inputs->tensors[kMask]);
    const std::vector<int64_t> positions = ValuesOf<int64_t>(inputs->tensors[kPositions]);
    ASSERT_EQ(mask.size(), 10u);
    for (int64_t b = 0; b < 2; ++b) {
      const int64_t shown = std::count(mask.begin() + 5 * b, mask.begin() + 5 * b + 5, 1);
      EXPECT_TRUE(std::is_sorted(mask.begin() + 5 * b, mask.begin() + 5 * b + 5));
      EXPECT_GE(shown, b == 0 ? 5 : 1);
      EXPECT_EQ(positions[2 * b + 1], shown - 1);
      EXPECT_EQ(positions[2 * b], std::max<int64_t>(0, shown - 2));
      padded |= shown < 5;
    }
  }
  EXPECT_TRUE(padded);
}

TEST(MadeInputs, AnEncoderIsPaddedBehind) {
  const auto model = Model(false);
  ASSERT_NE(model, nullptr);
  auto inputs = tools::MakeInputs(*model, {{"batch", 8}, {"seq", 7}}, {.padding = true});
  ASSERT_TRUE(inputs.ok()) << inputs.status();
  const std::vector<int64_t> mask = ValuesOf<int64_t>(inputs->tensors[kMask]);
  for (int64_t b = 0; b < 8; ++b) {
    EXPECT_TRUE(std::is_sorted(mask.begin() + 7 * b, mask.begin() + 7 * b + 7, std::greater<>()));
    EXPECT_EQ(mask[7 * b], 1);
  }
  EXPECT_LT(std::count(mask.begin(), mask.end(), 1), 56);
  EXPECT_EQ(ValuesOf<int64_t>(inputs->tensors[kPositions])[6], 6);
}

TEST(MadeInputs, TheSeedDecidesTheBytesAndSizesAreChecked) {
  const auto model = Model(true);
  ASSERT_NE(model, nullptr);
  const tools::Dims dims = {{"batch", 3}, {"seq", 9}};
  const auto one = tools::MakeInputs(*model, dims), same = tools::MakeInputs(*model, dims);
  const auto other = tools::MakeInputs(*model, dims, {.seed = 2});
  ASSERT_TRUE(one.ok() && same.ok() && other.ok());
  EXPECT_EQ(one->data, same->data);
  EXPECT_NE(one->data, other->data);
  EXPECT_THAT(std::string(tools::MakeInputs(*model, {{"seq", -1}}).status().message()), HasSubstr("seq is -1"));
  EXPECT_THAT(std::string(tools::MakeInputs(*model, {{"seq", -1}}, {.allow_broken = true}).status().message()),
              HasSubstr("input 'ids' would have the size -1"));
  EXPECT_THAT(std::string(tools::MakeInputs(*model, {{"length", 1}}).status().message()),
              HasSubstr("'length' is no size"));
}

}  // namespace
}  // namespace sluice
