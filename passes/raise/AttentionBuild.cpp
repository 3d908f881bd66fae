#include "passes/raise/AttentionBuild.h"

#include <cmath>

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::sluice::raise {

namespace {
int64_t rankOf(Value v) { return cast<RankedTensorType>(v.getType()).getRank(); }
Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
}  // namespace

std::optional<nn::SizeExpr> AttentionBuilder::sizeOf(const Poly& p) {
  nn::SizeExpr sum(0);
  for (const auto& [monomial, c] : p.terms) {
    nn::SizeExpr product(static_cast<int64_t>(c));
    for (unsigned id : monomial) {
      const Atom& atom = x_.atom(id);
      if (atom.kind == Atom::kSymbol) {
        product = product * nn::SizeExpr::Symbol(atom.name);
        continue;
      }
      bool divides = atom.kind == Atom::kFloorDiv && atom.args[0]->kind == Node::kNumber;
      auto a = divides ? sizeOf(atom.args[0]->poly) : std::nullopt;
      auto b = divides ? sizeOf(atom.args[1]->poly) : std::nullopt;
      if (!a || !b) {
        return std::nullopt;
      }
      product = product * nn::SizeExpr::FloorDiv(*a, *b);
    }
    sum = sum + product;
  }
  return sum;
}

//--- Making ops.

Value AttentionBuilder::reshape(Value value, ArrayRef<nn::SizeExpr> sizes) {
  auto type = nn::typeOf(sizes, elementOf(value));
  if (llvm::equal(elements_.sizes().of(value), sizes) && type == value.getType()) {
    return value;
  }
  return nn::ReshapeOp::create(builder_, loc_, type, value, nn::sizesAttr(builder_.getContext(), sizes)).getResult();
}

Value AttentionBuilder::transpose(Value value, ArrayRef<int64_t> permutation) {
  if (llvm::is_sorted(permutation)) {
    return value;
  }
  nn::Sizes from = elements_.sizes().of(value), to;
  for (int64_t d : permutation) {
    to.push_back(from[d]);
  }
  Value init = nn::emptyTensor(builder_, loc_, to, elementOf(value));
  return linalg::TransposeOp::create(builder_, loc_, value, init, permutation).getResult()[0];
}

// Spreads dimensions of size 1 to `sizes` (same rank).
Value AttentionBuilder::broadcast(Value value, ArrayRef<nn::SizeExpr> sizes) {
  nn::Sizes from = elements_.sizes().of(value), kept;
  SmallVector<int64_t> added;
  for (auto [d, size] : llvm::enumerate(sizes)) {
    if (from[d].Constant() == 1 && size.Constant() != 1) {
      added.push_back(d);
    } else {
      kept.push_back(from[d]);
    }
  }
  if (added.empty()) {
    return value;
  }
  Value init = nn::emptyTensor(builder_, loc_, sizes, elementOf(value));
  return linalg::BroadcastOp::create(builder_, loc_, reshape(value, kept), init, added)->getResult(0);
}

Value AttentionBuilder::splat(double number, ArrayRef<nn::SizeExpr> sizes, Type element) {
  auto type = nn::typeOf(sizes, element);
  auto scalarType = type.hasStaticShape() ? type : RankedTensorType::get({}, element);
  Attribute attr = isa<FloatType>(element) ? Attribute(FloatAttr::get(element, number))
                                           : IntegerAttr::get(element, static_cast<int64_t>(number));
  Value scalar = arith::ConstantOp::create(builder_, loc_, DenseElementsAttr::get(scalarType, attr));
  if (type.hasStaticShape()) {
    return scalar;
  }
  SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, sizes.size()));
  Value init = nn::emptyTensor(builder_, loc_, sizes, element);
  return linalg::BroadcastOp::create(builder_, loc_, scalar, init, all)->getResult(0);
}

