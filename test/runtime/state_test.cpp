#include "test/runtime/run_helper.h"

namespace sluice {
namespace {

using kernels::Tensor;
using test::ArtifactBuilder;
using test::F32;
using test::FunctionBuilder;
using test::Views;
using testing::ElementsAre;
using testing::HasSubstr;

// A cache [batch, past, 2] that x [batch, seq, 2] is appended to; y is the whole cache, read through its strides.
std::vector<uint8_t> Cache() {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"batch", "seq", "2"}, "tokens");
  const int y = main.Output("y", DType::kF32, {"batch", "past + seq", "2"});
  const int state = b.State("0.k", DType::kF32, {"batch", "past", "2"}, {"batch", "past + seq", "2"}, 1);
  const int copy = b.Kernel("copy");
  main.Launch(copy, Views(main.View(x, {"batch", "seq", "2"})),
              Views(main.View(state, {"batch", "seq", "2"}, DType::kF32, "", "past")));
  main.Launch(copy, Views(main.View(state, {"batch", "past + seq", "2"})),
              Views(main.View(y, {"batch", "past + seq", "2"})));
  return b.Finish();
}

TEST(State, StaysInTheContext) {
  auto context = test::NewContext(Cache());
  ASSERT_NE(context, nullptr);
  std::vector<float> a = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<exec::RunOutput> outputs(2);
  outputs[1].wanted = false;
  std::vector<Tensor> inputs = {F32(a, {2, 2, 2}), Tensor{}};
  ASSERT_TRUE(context->Run(inputs, outputs).ok());
  EXPECT_EQ(context->state_length(), 2);
  std::vector<float> c = {9, 10, 11, 12};
  inputs[0] = F32(c, {2, 1, 2});
  ASSERT_TRUE(context->Run(inputs, outputs).ok());
  EXPECT_EQ(context->state_length(), 3);
  EXPECT_THAT(test::ValuesOf<float>(outputs[0].tensor), ElementsAre(1, 2, 3, 4, 9, 10, 5, 6, 7, 8, 11, 12));
  ASSERT_TRUE(context->TruncateStates(1).ok());
  ASSERT_TRUE(context->Run(inputs, outputs).ok());
  EXPECT_THAT(test::ValuesOf<float>(outputs[0].tensor), ElementsAre(1, 2, 9, 10, 5, 6, 11, 12));
  EXPECT_FALSE(context->TruncateStates(9).ok());
  EXPECT_THAT(test::RunError(*context, {F32(a, {1, 4, 2}), Tensor{}}), HasSubstr("another batch size"));
  context->ResetStates();
  inputs[0] = F32(a, {1, 4, 2});
  ASSERT_TRUE(context->Run(inputs, outputs).ok());
  EXPECT_EQ(outputs[0].tensor.sizes[1], 4);
}

// At the edge the cache is an ordinary tensor: past in, present out.
TEST(State, DensePastAndPresent) {
  auto context = test::NewContext(Cache());
  std::vector<float> x = {7, 8}, past = {1, 2, 3, 4};
  const auto out = test::RunOrDie(*context, {F32(x, {1, 1, 2}), F32(past, {1, 2, 2})});
  EXPECT_THAT(test::ValuesOf<float>(out[1].tensor), ElementsAre(1, 2, 3, 4, 7, 8));
  EXPECT_EQ(test::SizesOf(out[1].tensor), (std::vector<int64_t>{1, 3, 2}));
  EXPECT_TRUE(exec::IsDense(out[1].tensor));
  std::vector<float> none;
  const auto first = test::RunOrDie(*context, {F32(x, {1, 1, 2}), F32(none, {1, 0, 2})});
  EXPECT_THAT(test::ValuesOf<float>(first[1].tensor), ElementsAre(7, 8));
}

// 1,000 steps by one: at most 24 plans, and between two plans or growths of the cache nothing is allocated.
TEST(State, GrowingSequenceIsSteady) {
  auto context = test::NewContext(Cache());
  std::vector<exec::RunOutput> outputs(2);
  outputs[0].wanted = outputs[1].wanted = false;
  std::vector<float> x = {1, 2}, y(3000);
  outputs[0].data = y.data();
  outputs[0].bytes = 12000;
  int steps_with_allocation = 0;
  for (int i = 0; i < 1000; ++i) {
    const int64_t before = context->counters().allocations;
    std::vector<Tensor> inputs = {F32(x, {1, 1, 2}), Tensor{}};
    ASSERT_TRUE(context->Run(inputs, outputs).ok());
    steps_with_allocation += context->counters().allocations > before;
  }
  EXPECT_EQ(context->state_length(), 1000);
  EXPECT_LE(context->counters().plans_made, 24);
  EXPECT_LE(steps_with_allocation, 24);
}

}  // namespace
}  // namespace sluice
