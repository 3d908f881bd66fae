// What the attention operators of ONNX and com.microsoft share: heads, rotation, the nn.attention they become.
#ifndef SLUICE_COMPILER_ONNX_OPS_HEADS_H_
#define SLUICE_COMPILER_ONNX_OPS_HEADS_H_

#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {

// [b, s, heads·d] → [b, heads, s, d]
Tensor splitHeads(OpContext& op, const Tensor& x, int64_t heads);
// [b, heads, s, d] → [b, s, heads·d]
Tensor mergeHeads(OpContext& op, const Tensor& x);

// nn.rope of x [b, h, s, d]; cos and sin [b or 1, s, r/2].
Tensor rope(OpContext& op, const Tensor& x, const Tensor& cos, const Tensor& sin, bool interleaved);
// Rows of a cache [max, r/2] at positions [b, s] → [b, s, r/2].
Tensor cacheRows(OpContext& op, const Tensor& cache, const Tensor& positions);

struct AttentionParts {
  Tensor q, k, v;  // [b, h, s, d], [b, g, t, d], [b, g, t, e]
  Tensor bias;     // broadcasts to [b, h, s, t]; optional
  Tensor mask;     // key mask [b, t] i1; optional
  Tensor lengths;  // [b] i64; optional
  bool causal = false;
  int64_t window = 0;
  std::optional<double> scale;  // 1/sqrt(d) when absent
  double softcap = 0;
  bool uniform_empty_rows = false;
};
// nn.attention → [b, h, s, e].
Tensor attention(OpContext& op, const AttentionParts& parts);

// past and new along axis 2, as both the present state and what the queries see; `now` alone without a past.
Tensor appendState(OpContext& op, const Tensor& past, const Tensor& now);

// A bool mask (true = attend) as a bias of 0 and -inf: a query that sees no key gives zero.
Tensor biasOfMask(OpContext& op, const Tensor& mask, Type element);
// A tensor of rank 2 or 3 as rank 4, aligned at the end; sizes stay 1 where they are broadcast.
Tensor asRank4(OpContext& op, const Tensor& x);

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_OPS_HEADS_H_
