#include "runtime/base/pack_weight.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <numeric>

namespace sluice {
namespace {

// A file of bytes in memory.
class MemoryReader : public PackReader {
 public:
  explicit MemoryReader(std::vector<uint8_t> bytes) : bytes_(std::move(bytes)) {}
  absl::Status Read(const PackNode& source, int64_t offset, std::span<uint8_t> out) override {
    const size_t at = source.offset + offset;
    if (at + out.size() > bytes_.size()) {
      return absl::DataLossError("past the end");
    }
    std::memcpy(out.data(), bytes_.data() + at, out.size());
    read_ += static_cast<int64_t>(out.size());
    return absl::OkStatus();
  }
  int64_t read() const { return read_; }  // bytes in all

 private:
  std::vector<uint8_t> bytes_;
  int64_t read_ = 0;
};

template <typename T>
std::vector<uint8_t> Bytes(const std::vector<T>& v) {
  std::vector<uint8_t> bytes(v.size() * sizeof(T));
  std::memcpy(bytes.data(), v.data(), bytes.size());
  return bytes;
}

std::vector<float> Iota(int64_t n) {
  std::vector<float> v(n);
  std::iota(v.begin(), v.end(), 0.0f);
  return v;
}

// Executes in chunks of `step` units and joins them.
std::vector<float> PackAll(const PackExpr& expr, PackReader& reader, int64_t step = 3) {
  EXPECT_TRUE(ValidatePack(expr).ok()) << ValidatePack(expr);
  std::vector<uint8_t> all(PackedBytes(expr));
  for (int64_t begin = 0; begin < PackedUnits(expr); begin += step) {
    const int64_t end = std::min(PackedUnits(expr), begin + step);
    std::span<uint8_t> part(all.data() + begin * UnitBytes(expr), (end - begin) * UnitBytes(expr));
    EXPECT_TRUE(ExecutePack(expr, reader, begin, end, part).ok());
  }
  std::vector<float> out(all.size() / 4);
  std::memcpy(out.data(), all.data(), all.size());
  return out;
}

PackNode Source(DType dtype, std::vector<int64_t> sizes, int64_t offset = 0) {
  return {.kind = PackKind::kSource, .dtype = dtype, .sizes = std::move(sizes), .offset = offset};
}

// A weight stored [k, n] is needed as tiles of [n, k], n off the tile size.
TEST(PackWeight, TransposesIntoTiles) {
  const int64_t k = 5, n = 37;
  MemoryReader reader(Bytes(Iota(k * n)));
  PackExpr e{
      .nodes = {Source(DType::kF32, {k, n}),
                {.kind = PackKind::kTranspose, .dtype = DType::kF32, .sizes = {n, k}, .inputs = {0}, .ints = {1, 0}}},
      .layout = WeightLayout::kNkTile16};
  EXPECT_EQ(PackedUnits(e), 3);
  for (int64_t step : {1, 2, 3}) {
    std::vector<float> got = PackAll(e, reader, step);
    ASSERT_EQ(got.size(), 3u * k * 16);
    for (int64_t row = 0; row < 48; ++row) {
      for (int64_t i = 0; i < k; ++i) {
        EXPECT_EQ(got[((row / 16) * k + i) * 16 + row % 16], row < n ? static_cast<float>(i * n + row) : 0.0f);
      }
    }
  }
}

TEST(PackWeight, SlicesReshapesConcatsAndBroadcasts) {
  MemoryReader reader(Bytes(Iota(60)));
  PackExpr e{
      .nodes = {Source(DType::kF32, {6, 10}),
                {.kind = PackKind::kSlice,
                 .dtype = DType::kF32,
                 .sizes = {2, 4},
                 .inputs = {0},
                 .ints = {1, 2, 3, 2}},  // rows 1, 4; columns 2 4 6 8
                {.kind = PackKind::kReshape, .dtype = DType::kF32, .sizes = {4, 2}, .inputs = {1}},
                Source(DType::kF32, {2}, 8),  // 2, 3
                {.kind = PackKind::kBroadcast, .dtype = DType::kF32, .sizes = {3, 2}, .inputs = {3}, .ints = {0}},
                {.kind = PackKind::kConcat, .dtype = DType::kF32, .sizes = {7, 2}, .inputs = {2, 4}, .ints = {0}}}};
  const std::vector<float> want = {12, 14, 16, 18, 42, 44, 46, 48, 2, 3, 2, 3, 2, 3};
  for (int64_t step : {1, 2, 7}) {
    EXPECT_EQ(PackAll(e, reader, step), want);
  }
}

// Halves of a weight interleaved by blocks of 8 rows: what a chunk needs of the two halves lies far apart.
TEST(PackWeight, InterleavesHalvesWithoutReadingWhatLiesBetween) {
  const int64_t blocks = 25, k = 3, rows = 2 * blocks * 8;
  PackExpr e{.nodes = {Source(DType::kF32, {rows, k}),
                       {.kind = PackKind::kReshape, .dtype = DType::kF32, .sizes = {2, blocks, 8, k}, .inputs = {0}},
                       {.kind = PackKind::kTranspose,
                        .dtype = DType::kF32,
                        .sizes = {blocks, 2, 8, k},
                        .inputs = {1},
                        .ints = {1, 0, 2, 3}},
                       {.kind = PackKind::kReshape, .dtype = DType::kF32, .sizes = {rows, k}, .inputs = {2}}}};
  for (int64_t step : {5, 16, 48, 400}) {
    MemoryReader reader(Bytes(Iota(rows * k)));
    const std::vector<float> got = PackAll(e, reader, step);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t from = row / 8 % 2 * blocks * 8 + row / 16 * 8 + row % 8;
      for (int64_t i = 0; i < k; ++i) {
        ASSERT_EQ(got[row * k + i], static_cast<float>(from * k + i)) << row << " in chunks of " << step;
      }
    }
    if (step >= 16) {
      EXPECT_LE(reader.read(), 4 * PackedBytes(e)) << step;
    }
  }
}

TEST(PackWeight, DequantizesNibblesByBlock) {
  // q [2, 6] unsigned, block 4 along axis 1, zero point 8: nibbles 0 1 2 3 4 5 / 15 14 13 12 11 10.
  MemoryReader reader({0x10, 0x32, 0x54, 0xef, 0xcd, 0xab});
  const std::vector<float> scales = {1, 10, 0.5f, 2};
  std::vector<uint8_t> scaleBytes = Bytes(scales);
  PackExpr e{
      .nodes = {
          Source(DType::kU4, {2, 6}),
          {.kind = PackKind::kLiteral,
           .dtype = DType::kF32,
           .sizes = {2, 2},
           .bytes = std::string(scaleBytes.begin(), scaleBytes.end())},
          {.kind = PackKind::kLiteral, .dtype = DType::kU8, .sizes = {2, 2}, .bytes = std::string(4, '\x08')},
          {.kind = PackKind::kDequantize, .dtype = DType::kF32, .sizes = {2, 6}, .inputs = {0, 1, 2}, .ints = {1, 4}}}};
  EXPECT_EQ(PackAll(e, reader, 1), (std::vector<float>{-8, -7, -6, -5, -40, -30, 3.5, 3, 2.5, 2, 6, 4}));
}

TEST(PackWeight, RefusesAnAxisOutsideWhateverTheScale) {
  const auto dequantize = [](std::vector<int64_t> scale, int64_t axis, int64_t block) {
    return ValidatePack({.nodes = {Source(DType::kI8, {2, 6}),
                                   Source(DType::kF32, std::move(scale)),
                                   {.kind = PackKind::kDequantize,
                                    .dtype = DType::kF32,
                                    .sizes = {2, 6},
                                    .inputs = {0, 1},
                                    .ints = {axis, block}}}});
  };
  EXPECT_TRUE(dequantize({1}, 1 << 20, 0).ok());  // one scale for all: the axis says nothing
  EXPECT_TRUE(dequantize({2, 2}, 1, 4).ok());
  for (const int64_t axis : {int64_t{-1}, int64_t{2}, int64_t{1} << 60}) {
    EXPECT_EQ(dequantize({1}, axis, 4).code(), absl::StatusCode::kInvalidArgument) << axis;
    EXPECT_EQ(dequantize({2, 2}, axis, 4).code(), absl::StatusCode::kInvalidArgument) << axis;
  }
  for (const int64_t block : {int64_t{-4}, std::numeric_limits<int64_t>::max()}) {
    EXPECT_EQ(dequantize({2, 1}, 1, block).code(), absl::StatusCode::kInvalidArgument) << block;
  }
}

// [1, 3] twos times rows 1 2 3 and 200 250 255, of bytes without a sign: 12 and 1410.  −128 · 127 · 3 needs 32 bits.
TEST(PackWeight, SumsRowsOfCodesExactly) {
  const auto sums = [](DType code, std::vector<uint8_t> rows, int32_t times) {
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(&times);
    MemoryReader reader(std::move(rows));
    PackExpr e{
        .nodes = {{.kind = PackKind::kLiteral, .dtype = DType::kI32, .bytes = std::string(bytes, bytes + 4)},
                  {.kind = PackKind::kBroadcast, .dtype = DType::kI32, .sizes = {1, 3}, .inputs = {0}, .ints = {0, 1}},
                  Source(code, {2, 3}),
                  {.kind = PackKind::kLinear, .dtype = DType::kI32, .sizes = {1, 2}, .inputs = {1, 2}}}};
    EXPECT_TRUE(ValidatePack(e).ok());
    std::vector<int32_t> out(2);
    EXPECT_TRUE(ExecutePack(e, reader, 0, PackedUnits(e), {reinterpret_cast<uint8_t*>(out.data()), 8}).ok());
    e.nodes[3].sizes = {2, 1};
    EXPECT_EQ(ValidatePack(e).code(), absl::StatusCode::kInvalidArgument);
    return out;
  };
  EXPECT_EQ(sums(DType::kU8, {1, 2, 3, 200, 250, 255}, 2), (std::vector<int32_t>{12, 1410}));
  EXPECT_EQ(sums(DType::kI8, {127, 127, 127, 128, 0, 255}, -128), (std::vector<int32_t>{-48768, 16512}));
}

TEST(PackWeight, KeepsNibblesPacked) {
  MemoryReader reader({0x10, 0x32, 0x04});
  PackExpr e{.nodes = {Source(DType::kU4, {5})}};
  std::vector<uint8_t> out(PackedBytes(e));
  ASSERT_TRUE(ExecutePack(e, reader, 0, PackedUnits(e), out).ok());
  EXPECT_EQ(out, (std::vector<uint8_t>{0x10, 0x32, 0x04}));
}

// A tied embedding: [v, d] in one place, [d, v] in another.
TEST(PackWeight, ContentHashSeesThroughTransposes) {
  const int64_t v = 11, d = 6;
  std::vector<float> a = Iota(v * d), b(v * d);
  for (int64_t r = 0; r < v; ++r) {
    for (int64_t c = 0; c < d; ++c) {
      b[c * v + r] = a[r * d + c];
    }
  }
  a.insert(a.end(), b.begin(), b.end());
  MemoryReader reader(Bytes(a));
  PackExpr plain{.nodes = {Source(DType::kF32, {v, d})}};
  PackExpr transposed{
      .nodes = {Source(DType::kF32, {d, v}, v * d * 4),
                {.kind = PackKind::kTranspose, .dtype = DType::kF32, .sizes = {v, d}, .inputs = {0}, .ints = {1, 0}}},
      .layout = WeightLayout::kNkTile16};
  EXPECT_EQ(*ContentHash(plain, reader), *ContentHash(transposed, reader));
  PackExpr other = plain;
  other.nodes[0].offset = 4;
  EXPECT_NE(*ContentHash(plain, reader), *ContentHash(other, reader));
}

TEST(PackWeight, GroupsNeverShareATile) {
  // 2 groups of 3 rows, 2 taps: each group fills one tile.
  MemoryReader reader(Bytes(Iota(12)));
  PackExpr e{.nodes = {Source(DType::kF32, {6, 1, 2})}, .layout = WeightLayout::kOihwTile16, .groups = 2};
  std::vector<float> got = PackAll(e, reader, 1);
  ASSERT_EQ(got.size(), 64u);
  EXPECT_EQ(got[0], 0);
  EXPECT_EQ(got[1], 2);
  EXPECT_EQ(got[3], 0);             // rows 3 to 15 of the tile are missing
  EXPECT_EQ(got[32 + 16 + 2], 11);  // group 1, tap 1, row 2
}

TEST(PackWeight, SerialisesAndRefusesDamage) {
  PackExpr e{
      .nodes = {Source(DType::kF32, {4, 6}),
                {.kind = PackKind::kTranspose, .dtype = DType::kF32, .sizes = {6, 4}, .inputs = {0}, .ints = {1, 0}}}};
  std::string text = SerializePack(e);
  std::vector<uint8_t> bytes(text.begin(), text.end());
  auto parsed = ParsePack(bytes);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(SerializePack(*parsed), text);
  // Every single wrong byte and every truncation is refused or still a valid expression: never a crash.
  for (size_t n = 0; n < bytes.size(); ++n) {
    for (uint8_t flip : {1, 128}) {
      std::vector<uint8_t> damaged = bytes;
      damaged[n] ^= flip;
      auto result = ParsePack(damaged);
      EXPECT_TRUE(!result.ok() || ValidatePack(*result).ok());
    }
    EXPECT_FALSE(ParsePack(std::span(bytes.data(), n)).ok());
  }
}

TEST(PackWeight, RandomValuesRepeatAndScale) {
  RandomPackReader a(1), b(1), c(2);
  PackExpr e{.nodes = {Source(DType::kF32, {64, 256})}};
  std::vector<float> x = PackAll(e, a, 5), y = PackAll(e, b, 64), z = PackAll(e, c, 64);
  EXPECT_EQ(x, y);
  EXPECT_NE(x, z);
  double square = 0;
  for (float v : x) {
    square += v * v;
  }
  EXPECT_NEAR(square / static_cast<double>(x.size()) * 256, 1.0, 0.1);
}

}  // namespace
}  // namespace sluice
