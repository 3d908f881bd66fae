// Is a result the expected one?  NumPy's allclose: |a − b| <= atol + rtol · |b|, b expected; infinities must be equal,
// and a NaN is right where a NaN is expected.
//
//   Difference d = Compare(result, expected, {.rtol = 1e-3, .atol = 1e-4});
//   d.ok, d.max_abs, d.max_rel
#ifndef SLUICE_TOOLS_COMMON_COMPARE_H_
#define SLUICE_TOOLS_COMMON_COMPARE_H_

#include <string>

#include "kernels/desc.h"

namespace sluice::tools {

struct Tolerance {
  double rtol = 1e-3;
  double atol = 1e-4;
};

struct Difference {
  bool ok = true;
  double max_abs = 0;  // infinity where one is NaN and the other is not
  double max_rel = 0;  // |a − b| / |b|, where b is not 0
  std::string why;     // another type or shape
};

// Both dense.
Difference Compare(const kernels::Tensor& result, const kernels::Tensor& expected, const Tolerance& tolerance);

// Element i of a dense tensor as f64.
double ElementAt(const kernels::Tensor& t, int64_t i);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_COMMON_COMPARE_H_
