// Slices, gathers, scatters, sorting and what else moves elements by index.
#include <limits>

#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {
namespace {

// ---- Slice ----

// Indices beyond this mean "to the end": exporters write INT32_MAX or INT64_MAX.
constexpr int64_t kUnbounded = std::numeric_limits<int32_t>::max();

// A start or end of a slice along an axis of size `dim`, as ONNX clamps it.  Where the clamp cannot be decided, a start
// and an index counted from the end are assumed to lie inside (the runtime checks it once).
// So is the end of a slice of a `single` element.
SizeExpr sliceIndex(OpContext& op, const SizeExpr& index, const SizeExpr& dim, bool is_end, bool single = false) {
  Facts& facts = op.t().facts();
  auto constant = index.Constant();
  if (constant && (*constant >= kUnbounded || *constant <= -kUnbounded)) {
    return *constant > 0 ? dim : SizeExpr(0);
  }
  if (facts.proveNonNegative(index)) {
    if (facts.proveNonNegative(dim - index)) {
      return index;
    }
    if (facts.proveNonNegative(index - dim)) {
      return dim;
    }
    if (is_end && !dim.IsConstant() && !single) {
      return facts.clampedEnd(index, dim);
    }
    facts.assumeAtLeast(dim, index, op.loc());
    return index;
  }
  SizeExpr from_end = SizeExpr(0) - index;
  if (facts.proveNonNegative(from_end)) {
    if (facts.proveNonNegative(from_end - dim)) {
      return SizeExpr(0);
    }
    facts.assumeAtLeast(from_end, SizeExpr(1), op.loc());
    facts.assumeAtLeast(dim, from_end, op.loc());
    return dim + index;
  }
  facts.assumeAtLeast(index, SizeExpr(0), op.loc());
  facts.assumeAtLeast(dim, index, op.loc());
  return index;
}

Tensor sliceAxis(OpContext& op, const Tensor& x, int64_t axis, const SizeExpr& start, const SizeExpr& end,
                 int64_t step) {
  TensorBuilder& t = op.t();
  const SizeExpr& dim = x.size(axis);
  if (step > 0) {
    SizeExpr begin = sliceIndex(op, start, dim, false);
    SizeExpr span = sliceIndex(op, end, dim, true, (end - start).Constant() == 1) - begin;
    span = t.facts().proveNonNegative(span) ? span : SizeExpr::Max(span, SizeExpr(0));
    return t.slice(x, axis, begin, step == 1 ? span : SizeExpr::CeilDiv(span, SizeExpr(step)), step);
  }
  // Backwards: from start (the last element at most) down to, but without, end.
  auto from = start.Constant();
  auto to = end.Constant();
  bool whole = to && *to <= -kUnbounded;
  SizeExpr last = dim - SizeExpr(1);
  SizeExpr begin = from && *from >= 0 && !t.facts().proveNonNegative(last - start) ? last
                   : from && *from < 0                                             ? dim + start
                                                                                   : start;
  SizeExpr stop = whole ? SizeExpr(-1) : sliceIndex(op, end, dim, false);
  SizeExpr span = begin - stop;
  span = t.facts().proveNonNegative(span) ? span : SizeExpr::Max(span, SizeExpr(0));
  return t.slice(x, axis, begin, SizeExpr::CeilDiv(span, SizeExpr(-step)), step);
}

void importSlice(OpContext& op) {
  Tensor x = op.in(0);
  Sizes starts, ends;
  SmallVector<int64_t> axes, steps;
  if (op.opset() < 10) {
    for (int64_t start : op.attrInts("starts")) {
      starts.push_back(SizeExpr(start));
    }
    for (int64_t end : op.attrInts("ends")) {
      ends.push_back(SizeExpr(end));
    }
    axes = op.attrInts("axes", llvm::to_vector(llvm::seq<int64_t>(0, starts.size())));
  } else {
    starts = op.sizesIn(1);
    ends = op.sizesIn(2);
    axes = op.has(3) ? op.intsIn(3) : llvm::to_vector(llvm::seq<int64_t>(0, starts.size()));
    steps = op.has(4) ? op.intsIn(4) : steps;
  }
  steps.resize(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size()) {
    op.fail("starts, ends and axes have different lengths");
  }
  for (auto [i, axis] : llvm::enumerate(axes)) {
    if (steps[i] == 0) {
      op.fail("step is 0");
    }
    x = sliceAxis(op, x, op.t().axis(axis, x.rank()), starts[i], ends[i], steps[i]);
  }
  op.out(0, x);
}

// ---- Gathers and scatters ----

void importGather(OpContext& op) { op.out(0, op.t().gather(op.in(0), op.in(1), op.axisAttr(0, op.in(0).rank()))); }

Tensor asIndices(OpContext& op, const Tensor& x) {
  return x.element().isInteger(32) || x.element().isInteger(64) ? x : op.t().cast(x, op.b().getI64Type());
}

void importGatherElements(OpContext& op) {
  Tensor data = op.in(0);
  Tensor indices = asIndices(op, op.in(1));
  op.out(0,
         op.t().emit<nn::GatherElementsOp>(indices.sizes(), data.element(), op.t().value(data), op.t().value(indices),
                                           op.b().getI64IntegerAttr(op.axisAttr(0, data.rank()))));
}

void importGatherNd(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor data = op.in(0);
  Tensor indices = asIndices(op, op.in(1));
  int64_t batch = op.attr("batch_dims", int64_t{0});
  auto depth = indices.rank() ? indices.size(-1).Constant() : std::nullopt;
  if (!depth || batch + *depth > data.rank()) {
    op.fail("the last size of its indices is not a number of axes of data");
  }
  Sizes sizes(indices.sizes().begin(), indices.sizes().end() - 1);
  sizes.append(data.sizes().begin() + batch + *depth, data.sizes().end());
  op.out(0, t.emit<nn::GatherNdOp>(sizes, data.element(), t.value(data), t.value(indices),
                                   op.b().getI64IntegerAttr(batch)));
}

void importScatterNd(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor data = op.in(0);
  op.out(0, t.emit<nn::ScatterNdOp>(data.sizes(), data.element(), t.value(data), t.value(asIndices(op, op.in(1))),
                                    t.value(op.in(2)), op.b().getStringAttr(op.attr("reduction", "none"))));
}

void importScatterElements(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor data = op.in(0);
  op.out(0, t.emit<nn::ScatterElementsOp>(data.sizes(), data.element(), t.value(data), t.value(asIndices(op, op.in(1))),
                                          t.value(op.in(2)), op.b().getI64IntegerAttr(op.axisAttr(0, data.rank())),
                                          op.b().getStringAttr(op.attr("reduction", "none"))));
}

// ---- What data decide ----

void importNonZero(OpContext& op) {
  Tensor x = op.in(0);
  std::string symbol = op.t().facts().freshSymbol("nonzero");
  Sizes sizes = {SizeExpr(x.rank()), op.t().facts().symbol(symbol)};
  op.out(0, op.t().emit<nn::NonzeroOp>(sizes, op.b().getI64Type(), op.t().value(x), op.b().getStringAttr(symbol)));
}

void importTopK(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  int64_t axis = op.axisAttr(-1, x.rank());
  SizeExpr k = op.opset() < 10 ? SizeExpr(op.attr("k", int64_t{1})) : op.sizesIn(1)[0];
  Sizes sizes = x.sizes();
  sizes[axis] = k;
  auto top =
      nn::TopKOp::create(op.b(), op.loc(), nn::typeOf(sizes, x.element()), nn::typeOf(sizes, op.b().getI64Type()),
                         t.value(x), op.b().getI64IntegerAttr(axis), op.b().getStringAttr(k.ToString()),
                         op.b().getBoolAttr(op.flag("largest", true)), op.b().getBoolAttr(op.flag("sorted", true)));
  op.out(0, t.wrap(top.getValues(), sizes));
  op.out(1, t.wrap(top.getIndices(), sizes));
}

void importArg(OpContext& op, StringRef kind) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  int64_t axis = op.axisAttr(0, x.rank());
  Sizes sizes = x.sizes();
  sizes.erase(sizes.begin() + axis);
  Tensor result = t.emit<nn::ArgReduceOp>(sizes, op.b().getI64Type(), t.value(x), op.b().getI64IntegerAttr(axis),
                                          op.b().getStringAttr(kind), op.b().getBoolAttr(op.flag("select_last_index")));
  op.out(0, op.flag("keepdims", true) ? t.unsqueeze(result, {axis}) : result);
}

