// Quantizations as element-wise ops, which generated kernels and the epilogues of products take in.
//
//   %q = nn.quantize %y, %s, %z     →     fptosi(clamp(roundeven(%y / s))) + z, as 8 bits
#include <cmath>

#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/fuse/Fusible.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_EXPANDQUANTIZATIONPASS
#include "passes/fuse/Passes.h.inc"

namespace {

Type elementOf(Value value) { return cast<RankedTensorType>(value.getType()).getElementType(); }

// A quantization of 8-bit codes and f32 whose zero point is a known number.
template <typename Op>
bool expands(Op op, Value codes, Value floats) {
  return isCode(elementOf(codes)) && elementOf(floats).isF32() && elementOf(op.getScale()).isF32() &&
         op.getBlock() == 0 && splatZero(op.getZeroPoint());
}

// Convolutions tell by the op before them that they sum codes (ChannelsLast).
bool sumsCodes(OpOperand& use) { return isa<nn::ConvOp, nn::ConvTransposeOp>(use.getOwner()); }

class Expander {
 public:
  explicit Expander(MLIRContext* context) : b_(context) {}

  // (q − zero) · scale
  void expand(nn::DequantizeOp op) {
    if (!expands(op, op.getQ(), op.getResult()) || isWeightExpr(op.getResult()) ||
        llvm::all_of(op->getUses(), sumsCodes)) {
      return;
    }
    begin(op, op.getScale(), static_cast<int64_t>(op.getAxis()));
    Value q = op.getQ(), x;
    if (elementOf(q).isUnsignedInteger()) {
      q = tensor::BitcastOp::create(b_, *loc_, as(b_.getI8Type()), q);
      x = arith::UIToFPOp::create(b_, *loc_, as(b_.getF32Type()), q);
    } else {
      x = arith::SIToFPOp::create(b_, *loc_, as(b_.getF32Type()), q);
    }
    if (int64_t zero = *splatZero(op.getZeroPoint())) {
      x = arith::SubFOp::create(b_, *loc_, x, number(static_cast<float>(zero)));
    }
    x = arith::MulFOp::create(b_, *loc_, x, scale_);
    op.getResult().replaceUsesWithIf(x, [](OpOperand& use) { return !sumsCodes(use); });
  }

  // saturate(round_half_even(x / scale) + zero); a NaN becomes the zero point, as integers of NaN are 0 on a GPU.
  void expand(nn::QuantizeOp op) {
    if (!expands(op, op.getResult(), op.getX())) {
      return;
    }
    begin(op, op.getScale(), static_cast<int64_t>(op.getAxis()));
    Type code = elementOf(op.getResult()), i32 = as(b_.getI32Type());
    int64_t zero = *splatZero(op.getZeroPoint()), low = code.isUnsignedInteger() ? 0 : -128;
    Value q = math::RoundEvenOp::create(b_, *loc_, quotient(op.getX(), numberOf(op.getScale())));
    q = arith::MaximumFOp::create(b_, *loc_, q, number(static_cast<float>(low - zero)));
    q = arith::MinimumFOp::create(b_, *loc_, q, number(static_cast<float>(low + 255 - zero)));
    q = arith::FPToSIOp::create(b_, *loc_, i32, q);
    if (zero != 0) {
      q = arith::AddIOp::create(b_, *loc_, q, constant(b_.getI32IntegerAttr(static_cast<int32_t>(zero))));
    }
    q = arith::TruncIOp::create(b_, *loc_, as(b_.getI8Type()), q);
    if (code.isUnsignedInteger()) {
      q = tensor::BitcastOp::create(b_, *loc_, as(code), q);
    }
    op.getResult().replaceAllUsesWith(q);
  }

 private:
  // Where the next ops go, the sizes they have, and the scale with them.
  void begin(Operation* op, Value scale, int64_t axis) {
    b_.setInsertionPoint(op);
    loc_ = op->getLoc();
    sizes_ = analysis_.of(op->getResult(0));
    axis += axis < 0 ? static_cast<int64_t>(sizes_.size()) : 0;
    scale_ = spread(scale, axis);
  }
  RankedTensorType as(Type element) { return nn::typeOf(sizes_, element); }

  // A number everywhere, or those of a vector along dimension `along`.
  Value spread(Value value, int64_t along) {
    bool vector = cast<RankedTensorType>(value.getType()).getRank() == 1;
    SmallVector<int64_t> added = llvm::to_vector(llvm::seq<int64_t>(0, static_cast<int64_t>(sizes_.size())));
    llvm::erase_if(added, [&](int64_t d) { return vector && d == along; });
    Value empty = nn::emptyTensor(b_, *loc_, sizes_, elementOf(value));
    return linalg::BroadcastOp::create(b_, *loc_, value, empty, added)->getResult(0);
  }
  Value constant(TypedAttr number) {
    auto type = RankedTensorType::get({}, number.getType());
    Value value = arith::ConstantOp::create(b_, *loc_, DenseElementsAttr::get(type, Attribute(number)));
    return spread(value, -1);
  }
  Value number(float value) { return constant(b_.getF32FloatAttr(value)); }

  // x / scale, correctly rounded.  By a known number as a product with its reciprocal and a step of Newton's (which is
  // exact: Markstein 1990), unless that leaves f32's normal numbers or the number's significand is all ones.
  Value quotient(Value x, std::optional<float> by) {
    int exponent = 0;
    bool plain = !by || !std::isnormal(*by) || !std::isnormal(1 / *by) ||
                 std::frexp(*by, &exponent) == 1 - std::ldexp(1.0F, -24);
    if (plain) {
      return arith::DivFOp::create(b_, *loc_, x, scale_);
    }
    constexpr float kFar = 1 << 20;  // beyond any code: what overflows there stays beyond
    Value reciprocal = number(1 / *by);
    Value near = arith::MulFOp::create(b_, *loc_, x, reciprocal);
    near = arith::MaximumFOp::create(b_, *loc_, near, number(-kFar));
    near = arith::MinimumFOp::create(b_, *loc_, near, number(kFar));
    Value rest = math::FmaOp::create(b_, *loc_, near, number(-*by), x);
    return math::FmaOp::create(b_, *loc_, rest, reciprocal, near);
  }

  OpBuilder b_;
  std::optional<Location> loc_;
  nn::Sizes sizes_;
  Value scale_;
  nn::SizeAnalysis analysis_;
};

struct ExpandQuantization : impl::ExpandQuantizationPassBase<ExpandQuantization> {
  void runOnOperation() final {
    if (!targetOf(getOperation()).gpu) {
      return;
    }
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      Block& block = func.getBody().front();
      Expander expander(&getContext());
      for (Operation& op : llvm::make_early_inc_range(block)) {
        if (auto dequantize = dyn_cast<nn::DequantizeOp>(op)) {
          expander.expand(dequantize);
        } else if (auto quantize = dyn_cast<nn::QuantizeOp>(op)) {
          expander.expand(quantize);
        }
      }
      for (Operation& op : llvm::make_early_inc_range(llvm::reverse(block))) {
        if (isOpTriviallyDead(&op)) {
          op.erase();
        }
      }
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
