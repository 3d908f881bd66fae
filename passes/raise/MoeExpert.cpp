#include "passes/raise/MoeExpert.h"

#include <cmath>

#include "dialects/nn/WeightExpr.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "passes/raise/Match.h"

namespace mlir::sluice::raise {

Place sourceOf(ElementExpr& elements, Place place, bool casts) {
  while (true) {
    if (auto view = elements.throughView(place.value, place.at)) {
      place = {view->first, view->second};
    } else if (casts && isa_and_nonnull<arith::ExtFOp, arith::TruncFOp>(place.value.getDefiningOp())) {
      place.value = place.value.getDefiningOp()->getOperand(0);
    } else {
      return place;
    }
  }
}

Value holderOf(ElementExpr& elements, Place place, const Matrix& matrix) {
  Poly flat = matrix.at[0]->poly * matrix.sizes[1] + matrix.at[1]->poly;
  Value holder;
  bool exact = false;
  while (true) {
    Poly number, count(1);
    for (auto [d, index] : llvm::enumerate(place.at)) {
      number = number * elements.size(place.value, d) + index->poly;
      count = count * elements.size(place.value, d);
    }
    if (number == flat && count == matrix.sizes[0] * matrix.sizes[1]) {
      bool same = place.at.size() == 2 && elements.size(place.value, 0) == matrix.sizes[0];
      holder = same || !exact ? place.value : holder;
      exact |= same;
    }
    auto view = elements.throughView(place.value, place.at);
    if (!view) {
      return holder;
    }
    place = {view->first, view->second};
  }
}

namespace {

//--- Products.

// The first weight expression on the way up through views.
std::optional<Place> weightOf(ElementExpr& elements, Place place) {
  while (!nn::isWeightExpr(place.value)) {
    auto view = elements.throughView(place.value, place.at);
    if (!view) {
      return std::nullopt;
    }
    place = {view->first, view->second};
  }
  return place;
}

}  // namespace

std::optional<ExpertProduct> matchProduct(ElementExpr& elements, Place result, Expr n, const std::string& loop) {
  ExpertProduct product{.n = n};
  result = sourceOf(elements, std::move(result), /*casts=*/true);
  if (auto add = result.value.getDefiningOp<arith::AddFOp>()) {
    for (auto [sum, bias] : {std::pair(add.getLhs(), add.getRhs()), std::pair(add.getRhs(), add.getLhs())}) {
      if (!product.bias && (product.bias = weightOf(elements, {bias, result.at}))) {
        result = sourceOf(elements, {sum, result.at}, /*casts=*/true);
      }
    }
  }
  auto lastSize = [&](Value v) { return elements.size(v, cast<RankedTensorType>(v.getType()).getRank() - 1); };
  Indices lead = result.at;
  if (auto linear = result.value.getDefiningOp<nn::LinearOp>()) {
    product.op = linear;
    product.k = elements.index(loop, lastSize(linear.getX()));
    Expr column = lead.back();
    lead.back() = product.k;
    auto weight = weightOf(elements, {linear.getW(), {column, product.k}});
    product.input = {linear.getX(), lead};
    product.weight = weight.value_or(Place());
  } else if (auto matmul = result.value.getDefiningOp<nn::MatmulOp>()) {
    product.op = matmul;
    product.k = elements.index(loop, lastSize(matmul.getA()));
    Indices a = lead, b = lead;
    a.back() = product.k;
    b[b.size() - 2] = product.k;
    auto left = weightOf(elements, {matmul.getA(), a}), right = weightOf(elements, {matmul.getB(), b});
    product.weight = left.value_or(right.value_or(Place()));
    product.input = left ? Place{matmul.getB(), b} : Place{matmul.getA(), a};
  }
  return product.weight.value ? std::optional(product) : std::nullopt;
}

namespace {

//--- Activations.

// A factor of a product, or of what it is divided by.
struct Factor {
  Place place;
  bool inverse = false;
};

// Writes a value as number · Π factors.
void factorize(ElementExpr& elements, Place place, bool inverse, double& number, SmallVectorImpl<Factor>& factors) {
  place = sourceOf(elements, std::move(place), /*casts=*/true);
  if (auto constant = scalarConstant(place.value)) {
    number = inverse ? number / *constant : number * *constant;
  } else if (Operation* op = place.value.getDefiningOp(); isa_and_nonnull<arith::MulFOp, arith::DivFOp>(op)) {
    factorize(elements, {op->getOperand(0), place.at}, inverse, number, factors);
    factorize(elements, {op->getOperand(1), place.at}, inverse != isa<arith::DivFOp>(op), number, factors);
  } else {
    factors.push_back({std::move(place), inverse});
  }
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-5 * std::abs(b); }

// x of number · x.
std::optional<Place> multipleOf(ElementExpr& elements, const Place& place, double number) {
  double scale = 1;
  SmallVector<Factor> factors;
  factorize(elements, place, false, scale, factors);
  bool matches = factors.size() == 1 && !factors[0].inverse && near(scale, number);
  return matches ? std::optional(factors[0].place) : std::nullopt;
}

// The operand of `value` = Op(operand), seen through views.
template <typename Op>
std::optional<Place> operandOf(ElementExpr& elements, const Place& place) {
  Place source = sourceOf(elements, place, /*casts=*/true);
  auto op = source.value.getDefiningOp<Op>();
  return op ? std::optional(sourceOf(elements, {op->getOperand(0), source.at}, true)) : std::nullopt;
}

// x of x + number.
template <typename Op>
std::optional<Place> besideConstant(const Place& place, double number) {
  auto split = binaryWithConstant<Op>(place.value);
  return split && split->second == number ? std::optional(Place{split->first, place.at}) : std::nullopt;
}

// z of √(2/π) · (z + 0.044715 z³).
std::optional<Place> tanhArgument(ElementExpr& elements, const Place& place) {
  auto sum = multipleOf(elements, place, std::sqrt(2 / M_PI));
  auto add = sum ? sum->value.getDefiningOp<arith::AddFOp>() : nullptr;
  if (!add) {
    return std::nullopt;
  }
  return eitherOrder(add, [&](Value linear, Value cubic) -> std::optional<Place> {
    Place z = sourceOf(elements, {linear, sum->at}, /*casts=*/true);
    double scale = 1;
    SmallVector<Factor> factors;
    factorize(elements, {cubic, sum->at}, false, scale, factors);
    bool cube = factors.size() == 3 && llvm::all_of(factors, [&](const Factor& f) { return f.place == z; });
    return cube && near(scale, 0.044715) ? std::optional(z) : std::nullopt;
  });
}

// An activation is number · curve(z), times z unless `curve` is all of it.
struct Curve {
  StringRef activation;
  Place z;
  double number = 1;
  bool timesZ = true;
};

std::optional<Curve> curveOf(ElementExpr& elements, const Factor& factor) {
  auto one = besideConstant<arith::AddFOp>(factor.place, 1);
  if (factor.inverse) {  // 1 / (exp(-z) + 1)
    auto power = one ? operandOf<math::ExpOp>(elements, *one) : std::nullopt;
    auto z = power ? operandOf<arith::NegFOp>(elements, *power) : std::nullopt;
    return z ? std::optional(Curve{.activation = "silu", .z = *z}) : std::nullopt;
  }
  if (auto argument = one ? operandOf<math::ErfOp>(elements, *one) : std::nullopt) {
    auto z = multipleOf(elements, *argument, M_SQRT1_2);
    return z ? std::optional(Curve{.activation = "gelu", .z = *z, .number = 0.5}) : std::nullopt;
  }
  if (auto argument = one ? operandOf<math::TanhOp>(elements, *one) : std::nullopt) {
    auto z = tanhArgument(elements, *argument);
    return z ? std::optional(Curve{.activation = "gelu_tanh", .z = *z, .number = 0.5}) : std::nullopt;
  }
  if (auto z = besideConstant<arith::MaximumFOp>(factor.place, 0)) {
    return Curve{.activation = "relu", .z = sourceOf(elements, *z, true), .timesZ = false};
  }
  return std::nullopt;
}

// act(gate) [· up]
struct Hidden {
  StringRef activation;
  Place gate;
  std::optional<Place> up;
};

std::optional<Hidden> hiddenOf(ElementExpr& elements, const Place& place) {
  double number = 1;
  SmallVector<Factor> factors;
  factorize(elements, place, false, number, factors);
  for (const Factor& factor : factors) {
    std::optional<Curve> curve = curveOf(elements, factor);
    if (!curve || !near(number, curve->number)) {
      continue;
    }
    SmallVector<const Factor*> rest;
    bool wantsZ = curve->timesZ;
    for (const Factor& other : factors) {
      if (wantsZ && !other.inverse && other.place == curve->z) {
        wantsZ = false;
      } else if (&other != &factor) {
        rest.push_back(&other);
      }
    }
    if (!wantsZ && (rest.empty() || (rest.size() == 1 && !rest[0]->inverse))) {
      return Hidden{curve->activation, curve->z, rest.empty() ? std::nullopt : std::optional(rest[0]->place)};
    }
  }
  return std::nullopt;
}

}  // namespace

FailureOr<Expert> matchExpert(ElementExpr& elements, const Place& result, Expr o, std::string& why) {
  auto fail = [&](StringRef text) -> FailureOr<Expert> {
    why = text.str();
    return failure();
  };
  Expert expert;
  auto down = matchProduct(elements, result, o, "f");
  if (!down) {
    return fail("an expert's result is no product with a weight");
  }
  expert.down = *down;
  auto hidden = hiddenOf(elements, down->input);
  if (!hidden) {
    return fail("an expert's hidden layer is no act(gate) or act(gate) * up with an activation of nn.moe");
  }
  expert.activation = hidden->activation;
  auto gate = matchProduct(elements, hidden->gate, down->k, "k");
  if (!gate) {
    return fail("an expert's gate is no product with a weight");
  }
  expert.gate = *gate;
  if (hidden->up) {
    expert.up = matchProduct(elements, *hidden->up, down->k, "k");
    if (!expert.up) {
      return fail("an expert's up is no product with a weight");
    }
    auto input = [&](const ExpertProduct& p) { return sourceOf(elements, p.input, /*casts=*/false); };
    if (!(input(*expert.up) == input(*gate))) {
      return fail("gate and up of an expert read different inputs");
    }
  }
  return expert;
}

}  // namespace mlir::sluice::raise
