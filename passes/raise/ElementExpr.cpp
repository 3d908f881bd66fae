#include "passes/raise/ElementExpr.h"

#include <cmath>

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Matchers.h"

namespace mlir::sluice::raise {

// A graph that needs more expressions than this for its masks is no mask.
static constexpr size_t kMaxNodes = 200000;

ElementExpr::ElementExpr(FunctionOpInterface func, nn::SizeAnalysis& sizes, ExprContext& context, Facts& facts)
    : func_(func), sizes_(sizes), context_(context), facts_(facts) {
  if (auto assumptions = func->getAttrOfType<ArrayAttr>(nn::kAssumeAttr)) {
    for (Attribute text : assumptions) {
      assume(cast<StringAttr>(text).getValue());
    }
  }
}

// The atom that divides every term of a polynomial.
static std::optional<unsigned> commonFactor(const Poly& p) {
  if (p.terms.empty()) {
    return std::nullopt;
  }
  for (unsigned id : p.terms.begin()->first) {
    if (llvm::all_of(p.terms, [&](const auto& term) { return llvm::is_contained(term.first, id); })) {
      return id;
    }
  }
  return std::nullopt;
}

// "a == b" replaces a lone symbol, or becomes two facts; "a >= b" is a fact; "a != 1" says nothing linear.  A product
// that is zero, "past * seq == past", has a factor that is: past = 0 or seq = 1.
void ElementExpr::assume(StringRef text) {
  for (StringRef relation : {"==", ">="}) {
    auto [left, right] = text.split(relation);
    auto a = nn::SizeExpr::Parse(left.trim().str());
    auto b = nn::SizeExpr::Parse(right.trim().str());
    if (right.empty() || !a.ok() || !b.ok()) {
      continue;
    }
    Poly p = size(*a), q = size(*b);
    for (auto [symbol, value] : {std::pair(p, q), std::pair(q, p)}) {
      auto id = symbol.asAtom();
      bool inside = llvm::any_of(value.terms, [&](const auto& t) { return id && llvm::is_contained(t.first, *id); });
      if (relation == "==" && id && !inside && context_.atom(*id).kind == Atom::kSymbol) {
        replaced_[context_.atom(*id).name] = value;
        return;
      }
    }
    if (auto factor = relation == "==" ? commonFactor(p - q) : std::nullopt) {
      Poly rest = Poly::divide(p - q, Poly::atom(*factor)).first;
      auto zero = [&](const Poly& x) { return context_.compare(Cmp::kEq, context_.number(x), context_.constant(0)); };
      facts_.assume(context_.orOf(zero(Poly::atom(*factor)), zero(rest)));
      return;
    }
    facts_.assumeNotPositive(q - p);
    if (relation == "==") {
      facts_.assumeNotPositive(p - q);
    }
    return;
  }
}

bool ElementExpr::assumeAtLeast(const nn::SizeExpr& a, const nn::SizeExpr& b) {
  if (func_.isPrivate()) {
    return false;
  }
  std::string text = a.ToString() + " >= " + b.ToString();
  SmallVector<Attribute> all;
  if (auto known = func_->getAttrOfType<ArrayAttr>(nn::kAssumeAttr)) {
    all.assign(known.begin(), known.end());
  }
  Builder builder(func_->getContext());
  all.push_back(builder.getStringAttr(text));
  func_->setAttr(nn::kAssumeAttr, builder.getArrayAttr(all));
  assume(text);
  return true;
}

Poly ElementExpr::size(const nn::SizeExpr& expr) {
  using Program = ::sluice::plan::ExprProgram;
  std::map<std::string, uint32_t> ids;
  std::vector<std::string> names;
  for (const std::string& name : expr.Symbols()) {
    ids[name] = names.size();
    names.push_back(name);
  }
  Program program;
  uint32_t slot = program.Add(expr, ids);
  std::vector<Poly> values;
  auto other = [&](const char* name, const Poly& a, const Poly& b) {
    return context_.opaque(name, {context_.number(a), context_.number(b)}, /*whole=*/true)->poly;
  };
  for (const Program::Instr& instr : program.code()) {
    auto a = [&] { return values[instr.a]; };
    auto b = [&] { return values[instr.b]; };
    switch (instr.op) {
      case Program::Op::kConst:
        values.push_back(Poly(static_cast<double>(instr.a)));
        break;
      case Program::Op::kSymbol: {
        auto it = replaced_.find(names[instr.a]);
        values.push_back(it != replaced_.end() ? it->second : context_.symbol(names[instr.a])->poly);
        break;
      }
      case Program::Op::kAdd:
        values.push_back(a() + b());
        break;
      case Program::Op::kSub:
        values.push_back(a() - b());
        break;
      case Program::Op::kMul:
        values.push_back(a() * b());
        break;
      case Program::Op::kFloorDiv:
        values.push_back(b().constant().value_or(0) > 0 ? context_.floorDiv(a(), b())->poly : other("//", a(), b()));
        break;
      case Program::Op::kCeilDiv:
        values.push_back(b().constant().value_or(0) > 0 ? context_.floorDiv(a() + b() - Poly(1), b())->poly
                                                        : other("ceildiv", a(), b()));
        break;
      case Program::Op::kMod:
        values.push_back(b().constant().value_or(0) > 0 ? a() - b() * context_.floorDiv(a(), b())->poly
                                                        : other("mod", a(), b()));
        break;
      case Program::Op::kMin:
        values.push_back(other("min", a(), b()));
        break;
      case Program::Op::kMax:
        values.push_back(other("max", a(), b()));
        break;
    }
  }
  return values[slot];
}

Expr ElementExpr::element(Value value, Indices indices) {
  if (auto type = dyn_cast<RankedTensorType>(value.getType())) {
    for (auto [d, extent] : llvm::enumerate(type.getShape())) {
      indices[d] = extent == 1 ? context_.constant(0) : indices[d];
    }
  }
  auto key = std::pair(value.getAsOpaquePointer(), indices);
  if (auto it = memo_.find(key); it != memo_.end()) {
    return it->second;
  }
  Expr result = nullptr;
  for (size_t d = 0; d < indices.size() && !result; ++d) {
    if (indices[d]->kind == Node::kSelect) {  // an index that is a decision: decide between two elements
      Indices then = indices, otherwise = indices;
      then[d] = indices[d]->args[1];
      otherwise[d] = indices[d]->args[2];
      Expr a = element(value, then), b = element(value, otherwise);
      bool numbers = a->kind == Node::kNumber || a->kind == Node::kSelect;
      result = numbers ? context_.select(indices[d]->args[0], a, b) : context_.choice(indices[d]->args[0], a, b);
    }
  }
  if (!result) {
    result = context_.size() > kMaxNodes ? unknown(value, indices) : compute(value, indices);
  }
  memo_[key] = result;
  return result;
}

// How many positions there are to choose from, for ops whose elements are positions.
std::optional<Poly> ElementExpr::positions(Value value, const Indices& indices) {
  using Result = std::optional<Poly>;
  Operation* op = value.getDefiningOp();
  if (!op) {
    return std::nullopt;
  }
  return TypeSwitch<Operation*, Result>(op)
      .Case([&](nn::NonzeroOp nonzero) -> Result {
        auto dim = indices[0]->kind == Node::kNumber ? indices[0]->poly.constant() : std::nullopt;
        return dim ? Result(size(nonzero.getX(), static_cast<unsigned>(*dim))) : std::nullopt;
      })
      .Case([&](nn::TopKOp top) {
        return value == top.getIndices() ? Result(size(top.getX(), top.getAxis())) : std::nullopt;
      })
      .Case([&](nn::ArgReduceOp arg) { return Result(size(arg.getX(), arg.getAxis())); })
      .Default([](Operation*) -> Result { return std::nullopt; });
}

Expr ElementExpr::unknown(Value value, const Indices& indices) {
  Type type = getElementTypeOrSelf(value.getType());
  return type.isInteger(1) ? context_.fact(value, indices)
                           : context_.element(value, indices, type.isIntOrIndex(), positions(value, indices));
}

std::optional<Expr> ElementExpr::constant(DenseElementsAttr data, const Indices& indices) {
  auto number = [&](auto element) -> Expr {
    if constexpr (std::is_same_v<decltype(element), APFloat>) {
      bool lossy;
      element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      return context_.constant(element.convertToDouble());
    } else {
      bool isBool = data.getElementType().isInteger(1);
      bool isUnsigned = data.getElementType().isUnsignedInteger();
      double x = isUnsigned ? static_cast<double>(element.getZExtValue()) : static_cast<double>(element.getSExtValue());
      return isBool ? context_.boolean(!element.isZero()) : context_.constant(x);
    }
  };
  int64_t flat = 0;
  auto shape = cast<RankedTensorType>(data.getType()).getShape();
  for (auto [d, index] : llvm::enumerate(indices)) {
    auto at = index->poly.constant();
    if (!at && !data.isSplat()) {
      return std::nullopt;
    }
    flat = flat * shape[d] + static_cast<int64_t>(at.value_or(0));
  }
  if (!data.isSplat() && (flat < 0 || flat >= data.getNumElements())) {
    return std::nullopt;
  }
  flat = data.isSplat() ? 0 : flat;
  if (isa<FloatType>(data.getElementType())) {
    return data.isSplat() ? number(data.getSplatValue<APFloat>()) : number(*(data.value_begin<APFloat>() + flat));
  }
  if (isa<IntegerType>(data.getElementType())) {
    return data.isSplat() ? number(data.getSplatValue<APInt>()) : number(*(data.value_begin<APInt>() + flat));
  }
  return std::nullopt;
}

Expr ElementExpr::compute(Value value, const Indices& indices) {
  Operation* op = value.getDefiningOp();
  if (!op) {
    return unknown(value, indices);
  }
  if (auto view = throughView(value, indices)) {
    return element(view->first, view->second);
  }
  std::optional<Expr> result;
  DenseElementsAttr data;
  if (matchPattern(value, m_Constant(&data))) {
    result = constant(data, indices);
  } else if (auto iota = dyn_cast<nn::IotaOp>(op)) {
    return indices[0];
  } else if (auto sizes = dyn_cast<nn::SizesOp>(op)) {
    auto at = indices.empty() ? std::optional<double>(0) : indices[0]->poly.constant();
    if (at) {
      auto text = cast<StringAttr>(sizes.getExprs()[static_cast<size_t>(*at)]).getValue();
      return context_.number(size(nn::SizeExpr::Parse(text.str()).value()));
    }
  } else if (auto fill = dyn_cast<linalg::FillOp>(op)) {
    return element(fill.getInputs()[0], {});
  } else if (auto splat = dyn_cast<tensor::SplatOp>(op)) {
    return element(splat.getInput(), {});
  } else if (auto concatOp = dyn_cast<tensor::ConcatOp>(op)) {
    result = concat(concatOp, indices);
  } else if (auto scatterOp = dyn_cast<nn::ScatterNdOp>(op)) {
    result = scatter(scatterOp, indices);
  } else if (auto scalar = dyn_cast<arith::ConstantOp>(op)) {
    if (auto number = dyn_cast<FloatAttr>(scalar.getValue())) {
      return context_.constant(number.getValueAsDouble());
    }
    if (auto number = dyn_cast<IntegerAttr>(scalar.getValue())) {
      return number.getType().isInteger(1) ? context_.boolean(number.getInt() != 0)
                                           : context_.constant(static_cast<double>(number.getInt()));
    }
  } else if (auto sizeOp = dyn_cast<nn::SizeOp>(op)) {
    return context_.number(size(nn::SizeExpr::Parse(sizeOp.getExpr().str()).value()));
  } else if (op->hasTrait<OpTrait::Elementwise>()) {
    result = elementwise(op, indices);
  }
  return result ? *result : unknown(value, indices);
}

std::optional<Expr> ElementExpr::concat(tensor::ConcatOp op, const Indices& indices) {
  int64_t dim = op.getDim();
  // From the last piece: select(i < end of piece, piece[i - begin], the ones after).
  std::vector<Poly> begins = {Poly()};
  for (Value input : op.getInputs()) {
    begins.push_back(begins.back() + size(input, dim));
  }
  Expr result = nullptr;
  for (int piece = static_cast<int>(op.getInputs().size()) - 1; piece >= 0; --piece) {
    Expr inside = context_.compare(Cmp::kLt, indices[dim], context_.number(begins[piece + 1]));
    if (result && facts_.valid(context_.notOf(inside))) {
      continue;
    }
    Indices at = indices;
    at[dim] = context_.sub(indices[dim], context_.number(begins[piece]));
    Expr here = element(op.getInputs()[piece], at);
    bool always = !result || facts_.valid(inside);
    bool numbers = here->kind == Node::kNumber || here->kind == Node::kSelect;
    result = always ? here : numbers ? context_.select(inside, here, result) : context_.choice(inside, here, result);
  }
  return result;
}

// Index tuples that are the position itself, plus a constant a dimension: a block of the result is the update.
std::optional<Expr> ElementExpr::scatter(nn::ScatterNdOp op, const Indices& indices) {
  if (op.getReduction() != "none") {
    return std::nullopt;
  }
  size_t lead = cast<RankedTensorType>(op.getIndices().getType()).getRank() - 1;
  auto tuple = size(op.getIndices(), lead).constant();
  if (!tuple) {
    return std::nullopt;
  }
  Indices position;
  for (size_t d = 0; d < lead; ++d) {
    position.push_back(context_.index("update." + std::to_string(d), size(op.getIndices(), d)));
  }
  auto onlySymbols = [&](const Poly& poly) {
    return llvm::none_of(poly.terms, [&](const auto& term) {
      return llvm::any_of(term.first, [&](unsigned id) { return context_.atom(id).kind != Atom::kSymbol; });
    });
  };
  // Position p[d] of the update goes to coordinate c with p[d] = indices[c] - shift; unused positions have one value.
  Indices source(lead, nullptr);
  Expr inside = context_.boolean(true);
  for (size_t c = 0; c < static_cast<size_t>(*tuple); ++c) {
    Indices at = position;
    at.push_back(context_.constant(static_cast<double>(c)));
    Expr coordinate = element(op.getIndices(), at);
    if (coordinate->kind != Node::kNumber) {
      return std::nullopt;
    }
    bool placed = false;
    for (size_t d = 0; d < lead && !placed; ++d) {
      Poly shift = coordinate->poly - position[d]->poly;
      if (onlySymbols(shift) && !source[d]) {
        source[d] = context_.sub(indices[c], context_.number(shift));
        inside = context_.andOf(inside, context_.compare(Cmp::kGe, source[d], context_.constant(0)));
        inside =
            context_.andOf(inside, context_.compare(Cmp::kLt, source[d], context_.number(size(op.getIndices(), d))));
        placed = true;
      }
    }
    if (!placed) {
      // A fixed coordinate (a dimension of size 1): inside when the index is it.
      if (!onlySymbols(coordinate->poly)) {
        return std::nullopt;
      }
      inside = context_.andOf(inside, context_.compare(Cmp::kEq, indices[c], coordinate));
    }
  }
  for (size_t d = 0; d < lead; ++d) {
    if (!source[d]) {
      if (size(op.getIndices(), d).constant() != 1) {
        return std::nullopt;
      }
      source[d] = context_.constant(0);
    }
  }
  source.insert(source.end(), indices.begin() + static_cast<size_t>(*tuple), indices.end());
  if (facts_.valid(inside)) {
    return element(op.getUpdates(), source);
  }
  Expr update = element(op.getUpdates(), source), data = element(op.getData(), indices);
  bool numbers = data->kind == Node::kNumber || data->kind == Node::kSelect;
  return numbers ? context_.select(inside, update, data) : context_.choice(inside, update, data);
}

}  // namespace mlir::sluice::raise
