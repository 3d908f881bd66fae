// Where a view finds an element: index arithmetic of reshapes, transposes, broadcasts, slices and gathers.
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "passes/raise/ElementExpr.h"

namespace mlir::sluice::raise {

// Splits both sides of a reshape into groups of equal products, [b, 4, s] and [b*4, s] into {b,4 | b*4} and {s | s}, so
// that only the dimensions that really merge or split need division.
std::optional<Indices> ElementExpr::reshaped(nn::ReshapeOp op, const Indices& indices) {
  nn::Sizes from = sizes_.of(op.getX()), to = sizes_.of(op.getResult());
  std::vector<Poly> a, b;
  for (const nn::SizeExpr& s : from) {
    a.push_back(size(s));
  }
  for (const nn::SizeExpr& s : to) {
    b.push_back(size(s));
  }
  Indices source(a.size(), context_.constant(0));
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && a[i].constant() == 1) {
      ++i;
      continue;
    }
    if (j < b.size() && b[j].constant() == 1) {
      ++j;
      continue;
    }
    if (i == a.size() || j == b.size()) {
      return std::nullopt;
    }
    size_t firstA = i, firstB = j;
    Poly pa = a[i++], pb = b[j++];
    while (!(pa == pb) && (i < a.size() || j < b.size())) {
      bool growA = i < a.size() && (j == b.size() || Poly::divide(pb, pa).second.terms.empty());
      if (growA) {
        pa = pa * a[i++];
      } else {
        pb = j < b.size() ? pb * b[j++] : pb;
        pa = j == b.size() && i < a.size() && !(pa == pb) ? pa * a[i++] : pa;
      }
    }
    if (i - firstA == 1 && j - firstB == 1) {
      source[firstA] = indices[firstB];
      continue;
    }
    Poly flat;
    for (size_t d = firstB; d < j; ++d) {
      flat = flat * b[d] + indices[d]->poly;
    }
    for (size_t d = i - 1; d > firstA; --d) {
      if (a[d].terms.empty()) {
        return std::nullopt;  // an empty tensor has no elements to find
      }
      auto [floor, rest] = facts_.divideFloor(flat, a[d]);
      source[d] = rest;
      flat = floor->poly;
    }
    source[firstA] = context_.number(flat);
  }
  return source;
}

std::optional<Expr> ElementExpr::gatherIndex(Value indices, const Indices& at, const Poly& extent,
                                             const Indices& result) {
  bool known = true;
  Expr index = context_.map(element(indices, at), [&](const Poly& p) -> Expr {
    if (facts_.proveLe(Poly(0), p, result)) {
      return context_.number(p);
    }
    known &= facts_.proveLe(p, Poly(-1), result);
    return context_.number(p + extent);
  });
  return known ? std::optional(index) : std::nullopt;
}

std::optional<std::pair<Value, Indices>> ElementExpr::gathered(Operation* op, const Indices& indices) {
  auto rankOf = [](Value v) { return static_cast<size_t>(cast<RankedTensorType>(v.getType()).getRank()); };
  Indices source;
  Value data = op->getOperand(0), where = op->getOperand(1);
  if (auto gather = dyn_cast<nn::GatherOp>(op)) {
    size_t axis = gather.getAxis();
    Indices at(indices.begin() + axis, indices.begin() + axis + rankOf(where));
    auto index = gatherIndex(where, at, size(data, axis), indices);
    if (!index) {
      return std::nullopt;
    }
    source.assign(indices.begin(), indices.begin() + axis);
    source.push_back(*index);
    source.insert(source.end(), indices.begin() + axis + rankOf(where), indices.end());
  } else if (auto elements = dyn_cast<nn::GatherElementsOp>(op)) {
    source = indices;
    auto index = gatherIndex(where, indices, size(data, elements.getAxis()), indices);
    if (!index) {
      return std::nullopt;
    }
    source[elements.getAxis()] = *index;
  } else {
    auto nd = cast<nn::GatherNdOp>(op);
    size_t lead = rankOf(where) - 1, batch = nd.getBatchDims();
    auto tuple = size(where, lead).constant();
    if (!tuple) {
      return std::nullopt;
    }
    source.assign(indices.begin(), indices.begin() + batch);
    for (size_t c = 0; c < static_cast<size_t>(*tuple); ++c) {
      Indices at(indices.begin(), indices.begin() + lead);
      at.push_back(context_.constant(static_cast<double>(c)));
      auto index = gatherIndex(where, at, size(data, batch + c), indices);
      if (!index) {
        return std::nullopt;
      }
      source.push_back(*index);
    }
    source.insert(source.end(), indices.begin() + lead, indices.end());
  }
  return std::pair(data, source);
}

std::optional<std::pair<Value, Indices>> ElementExpr::throughView(Value value, const Indices& indices) {
  using Result = std::optional<std::pair<Value, Indices>>;
  Operation* op = value.getDefiningOp();
  if (!op || llvm::any_of(indices, [](Expr i) { return i->kind != Node::kNumber; })) {
    return std::nullopt;
  }
  return TypeSwitch<Operation*, Result>(op)
      .Case([&](nn::ReshapeOp reshape) -> Result {
        auto source = reshaped(reshape, indices);
        return source ? Result({reshape.getX(), *source}) : std::nullopt;
      })
      .Case([&](linalg::TransposeOp transpose) -> Result {
        Indices source(indices.size());
        for (auto [d, from] : llvm::enumerate(transpose.getPermutation())) {
          source[from] = indices[d];
        }
        return Result({transpose.getInput(), source});
      })
      .Case([&](linalg::BroadcastOp broadcast) -> Result {
        Indices source;
        for (auto [d, index] : llvm::enumerate(indices)) {
          if (!llvm::is_contained(broadcast.getDimensions(), static_cast<int64_t>(d))) {
            source.push_back(index);
          }
        }
        return Result({broadcast.getInput(), source});
      })
      .Case([&](tensor::ExtractSliceOp slice) -> Result {
        llvm::SmallBitVector dropped = slice.getDroppedDims();
        Indices source;
        auto index = indices.begin();
        for (auto [d, offset, stride] : llvm::enumerate(slice.getMixedOffsets(), slice.getMixedStrides())) {
          FailureOr<nn::SizeExpr> begin = sizes_.index(offset), step = sizes_.index(stride);
          if (failed(begin) || failed(step)) {
            return std::nullopt;
          }
          Poly at = dropped.test(d) ? Poly() : (*index++)->poly;
          source.push_back(context_.number(size(*begin) + size(*step) * at));
        }
        return Result({slice.getSource(), source});
      })
      .Case([&](nn::ReverseOp reverse) -> Result {
        Indices source = indices;
        for (int64_t axis : reverse.getAxes()) {
          source[axis] = context_.number(size(value, axis) - Poly(1) - indices[axis]->poly);
        }
        return Result({reverse.getX(), source});
      })
      .Case([&](tensor::CastOp cast) -> Result { return Result({cast.getSource(), indices}); })
      .Case<nn::GatherOp, nn::GatherElementsOp, nn::GatherNdOp>([&](Operation* g) { return gathered(g, indices); })
      .Default([](Operation*) -> Result { return std::nullopt; });
}

}  // namespace mlir::sluice::raise
