#include "runtime/exec/decoder.h"

#include "test/runtime/run_helper.h"

namespace sluice {
namespace {

using test::ArtifactBuilder;
using test::FunctionBuilder;
using test::Views;
using testing::ElementsAre;
using testing::HasSubstr;

// "Logits" that show what the decoder was fed: [tokens, positions, mask] as vocabulary of the last axis is what a test
// can read.  Row (b, s) of the output is the cache entry of position s: [token].
ArtifactBuilder Echo() {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int ids = main.Input("a", DType::kI64, {"batch", "seq"}, "tokens");
  main.Input("b", DType::kI64, {"batch", "past + seq"}, "mask");
  const int positions = main.Input("c", DType::kI64, {"batch", "seq"}, "positions");
  const int cache = b.State("0.k", DType::kI64, {"batch", "past", "1"}, {"batch", "past + seq", "1"}, 1);
  const int logits = main.Output("d", DType::kI64, {"batch", "seq", "1"}, "logits");
  const int copy = b.Kernel("copy");
  main.Launch(copy, Views(main.View(positions, {"batch", "seq", "1"}, DType::kI64)),
              Views(main.View(cache, {"batch", "seq", "1"}, DType::kI64, "", "past")));
  main.Launch(copy, Views(main.View(ids, {"batch", "seq", "1"}, DType::kI64)),
              Views(main.View(logits, {"batch", "seq", "1"}, DType::kI64)));
  return b;
}

TEST(Decoder, StepsByRoles) {
  ArtifactBuilder b = Echo();
  auto context = test::NewContext(b.Finish());
  ASSERT_NE(context, nullptr);
  auto decoder = exec::Decoder::Create(*context, 2);
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  const std::vector<int64_t> prompt = {10, 11, 12, 20, 21, 22};
  ASSERT_TRUE((*decoder)->Step(prompt).ok());
  EXPECT_EQ(*static_cast<const int64_t*>((*decoder)->Logits(0).data), 12);
  EXPECT_EQ(*static_cast<const int64_t*>((*decoder)->Logits(1).data), 22);
  const std::vector<int64_t> next = {13, 23};
  const absl::Status status = (*decoder)->Step(next);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(*static_cast<const int64_t*>((*decoder)->Logits(1).data), 23);
  EXPECT_EQ((*decoder)->length(), 4);
  EXPECT_EQ(context->state_length(), 4);
  ASSERT_TRUE((*decoder)->Truncate(1).ok());
  EXPECT_EQ(context->state_length(), 1);
}

TEST(Decoder, OthersAreRefused) {
  ArtifactBuilder b = Echo();
  b.program.functions[0]->inputs[2]->role = "input";
  auto context = test::NewContext(b.Finish());
  EXPECT_THAT(std::string(exec::Decoder::Create(*context, 1).status().message()), HasSubstr("input 'c' has no role"));
  b.program.functions[0]->inputs[0]->role = "input";
  context = test::NewContext(b.Finish());
  EXPECT_THAT(std::string(exec::Decoder::Create(*context, 1).status().message()),
              HasSubstr("no input has the role 'tokens'"));
}

}  // namespace
}  // namespace sluice
