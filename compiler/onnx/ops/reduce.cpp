// Reductions.
#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {
namespace {

struct Axes {
  SmallVector<int64_t> axes;
  bool keep;
  bool nothing;  // noop_with_empty_axes
};

Axes axesOf(OpContext& op) {
  int64_t rank = op.in(0).rank();
  auto axes = op.axes(1, rank);
  bool none = !axes || axes->empty();
  if (none) {
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  }
  return {*axes, op.flag("keepdims", true), none && op.flag("noop_with_empty_axes")};
}

Tensor reduced(OpContext& op, Reduction kind, const Tensor& x) {
  Axes axes = axesOf(op);
  return axes.nothing ? x : op.t().reduce(kind, x, axes.axes, axes.keep);
}

template <Reduction kKind>
void importReduce(OpContext& op) {
  op.out(0, reduced(op, kKind, op.in(0)));
}

void importReduceL1(OpContext& op) { op.out(0, reduced(op, Reduction::Sum, op.t().unary(Unary::Abs, op.in(0)))); }

Tensor sumOfSquares(OpContext& op) { return reduced(op, Reduction::Sum, op.t().mul(op.in(0), op.in(0))); }

void importReduceSumSquare(OpContext& op) { op.out(0, sumOfSquares(op)); }

void importReduceL2(OpContext& op) { op.out(0, op.t().unary(Unary::Sqrt, sumOfSquares(op))); }

void importReduceLogSum(OpContext& op) { op.out(0, op.t().unary(Unary::Log, reduced(op, Reduction::Sum, op.in(0)))); }

// max + log(sum(exp(x - max))): does not overflow
void importReduceLogSumExp(OpContext& op) {
  TensorBuilder& t = op.t();
  Axes axes = axesOf(op);
  if (axes.nothing) {
    op.out(0, op.in(0));
    return;
  }
  Tensor top = t.reduce(Reduction::Max, op.in(0), axes.axes, true);
  Tensor sum = t.reduce(Reduction::Sum, t.unary(Unary::Exp, t.sub(op.in(0), top)), axes.axes, true);
  Tensor result = t.add(t.unary(Unary::Log, sum), top);
  op.out(0, axes.keep ? result : t.squeeze(result, axes.axes));
}

constexpr OpDefinition kOps[] = {
    {"", "ReduceSum", importReduce<Reduction::Sum>},
    {"", "ReduceMean", importReduce<Reduction::Mean>},
    {"", "ReduceMax", importReduce<Reduction::Max>},
    {"", "ReduceMin", importReduce<Reduction::Min>},
    {"", "ReduceProd", importReduce<Reduction::Prod>},
    {"", "ReduceL1", importReduceL1},
    {"", "ReduceL2", importReduceL2},
    {"", "ReduceSumSquare", importReduceSumSquare},
    {"", "ReduceLogSum", importReduceLogSum},
    {"", "ReduceLogSumExp", importReduceLogSumExp},
};

}  // namespace

ArrayRef<OpDefinition> reduceOps() { return kOps; }

}  // namespace mlir::onnx_import
