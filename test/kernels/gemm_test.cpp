// nn.linear and nn.matmul against sums in f64; bit-for-bit independence of batch and threads.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

double Tolerance(DType out, int64_t k) {
  const double unit = out == DType::kF16 ? 1e-3 : out == DType::kBF16 ? 8e-3 : out == DType::kF32 ? 1e-6 : 1e-14;
  return unit * std::sqrt(static_cast<double>(k) + 1) * 2;
}

// w [n, k] in the layout [ceil(n / 16)][k][16].
HostTensor Tiled(const HostTensor& w) {
  const int64_t n = w.view().size(0);
  const int64_t k = w.view().size(1);
  HostTensor t(w.view().dtype, {n, k}, Layout::kNkTile16);
  t.Allocate(ByteSize(w.view().dtype, (n + 15) / 16 * 16 * k));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t kk = 0; kk < k; ++kk) {
      t.Set((i / 16 * k + kk) * 16 + i % 16, w({i, kk}));
    }
  }
  return t;
}

struct LinearCase {
  DType x, w;
  int64_t m, n, k;
};

class LinearTest : public ::testing::TestWithParam<LinearCase> {};

TEST_P(LinearTest, EqualsSumInF64) {
  const LinearCase c = GetParam();
  const HostTensor x = HostTensor::Random(c.x, {1, c.m, c.k}, 1);
  const HostTensor w = HostTensor::Random(c.w, {c.n, c.k}, 2);
  for (bool tiled : {false, true}) {
    if (tiled && !(c.w == DType::kF32 || c.w == DType::kF16 || c.w == DType::kBF16)) {
      continue;
    }
    for (int threads : {1, 3}) {
      const HostTensor y(c.x, {1, c.m, c.n});
      ASSERT_TRUE(Launch(*FindCpuKernel("linear"), {}, {x, tiled ? Tiled(w) : w}, {y}, threads).ok());
      for (int64_t i = 0; i < c.m; ++i) {
        for (int64_t j = 0; j < c.n; ++j) {
          double sum = 0;
          for (int64_t k = 0; k < c.k; ++k) {
            sum += x({0, i, k}) * w({j, k});
          }
          ASSERT_NEAR(y({0, i, j}), sum, Tolerance(c.x, c.k)) << i << " " << j << " tiled " << tiled;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, LinearTest,
    ::testing::Values(
        LinearCase{DType::kF32, DType::kF32, 1, 1, 1}, LinearCase{DType::kF32, DType::kF32, 1, 16, 32},
        LinearCase{DType::kF32, DType::kF32, 1, 131, 97}, LinearCase{DType::kF32, DType::kF32, 2, 65, 130},
        LinearCase{DType::kF32, DType::kF32, 7, 33, 17}, LinearCase{DType::kF32, DType::kF32, 15, 80, 64},
        LinearCase{DType::kF32, DType::kF32, 37, 201, 45}, LinearCase{DType::kF32, DType::kF32, 131, 16, 300},
        LinearCase{DType::kF32, DType::kF32, 5, 0, 3}, LinearCase{DType::kF32, DType::kF32, 0, 5, 3},
        LinearCase{DType::kF32, DType::kF32, 3, 5, 0}, LinearCase{DType::kF32, DType::kF16, 9, 50, 70},
        LinearCase{DType::kF32, DType::kBF16, 9, 50, 70}, LinearCase{DType::kF16, DType::kF16, 1, 77, 129},
        LinearCase{DType::kF16, DType::kF16, 29, 77, 129}, LinearCase{DType::kBF16, DType::kBF16, 1, 77, 129},
        LinearCase{DType::kBF16, DType::kBF16, 29, 77, 129}, LinearCase{DType::kF64, DType::kF64, 7, 33, 45}),
    [](const auto& info) {
      const LinearCase& c = info.param;
      return absl::StrCat(Name(c.x), "_", Name(c.w), "_", c.m, "_", c.n, "_", c.k);
    });

// A row alone, in any batch and with any number of threads is the same bytes.
TEST(Linear, RowsDoNotDependOnBatchOrThreads) {
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    const int64_t k = 203, n = 177, m = 67;
    const HostTensor x = HostTensor::Random(type, {m, k}, 3);
    const HostTensor w = HostTensor::Random(type, {n, k}, 4);
    for (bool tiled : {false, true}) {
      const HostTensor packed = tiled ? Tiled(w) : w;
      const HostTensor whole(type, {m, n});
      ASSERT_TRUE(Launch(*FindCpuKernel("linear"), {}, {x, packed}, {whole}, 2).ok());
      const int64_t row_bytes = n * BitWidth(type) / 8;
      for (int64_t size : {1, 2, 3, 4, 5, 8, 13, 14, 20, 28, 41}) {
        for (int64_t begin : {int64_t{0}, m - size}) {
          const HostTensor part(type, {size, n});
          ASSERT_TRUE(Launch(*FindCpuKernel("linear"), {}, {x.Slice(0, begin, size), packed}, {part}, 1).ok());
          ASSERT_EQ(std::memcmp(part.bytes().data(), whole.bytes().data() + begin * row_bytes, size * row_bytes), 0)
              << Name(type) << " tiled " << tiled << " rows " << size << " from " << begin;
        }
      }
    }
  }
}

TEST(Linear, NamesATypeItCannotRead) {
  const HostTensor x(DType::kU8, {2, 4}), w(DType::kU8, {3, 4}), y(DType::kU8, {2, 3});
  const absl::Status status = Launch(*FindCpuKernel("linear"), {}, {x, w}, {y});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(), "linear: no kernel for elements of type ui8");
}

enum class BForm { kDense, kTransposedView, kTransposeAttribute, kNeitherContiguous };

void CheckMatmul(DType type, std::vector<int64_t> batch, int64_t m, int64_t n, int64_t k, BForm form, bool a_view,
                 DType b_type = DType::kUndefined) {
  b_type = b_type == DType::kUndefined ? type : b_type;
  const DType out_type = IsFloat(type) || type == DType::kI32 || type == DType::kI64 ? type : DType::kI32;
  const bool small = !IsFloat(type);
  const double low = small ? (type == DType::kU8 ? 0 : -9) : -1, high = small ? 9 : 1;
  const auto sizes = [&](int64_t r, int64_t c) {
    std::vector<int64_t> s = batch;
    s.push_back(r);
    s.push_back(c);
    return s;
  };
  const int rank = static_cast<int>(batch.size()) + 2;
  std::vector<int> swapped(rank);
  for (int d = 0; d < rank; ++d) {
    swapped[d] = d;
  }
  std::swap(swapped[rank - 1], swapped[rank - 2]);
  HostTensor a = a_view ? HostTensor::Random(type, sizes(k, m), 5, low, high).Transposed(swapped)
                        : HostTensor::Random(type, sizes(m, k), 5, low, high);
  HostTensor b;
  switch (form) {
    case BForm::kDense:
      b = HostTensor::Random(b_type, sizes(k, n), 6, b_type == DType::kU8 ? 0 : low, high);
      break;
    case BForm::kTransposedView:
      b = HostTensor::Random(b_type, sizes(n, k), 6, low, high).Transposed(swapped);
      break;
    case BForm::kTransposeAttribute:
      b = HostTensor::Random(b_type, sizes(n, k), 6, low, high);
      break;
    case BForm::kNeitherContiguous: {
      b = HostTensor::Random(b_type, sizes(k, 2 * n), 6, low, high);
      b.view().sizes[rank - 1] = n;
      b.view().strides[rank - 1] = 2;
      break;
    }
  }
  const bool transpose = form == BForm::kTransposeAttribute;
  std::vector<HostTensor> results;
  for (int threads : {1, 2}) {
    HostTensor out(out_type, sizes(m, n));
    ASSERT_TRUE(Launch(*FindCpuKernel("matmul"), {{"transpose_b", int64_t{transpose}}}, {a, b}, {out}, threads).ok());
    results.push_back(out);
  }
  ASSERT_EQ(results[0].bytes(), results[1].bytes());
  int64_t batches = 1;
  for (int64_t s : batch) {
    batches *= s;
  }
  for (int64_t i = 0; i < batches; ++i) {
    int64_t at_a = 0, at_b = 0, rest = i;
    for (int d = rank - 3; d >= 0; --d) {
      at_a += rest % batch[d] * a.view().strides[d];
      at_b += rest % batch[d] * b.view().strides[d];
      rest /= batch[d];
    }
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t c = 0; c < n; ++c) {
        double sum = 0;
        for (int64_t kk = 0; kk < k; ++kk) {
          const double bv = transpose ? b.Get(at_b + c * b.view().stride(-2) + kk * b.view().stride(-1))
                                      : b.Get(at_b + kk * b.view().stride(-2) + c * b.view().stride(-1));
          sum += a.Get(at_a + r * a.view().stride(-2) + kk * a.view().stride(-1)) * bv;
        }
        ASSERT_NEAR(results[0].Get((i * m + r) * n + c), sum, Tolerance(out_type, k)) << i << " " << r << " " << c;
      }
    }
  }
}

