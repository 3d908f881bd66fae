// How far a value may be from the reference's.
//
// A launch is judged alone, on inputs that are the reference's bit for bit, so what it may be off by is the rounding of
// its own arithmetic: some units of its element type, of the element and of a typical element of its tensor (a sum that
// cancels keeps the error of its terms).  Integers are exact; 8- and 4-bit ones, codes of quantized numbers, may be one
// step off.
#ifndef SLUICE_TOOLS_SLUICE_DIFF_BOUND_H_
#define SLUICE_TOOLS_SLUICE_DIFF_BOUND_H_

#include <optional>
#include <string>

#include "compiler/reference/Tensor.h"

namespace sluice::diff {

using mlir::sluice::reference::RefTensor;

// Given by the user: |got − want| ≤ atol + rtol·|want| for every float element.
struct GivenBound {
  std::optional<double> rtol, atol;
};

struct Deviation {
  double max_abs = 0;
  double max_rel = 0;
  double times_bound = 0;  // the largest error in units of its bound: wrong above 1
  std::string why;         // of a difference that is no number: sizes
  bool ok() const { return times_bound <= 1 && why.empty(); }
};

// One value of one launch.
Deviation Measure(const RefTensor& got, const RefTensor& want, const GivenBound& given);

// How far outputs may be off at the end of a run, where errors have added up.
enum class Precision {
  kFloat,      // 1e-3, and 1e-4 absolute or of the largest element
  kHalf,       // half precision or quantized weights on the way: 1e-2, and 1e-2 of the largest element
  kQuantized,  // activations are quantized on the way, a step more or less each: 5e-2 likewise
};
Deviation MeasureOutput(const RefTensor& got, const RefTensor& want, Precision precision, const GivenBound& given);

// How far an output that was computed in narrow types may be from `expected`, which was not computed here:
//   2 × the largest |rounded − exact|, or what an output of f32 may be off where that is more, + |expected − exact|
// `exact` is the reference's in f64, `rounded` the reference's with each value rounded to the type that it is stored
// in. A target that stores the same values but sums in another order rounds some of them to the other side: its error
// is another draw of the same noise, and the largest of many draws varies by tens of percent.
// Where the graph itself quantizes activations (kQuantized) a value beside a tie may become the next code, which is no
// matter of the target's types: its outputs may be off by what MeasureOutput says.
double RoundingTolerance(const RefTensor& rounded, const RefTensor& exact, const RefTensor& expected,
                         Precision precision);

}  // namespace sluice::diff

#endif  // SLUICE_TOOLS_SLUICE_DIFF_BOUND_H_
