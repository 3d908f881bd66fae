// Compiled decoders over a thousand steps: plans are few, and nothing is allocated but where plans or caches grow.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <new>

#include "compiler/driver/Compile.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/artifact/artifact.h"
#include "runtime/exec/decoder.h"
#include "test/support/shared.h"

namespace {
std::atomic<int64_t> allocated{0};  // calls of operator new, from any thread
}  // namespace

void* operator new(size_t bytes) {
  allocated.fetch_add(1, std::memory_order_relaxed);
  if (void* data = std::malloc(bytes == 0 ? 1 : bytes)) {
    return data;
  }
  throw std::bad_alloc();
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, size_t) noexcept { std::free(data); }

namespace sluice {
namespace {

// Decoders whose positions are computed, not looked up in a table of 128.
class DecodeSteps : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::filesystem::path model = test::SharedModel(GetParam()) / "model.onnx";
    ASSERT_TRUE(test::IsThere(model));
    compiler::CompileOptions options;
    options.model = model.string();
    auto compiled = compiler::Compile(options);
    ASSERT_TRUE(compiled.ok()) << compiled.status();
    auto artifact = artifact::Artifact::FromMemory(compiled->artifact, GetParam());
    ASSERT_TRUE(artifact.ok()) << artifact.status();
    auto loaded = exec::Model::Load(*artifact, {.threads = 2});
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    auto context = exec::Context::Create(*loaded);
    ASSERT_TRUE(context.ok()) << context.status();
    context_ = std::move(*context);
  }

  std::unique_ptr<exec::Context> context_;
};

TEST_P(DecodeSteps, PlanAndAllocateAtFewOfAThousand) {
  auto decoder = exec::Decoder::Create(*context_, 1);
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  const std::vector<int64_t> prompt = {3, 14, 15, 9, 26};
  ASSERT_TRUE((*decoder)->Step(prompt).ok());
  const exec::Counters& counters = context_->counters();
  int64_t steps_that_allocate = 0;
  for (int64_t step = 0; step < 1000; ++step) {
    const int64_t blocks = counters.allocations, news = allocated.load(), plans = counters.plans_made;
    const int64_t token = 3 + step % 50;
    const absl::Status status = (*decoder)->Step({&token, 1});
    ASSERT_TRUE(status.ok()) << "step " << step << ": " << status;
    const bool allocates = counters.allocations != blocks || allocated.load() != news;
    EXPECT_TRUE(allocates || counters.plans_made == plans) << "step " << step << ": operator new is not counted";
    steps_that_allocate += allocates;
  }
  EXPECT_EQ((*decoder)->length(), 1005);
  EXPECT_LE(counters.plans_made, 24);
  // Sizes are rounded up to 16, 32, 64, 80 … 896, 1024: every edge once, and no step between two edges.
  EXPECT_LE(steps_that_allocate, 24);
}

INSTANTIATE_TEST_SUITE_P(Models, DecodeSteps,
                         testing::Values("llama-tiny-dynamo", "llama-tiny-optimum", "gemma2-tiny-optimum",
                                         "bloom-tiny-optimum", "mixtral-tiny-dynamo"),
                         [](const auto& info) { return test::ModelTestName(info.param); });

}  // namespace
}  // namespace sluice
