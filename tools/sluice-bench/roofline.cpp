// Two loops that do nothing but read, and nothing but multiply and add.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>

#include "runtime/base/cpu.h"
#include "tools/sluice-bench/cost.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sluice::tools {
namespace {

constexpr int64_t kReadBytes = 256 << 20;  // far more than any cache
constexpr int64_t kRounds = 1 << 20;
constexpr int kChains = 10;  // hides the latency of a multiply-add

double Seconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Reads `n` words (a multiple of 32) as four streams: a single one does not keep the memory of a core busy.
uint64_t SumWords(const uint64_t* words, int64_t n) {
  constexpr int kStreams = 4, kLanes = 8;
  uint64_t sums[kStreams][kLanes] = {};
  const int64_t length = n / kStreams;
  for (int64_t i = 0; i + kLanes <= length; i += kLanes) {
    for (int s = 0; s < kStreams; ++s) {
      for (int l = 0; l < kLanes; ++l) {
        sums[s][l] += words[s * length + i + l];
      }
    }
  }
  uint64_t sum = 0;
  for (const auto& lanes : sums) {
    for (uint64_t lane : lanes) {
      sum += lane;
    }
  }
  return sum;
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] float FmaAvx2(int64_t rounds) {
  __m256 acc[kChains];
  for (__m256& a : acc) {
    a = _mm256_setzero_ps();
  }
  const __m256 x = _mm256_set1_ps(0.5f);
  for (int64_t r = 0; r < rounds; ++r) {
    for (__m256& a : acc) {
      a = _mm256_fmadd_ps(a, x, x);
    }
  }
  float sum = 0;
  for (const __m256& a : acc) {
    sum += _mm256_cvtss_f32(a);
  }
  return sum;
}

[[gnu::target("avx512f")]] float FmaAvx512(int64_t rounds) {
  __m512 acc[kChains];
  for (__m512& a : acc) {
    a = _mm512_setzero_ps();
  }
  const __m512 x = _mm512_set1_ps(0.5f);
  for (int64_t r = 0; r < rounds; ++r) {
    for (__m512& a : acc) {
      a = _mm512_fmadd_ps(a, x, x);
    }
  }
  float sum = 0;
  for (const __m512& a : acc) {
    sum += _mm512_cvtss_f32(a);
  }
  return sum;
}
#endif

float FmaPlain(int64_t rounds) {
  float acc[kChains] = {};
  for (int64_t r = 0; r < rounds; ++r) {
    for (float& a : acc) {
      a = a * 0.5f + 0.5f;
    }
  }
  float sum = 0;
  for (float a : acc) {
    sum += a;
  }
  return sum;
}

}  // namespace

Roofline MeasureRoofline(ThreadPool& pool) {
  Roofline roofline;
  std::atomic<uint64_t> sink{0};  // keeps the loops from being dropped
  const int64_t words = kReadBytes / 8;
  const std::unique_ptr<uint64_t[]> data(new uint64_t[static_cast<size_t>(words)]());
  for (int round = 0; round < 3; ++round) {
    const auto start = std::chrono::steady_clock::now();
    pool.ParallelFor(words, 1 << 16,
                     [&](int64_t begin, int64_t end) { sink += SumWords(data.get() + begin, end - begin); });
    roofline.bytes_per_second = std::max(roofline.bytes_per_second, static_cast<double>(kReadBytes) / Seconds(start));
  }
  float (*fma)(int64_t) = FmaPlain;
  int lanes = 1;
#if defined(__x86_64__)
  fma = Cpu().v4() ? FmaAvx512 : Cpu().v3() ? FmaAvx2 : FmaPlain;
  lanes = Cpu().v4() ? 16 : Cpu().v3() ? 8 : 1;
#endif
  for (int round = 0; round < 3; ++round) {
    const auto start = std::chrono::steady_clock::now();
    pool.ParallelFor(pool.threads(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        sink += static_cast<uint64_t>(fma(kRounds));
      }
    });
    const double flops = 2.0 * lanes * kChains * kRounds * pool.threads();
    roofline.f32_flops = std::max(roofline.f32_flops, flops / Seconds(start));
  }
  roofline.f16_flops = roofline.int8_flops = roofline.f32_flops;
  return roofline;
}

}  // namespace sluice::tools
