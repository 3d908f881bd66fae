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

void Write(const Tensor& t, int64_t element, double value) {
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

  bool Visible(int64_t key) const {
    const int64_t distance = Position() - key;
    if (key >= p.Valid(batch) || (p.config.causal && distance < 0) ||
        (p.config.causal && p.config.window > 0 && distance >= p.config.window)) {
      return false;
    }
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

}  // namespace

void EmptyRow(const AttentionProblem& p, int64_t batch, int64_t head, int64_t query) {
  const Row row{p, batch, head, query};
  const int64_t to = row.Of(p.out, head, query);
  for (int64_t i = 0; i < p.e; ++i) {
    double sum = 0;
    for (int64_t key = 0; p.config.uniform_empty && key < p.t; ++key) {
      sum += Read(p.v, row.Of(p.v, row.KeyHead(), key) + i * p.v.stride(3));
    }
    Write(p.out, to + i * p.out.stride(3), p.t == 0 ? 0 : sum / static_cast<double>(p.t));
  }
}

void AttentionPlain(const AttentionProblem& p, ThreadPool* pool) {
  pool->ParallelFor(p.b * p.h * p.s, 1, [&p](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Row row{p, i / (p.h * p.s), i / p.s % p.h, i % p.s};
      double top = -std::numeric_limits<double>::infinity();
      for (int64_t key = 0; key < p.t; ++key) {
        top = row.Visible(key) ? std::max(top, row.Score(key)) : top;
      }
      if (top == -std::numeric_limits<double>::infinity()) {
        EmptyRow(p, row.batch, row.head, row.query);
        continue;
      }
      double total = 0;
      for (int64_t key = 0; key < p.t; ++key) {
        total += row.Visible(key) ? std::exp(row.Score(key) - top) : 0;
      }
      const int64_t to = row.Of(p.out, row.head, row.query);
      for (int64_t c = 0; c < p.e; ++c) {
        Write(p.out, to + c * p.out.stride(3), 0);
      }
      for (int64_t key = 0; key < p.t; ++key) {
        if (!row.Visible(key)) {
          continue;
        }
        const double weight = std::exp(row.Score(key) - top) / total;
        for (int64_t c = 0; c < p.e; ++c) {
          const int64_t at = to + c * p.out.stride(3);
          Write(p.out, at, Read(p.out, at) + weight * Read(p.v, row.Of(p.v, row.KeyHead(), key) + c * p.v.stride(3)));
        }
      }
    }
  });
}

}  // namespace sluice::kernels
