// Products of 8-bit codes less their zero points as products of the codes themselves, which are summed exactly in i32.
//
//   %a = nn.dequantize %x, %sx, %zx          %s = nn.conv %x, %w … outside zx : ui8, i8 → i32
//   %b = nn.dequantize %w, %sw, %zw     →    %i = %s − zx (Σ w − k zw) − zw Σ x
//   %y = nn.conv %a, %b, %bias …             %y = f32(%i) · (sx · sw) + %bias
//
// Σ w of a weight is a weight.  Σ x, which only weights with a zero point need, is a product with ones.  Codes that are
// subtracted from in i32 (ConvInteger, MatMulInteger) are the same without scales.
#include <cmath>

#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/fuse/Fusible.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_INTEGERPRODUCTSPASS
#include "passes/fuse/Passes.h.inc"

namespace {

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

//===-- Facts
//------------------------------------------------------------------------------------------------------===//

// A number for all of a tensor (rank 0), or one an index of dimension `along` of it.
struct Spread {
  Value value;  // null: 0
  int64_t along = -1;
};

// 8-bit codes and what they stand for: q − zero in i32, or (q − zero) · scale in f32.
struct Codes {
  Value q;
  Spread zero, scale;
  bool turned = false;  // what is read is the transpose of q; `along` speaks of what is read

  bool centred() const { return splatZero(zero.value) == 0; }
};

std::optional<Codes> codesOf(nn::DequantizeOp op) {
  if (op.getBlock() != 0 || !isCode(typeOf(op.getQ()).getElementType()) ||
      !typeOf(op.getScale()).getElementType().isF32() || !typeOf(op.getResult()).getElementType().isF32()) {
    return std::nullopt;
  }
  int64_t rank = typeOf(op.getQ()).getRank(), axis = static_cast<int64_t>(op.getAxis());
  int64_t along = typeOf(op.getScale()).getRank() == 0 ? -1 : axis < 0 ? axis + rank : axis;
  return Codes{op.getQ(), {op.getZeroPoint(), along}, {op.getScale(), along}};
}

// The codes that `wide` is in i32.
Value narrowed(Value wide) {
  Operation* op = wide.getDefiningOp();
  if (!isa_and_nonnull<arith::ExtSIOp, arith::ExtUIOp>(op) || !typeOf(wide).getElementType().isInteger(32)) {
    return Value();
  }
  Value q = op->getOperand(0);
  if (isa<arith::ExtUIOp>(op)) {
    auto cast = q.getDefiningOp<tensor::BitcastOp>();
    q = cast && typeOf(cast.getSource()).getElementType().isUnsignedInteger(8) ? cast.getSource() : Value();
  }
  return q && isCode(typeOf(q).getElementType()) ? q : Value();
}

// What is broadcast to `value`, if that is a number, or one an index of a dimension.
std::optional<Spread> spreadOf(Value value) {
  if (splatZero(value)) {
    return Spread{value};
  }
  auto broadcast = value.getDefiningOp<linalg::BroadcastOp>();
  if (!broadcast || typeOf(broadcast.getInput()).getRank() > 1) {
    return std::nullopt;
  }
  Spread spread{broadcast.getInput()};
  for (int64_t d = 0; d < typeOf(value).getRank() && typeOf(broadcast.getInput()).getRank() == 1; ++d) {
    spread.along = llvm::is_contained(broadcast.getDimensions(), d) ? spread.along : d;
  }
  return spread;
}

std::optional<Codes> codesOf(Value value) {
  auto transpose = value.getDefiningOp<linalg::TransposeOp>();
  if (transpose && typeOf(value).getRank() == 2) {
    std::optional<Codes> codes = codesOf(transpose.getInput());
    if (codes) {
      codes->turned = !codes->turned;
      for (Spread* spread : {&codes->zero, &codes->scale}) {
        spread->along = spread->along < 0 ? -1 : 1 - spread->along;
      }
    }
    return codes;
  }
  if (auto dequantize = value.getDefiningOp<nn::DequantizeOp>()) {
    return codesOf(dequantize);
  }
  Codes codes;
  auto less = value.getDefiningOp<arith::SubIOp>();
  std::optional<Spread> zero = less ? spreadOf(less.getRhs()) : std::nullopt;
  codes.q = narrowed(zero ? less.getLhs() : value);
  codes.zero = zero.value_or(Spread());
  return codes.q ? std::optional(codes) : std::nullopt;
}

//===-- Decision
//---------------------------------------------------------------------------------------------------===//

constexpr int64_t kMostDepth = (int64_t{1} << 31) / (255 * 255);  // whose sums i32 holds, whatever the codes

struct Product {
  Operation* op = nullptr;
  Operation* end = nullptr;  // whose result is that of the product: op, or what adds the bias to it
  nn::ConvOp conv;           // op, if it is one
  Codes x, w;                // w is read as [features, …], but by nn.matmul as [k, features]
  int64_t row = 0;           // w's dimension of features
  int64_t features = 0;      // the result's
  int64_t depth = 0;         // products in a sum