TEST(Matmul, EveryFormOfBAndSize) {
  for (BForm form : {BForm::kDense, BForm::kTransposedView, BForm::kTransposeAttribute, BForm::kNeitherContiguous}) {
    for (bool a_view : {false, true}) {
      SCOPED_TRACE(absl::StrCat("form ", static_cast<int>(form), " a_view ", a_view));
      for (DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI32, DType::kI64}) {
        CheckMatmul(type, {2, 3}, 5, 19, 33, form, a_view);
      }
      CheckMatmul(DType::kF32, {}, 1, 1, 1, form, a_view);
      CheckMatmul(DType::kF32, {3}, 1, 70, 20, form, a_view);
      CheckMatmul(DType::kF32, {2}, 47, 100, 65, form, a_view);
      CheckMatmul(DType::kF32, {}, 150, 5, 40, form, a_view);
      CheckMatmul(DType::kF16, {2}, 31, 48, 64, form, a_view);
      CheckMatmul(DType::kF32, {2}, 0, 3, 4, form, a_view);
      CheckMatmul(DType::kF32, {2}, 3, 0, 4, form, a_view);
      CheckMatmul(DType::kF32, {2}, 3, 4, 0, form, a_view);
      CheckMatmul(DType::kF32, {0, 2}, 3, 4, 5, form, a_view);
    }
  }
}

