// ONNX's own attention operators (opset 23), and what all attention operators share.
#include <cmath>

#include "compiler/onnx/ops/Heads.h"

namespace mlir::onnx_import {

Tensor splitHeads(OpContext& op, const Tensor& x, int64_t heads) {
  TensorBuilder& t = op.t();
  auto width = divideExactly(x.size(-1), SizeExpr(heads));
  if (heads <= 0 || x.rank() != 3 || !width) {
    op.fail("cannot split its input into " + llvm::Twine(heads) + " heads");
  }
  return t.transpose(t.splitDim(x, 2, {SizeExpr(heads), *width}), {0, 2, 1, 3});
}

Tensor mergeHeads(OpContext& op, const Tensor& x) { return op.t().mergeDims(op.t().transpose(x, {0, 2, 1, 3}), 2, 4); }

Tensor rope(OpContext& op, const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved) {
  TensorBuilder& t = op.t();
  t.facts().unify(cos.size(1), x.size(2), op.loc());
  return t.emit<nn::RopeOp>(x.sizes(), x.element(), t.value(x), t.value(cos), t.value(sin),
                            op.b().getBoolAttr(interleaved));
}

Tensor cacheRows(OpContext& op, const Tensor& cache, const Tensor& positions) {
  return op.t().gather(cache, positions, 0);
}

Tensor attention(OpContext& op, const AttentionParts& parts) {
  TensorBuilder& t = op.t();
  const Tensor& q = parts.q;
  t.facts().unify(q.size(0), parts.k.size(0), op.loc());
  t.facts().unify(q.size(3), parts.k.size(3), op.loc());
  t.facts().unify(parts.k.size(2), parts.v.size(2), op.loc());
  Tensor bias = parts.bias;
  if (bias) {
    // The last dimension is whole, the others may stay 1.
    Sizes sizes = bias.sizes();
    sizes[3] = parts.k.size(2);
    bias = t.broadcast(bias, sizes);
  }
  auto width = q.size(3).Constant();
  if (!parts.scale && !width) {
    op.fail("its head size is not known, and no scale is given");
  }
  double scale = parts.scale ? *parts.scale : 1 / std::sqrt(static_cast<double>(*width));
  Sizes sizes = {q.size(0), q.size(1), q.size(2), parts.v.size(3)};
  auto pattern = nn::PatternAttr::get(op.context(), parts.causal, parts.window);
  auto empty =
      nn::EmptyRowsAttr::get(op.context(), parts.uniform_empty_rows ? nn::EmptyRows::Uniform : nn::EmptyRows::Zero);
  return t.emit<nn::AttentionOp>(sizes, q.element(), t.value(q), t.value(parts.k), t.value(parts.v),
                                 t.valueOrNull(bias), t.valueOrNull(parts.mask), t.valueOrNull(parts.lengths), Value(),
                                 pattern, op.b().getF64FloatAttr(scale), op.b().getF64FloatAttr(parts.softcap), empty);
}

Tensor appendState(OpContext& op, const Tensor& past, const Tensor& now) {
  return past ? op.t().concat({past, now}, 2) : now;
}

Tensor biasOfMask(OpContext& op, const Tensor& mask, Type element) {
  TensorBuilder& t = op.t();
  return t.select(mask, t.number(0, element), t.number(-INFINITY, element));
}

Tensor asRank4(OpContext& op, const Tensor& x) {
  Sizes sizes = x.sizes();
  if (sizes.size() > 4) {
    op.fail("a mask or bias has rank " + llvm::Twine(x.rank()));
  }
  sizes.insert(sizes.begin(), 4 - sizes.size(), SizeExpr(1));
  return op.t().reshape(x, sizes);
}

namespace {

// The pattern of a causal attention whose queries begin at key `offset`, as an explicit bias.
Tensor causalBias(OpContext& op, const SizeExpr& queries, const SizeExpr& keys, Type element) {
  TensorBuilder& t = op.t();
  Type i64 = op.b().getI64Type();
  Tensor query = t.unsqueeze(t.iota(queries, i64), {1});
  return asRank4(op, biasOfMask(op, t.binary(Binary::LessOrEqual, t.iota(keys, i64), query), element));
}

void importAttention(OpContext& op) {
  TensorBuilder& t = op.t();
  bool flat = op.in(0).rank() == 3;
  int64_t heads = op.attr("q_num_heads", int64_t{0});
  int64_t groups = op.attr("kv_num_heads", int64_t{0});
  AttentionParts parts;
  parts.q = flat ? splitHeads(op, op.in(0), heads) : op.in(0);
  Tensor k = flat ? splitHeads(op, op.in(1), groups) : op.in(1);
  Tensor v = flat ? splitHeads(op, op.in(2), groups) : op.in(2);
  parts.k = appendState(op, op.opt(4), k);
  parts.v = appendState(op, op.opt(5), v);
  Type element = parts.q.element();
  if (op.has(3)) {
    Tensor mask = op.in(3);
    parts.bias = asRank4(op, mask.element().isInteger(1) ? biasOfMask(op, mask, element) : t.cast(mask, element));
  }
  if (op.has(6)) {
    parts.lengths = t.cast(op.in(6), op.b().getI64Type());
  }
  if (op.flag("is_causal")) {
    // Queries sit behind the past: the last of the keys, unless there are more keys than past and queries.
    SizeExpr behind = (op.has(4) ? op.in(4).size(2) : SizeExpr(0)) + parts.q.size(2);
    if (behind == parts.k.size(2)) {
      parts.causal = true;
    } else {
      Tensor causal = causalBias(op, parts.q.size(2), parts.k.size(2), element);
      parts.bias = parts.bias ? t.add(parts.bias, causal) : causal;
    }
  }
  if (op.find("scale")) {
    parts.scale = op.attrFloat("scale", 0);
  }
  parts.softcap = op.attrFloat("softcap", 0);
  if (op.wants(3)) {
    op.fail("its fourth output, the scores, is not one Sluice computes");
  }
  Tensor result = attention(op, parts);
  op.out(0, flat ? mergeHeads(op, result) : result);
  op.out(1, parts.k);
  op.out(2, parts.v);
}

// Opset 23: caches of half the rotary width, gathered by position_ids when those are given.
void importRotaryEmbedding(OpContext& op) {
  Tensor x = op.in(0);
  Tensor cos = op.has(3) ? cacheRows(op, op.in(1), op.in(3)) : op.in(1);
  Tensor sin = op.has(3) ? cacheRows(op, op.in(2), op.in(3)) : op.in(2);
  bool flat = x.rank() == 3;
  x = flat ? splitHeads(op, x, op.attr("num_heads", int64_t{0})) : x;
  x = rope(op, x, cos, sin, op.flag("interleaved"));
  op.out(0, flat ? mergeHeads(op, x) : x);
}

constexpr OpDefinition kOps[] = {
    {"", "Attention", importAttention},
    {"", "RotaryEmbedding", importRotaryEmbedding},
};

}  // namespace

ArrayRef<OpDefinition> attentionOps() { return kOps; }

}  // namespace mlir::onnx_import