  Value bias;        // f32 [features], or null
  Value bias_codes;  // i32 [features], in units of both scales' product: instead

  bool scaled() const { return x.scale.value != nullptr; }
};

// The known numbers of a constant.
SmallVector<float> numbersOf(Value value) {
  DenseFPElementsAttr numbers;
  return matchPattern(value, m_Constant(&numbers)) ? SmallVector<float>(numbers.getValues<float>())
                                                   : SmallVector<float>();
}

// The i32 that `bias` is in units of both scales' product; null if it is not.
Value biasCodes(const Product& p, Value bias) {
  auto dequantize = bias ? bias.getDefiningOp<nn::DequantizeOp>() : nn::DequantizeOp();
  if (!dequantize || !p.scaled() || !typeOf(dequantize.getQ()).getElementType().isInteger(32) ||
      dequantize.getBlock() != 0 || splatZero(dequantize.getZeroPoint()) != 0) {
    return Value();
  }
  SmallVector<float> x = numbersOf(p.x.scale.value), w = numbersOf(p.w.scale.value),
                     unit = numbersOf(dequantize.getScale());
  bool same =
      x.size() == 1 && !w.empty() && w.size() == unit.size() && llvm::all_of(llvm::zip_equal(w, unit), [&](auto pair) {
        auto [scale, given] = pair;
        return std::abs(x[0] * scale - given) <= 1e-6F * given;
      });
  return same ? dequantize.getQ() : Value();
}

// A convolution has its bias; to other products it is added.
void findBias(Product& p) {
  if (p.conv) {
    p.bias_codes = biasCodes(p, p.conv.getBias());
    p.bias = p.bias_codes ? Value() : p.conv.getBias();
    return;
  }
  auto add = p.op->hasOneUse() ? dyn_cast<arith::AddFOp>(*p.op->user_begin()) : arith::AddFOp();
  if (!add) {
    return;
  }
  std::optional<Spread> bias = spreadOf(add.getLhs() == p.op->getResult(0) ? add.getRhs() : add.getLhs());
  p.bias_codes = bias && bias->along == p.features ? biasCodes(p, bias->value) : Value();
  p.end = p.bias_codes ? add : p.op;
}

// Why the sums of `p` cannot be those of its codes; "" if they can.
std::string refusal(const Product& p, bool gpu) {
  nn::ConvOp conv = p.conv;
  if (p.scaled() != (p.w.scale.value != nullptr)) {
    return "only one side has scales";
  }
  if (p.bias && !p.scaled()) {
    return "its bias is not one of scaled codes";
  }
  if (p.scaled() && !gpu) {
    return "the CPU's kernels sum floats faster";
  }
  if (!typeOf(p.op->getOperand(1)).hasStaticShape()) {
    return "the sizes of its weight vary";
  }
  if (p.depth > kMostDepth) {
    return "i32 does not hold the sum of " + std::to_string(p.depth) + " products";
  }
  if (p.x.scale.along >= 0 || p.x.zero.along > (conv ? -1 : p.features - 1)) {
    return "x has a scale or zero point for each index of a dimension that is summed";
  }
  for (const Spread& spread : {p.w.zero, p.w.scale}) {
    if (spread.along >= 0 && spread.along != p.row) {
      return "its weight has a scale or zero point for each index of a dimension that is summed";
    }
  }
  if (conv && conv.getGroups() != 1 && !p.w.centred()) {
    return "its weight has a zero point, and sums of x differ from group to group";
  }
  bool pads = conv && llvm::any_of(conv.getPads(), [](int64_t n) { return n != 0; });
  return pads && !splatZero(p.x.zero.value) ? "its padding, the zero point of x, is not known before the run" : "";
}

// A product whose sides are both codes.
std::optional<Product> productOf(Operation* op) {
  Product p{.op = op, .end = op, .conv = dyn_cast<nn::ConvOp>(op)};
  bool matmul = isa<nn::MatmulOp>(op);
  if (!isa<nn::LinearOp>(op) && !p.conv && !(matmul && typeOf(op->getResult(0)).getRank() == 2)) {
    return std::nullopt;
  }
  std::optional<Codes> x = codesOf(op->getOperand(0)), w = codesOf(op->getOperand(1));
  if (!x || !w || x->turned) {
    return std::nullopt;
  }
  p.x = *x, p.w = *w;
  p.row = matmul ? 1 : 0;
  p.features = p.conv ? 1 : typeOf(op->getResult(0)).getRank() - 1;
  RankedTensorType type = typeOf(op->getOperand(1));
  int64_t features = type.getDimSize(p.row);
  p.depth = type.hasStaticShape() && features != 0 ? type.getNumElements() / features : 0;
  findBias(p);
  return p;
}

//===-- Rewrite
//----------------------------------------------------------------------------------------------------===//

class Rewriter {
 public:
  Rewriter(Block& block, bool gpu) : gpu_(gpu), b_(block.getParentOp()->getContext()) {
    if (gpu) {
      for (auto quantize : llvm::make_early_inc_range(block.getOps<nn::QuantizeOp>())) {
        makeUnsigned(quantize);
      }
    }
    SmallVector<Operation*> ops = llvm::map_to_vector(block, [](Operation& op) { return &op; });
    for (Operation* op : ops) {
      if (std::optional<Product> product = productOf(op)) {
        rewrite(*product);
      }
    }
    for (Operation& op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (isOpTriviallyDead(&op)) {
        op.erase();
      }
    }
  }

