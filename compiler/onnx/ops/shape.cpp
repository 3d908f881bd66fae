// Shapes, views, and tensors made from sizes.
#include "compiler/onnx/Functions.h"
#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {
namespace {

SizeExpr product(ArrayRef<SizeExpr> sizes) {
  SizeExpr result(1);
  for (const SizeExpr& size : sizes) {
    result = result * size;
  }
  return result;
}

void importShape(OpContext& op) {
  Tensor x = op.in(0);
  auto clamp = [&](int64_t d) { return std::clamp<int64_t>(d < 0 ? d + x.rank() : d, 0, x.rank()); };
  int64_t begin = clamp(op.attr("start", int64_t{0}));
  int64_t end = clamp(op.attr("end", x.rank()));
  op.out(0, op.t().sizeTensor(ArrayRef<SizeExpr>(x.sizes()).slice(begin, std::max<int64_t>(end - begin, 0))));
}

void importSize(OpContext& op) { op.out(0, op.t().sizeNumber(product(op.in(0).sizes()), op.b().getI64Type())); }

// The size that -1 stands for: x's elements over the others', once equal sizes cancel.
SizeExpr inferSize(OpContext& op, Sizes have, Sizes want) {
  for (auto it = want.begin(); it != want.end();) {
    auto same = llvm::find(have, *it);
    if (same == have.end()) {
      ++it;
      continue;
    }
    have.erase(same);
    it = want.erase(it);
  }
  SizeExpr all = product(have);
  SizeExpr others = product(want);
  if (auto quotient = divideExactly(all, others)) {
    return *quotient;
  }
  SizeExpr quotient = SizeExpr::FloorDiv(all, others);
  op.t().facts().unify(SizeExpr::Mod(all, others), SizeExpr(0), op.loc());
  return quotient;
}

// Checks that both have as many elements.
void checkElements(OpContext& op, Sizes have, Sizes want) {
  for (auto it = want.begin(); it != want.end();) {
    auto same = llvm::find(have, *it);
    if (same != have.end()) {
      have.erase(same);
      it = want.erase(it);
    } else {
      ++it;
    }
  }
  op.t().facts().unify(product(have), product(want), op.loc());
}

void importReshape(OpContext& op) {
  Tensor x = op.in(0);
  Sizes want;
  if (op.opset() < 5) {
    SmallVector<int64_t> shape = op.attrInts("shape");
    want.assign(shape.begin(), shape.end());
  } else {
    want = op.sizesIn(1);
  }
  int64_t inferred = -1;
  for (auto [d, size] : llvm::enumerate(want)) {
    auto constant = size.Constant();
    if (constant == 0 && !op.flag("allowzero")) {
      if (static_cast<int64_t>(d) >= x.rank()) {
        op.fail("size 0 at axis " + llvm::Twine(d) + " copies an axis that the input of rank " + llvm::Twine(x.rank()) +
                " lacks");
      }
      size = x.size(d);
    } else if (constant && *constant < 0) {
      if (*constant != -1 || inferred >= 0) {
        op.fail("asks for the size " + llvm::Twine(*constant) + (inferred >= 0 ? " twice" : ""));
      }
      inferred = d;
    }
  }
  if (inferred >= 0) {
    Sizes others = want;
    others.erase(others.begin() + inferred);
    want[inferred] = inferSize(op, x.sizes(), others);
  } else {
    checkElements(op, x.sizes(), want);
  }
  op.out(0, op.t().reshape(x, want));
}

void importFlatten(OpContext& op) {
  Tensor x = op.in(0);
  int64_t axis = op.attr("axis", int64_t{1});
  axis = axis < 0 ? axis + x.rank() : axis;
  ArrayRef<SizeExpr> sizes = x.sizes();
  op.out(0, op.t().reshape(x, {product(sizes.take_front(axis)), product(sizes.drop_front(axis))}));
}

void importSqueeze(OpContext& op) {
  Tensor x = op.in(0);
  auto axes = op.axes(1, x.rank());
  if (!axes) {
    axes.emplace();
    for (int64_t d = 0; d < x.rank(); ++d) {
      if (x.size(d).Constant() == 1) {
        axes->push_back(d);
      }
    }
  }
  op.out(0, op.t().squeeze(x, *axes));
}

void importUnsqueeze(OpContext& op) {
  Tensor x = op.in(0);
  size_t count = op.find("axes") ? op.attrInts("axes").size() : op.sizesIn(1).size();
  op.out(0, op.t().unsqueeze(x, *op.axes(1, x.rank() + count)));
}

void importTranspose(OpContext& op) {
  SmallVector<int64_t> reversed = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, op.in(0).rank())));
  SmallVector<int64_t> permutation = op.attrInts("perm", reversed);
  if (!std::is_permutation(permutation.begin(), permutation.end(), reversed.begin(), reversed.end())) {
    op.fail("perm is not a permutation of the input's axes");
  }
  op.out(0, op.t().transpose(op.in(0), permutation));
}

void importConcat(OpContext& op) {
  int64_t axis = op.axisAttr(1, op.in(0).rank());
  op.out(0, op.t().concat(op.inputs(), axis));
}

