#include "runtime/exec/sizes.h"

#include "test/runtime/run_helper.h"

namespace sluice {
namespace {

using test::ArtifactBuilder;
using test::FunctionBuilder;
using test::Views;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

// A decoder's dimensions: the mask covers at least past and sequence, `both` is exactly twice the sequence.
ArtifactBuilder Masked() {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  main.Input("ids", DType::kI64, {"batch", "seq"});
  main.Input("mask", DType::kI64, {"batch", "total"});
  const int both = main.Input("both", DType::kI64, {"both"});
  b.State("0.k", DType::kI64, {"batch", "past", "1"}, {"batch", "past + seq", "1"}, 1);
  const int copied = main.Output("y", DType::kI64, {"both"});
  main.Launch(b.Kernel("copy"), Views(main.View(both, {"both"}, DType::kI64)),
              Views(main.View(copied, {"both"}, DType::kI64)));
  b.Assume("total", 2, "past + seq");
  b.Assume("both", 0, "2 * seq");
  return b;
}

std::map<std::string, int64_t> Bound(const exec::Program& program, const exec::Sizes& sizes) {
  std::map<std::string, int64_t> values;
  for (size_t s = 0; s < program.symbols.size(); ++s) {
    values[program.symbols[s].name] = sizes.symbols()[s];
  }
  return values;
}

TEST(Sizes, WhatIsNotGivenFollowsOrIsTheLeastThatFits) {
  ArtifactBuilder b = Masked();
  auto context = test::NewContext(b.Finish());
  ASSERT_NE(context, nullptr);
  const exec::Program& program = context->model().program();
  exec::Sizes sizes(program);
  ASSERT_TRUE(sizes.BindByName({{"past", 5}, {"seq", 3}}).ok());
  EXPECT_TRUE(sizes.CheckAssumptions().ok()) << sizes.CheckAssumptions();
  const std::map<std::string, int64_t> want = {{"batch", 1}, {"both", 6}, {"past", 5}, {"seq", 3}, {"total", 8}};
  EXPECT_EQ(Bound(program, sizes), want);
}

TEST(Sizes, GivenSizesStayAlthoughTheyBreakAnAssumption) {
  ArtifactBuilder b = Masked();
  auto context = test::NewContext(b.Finish());
  ASSERT_NE(context, nullptr);
  exec::Sizes sizes(context->model().program());
  ASSERT_TRUE(sizes.BindByName({{"seq", 3}, {"total", 2}}).ok());
  EXPECT_THAT(std::string(sizes.CheckAssumptions().message()),
              HasSubstr("the model needs total >= past + seq, these sizes give 2 and 3"));
  EXPECT_THAT(std::string(sizes.BindByName({{"length", 3}}).message()), HasSubstr("'length' is no size"));
}

TEST(Sizes, NamesThatDoNotFollowFromOthersAreFree) {
  ArtifactBuilder b = Masked();
  auto context = test::NewContext(b.Finish());
  ASSERT_NE(context, nullptr);
  EXPECT_THAT(exec::Sizes(context->model().program()).FreeNames(),
              UnorderedElementsAre("past", "batch", "seq", "total"));
}

// 4 * (height / 4) == height holds for 0, too: a height is not what it says.
TEST(Sizes, AnEquationWithSeveralSolutionsDecidesNothing) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"height"});
  const int y = main.Output("y", DType::kF32, {"height"});
  main.Launch(b.Kernel("copy"), Views(main.View(x, {"height"})), Views(main.View(y, {"height"})));
  b.Assume("4 * floordiv(height, 4)", 0, "height");
  auto context = test::NewContext(b.Finish());
  ASSERT_NE(context, nullptr);
  EXPECT_THAT(exec::Sizes(context->model().program()).FreeNames(), UnorderedElementsAre("height"));
}

}  // namespace
}  // namespace sluice
