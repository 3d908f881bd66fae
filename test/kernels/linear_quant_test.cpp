// nn.linear_q4 and nn.linear_q8 against dequantised sums in f64.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

enum class Zero { kNone, kCodes, kFloat };

struct QuantCase {
  DType x, q, scale;
  Zero zero;
  int64_t block, m, n, k;
};

struct QuantOperands {
  HostTensor x, q, scale, zero;
  int64_t q_row, blocks, zero_row;  // codes of a row of q; scales of a row; codes of a row of zero points
};

QuantOperands Make(const QuantCase& c) {
  const bool four = c.q == DType::kU4 || c.q == DType::kI4;
  QuantOperands o;
  o.blocks = c.block == 0 ? 1 : (c.k + c.block - 1) / c.block;
  o.q_row = c.block == 0 ? c.k : o.blocks * c.block;
  const bool is_signed = c.q == DType::kI4 || c.q == DType::kI8;
  const double low = is_signed ? (four ? -8 : -128) : 0;
  const double high = low + (four ? 15 : 255);
  o.x = HostTensor::Random(c.x, {c.m, c.k}, 1);
  o.q = HostTensor::Random(c.q, {c.n, o.q_row}, 2, low, high);
  o.scale = HostTensor::Random(c.scale, {c.n, o.blocks}, 3, 0.01, 0.1);
  o.zero_row = four && c.zero == Zero::kCodes ? (o.blocks + 1) / 2 * 2 : o.blocks;
  if (c.zero == Zero::kCodes) {
    o.zero = HostTensor::Random(c.q, {c.n, o.zero_row}, 4, low, high);
  } else if (c.zero == Zero::kFloat) {
    o.zero = HostTensor::Random(c.scale, {c.n, o.blocks}, 4, low, high);
  }
  return o;
}

const CpuKernel& KernelOf(DType q) {
  return *FindCpuKernel(q == DType::kU4 || q == DType::kI4 ? "linear_q4" : "linear_q8");
}

class QuantTest : public ::testing::TestWithParam<QuantCase> {};

TEST_P(QuantTest, EqualsDequantisedSum) {
  const QuantCase c = GetParam();
  const QuantOperands o = Make(c);
  const HostTensor y(c.x, {c.m, c.n});
  ASSERT_TRUE(Launch(KernelOf(c.q), {{"block", c.block}}, {o.x, o.q, o.scale, o.zero}, {y}, 2).ok());
  const double base = c.q == DType::kU4 ? 8 : c.q == DType::kU8 ? 128 : 0;
  for (int64_t i = 0; i < c.m; ++i) {
    for (int64_t j = 0; j < c.n; ++j) {
      double sum = 0, size = 0;
      for (int64_t k = 0; k < c.k; ++k) {
        const int64_t block = c.block == 0 ? 0 : k / c.block;
        const double zero = c.zero == Zero::kNone ? base : o.zero.Get(j * o.zero_row + block);
        const double term = o.x({i, k}) * (o.q.Get(j * o.q_row + k) - zero) * o.scale.Get(j * o.blocks + block);
        sum += term;
        size += std::abs(term);
      }
      const double unit = c.x == DType::kF32 ? 2e-6 : c.x == DType::kF16 ? 1e-3 : 8e-3;
      ASSERT_NEAR(y({i, j}), sum, unit * (size + 1)) << i << " " << j;
    }
  }
}

std::vector<QuantCase> Cases() {
  std::vector<QuantCase> cases;
  for (DType q : {DType::kU4, DType::kI4, DType::kU8, DType::kI8}) {
    for (Zero zero : {Zero::kNone, Zero::kCodes, Zero::kFloat}) {
      for (int64_t block : {16, 32, 64, 128, 256}) {
        cases.push_back({DType::kF32, q, DType::kF32, zero, block, 1, 37, 300});
        cases.push_back({DType::kF32, q, DType::kF16, zero, block, 17, 35, 576});
      }
      cases.push_back({DType::kF16, q, DType::kF16, zero, 32, 3, 5, 65});
      cases.push_back({DType::kBF16, q, DType::kBF16, zero, 64, 8, 33, 129});
      cases.push_back({DType::kF32, q, DType::kF32, zero, 32, 2, 3, 1});
      if (q == DType::kU8 || q == DType::kI8) {
        cases.push_back({DType::kF32, q, DType::kF32, zero, 0, 5, 39, 77});
      }
    }
  }
  cases.push_back({DType::kF32, DType::kU4, DType::kF32, Zero::kNone, 32, 0, 4, 64});
  cases.push_back({DType::kF32, DType::kU4, DType::kF32, Zero::kNone, 32, 4, 0, 64});
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Shapes, QuantTest, ::testing::ValuesIn(Cases()));

TEST(LinearQuant, RowsDoNotDependOnBatchOrThreads) {
  for (DType q : {DType::kU4, DType::kI8}) {
    const QuantCase c{DType::kF32, q, DType::kF32, Zero::kCodes, 32, 41, 75, 333};
    const QuantOperands o = Make(c);
    const HostTensor whole(c.x, {c.m, c.n});
    ASSERT_TRUE(Launch(KernelOf(q), {{"block", c.block}}, {o.x, o.q, o.scale, o.zero}, {whole}, 2).ok());
    for (int64_t size : {1, 2, 5, 7, 12, 40}) {
      const HostTensor part(c.x, {size, c.n});
      const HostTensor x = o.x.Slice(0, c.m - size, size);
      ASSERT_TRUE(Launch(KernelOf(q), {{"block", c.block}}, {x, o.q, o.scale, o.zero}, {part}, 1).ok());
      ASSERT_EQ(std::memcmp(part.bytes().data(), whole.bytes().data() + (c.m - size) * c.n * 4, size * c.n * 4), 0)
          << size;
    }
  }
}

TEST(LinearQuant, RefusesOtherBlocks) {
  for (int64_t block : {0, 8, 24, 512}) {
    EXPECT_EQ(FindCpuKernel("linear_q4")->prepare(Attrs({{"block", block}})).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace sluice::kernels
