#include "passes/raise/AttentionMatch.h"

#include <cmath>

#include "llvm/ADT/SetVector.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace mlir::sluice::raise {

namespace {

int64_t rankOf(Value v) { return cast<RankedTensorType>(v.getType()).getRank(); }

bool isView(Operation* op) {
  return isa_and_nonnull<nn::ReshapeOp, linalg::TransposeOp, linalg::BroadcastOp, tensor::ExtractSliceOp,
                         tensor::CastOp>(op);
}
bool isFloatCast(Operation* op) { return isa_and_nonnull<arith::ExtFOp, arith::TruncFOp>(op); }

// x of `select(isnan(x), 0, x)`, in its spellings; null for other values.
Value guardedWeights(ElementExpr& elements, Value value) {
  auto select = value.getDefiningOp<arith::SelectOp>();
  if (!select) {
    return {};
  }
  Operation* test = select.getCondition().getDefiningOp();
  auto cmp = dyn_cast_or_null<arith::CmpFOp>(test);
  bool unordered =
      isa_and_nonnull<math::IsNaNOp>(test) ||
      (cmp && cmp.getLhs() == cmp.getRhs() &&
       (cmp.getPredicate() == arith::CmpFPredicate::UNO || cmp.getPredicate() == arith::CmpFPredicate::UNE));
  bool matches =
      unordered && test->getOperand(0) == select.getFalseValue() && uniformNumber(elements, select.getTrueValue()) == 0;
  return matches ? select.getFalseValue() : Value();
}

}  // namespace

std::optional<double> uniformNumber(ElementExpr& elements, Value value) {
  // Only constants, sizes and maths on them: nothing that an activation reaches.
  llvm::SetVector<Value> work;
  work.insert(value);
  for (size_t i = 0; i < work.size(); ++i) {
    Operation* op = work[i].getDefiningOp();
    if (!op || work.size() > 48) {
      return std::nullopt;
    }
    if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
      work.insert(broadcast.getInput());
    } else if (isa<nn::ReshapeOp, tensor::CastOp, linalg::TransposeOp>(op) || op->hasTrait<OpTrait::Elementwise>()) {
      work.insert(op->getOperands().begin(), op->getOperands().end());
    } else if (!isa<arith::ConstantOp, nn::SizesOp, nn::SizeOp>(op)) {
      return std::nullopt;
    }
  }
  Indices at;
  if (auto type = dyn_cast<RankedTensorType>(value.getType())) {
    for (int64_t d = 0; d < type.getRank(); ++d) {
      at.push_back(elements.index("i" + std::to_string(d), elements.size(value, d)));
    }
  }
  Expr e = elements.element(value, at);
  return e->kind == Node::kNumber ? e->poly.constant() : std::nullopt;
}

SmallVector<TraceEntry> traceUp(ElementExpr& elements, Value value, Indices at, bool scales) {
  SmallVector<TraceEntry> trace = {{value, std::move(at), 1}};
  while (Operation* op = trace.back().value.getDefiningOp()) {
    const TraceEntry& last = trace.back();
    if (isView(op) || isa<nn::GatherOp>(op)) {
      auto source = elements.throughView(last.value, last.at);
      if (!source) {
        break;
      }
      trace.push_back({source->first, source->second, last.factor});
      continue;
    }
    if (!scales || !isa<arith::MulFOp, arith::DivFOp>(op)) {
      break;
    }
    auto rhs = uniformNumber(elements, op->getOperand(1));
    auto lhs = isa<arith::MulFOp>(op) && !rhs ? uniformNumber(elements, op->getOperand(0)) : std::nullopt;
    if (!rhs && !lhs) {
      break;
    }
    double factor = isa<arith::DivFOp>(op) ? 1 / *rhs : rhs ? *rhs : *lhs;
    trace.push_back({op->getOperand(rhs ? 0 : 1), last.at, last.factor * factor});
  }
  return trace;
}

SmallVector<nn::MatmulOp> weightedSums(nn::SoftmaxOp softmax) {
  llvm::SetVector<Value> work;
  work.insert(softmax.getResult());
  SmallVector<nn::MatmulOp> sums;
  for (size_t i = 0; i < work.size() && i < 64; ++i) {
    for (Operation* user : work[i].getUsers()) {
      if (auto matmul = dyn_cast<nn::MatmulOp>(user)) {
        if (matmul.getA() == work[i]) {
          sums.push_back(matmul);
        }
      } else if (isView(user) || isFloatCast(user) || isa<arith::SelectOp>(user)) {
        work.insert(user->getResult(0));
      }
    }
  }
  return sums;
}

