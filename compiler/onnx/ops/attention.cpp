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

// Which keys a query sees by where it stands among them; -1: no bound.
struct Reach {
  bool causal = false;
  int64_t left = -1, right = -1;
  bool bounded() const { return causal || left >= 0 || right >= 0; }
};

// The reach as a bias [b, 1, s, t]; query i stands at key offset[b] + i, offset [b] or [1].
Tensor reachBias(OpContext& op, const Reach& reach, const Tensor& offset, const SizeExpr& queries, const SizeExpr& keys,
                 Type element) {
  TensorBuilder& t = op.t();
  Type i64 = op.b().getI64Type();
  Tensor place = t.add(t.unsqueeze(offset, {1}), t.unsqueeze(t.iota(queries, i64), {0}));
  place = t.unsqueeze(place, {1, 3});
  Tensor key = t.iota(keys, i64);
  Tensor seen;
  auto also = [&](const Tensor& low, const Tensor& high) {
    Tensor next = t.binary(Binary::LessOrEqual, low, high);
    seen = seen ? t.binary(Binary::And, seen, next) : next;
  };
  if (reach.causal) {
    also(key, place);
  }
  if (reach.left >= 0) {
    also(t.add(place, -static_cast<double>(reach.left)), key);
  }
  if (reach.right >= 0) {
    also(key, t.add(place, static_cast<double>(reach.right)));
  }
  return biasOfMask(op, seen, element);
}

// The reach as the pattern of nn.attention where the queries are the last of the keys and it has such a pattern,
// otherwise in the bias.
void addReach(OpContext& op, AttentionParts& parts, Reach reach) {
  TensorBuilder& t = op.t();
  if (!reach.bounded()) {
    return;
  }
  reach.causal |= reach.right == 0;
  SizeExpr past = op.has(4) ? op.in(4).size(2) : SizeExpr(0);
  bool external = parts.lengths && !op.has(4);  // the cache is kept outside: as many keys as the lengths say are there
  if (!external && reach.causal && past + parts.q.size(2) == parts.k.size(2)) {
    parts.causal = true;
    parts.window = reach.left + 1;
    return;
  }
  Type i64 = op.b().getI64Type();
  Tensor offset =
      external ? t.sub(parts.lengths, t.sizeNumber(parts.q.size(2), i64)) : t.unsqueeze(t.sizeNumber(past, i64), {0});
  Tensor bias = reachBias(op, reach, offset, parts.q.size(2), parts.k.size(2), parts.q.element());
  parts.bias = parts.bias ? t.add(parts.bias, bias) : bias;
}

// A mask may end before the keys where the lengths say that nothing behind it counts.
Tensor throughTheKeys(OpContext& op, const Tensor& bias, const SizeExpr& keys) {
  Sizes rest = bias.sizes();
  rest[3] = keys - rest[3];
  return rest[3] == SizeExpr(0) ? bias : op.t().concat({bias, op.t().splat(op.t().number(-INFINITY, bias), rest)}, 3);
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
  if (parts.bias && parts.lengths) {
    parts.bias = throughTheKeys(op, parts.bias, parts.k.size(2));
  }
  addReach(op, parts,
           {op.flag("is_causal"), op.attr("left_window_size", int64_t{-1}), op.attr("right_window_size", int64_t{-1})});
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
