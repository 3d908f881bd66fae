// The activations of the recurrent cells, on arrays: in place, vectorised for each CPU level.
#ifndef SLUICE_KERNELS_RNN_ACTIVATIONS_H_
#define SLUICE_KERNELS_RNN_ACTIVATIONS_H_

#include "kernels/common/levels.h"
#include "kernels/common/vec.h"

namespace sluice::kernels {

template <typename M>
struct SigmoidArray {
  SLUICE_INLINE static void Run(M* x, int64_t n) {
    Vec<M> v;
    for (int64_t i = 0; i < n; i += kLanes<M>) {
      LoadUpTo(x + i, n - i, v);
      Sigmoid(v);
      StoreUpTo(x + i, n - i, v);
    }
  }
};

template <typename M>
struct TanhArray {
  SLUICE_INLINE static void Run(M* x, int64_t n) {
    Vec<M> v;
    for (int64_t i = 0; i < n; i += kLanes<M>) {
      LoadUpTo(x + i, n - i, v);
      Tanh(v);
      StoreUpTo(x + i, n - i, v);
    }
  }
};

template <typename M>
void Clip(M* x, int64_t n, double clip) {
  const M limit = static_cast<M>(clip);
  for (int64_t i = 0; i < n && clip > 0; ++i) {
    x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
  }
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_RNN_ACTIVATIONS_H_
