// gather, gather_elements, gather_nd, gather_q4, scatter_nd, scatter_elements and nonzero.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

TEST(Gather, EveryAxisAndType) {
  for (DType t : {DType::kF32, DType::kF16, DType::kBool, DType::kI64, DType::kU4}) {
    const HostTensor x = HostTensor::Random(t, {4, 5, 6}, 1, 0, 7);
    for (DType index_type : {DType::kI32, DType::kI64}) {
      const HostTensor indices = HostTensor::Of(index_type, {2, 2}, {3, -1, 0, -4});
      for (int64_t axis : {0, 1, 2, -1}) {
        std::vector<int64_t> sizes = {4, 5, 6};
        const int64_t a = axis < 0 ? axis + 3 : axis, n = sizes[a];
        sizes[a] = 2;
        sizes.insert(sizes.begin() + a, 2);
        const HostTensor y(t, sizes);
        ASSERT_TRUE(Launch(*FindCpuKernel("gather"), {{"axis", axis}}, {x, indices}, {y}, 2).ok());
        int64_t at = 0;
        for (int64_t o = 0; o < x.view().elements() / x.view().strides[a] / n; ++o) {
          for (int64_t i = 0; i < 4; ++i) {
            const int64_t index = static_cast<int64_t>(indices.Get(i)) + (indices.Get(i) < 0 ? n : 0);
            for (int64_t in = 0; in < x.view().strides[a]; ++in) {
              ASSERT_EQ(y.Get(at++), x.Get((o * n + index) * x.view().strides[a] + in)) << Name(t) << " " << axis;
            }
          }
        }
      }
    }
  }
}

TEST(Gather, FourBitRowsOfOddLength) {
  const HostTensor x = HostTensor::Random(DType::kI4, {5, 3}, 1, -8, 7);
  const HostTensor indices = HostTensor::Of(DType::kI64, {3}, {4, 1, 0}), y(DType::kI4, {3, 3});
  ASSERT_TRUE(Launch(*FindCpuKernel("gather"), {}, {x, indices}, {y}).ok());
  for (int64_t i = 0; i < 9; ++i) {
    EXPECT_EQ(y.Get(i), x.Get(static_cast<int64_t>(indices.Get(i / 3)) * 3 + i % 3));
  }
}

TEST(Gather, TiledWeight) {
  for (DType t : {DType::kF32, DType::kF16}) {
    const int64_t n = 37, k = 5;
    HostTensor w(t, {n, k}, Layout::kNkTile16);
    w.Allocate(ByteSize(t, 48 * k));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t c = 0; c < k; ++c) {
        w.Set((i / 16 * k + c) * 16 + i % 16, static_cast<double>(i * k + c));
      }
    }
    const HostTensor indices = HostTensor::Of(DType::kI64, {4}, {36, 0, 16, -22}), y(t, {4, k});
    ASSERT_TRUE(Launch(*FindCpuKernel("gather"), {{"axis", int64_t{0}}}, {w, indices}, {y}).ok());
    for (int64_t i = 0; i < 4; ++i) {
      const double row = indices.Get(i) < 0 ? indices.Get(i) + n : indices.Get(i);
      for (int64_t c = 0; c < k; ++c) {
        EXPECT_EQ(y.Get(i * k + c), row * k + static_cast<double>(c));
      }
    }
  }
}

TEST(Gather, BadIndexIsNamed) {
  const HostTensor x(DType::kF32, {50, 2}), y(DType::kF32, {4, 2});
  const HostTensor indices = HostTensor::Of(DType::kI64, {4}, {1, -50, 99, -51});
  for (int threads : {1, 3}) {
    const absl::Status status = Launch(*FindCpuKernel("gather"), {}, {x, indices}, {y}, threads);
    EXPECT_EQ(status.message(), "indices[2] = 99 is out of range for a dimension of size 50");
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  }
}

TEST(Gather, Empty) {
  const HostTensor x(DType::kF32, {3, 0}), indices(DType::kI64, {2}), y(DType::kF32, {2, 0});
  EXPECT_TRUE(Launch(*FindCpuKernel("gather"), {}, {x, indices}, {y}).ok());
  const HostTensor no_rows(DType::kF32, {0, 2}), none(DType::kI64, {0}), z(DType::kF32, {0, 2});
  EXPECT_TRUE(Launch(*FindCpuKernel("gather"), {}, {no_rows, none}, {z}).ok());
}

