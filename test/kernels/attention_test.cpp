// nn.attention against softmax in f64, for every operand and attribute; bit-for-bit independence of how rows are cut.
#include <gtest/gtest.h>

#include <limits>
#include <optional>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

struct Case {
  const char* name;
  DType type = DType::kF32;
  int64_t b = 1, h = 2, g = 1, s = 5, t = 9, d = 8, e = 8;
  bool causal = false;
  int64_t window = 0;
  double softcap = 0;
  std::vector<int64_t> bias = {};  // its sizes
  bool key_mask = false;
  std::vector<int64_t> lengths = {};
  bool slopes = false;
  const char* empty_rows = "zero";
};

struct Operands {
  HostTensor q, k, v, bias, key_mask, lengths, slopes;
  std::vector<HostTensor> ins() const { return {q, k, v, bias, key_mask, lengths, slopes}; }
};

Operands Make(const Case& c) {
  Operands o;
  // [b, s, h, d] in memory, read as [b, h, s, d].
  o.q = HostTensor::Random(c.type, {c.b, c.s, c.h, c.d}, 1, -2, 2).Transposed({0, 2, 1, 3});
  o.k = HostTensor::Random(c.type, {c.b, c.t, c.g, c.d}, 2, -2, 2).Transposed({0, 2, 1, 3});
  o.v = HostTensor::Random(c.type, {c.b, c.g, c.t, c.e}, 3);
  if (!c.bias.empty()) {
    o.bias = HostTensor::Random(c.type, c.bias, 4, -1, 1);
  }
  if (c.key_mask) {
    o.key_mask = HostTensor::Random(DType::kBool, {c.b, c.t}, 5, 0, 1);
  }
  if (!c.lengths.empty()) {
    o.lengths = HostTensor(DType::kI64, {c.b});
    for (int64_t i = 0; i < c.b; ++i) {
      o.lengths.Set(i, static_cast<double>(c.lengths[i]));
    }
  }
  if (c.slopes) {
    o.slopes = HostTensor::Random(DType::kF32, {c.h}, 6, 0.01, 0.5);
  }
  return o;
}

std::vector<Attr> Attributes(const Case& c) {
  return {{"scale", 0.35},
          {"softcap", c.softcap},
          {"causal", int64_t{c.causal}},
          {"window", c.window},
          {"empty_rows", std::string(c.empty_rows)}};
}

// Softmax over the keys that `sees` holds for, times v; nothing when there are none.
template <typename Sees>
std::optional<std::vector<double>> Attend(const Case& c, const Operands& o, int64_t b, int64_t h, int64_t i,
                                          const Sees& sees) {
  const int64_t length = c.lengths.empty() ? c.t : c.lengths[b];
  const int64_t g = h / (c.h / c.g);
  std::vector<double> score(c.t, -std::numeric_limits<double>::infinity());
  double top = -std::numeric_limits<double>::infinity();
  for (int64_t key = 0; key < length; ++key) {
    if (!sees(key)) {
      continue;
    }
    double x = 0;
    for (int64_t j = 0; j < c.d; ++j) {
      x += o.q({b, h, i, j}) * o.k({b, g, key, j});
    }
    x *= 0.35f;
    x = c.softcap > 0 ? std::tanh(x / c.softcap) * c.softcap : x;
    if (!c.bias.empty()) {
      const auto at = [&](int d, int64_t index) { return c.bias[d] == 1 ? 0 : index; };
      x += o.bias({at(0, b), at(1, h), at(2, i), at(3, key)});
    }
    x += c.slopes ? o.slopes({h}) * static_cast<double>(key - (length - c.s + i)) : 0;
    score[key] = x;
    top = std::max(top, x);
  }
  if (top == -std::numeric_limits<double>::infinity()) {
    return std::nullopt;
  }
  std::vector<double> result(c.e, 0.0);
  double total = 0;
  for (const double x : score) {
    total += std::exp(x - top);
  }
  for (int64_t key = 0; key < c.t; ++key) {
    for (int64_t j = 0; j < c.e; ++j) {
      result[j] += std::exp(score[key] - top) / total * o.v({b, g, key, j});
    }
  }
  return result;
}

