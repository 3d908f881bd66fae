// Reads one feed-forward expert off a graph: down(act(gate x) · up x), by index arithmetic.
//
//   Expr o = elements.index("o", width);
//   auto expert = matchExpert(elements, {result, {row, o}}, o, why);
//   expert->gate.weight      // element (f, k) of this expert's matrix, or (expert, f, k) of a stack of them
//
// Products are nn.linear, or nn.matmul with matrices gathered from a stack; packed, transposed or interleaved matrices
// are followed up to the weight that holds them.
#ifndef SLUICE_PASSES_RAISE_MOEEXPERT_H_
#define SLUICE_PASSES_RAISE_MOEEXPERT_H_

#include "passes/raise/ElementExpr.h"

namespace mlir::sluice::raise {

// Element `at` of `value`.
struct Place {
  Value value;
  Indices at;
  bool operator==(const Place&) const = default;
};

// Where views find that element in the end; casts between float types count as views when `casts`.
Place sourceOf(ElementExpr& elements, Place place, bool casts);

// A matrix of `sizes`, read at `at`.
struct Matrix {
  std::array<Poly, 2> sizes;
  std::array<Expr, 2> at;
};
// The value on the way up through views that is this matrix: the deepest of its shape, else the deepest that holds its
// elements in its order.  Null when there is none.
Value holderOf(ElementExpr& elements, Place place, const Matrix& matrix);

// An element of one product: Σ_k input · weight [+ bias].
struct ExpertProduct {
  Operation* op = nullptr;
  Place input;                // at row and k
  Place weight;               // a weight expression at n and k, and at the expert when it is a stack
  std::optional<Place> bias;  // likewise, at n
  Expr n = nullptr, k = nullptr;
};

// The product whose element (.., n) is `result`; its contraction index is called `loop`.
std::optional<ExpertProduct> matchProduct(ElementExpr& elements, Place result, Expr n, const std::string& loop);

struct Expert {
  ExpertProduct gate, down;
  std::optional<ExpertProduct> up;
  StringRef activation;  // as nn.moe spells it
};

// The expert whose result's column `o` is `result`; or why it is none.
FailureOr<Expert> matchExpert(ElementExpr& elements, const Place& result, Expr o, std::string& why);

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_MOEEXPERT_H_
