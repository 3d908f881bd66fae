// copy, transpose, broadcast, reverse, tile, slice, concat, pad and iota, by index arithmetic.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

using Sizes = std::vector<int64_t>;

// All types by element size, the packed ones among them.
constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBool, DType::kI64, DType::kU4, DType::kI4};

// Values that tell elements apart, as far as the type allows.
HostTensor Numbered(DType t, const Sizes& sizes) {
  HostTensor x(t, sizes);
  const int64_t modulus = BitWidth(t) == 4 ? 8 : BitWidth(t) == 8 ? 127 : 2000;
  for (int64_t i = 0; i < x.view().elements(); ++i) {
    x.Set(i, static_cast<double>(i * 7 % modulus));
  }
  return x;
}

// Checks out[index] == source(index) for every index.
void ExpectEach(const HostTensor& out, const std::function<double(const Sizes&)>& source, const std::string& what) {
  const Tensor& v = out.view();
  Sizes index(v.rank, 0);
  for (int64_t i = 0; i < v.elements(); ++i) {
    int64_t rest = i, at = 0;
    for (int d = v.rank - 1; d >= 0; --d) {
      index[d] = rest % v.sizes[d];
      rest /= v.sizes[d];
      at += index[d] * v.strides[d];
    }
    ASSERT_EQ(out.Get(at), source(index)) << what << " element " << i;
  }
}

int64_t Dense(const HostTensor& x, const Sizes& index) {
  int64_t at = 0;
  for (size_t d = 0; d < index.size(); ++d) {
    at += index[d] * x.view().strides[d];
  }
  return at;
}

TEST(Transpose, EveryPermutation) {
  for (DType t : kTypes) {
    for (const Sizes& sizes : std::vector<Sizes>{{3, 5, 2, 7}, {1, 34, 1, 37}, {2, 40, 9, 8}, {2, 0, 3, 1}}) {
      const HostTensor x = Numbered(t, sizes);
      Sizes perm = {0, 1, 2, 3};
      do {
        const HostTensor y(t, {sizes[perm[0]], sizes[perm[1]], sizes[perm[2]], sizes[perm[3]]});
        ASSERT_TRUE(Launch(*FindCpuKernel("transpose"), {{"perm", perm}}, {x}, {y}, 2).ok());
        ExpectEach(
            y,
            [&](const Sizes& i) {
              Sizes from(4);
              for (int d = 0; d < 4; ++d) {
                from[perm[d]] = i[d];
              }
              return x.Get(Dense(x, from));
            },
            absl::StrCat(Name(t), " perm ", perm[0], perm[1], perm[2], perm[3]));
      } while (std::next_permutation(perm.begin(), perm.end()));
    }
  }
}

TEST(Transpose, LargeMatricesAndScalars) {
  for (DType t : {DType::kF32, DType::kF16, DType::kU8, DType::kF64}) {
    const HostTensor x = Numbered(t, {301, 517});
    const HostTensor y(t, {517, 301});
    ASSERT_TRUE(Launch(*FindCpuKernel("transpose"), {{"perm", Sizes{1, 0}}}, {x}, {y}, 4).ok());
    ExpectEach(y, [&](const Sizes& i) { return x({i[1], i[0]}); }, Name(t));
  }
  const HostTensor x = HostTensor::Of(DType::kF32, {}, {4}), y(DType::kF32, {});
  ASSERT_TRUE(Launch(*FindCpuKernel("transpose"), {{"perm", Sizes{}}}, {x}, {y}).ok());
  EXPECT_EQ(y.Get(0), 4);
}

TEST(Copy, StridedOnBothSides) {
  for (DType t : {DType::kF32, DType::kF16, DType::kU8, DType::kI64}) {
    const HostTensor x = Numbered(t, {6, 9, 11}).Transposed({2, 0, 1}).Slice(0, 2, 7);
    HostTensor whole(t, {7, 12, 9});
    const HostTensor y = whole.Slice(1, 3, 6);
    ASSERT_TRUE(Launch(*FindCpuKernel("copy"), {}, {x}, {y}, 3).ok());
    for (int64_t i = 0; i < 7; ++i) {
      for (int64_t j = 0; j < 12; ++j) {
        for (int64_t k = 0; k < 9; ++k) {
          ASSERT_EQ(whole({i, j, k}), j >= 3 && j < 9 ? x({i, j - 3, k}) : 0);
        }
      }
    }
  }
}