Value AttentionBuilder::addAligned(Value a, Value b) {
  nn::Sizes x = elements_.sizes().of(a), y = elements_.sizes().of(b), both;
  for (auto [s, t] : llvm::zip_equal(x, y)) {
    both.push_back(s.Constant() == 1 ? t : s);
  }
  unsigned wide = std::max(elementOf(a).getIntOrFloatBitWidth(), elementOf(b).getIntOrFloatBitWidth());
  Type element = elementOf(a).getIntOrFloatBitWidth() == wide ? elementOf(a) : elementOf(b);
  SmallVector<Value> sides;
  for (Value side : {a, b}) {
    side = broadcast(side, both);
    bool narrow = elementOf(side) != element;
    auto type = RankedTensorType::get(cast<RankedTensorType>(side.getType()).getShape(), element);
    sides.push_back(narrow ? arith::ExtFOp::create(builder_, loc_, type, side).getResult() : side);
  }
  return arith::AddFOp::create(builder_, loc_, sides[0], sides[1]);
}

//--- Queries, keys, values.

// Which dimension of `entry` is the batch, the head, the row and the column; a permutation, or nothing.
std::optional<SmallVector<int64_t>> AttentionBuilder::placesOf(const TraceEntry& entry,
                                                               ArrayRef<std::pair<Expr, Poly>> axes, bool repeated) {
  auto place = [&](Expr index, const Poly& extent) -> int64_t {
    for (auto [axis, wanted] : llvm::enumerate(axes)) {
      if (index == wanted.first && extent == wanted.second) {
        return axis;
      }
    }
    auto groups = extent.constant(), heads = frame_.heads.constant();
    if (repeated && groups && heads && *groups > 0 && std::fmod(*heads, *groups) == 0) {
      Expr group = elements_.facts().divideFloor(frame_.h->poly, Poly(*heads / *groups)).first;
      return index == group ? 1 : -1;
    }
    return -1;
  };
  SmallVector<int64_t> from(4, -1);
  // The first free place a dimension of size 1 may have, its own before others.
  auto unitPlace = [&](int64_t d) -> int64_t {
    for (int64_t axis : {d, int64_t{0}, int64_t{1}, int64_t{2}, int64_t{3}}) {
      if (from[axis] < 0 && (axes[axis].second.constant() == 1 || (axis == 1 && repeated))) {
        return axis;
      }
    }
    return -1;
  };
  for (int64_t d = 0; d < 4; ++d) {
    Poly extent = elements_.size(entry.value, d);
    int64_t axis = extent.constant() == 1 ? unitPlace(d) : place(entry.at[d], extent);
    if (axis >= 0 && from[axis] < 0) {
      from[axis] = d;
    }
  }
  return llvm::is_contained(from, -1) ? std::nullopt : std::make_optional(from);
}

// The operand as [b, h, row, column]; its first dimensions are batch and heads, merged or not.
Value AttentionBuilder::fourDimensional(Value operand, const Indices& at, ArrayRef<std::pair<Expr, Poly>> axes) {
  size_t lead = at.size() - 2;
  Poly flat;
  for (size_t d = 0; d < lead; ++d) {
    flat = flat * elements_.size(operand, d) + at[d]->poly;
  }
  if (!elements_.facts().proveEqual(flat, frame_.b->poly * frame_.heads + frame_.h->poly)) {
    return {};
  }
  SmallVector<int64_t> permutation = llvm::to_vector(llvm::seq<int64_t>(0, at.size()));
  if (at[lead] == axes[3].first) {
    std::swap(permutation[lead], permutation[lead + 1]);
  }
  nn::Sizes sizes;
  for (const auto& [index, extent] : axes) {
    auto size = sizeOf(extent);
    if (!size) {
      return {};
    }
    sizes.push_back(*size);
  }
  return reshape(transpose(operand, permutation), sizes);
}