void importArgMax(OpContext& op) { importArg(op, "max"); }
void importArgMin(OpContext& op) { importArg(op, "min"); }

void importCumSum(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  int64_t axis = t.axis(op.intsIn(1)[0], x.rank());
  op.out(0, t.emit<nn::CumsumOp>(x.sizes(), x.element(), t.value(x), op.b().getI64IntegerAttr(axis),
                                 op.b().getBoolAttr(op.flag("exclusive")), op.b().getBoolAttr(op.flag("reverse"))));
}

// ---- Made from positions ----

// Keeps row i, column j where j - i >= k (upper) or <= k (lower).
void importTrilu(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  if (x.rank() < 2) {
    op.fail("needs a matrix, its input has rank " + llvm::Twine(x.rank()));
  }
  Type i64 = op.b().getI64Type();
  Tensor shift = t.sizeNumber(op.has(1) ? op.sizesIn(1)[0] : SizeExpr(0), i64);
  Tensor row = t.add(t.unsqueeze(t.iota(x.size(-2), i64), {1}), shift);
  Tensor column = t.iota(x.size(-1), i64);
  bool upper = op.flag("upper", true);
  Tensor keep = upper ? t.binary(Binary::LessOrEqual, row, column) : t.binary(Binary::LessOrEqual, column, row);
  op.out(0, t.select(keep, x, t.cast(t.number(0, i64), x.element())));
}

