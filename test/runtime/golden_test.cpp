// Artifacts of every released format version still load and run.
#include <cmath>

#include "gtest/gtest.h"
#include "runtime/artifact/format.h"
#include "runtime/base/cpu.h"
#include "test/runtime/run_helper.h"

namespace sluice {
namespace {

constexpr int64_t kSize = 16;  // golden/make_model.py

float Input(int64_t step, int64_t row, int64_t k) { return static_cast<float>((step * 5 + row * 3 + k) % 7 - 3) / 4; }

double Expected(int64_t step, int64_t row, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < kSize; ++k) {
    sum += Input(step, row, k) * static_cast<double>((7 * k + 3 * n) % 16 - 8) / 16;
  }
  return std::tanh(sum);
}

class Golden : public testing::TestWithParam<uint32_t> {};

TEST_P(Golden, RunsAndKeepsItsCache) {
  if (!Cpu().v3()) {
    GTEST_SKIP() << "its machine code needs x86-64-v3";
  }
  const std::string path =
      std::string(SLUICE_SOURCE_DIR) + "/test/runtime/golden/v" + std::to_string(GetParam()) + ".sluice";
  auto artifact = artifact::Artifact::Open(path);
  ASSERT_TRUE(artifact.ok()) << artifact.status() << " (golden/README.md says how it is made)";
  auto model = exec::Model::Load(*artifact, {.threads = 2});
  ASSERT_TRUE(model.ok()) << model.status();
  auto context = exec::Context::Create(*model);
  ASSERT_TRUE(context.ok()) << context.status();
  constexpr int64_t kBatch = 3;
  std::vector<float> x(kBatch * kSize);
  for (int64_t step = 0; step < 2; ++step) {
    for (int64_t i = 0; i < kBatch * kSize; ++i) {
      x[i] = Input(step, i / kSize, i % kSize);
    }
    const std::vector<kernels::Tensor> inputs = {test::F32(x, {kBatch, kSize}), {}};
    std::vector<exec::RunOutput> outputs(2);
    const absl::Status status = (*context)->Run(inputs, outputs);
    ASSERT_TRUE(status.ok()) << status;
    const kernels::Tensor& y = outputs[0].tensor;
    const kernels::Tensor& present = outputs[1].tensor;
    ASSERT_EQ(y.elements(), kBatch * kSize);
    ASSERT_EQ(present.elements(), (step + 1) * kBatch * kSize);
    for (int64_t row = 0; row < kBatch; ++row) {
      for (int64_t n = 0; n < kSize; ++n) {
        EXPECT_NEAR(y.as<float>()[row * kSize + n], Expected(step, row, n), 1e-6);
        for (int64_t past = 0; past <= step; ++past) {
          EXPECT_NEAR(present.as<float>()[(row * (step + 1) + past) * kSize + n], Expected(past, row, n), 1e-6);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, Golden, testing::Range(1u, artifact::kFormatVersion + 1));

}  // namespace
}  // namespace sluice
