// Contractions of the types that have no micro-kernel (f64 and integers), by plain loops with threads over rows.
// Sums run over k upwards in Acc; integers wrap.
#ifndef SLUICE_KERNELS_GEMM_GEMM_PLAIN_H_
#define SLUICE_KERNELS_GEMM_GEMM_PLAIN_H_

#include <algorithm>
#include <type_traits>

#include "kernels/gemm/gemm_driver.h"

namespace sluice::kernels {

// Integers add and multiply as unsigned, so that overflow wraps instead of being undefined.
template <typename T>
using Wrapping = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;

template <typename A, typename B, typename Out>
void GemmPlain(const GemmProblem& p, ThreadPool* pool) {
  using Acc = Wrapping<Out>;
  const int64_t work = std::max<int64_t>(1, p.n * p.k);
  pool->ParallelFor(p.batch * p.m, std::max<int64_t>(1, 16 * 1024 / work), [&p](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const A* x = static_cast<const A*>(p.x.data) + p.x.Offset(i / p.m) + i % p.m * p.x.row;
      const B* w = static_cast<const B*>(p.w.data) + p.w.Offset(i / p.m);
      Out* out = static_cast<Out*>(p.out) + i * p.n;
      std::fill(out, out + p.n, Out{});
      if (p.w.row == 1) {
        for (int64_t k = 0; k < p.k; ++k) {
          const Acc v = static_cast<Acc>(static_cast<Out>(x[k * p.x.col]));
          const B* row = w + k * p.w.col;
          for (int64_t j = 0; j < p.n; ++j) {
            out[j] = static_cast<Out>(static_cast<Acc>(out[j]) + v * static_cast<Acc>(static_cast<Out>(row[j])));
          }
        }
        continue;
      }
      for (int64_t j = 0; j < p.n; ++j) {
        Acc sum{};
        for (int64_t k = 0; k < p.k; ++k) {
          sum += static_cast<Acc>(static_cast<Out>(x[k * p.x.col])) *
                 static_cast<Acc>(static_cast<Out>(w[j * p.w.row + k * p.w.col]));
        }
        out[j] = static_cast<Out>(sum);
      }
    }
  });
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_GEMM_GEMM_PLAIN_H_
