// Known contents of small tensors, element by element: the arithmetic behind "shape arithmetic is gone".
//
// An integer or bool element is a size expression (bools are 0 and 1).  A float element is a number, or a ratio of a
// size expression and a number (Cast(Shape) * 0.5), which Floor, Ceil and Cast bring back to a size.
#ifndef SLUICE_COMPILER_ONNX_SCALAR_H_
#define SLUICE_COMPILER_ONNX_SCALAR_H_

#include <optional>

#include "compiler/onnx/Facts.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

namespace mlir::onnx_import {

enum class Unary {
  Neg,
  Abs,
  Sqrt,
  Rsqrt,
  Exp,
  Log,
  Floor,
  Ceil,
  Round,
  Erf,
  Tanh,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Asinh,
  Acosh,
  Atanh,
  Not
};
enum class Binary { Add, Sub, Mul, Div, Mod, Fmod, Pow, Min, Max, And, Or, Xor, Equal, Less, LessOrEqual };

inline bool isComparison(Binary op) { return op == Binary::Equal || op == Binary::Less || op == Binary::LessOrEqual; }

struct Scalar {
  bool real = false;  // a float that is a number
  double number = 0;  // when real
  SizeExpr size;      // otherwise: size / divisor
  int64_t divisor = 1;

  static Scalar ofNumber(double value) { return {.real = true, .number = value}; }
  static Scalar ofSize(SizeExpr value) { return {.size = std::move(value)}; }
  std::optional<double> constant() const;  // the number it is, if it is one
  bool operator==(const Scalar& other) const;
};

// `value` as the element type holds it: rounded, wrapped.
double roundTo(Type element, double value);

// Nothing when the result has no such form, or depends on sizes that are known only at run time.
std::optional<Scalar> foldUnary(Unary op, const Scalar& x, Type element);
std::optional<Scalar> foldBinary(Binary op, const Scalar& a, const Scalar& b, Type element, const Facts& facts);
std::optional<Scalar> foldCast(const Scalar& x, Type from, Type to, const Facts& facts);

// Between elements of attributes and scalars (constants only).
std::vector<Scalar> scalarsOf(DenseElementsAttr elements);
DenseElementsAttr elementsOf(ArrayRef<Scalar> scalars, RankedTensorType type);

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_SCALAR_H_
