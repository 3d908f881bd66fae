#include "runtime/text/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

namespace sluice::text {
namespace {

using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

LogitsRow Row(const std::vector<float>& logits) {
  return {logits.data(), DType::kF32, static_cast<int64_t>(logits.size())};
}

TEST(Greedy, TakesTheLowestIdOfTheLargest) {
  EXPECT_EQ(*GreedyToken(Row({1, 3, 3, 2})), 1);
  EXPECT_EQ(*GreedyToken(Row({kNan, -kInf, kNan})), 1);
  EXPECT_EQ(*GreedyToken(Row({5})), 0);
  EXPECT_EQ(*GreedyToken(Row({1, kInf, 2})), 1);
  EXPECT_EQ(GreedyToken(Row({kNan})).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(GreedyToken(Row({})).status().code(), absl::StatusCode::kInvalidArgument);
  const int64_t ids[] = {1};
  EXPECT_THAT(std::string(GreedyToken({ids, DType::kI64, 1}).status().message()), HasSubstr("i64"));
}

TEST(Greedy, ReadsSixteenBits) {
  // 1.0, -2.0, 65504, the smallest subnormal; and 1.0, -2.0, 3e38 in bf16.
  const uint16_t half[] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x7E00};
  TokenLogit top[5];
  ASSERT_EQ(*TopLogits({half, DType::kF16, 5}, absl::MakeSpan(top)), 4);  // the last one is NaN
  EXPECT_EQ(top[0].id, 2);
  EXPECT_EQ(top[0].logit, 65504.0f);
  EXPECT_EQ(top[2].logit, std::ldexp(1.0f, -24));
  EXPECT_EQ(top[3].logit, -2.0f);
  const uint16_t brain[] = {0x3F80, 0xC000, 0x7F61};
  EXPECT_EQ(*GreedyToken({brain, DType::kBF16, 3}), 2);
}

TEST(Top, SortsByLogitThenId) {
  TokenLogit top[5];
  ASSERT_EQ(*TopLogits(Row({2, 9, 2, 7, 9, 1, kNan}), absl::MakeSpan(top)), 5);
  const int32_t want[] = {1, 4, 3, 0, 2};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(top[i].id, want[i]);
  }
  EXPECT_EQ(*TopLogits(Row({1, 2}), absl::MakeSpan(top)), 2);
}

TEST(Random, IsTheDocumentedFunction) {
  // Independent values, from Python's integers.
  EXPECT_DOUBLE_EQ(UniformAt(0, 0), 0.8833108082136426);
  EXPECT_DOUBLE_EQ(UniformAt(7, 123), 0.37477691704532157);
  EXPECT_NE(UniformAt(1, 0), UniformAt(0, 0));
  double sum = 0;
  for (uint64_t step = 0; step < 10000; ++step) {
    const double u = UniformAt(42, step);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.01);
}

std::map<int32_t, double> Frequencies(const SamplingParams& params, const std::vector<float>& logits, int n = 40000) {
  Sampler sampler(params);
  std::map<int32_t, double> counts;
  for (int i = 0; i < n; ++i) {
    counts[*sampler.Sample(Row(logits))] += 1.0 / n;
  }
  return counts;
}

// softmax of (0, ln 2, ln 3, ln 4) is (0.1, 0.2, 0.3, 0.4).
const std::vector<float> kLogits = {0, std::log(2.0f), std::log(3.0f), std::log(4.0f)};

TEST(Sampler, FollowsTheProbabilities) {
  auto f = Frequencies({.temperature = 1, .seed = 1}, kLogits);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NEAR(f[i], 0.1 * (i + 1), 0.01);
  }
  f = Frequencies({.temperature = 0.5f, .seed = 2}, kLogits);  // squares: 1 4 9 16 of 30
  EXPECT_NEAR(f[0], 1.0 / 30, 0.005);
  EXPECT_NEAR(f[3], 16.0 / 30, 0.01);
}

TEST(Sampler, RestrictsToTheLargest) {
  auto f = Frequencies({.temperature = 1, .top_k = 2, .seed = 3}, kLogits);
  EXPECT_EQ(f.size(), 2u);
  EXPECT_NEAR(f[3], 4.0 / 7, 0.01);
  f = Frequencies({.temperature = 1, .top_p = 0.6f, .seed = 4}, kLogits);  // 0.4 + 0.3 ≥ 0.6
  EXPECT_EQ(f.size(), 2u);
  EXPECT_NEAR(f[2], 3.0 / 7, 0.01);
  f = Frequencies({.temperature = 1, .top_k = 3, .top_p = 0.5f, .seed = 5}, kLogits);  // of 2/9 3/9 4/9: 4 + 3
  EXPECT_EQ(f.size(), 2u);
  EXPECT_EQ(Frequencies({.temperature = 1, .top_p = 1e-6f}, kLogits, 100).size(), 1u);
  EXPECT_EQ(Frequencies({.temperature = 1, .top_k = 1}, {1, 1, 1}, 100).begin()->first, 0);
  EXPECT_EQ(Frequencies({.temperature = 1, .top_k = 9}, kLogits, 1000).size(), 4u);
}

TEST(Sampler, ReachesEveryTokenOfAFlatRow) {
  const auto f = Frequencies({.temperature = 1, .top_p = 0.9f, .seed = 6}, std::vector<float>(300, 0.5f), 8000);
  EXPECT_EQ(f.size(), 270u);
  EXPECT_EQ(f.rbegin()->first, 269);
}

TEST(Sampler, IsDeterministicAndSurvivesExtremes) {
  Sampler a({.temperature = 0.7f, .top_k = 3, .seed = 9}), b({.temperature = 0.7f, .top_k = 3, .seed = 9});
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(*a.Sample(Row(kLogits)), *b.Sample(Row(kLogits)));
  }
  Sampler s({.temperature = 1});
  EXPECT_EQ(*s.Sample(Row({-kInf, 3, -kInf, kNan})), 1);
  EXPECT_EQ(*s.Sample(Row({kInf, 3, kInf})), 0);
  EXPECT_EQ(*s.Sample(Row({-kInf, -kInf})), 0);
  EXPECT_EQ(*s.Sample(Row({-1e30f, 1e30f})), 1);
  EXPECT_FALSE(s.Sample(Row({kNan, kNan})).ok());
  EXPECT_EQ(*Sampler({.temperature = 1e-30f}).Sample(Row({1, 2})), 1);
}

TEST(Sampler, NamesBadParameters) {
  EXPECT_THAT(std::string(SamplingParams{.temperature = -1}.Validate().message()), HasSubstr("temperature: -1"));
  EXPECT_THAT(std::string(SamplingParams{.temperature = kNan}.Validate().message()), HasSubstr("temperature"));
  EXPECT_THAT(std::string(SamplingParams{.top_k = -2}.Validate().message()), HasSubstr("top_k: -2"));
  EXPECT_THAT(std::string(SamplingParams{.top_p = 0}.Validate().message()), HasSubstr("top_p: 0"));
  EXPECT_FALSE(Sampler({.temperature = 1, .top_p = 2}).Sample(Row(kLogits)).ok());
}

}  // namespace
}  // namespace sluice::text
