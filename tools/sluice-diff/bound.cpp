#include "tools/sluice-diff/bound.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "mlir/IR/BuiltinTypes.h"
#include "runtime/base/status.h"

namespace sluice::diff {
namespace {

constexpr double kFloatUnits = 8;         // rounding errors of a kernel, in units in the last place
constexpr double kFloat32Bound = 1e-4;    // f32 sums are long, and exp, tanh, erf are polynomials: hundreds of units
constexpr double kQuantizedBound = 5e-2;  // of the largest element: codes that become the next one add up
constexpr double kHuge = 1e30;            // what stands for minus infinity in masks is no typical element

std::string Text(const RefTensor& t) {
  std::string text = "[";
  for (const int64_t size : t.sizes) {
    absl::StrAppend(&text, text.size() == 1 ? "" : ", ", size);
  }
  return text + "]";
}

// The median of the magnitudes that are neither 0 nor huge.
double Typical(const std::vector<double>& values) {
  std::vector<double> magnitudes;
  for (const double x : values) {
    if (x != 0 && std::fabs(x) < kHuge) {
      magnitudes.push_back(std::fabs(x));
    }
  }
  if (magnitudes.empty()) {
    return 0;
  }
  const auto middle = magnitudes.begin() + static_cast<std::ptrdiff_t>(magnitudes.size() / 2);
  std::nth_element(magnitudes.begin(), middle, magnitudes.end());
  return *middle;
}

double Largest(const std::vector<double>& values) {
  double largest = 0;
  for (const double x : values) {
    largest = std::isfinite(x) ? std::max(largest, std::fabs(x)) : largest;
  }
  return largest;
}

double Epsilon(mlir::FloatType type) { return std::ldexp(1.0, 1 - static_cast<int>(type.getFPMantissaWidth())); }

Deviation MeasureFloats(const RefTensor& got, const RefTensor& want, double rtol, double atol) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Deviation d;
  for (size_t n = 0; n < want.f.size(); ++n) {
    const double a = got.f[n];
    const double b = want.f[n];
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      continue;
    }
    const bool numbers = std::isfinite(a) && std::isfinite(b);
    const double error = numbers ? std::fabs(a - b) : kInfinity;
    const double bound = numbers ? atol + rtol * std::fabs(b) : 0;
    d.max_abs = std::max(d.max_abs, error);
    d.max_rel = std::max(d.max_rel, b == 0 ? 0 : error / std::fabs(b));
    d.times_bound = std::max(d.times_bound, bound > 0 ? error / bound : kInfinity);
  }
  return d;
}

// Whole models of floats are held to what their data sets are, 1e-4, which logits of tens take at their own scale.
double FloatOutputBound(const RefTensor& want) { return 1e-4 * std::max(1.0, Largest(want.f)); }

// Of floats; infinite where one is no number and the other is one.
double LargestDifference(const RefTensor& a, const RefTensor& b) { return MeasureFloats(a, b, 0, 0).max_abs; }

Deviation MeasureIntegers(const RefTensor& got, const RefTensor& want, double slack) {
  Deviation d;
  for (size_t n = 0; n < want.i.size(); ++n) {
    const double error = std::fabs(static_cast<double>(got.i[n]) - static_cast<double>(want.i[n]));
    if (error == 0) {
      continue;
    }
    d.max_abs = std::max(d.max_abs, error);
    d.max_rel = std::max(d.max_rel, want.i[n] == 0 ? 0 : error / std::fabs(static_cast<double>(want.i[n])));
    d.times_bound = std::max(d.times_bound, error / std::max(slack, 0.5));
  }
  return d;
}

// The steps that codes of quantized numbers may be off by.
double Slack(mlir::Type element) {
  const unsigned width = element.getIntOrFloatBitWidth();
  return width == 8 || width == 4 ? 1 : 0;
}

Deviation Compare(const RefTensor& got, const RefTensor& want, double rtol, double atol) {
  if (got.sizes != want.sizes) {
    return {.why = "is " + Text(got) + ", the reference's is " + Text(want)};
  }
  return want.isFloat() ? MeasureFloats(got, want, rtol, atol) : MeasureIntegers(got, want, Slack(want.element));
}

}  // namespace

Deviation Measure(const RefTensor& got, const RefTensor& want, const GivenBound& given) {
  double rtol = 0, atol = 0;
  if (auto type = mlir::dyn_cast<mlir::FloatType>(want.element)) {
    rtol = std::max(kFloat32Bound, kFloatUnits * Epsilon(type));
    atol = rtol * Typical(want.f) + std::numeric_limits<float>::min();
  }
  return Compare(got, want, given.rtol.value_or(rtol), given.atol.value_or(atol));
}

Deviation MeasureOutput(const RefTensor& got, const RefTensor& want, Precision precision, const GivenBound& given) {
  const double rtol = precision == Precision::kFloat ? 1e-3 : precision == Precision::kHalf ? 1e-2 : kQuantizedBound;
  const double atol = precision == Precision::kFloat ? FloatOutputBound(want) : rtol * Largest(want.f);
  return Compare(got, want, given.rtol.value_or(rtol), given.atol.value_or(atol));
}

double RoundingTolerance(const RefTensor& rounded, const RefTensor& exact, const RefTensor& expected,
                         Precision precision) {
  constexpr double kDraws = 2;
  const double least =
      precision == Precision::kQuantized ? kQuantizedBound * Largest(exact.f) : FloatOutputBound(exact);
  return std::max(kDraws * LargestDifference(rounded, exact), least) + LargestDifference(expected, exact);
}

}  // namespace sluice::diff