namespace {

class Matcher {
 public:
  Matcher(ElementExpr& elements, nn::SoftmaxOp softmax, nn::MatmulOp output, std::string& why)
      : elements_(elements), x_(elements.context()), why_(why) {
    match_.softmax = softmax;
    match_.output = output;
  }

  FailureOr<AttentionMatch> run() {
    findFrame();
    Indices weightsAt = match_.outputLead;
    weightsAt.push_back(match_.frame.q);
    weightsAt.push_back(match_.frame.k);
    auto softmaxAt = throughWeights(weightsAt);
    if (!softmaxAt) {
      return fail("the weights do not come from the softmax element by element");
    }
    int64_t axis = match_.softmax.getAxis();
    axis = axis < 0 ? axis + rankOf(match_.softmax.getX()) : axis;
    if (match_.softmax.getLog() || (*softmaxAt)[axis] != match_.frame.k) {
      return fail("the softmax does not run over the keys");
    }
    if (!throughScores(match_.softmax.getX(), *softmaxAt, 1)) {
      return fail(why_.empty() ? "the softmax's operand is no product of queries and keys" : why_);
    }
    size_t rank = match_.scoresAt.size();
    bool placed = match_.scoresAt[rank - 2] == match_.frame.q && match_.scoresAt[rank - 1] == match_.frame.k;
    if (!placed || match_.scoresAt.size() != rank) {
      return fail("the scores are not [.., queries, keys] where the softmax reads them");
    }
    match_.width = elements_.size(match_.scores.getA(), rankOf(match_.scores.getA()) - 1);
    match_.valueWidth = elements_.size(match_.output.getResult(), rankOf(match_.output.getResult()) - 1);
    match_.d = elements_.index("d", match_.width);
    match_.e = elements_.index("e", match_.valueWidth);
    return match_;
  }

 private:
  LogicalResult fail(std::string why) {
    why_ = std::move(why);
    return failure();
  }

  // Batch and heads: the two leading dimensions of the output, or one dimension that both were merged into; then the
  // first value with four dimensions on the way up tells the number of heads.
  void findFrame() {
    Value out = match_.output.getResult();
    int64_t rank = rankOf(out);
    ScoreFrame& f = match_.frame;
    f.queries = elements_.size(match_.output.getA(), rank - 2);
    f.keys = elements_.size(match_.output.getA(), rank - 1);
    f.q = elements_.index("q", f.queries);
    f.k = elements_.index("k", f.keys);
    f.batch = f.heads = Poly(1);
    if (rank == 4) {
      f.batch = elements_.size(out, 0);
      f.heads = elements_.size(out, 1);
    } else if (rank == 3) {
      f.batch = elements_.size(out, 0);
      splitHeads(f);
    }
    f.b = elements_.index("b", f.batch);
    f.h = elements_.index("h", f.heads);
    if (rank == 4) {
      match_.outputLead = {f.b, f.h};
    } else if (rank == 3) {
      match_.outputLead = {x_.number(f.b->poly * f.heads + f.h->poly)};
    }
  }

  void splitHeads(ScoreFrame& f) {
    Expr n = elements_.index("n", f.batch);
    Value four;
    if (auto at = throughWeights({n, f.q, f.k})) {
      if (rankOf(match_.softmax.getX()) == 4) {
        four = match_.softmax.getX();
      } else if (throughScores(match_.softmax.getX(), *at, 1)) {
        four = fourDimensional(match_.scores, n);
      }
    }
    match_.terms.clear();
    match_.scores = {};
    match_.scale = 1;
    match_.softcap = 0;
    if (four) {
      f.batch = elements_.size(four, 0);
      f.heads = elements_.size(four, 1);
    }
  }

  // [b, h, s, d] that the queries were before [b*h, s, d].
  Value fourDimensional(nn::MatmulOp scores, Expr n) {
    if (rankOf(scores.getResult()) == 4) {
      return scores.getResult();
    }
    Indices at = {n, match_.frame.q, elements_.index("d", elements_.size(scores.getA(), 2))};
    for (const TraceEntry& entry : traceUp(elements_, scores.getA(), at, /*scales=*/true)) {
      if (rankOf(entry.value) != 4 || entry.at[0] == n) {
        continue;
      }
      Poly heads = elements_.size(entry.value, 1);
      if (x_.number(entry.at[0]->poly * heads + entry.at[1]->poly) == n) {
        return entry.value;
      }
    }
    return {};
  }

