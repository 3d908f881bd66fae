// Random pack expressions against their definition (pack_generator.h); streams of large weights.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "runtime/base/half.h"
#include "runtime/base/hash.h"
#include "runtime/base/pack_weight.h"
#include "test/base/pack_generator.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif

namespace sluice {
namespace {

std::string Describe(const PackExpr& expr) {
  std::string text =
      "layout " + std::to_string(static_cast<int>(expr.layout)) + " groups " + std::to_string(expr.groups);
  for (const PackNode& n : expr.nodes) {
    text += "\n  " + std::to_string(static_cast<int>(n.kind)) + " " + Name(n.dtype) + " [";
    for (int64_t s : n.sizes) {
      text += " " + std::to_string(s);
    }
    text += " ] inputs";
    for (int64_t i : n.inputs) {
      text += " " + std::to_string(i);
    }
    text += " ints";
    for (int64_t i : n.ints) {
      text += " " + std::to_string(i);
    }
  }
  return text;
}

class RandomExprs : public testing::TestWithParam<int> {};

// Bytes compare equal but for NaNs, whose payload is nobody's business.
bool SameBytes(DType t, const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  if (a.size() != b.size()) {
    return false;
  }
  const size_t width = std::max(BitWidth(t) / 8, 1);
  for (size_t i = 0; i < a.size(); i += width) {
    if (std::memcmp(&a[i], &b[i], width) == 0) {
      continue;
    }
    const auto nan = [&](const std::vector<uint8_t>& bytes) {
      uint64_t v = 0;
      std::memcpy(&v, &bytes[i], width);
      switch (t) {
        case DType::kF32:
          return std::isnan(std::bit_cast<float>(static_cast<uint32_t>(v)));
        case DType::kF64:
          return std::isnan(std::bit_cast<double>(v));
        case DType::kF16:
          return std::isnan(F16ToF32(static_cast<uint16_t>(v)));
        case DType::kBF16:
          return std::isnan(BF16ToF32(static_cast<uint16_t>(v)));
        default:
          return false;
      }
    };
    if (!nan(a) || !nan(b)) {
      return false;
    }
  }
  return true;
}

TEST_P(RandomExprs, EqualTheirDefinition) {
  ThreadPool pool(3);
  for (int round = 0; round < 400; ++round) {
    Generator generator(static_cast<unsigned>(GetParam() * 1000 + round));
    const PackExpr expr = generator.Make(generator.Below(7));
    ASSERT_TRUE(ValidatePack(expr).ok()) << ValidatePack(expr) << Describe(expr);
    const std::vector<uint8_t> want = generator.Packed(expr);
    const DType type = expr.nodes.back().dtype;
    ASSERT_EQ(PackedBytes(expr), static_cast<int64_t>(want.size())) << Describe(expr);
    // In pieces of any number of units.
    std::vector<uint8_t> got(want.size());
    for (int64_t begin = 0; begin < PackedUnits(expr);) {
      const int64_t end = std::min<int64_t>(PackedUnits(expr), begin + 1 + generator.Below(5));
      ASSERT_TRUE(ExecutePack(expr, generator, begin, end,
                              std::span(got).subspan(begin * UnitBytes(expr), (end - begin) * UnitBytes(expr)))
                      .ok());
      begin = end;
    }
    ASSERT_TRUE(SameBytes(type, got, want)) << Describe(expr);
    // Streamed, with and without threads.
    for (ThreadPool* p : {static_cast<ThreadPool*>(nullptr), &pool}) {
      std::vector<uint8_t> streamed;
      ASSERT_TRUE(StreamPack(expr, generator, p, [&](std::span<const uint8_t> bytes) {
                    streamed.insert(streamed.end(), bytes.begin(), bytes.end());
                    return absl::OkStatus();
                  }).ok());
      ASSERT_EQ(streamed, got) << Describe(expr);
    }
    PackExpr plain = expr;
    plain.layout = WeightLayout::kRowMajor;
    plain.groups = 1;
    ASSERT_EQ(ContentHash(expr, generator).value(), ContentHash(plain, generator).value());
    const std::string text = SerializePack(expr);
    const auto parsed = ParsePack({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    ASSERT_TRUE(parsed.ok() && PackKey(*parsed) == PackKey(expr));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomExprs, testing::Range(0, 8));

// ---- streams --------------------------------------------------------------------------------------------------------

class PackStream : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice_pack_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  // A file of `bytes` bytes that are not all alike.
  std::string File(int64_t bytes) {
    auto out = FileWriter::Create(dir_ + "/weights.bin");
    std::vector<uint32_t> block(1 << 20);
    for (int64_t at = 0; at < bytes; at += static_cast<int64_t>(block.size() * 4)) {
      for (size_t i = 0; i < block.size(); ++i) {
        block[i] = static_cast<uint32_t>(at / 4 + static_cast<int64_t>(i)) * 2654435761u;
      }
      const auto* p = reinterpret_cast<const uint8_t*>(block.data());
      EXPECT_TRUE(out->Append(std::span(p, static_cast<size_t>(std::min<int64_t>(bytes - at, block.size() * 4)))).ok());
    }
    EXPECT_TRUE(out->Commit().ok());
    return dir_ + "/weights.bin";
  }
  std::string dir_;
};

PackExpr Transposed(DType t, int64_t k, int64_t n, WeightLayout layout) {
  return {.nodes = {{.kind = PackKind::kSource, .dtype = t, .sizes = {k, n}},
                    {.kind = PackKind::kTranspose, .dtype = t, .sizes = {n, k}, .inputs = {0}, .ints = {1, 0}}},
          .layout = layout};
}

TEST_F(PackStream, FilesThatAreTooShortOrMissingAreNamed) {
  const std::string path = File(1000);
  auto reader = FilePackReader::Open({path});
  ASSERT_TRUE(reader.ok());
  const auto sink = [](std::span<const uint8_t>) { return absl::OkStatus(); };
  PackExpr e = Transposed(DType::kF32, 10, 26, WeightLayout::kRowMajor);
  absl::Status status = StreamPack(e, *reader, nullptr, sink);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(std::string(status.message()).find(path), std::string::npos);
  e.nodes[0].file = 1;
  EXPECT_EQ(StreamPack(e, *reader, nullptr, sink).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FilePackReader::Open({dir_ + "/none"}).status().code(), absl::StatusCode::kNotFound);
}

// One unit of the first dimension may be the whole weight.
TEST_F(PackStream, LargeFirstRowsAreCut) {
  const std::string path = File(64 << 20);
  auto reader = FilePackReader::Open({path});
  const PackExpr e{.nodes = {{.kind = PackKind::kSource, .dtype = DType::kU4, .sizes = {1, 2, 16 << 20, 4}}}};
  EXPECT_LE(UnitBytes(e), 1 << 20);
  EXPECT_EQ(PackedBytes(e), 64 << 20);
  size_t largest = 0;
  Hasher hasher;
  ASSERT_TRUE(StreamPack(e, *reader, nullptr, [&](std::span<const uint8_t> bytes) {
                largest = std::max(largest, bytes.size());
                hasher.Add(bytes);
                return absl::OkStatus();
              }).ok());
  EXPECT_LE(largest, 32u << 20);
  EXPECT_EQ(hasher.Digest(), Hash64(ReadFile(path).value()));
}

// The cost of packing: speed to look at, memory to hold.
TEST_F(PackStream, SpeedAndMemory) {
  const int64_t k = 4096, n = 12288;
  auto reader = FilePackReader::Open({File(k * n * 4)});
  PackExpr dequantize{
      .nodes =
          {{.kind = PackKind::kSource, .dtype = DType::kU4, .sizes = {n, k}},
           {.kind = PackKind::kSource, .dtype = DType::kF16, .sizes = {n, k / 32}, .offset = n * k / 2},
           {.kind = PackKind::kDequantize, .dtype = DType::kF16, .sizes = {n, k}, .inputs = {0, 1}, .ints = {1, 32}}},
      .layout = WeightLayout::kNkTile16};
  PackExpr widen = Transposed(DType::kF16, k, n, WeightLayout::kNkTile16);
  widen.nodes.push_back({.kind = PackKind::kCast, .dtype = DType::kF32, .sizes = {n, k}, .inputs = {1}});
  const PackExpr plain{.nodes = {{.kind = PackKind::kSource, .dtype = DType::kF32, .sizes = {n, k}}},
                       .layout = WeightLayout::kNkTile16};
  RandomPackReader random(7);
  struct Case {
    const char* name;
    PackExpr expr;
    PackReader* reader;
  };
  const Case cases[] = {
      {"[k, n] f32 to tiles of [n, k]", Transposed(DType::kF32, k, n, WeightLayout::kNkTile16), &*reader},
      {"[k, n] f32 to rows of [n, k]", Transposed(DType::kF32, k, n, WeightLayout::kRowMajor), &*reader},
      {"[k, n] f16 to rows of [n, k]", Transposed(DType::kF16, k, n, WeightLayout::kRowMajor), &*reader},
      {"[n, k] f32 to tiles", plain, &*reader},
      {"[k, n] f16 to f32 tiles", widen, &*reader},
      {"int4 to f16 tiles", dequantize, &*reader},
      {"random f32 to tiles", plain, &random},
  };
  for (const Case& c : cases) {
    int64_t bytes = 0;
    const std::clock_t start = std::clock();  // processor time: other processes may use the cores
    ASSERT_TRUE(StreamPack(c.expr, *c.reader, nullptr, [&](std::span<const uint8_t> part) {
                  bytes += static_cast<int64_t>(part.size());
                  return absl::OkStatus();
                }).ok());
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    EXPECT_EQ(bytes, PackedBytes(c.expr));
    std::printf("%-32s %6.2f GB/s\n", c.name, static_cast<double>(bytes) / 1e9 / seconds);
  }
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  std::printf("largest resident size %ld MB\n", usage.ru_maxrss / 1024);
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
  EXPECT_LE(usage.ru_maxrss, 300 * 1024);
#endif
}

}  // namespace
}  // namespace sluice