std::vector<double> Expected(const Case& c, const Operands& o, int64_t b, int64_t h, int64_t i) {
  const int64_t position = (c.lengths.empty() ? c.t : c.lengths[b]) - c.s + i;
  const auto pattern = [&](int64_t key) {
    return !c.causal || (key <= position && (c.window == 0 || position - key < c.window));
  };
  const auto mask = [&](int64_t key) { return !c.key_mask || o.key_mask({b, key}) != 0; };
  std::optional<std::vector<double>> row =
      Attend(c, o, b, h, i, [&](int64_t key) { return pattern(key) && mask(key); });
  const std::string empty = c.empty_rows;
  if (!row && empty == "either") {
    row = Attend(c, o, b, h, i, [&](int64_t key) { return pattern(key) || mask(key); });
  }
  if (!row && (empty == "either" || empty == "scores")) {
    row = Attend(c, o, b, h, i, [](int64_t) { return true; });
  }
  if (row) {
    return *row;
  }
  std::vector<double> mean(c.e, 0.0);
  for (int64_t key = 0; key < c.t && empty == "uniform"; ++key) {
    for (int64_t j = 0; j < c.e; ++j) {
      mean[j] += o.v({b, h / (c.h / c.g), key, j}) / static_cast<double>(c.t);
    }
  }
  return mean;
}

class AttentionTest : public ::testing::TestWithParam<Case> {};

