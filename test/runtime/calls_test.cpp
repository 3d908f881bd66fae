// If, Loop, and sizes that the data decide.
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

// r = x > 0 ? 2x : x + x + …: both branches give [n]; the caller doubles the result once more.
TEST(Calls, IfWithKnownSizes) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int c = main.Input("c", DType::kBool, {});
  const int x = main.Input("x", DType::kF32, {"n"});
  const int y = main.Output("y", DType::kF32, {"n"});
  const int r = main.Arena("4 * n");
  main.If(Views(main.View(c, {}, DType::kBool), main.View(x, {"n"})), Views(main.View(r, {"n"})), 1, 2);
  main.Native("double_f32", Views(main.View(r, {"n"})), Views(main.View(y, {"n"})), "n", {"1"});
  FunctionBuilder& then = b.Function("then");
  const int tx = then.Input("x", DType::kF32, {"n"});
  const int ty = then.Output("y", DType::kF32, {"n"});
  then.Native("double_f32", Views(then.View(tx, {"n"})), Views(then.View(ty, {"n"})), "n", {"1"});
  FunctionBuilder& other = b.Function("else");
  const int ex = other.Input("x", DType::kF32, {"n"});
  other.OutputPort("y", DType::kF32, {"n"}, ex);
  auto context = test::NewContext(b.Finish(test::NativeLibraries()));
  ASSERT_NE(context, nullptr);
  std::vector<float> values = {1, 2, 3};
  for (uint8_t condition : {1, 0}) {
    std::vector<uint8_t> flag = {condition};
    const auto out = test::RunOrDie(*context, {test::TensorOf(DType::kBool, flag, {}), F32(values, {3})});
    const float factor = condition != 0 ? 4.0f : 2.0f;
    EXPECT_THAT(test::ValuesOf<float>(out[0].tensor), ElementsAre(factor, 2 * factor, 3 * factor));
  }
}

// A branch's assumption refuses sizes where the branch is taken, and only there.
TEST(Calls, ABranchNotTakenRefusesNothing) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int c = main.Input("c", DType::kBool, {});
  const int x = main.Input("x", DType::kF32, {"n"});
  const int y = main.Output("y", DType::kF32, {"n"});
  main.If(Views(main.View(c, {}, DType::kBool), main.View(x, {"n"})), Views(main.View(y, {"n"})), 1, 2);
  for (const char* name : {"then", "else"}) {
    FunctionBuilder& branch = b.Function(name);
    branch.OutputPort("y", DType::kF32, {"n"}, branch.Input("x", DType::kF32, {"n"}));
  }
  b.Assume("n", 2, "2", /*function=*/1);
  auto context = test::NewContext(b.Finish(test::NativeLibraries()));
  ASSERT_NE(context, nullptr);
  const auto run = [&](bool condition, std::vector<float> values) {
    std::vector<uint8_t> flag = {condition};
    const int64_t n = static_cast<int64_t>(values.size());
    std::vector<exec::RunOutput> outputs(1);
    return context->Run(std::vector<Tensor>{test::TensorOf(DType::kBool, flag, {}), F32(values, {n})}, outputs);
  };
  EXPECT_TRUE(run(true, {1, 2}).ok());
  EXPECT_TRUE(run(false, {1}).ok());
  EXPECT_THAT(std::string(run(true, {1}).message()), HasSubstr("'then' needs n >= 2, these sizes give 1 and 2"));
}