AttentionBuilder::Heads AttentionBuilder::heads(Value operand, const Indices& at, Expr row, const Poly& rows,
                                                Expr column, const Poly& columns, bool scales, bool repeated) {
  const std::pair<Expr, Poly> axes[] = {
      {frame_.b, frame_.batch}, {frame_.h, frame_.heads}, {row, rows}, {column, columns}};
  // The highest value that has the four in order; else the highest that has them in another.
  const TraceEntry* permuted = nullptr;
  SmallVector<int64_t> permutation;
  SmallVector<TraceEntry> trace = traceUp(elements_, operand, at, scales);
  for (const TraceEntry& entry : llvm::reverse(trace)) {
    auto places = rankOf(entry.value) == 4 ? placesOf(entry, axes, repeated) : std::nullopt;
    if (places && llvm::is_sorted(*places)) {
      return {entry.value, entry.factor};
    }
    if (places && !permuted) {
      permuted = &entry;
      permutation = *places;
    }
  }
  if (permuted) {
    return {transpose(permuted->value, permutation), permuted->factor};
  }
  return {fourDimensional(operand, at, axes), 1};
}

//--- Masks and biases.

// The first elements of dimensions that are longer than the frame's axis they belong to.
Value AttentionBuilder::cut(Value value, ArrayRef<int64_t> from, ArrayRef<std::pair<Expr, Poly>> axes) {
  nn::Sizes sizes = elements_.sizes().of(value);
  bool whole = true;
  for (size_t axis = 0; axis < from.size(); ++axis) {
    if (from[axis] >= 0 && !(elements_.size(sizes[from[axis]]) == axes[axis].second)) {
      auto size = sizeOf(axes[axis].second);
      if (!size) {
        return {};
      }
      sizes[from[axis]] = *size;
      whole = false;
    }
  }
  if (whole) {
    return value;
  }
  SmallVector<OpFoldResult> zeros(sizes.size(), builder_.getIndexAttr(0)), ones(sizes.size(), builder_.getIndexAttr(1));
  SmallVector<OpFoldResult> extents;
  for (const nn::SizeExpr& size : sizes) {
    extents.push_back(nn::sizeValue(builder_, loc_, size));
  }
  return tensor::ExtractSliceOp::create(builder_, loc_, nn::typeOf(sizes, elementOf(value)), value, zeros, extents,
                                        ones);
}

bool AttentionBuilder::atLeast(const Poly& extent, const Poly& needed) {
  if (elements_.facts().proveLe(needed, extent)) {
    return true;
  }
  auto a = sizeOf(extent), b = sizeOf(needed);
  return a && b && elements_.assumeAtLeast(*a, *b);
}

Value AttentionBuilder::aligned(Value value, const Indices& at) {
  const std::pair<Expr, Poly> axes[] = {
      {frame_.b, frame_.batch}, {frame_.h, frame_.heads}, {frame_.q, frame_.queries}, {frame_.k, frame_.keys}};
  SmallVector<TraceEntry> trace = traceUp(elements_, value, at, /*scales=*/false);
  for (const TraceEntry& entry : llvm::reverse(trace)) {
    // Each dimension is one of the frame's, or has one element.
    SmallVector<int64_t> from(4, -1);
    SmallVector<int64_t> order;
    bool fits = true;
    for (int64_t d = 0; d < rankOf(entry.value) && fits; ++d) {
      Poly extent = elements_.size(entry.value, d);
      int64_t axis = 0;
      while (axis < 4 && entry.at[d] != axes[axis].first) {
        ++axis;
      }
      if (axis < 4 && from[axis] < 0 && (extent == axes[axis].second || atLeast(extent, axes[axis].second))) {
        from[axis] = d;
      } else {
        fits = extent.constant() == 1;
      }
    }
    if (!fits || (from[3] < 0 && frame_.keys.constant() != 1)) {
      continue;
    }
    // Dimensions in the frame's order first, the unit ones behind, then one reshape.
    Value value = cut(entry.value, from, axes);
    if (!value) {
      continue;
    }
    nn::Sizes have = elements_.sizes().of(value), want;
    for (int64_t axis = 0; axis < 4; ++axis) {
      want.push_back(from[axis] < 0 ? nn::SizeExpr(1) : have[from[axis]]);
      if (from[axis] >= 0) {
        order.push_back(from[axis]);
      }
    }
    for (int64_t d = 0; d < rankOf(entry.value); ++d) {
      if (!llvm::is_contained(order, d)) {
        order.push_back(d);
      }
    }
    return reshape(transpose(value, order), want);
  }
  // [b*h, q, k] without anything better above it.
  auto b = sizeOf(frame_.batch), h = sizeOf(frame_.heads), q = sizeOf(frame_.queries), k = sizeOf(frame_.keys);
  bool merged = at.size() == 3 && at[1] == frame_.q && at[2] == frame_.k &&
                elements_.facts().proveEqual(at[0]->poly, frame_.b->poly * frame_.heads + frame_.h->poly);
  return merged && b && h && q && k ? reshape(value, {*b, *h, *q, *k}) : Value();
}

