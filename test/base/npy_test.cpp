#include "runtime/base/npy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "runtime/base/file.h"

namespace sluice {
namespace {

std::span<const uint8_t> Bytes(const std::string& s) { return {reinterpret_cast<const uint8_t*>(s.data()), s.size()}; }

// A file by hand: version, header text, data.
std::string File(int version, const std::string& header, const std::string& data) {
  std::string s = "\x93NUMPY";
  s += static_cast<char>(version);
  s += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
    s += static_cast<char>(header.size() >> (8 * i));
  }
  return s + header + data;
}

TEST(Npy, WritesWhatNumpyWrites) {
  const float x[6] = {0, 1, 2, 3, 4, 5};
  const std::string s = SerializeNpy(DType::kF32, {2, 3}, x);
  EXPECT_EQ(s.substr(10, 59), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(s.size(), 128 + sizeof(x));
  EXPECT_EQ(s[127], '\n');
}

TEST(Npy, RoundTripsEveryTypeAndRank) {
  for (DType t : {DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kI8, DType::kI16, DType::kI32,
                  DType::kI64, DType::kU8, DType::kU16, DType::kU32, DType::kU64, DType::kBool}) {
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {0}, {1}, {7}, {2, 0, 3}, {2, 3}, {1, 2, 3, 4}}) {
      int64_t n = 1;
      for (int64_t d : shape) {
        n *= d;
      }
      std::vector<uint8_t> data(ByteSize(t, n));
      for (size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<uint8_t>(t == DType::kBool ? i % 2 : i * 7);
      }
      const auto back = ParseNpy(Bytes(SerializeNpy(t, shape, data.data())), "t");
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(back->dtype, t) << Name(t);
      EXPECT_EQ(back->shape, shape);
      EXPECT_EQ(back->data, data);
    }
  }
}

TEST(Npy, NibblesGoOneAByte) {
  const uint8_t packed[2] = {0xf1, 0x08};  // 1, -1, -8
  const auto back = ParseNpy(Bytes(SerializeNpy(DType::kI4, {3}, packed)), "t");
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->dtype, DType::kI8);
  EXPECT_EQ(back->data, (std::vector<uint8_t>{1, 0xff, 0xf8}));
}

TEST(Npy, ReadsFortranOrderBigEndianAndVersion2) {
  // [[1, 2, 3], [4, 5, 6]] by columns, big-endian.
  const std::string data("\0\1\0\4\0\2\0\5\0\3\0\6", 12);
  const auto a = ParseNpy(Bytes(File(2, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", data)), "t");
  ASSERT_TRUE(a.ok()) << a.status();
  int16_t values[6];
  std::memcpy(values, a->data.data(), 12);
  EXPECT_EQ(std::vector<int16_t>(values, values + 6), (std::vector<int16_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, RefusesBadFiles) {
  const auto code = [](const std::string& s) { return ParseNpy(Bytes(s), "t").status().code(); };
  EXPECT_EQ(code("hello"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(File(9, "{}", "")), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(File(1, "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "12345678")),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(File(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234")),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(File(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "")),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(File(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "1234")),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(File(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999, 999999999999), }", "")),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(code(File(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999,), }", "")),
            absl::StatusCode::kInvalidArgument);
  // Every prefix of a good file is refused, none crashes.
  const uint8_t x[4] = {};
  const std::string good = SerializeNpy(DType::kU8, {4}, x);
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(ParseNpy(Bytes(good.substr(0, n)), "t").ok()) << n;
  }
}

TEST(Npy, MessageNamesFile) {
  const auto a = ReadNpy("no/such/file.npy");
  EXPECT_EQ(a.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(a.status().ToString().find("no/such/file.npy: cannot open"), std::string::npos);
}

}  // namespace
}  // namespace sluice