// The branches give [n] and [2 n]: the size is a Result symbol, and what depends on it is planned after the call.
TEST(Calls, IfDecidesASize) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int c = main.Input("c", DType::kBool, {});
  const int x = main.Input("x", DType::kF32, {"n"});
  const uint32_t m = b.Symbol("m", fb::SymbolKind::Result);
  const int y = main.Output("y", DType::kF32, {"m"});
  const int r = main.Arena("4 * m");
  fb::InstrT& call =
      main.If(Views(main.View(c, {}, DType::kBool), main.View(x, {"n"})), Views(main.View(r, {"m"})), 1, 2);
  call.result_symbols = {0, 0, m};
  main.Native("double_f32", Views(main.View(r, {"m"})), Views(main.View(y, {"m"})), "m", {"1"});
  FunctionBuilder& then = b.Function("then");
  const int tx = then.Input("x", DType::kF32, {"n"});
  const int ty = then.Output("y", DType::kF32, {"2 * n"});
  const int half = then.Alias(ty, "4 * n");
  then.Native("double_f32", Views(then.View(tx, {"n"})), Views(then.View(ty, {"n"})), "n", {"1"});
  then.Native("double_f32", Views(then.View(ty, {"n"})), Views(then.View(half, {"n"})), "n", {"1"});
  FunctionBuilder& other = b.Function("else");
  const int ex = other.Input("x", DType::kF32, {"n"});
  other.OutputPort("y", DType::kF32, {"n"}, ex);
  auto context = test::NewContext(b.Finish(test::NativeLibraries()));
  ASSERT_NE(context, nullptr);
  std::vector<float> values = {1, 2};
  std::vector<uint8_t> flag = {1};
  auto sizes = context->OutputSizes(std::vector<Tensor>{test::TensorOf(DType::kBool, flag, {}), F32(values, {2})});
  EXPECT_EQ((*sizes)[0].sizes[0], -1);
  auto out = test::RunOrDie(*context, {test::TensorOf(DType::kBool, flag, {}), F32(values, {2})});
  EXPECT_THAT(test::ValuesOf<float>(out[0].tensor), ElementsAre(4, 8, 8, 16));
  flag[0] = 0;
  out = test::RunOrDie(*context, {test::TensorOf(DType::kBool, flag, {}), F32(values, {2})});
  EXPECT_THAT(test::ValuesOf<float>(out[0].tensor), ElementsAre(2, 4));
}

// acc ← acc + x until `trip` or acc[0] > 6; each acc is stacked; `swap` hands x and z on crosswise.
std::vector<uint8_t> LoopProgram() {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int trip = main.Input("trip", DType::kI64, {});
  const int x = main.Input("x", DType::kF32, {"n"});
  const int z = main.Input("z", DType::kF32, {"n"});
  const uint32_t steps = b.Symbol("steps", fb::SymbolKind::Result);
  const int acc = main.Output("acc", DType::kF32, {"n"});
  const int left = main.Output("left", DType::kF32, {"n"});
  const int right = main.Output("right", DType::kF32, {"n"});
  const int all = main.Output("all", DType::kF32, {"steps", "n"});
  auto absent = std::make_unique<fb::ViewT>();
  fb::InstrT& loop = main.Loop(
      Views(main.View(trip, {}, DType::kI64), std::move(absent), main.View(x, {"n"}), main.View(x, {"n"}),
            main.View(z, {"n"}), main.View(x, {"n"})),
      Views(main.View(acc, {"n"}), main.View(left, {"n"}), main.View(right, {"n"}), main.View(all, {"steps", "n"})), 1,
      3);
  loop.result_symbols = {3, 0, steps};
  FunctionBuilder& body = b.Function("body");
  body.Input("i", DType::kI64, {});
  const int going = body.Input("going", DType::kBool, {});
  const int sum = body.Input("sum", DType::kF32, {"n"});
  const int l = body.Input("l", DType::kF32, {"n"});
  const int r = body.Input("r", DType::kF32, {"n"});
  const int by = body.Input("by", DType::kF32, {"n"});
  body.OutputPort("going", DType::kBool, {}, going);
  const int next = body.Output("next", DType::kF32, {"n"});
  body.OutputPort("l", DType::kF32, {"n"}, r);
  body.OutputPort("r", DType::kF32, {"n"}, l);
  body.OutputPort("row", DType::kF32, {"n"}, next);
  body.Native("add_f32", Views(body.View(sum, {"n"}), body.View(by, {"n"})), Views(body.View(next, {"n"})), "n", {"1"});
  return b.Finish(test::NativeLibraries());
}

