#include "runtime/text/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace sluice::text {
namespace {

float FromHalf(uint16_t h) {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const uint32_t exponent = h >> 10 & 0x1F;
  const uint32_t fraction = h & 0x3FF;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
    const float value = static_cast<float>(fraction) * 5.9604644775390625e-8f;
    return sign != 0 ? -value : value;
  }
  const uint32_t bits = sign | (exponent == 31 ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

float FromBfloat(uint16_t b) {
  const uint32_t bits = static_cast<uint32_t>(b) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// f(id, logit) for every logit that is a number.
template <typename F>
absl::Status ForEachLogit(const LogitsRow& row, F f) {
  if (row.size < 1 || row.size > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("logits: a row of ", row.size));
  }
  auto walk = [&](auto at) {
    for (int64_t i = 0; i < row.size; ++i) {
      const float logit = at(i);
      if (!std::isnan(logit)) {
        f(static_cast<int32_t>(i), logit);
      }
    }
    return absl::OkStatus();
  };
  switch (row.type) {
    case DType::kF32:
      return walk([p = static_cast<const float*>(row.data)](int64_t i) { return p[i]; });
    case DType::kF16:
      return walk([p = static_cast<const uint16_t*>(row.data)](int64_t i) { return FromHalf(p[i]); });
    case DType::kBF16:
      return walk([p = static_cast<const uint16_t*>(row.data)](int64_t i) { return FromBfloat(p[i]); });
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("logits: elements are ", Name(row.type), ", not f32, f16 or bf16"));
  }
}

absl::Status NoNumber() { return absl::FailedPreconditionError("logits: the row holds nothing but NaN"); }

// Order of preference.
bool Before(const TokenLogit& a, const TokenLogit& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; }

// Keeps the k first of those offered, as a heap with the worst on top.  *size of heap entries are in use.
void OfferTop(TokenLogit t, TokenLogit* heap, int64_t k, int64_t* size) {
  if (*size < k) {
    heap[(*size)++] = t;
    std::push_heap(heap, heap + *size, Before);
  } else if (Before(t, heap[0])) {
    std::pop_heap(heap, heap + k, Before);
    heap[k - 1] = t;
    std::push_heap(heap, heap + k, Before);
  }
}

uint64_t Mix(uint64_t z) {
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

}  // namespace

absl::Status SamplingParams::Validate() const {
  if (!(temperature >= 0) || std::isinf(temperature)) {
    return absl::InvalidArgumentError(absl::StrCat("temperature: ", temperature, " (give 0 or a positive number)"));
  }
  if (top_k < 0) {
    return absl::InvalidArgumentError(absl::StrCat("top_k: ", top_k, " (give 0 for all, or a count)"));
  }
  if (!(top_p > 0 && top_p <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat("top_p: ", top_p, " (give a number above 0, up to 1)"));
  }
  return absl::OkStatus();
}

double UniformAt(uint64_t seed, uint64_t step) {
  return static_cast<double>(Mix(Mix(seed) + (step + 1) * 0x9E3779B97F4A7C15u) >> 11) * 0x1p-53;
}

absl::StatusOr<int32_t> GreedyToken(const LogitsRow& row) {
  TokenLogit best{-1, 0};
  RETURN_IF_ERROR(ForEachLogit(row, [&](int32_t id, float logit) {
    if (best.id < 0 || logit > best.logit) {
      best = {id, logit};
    }
  }));
  return best.id >= 0 ? absl::StatusOr<int32_t>(best.id) : NoNumber();
}

absl::StatusOr<int64_t> TopLogits(const LogitsRow& row, absl::Span<TokenLogit> top) {
  int64_t size = 0;
  const int64_t k = static_cast<int64_t>(top.size());
  RETURN_IF_ERROR(ForEachLogit(row, [&](int32_t id, float logit) {
    if (k > 0) {
      OfferTop({id, logit}, top.data(), k, &size);
    }
  }));
  std::sort(top.begin(), top.begin() + size, Before);
  return size;
}

int64_t Sampler::KeepNucleus(int64_t size, float largest) {
  auto weight = [&](const TokenLogit& t) {
    return std::exp((static_cast<double>(t.logit) - largest) / params_.temperature);
  };
  auto begin = candidates_.begin();
  double total = 0;
  for (int64_t i = 0; i < size; ++i) {
    total += weight(candidates_[i]);
  }
  // Tokens below this sum to less than 1 - p, so the others hold the whole nucleus: only they need sorting.
  const double floor = (1.0 - params_.top_p) * total / static_cast<double>(size);
  size = std::partition(begin, begin + size, [&](const TokenLogit& t) { return weight(t) >= floor; }) - begin;
  std::sort(begin, begin + size, Before);
  double sum = 0;
  int64_t kept = 0;
  while (kept < size && (kept == 0 || sum < params_.top_p * total)) {
    sum += weight(candidates_[kept++]);
  }
  return kept;
}

int32_t Sampler::Draw(double u, int64_t size, float largest) {
  double total = 0;
  for (int64_t i = 0; i < size; ++i) {
    weights_[i] = std::exp((static_cast<double>(candidates_[i].logit) - largest) / params_.temperature);
    total += weights_[i];
  }
  double left = u * total;
  int64_t last = 0;  // that has any probability, for when rounding uses the last sliver up
  for (int64_t i = 0; i < size; ++i) {
    left -= weights_[i];
    if (left < 0) {
      return candidates_[i].id;
    }
    last = weights_[i] > 0 ? i : last;
  }
  return candidates_[last].id;
}

absl::StatusOr<int32_t> Sampler::Sample(const LogitsRow& row) {
  RETURN_IF_ERROR(params_.Validate());
  const double u = UniformAt(params_.seed, step_++);
  if (params_.temperature == 0) {
    return GreedyToken(row);
  }
  candidates_.resize(static_cast<size_t>(std::max<int64_t>(row.size, 0)));
  weights_.resize(candidates_.size());
  const int64_t k = params_.top_k > 0 ? std::min<int64_t>(params_.top_k, row.size) : row.size;
  int64_t size = 0;
  float largest = -std::numeric_limits<float>::infinity();
  RETURN_IF_ERROR(ForEachLogit(row, [&](int32_t id, float logit) {
    largest = std::max(largest, logit);
    if (k < row.size) {
      OfferTop({id, logit}, candidates_.data(), k, &size);
    } else {
      candidates_[size++] = {id, logit};
    }
  }));
  if (size == 0) {
    return NoNumber();
  }
  if (std::isinf(largest)) {  // one certain token (+inf), or none possible (-inf): no probabilities
    return GreedyToken(row);
  }
  if (params_.top_p < 1) {
    size = KeepNucleus(size, largest);
  } else if (k < row.size) {
    std::sort(candidates_.begin(), candidates_.begin() + size, Before);
  }
  return Draw(u, size, largest);
}

}  // namespace sluice::text