 private:
  // Signed codes of values that are not negative, between a quantization and dequantizations, as unsigned ones: their
  // zero point, -128, is 0 then, which takes nothing off sums and is what TMA reads beyond an image.
  void makeUnsigned(nn::QuantizeOp op) {
    auto least = [](Value zero) { return zero && splatZero(zero) == -128; };
    bool read = llvm::all_of(op->getUses(), [&](OpOperand& use) {
      auto user = dyn_cast<nn::DequantizeOp>(use.getOwner());
      return user && use.getOperandNumber() == 0 && least(user.getZeroPoint());
    });
    RankedTensorType type = typeOf(op.getResult());
    if (type.getElementType() != b_.getI8Type() || !read || !least(op.getZeroPoint())) {
      return;
    }
    Type code = b_.getIntegerType(8, false);
    auto zero = [&](Operation* before, Value like) -> Value {
      b_.setInsertionPoint(before);
      auto zeros = RankedTensorType::get(typeOf(like).getShape(), code);
      return arith::ConstantOp::create(b_, op.getLoc(), DenseElementsAttr::get(zeros, APInt(8, 0)));
    };
    for (Operation* user : op->getUsers()) {
      auto dequantize = cast<nn::DequantizeOp>(user);
      dequantize.getZeroPointMutable().assign(zero(user, dequantize.getZeroPoint()));
    }
    op.getZeroPointMutable().assign(zero(op, op.getZeroPoint()));
    op.getResult().setType(RankedTensorType::get(type.getShape(), code));
  }

