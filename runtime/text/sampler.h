// From a row of logits to a token.
//
//   Sampler sampler({.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .seed = 7});
//   ASSIGN_OR_RETURN(int32_t id, sampler.Sample({logits, DType::kF32, vocab}));
//
// The candidates are all tokens; top_k keeps the k largest logits (equal ones: the lower id), then top_p the smallest
// set of largest probabilities that sum to at least p (at least one token), both after dividing by the temperature.
// Random numbers are a function of (seed, step) alone, so neither batching nor an interrupted run changes them:
//   u = (Mix(Mix(seed) + (step + 1) * 0x9E3779B97F4A7C15) >> 11) / 2^53, Mix the finisher of SplitMix64;
// the token is the first whose cumulated probability exceeds u, in order of falling logit (rising id when equal), or in
// order of id when neither top_k nor top_p restricts.
#ifndef SLUICE_RUNTIME_TEXT_SAMPLER_H_
#define SLUICE_RUNTIME_TEXT_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace sluice::text {

struct SamplingParams {
  float temperature = 0;  // 0: the largest logit, nothing random
  int32_t top_k = 0;      // 0: all
  float top_p = 1;        // 1: all
  uint64_t seed = 0;

  // kInvalidArgument naming the field: temperature < 0 or not finite, top_k < 0, top_p outside (0, 1].
  absl::Status Validate() const;
};

struct LogitsRow {
  const void* data;  // [size]
  DType type;        // kF32, kF16, kBF16
  int64_t size;      // vocabulary; at least 1
};

struct TokenLogit {
  int32_t id;
  float logit;
};

// The largest logit's token, the lowest id of equal ones; NaN never wins.  Errors: kInvalidArgument (another type, an
// empty row), kFailedPrecondition (nothing but NaN).
absl::StatusOr<int32_t> GreedyToken(const LogitsRow& row);

// The top.size() largest logits, falling, equal ones by rising id; returns how many there were (fewer in a short row).
absl::StatusOr<int64_t> TopLogits(const LogitsRow& row, absl::Span<TokenLogit> top);

// In [0, 1).
double UniformAt(uint64_t seed, uint64_t step);

// One generation.  Not thread-safe; allocates at the first token only.
class Sampler {
 public:
  explicit Sampler(const SamplingParams& params) : params_(params) {}

  // The next token; the n-th call uses random number n.  Errors as GreedyToken's, and Validate's.
  absl::StatusOr<int32_t> Sample(const LogitsRow& row);

 private:
  // top_p among the first `size` candidates: sorts and counts what stays.
  int64_t KeepNucleus(int64_t size, float largest);
  int32_t Draw(double u, int64_t size, float largest);

  SamplingParams params_;
  uint64_t step_ = 0;
  std::vector<TokenLogit> candidates_;
  std::vector<double> weights_;
};

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_SAMPLER_H_