TEST(GatherElements, EveryAxis) {
  const HostTensor x = HostTensor::Random(DType::kF32, {4, 5, 6}, 1);
  for (int64_t axis : {0, 1, 2}) {
    // Other dimensions of the indices may be smaller than the data's.
    const HostTensor indices = HostTensor::Random(DType::kI64, {3, 4, 5}, 2, -3, 2);
    const HostTensor y(DType::kF32, {3, 4, 5});
    ASSERT_TRUE(Launch(*FindCpuKernel("gather_elements"), {{"axis", axis}}, {x, indices}, {y}, 2).ok());
    for (int64_t i = 0; i < 3; ++i) {
      for (int64_t j = 0; j < 4; ++j) {
        for (int64_t k = 0; k < 5; ++k) {
          int64_t at[3] = {i, j, k};
          at[axis] = static_cast<int64_t>(indices({i, j, k}));
          at[axis] += at[axis] < 0 ? x.view().sizes[axis] : 0;
          ASSERT_EQ(y({i, j, k}), x({at[0], at[1], at[2]}));
        }
      }
    }
  }
}

TEST(GatherNd, TuplesAndBatches) {
  const HostTensor x = HostTensor::Random(DType::kF16, {2, 3, 4}, 1);
  const HostTensor tuples = HostTensor::Of(DType::kI64, {2, 2}, {0, 2, -1, -3});
  const HostTensor y(DType::kF16, {2, 4});
  ASSERT_TRUE(Launch(*FindCpuKernel("gather_nd"), {}, {x, tuples}, {y}).ok());
  for (int64_t c = 0; c < 4; ++c) {
    EXPECT_EQ(y({0, c}), x({0, 2, c}));
    EXPECT_EQ(y({1, c}), x({1, 0, c}));
  }
  const HostTensor batched = HostTensor::Of(DType::kI64, {2, 2, 1}, {0, 2, 1, -1});
  const HostTensor z(DType::kF16, {2, 2, 4});
  ASSERT_TRUE(Launch(*FindCpuKernel("gather_nd"), {{"batch_dims", int64_t{1}}}, {x, batched}, {z}, 2).ok());
  for (int64_t c = 0; c < 4; ++c) {
    EXPECT_EQ(z({0, 0, c}), x({0, 0, c}));
    EXPECT_EQ(z({0, 1, c}), x({0, 2, c}));
    EXPECT_EQ(z({1, 0, c}), x({1, 1, c}));
    EXPECT_EQ(z({1, 1, c}), x({1, 2, c}));
  }
  const HostTensor bad = HostTensor::Of(DType::kI64, {1, 2}, {0, 3}), one(DType::kF16, {1, 4});
  EXPECT_FALSE(Launch(*FindCpuKernel("gather_nd"), {}, {x, bad}, {one}).ok());
}

TEST(GatherQ4, Dequantises) {
  for (DType q_type : {DType::kU4, DType::kI4}) {
    for (DType t : {DType::kF32, DType::kF16}) {
      for (bool with_zero : {false, true}) {
        const int64_t n = 9, k = 21, block = 8, blocks = 3;
        const double low = q_type == DType::kU4 ? 0 : -8;
        const HostTensor q = HostTensor::Random(q_type, {n, k}, 1, low, low + 15);
        const HostTensor scale = HostTensor::Random(t, {n, blocks}, 2);
        const HostTensor zero = with_zero ? HostTensor::Random(q_type, {n, blocks}, 3, low, low + 15) : HostTensor();
        const HostTensor indices = HostTensor::Of(DType::kI64, {2, 2}, {8, 0, -2, 3}), y(t, {2, 2, k});
        const std::vector<Attr> attrs = {{"block", block}, {"zero", int64_t{8}}};
        ASSERT_TRUE(Launch(*FindCpuKernel("gather_q4"), attrs, {q, indices, scale, zero}, {y}, 2).ok());
        for (int64_t i = 0; i < 4; ++i) {
          const int64_t row = static_cast<int64_t>(indices.Get(i) < 0 ? indices.Get(i) + n : indices.Get(i));
          for (int64_t c = 0; c < k; ++c) {
            const int64_t at = row * blocks + c / block;
            const double want = (q.Get(row * k + c) - (with_zero ? zero.Get(at) : 8)) * scale.Get(at);
            ASSERT_NEAR(y.Get(i * k + c), want, t == DType::kF16 ? 1e-2 : 1e-6);
          }
        }
      }
    }
  }
}