  void rewrite(const Product& p) {
    if (std::string why = refusal(p, gpu_); !why.empty()) {
      remark::missed(p.op->getLoc(), remark::RemarkOpts::name("integer-product").category("fuse"))
          << "sums what codes stand for: " << why;
      return;
    }
    b_.setInsertionPoint(p.end);
    loc_ = p.op->getLoc();
    sizes_ = analysis_.of(p.op->getResult(0));
    Value w = rowsOf(p), y = onCodes(p, w, sizes_[p.features]);
    if (!p.x.centred()) {
      Value sums = spread({sumsOfW(p, w)}, p.features);
      if (!p.w.centred()) {
        Value each = arith::MulIOp::create(b_, *loc_, zeroOf(p.w, p.features), integer(p.depth));
        sums = arith::SubIOp::create(b_, *loc_, sums, each);
      }
      y = arith::SubIOp::create(b_, *loc_, y, arith::MulIOp::create(b_, *loc_, sums, zeroOf(p.x, p.x.zero.along)));
    }
    if (!p.w.centred()) {
      Value sums = arith::MulIOp::create(b_, *loc_, sumsOfX(p, w), zeroOf(p.w, p.features));
      y = arith::SubIOp::create(b_, *loc_, y, sums);
    }
    p.end->getResult(0).replaceAllUsesWith(p.scaled() ? inFloats(p, y) : y);
    remark::passed(*loc_, remark::RemarkOpts::name("integer-product").category("fuse"))
        << "sums codes exactly" << (p.w.centred() ? "" : "; its weight's zero point costs a product with ones");
  }

  Value inFloats(const Product& p, Value sums) {
    if (p.bias_codes) {
      sums = arith::AddIOp::create(b_, *loc_, sums, spread({p.bias_codes}, p.features));
    }
    Value y = arith::SIToFPOp::create(b_, *loc_, nn::typeOf(sizes_, b_.getF32Type()), sums);
    std::optional<float> x = numberOf(p.x.scale.value), w = numberOf(p.w.scale.value);
    Value scale = x && w ? constant(b_.getF32FloatAttr(*x * *w))
                         : arith::MulFOp::create(b_, *loc_, spread(p.x.scale, -1), spread(p.w.scale, p.features));
    y = arith::MulFOp::create(b_, *loc_, y, scale);
    return p.bias ? arith::AddFOp::create(b_, *loc_, y, spread({p.bias}, p.features)) : y;
  }

  //===-- Values of the result's sizes

  Value constant(TypedAttr number) {
    auto type = RankedTensorType::get({}, number.getType());
    Value value = arith::ConstantOp::create(b_, *loc_, DenseElementsAttr::get(type, Attribute(number)));
    return spread({value}, -1);
  }
  Value integer(int64_t value) { return constant(b_.getI32IntegerAttr(static_cast<int32_t>(value))); }

  // A number everywhere, or those of a vector along dimension `along`.
  Value spread(Spread from, int64_t along) {
    bool vector = typeOf(from.value).getRank() == 1;
    SmallVector<int64_t> added;
    for (int64_t d = 0; d < static_cast<int64_t>(sizes_.size()); ++d) {
      if (!vector || d != along) {
        added.push_back(d);
      }
    }
    Value empty = nn::emptyTensor(b_, *loc_, sizes_, typeOf(from.value).getElementType());
    return linalg::BroadcastOp::create(b_, *loc_, from.value, empty, added)->getResult(0);
  }

  Value zeroOf(const Codes& codes, int64_t along) {
    if (std::optional<int64_t> known = splatZero(codes.zero.value)) {
      return integer(*known);
    }
    Value zero = codes.zero.value;
    if (Type code = typeOf(zero).getElementType(); isCode(code)) {
      auto as = [&](Type element) { return RankedTensorType::get(typeOf(zero).getShape(), element); };
      if (code.isUnsignedInteger()) {
        zero = tensor::BitcastOp::create(b_, *loc_, as(b_.getI8Type()), zero);
        zero = arith::ExtUIOp::create(b_, *loc_, as(b_.getI32Type()), zero);
      } else {
        zero = arith::ExtSIOp::create(b_, *loc_, as(b_.getI32Type()), zero);
      }
    }
    return spread({zero}, along);
  }