// Views of every kind: dimensions permuted, cut, of size 0 and 1, repeated, on either side.
TEST(Copy, RandomViews) {
  std::mt19937 random(11);
  const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  for (int round = 0; round < 400; ++round) {
    const DType t = std::array{DType::kF32, DType::kF16, DType::kU8, DType::kI64}[below(4)];
    const int rank = static_cast<int>(below(6));
    Sizes sizes, from, to;
    std::vector<int> order(rank);
    for (int d = 0; d < rank; ++d) {
      sizes.push_back(below(20) == 0 ? 0 : 1 + below(below(4) == 0 ? 40 : 5));
      from.push_back(sizes[d] + below(3));
      to.push_back(sizes[d] + below(3));
      order[d] = d;
    }
    const HostTensor in = Numbered(t, from);
    HostTensor whole(t, to);
    HostTensor x = in, y = whole;
    for (int d = 0; d < rank; ++d) {
      x = x.Slice(d, below(from[d] - sizes[d] + 1), sizes[d]);
      y = y.Slice(d, below(to[d] - sizes[d] + 1), sizes[d]);
      x.view().strides[d] = below(6) == 0 ? 0 : x.view().strides[d];
    }
    std::shuffle(order.begin(), order.end(), random);
    x = x.Transposed(order);
    y = y.Transposed(order);
    ASSERT_TRUE(Launch(*FindCpuKernel("copy"), {}, {x}, {y}, 1 + static_cast<int>(below(3))).ok());
    std::vector<double> want(whole.Values().size());
    const int64_t in_offset = static_cast<const uint8_t*>(x.view().data) - in.bytes().data();
    const int64_t out_offset = static_cast<const uint8_t*>(y.view().data) - whole.bytes().data();
    const int64_t width = BitWidth(t) / 8;
    for (int64_t i = 0; i < x.view().elements(); ++i) {
      int64_t rest = i, at = in_offset / width, to_at = out_offset / width;
      for (int d = rank - 1; d >= 0; --d) {
        at += rest % x.view().sizes[d] * x.view().strides[d];
        to_at += rest % x.view().sizes[d] * y.view().strides[d];
        rest /= x.view().sizes[d];
      }
      want[to_at] = in.Get(at);
    }
    ASSERT_EQ(whole.Values(), want) << "round " << round;
  }
}

TEST(Broadcast, AddsDimensions) {
  for (DType t : kTypes) {
    const HostTensor x = Numbered(t, {3, 5});
    for (int64_t a = 0; a < 4; ++a) {
      for (int64_t b = a + 1; b < 4; ++b) {
        Sizes sizes, from = {3, 5};
        for (int64_t d = 0, used = 0; d < 4; ++d) {
          sizes.push_back(d == a || d == b ? 2 + d : from[used++]);
        }
        const HostTensor y(t, sizes);
        ASSERT_TRUE(Launch(*FindCpuKernel("broadcast"), {{"dimensions", Sizes{a, b}}}, {x}, {y}, 2).ok());
        ExpectEach(
            y,
            [&](const Sizes& i) {
              Sizes kept;
              for (int64_t d = 0; d < 4; ++d) {
                if (d != a && d != b) {
                  kept.push_back(i[d]);
                }
              }
              return x.Get(Dense(x, kept));
            },
            Name(t));
      }
    }
  }
  const HostTensor scalar = HostTensor::Of(DType::kF16, {}, {1.5}), y(DType::kF16, {70000});
  ASSERT_TRUE(Launch(*FindCpuKernel("broadcast"), {{"dimensions", Sizes{0}}}, {scalar}, {y}, 2).ok());
  ExpectEach(y, [&](const Sizes&) { return 1.5; }, "scalar");
}

TEST(Reverse, EveryChoiceOfAxes) {
  for (DType t : kTypes) {
    const HostTensor x = Numbered(t, {3, 4, 5});
    for (int mask = 0; mask < 8; ++mask) {
      Sizes axes;
      for (int64_t d = 0; d < 3; ++d) {
        if ((mask >> d & 1) != 0) {
          axes.push_back(d);
        }
      }
      const HostTensor y(t, {3, 4, 5});
      ASSERT_TRUE(Launch(*FindCpuKernel("reverse"), {{"axes", axes}}, {x}, {y}).ok());
      ExpectEach(
          y,
          [&](const Sizes& i) {
            Sizes from = i;
            for (int64_t a : axes) {
              from[a] = x.view().sizes[a] - 1 - i[a];
            }
            return x.Get(Dense(x, from));
          },
          Name(t));
    }
  }
}

TEST(Tile, RepeatsEachDimension) {
  for (DType t : kTypes) {
    const HostTensor x = Numbered(t, {2, 3, 1});
    const HostTensor y(t, {4, 9, 5});
    ASSERT_TRUE(Launch(*FindCpuKernel("tile"), {}, {x}, {y}, 2).ok());
    ExpectEach(y, [&](const Sizes& i) { return x({i[0] % 2, i[1] % 3, 0}); }, Name(t));
  }
  const HostTensor none(DType::kF32, {2, 0}), y(DType::kF32, {4, 0});
  EXPECT_TRUE(Launch(*FindCpuKernel("tile"), {}, {none}, {y}).ok());
}

