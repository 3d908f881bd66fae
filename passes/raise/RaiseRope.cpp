// Raises rotary embeddings that exporters write out: x·cos + rotate_half(x)·sin, where
//   rotate_half(x) = concat(−x[d/2:], x[:d/2]) and cos, sin = f(concat(angle, angle)) spread over the heads.
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {
#define GEN_PASS_DEF_RAISEROPEPASS
#include "passes/raise/Passes.h.inc"

namespace {

int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }
int64_t lastSize(Value value) { return cast<RankedTensorType>(value.getType()).getShape().back(); }

// A slice of the last dimension only, [begin, begin + size) with static bounds.
struct LastSlice {
  Value source;
  int64_t begin = 0, size = 0;
};

std::optional<LastSlice> lastSlice(Value value) {
  auto slice = value.getDefiningOp<tensor::ExtractSliceOp>();
  if (!slice || rankOf(value) != rankOf(slice.getSource())) {
    return std::nullopt;
  }
  ArrayRef<int64_t> offsets = slice.getStaticOffsets();
  ArrayRef<int64_t> sizes = slice.getStaticSizes();
  if (llvm::any_of(offsets.drop_back(), [](int64_t o) { return o != 0; }) ||
      llvm::any_of(slice.getStaticStrides(), [](int64_t s) { return s != 1; }) ||
      ShapedType::isDynamic(offsets.back()) || ShapedType::isDynamic(sizes.back())) {
    return std::nullopt;
  }
  // The other dimensions are whole when their types say the same size, or both say `?` and the offset is 0.
  auto from = cast<RankedTensorType>(slice.getSource().getType()).getShape().drop_back();
  if (from != cast<RankedTensorType>(value.getType()).getShape().drop_back()) {
    return std::nullopt;
  }
  return LastSlice{slice.getSource(), offsets.back(), sizes.back()};
}

// x with value = concat(−x[d/2:], x[:d/2]) along the last dimension.
Value rotatedHalf(Value value) {
  auto concat = value.getDefiningOp<tensor::ConcatOp>();
  if (!concat || concat.getInputs().size() != 2 || static_cast<int64_t>(concat.getDim()) != rankOf(value) - 1) {
    return {};
  }
  auto neg = concat.getInputs()[0].getDefiningOp<arith::NegFOp>();
  if (!neg) {
    return {};
  }
  auto high = lastSlice(neg.getOperand());
  auto low = lastSlice(concat.getInputs()[1]);
  int64_t d = lastSize(value);
  if (!high || !low || high->source != low->source || low->begin != 0 || low->size * 2 != d ||
      high->begin != low->size || high->size != low->size || lastSize(low->source) != d) {
    return {};
  }
  return low->source;
}

// The table behind a broadcast over heads: [b, 1, s, r] spread to [b, h, s, r] gives a value of rank 2 to 4 whose
// dimensions are (batch?, seq, r).
Value tableOf(Value spread, nn::SizeAnalysis& sizes) {
  Value value = spread;
  while (Operation* op = value.getDefiningOp()) {
    if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
      value = broadcast.getInput();
    } else if (isUnitReshape(op, sizes)) {
      value = op->getOperand(0);
    } else {
      break;
    }
  }
  return value;
}

// Rebuilds an element-wise function of concat(f, f) on f alone: the table of half the width.  Null when the halves are
// not provably equal.
Value halfTable(Value table, OpBuilder& builder, nn::SizeAnalysis& sizes, unsigned depth = 0) {
  Operation* op = table.getDefiningOp();
  if (!op || depth > 12) {
    return {};
  }
  int64_t last = rankOf(table) - 1;
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    bool twice = concat.getInputs().size() == 2 && concat.getInputs()[0] == concat.getInputs()[1] &&
                 static_cast<int64_t>(concat.getDim()) == last;
    return twice ? concat.getInputs()[0] : Value();
  }
  nn::Sizes half = sizes.of(table);
  half.back() = nn::SizeExpr::FloorDiv(half.back(), nn::SizeExpr(2));
  auto type = nn::typeOf(half, cast<RankedTensorType>(table.getType()).getElementType());
  if (auto constant = scalarConstant(table)) {
    return arith::ConstantOp::create(builder, op->getLoc(),
                                     DenseElementsAttr::get(RankedTensorType::get({}, type.getElementType()),
                                                            builder.getFloatAttr(type.getElementType(), *constant)))
        .getResult();
  }
  if (auto transposed = dyn_cast<linalg::TransposeOp>(op); transposed && transposed.getPermutation().back() == last) {
    Value input = halfTable(transposed.getInput(), builder, sizes, depth + 1);
    if (!input) {
      return {};
    }
    Value init = nn::emptyTensor(builder, op->getLoc(), half, type.getElementType());
    return linalg::TransposeOp::create(builder, op->getLoc(), input, init, transposed.getPermutation()).getResult()[0];
  }
  if (auto reshape = dyn_cast<nn::ReshapeOp>(op); reshape && isUnitReshape(op, sizes) && half.back().Constant() != 1) {
    Value input = halfTable(reshape.getX(), builder, sizes, depth + 1);
    return input ? nn::ReshapeOp::create(builder, op->getLoc(), type, input, nn::sizesAttr(builder.getContext(), half))
                       .getResult()
                 : Value();
  }
  if (!op->hasTrait<OpTrait::Elementwise>()) {
    return {};
  }
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    Value input = halfTable(operand, builder, sizes, depth + 1);
    if (!input) {
      return {};
    }
    if (rankOf(input) == 0 && !half.empty()) {
      Value init =
          nn::emptyTensor(builder, op->getLoc(), half, cast<RankedTensorType>(input.getType()).getElementType());
      SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, half.size()));
      input = linalg::BroadcastOp::create(builder, op->getLoc(), input, init, all).getResult()[0];
    }
    operands.push_back(input);
  }
  Operation* clone = builder.clone(*op);
  clone->setOperands(operands);
  clone->getResult(0).setType(type);
  return clone->getResult(0);
}

