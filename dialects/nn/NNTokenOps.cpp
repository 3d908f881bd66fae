// Verifiers of rope and attention beyond their loop specs.
#include "dialects/nn/NNDialect.h"

using namespace mlir;
using namespace mlir::nn;

namespace {
// Size d of a type; negative d counts from the end.
int64_t dim(Value value, int64_t d) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getDimSize(d < 0 ? d + type.getRank() : d);
}
bool differ(int64_t a, int64_t b) { return !ShapedType::isDynamic(a) && !ShapedType::isDynamic(b) && a != b; }
int64_t rank(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }
}  // namespace

// An angle cut to 16 bits turns by a thousandth too much: tables keep their type.
OperandRole RopeOp::getOperandRole(unsigned index) { return index == 0 ? OperandRole::Activation : OperandRole::Exact; }

LogicalResult RopeOp::verify() {
  if (rank(getCos()) != 3 || rank(getSin()) != 3) {
    return emitOpError("cos and sin must have rank 3, [batch or 1, seq, r/2]");
  }
  int64_t half = dim(getCos(), -1);
  if (differ(half, dim(getSin(), -1))) {
    return emitOpError("cos has ") << half << " angles, sin has " << dim(getSin(), -1);
  }
  if (!ShapedType::isDynamic(half) && !ShapedType::isDynamic(dim(getX(), -1)) && 2 * half > dim(getX(), -1)) {
    return emitOpError("rotates ") << 2 * half << " of " << dim(getX(), -1) << " elements";
  }
  return success();
}

LogicalResult AttentionOp::verify() {
  int64_t heads = dim(getQ(), 1);
  int64_t groups = dim(getK(), 1);
  if (!ShapedType::isDynamic(heads) && !ShapedType::isDynamic(groups) && (groups == 0 || heads % groups != 0)) {
    return emitOpError("has ") << heads << " query heads, not a multiple of its " << groups << " key heads";
  }
  if (getBias() && rank(getBias()) != 4) {
    return emitOpError("bias has rank ") << rank(getBias()) << ", expected 4";
  }
  if (getKeyMask() && rank(getKeyMask()) != 2) {
    return emitOpError("key mask has rank ") << rank(getKeyMask()) << ", expected 2, [batch, keys]";
  }
  if (getLengths() && rank(getLengths()) != 1) {
    return emitOpError("lengths have rank ") << rank(getLengths()) << ", expected 1";
  }
  if (getSlopes() && (rank(getSlopes()) != 1 || differ(dim(getSlopes(), 0), heads))) {
    return emitOpError("slopes must be one a query head");
  }
  return success();
}