TEST(Calls, LoopCarriesAndStacks) {
  auto context = test::NewContext(LoopProgram());
  ASSERT_NE(context, nullptr);
  std::vector<float> x = {1, 2}, z = {5, 6};
  for (int64_t n : {3, 0, 1}) {
    std::vector<int64_t> trip = {n};
    const auto out = test::RunOrDie(*context, {test::TensorOf(DType::kI64, trip, {}), F32(x, {2}), F32(z, {2})});
    const float f = static_cast<float>(n + 1);
    EXPECT_THAT(test::ValuesOf<float>(out[0].tensor), ElementsAre(f, 2 * f));
    EXPECT_THAT(test::ValuesOf<float>(out[1].tensor), n % 2 == 0 ? ElementsAre(1, 2) : ElementsAre(5, 6));
    EXPECT_THAT(test::ValuesOf<float>(out[2].tensor), n % 2 == 0 ? ElementsAre(5, 6) : ElementsAre(1, 2));
    EXPECT_EQ(test::SizesOf(out[3].tensor), (std::vector<int64_t>{n, 2}));
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_EQ(out[3].tensor.as<float>()[2 * i + 1], 2.0f * static_cast<float>(i + 2));
    }
  }
}

// The carried value doubles its length every iteration: `k` is bound anew from the argument each time.
TEST(Calls, LoopGrowsACarriedValue) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int trip = main.Input("trip", DType::kI64, {});
  const int x = main.Input("x", DType::kF32, {"n"});
  const uint32_t m = b.Symbol("m", fb::SymbolKind::Result);
  const int y = main.Output("y", DType::kF32, {"m"});
  fb::InstrT& loop =
      main.Loop(Views(main.View(trip, {}, DType::kI64), std::make_unique<fb::ViewT>(), main.View(x, {"n"})),
                Views(main.View(y, {"m"})), 1, 1);
  loop.result_symbols = {0, 0, m};
  b.Symbol("k", fb::SymbolKind::Result);
  FunctionBuilder& body = b.Function("body");
  body.Input("i", DType::kI64, {});
  const int going = body.Input("going", DType::kBool, {});
  const int v = body.Input("v", DType::kF32, {"k"});
  body.OutputPort("going", DType::kBool, {}, going);
  const int w = body.Output("w", DType::kF32, {"2 * k"});
  const int half = body.Alias(w, "4 * k");
  body.Native("double_f32", Views(body.View(v, {"k"})), Views(body.View(w, {"k"})), "k", {"1"});
  body.Native("double_f32", Views(body.View(v, {"k"})), Views(body.View(half, {"k"})), "k", {"1"});
  auto context = test::NewContext(b.Finish(test::NativeLibraries()));
  ASSERT_NE(context, nullptr);
  std::vector<float> values = {1, 2, 3};
  std::vector<int64_t> trip_count = {4};
  const auto out = test::RunOrDie(*context, {test::TensorOf(DType::kI64, trip_count, {}), F32(values, {3})});
  ASSERT_EQ(out[0].tensor.sizes[0], 48);
  for (int i = 0; i < 48; ++i) {
    ASSERT_EQ(out[0].tensor.as<float>()[i], 16.0f * values[i % 3]);
  }
}

// nonzero's count decides what the next launch sees; its buffer is planned at the bound.
TEST(Calls, CountedSizes) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n"});
  const uint32_t count = b.Symbol("count", fb::SymbolKind::Counted);
  b.program.symbols[count]->bound = static_cast<int>(b.Slot("n"));
  const int t = main.Arena("8 * count");
  const int y = main.Output("y", DType::kI64, {"1", "count"});
  fb::InstrT& nonzero =
      main.Launch(b.Kernel("nonzero"), Views(main.View(x, {"n"})), Views(main.View(t, {"1", "count"}, DType::kI64)));
  nonzero.counts = {count};
  main.Native("copy_i64", Views(main.View(t, {"1", "count"}, DType::kI64)),
              Views(main.View(y, {"1", "count"}, DType::kI64)), "count", {"1"});
  auto context = test::NewContext(b.Finish(test::NativeLibraries()));
  ASSERT_NE(context, nullptr);
  for (const std::vector<float>& in : {std::vector<float>{0, 1, 0, 2, 3}, {0, 0, 0}, {1}}) {
    std::vector<float> values = in;
    std::vector<int64_t> want;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] != 0) {
        want.push_back(static_cast<int64_t>(i));
      }
    }
    const auto out = test::RunOrDie(*context, {F32(values, {static_cast<int64_t>(values.size())})});
    EXPECT_EQ(test::SizesOf(out[0].tensor), (std::vector<int64_t>{1, static_cast<int64_t>(want.size())}));
    EXPECT_EQ(test::ValuesOf<int64_t>(out[0].tensor), want);
  }
}

}  // namespace
}  // namespace sluice