void importOneHot(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor indices = asIndices(op, op.in(0));
  SizeExpr depth = t.cast(op.in(1), op.b().getI64Type()).isKnown()
                       ? t.cast(op.in(1), op.b().getI64Type()).known()[0].size
                       : op.sizesIn(1)[0];
  int64_t axis = t.axis(op.attr("axis", int64_t{-1}), indices.rank() + 1);
  // Negative indices count from the end.
  Tensor zero = t.number(0, indices);
  Tensor wrapped =
      t.select(t.binary(Binary::Less, indices, zero), t.add(indices, t.sizeNumber(depth, indices.element())), indices);
  Sizes positions(indices.rank() + 1, SizeExpr(1));
  positions[axis] = depth;
  Tensor classes = t.reshape(t.iota(depth, indices.element()), positions);
  Tensor hot = t.binary(Binary::Equal, t.unsqueeze(wrapped, {axis}), classes);
  Tensor off = t.gather(op.in(2), t.reshape(t.ints({0}), {}), 0);
  Tensor on = t.gather(op.in(2), t.reshape(t.ints({1}), {}), 0);
  op.out(0, t.select(hot, on, off));
}

// Constant padding: pieces of the value around the input.
void importPad(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Sizes pads;
  Tensor value = t.number(op.attrFloat("value", 0), x);
  if (op.opset() < 11) {
    for (int64_t pad : op.attrInts(op.opset() < 2 ? "paddings" : "pads")) {
      pads.push_back(SizeExpr(pad));
    }
  } else {
    pads = op.sizesIn(1);
    value = op.has(2) ? t.reshape(op.in(2), {}) : value;
  }
  if (op.attr("mode", "constant") != "constant") {
    op.fail("mode '" + op.attr("mode", "constant") + "' is not one Sluice has");
  }
  SmallVector<int64_t> axes = op.has(3) ? op.intsIn(3) : llvm::to_vector(llvm::seq<int64_t>(0, x.rank()));
  for (auto [i, axis] : llvm::enumerate(axes)) {
    int64_t d = t.axis(axis, x.rank());
    SmallVector<Tensor> parts;
    auto border = [&](const SizeExpr& size) {
      Sizes sizes = x.sizes();
      sizes[d] = size;
      parts.push_back(t.splat(value, sizes));
    };
    auto crop = [](const SizeExpr& pad) { return pad.Constant().value_or(0) < 0 ? SizeExpr(0) - pad : SizeExpr(0); };
    const SizeExpr &before = pads[i], &after = pads[i + axes.size()];
    SizeExpr cut = crop(before) + crop(after);
    if (cut.Constant() != 0) {
      x = t.slice(x, d, crop(before), x.size(d) - cut);
    }
    if (crop(before).Constant() == 0 && before.Constant() != 0) {
      border(before);
    }
    parts.push_back(x);
    if (crop(after).Constant() == 0 && after.Constant() != 0) {
      border(after);
    }
    x = t.concat(parts, d);
  }
  op.out(0, x);
}

constexpr OpDefinition kOps[] = {
    {"", "Slice", importSlice},
    {"", "Gather", importGather},
    {"", "GatherElements", importGatherElements},
    {"", "GatherND", importGatherNd},
    {"", "ScatterND", importScatterNd},
    {"", "ScatterElements", importScatterElements},
    {"", "Scatter", importScatterElements},
    {"", "NonZero", importNonZero},
    {"", "TopK", importTopK},
    {"", "ArgMax", importArgMax},
    {"", "ArgMin", importArgMin},
    {"", "CumSum", importCumSum},
    {"", "Trilu", importTrilu},
    {"", "OneHot", importOneHot},
    {"", "Pad", importPad},
};

}  // namespace

ArrayRef<OpDefinition> indexOps() { return kOps; }

}  // namespace mlir::onnx_import