// A table as nn.rope wants it: [batch or 1, seq, r/2].
Value asRank3(Value table, OpBuilder& builder, Location loc, nn::SizeAnalysis& sizes) {
  nn::Sizes have = sizes.of(table);
  nn::Sizes want;
  if (have.size() == 2) {
    want = {nn::SizeExpr(1), have[0], have[1]};
  } else if (have.size() == 4 && have[1].Constant() == 1) {
    want = {have[0], have[2], have[3]};
  } else if (have.size() == 3) {
    return table;
  } else {
    return {};
  }
  auto type = nn::typeOf(want, cast<RankedTensorType>(table.getType()).getElementType());
  return nn::ReshapeOp::create(builder, loc, type, table, nn::sizesAttr(builder.getContext(), want));
}

struct Rope {
  Value x, cos, sin;  // cos and sin as spread over x
};

std::optional<Rope> matchRope(arith::AddFOp add) {
  return eitherOrder(add, [](Value direct, Value rotated) -> std::optional<Rope> {
    auto a = direct.getDefiningOp<arith::MulFOp>();
    auto b = rotated.getDefiningOp<arith::MulFOp>();
    if (!a || !b) {
      return std::nullopt;
    }
    return eitherOrder(b, [&](Value half, Value sin) -> std::optional<Rope> {
      Value x = rotatedHalf(half);
      if (!x || (a.getLhs() != x && a.getRhs() != x)) {
        return std::nullopt;
      }
      return Rope{x, a.getLhs() == x ? a.getRhs() : a.getLhs(), sin};
    });
  });
}

void raiseOne(arith::AddFOp add, const Rope& rope, nn::SizeAnalysis& sizes, IRRewriter& rewriter) {
  rewriter.setInsertionPoint(add);
  Location loc = add.getLoc();
  auto missed = [&](StringRef why) {
    remark::missed(loc, remark::RemarkOpts::name("rope").category("raise")) << "not raised: " << why.str();
  };
  if (rankOf(rope.x) != 4) {
    return missed("x is not [batch, heads, seq, dim]");
  }
  Value cos = halfTable(tableOf(rope.cos, sizes), rewriter, sizes);
  Value sin = cos ? halfTable(tableOf(rope.sin, sizes), rewriter, sizes) : Value();
  cos = cos && sin ? asRank3(cos, rewriter, loc, sizes) : Value();
  sin = cos ? asRank3(sin, rewriter, loc, sizes) : Value();
  if (!cos || !sin) {
    return missed("the two halves of cos and sin are not provably equal");
  }
  nn::Sizes x = sizes.of(rope.x);
  if (!(sizes.of(cos)[1] == x[2])) {
    return missed("cos does not vary along dimension 2 of x");
  }
  auto raised = nn::RopeOp::create(rewriter, loc, add.getType(), rope.x, cos, sin, /*interleaved=*/false);
  remark::passed(loc, remark::RemarkOpts::name("rope").category("raise")) << "matched, half style";
  rewriter.replaceAllUsesWith(add.getResult(),
                              raised.getResult());  // dead ops go with the canonicalizer: sizes are known by address
}

// concat(rope(x[:r]), x[r:]) → rope(x): the rest is the op's own business.
void mergePartial(tensor::ConcatOp concat, IRRewriter& rewriter) {
  if (concat.getInputs().size() != 2 || rankOf(concat) != 4 || concat.getDim() != 3) {
    return;
  }
  auto rope = concat.getInputs()[0].getDefiningOp<nn::RopeOp>();
  auto rest = lastSlice(concat.getInputs()[1]);
  auto head = rope ? lastSlice(rope.getX()) : std::nullopt;
  if (!rest || !head || head->source != rest->source || head->begin != 0 || rest->begin != head->size ||
      rest->begin + rest->size != lastSize(rest->source) || lastSize(rope.getCos()) * 2 != head->size) {
    return;
  }
  rewriter.setInsertionPoint(concat);
  auto whole = nn::RopeOp::create(rewriter, fuse(rope, concat), concat.getType(), head->source, rope.getCos(),
                                  rope.getSin(), rope.getInterleaved());
  rewriter.replaceAllUsesWith(concat.getResult(), whole.getResult());
}

struct RaiseRope : impl::RaiseRopePassBase<RaiseRope> {
  using RaiseRopePassBase::RaiseRopePassBase;
  void runOnOperation() final {
    nn::SizeAnalysis sizes;
    IRRewriter rewriter(&getContext());
    SmallVector<arith::AddFOp> adds;
    getOperation()->walk([&](arith::AddFOp op) { adds.push_back(op); });
    for (arith::AddFOp add : adds) {
      if (std::optional<Rope> rope = matchRope(add)) {
        raiseOne(add, *rope, sizes, rewriter);
      }
    }
    SmallVector<tensor::ConcatOp> concats;
    getOperation()->walk([&](tensor::ConcatOp op) { concats.push_back(op); });
    for (tensor::ConcatOp concat : concats) {
      mergePartial(concat, rewriter);
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::raise
