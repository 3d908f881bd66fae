#include <thread>

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

// y = double(x) + w, w [4] broadcast by the test's kernels as [n, 4] is not: w is [n ≤ 3, 4].
std::vector<uint8_t> DoubleAdd() {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n", "4"});
  const int z = main.Input("z", DType::kF32, {"n", "4"});
  const int y = main.Output("y", DType::kF32, {"n", "4"});
  const int t = main.Arena("16 * n");
  main.Native("double_f32", Views(main.View(x, {"n", "4"})), Views(main.View(t, {"n", "4"})), "n", {"4"});
  main.Native("add_f32", Views(main.View(t, {"n", "4"}), main.View(z, {"n", "4"})), Views(main.View(y, {"n", "4"})),
              "n", {"4"});
  b.Assume("n", 2, "0");
  return b.Finish(test::NativeLibraries());
}

TEST(Program, TwoGeneratedKernels) {
  auto context = test::NewContext(DoubleAdd());
  ASSERT_NE(context, nullptr);
  for (int64_t n : {3, 1, 0, 1000}) {
    std::vector<float> x(n * 4), z(n * 4);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<float>(i);
      z[i] = 0.5f;
    }
    const auto out = test::RunOrDie(*context, {F32(x, {n, 4}), F32(z, {n, 4})});
    ASSERT_EQ(test::SizesOf(out[0].tensor), (std::vector<int64_t>{n, 4}));
    const std::vector<float> y = test::ValuesOf<float>(out[0].tensor);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(y[i], 2 * x[i] + 0.5f);
    }
  }
  EXPECT_EQ(context->counters().plans_made, 2);  // 3 (bound 4) serves 1 and 0
}

TEST(Program, CallerOwnedMemoryAndSizesBeforeTheRun) {
  auto context = test::NewContext(DoubleAdd());
  std::vector<float> x(8, 1), z(8, 2), y(8);
  const std::vector<Tensor> inputs = {F32(x, {2, 4}), F32(z, {2, 4})};
  auto sizes = context->OutputSizes(inputs);
  ASSERT_TRUE(sizes.ok());
  EXPECT_EQ(test::SizesOf((*sizes)[0]), (std::vector<int64_t>{2, 4}));
  std::vector<exec::RunOutput> outputs(1);
  outputs[0].data = y.data();
  outputs[0].bytes = 32;
  ASSERT_TRUE(context->Run(inputs, outputs).ok());
  EXPECT_EQ(outputs[0].tensor.data, y.data());
  EXPECT_THAT(y, testing::Each(4.0f));
  outputs[0].bytes = 31;
  EXPECT_THAT(std::string(context->Run(inputs, outputs).message()), HasSubstr("output 'y': needs 32 bytes"));
}

TEST(Program, WrongInputsAreNamed) {
  auto context = test::NewContext(DoubleAdd());
  std::vector<float> a(8), b(12);
  EXPECT_THAT(test::RunError(*context, {F32(a, {2, 4}), F32(b, {3, 4})}),
              HasSubstr("input 'z': dimension 0 is 3, it must be n = 2"));
  EXPECT_THAT(test::RunError(*context, {F32(a, {4, 2}), F32(a, {4, 2})}),
              HasSubstr("input 'x': dimension 1 is 2, it must be 4"));
  EXPECT_THAT(test::RunError(*context, {F32(a, {8}), F32(a, {2, 4})}),
              HasSubstr("input 'x': 1 dimensions, it must have 2: [n, 4]"));
  EXPECT_THAT(test::RunError(*context, {F32(a, {2, 4}), Tensor{}}),
              HasSubstr("input 'z': missing; it takes f32 [n, 4]"));
  std::vector<int64_t> ids(8);
  EXPECT_THAT(test::RunError(*context, {test::TensorOf(DType::kI64, ids, {2, 4}), F32(a, {2, 4})}),
              HasSubstr("input 'x': element type i64, it must be f32"));
  EXPECT_THAT(std::string(context->model().FindInput("q").status().message()), HasSubstr("it has x, z"));
}

