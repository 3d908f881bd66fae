// The operands of nn.moe by name, and its activations.
#ifndef SLUICE_KERNELS_MOE_MOE_PROBLEM_H_
#define SLUICE_KERNELS_MOE_MOE_PROBLEM_H_

#include <cmath>

#include "kernels/common/launch.h"

namespace sluice::kernels {

enum class MoeActivation { kSilu, kGelu, kGeluTanh, kRelu };

struct MoeProblem {
  const Tensor& x;                                // [t, d]
  const Tensor& indices;                          // [t, p]
  const Tensor& weights;                          // [t, p]
  const Tensor& gate;                             // [e, f, d]
  const Tensor& down;                             // [e, d, f]
  const Tensor* up;                               // [e, f, d] or null
  const Tensor *gate_bias, *up_bias, *down_bias;  // [e, f], [e, f], [e, d] or null
  int64_t t, p, d, e, f;

  explicit MoeProblem(std::span<const Tensor> ins)
      : x(ins[0]),
        indices(ins[1]),
        weights(ins[2]),
        gate(ins[3]),
        down(ins[4]),
        up(Optional(ins, 5)),
        gate_bias(Optional(ins, 6)),
        up_bias(Optional(ins, 7)),
        down_bias(Optional(ins, 8)),
        t(x.sizes[0]),
        p(indices.sizes[1]),
        d(x.sizes[1]),
        e(gate.sizes[0]),
        f(gate.sizes[1]) {}

  int64_t Expert(int64_t token, int64_t choice) const {
    const int64_t at = token * p + choice;
    return indices.dtype == DType::kI32 ? indices.as<const int32_t>()[at] : indices.as<const int64_t>()[at];
  }
};

template <typename M>
M Activate(M v, MoeActivation activation) {
  switch (activation) {
    case MoeActivation::kSilu:
      return v / (1 + std::exp(-v));
    case MoeActivation::kGelu:
      return v / 2 * (1 + std::erf(v * static_cast<M>(0.70710678118654752)));
    case MoeActivation::kGeluTanh:
      return v / 2 * (1 + std::tanh(static_cast<M>(0.79788456080286536) * (v + static_cast<M>(0.044715) * v * v * v)));
    case MoeActivation::kRelu:
      return v > 0 ? v : 0;
  }
  return v;
}

// f64, token by token: for checking, not for speed.  `hidden`: f doubles a thread.
void MoePlain(const MoeProblem& problem, MoeActivation activation, double* hidden, double* out, ThreadPool* pool);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_MOE_MOE_PROBLEM_H_
