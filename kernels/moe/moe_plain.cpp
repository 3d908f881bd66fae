#include "kernels/moe/moe_problem.h"

namespace sluice::kernels {
namespace {

// Row `row` of a stack of matrices [e, n, k], counted over all experts, times x; plus its bias.
double Product(const Tensor& w, const Tensor* bias, int64_t row, const double* x, int64_t k) {
  double sum = bias == nullptr ? 0 : bias->as<const double>()[row];
  for (int64_t i = 0; i < k; ++i) {
    sum += w.as<const double>()[row * k + i] * x[i];
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
        for (int64_t i = expert * m.f; i < (expert + 1) * m.f; ++i) {
          const double up = m.up == nullptr ? 1 : Product(*m.up, m.up_bias, i, x, m.d);
          h[i - expert * m.f] = Activate(Product(m.gate, m.gate_bias, i, x, m.d), activation) * up;
        }
        for (int64_t i = 0; i < m.d; ++i) {
          out[token * m.d + i] += weight * Product(m.down, m.down_bias, expert * m.d + i, h, m.f);
        }
      }
    }
  });
}

}  // namespace sluice::kernels
