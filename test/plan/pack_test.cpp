#include "runtime/plan/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <random>

namespace sluice::plan {
namespace {

TEST(Pack, TwoThatMeetLieOnEachOther) {
  const std::vector<PackBuffer> b = {{0, 2, 256}, {1, 3, 512}};
  const PackResult r = Pack(b, {});
  EXPECT_EQ(r.peak, 768);
  EXPECT_EQ(r.lower_bound, 768);
  EXPECT_TRUE(VerifyPacking(b, r));
}

TEST(Pack, TwoThatDoNotMeetShare) {
  const std::vector<PackBuffer> b = {{0, 2, 256}, {2, 3, 512}};  // the upper end is not alive
  EXPECT_EQ(Pack(b, {}).peak, 512);
}

TEST(Pack, NothingAndNobody) {
  EXPECT_EQ(Pack({}, {}).peak, 0);
  const std::vector<PackBuffer> b = {{0, 5, 0}, {3, 3, 100}, {1, 4, 7}};  // no bytes; no life; a plain one
  const PackResult r = Pack(b, {.effort = 100});
  EXPECT_EQ(r.offsets, (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(r.peak, 100);
  EXPECT_EQ(r.lower_bound, 7);
  EXPECT_TRUE(VerifyPacking(b, r));
}

TEST(Pack, AlignsOffsets) {
  std::vector<PackBuffer> b;
  for (int i = 0; i < 20; ++i) {
    b.push_back({i, i + 3, 1 + 37 * i});
  }
  const PackResult r = Pack(b, {.alignment = 64, .effort = 1000});
  for (int64_t offset : r.offsets) {
    EXPECT_EQ(offset % 64, 0);
  }
  EXPECT_TRUE(VerifyPacking(b, r));
}

TEST(Pack, VerifyRefuses) {
  const std::vector<PackBuffer> b = {{0, 2, 256}, {1, 3, 512}, {2, 9, 8}};
  EXPECT_TRUE(VerifyPacking(b, {.offsets = {512, 0, 512}, .peak = 768}));
  EXPECT_FALSE(VerifyPacking(b, {.offsets = {511, 0, 512}, .peak = 768}));
  EXPECT_FALSE(VerifyPacking(b, {.offsets = {512, 0, 512}, .peak = 767}));
  EXPECT_FALSE(VerifyPacking(b, {.offsets = {512, -1, 512}, .peak = 768}));
  EXPECT_FALSE(VerifyPacking(b, {.offsets = {512, 0}, .peak = 768}));
  EXPECT_FALSE(VerifyPacking(b, {.offsets = {512, 0, 504}, .peak = 768}));
}

std::vector<PackBuffer> Random(std::mt19937& rng, int n, int times, int longest, int64_t largest) {
  std::vector<PackBuffer> b(n);
  for (PackBuffer& x : b) {
    x.lower = static_cast<int64_t>(rng() % times);
    x.upper = x.lower + 1 + static_cast<int64_t>(rng() % longest);
    x.size = static_cast<int64_t>(rng() % largest);
  }
  return b;
}

// The least peak, by trying every order: some order places an optimal packing first-fit.
int64_t Optimum(const std::vector<PackBuffer>& b) {
  std::vector<int> order(b.size());
  std::iota(order.begin(), order.end(), 0);
  int64_t best = std::numeric_limits<int64_t>::max();
  do {
    std::vector<int> placed;
    std::vector<int64_t> offset(b.size());
    int64_t peak = 0;
    for (int i : order) {
      int64_t at = 0;
      for (bool moved = true; moved;) {
        moved = false;
        for (int j : placed) {
          if (b[j].lower < b[i].upper && b[i].lower < b[j].upper && offset[j] < at + b[i].size &&
              at < offset[j] + b[j].size) {
            at = offset[j] + b[j].size;
            moved = true;
          }
        }
      }
      offset[i] = at;
      placed.push_back(i);
      peak = std::max(peak, at + b[i].size);
    }
    best = std::min(best, peak);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(Pack, EffortFindsTheOptimumOfSmallProblems) {
  std::mt19937 rng(3);
  for (int round = 0; round < 150; ++round) {
    const auto b = Random(rng, 1 + static_cast<int>(rng() % 7), 6, 4, 12);
    const PackResult r = Pack(b, {.effort = 20000});
    ASSERT_TRUE(VerifyPacking(b, r));
    ASSERT_EQ(r.peak, Optimum(b)) << round;
  }
}

TEST(Pack, AlwaysLegalAndRepeatable) {
  std::mt19937 rng(4);
  for (int round = 0; round < 60; ++round) {
    const auto b = Random(rng, static_cast<int>(rng() % 200), 1 + static_cast<int>(rng() % 60),
                          1 + static_cast<int>(rng() % 30), 1 + static_cast<int64_t>(rng() % 100000));
    for (int64_t effort : {0, 2000}) {
      const PackOptions options{.alignment = round % 2 == 0 ? 1 : 64, .effort = effort};
      const PackResult r = Pack(b, options);
      ASSERT_TRUE(VerifyPacking(b, r));
      ASSERT_GE(r.peak, r.lower_bound);
      ASSERT_EQ(Pack(b, options).offsets, r.offsets);
    }
  }
}

TEST(Pack, StopsAtTheCapacity) {
  std::mt19937 rng(5);
  const auto b = Random(rng, 100, 50, 20, 1000);
  const int64_t first = Pack(b, {.capacity = int64_t{1} << 40}).peak;
  EXPECT_LE(Pack(b, {.effort = 1000000000, .capacity = first}).peak, first);  // would take minutes otherwise
}

// A rectangle of `width` times and `height` bytes cut into pieces: it is known to fit, with nothing to spare.
void Cut(std::mt19937& rng, int64_t lower, int64_t upper, int64_t size, int pieces, std::vector<PackBuffer>* out) {
  if (pieces <= 1 || (size < 2 && upper - lower < 2)) {
    out->push_back({lower, upper, size});
    return;
  }
  const int left = 1 + static_cast<int>(rng() % static_cast<unsigned>(pieces - 1));
  const bool by_time = size < 2 || (upper - lower >= 2 && rng() % 2 == 0);
  const int64_t span = by_time ? upper - lower : size;
  const int64_t cut = 1 + static_cast<int64_t>(rng() % static_cast<uint64_t>(span - 1));
  if (by_time) {
    Cut(rng, lower, lower + cut, size, left, out);
    Cut(rng, lower + cut, upper, size, pieces - left, out);
  } else {
    Cut(rng, lower, upper, cut, left, out);
    Cut(rng, lower, upper, size - cut, pieces - left, out);
  }
}

TEST(Pack, PerfectPackingsAreNearlyFound) {
  std::mt19937 rng(6);
  double worst = 1;
  for (int round = 0; round < 10; ++round) {
    std::vector<PackBuffer> b;
    Cut(rng, 0, 200, 1 << 20, 60, &b);
    std::shuffle(b.begin(), b.end(), rng);
    const PackResult r = Pack(b, {.effort = 100000});
    ASSERT_TRUE(VerifyPacking(b, r));
    ASSERT_EQ(r.lower_bound, 1 << 20);
    worst = std::max(worst, static_cast<double>(r.peak) / static_cast<double>(r.lower_bound));
  }
  std::printf("worst ratio %.3f\n", worst);
  EXPECT_LE(worst, 1.1);
}

TEST(Pack, ManyAliveAtOnce) {  // more conflicts than are listed
  std::mt19937 rng(7);
  const auto b = Random(rng, 4000, 100, 100, 1000);
  const PackResult r = Pack(b, {});
  EXPECT_TRUE(VerifyPacking(b, r));
  EXPECT_LE(static_cast<double>(r.peak) / static_cast<double>(r.lower_bound), 1.25);
}

// Numbers to look at: what the runtime pays for a new plan.
TEST(Pack, GreedySpeed) {
  for (int n : {1000, 10000}) {
    std::mt19937 rng(8);
    std::vector<PackBuffer> b;
    for (int i = 0; i < n; ++i) {
      const int64_t lower = static_cast<int64_t>(rng() % static_cast<unsigned>(n));
      b.push_back({lower, lower + 1 + static_cast<int64_t>(rng() % 8 == 0 ? rng() % 200 : rng() % 6),
                   64 * (1 + static_cast<int64_t>(rng() % 1000))});
    }
    const std::clock_t start = std::clock();  // processor time: other processes may use the cores
    const PackResult r = Pack(b, {});
    const double ms = 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::printf("%d buffers: %.2f ms, ratio %.3f\n", n, ms,
                static_cast<double>(r.peak) / static_cast<double>(r.lower_bound));
    EXPECT_TRUE(VerifyPacking(b, r));
  }
}

}  // namespace
}  // namespace sluice::plan