TEST(ScatterNd, ReplaceAndCombine) {
  for (const std::string reduction : {"none", "add", "mul", "max", "min"}) {
    const HostTensor x = HostTensor::Random(DType::kF32, {3, 4, 2}, 1);
    const HostTensor indices = HostTensor::Of(DType::kI64, {3, 2}, {0, 1, -1, 3, 0, 1});
    const HostTensor updates = HostTensor::Random(DType::kF32, {3, 2}, 2);
    const HostTensor y(DType::kF32, {3, 4, 2});
    ASSERT_TRUE(Launch(*FindCpuKernel("scatter_nd"), {{"reduction", reduction}}, {x, indices, updates}, {y}, 2).ok());
    std::vector<double> want = x.Values();
    for (int64_t t = 0; t < 3; ++t) {
      for (int64_t c = 0; c < 2; ++c) {
        double& to = want[(t == 1 ? 2 * 4 + 3 : 1) * 2 + c];
        const double from = updates({t, c});
        to = reduction == "none"  ? from
             : reduction == "add" ? to + from
             : reduction == "mul" ? to * from
             : reduction == "max" ? std::max(to, from)
                                  : std::min(to, from);
      }
    }
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(y.Get(static_cast<int64_t>(i)), want[i], 1e-6) << reduction;
    }
    // In place: the rest of the memory is not touched.
    ASSERT_TRUE(Launch(*FindCpuKernel("scatter_nd"), {{"reduction", reduction}}, {x, indices, updates}, {x}).ok());
    EXPECT_EQ(x.Values(), y.Values());
  }
  const HostTensor x(DType::kBool, {3}), bad = HostTensor::Of(DType::kI64, {1, 1}, {3}), one(DType::kBool, {1});
  EXPECT_FALSE(Launch(*FindCpuKernel("scatter_nd"), {}, {x, bad, one}, {x}).ok());
  const HostTensor none(DType::kI64, {0, 1}), nothing(DType::kBool, {0});
  EXPECT_TRUE(Launch(*FindCpuKernel("scatter_nd"), {}, {x, none, nothing}, {x}).ok());
}

TEST(ScatterElements, EveryAxis) {
  for (const std::string reduction : {"none", "add"}) {
    for (int64_t axis : {0, 1, -1}) {
      const HostTensor x = HostTensor::Random(DType::kI64, {3, 4, 5}, 1, -9, 9);
      const HostTensor indices = HostTensor::Random(DType::kI64, {2, 3, 3}, 2, -3, 2);
      const HostTensor updates = HostTensor::Random(DType::kI64, {2, 3, 3}, 3, -9, 9);
      const HostTensor y(DType::kI64, {3, 4, 5});
      const std::vector<Attr> attrs = {{"axis", axis}, {"reduction", reduction}};
      ASSERT_TRUE(Launch(*FindCpuKernel("scatter_elements"), attrs, {x, indices, updates}, {y}).ok());
      std::vector<double> want = x.Values();
      const int a = static_cast<int>(axis < 0 ? axis + 3 : axis);
      for (int64_t i = 0; i < 2; ++i) {
        for (int64_t j = 0; j < 3; ++j) {
          for (int64_t k = 0; k < 3; ++k) {
            int64_t at[3] = {i, j, k};
            at[a] = static_cast<int64_t>(indices({i, j, k}));
            at[a] += at[a] < 0 ? x.view().sizes[a] : 0;
            double& to = want[x.At({at[0], at[1], at[2]})];
            to = updates({i, j, k}) + (reduction == "add" ? to : 0);
          }
        }
      }
      EXPECT_EQ(y.Values(), want);
    }
  }
}

TEST(Nonzero, TuplesInOrder) {
  for (DType t : {DType::kF32, DType::kBool, DType::kI64, DType::kF16}) {
    for (const std::vector<int64_t>& sizes : std::vector<std::vector<int64_t>>{{3, 4, 5}, {70000}, {0, 2}, {1}, {}}) {
      HostTensor x = HostTensor::Random(t, sizes, 3, 0, 1);
      for (int64_t i = 0; i < x.view().elements(); ++i) {
        x.Set(i, i * 37 % 5 < 2 ? 1 : 0);
      }
      const int64_t bound = x.view().elements(), rank = x.view().rank;
      const HostTensor y(DType::kI64, {rank, bound});
      int64_t counts[1] = {-1};
      ASSERT_TRUE(Launch(*FindCpuKernel("nonzero"), {}, {x}, {y}, 3, counts).ok());
      int64_t found = 0;
      for (int64_t i = 0; i < bound; ++i) {
        found += x.Get(i) != 0 ? 1 : 0;
      }
      ASSERT_EQ(counts[0], found);
      for (int64_t i = 0, at = 0; i < bound; ++i) {
        if (x.Get(i) == 0) {
          continue;
        }
        for (int d = 0; d < rank; ++d) {
          ASSERT_EQ(y.Get(d * found + at), static_cast<double>(i / x.view().strides[d] % x.view().sizes[d]));
        }
        ++at;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
