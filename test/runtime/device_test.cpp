// Programs for a GPU, as far as they go on a machine without one: tables, segments, what is checked and refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/artifact/artifact.h"
#include "runtime/cuda/driver.h"
#include "runtime/exec/memory_plan.h"
#include "runtime/exec/model.h"
#include "test/runtime/artifact_builder.h"
#include "test/runtime/run_helper.h"

namespace sluice {
namespace {

using test::ArtifactBuilder;
using test::FunctionBuilder;
using test::Views;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using test::CudaKernel;
using Kind = fb::CudaParamKind;
const std::vector<std::pair<Kind, int>> kUnary = {{Kind::Step, 0}, {Kind::Operand, 0}, {Kind::Operand, 1}};

// y = gpu(cpu(gpu(gpu(x)))), all of size n.
std::vector<uint8_t> Mixed() {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n"});
  const int y = main.Output("y", DType::kF32, {"n"});
  const int s = main.Arena("4 * n"), t = main.Arena("4 * n"), u = main.Arena("4 * n");
  const int gpu = CudaKernel(b, "twice", kUnary);
  const auto launch = [&](int from, int to) {
    fb::InstrT& instr = main.Launch(gpu, Views(main.View(from, {"n"})), Views(main.View(to, {"n"})));
    instr.blocks = b.Slots({"ceildiv(n, 256)", "1", "1"});
    return &instr;
  };
  launch(x, s);
  launch(s, t)->workspace = static_cast<int32_t>(b.Slot("16 * n"));
  main.Launch(b.Kernel("copy"), Views(main.View(t, {"n"})), Views(main.View(u, {"n"})));
  launch(u, y);
  return b.Finish({{"sm_90a", {1, 2, 3}}});
}

absl::StatusOr<std::unique_ptr<const exec::Program>> Decode(const std::vector<uint8_t>& file) {
  ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::FromMemory(file, "m.sluice"));
  return exec::Decode(artifact, {});
}

TEST(Device, NeighboursOnTheGpuAreOneSegment) {
  const auto program = Decode(Mixed());
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_TRUE((*program)->on_device);
  const exec::FunctionDesc& main = (*program)->main();
  ASSERT_EQ(main.segments.size(), 2u);
  EXPECT_EQ(main.segments[0].begin, 0u);
  EXPECT_EQ(main.segments[0].end, 2u);
  // x comes from the host; s and t begin inside; t is written for the copy.
  EXPECT_THAT(main.segments[0].needs, ElementsAre(0));
  EXPECT_THAT(main.segments[0].writes, ElementsAre(2, 3));
  // u comes from the host; y may hold something already.
  EXPECT_THAT(main.segments[1].needs, ElementsAre(1, 4));
  EXPECT_THAT(main.segments[1].writes, ElementsAre(1));
}

TEST(Device, PlansHoldTheBoundAndItsWorkspace) {
  const auto program = Decode(Mixed());
  ASSERT_TRUE(program.ok()) << program.status();
  exec::Sizes sizes(**program);
  ASSERT_TRUE(sizes.BindByName({{"n", 1000}}).ok());
  const exec::FunctionDesc& main = (*program)->main();
  const auto plan = exec::MakePlan(**program, main, 0, sizes, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ((*plan)->bound[main.instrs[0].forms[0].blocks[0]], 4);  // of 1024, what 1000 is rounded up to
  EXPECT_EQ((*plan)->device_workspace, 16 * 1024);
  // A grid that grows is not covered.
  ASSERT_TRUE(sizes.BindByName({{"n", 1024}}).ok());
  EXPECT_TRUE((*plan)->Covers(main.stages[0], sizes.slots()));
  ASSERT_TRUE(sizes.BindByName({{"n", 1025}}).ok());
  EXPECT_FALSE((*plan)->Covers(main.stages[0], sizes.slots()));
}

// A map that reaches on has whole runs of rows, but none that is not wholly in its memory.
TEST(Device, AMapNeverLeavesItsMemory) {
  EXPECT_EQ(exec::RowsWithin(1, 8, 100, 10'000, 0), 8u);
  EXPECT_EQ(exec::RowsWithin(200, 128, 10, 10'000, 0), 256u);
  EXPECT_EQ(exec::RowsWithin(256, 128, 10, 10'000, 0), 256u);
  EXPECT_EQ(exec::RowsWithin(1, 8, 100, 10'000, 9'500), 5u);
  EXPECT_EQ(exec::RowsWithin(1, 8, 100, 10'000, 9'901), 1u);
  EXPECT_EQ(exec::RowsWithin(3, 8, 100, 0, 300), 3u);  // memory that is not known
  EXPECT_EQ(exec::RowsWithin(3, 8, 0, 10'000, 0), 3u);
  for (uint64_t rows = 1; rows < 20; ++rows) {
    for (uint64_t bytes = rows * 24; bytes < 1000; bytes += 7) {
      const uint64_t reached = exec::RowsWithin(rows, 8, 24, bytes, 0);
      EXPECT_LE(reached * 24, bytes);
      EXPECT_GE(reached, rows);
    }
  }
}

// Behind the arena is room for a run of the rows of a plan's form, whichever buffer is the last.
TEST(Device, PlansHoldTheRowsThatMapsReachOnInto) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n", "20"});
  const int y = main.Output("y", DType::kF32, {"n", "20"});
  const int s = main.Arena("80 * n");
  const int gpu = CudaKernel(b, "rows", {{Kind::Step, 0}, {Kind::TensorMap, 0}, {Kind::Operand, 1}});
  fb::CudaParamT& map = *b.program.kernels[gpu]->cuda->params[1];
  map.runs = {0, 0, 1, 1};
  map.box = {16, 4};
  map.reach = 16;
  for (const auto& [from, to] : {std::pair(x, s), std::pair(s, y)}) {
    fb::InstrT& instr = main.Launch(gpu, Views(main.View(from, {"n", "20"})), Views(main.View(to, {"n", "20"})));
    instr.blocks = b.Slots({"1", "1", "1"});
  }
  const auto program = Decode(b.Finish({{"sm_90a", {1, 2, 3}}}));
  ASSERT_TRUE(program.ok()) << program.status();
  exec::Sizes sizes(**program);
  ASSERT_TRUE(sizes.BindByName({{"n", 3}}).ok());
  const auto plan = exec::MakePlan(**program, (*program)->main(), 0, sizes, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ((*plan)->device_reach, 16 * 80);
}

// A kernel with a form for at most 8 rows and one for any number.
std::vector<uint8_t> TwoForms(std::vector<int64_t> limits, std::vector<std::string> blocks, bool rows) {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n"});
  const int y = main.Output("y", DType::kF32, {"n"});
  const int gpu = CudaKernel(b, "many", kUnary);
  fb::CudaKernelT& many = *b.program.kernels[gpu]->cuda;
  for (int64_t limit : limits) {
    many.smaller.push_back(std::make_unique<fb::CudaKernelT>(many));
    many.smaller.back()->smaller.clear();
    many.smaller.back()->entry = "few";
    many.smaller.back()->limit = limit;
  }
  fb::InstrT& instr = main.Launch(gpu, Views(main.View(x, {"n"})), Views(main.View(y, {"n"})));
  instr.blocks = b.Slots(std::move(blocks));
  instr.rows = rows ? static_cast<int32_t>(b.Slot("n")) : -1;
  return b.Finish({{"sm_90a", {1, 2, 3}}});
}

// The table has the form for any number first, an instruction has it last: a search by limit ends there.
TEST(Device, FormsForFewRowsComeFirst) {
  const auto program = Decode(TwoForms({8}, {"n", "1", "1", "2", "1", "1"}, true));
  ASSERT_TRUE(program.ok()) << program.status();
  const exec::InstrDesc& instr = (*program)->main().instrs[0];
  ASSERT_EQ(instr.forms.size(), 2u);
  EXPECT_EQ(instr.forms[0].cuda->limit(), 8);
  EXPECT_EQ(instr.forms[1].cuda->limit(), -1);
  EXPECT_NE(instr.forms[0].function, instr.forms[1].function);
  EXPECT_EQ((*program)->SlotText(instr.forms[0].blocks[0]), "2");
  EXPECT_EQ((*program)->SlotText(instr.forms[1].blocks[0]), "n");
  EXPECT_EQ((*program)->SlotText(static_cast<uint32_t>(instr.rows)), "n");
}

TEST(Device, WrongFormsAreRefused) {
  const auto refusal = [](const std::vector<uint8_t>& file) { return std::string(Decode(file).status().message()); };
  EXPECT_THAT(refusal(TwoForms({8, 8}, {"1", "1", "1", "1", "1", "1", "1", "1", "1"}, true)), HasSubstr("limits"));
  EXPECT_THAT(refusal(TwoForms({-1}, {"1", "1", "1", "1", "1", "1"}, true)), HasSubstr("limits"));
  EXPECT_THAT(refusal(TwoForms({8}, {"1", "1", "1"}, true)), HasSubstr("three slots"));
  EXPECT_THAT(refusal(TwoForms({8}, {"1", "1", "1", "1", "1", "1"}, false)), HasSubstr("slot of rows"));
}

// A step of a decoder does not run on the plan of the prompt before it, though that covers it.
TEST(Device, APlanForTheGpuServesItsOwnBoundsOnly) {
  const auto program = Decode(Mixed());
  ASSERT_TRUE(program.ok()) << program.status();
  const exec::FunctionDesc& main = (*program)->main();
  exec::Sizes sizes(**program);
  ASSERT_TRUE(sizes.BindByName({{"n", 1000}}).ok());
  exec::PlanCache cache;
  auto plan = exec::MakePlan(**program, main, 0, sizes, 1);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const exec::MemoryPlan* prompt = cache.Add(*std::move(plan));
  const auto find = [&](int64_t n) {
    EXPECT_TRUE(sizes.BindByName({{"n", n}}).ok());
    const auto bounds = exec::BoundsOf(**program, main, 0, sizes);
    EXPECT_TRUE(bounds.ok()) << bounds.status();
    return cache.Find(main.stages[0], sizes.slots(), &*bounds);
  };
  EXPECT_EQ(find(1), nullptr);
  EXPECT_EQ(find(1000), prompt);
  EXPECT_EQ(find(1024), prompt);
  EXPECT_EQ(cache.Find(main.stages[0], sizes.slots()), prompt);
}

TEST(Device, WrongTablesAreRefused) {
  const auto refusal = [](auto change) {
    ArtifactBuilder b;
    FunctionBuilder& main = b.Function("main");
    const int x = main.Input("x", DType::kF32, {"n", "4"});
    const int y = main.Output("y", DType::kF32, {"n", "4"});
    const int gpu = CudaKernel(b, "twice", kUnary);
    fb::InstrT& instr = main.Launch(gpu, Views(main.View(x, {"n", "4"})), Views(main.View(y, {"n", "4"})));
    instr.blocks = b.Slots({"n", "1", "1"});
    change(b.program, *b.program.kernels[gpu]->cuda, instr);
    return std::string(Decode(b.Finish({{"sm_90a", {1}}})).status().message());
  };
  using P = fb::ProgramT;
  using K = fb::CudaKernelT;
  using I = fb::InstrT;
  EXPECT_EQ(refusal([](P&, K&, I&) {}), "");
  EXPECT_THAT(refusal([](P&, K& k, I&) { k.params[2]->operand = 2; }), HasSubstr("names operand 2"));
  EXPECT_EQ(refusal([](P&, K& k, I&) { k.params[2]->operand = 255; }), "");
  EXPECT_THAT(refusal([](P&, K& k, I&) { k.params[0]->kind = Kind::Number; }), HasSubstr("names number 0"));
  EXPECT_THAT(refusal([](P&, K& k, I&) { k.library = 7; }), HasSubstr("kernels[0] ('twice')"));
  EXPECT_THAT(refusal([](P&, K& k, I&) { k.block = 2000; }), HasSubstr("kernels[0] ('twice')"));
  EXPECT_THAT(refusal([](P&, K&, I& i) { i.blocks.pop_back(); }), HasSubstr("three slots"));
  EXPECT_THAT(refusal([](P&, K&, I& i) { i.workspace = 1000; }), HasSubstr("slots for workspace"));
  EXPECT_THAT(refusal([](P& p, K&, I& i) {
                p.symbols[0]->kind = fb::SymbolKind::Counted;
                p.symbols[0]->bound = 0;
                i.counts = {0};
              }),
              HasSubstr("writes no sizes"));
  EXPECT_THAT(refusal([](P& p, K&, I&) { p.compute_capability = 0; }), HasSubstr("breaks its format"));
  const auto map = [&](std::vector<uint8_t> runs, std::vector<uint32_t> box) {
    return refusal([&](P&, K& k, I&) {
      k.params[1]->kind = Kind::TensorMap;
      k.params[1]->runs = runs;
      k.params[1]->box = box;
    });
  };
  EXPECT_EQ(map({0, 0, 1, 1}, {64, 4}), "");
  EXPECT_THAT(map({0, 0}, {64}), HasSubstr("tensor map"));
  EXPECT_THAT(map({0, 0, 1, 1}, {64}), HasSubstr("tensor map"));
  EXPECT_THAT(map({1, 1, 0, 0}, {4, 64}), HasSubstr("tensor map"));
  // What is read may reach on, by rows of a matrix; what is written must not.
  const auto reach = [&](uint32_t operand, uint32_t rows, std::vector<uint8_t> runs, std::vector<uint32_t> box) {
    return refusal([&](P&, K& k, I&) {
      k.params[1]->kind = Kind::TensorMap;
      k.params[1]->operand = operand;
      k.params[1]->runs = runs;
      k.params[1]->box = box;
      k.params[1]->reach = rows;
    });
  };
  EXPECT_EQ(reach(0, 128, {0, 0, 1, 1}, {64, 4}), "");
  EXPECT_THAT(reach(1, 128, {0, 0, 1, 1}, {64, 4}), HasSubstr("operand 1 cannot reach on by 128 rows"));
  EXPECT_THAT(reach(0, 1u << 31, {0, 0, 1, 1}, {64, 4}), HasSubstr("cannot reach on"));
  EXPECT_THAT(reach(0, 8, {0, 1}, {64}), HasSubstr("cannot reach on"));
}

TEST(Device, TheArtifactSaysWhereItRuns) {
  const std::vector<uint8_t> file = Mixed();
  EXPECT_THAT(std::string(test::LoadModel(file, {.threads = 1, .device = "cpu"}).status().message()),
              HasSubstr("is for target cuda-sm90a"));
  EXPECT_THAT(std::string(test::LoadModel(file, {.threads = 1, .device = "cuda:x"}).status().message()),
              HasSubstr("give cpu or cuda:N"));
  EXPECT_THAT(std::string(test::LoadModel(file, {.threads = 1, .native = false}).status().message()),
              HasSubstr("--no-native"));
  if (!cuda::Driver::Open().ok()) {
    const absl::Status status = test::LoadModel(file).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()), HasSubstr("no CUDA driver"));
  }
}

}  // namespace
}  // namespace sluice
