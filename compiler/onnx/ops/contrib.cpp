// com.microsoft: attention over packed or separate projections, with caches.
#include "compiler/onnx/ops/Heads.h"

namespace mlir::onnx_import {
namespace {

// Positions of the queries: the last `seq` of each row's keys, [b, s].
Tensor queryPositions(OpContext& op, const Tensor& lengths, const SizeExpr& seq) {
  TensorBuilder& t = op.t();
  Type i64 = op.b().getI64Type();
  Tensor first = t.sub(lengths, t.sizeNumber(seq, i64));
  return t.add(t.unsqueeze(first, {1}), t.iota(seq, i64));
}

struct Projections {
  Tensor q, k, v;  // [b, h, s, d], [b, g, s, d]
};

// q, k, v in one tensor [b, s, (h + 2g)·d] are slices of its last dimension.
Projections splitProjections(OpContext& op, int64_t heads, int64_t groups) {
  TensorBuilder& t = op.t();
  Tensor packed = op.in(0);
  if (op.has(1)) {
    return {splitHeads(op, packed, heads), splitHeads(op, op.in(1), groups), splitHeads(op, op.in(2), groups)};
  }
  auto width = packed.size(-1).Constant();
  if (!width || *width % (heads + 2 * groups) != 0) {
    op.fail("its packed input is not a multiple of its heads");
  }
  SizeExpr head(*width / (heads + 2 * groups));
  SizeExpr q_size = head * SizeExpr(heads);
  SizeExpr kv_size = head * SizeExpr(groups);
  return {splitHeads(op, t.slice(packed, 2, SizeExpr(0), q_size), heads),
          splitHeads(op, t.slice(packed, 2, q_size, kv_size), groups),
          splitHeads(op, t.slice(packed, 2, q_size + kv_size, kv_size), groups)};
}

void importGroupQueryAttention(OpContext& op) {
  TensorBuilder& t = op.t();
  int64_t heads = op.attr("num_heads", int64_t{0});
  int64_t groups = op.attr("kv_num_heads", int64_t{0});
  Projections x = splitProjections(op, heads, groups);
  SizeExpr seq = x.q.size(2);
  AttentionParts parts;
  // seqlens_k holds the valid keys less one.
  Tensor last = t.cast(t.reshape(op.in(5), {x.q.size(0)}), op.b().getI64Type());
  parts.lengths = t.add(last, 1);
  if (op.flag("do_rotary")) {
    Tensor positions = op.has(9) ? op.in(9) : queryPositions(op, parts.lengths, seq);
    Tensor cos = cacheRows(op, op.in(7), positions);
    Tensor sin = cacheRows(op, op.in(8), positions);
    x.q = rope(op, x.q, cos, sin, op.flag("rotary_interleaved"));
    x.k = rope(op, x.k, cos, sin, op.flag("rotary_interleaved"));
  }
  parts.q = x.q;
  parts.k = appendState(op, op.opt(3), x.k);
  parts.v = appendState(op, op.opt(4), x.v);
  if (op.has(6) && op.in(6).isKnown()) {
    t.facts().unify(op.sizesIn(6)[0], parts.k.size(2), op.loc());
  }
  if (op.has(11)) {
    op.fail("a head sink is not one Sluice has");
  }
  parts.bias = op.has(10) ? asRank4(op, op.in(10)) : Tensor();
  parts.causal = true;
  parts.window = std::max<int64_t>(op.attr("local_window_size", int64_t{-1}), 0);
  parts.softcap = op.attrFloat("softcap", 0);
  if (double scale = op.attrFloat("scale", 0); scale != 0) {
    parts.scale = scale;
  }
  op.out(0, mergeHeads(op, attention(op, parts)));
  op.out(1, parts.k);
  op.out(2, parts.v);
}

// k and v of a cross attention come as [b, h, t, d] already.
Tensor keyHeads(OpContext& op, const Tensor& x, int64_t heads) { return x.rank() == 4 ? x : splitHeads(op, x, heads); }

// The part [begin, begin + size) of a bias over q, k and v, added to x.
Tensor addBiasPart(OpContext& op, const Tensor& x, size_t input, const SizeExpr& begin) {
  if (!op.has(input) || x.rank() != 3) {
    return x;
  }
  return op.t().add(x, op.t().slice(op.in(input), 0, begin, x.size(-1)));
}

void importMultiHeadAttention(OpContext& op) {
  TensorBuilder& t = op.t();
  int64_t heads = op.attr("num_heads", int64_t{0});
  if (op.in(0).rank() == 5 || !op.has(1) || !op.has(2)) {
    op.fail("packed q, k and v are not a form Sluice has");
  }
  SizeExpr q_width = op.in(0).size(-1);
  AttentionParts parts;
  parts.q = splitHeads(op, addBiasPart(op, op.in(0), 3, SizeExpr(0)), heads);
  Tensor k = keyHeads(op, addBiasPart(op, op.in(1), 3, q_width), heads);
  Tensor v = keyHeads(op, addBiasPart(op, op.in(2), 3, q_width + op.in(1).size(-1)), heads);
  parts.k = appendState(op, op.opt(6), k);
  parts.v = appendState(op, op.opt(7), v);
  parts.bias = op.has(5) ? asRank4(op, op.in(5)) : Tensor();
  if (op.has(4)) {
    Tensor mask = op.in(4);
    if (mask.rank() == 1) {  // lengths: the first so many keys are seen
      Tensor lengths = t.cast(t.unsqueeze(mask, {1}), op.b().getI64Type());
      parts.mask = t.binary(Binary::Less, t.iota(parts.k.size(2), op.b().getI64Type()), lengths);
    } else {
      parts.mask = t.cast(mask, op.b().getI1Type());
    }
  }
  parts.causal = op.flag("unidirectional");
  if (double scale = op.attrFloat("scale", 0); scale != 0) {
    parts.scale = scale;
  }
  op.out(0, mergeHeads(op, attention(op, parts)));
  op.out(1, parts.k);
  op.out(2, parts.v);
}

// Positions [b, s], or one offset [1] from which all rows count.
void importContribRotaryEmbedding(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  bool flat = x.rank() == 3;
  auto half = op.in(2).size(1).Constant();
  int64_t heads = op.attr("num_heads", int64_t{0});
  if (flat && heads == 0) {
    auto width = x.size(-1).Constant();
    if (!half || !width) {
      op.fail("its head size is not known");
    }
    heads = *width / (2 * *half);
  }
  x = flat ? splitHeads(op, x, heads) : x;
  Tensor positions = op.in(1);
  if (positions.rank() == 1) {
    Tensor first = t.cast(positions, op.b().getI64Type());
    positions = t.unsqueeze(t.add(first, t.iota(x.size(2), op.b().getI64Type())), {0});
  }
  x = rope(op, x, cacheRows(op, op.in(2), positions), cacheRows(op, op.in(3), positions), op.flag("interleaved"));
  op.out(0, flat ? mergeHeads(op, x) : x);
}

constexpr OpDefinition kOps[] = {
    {"com.microsoft", "GroupQueryAttention", importGroupQueryAttention},
    {"com.microsoft", "MultiHeadAttention", importMultiHeadAttention},
    {"com.microsoft", "RotaryEmbedding", importContribRotaryEmbedding},
};

}  // namespace

ArrayRef<OpDefinition> contribOps() { return kOps; }

}  // namespace mlir::onnx_import
