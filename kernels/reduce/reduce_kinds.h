// The kinds of reduction: what is done to each element, how two partial results join, what is done at the end.
//
// A reduction is a Fold (sum of x, |x|, x^2 or e^(x - shift); largest; smallest; product) and a Finish (mean, square
// root, logarithm).  Partial results have two types: Lane, in which short runs (up to kRun elements) are folded, and
// Wide, in which runs are joined: f32 and f64 for sums of f32, so that the error does not grow with the length.
#ifndef SLUICE_KERNELS_REDUCE_REDUCE_KINDS_H_
#define SLUICE_KERNELS_REDUCE_REDUCE_KINDS_H_

#include <cmath>
#include <limits>

#include "kernels/common/element.h"

namespace sluice::kernels {

enum class Fold { kSum, kAbs, kSquare, kExp, kMax, kMin, kProd };
enum class Finish { kNone, kMean, kSqrt, kLog, kLogAddShift };

struct ReduceKind {
  const char* name;
  Fold fold;
  Finish finish;
};

inline constexpr ReduceKind kReduceKinds[] = {
    {"sum", Fold::kSum, Finish::kNone},    {"mean", Fold::kSum, Finish::kMean},
    {"max", Fold::kMax, Finish::kNone},    {"min", Fold::kMin, Finish::kNone},
    {"prod", Fold::kProd, Finish::kNone},  {"l1", Fold::kAbs, Finish::kNone},
    {"l2", Fold::kSquare, Finish::kSqrt},  {"sum_square", Fold::kSquare, Finish::kNone},
    {"log_sum", Fold::kSum, Finish::kLog}, {"log_sum_exp", Fold::kExp, Finish::kLogAddShift},
};

template <Fold kFold, typename T>
struct Folding {
  static constexpr bool kExtreme = kFold == Fold::kMax || kFold == Fold::kMin;
  using Wide = std::conditional_t<
      kExtreme, Math<T>,
      std::conditional_t<kIsFloat<T>, double, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>>;
  // A product over- or underflows where a sum does not: it is folded in the wide type from the start.
  using Lane = std::conditional_t<kFold == Fold::kProd || !kIsFloat<T>, Wide, Math<T>>;

  static constexpr Wide Init() {
    using Limits = std::numeric_limits<Wide>;
    if constexpr (kFold == Fold::kMax) {
      return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    } else if constexpr (kFold == Fold::kMin) {
      return Limits::has_infinity ? Limits::infinity() : Limits::max();
    } else {
      return kFold == Fold::kProd ? 1 : 0;
    }
  }

  SLUICE_INLINE static Lane Map(T v, Math<T> shift) {
    const Lane x = static_cast<Lane>(ToMath(v));
    if constexpr (kFold == Fold::kAbs) {
      return x < 0 ? -x : x;
    } else if constexpr (kFold == Fold::kSquare) {
      return x * x;
    } else if constexpr (kFold == Fold::kExp) {
      return std::exp(x - static_cast<Lane>(shift));
    } else {
      return x;
    }
  }

  // A NaN on either side stays.
  template <typename A>
  SLUICE_INLINE static A Join(A a, A b) {
    if constexpr (kFold == Fold::kMax) {
      return a > b || a != a ? a : b;
    } else if constexpr (kFold == Fold::kMin) {
      return a < b || a != a ? a : b;
    } else if constexpr (kFold == Fold::kProd) {
      return a * b;
    } else {
      return a + b;
    }
  }

  SLUICE_INLINE static T Finished(Wide v, Finish finish, int64_t count, Math<T> shift) {
    switch (finish) {
      case Finish::kNone:
        return FromMath<T>(v);
      case Finish::kMean:
        if constexpr (!kIsFloat<T>) {
          return count == 0 ? T{0} : FromMath<T>(v / static_cast<Wide>(count));
        } else {
          return FromMath<T>(v / static_cast<Wide>(count));
        }
      case Finish::kSqrt:
        return FromMath<T>(std::sqrt(static_cast<double>(v)));
      case Finish::kLog:
        return FromMath<T>(std::log(static_cast<double>(v)));
      case Finish::kLogAddShift:
        return FromMath<T>(std::log(static_cast<double>(v)) + static_cast<double>(shift));
    }
    return T{};
  }
};

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_REDUCE_REDUCE_KINDS_H_
