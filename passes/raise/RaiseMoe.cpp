// Raises mixtures of experts: the experts' matrices become one weight expression each, what they compute one nn.moe.
#include "dialects/nn/NNDialect.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Remarks.h"
#include "passes/raise/MoeMatch.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {
#define GEN_PASS_DEF_RAISEMOEPASS
#include "passes/raise/Passes.h.inc"

namespace {

remark::RemarkOpts remarkOpts() { return remark::RemarkOpts::name("moe").category("raise"); }

//--- Building.

class MoeBuilder {
 public:
  MoeBuilder(ElementExpr& elements, const Mixture& mixture, Operation* root)
      : elements_(elements), mixture_(mixture), root_(root), builder_(root), loc_(root->getLoc()) {
    const Expert& first = mixture.experts.front();
    loc_ = FusedLoc::get(builder_.getContext(), {first.gate.op->getLoc(), first.down.op->getLoc(), root->getLoc()});
  }

  // nn.moe before `root`; or why it cannot be made.
  FailureOr<nn::MoeOp> build(std::string& why) {
    const Expert& first = mixture_.experts.front();
    for (const Expert& expert : mixture_.experts) {
      bool same = expert.activation == first.activation && expert.up.has_value() == first.up.has_value() &&
                  expert.gate.bias.has_value() == first.gate.bias.has_value() &&
                  expert.down.bias.has_value() == first.down.bias.has_value() &&
                  (!first.up || expert.up->bias.has_value() == first.up->bias.has_value());
      if (!same) {
        why = "experts differ in activation, gate or biases";
        return failure();
      }
    }
    if (!sameSizes()) {
      why = "tokens, routing and result have different sizes or types";
      return failure();
    }
    using Product = llvm::function_ref<const ExpertProduct&(const Expert&)>;
    auto gate = [](const Expert& e) -> const ExpertProduct& { return e.gate; };
    auto down = [](const Expert& e) -> const ExpertProduct& { return e.down; };
    auto up = [](const Expert& e) -> const ExpertProduct& { return *e.up; };
    bool complete = true;
    auto weight = [&](Product product) {
      Value stack = stackOf([&](const Expert& e) { return cut(product(e).weight, {product(e).n, product(e).k}); });
      complete &= stack != nullptr;
      return stack;
    };
    auto bias = [&](Product product) {
      if (!product(first).bias) {
        return Value();
      }
      Value stack = stackOf([&](const Expert& e) { return cut(*product(e).bias, {product(e).n}); });
      complete &= stack != nullptr;
      return stack;
    };
    Value gates = weight(gate), downs = weight(down), ups = first.up ? weight(up) : Value();
    Value gateBias = bias(gate), upBias = first.up ? bias(up) : Value(), downBias = bias(down);
    if (!complete) {
      why = "the experts' matrices do not stack to [experts, rows, columns]";
      return failure();
    }
    Value result = root_->getResult(0);
    return nn::MoeOp::create(builder_, loc_, result.getType(), shapedAs(mixture_.x, result), mixture_.indices,
                             shapedAs(mixture_.weights, mixture_.indices), gates, downs, ups, gateBias, upBias,
                             downBias, first.activation, TypeAttr());
  }

 private:
  bool sameSizes() {
    Value result = root_->getResult(0);
    Poly tokens = elements_.size(result, 0);
    return elements_.size(mixture_.indices, 0) == tokens &&
           elements_.elements(mixture_.x) == tokens * elements_.size(result, 1) &&
           elements_.elements(mixture_.weights) == elements_.elements(mixture_.indices) &&
           getElementTypeOrSelf(mixture_.x) == getElementTypeOrSelf(result);
  }

  // The same elements in the shape of `like`.
  Value shapedAs(Value value, Value like) {
    nn::Sizes sizes = elements_.sizes().of(like);
    return sizes == elements_.sizes().of(value) ? value : reshaped(value, sizes);
  }

  Value reshaped(Value value, ArrayRef<nn::SizeExpr> sizes) {
    return nn::ReshapeOp::create(builder_, loc_, nn::typeOf(sizes, getElementTypeOrSelf(value)), value,
                                 nn::sizesAttr(builder_.getContext(), sizes));
  }

  // Each expert's part, experts first.
  Value stackOf(llvm::function_ref<Value(const Expert&)> part) {
    SmallVector<Value> parts;
    for (const Expert& expert : mixture_.experts) {
      Value one = part(expert);
      if (!one || (!parts.empty() && !mixture_.stacked && !sameShape(one, parts.front()))) {
        return {};
      }
      parts.push_back(mixture_.stacked ? one : unsqueezed(one));
    }
    return parts.size() == 1 ? parts.front() : tensor::ConcatOp::create(builder_, loc_, 0, parts).getResult();
  }

  static bool sameShape(Value one, Value unsqueezed) {
    return cast<RankedTensorType>(one.getType()).getShape() ==
           cast<RankedTensorType>(unsqueezed.getType()).getShape().drop_front();
  }

  Value unsqueezed(Value value) {
    nn::Sizes sizes = elements_.sizes().of(value);
    sizes.insert(sizes.begin(), nn::SizeExpr(1));
    return reshaped(value, sizes);
  }