TEST(Program, NativeCodeCanBeRefused) {
  auto model = test::LoadModel(DoubleAdd(), {.threads = 1, .native = false});
  EXPECT_THAT(std::string(model.status().message()), HasSubstr("--no-native"));
}

TEST(Program, UnknownKernelAndTargetAreNamed) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n"});
  const int y = main.Output("y", DType::kF32, {"n"});
  main.Launch(b.Kernel("frobnicate"), Views(main.View(x, {"n"})), Views(main.View(y, {"n"})));
  EXPECT_THAT(std::string(test::LoadModel(b.Finish()).status().message()), HasSubstr("no kernel 'frobnicate'"));
  b.program.target = "cuda-sm90a";
  EXPECT_THAT(std::string(test::LoadModel(b.Finish()).status().message()), HasSubstr("is for target 'cuda-sm90a'"));
}

// y = x · w by the registry's matmul, w mapped from the artifact; an assumption and --dims refuse sizes.
TEST(Program, LibraryKernelWeightAssumptionAndDims) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int weight = b.Weight("w", DType::kF32, {2, 3}, test::Bytes(std::vector<float>{1, 2, 3, 4, 5, 6}));
  const int x = main.Input("x", DType::kF32, {"n", "2"});
  const int y = main.Output("y", DType::kF32, {"n", "3"});
  const int w = main.Weight(weight);
  main.Launch(b.Kernel("matmul"), Views(main.View(x, {"n", "2"}), main.View(w, {"2", "3"})),
              Views(main.View(y, {"n", "3"})));
  b.Assume("n", 1, "3");
  b.program.symbols[b.Symbol("n")]->max = 8;
  auto context = test::NewContext(b.Finish());
  ASSERT_NE(context, nullptr);
  std::vector<float> values = {1, 10, 0, 1};
  const auto out = test::RunOrDie(*context, {F32(values, {2, 2})});
  EXPECT_THAT(test::ValuesOf<float>(out[0].tensor), ElementsAre(41, 52, 63, 4, 5, 6));
  std::vector<float> many(18);
  EXPECT_THAT(test::RunError(*context, {F32(many, {3, 2})}),
              HasSubstr("the model needs n != 3, these sizes give 3 and 3"));
  EXPECT_THAT(test::RunError(*context, {F32(many, {9, 2})}), HasSubstr("n is 9, the artifact was compiled for n=0..8"));
}

// Sizes that stand alone nowhere: total = past + seq is bound by mask, past follows.
TEST(Program, SymbolsAreSolved) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  main.Input("mask", DType::kF32, {"past + seq"});
  const int x = main.Input("x", DType::kF32, {"seq"});
  const int y = main.Output("y", DType::kF32, {"seq"});
  main.Output("gap", DType::kF32, {"past", "heads"});
  main.Native("double_f32", Views(main.View(x, {"seq"})), Views(main.View(y, {"seq"})), "seq", {"1"});
  b.Assume("heads * 2", 0, "6");
  auto context = test::NewContext(b.Finish(test::NativeLibraries()));
  ASSERT_NE(context, nullptr);
  std::vector<float> mask(7), x1(2, 3);
  const auto out = test::RunOrDie(*context, {F32(mask, {7}), F32(x1, {2})});
  EXPECT_EQ(test::SizesOf(out[1].tensor), (std::vector<int64_t>{5, 3}));
  EXPECT_THAT(test::RunError(*context, {F32(mask, {1}), F32(x1, {2})}), HasSubstr("the size 'past' follows from none"));
}