Value AttentionBuilder::alignedKeys(Value value, const Indices& at) {
  Value four = aligned(value, at);
  auto b = sizeOf(frame_.batch);
  if (!four || !b) {
    return {};
  }
  nn::Sizes sizes = elements_.sizes().of(four);
  if (sizes[1].Constant() != 1 || sizes[2].Constant() != 1) {
    return {};
  }
  return broadcast(reshape(four, {sizes[0], sizes[3]}), {*b, sizes[3]});
}

Value AttentionBuilder::keyMask(ArrayRef<KeyTest> tests) {
  Value all;
  for (const KeyTest& test : tests) {
    Value keys = alignedKeys(test.value, test.at);
    if (!keys) {
      return {};
    }
    nn::Sizes sizes = elements_.sizes().of(keys);
    Type element = elementOf(keys);
    if (element.isInteger(1)) {
      Value one = test.cmp == Cmp::kNe ? Value() : splat(1, sizes, element);
      keys = one ? arith::XOrIOp::create(builder_, loc_, keys, one).getResult() : keys;
    } else if (isa<FloatType>(element)) {
      using P = arith::CmpFPredicate;
      const P predicates[] = {P::OLT, P::OLE, P::OGT, P::OGE, P::OEQ, P::UNE};
      keys = arith::CmpFOp::create(builder_, loc_, predicates[static_cast<int>(test.cmp)], keys,
                                   splat(test.rhs, sizes, element));
    } else {
      // Whole numbers: x <= 2.5 is x <= 2, x >= 2.5 is x >= 3.
      using P = arith::CmpIPredicate;
      const P predicates[] = {P::slt, P::sle, P::sgt, P::sge, P::eq, P::ne};
      bool down = test.cmp == Cmp::kLe || test.cmp == Cmp::kGt;
      if (!element.isSignlessInteger()) {
        return {};
      }
      keys = arith::CmpIOp::create(builder_, loc_, predicates[static_cast<int>(test.cmp)], keys,
                                   splat(down ? std::floor(test.rhs) : std::ceil(test.rhs), sizes, element));
    }
    all = all ? arith::AndIOp::create(builder_, loc_, all, keys).getResult() : keys;
  }
  return all;
}

// The tensors whose sum is what a part adds to visible scores.
bool AttentionBuilder::collect(const Part& part, std::optional<unsigned> binary, SmallVectorImpl<Part>& parts) {
  MaskSplit split = splitMask(elements_, elements_.element(part.value, part.at), binary);
  if (split.addsNothing()) {
    return true;
  }
  if (split.masked->kind == Node::kFalse) {
    parts.push_back(part);
    return true;
  }
  auto of = [&](Value value) { return Part{value, part.at, part.factor}; };
  Operation* op = part.value.getDefiningOp();
  if (auto view = elements_.throughView(part.value, part.at)) {
    return collect({view->first, view->second, part.factor}, binary, parts);
  }
  if (isa_and_nonnull<arith::AddFOp>(op)) {
    return collect(of(op->getOperand(0)), binary, parts) && collect(of(op->getOperand(1)), binary, parts);
  }
  if (auto select = dyn_cast_or_null<arith::SelectOp>(op)) {
    for (auto [arm, other] : {std::pair(select.getTrueValue(), select.getFalseValue()),
                              std::pair(select.getFalseValue(), select.getTrueValue())}) {
      if (splitMask(elements_, elements_.element(arm, part.at), binary).masked->kind == Node::kTrue) {
        return collect(of(other), binary, parts);
      }
    }
  }
  if (isa_and_nonnull<arith::ExtFOp, arith::TruncFOp>(op)) {
    return collect(of(op->getOperand(0)), binary, parts);
  }
  return false;
}