TEST(Slice, StartsStepsAndOperand) {
  for (DType t : kTypes) {
    const HostTensor x = Numbered(t, {7, 10});
    const HostTensor y(t, {3, 4});
    ASSERT_TRUE(Launch(*FindCpuKernel("slice"), {{"starts", Sizes{-6, 9}}, {"steps", Sizes{2, -2}}}, {x}, {y}).ok());
    ExpectEach(y, [&](const Sizes& i) { return x({1 + 2 * i[0], 9 - 2 * i[1]}); }, Name(t));
    const HostTensor starts = HostTensor::Of(DType::kI64, {2}, {-3, 5});
    const HostTensor z(t, {3, 5});
    ASSERT_TRUE(Launch(*FindCpuKernel("slice"), {{"steps", Sizes{1, 1}}}, {x, starts}, {z}).ok());
    ExpectEach(z, [&](const Sizes& i) { return x({4 + i[0], 5 + i[1]}); }, Name(t));
  }
  const HostTensor x(DType::kF32, {4}), y(DType::kF32, {3}), none(DType::kF32, {0});
  const absl::Status status = Launch(*FindCpuKernel("slice"), {{"starts", Sizes{2}}}, {x}, {y});
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << status;
  EXPECT_TRUE(Launch(*FindCpuKernel("slice"), {{"starts", Sizes{9}}}, {x}, {none}).ok());
  EXPECT_FALSE(Launch(*FindCpuKernel("slice"), {{"steps", Sizes{0}}}, {x}, {none}).ok());
}

TEST(Concat, ManyPieces) {
  for (DType t : kTypes) {
    for (int64_t axis : {0, 1, 2, -1}) {
      const int a = static_cast<int>(axis < 0 ? axis + 3 : axis);
      const auto piece = [&](int64_t n) {
        Sizes sizes = {2, 3, 5};
        sizes[a] = n;
        return Numbered(t, sizes);
      };
      const std::vector<HostTensor> pieces = {piece(2), piece(0), piece(1), piece(7)};
      Sizes sizes = {2, 3, 5};
      sizes[a] = 10;
      const HostTensor y(t, sizes);
      ASSERT_TRUE(Launch(*FindCpuKernel("concat"), {{"axis", axis}}, pieces, {y}, 2).ok());
      ExpectEach(
          y,
          [&](const Sizes& i) {
            Sizes from = i;
            const int p = i[a] < 2 ? 0 : i[a] < 3 ? 2 : 3;
            from[a] -= p == 0 ? 0 : p == 2 ? 2 : 3;
            return pieces[p].Get(Dense(pieces[p], from));
          },
          absl::StrCat(Name(t), " axis ", axis));
    }
  }
}

int64_t Wanted(int64_t i, int64_t n, const std::string& mode) {
  if (i >= 0 && i < n) {
    return i;
  }
  if (mode == "edge") {
    return i < 0 ? 0 : n - 1;
  }
  if (mode == "wrap") {
    return i < 0 ? i + n : i - n;
  }
  return mode == "reflect" ? (i < 0 ? -i : 2 * (n - 1) - i) : -1;
}

TEST(Pad, EveryMode) {
  for (DType t : {DType::kF32, DType::kF16, DType::kU8, DType::kI64}) {
    const HostTensor x = Numbered(t, {4, 5});
    for (const std::string mode : {"constant", "edge", "reflect", "wrap"}) {
      for (const Sizes& pads : std::vector<Sizes>{{1, 2, 3, 4}, {0, 0, 0, 0}, {-1, 2, 2, -3}, {-2, -5, 0, 0}}) {
        const HostTensor y(t, {4 + pads[0] + pads[2], 5 + pads[1] + pads[3]});
        const HostTensor value = HostTensor::Of(t, {}, {9});
        ASSERT_TRUE(Launch(*FindCpuKernel("pad"), {{"pads", pads}, {"mode", mode}}, {x, value}, {y}, 2).ok());
        ExpectEach(
            y,
            [&](const Sizes& i) {
              const int64_t r = Wanted(i[0] - pads[0], 4, mode), c = Wanted(i[1] - pads[1], 5, mode);
              return r < 0 || c < 0 ? 9 : x({r, c});
            },
            mode);
      }
    }
  }
}

TEST(Pad, EmptyOperand) {
  const HostTensor x(DType::kF32, {0, 2}), y(DType::kF32, {1, 3});
  const std::vector<Attr> attrs = {{"pads", Sizes{1, 0, 0, 1}}};
  ASSERT_TRUE(Launch(*FindCpuKernel("pad"), attrs, {x}, {y}).ok());
  EXPECT_EQ(y.Values(), (std::vector<double>{0, 0, 0}));
  EXPECT_FALSE(Launch(*FindCpuKernel("pad"), {{"pads", Sizes{1, 0, 0, 1}}, {"mode", "edge"}}, {x}, {y}).ok());
}

TEST(Iota, EveryType) {
  for (DType t : {DType::kI32, DType::kI64, DType::kF32, DType::kF16, DType::kU8, DType::kF64}) {
    const HostTensor y(t, {201});
    ASSERT_TRUE(Launch(*FindCpuKernel("iota"), {}, {}, {y}, 2).ok());
    ExpectEach(y, [&](const Sizes& i) { return static_cast<double>(i[0]); }, Name(t));
  }
}

}  // namespace
}  // namespace sluice::kernels
