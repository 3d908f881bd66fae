#include "kernels/moe/moe_problem.h"

namespace sluice::kernels {
namespace {

double Dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

}  // namespace

void MoePlain(const MoeProblem& m, MoeActivation activation, double* hidden, double* out, ThreadPool* pool) {
  pool->ParallelForWithThread(m.t, Grain(3 * m.p * m.f * m.d), [&](int64_t begin, int64_t end, int thread) {
    double* h = hidden + thread * m.f;
    for (int64_t token = begin; token < end; ++token) {
      const double* x = m.x.as<const double>() + token * m.d;
      std::fill_n(out + token * m.d, m.d, 0.0);
      for (int64_t choice = 0; choice < m.p; ++choice) {
        const int64_t expert = m.Expert(token, choice);
        const double weight = m.weights.as<const double>()[token * m.p + choice];
        for (int64_t i = 0; i < m.f; ++i) {
          const int64_t row = (expert * m.f + i) * m.d;
          h[i] = Activate(Dot(m.gate.as<const double>() + row, x, m.d), activation);
          h[i] *= m.up == nullptr ? 1 : Dot(m.up->as<const double>() + row, x, m.d);
        }
        for (int64_t i = 0; i < m.d; ++i) {
          out[token * m.d + i] += weight * Dot(m.down.as<const double>() + (expert * m.d + i) * m.f, h, m.f);
        }
      }
    }
  });
}

}  // namespace sluice::kernels
