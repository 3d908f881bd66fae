#include "runtime/base/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <thread>
#include <vector>

namespace sluice {
namespace {

TEST(ThreadPool, CoversTheRangeOnce) {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t n : {-1, 0, 1, 2, 7, 64, 1000, 1001}) {
      for (int64_t grain : {0, 1, 3, 16, 2000}) {
        std::vector<std::atomic<int>> seen(n > 0 ? n : 0);
        pool.ParallelFor(n, grain, [&](int64_t begin, int64_t end) {
          EXPECT_LT(begin, end);
          EXPECT_EQ(begin % std::max<int64_t>(grain, 1), 0);
          EXPECT_GE(end - begin, std::min(grain, n));
          for (int64_t i = begin; i < end; ++i) {
            seen[i].fetch_add(1);
          }
        });
        for (const auto& s : seen) {
          ASSERT_EQ(s.load(), 1) << threads << " " << n << " " << grain;
        }
      }
    }
  }
}

TEST(ThreadPool, ThreadNumbersAreExclusive) {
  ThreadPool pool(4);
  std::vector<std::atomic<int>> inside(4);
  for (int loop = 0; loop < 200; ++loop) {
    pool.ParallelForWithThread(64, 1, [&](int64_t, int64_t, int t) {
      ASSERT_TRUE(t >= 0 && t < 4);
      ASSERT_EQ(inside[t].fetch_add(1), 0);
      inside[t].fetch_sub(1);
    });
  }
}

// Chunks that wait are waited for by all threads at once, also after the workers have gone to sleep.
TEST(ThreadPool, WorkersTakePart) {
  ThreadPool pool(4);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::vector<std::atomic<int>> chunks(4);
    pool.ParallelForWithThread(8, 1, [&](int64_t, int64_t, int t) {
      chunks[t].fetch_add(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    });
    EXPECT_GE(std::count_if(chunks.begin(), chunks.end(), [](const auto& c) { return c.load() > 0; }), 2);
  }
}

// What one loop wrote the next one reads, many times over, with more threads than cores and sleeps in between.
TEST(ThreadPool, LoopsAreOrdered) {
  ThreadPool pool(5);
  std::vector<int64_t> x(333, 0);
  for (int loop = 0; loop < 20000; ++loop) {
    pool.ParallelFor(static_cast<int64_t>(x.size()), 10, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        ++x[i];
      }
    });
    if (loop % 1000 == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  EXPECT_EQ(std::accumulate(x.begin(), x.end(), int64_t{0}), 333 * 20000);
}

TEST(ThreadPool, SeveralCallersShareOnePool) {
  ThreadPool pool(3);
  std::vector<std::thread> callers;
  std::atomic<int64_t> total{0};
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int loop = 0; loop < 500; ++loop) {
        pool.ParallelFor(100, 5, [&](int64_t begin, int64_t end) { total.fetch_add(end - begin); });
      }
    });
  }
  for (std::thread& t : callers) {
    t.join();
  }
  EXPECT_EQ(total.load(), 4 * 500 * 100);
}

// A number to look at, not to fail on: the cost of an empty loop, alone and beside another busy process.
TEST(ThreadPool, LoopOverhead) {
  ThreadPool pool(2);
  const auto time = [&](const char* what) {
    const auto start = std::chrono::steady_clock::now();
    constexpr int kLoops = 5000;
    for (int i = 0; i < kLoops; ++i) {
      pool.ParallelFor(64, 8, [&](int64_t, int64_t) {});
    }
    const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
    std::printf("%s: %.2f us a loop\n", what, spent.count() / kLoops);
  };
  time("alone");
  std::atomic<bool> stop{false};
  std::thread other1([&] {
    while (!stop.load()) {
    }
  });
  std::thread other2([&] {
    while (!stop.load()) {
    }
  });
  time("beside two busy threads");
  stop.store(true);
  other1.join();
  other2.join();
}

}  // namespace
}  // namespace sluice