// An arena buffer holds two results side by side by aliases (a concat that costs nothing); the output is no Output
// buffer.
TEST(Program, AliasesAndCopiedOutputs) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n"});
  const int t = main.Arena("8 * n");
  const int second = main.Alias(t, "4 * n");
  main.Native("double_f32", Views(main.View(x, {"n"})), Views(main.View(t, {"n"})), "n", {"1"});
  main.Native("add_f32", Views(main.View(x, {"n"}), main.View(t, {"n"})), Views(main.View(second, {"n"})), "n", {"1"});
  main.OutputPort("both", DType::kF32, {"2 * n"}, t);
  main.OutputPort("same", DType::kF32, {"n"}, x);
  auto context = test::NewContext(b.Finish(test::NativeLibraries()));
  ASSERT_NE(context, nullptr);
  std::vector<float> values = {1, 2, 3};
  const auto out = test::RunOrDie(*context, {F32(values, {3})});
  EXPECT_THAT(test::ValuesOf<float>(out[0].tensor), ElementsAre(2, 4, 6, 3, 6, 9));
  EXPECT_THAT(test::ValuesOf<float>(out[1].tensor), ElementsAre(1, 2, 3));
}

// A view that leaves its buffer (the compiler's fault) is an error of the run, not a crash.
TEST(Program, ViewOutsideItsBufferIsRefused) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n"});
  const int y = main.Output("y", DType::kF32, {"n"});
  main.Native("double_f32", Views(main.View(x, {"n + 1"})), Views(main.View(y, {"n"})), "n", {"1"});
  auto context = test::NewContext(b.Finish(test::NativeLibraries()));
  std::vector<float> values = {1, 2, 3};
  EXPECT_THAT(test::RunError(*context, {F32(values, {3})}), HasSubstr("node_0: an operand lies outside its buffer"));
}

TEST(Program, BucketPlans) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n"});
  const int y = main.Output("y", DType::kF32, {"n"});
  const int t = main.Arena("4 * n");
  main.Native("double_f32", Views(main.View(x, {"n"})), Views(main.View(t, {"n"})), "n", {"1"});
  main.Native("double_f32", Views(main.View(t, {"n"})), Views(main.View(y, {"n"})), "n", {"1"});
  for (int64_t bound : {8, 32}) {
    auto plan = std::make_unique<fb::BucketPlanT>();
    plan->symbols = {bound};
    plan->offsets = {-1, -1, 64};
    plan->arena = 64 + 4 * static_cast<uint64_t>(bound);
    plan->lower_bound = 4 * static_cast<uint64_t>(bound);
    main.function().plans.push_back(std::move(plan));
  }
  auto context = test::NewContext(b.Finish(test::NativeLibraries()));
  ASSERT_NE(context, nullptr);
  std::vector<float> values(40, 1);
  const auto out = test::RunOrDie(*context, {F32(values, {5})});
  EXPECT_THAT(test::ValuesOf<float>(out[0].tensor), testing::Each(4.0f));
  EXPECT_EQ(context->memory_use().arena, 96);
  test::RunOrDie(*context, {F32(values, {20})});
  EXPECT_EQ(context->memory_use().arena, 192);
  EXPECT_THAT(test::RunError(*context, {F32(values, {33})}), HasSubstr("outside the buckets"));
}

TEST(Program, ContextsOfOneModelRunInParallel) {
  auto model = test::LoadModel(DoubleAdd());
  ASSERT_TRUE(model.ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      auto context = exec::Context::Create(*model).value();
      std::vector<float> x(4000, static_cast<float>(t)), z(4000, 1);
      for (int i = 0; i < 50; ++i) {
        const auto out = test::RunOrDie(*context, {F32(x, {1000, 4}), F32(z, {1000, 4})});
        ASSERT_EQ(out[0].tensor.as<float>()[3999], 2.0f * t + 1);
      }
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
}

TEST(Program, CancelEndsARun) {
  auto context = test::NewContext(DoubleAdd());
  std::vector<float> x(4), z(4);
  context->Cancel();
  EXPECT_THAT(test::RunError(*context, {F32(x, {1, 4}), F32(z, {1, 4})}), HasSubstr("cancelled"));
  EXPECT_EQ(test::RunError(*context, {F32(x, {1, 4}), F32(z, {1, 4})}), "");
}

}  // namespace
}  // namespace sluice