// ALiBi: the only terms that speak of the key are slope[h] · k.
Value AttentionBuilder::slopesOf(const Part& part) {
  Expr e = elements_.element(part.value, part.at);
  unsigned k = *frame_.k->poly.asAtom();
  Value slopes;
  double factor = 0;
  if (part.fill || e->kind != Node::kNumber) {
    return {};
  }
  for (const auto& [monomial, c] : e->poly.terms) {
    Poly term;
    term.terms[monomial] = 1;
    if (!x_.mentions(term, frame_.k)) {
      continue;
    }
    bool product = monomial.size() == 2 && llvm::is_contained(monomial, k);
    unsigned other = product ? monomial[monomial[0] == k ? 1 : 0] : k;
    const Atom& slope = x_.atom(other);
    bool perHead = slope.kind == Atom::kElement && llvm::all_of(slope.args, [&](Expr arg) {
                     return arg == frame_.h || (arg->kind == Node::kNumber && arg->poly.constant() == 0);
                   });
    if (slopes || !perHead) {
      return {};
    }
    auto heads = sizeOf(frame_.heads);
    bool shaped = heads && elements_.elements(slope.value) == frame_.heads;
    slopes = shaped ? reshape(slope.value, {*heads}) : Value();
    factor = c * part.factor;
  }
  if (slopes && factor != 1) {
    slopes =
        arith::MulFOp::create(builder_, loc_, slopes, splat(factor, elements_.sizes().of(slopes), elementOf(slopes)));
  }
  return slopes;
}

Value AttentionBuilder::materialize(const Part& part) {
  Value value = aligned(part.value, part.at);
  if (!value) {
    return {};
  }
  nn::Sizes sizes = elements_.sizes().of(value);
  if (part.fill) {
    Type f32 = builder_.getF32Type();
    Value fill = splat(part.fill->fill, sizes, f32), zero = splat(0, sizes, f32);
    return arith::SelectOp::create(builder_, loc_, value, part.fill->when ? fill : zero, part.fill->when ? zero : fill);
  }
  return part.factor == 1
             ? value
             : arith::MulFOp::create(builder_, loc_, value, splat(part.factor, sizes, elementOf(value))).getResult();
}

AttentionBuilder::Added AttentionBuilder::added(ArrayRef<MaskTerm> terms, const MaskMeaning& meaning) {
  SmallVector<Part> parts;
  Added result;
  for (auto [i, term] : llvm::enumerate(terms)) {
    Part part{term.value, term.at, term.factor, term.kind == MaskTerm::kFill ? &term : nullptr};
    if (!meaning.proven) {
      parts.push_back(part);
    } else if (meaning.adds[i] && meaning.removes[i]) {
      result.failed |= !collect(part, meaning.binary, parts);
    } else if (meaning.adds[i]) {
      parts.push_back(part);
    }
  }
  for (const Part& part : parts) {
    if (!x_.mentions(elements_.element(part.value, part.at), frame_.k) && meaning.proven) {
      continue;  // the same for all keys: the softmax does not see it
    }
    if (Value slopes = result.slopes || !meaning.proven ? Value() : slopesOf(part)) {
      result.slopes = slopes;
      continue;
    }
    Value value = materialize(part);
    if (!value) {
      return {.failed = true};
    }
    result.bias = result.bias ? addAligned(result.bias, value) : value;
  }
  return result;
}

}  // namespace mlir::sluice::raise