  //===-- Products

  // The codes of w as op reads them.
  Value rowsOf(const Product& p) { return p.w.turned ? transposed(p.w.q) : p.w.q; }
  Value transposed(Value x) {
    RankedTensorType type = typeOf(x);
    Value empty = tensor::EmptyOp::create(b_, *loc_, {type.getDimSize(1), type.getDimSize(0)}, type.getElementType());
    return linalg::TransposeOp::create(b_, *loc_, x, empty, ArrayRef<int64_t>{1, 0})->getResult(0);
  }

  // The op on codes, of as many features as `w` has.
  Value onCodes(const Product& p, Value w, nn::SizeExpr features) {
    nn::Sizes sizes = sizes_;
    sizes[p.features] = std::move(features);
    Type type = nn::typeOf(sizes, b_.getI32Type());
    if (nn::ConvOp conv = p.conv) {
      std::optional<int64_t> zero = splatZero(p.x.zero.value);  // known where there is padding
      return nn::ConvOp::create(b_, *loc_, type, p.x.q, w, Value(), conv.getStridesAttr(), conv.getPadsAttr(),
                                conv.getDilationsAttr(), conv.getGroupsAttr(),
                                zero.value_or(0) == 0 ? IntegerAttr() : b_.getI64IntegerAttr(*zero));
    }
    if (p.row == 1) {
      // Rows of a weight can lie as kernels like them.
      if (!isWeightExpr(w)) {
        return nn::MatmulOp::create(b_, *loc_, type, p.x.q, w, TypeAttr());
      }
      w = transposed(w);
    }
    return nn::LinearOp::create(b_, *loc_, type, p.x.q, w, TypeAttr());
  }

  Value ones(ArrayRef<int64_t> shape) {
    auto type = RankedTensorType::get(shape, b_.getI8Type());
    return arith::ConstantOp::create(b_, *loc_, DenseElementsAttr::get(type, APInt(8, 1)));
  }

  // Σ w of each feature.
  Value sumsOfW(const Product& p, Value w) {
    int64_t features = typeOf(w).getDimSize(p.row);
    auto type = RankedTensorType::get({1, features}, b_.getI32Type());
    Value one = ones({1, p.depth}), sums;
    if (p.row == 1 && !isWeightExpr(w)) {
      sums = nn::MatmulOp::create(b_, *loc_, type, one, w, TypeAttr());
    } else {
      Value rows = p.row == 1 ? transposed(w) : reshaped(w, {nn::SizeExpr(features), nn::SizeExpr(p.depth)});
      sums = nn::LinearOp::create(b_, *loc_, type, one, rows, TypeAttr());
    }
    return reshaped(sums, {nn::SizeExpr(features)});
  }

  // Σ x of each sum, for all features.
  Value sumsOfX(const Product& p, Value w) {
    SmallVector<int64_t> shape(typeOf(w).getShape());
    shape[p.row] = 1;
    nn::Sizes rest = sizes_;
    rest.erase(rest.begin() + p.features);
    Value sums = reshaped(onCodes(p, ones(shape), nn::SizeExpr(1)), rest);
    Value empty = nn::emptyTensor(b_, *loc_, sizes_, b_.getI32Type());
    return linalg::BroadcastOp::create(b_, *loc_, sums, empty, ArrayRef<int64_t>{p.features})->getResult(0);
  }

  Value reshaped(Value value, const nn::Sizes& sizes) {
    return nn::ReshapeOp::create(b_, *loc_, nn::typeOf(sizes, typeOf(value).getElementType()), value,
                                 nn::sizesAttr(b_.getContext(), sizes));
  }

  bool gpu_;
  OpBuilder b_;
  std::optional<Location> loc_;
  nn::Sizes sizes_;  // of the result
  nn::SizeAnalysis analysis_;
};

struct IntegerProducts : impl::IntegerProductsPassBase<IntegerProducts> {
  void runOnOperation() final {
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      Rewriter(func.getBody().front(), targetOf(getOperation()).gpu != nullptr);
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
