// Raises root-mean-square norms that exporters write out:
//   x · rsqrt(mean(x²) + eps) [· w], the root as sqrt and reciprocal, division by sqrt, or rsqrt; x² as x·x or pow(x,
//   2); half-precision graphs with casts around the middle.
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Remarks.h"
#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {
#define GEN_PASS_DEF_RAISENORMPASS
#include "passes/raise/Passes.h.inc"

namespace {

struct RmsNorm {
  Value x;  // what is normalised, in the type the maths runs in
  double eps = 0;
};

// The argument of 1/sqrt(·), whichever way it is spelled.
Value inverseRootArgument(Value value, nn::SizeAnalysis& sizes) {
  value = stripSpread(value, sizes);
  if (auto rsqrt = value.getDefiningOp<math::RsqrtOp>()) {
    return stripSpread(rsqrt.getOperand(), sizes);
  }
  if (auto div = value.getDefiningOp<arith::DivFOp>(); div && scalarConstant(div.getLhs()) == 1.0) {
    if (auto sqrt = stripSpread(div.getRhs(), sizes).getDefiningOp<math::SqrtOp>()) {
      return stripSpread(sqrt.getOperand(), sizes);
    }
  }
  if (auto power = value.getDefiningOp<math::PowFOp>(); power && scalarConstant(power.getRhs()) == -0.5) {
    return stripSpread(power.getLhs(), sizes);
  }
  return {};
}

// v with v² = value.
Value squared(Value value) {
  if (auto mul = value.getDefiningOp<arith::MulFOp>(); mul && mul.getLhs() == mul.getRhs()) {
    return mul.getLhs();
  }
  if (auto power = value.getDefiningOp<math::PowFOp>(); power && scalarConstant(power.getRhs()) == 2.0) {
    return power.getLhs();
  }
  if (auto power = value.getDefiningOp<math::FPowIOp>(); power && scalarConstant(power.getRhs()) == 2.0) {
    return power.getLhs();
  }
  return {};
}

// The input of a sum over the last dimension only.
Value summedOverLast(Value value) {
  auto reduce = value.getDefiningOp<linalg::ReduceOp>();
  if (!reduce || reduce.getInputs().size() != 1) {
    return {};
  }
  int64_t rank = cast<RankedTensorType>(reduce.getInputs()[0].getType()).getRank();
  Operation& body = reduce.getCombiner().front().front();
  if (reduce.getDimensions() != ArrayRef<int64_t>{rank - 1} || !isa<arith::AddFOp>(body)) {
    return {};
  }
  return reduce.getInputs()[0];
}

// mean over the last dimension of v², as sum · (1/d) or sum / d: gives v.
Value meanSquareOf(Value value, nn::SizeAnalysis& sizes) {
  value = stripSpread(value, sizes);
  Value sum;
  double count = 0;
  if (auto div = value.getDefiningOp<arith::DivFOp>()) {
    auto divisor = scalarConstant(div.getRhs());
    sum = stripSpread(div.getLhs(), sizes);
    count = divisor.value_or(0);
  } else if (auto scaled = binaryWithConstant<arith::MulFOp>(value)) {
    sum = stripSpread(scaled->first, sizes);
    count = 1.0 / scaled->second;
  }
  if (!sum) {
    return {};
  }
  Value squares = summedOverLast(sum);
  Value v = squares ? squared(stripCasts(squares)) : Value();
  if (!v) {
    return {};
  }
  auto last = sizes.of(squares).back().Constant();
  bool whole = last && std::abs(count - static_cast<double>(*last)) < 1e-3 * count;
  return whole ? v : Value();
}

// Recognises normalised = x · rsqrt(mean(x²) + eps) or x / sqrt(mean(x²) + eps).
std::optional<RmsNorm> matchNorm(Value x, Value factor, bool divided, nn::SizeAnalysis& sizes) {
  Value inside;
  if (divided) {
    if (auto sqrt = stripSpread(factor, sizes).getDefiningOp<math::SqrtOp>()) {
      inside = stripSpread(sqrt.getOperand(), sizes);
    }
  } else {
    inside = inverseRootArgument(factor, sizes);
  }
  if (!inside) {
    return std::nullopt;
  }
  auto plusEps = binaryWithConstant<arith::AddFOp>(inside);
  Value v = plusEps ? meanSquareOf(plusEps->first, sizes) : Value();
  if (!v || stripCasts(v) != stripCasts(x)) {
    return std::nullopt;
  }
  return RmsNorm{x, plusEps->second};
}

std::optional<RmsNorm> matchNorm(Operation* op, nn::SizeAnalysis& sizes) {
  if (auto mul = dyn_cast<arith::MulFOp>(op)) {
    return eitherOrder(mul, [&](Value x, Value factor) { return matchNorm(x, factor, false, sizes); });
  }
  if (auto div = dyn_cast<arith::DivFOp>(op)) {
    return matchNorm(div.getLhs(), div.getRhs(), true, sizes);
  }
  return std::nullopt;
}

// The multiplication by a per-channel weight that is the norm's only use, directly or after one cast.
arith::MulFOp weightedUse(Value normalised, Value& weight, nn::SizeAnalysis& sizes) {
  Value value = normalised;
  for (int step = 0; step < 2; ++step) {
    if (!value.hasOneUse()) {
      return {};
    }
    Operation* user = *value.user_begin();
    if (auto mul = dyn_cast<arith::MulFOp>(user)) {
      weight = lastDimVector(mul.getLhs() == value ? mul.getRhs() : mul.getLhs(), sizes);
      return weight ? mul : arith::MulFOp();
    }
    if (!isa<arith::TruncFOp, arith::ExtFOp>(user)) {
      return {};
    }
    value = user->getResult(0);
  }
  return {};
}

// x in element type `element`: itself, what it was cast from, or a new cast.
Value inType(OpBuilder& builder, Location loc, Value x, Type element) {
  for (Value v = x;; v = v.getDefiningOp()->getOperand(0)) {
    auto type = cast<RankedTensorType>(v.getType());
    if (type.getElementType() == element) {
      return v;
    }
    if (!isa_and_nonnull<arith::ExtFOp>(v.getDefiningOp())) {
      break;
    }
  }
  auto type = cast<RankedTensorType>(x.getType()).clone(element);
  if (element.getIntOrFloatBitWidth() > cast<RankedTensorType>(x.getType()).getElementTypeBitWidth()) {
    return arith::ExtFOp::create(builder, loc, type, x);
  }
  return arith::TruncFOp::create(builder, loc, type, x);
}

bool raiseOne(Operation* op, nn::SizeAnalysis& sizes, IRRewriter& rewriter) {
  std::optional<RmsNorm> norm = matchNorm(op, sizes);
  if (!norm) {
    return false;
  }
  Value weight;
  arith::MulFOp weighted = weightedUse(op->getResult(0), weight, sizes);
  Operation* last = weighted ? weighted.getOperation() : op;
  rewriter.setInsertionPoint(last);
  Location loc = fuse(op, last);
  Type element = cast<RankedTensorType>(last->getResult(0).getType()).getElementType();
  Value x = inType(rewriter, loc, norm->x, element);
  auto raised = nn::RmsNormOp::create(rewriter, loc, last->getResult(0).getType(), x, weighted ? weight : Value(),
                                      rewriter.getF64FloatAttr(norm->eps));
  remark::passed(loc, remark::RemarkOpts::name("rms_norm").category("raise"))
      << "matched, eps " << std::to_string(norm->eps);
  rewriter.replaceAllUsesWith(last->getResult(0),
                              raised.getResult());  // dead ops go with the canonicalizer: sizes are known by address
  return true;
}

struct RaiseNorm : impl::RaiseNormPassBase<RaiseNorm> {
  using RaiseNormPassBase::RaiseNormPassBase;
  void runOnOperation() final {
    nn::SizeAnalysis sizes;
    IRRewriter rewriter(&getContext());
    SmallVector<Operation*> candidates;
    getOperation()->walk([&](Operation* op) {
      if (isa<arith::MulFOp, arith::DivFOp>(op) && isa<RankedTensorType>(op->getResult(0).getType())) {
        candidates.push_back(op);
      }
    });
    // A weight's multiplication is replaced while its norm is raised, and comes later in the list: visit each at most
    // once.
    llvm::DenseSet<Operation*> gone;
    for (Operation* op : candidates) {
      if (gone.contains(op)) {
        continue;
      }
      Value weight;
      if (matchNorm(op, sizes)) {
        if (arith::MulFOp weighted = weightedUse(op->getResult(0), weight, sizes)) {
          gone.insert(weighted);
        }
        raiseOne(op, sizes, rewriter);
      }
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::raise