// Sizes from an attribute (before opset 13), an input, or equal parts with a smaller last one.
void importSplit(OpContext& op) {
  Tensor x = op.in(0);
  int64_t axis = op.axisAttr(0, x.rank());
  Sizes parts;
  if (op.has(1)) {
    parts = op.sizesIn(1);
  } else if (op.find("split")) {
    SmallVector<int64_t> split = op.attrInts("split");
    parts.assign(split.begin(), split.end());
  } else {
    SizeExpr count(static_cast<int64_t>(op.numOutputs()));
    SizeExpr each = divideExactly(x.size(axis), count).value_or(SizeExpr::CeilDiv(x.size(axis), count));
    parts.assign(op.numOutputs(), each);
    parts.back() = x.size(axis) - each * (count - SizeExpr(1));
  }
  SizeExpr begin(0);
  for (auto [i, size] : llvm::enumerate(parts)) {
    op.out(i, op.t().slice(x, axis, begin, size));
    begin = begin + size;
  }
  op.t().facts().unify(begin, x.size(axis), op.loc());
}

void importExpand(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Tensor target({.element = x.element(), .sizes = op.sizesIn(1), .loc = op.loc()});
  op.out(0, t.broadcast(x, t.broadcastSizes({x, target})));
}

void importTile(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  Sizes repeats = op.sizesIn(1);
  Sizes apart, spread, merged;
  for (auto [size, repeat] : llvm::zip_equal(x.sizes(), repeats)) {
    if (repeat.Constant() != 1 && size.Constant() != 1) {
      apart.push_back(SizeExpr(1));
      spread.push_back(repeat);
    }
    apart.push_back(size);
    spread.push_back(size.Constant() == 1 ? repeat : size);
    merged.push_back(size * repeat);
  }
  op.out(0, t.reshape(t.broadcast(t.reshape(x, apart), spread), merged));
}

void importConstant(OpContext& op) {
  TensorBuilder& t = op.t();
  for (const auto& attribute : op.node().attribute()) {
    const std::string& name = attribute.name();
    if (name == "value") {
      op.out(0, tensorOf(op.model(), attribute.t(), t));
    } else if (name == "value_int") {
      op.out(0, t.sizeNumber(SizeExpr(attribute.i()), op.b().getI64Type()));
    } else if (name == "value_ints") {
      op.out(0, t.ints(SmallVector<int64_t>(attribute.ints().begin(), attribute.ints().end())));
    } else if (name == "value_float") {
      op.out(0, t.number(attribute.f(), op.b().getF32Type()));
    } else if (name == "value_floats") {
      std::vector<Scalar> elements;
      for (float value : attribute.floats()) {
        elements.push_back(Scalar::ofNumber(value));
      }
      Sizes sizes = {SizeExpr(static_cast<int64_t>(elements.size()))};
      op.out(0, t.knownTensor(std::move(elements), sizes, op.b().getF32Type()));
    } else {
      op.fail("attribute '" + name + "' is not one Sluice has");
    }
  }
}

void importConstantOfShape(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor value = t.number(0, op.b().getF32Type());
  if (const auto* attribute = op.find("value")) {
    value = t.reshape(tensorOf(op.model(), attribute->t(), t), {});
  }
  op.out(0, t.splat(value, op.sizesIn(0)));
}

// start, start + delta, … up to limit.
void importRange(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor start = op.in(0);
  Type element = start.element();
  if (start.isFloat()) {
    double from = op.numberIn(0), to = op.numberIn(1), by = op.numberIn(2);
    int64_t count = std::max<int64_t>(0, static_cast<int64_t>(std::ceil((to - from) / by)));
    op.out(0, t.add(t.mul(t.iota(SizeExpr(count), element), by), from));
    return;
  }
  SizeExpr from = op.sizesIn(0)[0];
  int64_t by = op.intsIn(2)[0];
  if (by == 0) {
    op.fail("step is 0");
  }
  SizeExpr span = by > 0 ? op.sizesIn(1)[0] - from : from - op.sizesIn(1)[0];
  span = t.facts().proveNonNegative(span) ? span : SizeExpr::Max(span, SizeExpr(0));
  SizeExpr count = std::abs(by) == 1 ? span : SizeExpr::CeilDiv(span, SizeExpr(std::abs(by)));
  if (auto known = count.Constant(); known && *known <= kMaxKnownElements) {
    std::vector<Scalar> elements;
    elements.reserve(*known);
    for (int64_t i = 0; i < *known; ++i) {
      elements.push_back(Scalar::ofSize(from + SizeExpr(i * by)));
    }
    op.out(0, t.knownTensor(std::move(elements), {count}, element));
    return;
  }
  Tensor result = t.iota(count, element);
  result = by == 1 ? result : t.mul(result, t.number(static_cast<double>(by), element));
  op.out(0, from.Constant() == 0 ? result : t.add(result, t.sizeNumber(from, element)));
}

constexpr OpDefinition kOps[] = {
    {"", "Shape", importShape},
    {"", "Size", importSize},
    {"", "Reshape", importReshape},
    {"", "Flatten", importFlatten},
    {"", "Squeeze", importSqueeze},
    {"", "Unsqueeze", importUnsqueeze},
    {"", "Transpose", importTranspose},
    {"", "Concat", importConcat},
    {"", "Split", importSplit},
    {"", "Expand", importExpand},
    {"", "Tile", importTile},
    {"", "Constant", importConstant},
    {"", "ConstantOfShape", importConstantOfShape},
    {"", "Range", importRange},
};

}  // namespace

ArrayRef<OpDefinition> shapeOps() { return kOps; }

}  // namespace mlir::onnx_import