TEST(Matmul, BytesIntoI32) {
  for (DType a : {DType::kI8, DType::kU8}) {
    for (DType b : {DType::kI8, DType::kU8}) {
      CheckMatmul(a, {2}, 5, 7, 33, BForm::kDense, false, b);
    }
  }
}

TEST(Matmul, RowsDoNotDependOnBatch) {
  for (BForm form : {BForm::kDense, BForm::kTransposeAttribute}) {
    const int64_t m = 45, n = 83, k = 57;
    const HostTensor a = HostTensor::Random(DType::kF32, {m, k}, 7);
    const HostTensor b =
        HostTensor::Random(DType::kF32, form == BForm::kDense ? std::vector{k, n} : std::vector{n, k}, 8);
    const std::vector<Attr> attrs = {{"transpose_b", int64_t{form != BForm::kDense}}};
    const HostTensor whole(DType::kF32, {m, n});
    ASSERT_TRUE(Launch(*FindCpuKernel("matmul"), attrs, {a, b}, {whole}, 2).ok());
    for (int64_t i = 0; i < m; ++i) {
      const HostTensor row(DType::kF32, {1, n});
      ASSERT_TRUE(Launch(*FindCpuKernel("matmul"), attrs, {a.Slice(0, i, 1), b}, {row}, 1).ok());
      ASSERT_EQ(std::memcmp(row.bytes().data(), whole.bytes().data() + i * n * 4, n * 4), 0) << i;
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