  // Where the softmax holds the weight that the output reads at `at`.
  std::optional<Indices> throughWeights(Indices at) {
    Value value = match_.output.getA();
    while (value != match_.softmax.getResult()) {
      if (Value weights = guardedWeights(elements_, value)) {
        value = weights;
      } else if (isFloatCast(value.getDefiningOp())) {
        value = value.getDefiningOp()->getOperand(0);
      } else if (isView(value.getDefiningOp())) {
        auto source = elements_.throughView(value, at);
        if (!source) {
          return std::nullopt;
        }
        std::tie(value, at) = *source;
      } else {
        return std::nullopt;
      }
    }
    return at;
  }

  // Follows the score at `at` of `value` up to the product, collecting scales and terms.  `after` is what the value is
  // multiplied with before the softmax.
  bool throughScores(Value value, Indices at, double after) {
    Operation* op = value.getDefiningOp();
    if (!op) {
      return false;
    }
    if (auto matmul = dyn_cast<nn::MatmulOp>(op)) {
      match_.scores = matmul;
      match_.scoresAt = std::move(at);
      match_.scale *= after;
      return true;
    }
    if (isFloatCast(op)) {
      return throughScores(op->getOperand(0), at, after);
    }
    if (isView(op)) {
      auto source = elements_.throughView(value, at);
      return source && throughScores(source->first, source->second, after);
    }
    if (isa<arith::AddFOp>(op)) {
      for (int side : {0, 1}) {
        if (throughScores(op->getOperand(side), at, after)) {
          match_.terms.push_back({MaskTerm::kAdd, op->getOperand(1 - side), at, after});
          return true;
        }
      }
      return false;
    }
    if (isa<arith::MulFOp, arith::DivFOp>(op)) {
      return throughScale(op, at, after);
    }
    if (auto select = dyn_cast<arith::SelectOp>(op)) {
      return throughFill(select, at, after);
    }
    return false;
  }

  bool throughScale(Operation* op, const Indices& at, double after) {
    auto rhs = uniformNumber(elements_, op->getOperand(1));
    auto lhs = isa<arith::MulFOp>(op) && !rhs ? uniformNumber(elements_, op->getOperand(0)) : std::nullopt;
    if (!rhs && !lhs) {
      return false;
    }
    double factor = isa<arith::DivFOp>(op) ? 1 / *rhs : rhs ? *rhs : *lhs;
    Value inner = op->getOperand(rhs ? 0 : 1);
    auto tanh = inner.getDefiningOp<math::TanhOp>();
    if (!tanh) {
      return throughScores(inner, at, after * factor);
    }
    // cap · tanh(m · raw): the op's cap · tanh(raw · scale / cap) with scale = m · cap.
    size_t terms = match_.terms.size();
    double cap = factor * after;
    if (match_.softcap != 0 || !throughScores(tanh.getOperand(), at, 1)) {
      return false;
    }
    if (match_.terms.size() != terms) {
      why_ = "something is added to the scores before they are capped";
      return false;
    }
    match_.softcap = cap;
    match_.scale *= cap;
    return true;
  }

  bool throughFill(arith::SelectOp select, const Indices& at, double after) {
    for (bool when : {false, true}) {
      Value scores = when ? select.getFalseValue() : select.getTrueValue();
      auto fill = uniformNumber(elements_, when ? select.getTrueValue() : select.getFalseValue());
      if (!fill || *fill * after > kMaskedBelow || !throughScores(scores, at, after)) {
        continue;
      }
      Indices conditionAt = isa<RankedTensorType>(select.getCondition().getType()) ? at : Indices{};
      match_.terms.push_back({MaskTerm::kFill, select.getCondition(), conditionAt, 1, when, *fill * after});
      return true;
    }
    return false;
  }

  ElementExpr& elements_;
  ExprContext& x_;
  std::string& why_;
  AttentionMatch match_;
};

}  // namespace

FailureOr<AttentionMatch> matchAttention(ElementExpr& elements, nn::SoftmaxOp softmax, nn::MatmulOp output,
                                         std::string& why) {
  return Matcher(elements, softmax, output, why).run();
}

}  // namespace mlir::sluice::raise
