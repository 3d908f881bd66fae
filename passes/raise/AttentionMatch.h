// Finds attention in a graph of primitives: softmax between two matrix products, in every spelling.
//
//   scores = q·kᵀ · c [cap] + terms…      (also masked_fill; scale on q, k or the scores; repeated keys; [b*h, s, d])
//   o      = [guard] softmax(scores) · v
//
// All spellings are read through index arithmetic: "element (b, h, q, k) of the softmax's operand" is followed upwards
// through views, sums and scales; whichever value holds element (b, h / r, k, d) for the key operand is the key before
// it was repeated, transposed or flattened.
#ifndef SLUICE_PASSES_RAISE_ATTENTIONMATCH_H_
#define SLUICE_PASSES_RAISE_ATTENTIONMATCH_H_

#include "passes/raise/MaskAnalysis.h"

namespace mlir::sluice::raise {

// A value on the way up from an operand: element `at` of it, times `factor`, is the operand's element.
struct TraceEntry {
  Value value;
  Indices at;
  double factor = 1;
};
// From `value` upwards through views, and multiplications by numbers when `scales`.  The first entry is `value`.
SmallVector<TraceEntry> traceUp(ElementExpr& elements, Value value, Indices at, bool scales);

// The number every element of `value` is; nothing for what no small expression of constants and sizes gives.
std::optional<double> uniformNumber(ElementExpr& elements, Value value);

struct AttentionMatch {
  nn::SoftmaxOp softmax;
  nn::MatmulOp scores, output;
  ScoreFrame frame;
  Expr d = nullptr, e = nullptr;  // positions in a head of q, k and of v
  Poly width, valueWidth;
  double scale = 1, softcap = 0;
  SmallVector<MaskTerm> terms;
  Indices scoresAt, outputLead;  // position in `scores`, leading dimensions of `output`, in the frame's indices
};

// The attention whose weights `softmax` computes and that `output` multiplies with values; or why it is none.
FailureOr<AttentionMatch> matchAttention(ElementExpr& elements, nn::SoftmaxOp softmax, nn::MatmulOp output,
                                         std::string& why);

// The products whose left operand is this softmax seen through views, casts and the guard against rows without keys.
SmallVector<nn::MatmulOp> weightedSums(nn::SoftmaxOp softmax);

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_ATTENTIONMATCH_H_