TEST_P(AttentionTest, EqualsSoftmaxInF64) {
  const Case c = GetParam();
  const Operands o = Make(c);
  const double tolerance = c.type == DType::kF64   ? 1e-12
                           : c.type == DType::kF32 ? 3e-6
                           : c.type == DType::kF16 ? 2e-3
                                                   : 1e-2;
  for (int threads : {1, 3}) {
    // Written through strides as [b, s, h, e].
    const HostTensor out = HostTensor(c.type, {c.b, c.s, c.h, c.e}).Transposed({0, 2, 1, 3});
    ASSERT_TRUE(Launch(*FindCpuKernel("attention"), Attributes(c), o.ins(), {out}, threads).ok());
    for (int64_t b = 0; b < c.b; ++b) {
      for (int64_t h = 0; h < c.h; ++h) {
        for (int64_t i = 0; i < c.s; ++i) {
          const std::vector<double> expected = Expected(c, o, b, h, i);
          for (int64_t j = 0; j < c.e; ++j) {
            ASSERT_NEAR(out({b, h, i, j}), expected[j], tolerance) << b << " " << h << " " << i << " " << j;
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, AttentionTest,
    ::testing::Values(
        Case{.name = "one", .h = 1, .s = 1, .t = 1, .d = 1, .e = 1}, Case{.name = "plain"},
        Case{.name = "f16", .type = DType::kF16, .b = 2, .s = 9, .t = 70, .d = 20, .e = 12},
        Case{.name = "bf16", .type = DType::kBF16, .b = 2, .s = 9, .t = 70, .d = 20, .e = 12},
        Case{.name = "f64", .type = DType::kF64, .b = 2, .s = 3, .t = 7, .d = 5, .e = 3, .causal = true},
        Case{.name = "decode", .h = 9, .g = 3, .s = 1, .t = 131, .d = 64, .e = 64, .causal = true},
        Case{.name = "decode_long", .h = 4, .g = 2, .s = 1, .t = 1500, .d = 32, .e = 16, .causal = true},
        Case{.name = "prefill", .h = 9, .g = 3, .s = 130, .t = 130, .d = 64, .e = 64, .causal = true},
        Case{.name = "chunk_after_cache", .b = 2, .h = 6, .g = 2, .s = 33, .t = 700, .d = 40, .e = 24, .causal = true},
        Case{.name = "window", .b = 2, .h = 2, .s = 90, .t = 600, .d = 16, .e = 16, .causal = true, .window = 70},
        Case{.name = "window_one", .s = 40, .t = 40, .causal = true, .window = 1},
        Case{.name = "softcap", .s = 20, .t = 90, .softcap = 1.5},
        Case{.name = "full_bias", .b = 2, .h = 4, .g = 2, .s = 6, .t = 77, .bias = {2, 4, 6, 77}},
        Case{.name = "head_bias", .b = 2, .h = 4, .g = 2, .s = 6, .t = 77, .causal = true, .bias = {1, 4, 6, 77}},
        Case{.name = "batch_bias", .b = 2, .h = 4, .g = 2, .s = 6, .t = 77, .bias = {2, 1, 1, 77}},
        Case{.name = "bias_one", .b = 2, .h = 4, .g = 2, .s = 6, .t = 77, .bias = {1, 1, 1, 1}},
        Case{.name = "f16_bias", .type = DType::kF16, .b = 2, .h = 4, .g = 4, .s = 6, .t = 77, .bias = {1, 1, 6, 77}},
        Case{.name = "key_mask", .b = 3, .h = 4, .g = 2, .s = 6, .t = 177, .causal = true, .key_mask = true},
        Case{.name = "lengths", .b = 3, .h = 4, .g = 2, .s = 4, .t = 300, .causal = true, .lengths = {300, 4, 65}},
        Case{.name = "lengths_short", .b = 4, .s = 4, .t = 9, .causal = true, .lengths = {0, 1, 3, 9}},
        Case{.name = "lengths_uniform",
             .b = 4,
             .s = 4,
             .t = 9,
             .causal = true,
             .lengths = {0, 1, 3, 9},
             .empty_rows = "uniform"},
        Case{.name = "lengths_scores",
             .b = 4,
             .s = 4,
             .t = 9,
             .causal = true,
             .lengths = {0, 1, 3, 9},
             .empty_rows = "scores"},
        Case{.name = "padding_scores",
             .b = 9,
             .h = 4,
             .g = 2,
             .s = 5,
             .t = 5,
             .e = 70,
             .causal = true,
             .key_mask = true,
             .empty_rows = "scores"},
        Case{.name = "padding_either",
             .b = 9,
             .h = 4,
             .g = 2,
             .s = 5,
             .t = 5,
             .e = 70,
             .causal = true,
             .key_mask = true,
             .empty_rows = "either"},
        Case{.name = "f16_either",
             .type = DType::kF16,
             .b = 9,
             .s = 3,
             .t = 3,
             .causal = true,
             .window = 2,
             .bias = {1, 1, 3, 3},
             .key_mask = true,
             .empty_rows = "either"},
        Case{.name = "lengths_cross", .b = 3, .h = 4, .g = 2, .s = 7, .t = 90, .lengths = {90, 1, 65}},
        Case{.name = "alibi", .b = 2, .h = 4, .g = 4, .s = 30, .t = 90, .causal = true, .slopes = true},
        Case{.name = "everything",
             .b = 2,
             .h = 6,
             .g = 2,
             .s = 21,
             .t = 390,
             .d = 24,
             .e = 40,
             .causal = true,
             .window = 200,
             .softcap = 3,
             .bias = {1, 6, 21, 390},
             .key_mask = true,
             .lengths = {390, 123},
             .slopes = true,
             .empty_rows = "uniform"},
        Case{.name = "more_queries_than_keys", .s = 9, .t = 4, .causal = true}, Case{.name = "no_keys", .s = 3, .t = 0},
        Case{.name = "no_keys_uniform", .s = 3, .t = 0, .empty_rows = "uniform"},
        Case{.name = "no_queries", .s = 0, .t = 3}, Case{.name = "no_batch", .b = 0}, Case{.name = "no_width", .d = 0},
        Case{.name = "no_value_width", .e = 0},
        Case{.name = "many_heads", .h = 71, .g = 1, .s = 3, .t = 20, .causal = true}),
    [](const auto& info) { return std::string(info.param.name); });

// The last query of a prompt gives the same bytes computed with the whole prompt, in a larger batch, or as a decode
// step whose splits run on several threads.
TEST(Attention, RowsDoNotDependOnHowTheyAreCut) {
  const Case c{.name = "", .b = 3, .h = 4, .g = 2, .s = 75, .t = 800, .d = 48, .e = 32, .causal = true, .window = 500};
  const Operands o = Make(c);
  const auto run = [&](int64_t b, int64_t batch, int64_t first, int64_t queries, int64_t keys, int threads) {
    const HostTensor out(DType::kF32, {batch, c.h, queries, c.e});
    const HostTensor q = o.q.Slice(0, b, batch).Slice(2, first, queries);
    const HostTensor k = o.k.Slice(0, b, batch).Slice(2, 0, keys);
    const HostTensor v = o.v.Slice(0, b, batch).Slice(2, 0, keys);
    EXPECT_TRUE(Launch(*FindCpuKernel("attention"), Attributes(c), {q, k, v}, {out}, threads).ok());
    return out;
  };
  const HostTensor whole = run(0, 3, 0, 75, 800, 2);
  const auto same = [&](const HostTensor& part, int64_t b, int64_t batch, int64_t first, int64_t queries) {
    for (int64_t i = 0; i < batch; ++i) {
      for (int64_t h = 0; h < c.h; ++h) {
        for (int64_t r = 0; r < queries; ++r) {
          ASSERT_EQ(std::memcmp(part.bytes().data() + part.At({i, h, r, 0}) * 4,
                                whole.bytes().data() + whole.At({b + i, h, first + r, 0}) * 4, c.e * 4),
                    0)
              << i << " " << h << " " << r;
        }
      }
    }
  };
  for (int threads : {1, 2, 5}) {
    same(run(1, 1, 74, 1, 800, threads), 1, 1, 74, 1);
    same(run(2, 1, 60, 15, 800, threads), 2, 1, 60, 15);
    same(run(0, 2, 0, 75, 800, threads), 0, 2, 0, 75);
    // Keys behind the query's own position do not matter: a decode step in the middle of the prompt.
    same(run(0, 1, 30, 1, 756, threads), 0, 1, 30, 1);
  }
}

// What lies in a cache behind `lengths` is never read into a result.
TEST(Attention, IgnoresGarbageBehindLengths) {
  const Case c{.name = "", .b = 2, .h = 2, .g = 1, .s = 3, .t = 100, .causal = true, .lengths = {50, 7}};
  Operands o = Make(c);
  for (int64_t b = 0; b < c.b; ++b) {
    for (int64_t key = c.lengths[b]; key < c.t; ++key) {
      for (int64_t j = 0; j < c.d; ++j) {
        o.k.Set(o.k.At({b, 0, key, j}), std::numeric_limits<double>::quiet_NaN());
        o.v.Set(o.v.At({b, 0, key, j}), std::numeric_limits<double>::quiet_NaN());
      }
    }
  }
  const HostTensor out(DType::kF32, {c.b, c.h, c.s, c.e});
  ASSERT_TRUE(Launch(*FindCpuKernel("attention"), Attributes(c), o.ins(), {out}, 2).ok());
  for (int64_t i = 0; i < c.b * c.h * c.s * c.e; ++i) {
    ASSERT_FALSE(std::isnan(out.Get(i))) << i;
  }
}

TEST(Attention, NamesAWrongLength) {
  const Case c{.name = "", .b = 2, .lengths = {3, 10}};
  const HostTensor out(DType::kF32, {c.b, c.h, c.s, c.e});
  const absl::Status status = Launch(*FindCpuKernel("attention"), Attributes(c), Make(c).ins(), {out});
  EXPECT_EQ(status.message(), "attention: lengths[1] is 10, not in 0..9, the keys there are");
}

}  // namespace
}  // namespace sluice::kernels
