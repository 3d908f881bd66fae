// Attention by its definition, one row at a time in f64: for f64 tensors, and for rows that see no key.
#include <cmath>
#include <limits>

#include "kernels/attention/attention_problem.h"
#include "kernels/gemm/gemm_driver.h"

namespace sluice::kernels {
namespace {

double Read(const Tensor& t, int64_t element) {
  if (t.dtype == DType::kF64) {
    return t.as<double>()[element];
  }
  float value;
  ToF32(t.as<uint8_t>() + element * (BitWidth(t.dtype) / 8), t.dtype, 1, 1, &value);
  return value;
}

void WriteTo(const Tensor& t, int64_t element, double value) {
  if (t.dtype == DType::kF64) {
    t.as<double>()[element] = value;
    return;
  }
  const float narrow = static_cast<float>(value);
  FromF32(&narrow, 1, t.dtype, t.data, element);
}

// One row: index in [b, h, s].
struct Row {
  const AttentionProblem& p;
  int64_t batch, head, query;

  int64_t Of(const Tensor& t, int64_t head_of_t, int64_t i) const {
    return batch * t.stride(0) + head_of_t * t.stride(1) + i * t.stride(2);
  }
  int64_t KeyHead() const { return head / (p.h / p.g); }
  int64_t Position() const { return p.Valid(batch) - p.s + query; }
  double Value(int64_t key, int64_t i) const { return Read(p.v, Of(p.v, KeyHead(), key) + i * p.v.stride(3)); }
  void Write(int64_t i, double value) const { WriteTo(p.out, Of(p.out, head, query) + i * p.out.stride(3), value); }

  bool InPattern(int64_t key) const {
    const int64_t distance = Position() - key;
    return !p.config.causal || (distance >= 0 && (p.config.window <= 0 || distance < p.config.window));
  }
  bool InMask(int64_t key) const {
    return p.key_mask == nullptr ||
           p.key_mask->as<uint8_t>()[batch * p.key_mask->stride(0) + key * p.key_mask->stride(1)] != 0;
  }

  double Bias(int64_t key) const {
    const int64_t index[4] = {batch, head, query, key};
    int64_t at = 0;
    for (int d = 0; d < 4; ++d) {
      at += p.bias->size(d) == 1 ? 0 : index[d] * p.bias->stride(d);
    }
    return Read(*p.bias, at);
  }

  double Score(int64_t key) const {
    double sum = 0;
    for (int64_t i = 0; i < p.d; ++i) {
      sum +=
          Read(p.q, Of(p.q, head, query) + i * p.q.stride(3)) * Read(p.k, Of(p.k, KeyHead(), key) + i * p.k.stride(3));
    }
    sum *= p.config.scale;
    if (p.config.softcap != 0) {
      sum = std::tanh(sum / p.config.softcap) * p.config.softcap;
    }
    if (p.bias != nullptr) {
      sum += Bias(key);
    }
    if (p.slopes != nullptr) {
      sum += Read(*p.slopes, head * p.slopes->stride(0)) * static_cast<double>(key - Position());
    }
    return sum;
  }
};

// Writes softmax over the valid keys that `sees` holds for, times v; false, and nothing, when there are none.
template <typename Sees>
bool Attend(const Row& row, const Sees& sees) {
  const AttentionProblem& p = row.p;
  const int64_t keys = p.Valid(row.batch);
  double top = -std::numeric_limits<double>::infinity();
  for (int64_t key = 0; key < keys; ++key) {
    top = sees(key) ? std::max(top, row.Score(key)) : top;
  }
  if (top == -std::numeric_limits<double>::infinity()) {
    return false;
  }
  double total = 0;
  for (int64_t key = 0; key < keys; ++key) {
    total += sees(key) ? std::exp(row.Score(key) - top) : 0;
  }
  constexpr int64_t kColumns = 64;  // whose sums are kept while the keys pass
  for (int64_t first = 0; first < p.e; first += kColumns) {
    const int64_t columns = std::min(kColumns, p.e - first);
    double sums[kColumns] = {};
    for (int64_t key = 0; key < keys; ++key) {
      if (!sees(key)) {
        continue;
      }
      const double weight = std::exp(row.Score(key) - top) / total;
      for (int64_t i = 0; i < columns; ++i) {
        sums[i] += weight * row.Value(key, first + i);
      }
    }
    for (int64_t i = 0; i < columns; ++i) {
      row.Write(first + i, sums[i]);
    }
  }
  return true;
}

}  // namespace

void EmptyRow(const AttentionProblem& p, int64_t batch, int64_t head, int64_t query) {
  const Row row{p, batch, head, query};
  const EmptyRows gives = p.config.empty_rows;
  const auto either = [&row](int64_t key) { return row.InPattern(key) || row.InMask(key); };
  const auto all = [](int64_t) { return true; };
  if ((gives == EmptyRows::kEither && Attend(row, either)) ||
      ((gives == EmptyRows::kEither || gives == EmptyRows::kScores) && Attend(row, all))) {
    return;
  }
  for (int64_t i = 0; i < p.e; ++i) {
    double sum = 0;
    for (int64_t key = 0; gives == EmptyRows::kUniform && key < p.t; ++key) {
      sum += row.Value(key, i);
    }
    row.Write(i, p.t == 0 ? 0 : sum / static_cast<double>(p.t));
  }
}

void AttentionPlain(const AttentionProblem& p, ThreadPool* pool) {
  pool->ParallelFor(p.b * p.h * p.s, 1, [&p](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Row row{p, i / (p.h * p.s), i / p.s % p.h, i % p.s};
      if (!Attend(row, [&row](int64_t key) { return row.InPattern(key) && row.InMask(key); })) {
        EmptyRow(p, row.batch, row.head, row.query);
      }
    }
  });
}

}  // namespace sluice::kernels