  // The elements of a weight that `place` walks over, as [experts if stacked, indices…]: slices, then a transpose.
  // Null when an index of the weight is neither a number nor first + step · one of them.
  Value cut(const Place& place, SmallVector<Expr> indices) {
    if (mixture_.stacked) {
      indices.insert(indices.begin(), mixture_.stacked);
    }
    auto type = cast<RankedTensorType>(place.value.getType());
    SmallVector<OpFoldResult> offsets, sizes, strides;
    SmallVector<int64_t> from(indices.size(), -1), shape;
    for (auto [d, index] : llvm::enumerate(place.at)) {
      int64_t first = static_cast<int64_t>(index->poly.constantTerm()), step = 1, size = 1;
      if (!index->poly.constant()) {
        Poly rest = index->poly - Poly(static_cast<double>(first));
        auto it = llvm::find_if(indices, [&](Expr e) {
          auto atom = e->poly.asAtom();
          return atom && rest.terms.count({*atom}) != 0;
        });
        if (it == indices.end() || rest.terms.size() != 1 || from[it - indices.begin()] >= 0) {
          return {};
        }
        step = static_cast<int64_t>(rest.terms.begin()->second);
        auto extent = elements_.context().atom(*(*it)->poly.asAtom()).extent->constant();
        from[it - indices.begin()] = static_cast<int64_t>(shape.size());
        size = *it == mixture_.stacked ? type.getDimSize(d) : static_cast<int64_t>(extent.value_or(0));
        shape.push_back(size);
      }
      bool inside = first >= 0 && step > 0 && size > 0 && first + step * (size - 1) < type.getDimSize(d);
      if (!inside) {
        return {};
      }
      offsets.push_back(builder_.getIndexAttr(first));
      sizes.push_back(builder_.getIndexAttr(size));
      strides.push_back(builder_.getIndexAttr(step));
    }
    if (llvm::is_contained(from, -1)) {
      return {};
    }
    Value value = place.value;
    if (type.getShape() != ArrayRef<int64_t>(shape)) {
      auto sliced = RankedTensorType::get(shape, type.getElementType());
      value = tensor::ExtractSliceOp::create(builder_, loc_, sliced, value, offsets, sizes, strides);
    }
    return transposed(value, from);
  }

  Value transposed(Value value, ArrayRef<int64_t> permutation) {
    if (llvm::is_sorted(permutation)) {
      return value;
    }
    nn::Sizes from = elements_.sizes().of(value), to;
    for (int64_t d : permutation) {
      to.push_back(from[d]);
    }
    Value init = nn::emptyTensor(builder_, loc_, to, getElementTypeOrSelf(value));
    return linalg::TransposeOp::create(builder_, loc_, value, init, permutation).getResult()[0];
  }

  ElementExpr& elements_;
  const Mixture& mixture_;
  Operation* root_;
  OpBuilder builder_;
  Location loc_;
};

//--- The pass.

void raise(ElementExpr& elements, Operation* root, const MixtureMatch& match, std::string why) {
  if (!match) {
    return;
  }
  FailureOr<nn::MoeOp> moe = failure();
  if (succeeded(*match)) {
    moe = MoeBuilder(elements, **match, root).build(why);
  }
  if (failed(moe)) {
    remark::missed(root->getLoc(), remarkOpts()) << "not raised: " + why;
    return;
  }
  remark::passed(root->getLoc(), remarkOpts())
      << "matched: " + std::to_string(cast<RankedTensorType>(moe->getGate().getType()).getDimSize(0)) + " experts, " +
             ((*match)->stacked ? "gathered" : "unrolled");
  root->getResult(0).replaceAllUsesWith(moe->getResult());
}

void raiseFunction(FunctionOpInterface func) {
  nn::SizeAnalysis sizes;
  ExprContext context;
  Facts facts(context);
  ElementExpr elements(func, sizes, context, facts);
  SmallVector<linalg::ReduceOp> sums;
  llvm::MapVector<Value, Link> links;
  func->walk([&](Operation* op) {
    if (auto sum = dyn_cast<linalg::ReduceOp>(op)) {
      sums.push_back(sum);
    } else if (auto link = linkOf(op)) {
      links[link->sum] = *link;
    }
  });
  for (linalg::ReduceOp sum : sums) {
    std::string why;
    auto match = matchGathered(elements, sum, why);
    raise(elements, sum, match, why);
  }
  // A chain ends at the sum that no other link takes.
  llvm::DenseSet<Value> inner;
  for (auto& [sum, link] : links) {
    inner.insert(link.previous);
    if (link.scatter->getResult(0) != sum) {
      inner.insert(link.scatter->getResult(0));
    }
  }
  for (auto& [sum, last] : links) {
    if (inner.contains(sum)) {
      continue;
    }
    SmallVector<Link> chain = {last};
    for (auto it = links.find(last.previous); it != links.end(); it = links.find(it->second.previous)) {
      chain.push_back(it->second);
    }
    std::string why;
    auto match = matchUnrolled(elements, chain, why);
    raise(elements, sum.getDefiningOp(), match, why);
  }
}

struct RaiseMoe : impl::RaiseMoePassBase<RaiseMoe> {
  using RaiseMoePassBase::RaiseMoePassBase;
  void runOnOperation() final {
    getOperation()->walk([](func::FuncOp func) {
      if (!func.isExternal()) {
        raiseFunction(func);
      }
    });
  }
};

}  // namespace
}  // namespace mlir::sluice::raise
