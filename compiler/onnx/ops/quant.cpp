// Quantization, and the operators on quantized tensors: nn.dequantize, the float operator, nn.quantize.
#include "compiler/onnx/Import.h"
#include "compiler/onnx/ops/Spatial.h"

namespace mlir::onnx_import {
namespace {

// Scale or zero point of one element is per tensor: rank 0.
Tensor perTensor(TensorBuilder& t, const Tensor& x) {
  return x && x.rank() == 1 && x.size(0).Constant() == 1 ? t.reshape(x, {}) : x;
}

Tensor dequantize(OpContext& op, const Tensor& q, const Tensor& scale, const Tensor& zero, int64_t axis,
                  int64_t block) {
  TensorBuilder& t = op.t();
  Tensor result = t.emit<nn::DequantizeOp>(q.sizes(), scale.element(), t.value(q), t.value(scale), t.valueOrNull(zero),
                                           op.b().getI64IntegerAttr(axis), op.b().getI64IntegerAttr(block));
  result.info().weight_expr = q.isWeight();
  return result;
}

Tensor quantize(OpContext& op, const Tensor& x, const Tensor& scale, const Tensor& zero, int64_t axis, int64_t block,
                Type element) {
  TensorBuilder& t = op.t();
  return t.emit<nn::QuantizeOp>(x.sizes(), element, t.value(x), t.value(t.cast(scale, x.element())),
                                t.valueOrNull(zero), op.b().getI64IntegerAttr(axis), op.b().getI64IntegerAttr(block));
}

// Normal axis for a per-axis or blocked scale; 0 for a per-tensor one.
int64_t quantAxis(OpContext& op, const Tensor& x, const Tensor& scale) {
  return scale.rank() == 0 ? 0 : op.axisAttr(1, x.rank());
}

void importDequantizeLinear(OpContext& op) {
  Tensor scale = perTensor(op.t(), op.in(1));
  Tensor zero = perTensor(op.t(), op.opt(2));
  op.out(0, dequantize(op, op.in(0), scale, zero, quantAxis(op, op.in(0), scale), op.attr("block_size", int64_t{0})));
}

void importQuantizeLinear(OpContext& op) {
  Tensor scale = perTensor(op.t(), op.in(1));
  Tensor zero = perTensor(op.t(), op.opt(2));
  Type element = zero                      ? zero.element()
                 : op.find("output_dtype") ? op.elementAttr("output_dtype")
                                           : op.b().getIntegerType(8, false);
  op.out(0, quantize(op, op.in(0), scale, zero, quantAxis(op, op.in(0), scale), op.attr("block_size", int64_t{0}),
                     element));
}

// A quantized operand at inputs i (elements), i + 1 (scale), i + 2 (zero point).
Tensor operand(OpContext& op, size_t i, int64_t axis = 0) {
  return dequantize(op, op.in(i), perTensor(op.t(), op.in(i + 1)), perTensor(op.t(), op.opt(i + 2)), axis, 0);
}

// The result, quantized with scale and zero point at inputs i, i + 1.
void quantizedOut(OpContext& op, const Tensor& y, size_t i, Type otherwise) {
  Tensor zero = perTensor(op.t(), op.opt(i + 1));
  op.out(0, quantize(op, y, perTensor(op.t(), op.in(i)), zero, 0, 0, zero ? zero.element() : otherwise));
}

// A bias of i32 in units of both scales' product.
Tensor scaledBias(OpContext& op, const Tensor& bias, const Tensor& x_scale, const Tensor& w_scale) {
  TensorBuilder& t = op.t();
  return dequantize(op, bias, t.mul(perTensor(t, x_scale), perTensor(t, w_scale)), Tensor(), 0, 0);
}

void importQLinearConv(OpContext& op) {
  Tensor x = operand(op, 0);
  Tensor w = operand(op, 3);
  Tensor bias = op.has(8) ? scaledBias(op, op.in(8), op.in(1), op.in(4)) : Tensor();
  Window window = windowOf(op, x, ArrayRef<SizeExpr>(w.sizes()).drop_front(2));
  quantizedOut(op, conv(op, x, w, bias, window), 6, op.in(0).element());
}

void importQLinearMatMul(OpContext& op) {
  Tensor b = operand(op, 3, op.in(3).rank() - 1);
  quantizedOut(op, op.t().matmul(operand(op, 0), b), 6, op.in(0).element());
}

template <Binary kOp>
void importQLinearBinary(OpContext& op) {
  quantizedOut(op, op.t().binary(kOp, operand(op, 0), operand(op, 3)), 6, op.in(0).element());
}

void importQLinearSigmoid(OpContext& op) { quantizedOut(op, op.t().sigmoid(operand(op, 0)), 3, op.in(0).element()); }

void importQLinearGlobalAveragePool(OpContext& op) {
  Tensor x = operand(op, 0);
  Tensor y = op.t().reduce(Reduction::Mean, x, llvm::to_vector(llvm::seq<int64_t>(2, x.rank())), true);
  quantizedOut(op, y, 3, op.in(0).element());
}

// Inputs a, b and bias; output float when there is no output scale.
void importQGemm(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor a = operand(op, 0);
  bool transposed = op.flag("transB");
  Tensor b = operand(op, 3, transposed ? 0 : 1);
  a = op.flag("transA") ? t.swapLast(a) : a;
  Tensor y = b.isWeight() ? t.linear(a, transposed ? b : t.swapLast(b)) : t.matmul(a, transposed ? t.swapLast(b) : b);
  double alpha = op.attrFloat("alpha", 1);
  y = alpha == 1 ? y : t.mul(y, alpha);
  if (op.has(6)) {
    Tensor bias = scaledBias(op, op.in(6), op.in(1), op.in(4));
    y = t.add(y, alpha == 1 ? bias : t.mul(bias, alpha));
  }
  if (op.has(7)) {
    quantizedOut(op, y, 7, op.in(0).element());
  } else {
    op.out(0, y);
  }
}

// Codes less their zero point, in i32.  The zero point is one for all, or one an index of `axis`, or null.
Tensor centred(OpContext& op, const Tensor& codes, const Tensor& zero, int64_t axis) {
  TensorBuilder& t = op.t();
  Type i32 = op.b().getI32Type();
  Tensor x = t.cast(codes, i32);
  if (!zero) {
    return x;
  }
  Tensor less = t.cast(perTensor(t, zero), i32);
  if (less.rank() == 1) {
    if (axis < 0 || axis >= x.rank()) {
      op.fail("a zero point has rank 1, what it is of has rank " + llvm::Twine(x.rank()));
    }
    Sizes along(x.rank(), SizeExpr(1));
    along[axis] = less.size(0);
    less = t.reshape(less, along);
  }
  return t.sub(x, less);
}

// A zero point of a is one a row, of b one a column.
void importMatMulInteger(OpContext& op) {
  Tensor a = op.in(0), b = op.in(1);
  op.out(0, op.t().matmul(centred(op, a, op.opt(2), a.rank() - 2), centred(op, b, op.opt(3), b.rank() - 1)));
}

// x [b, c, spatial…] with the padding of a window, which needs none then: the number `value`.
Tensor padded(OpContext& op, Tensor x, const Tensor& value, Window& window) {
  size_t spatial = window.kernel.size();
  for (size_t d = 0; d < spatial; ++d) {
    auto border = [&](int64_t size) {
      Sizes sizes = x.sizes();
      sizes[d + 2] = SizeExpr(size);
      return op.t().splat(value, sizes);
    };
    SmallVector<Tensor> parts = {border(window.pads[d]), x, border(window.pads[d + spatial])};
    llvm::erase_if(parts, [&](const Tensor& part) { return part.size(static_cast<int64_t>(d) + 2).Constant() == 0; });
    x = op.t().concat(parts, static_cast<int64_t>(d) + 2);
  }
  window.pads.assign(2 * spatial, 0);
  return x;
}

void importConvInteger(OpContext& op) {
  Tensor x = op.in(0), w = op.in(1), zero = op.opt(2);
  Window window = windowOf(op, x, ArrayRef<SizeExpr>(w.sizes()).drop_front(2));
  // What pads is the zero point.  One that is computed is not an attribute of a convolution of codes.
  if (zero && !zero.isKnown() && !zero.info().literal && llvm::any_of(window.pads, [](int64_t n) { return n != 0; })) {
    x = padded(op, x, perTensor(op.t(), zero), window);
  }
  op.out(0, conv(op, centred(op, x, zero, 1), centred(op, w, op.opt(3), 0), Tensor(), window));
}

// To ui8, by the range of x and 0: codes, their scale and their zero point.
void importDynamicQuantizeLinear(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0), zero = t.number(0, x);
  auto extreme = [&](Reduction kind) {
    return t.reduce(kind, x, llvm::to_vector(llvm::seq<int64_t>(0, x.rank())), false);
  };
  Tensor low = t.min(extreme(Reduction::Min), zero);
  Tensor range = t.sub(t.max(extreme(Reduction::Max), zero), low);
  // Of zeros only: any scale but 0.
  Tensor scale = t.select(t.binary(Binary::Equal, range, zero), t.number(1, x), t.div(range, 255));
  // 0 <= -low / scale <= 255, but for rounding: quantize cuts.
  Type ui8 = op.b().getIntegerType(8, false);
  Tensor point = quantize(op, t.unary(Unary::Neg, low), scale, Tensor(), 0, 0, ui8);
  op.out(0, quantize(op, x, scale, point, 0, 0, ui8));
  op.out(1, scale);
  op.out(2, point);
}

// The bytes of a packed ui8 constant as two ui4 each, low nibble first: last dimension doubled.
Tensor asNibbles(OpContext& op, const Tensor& x) {
  TensorBuilder& t = op.t();
  TensorInfo info = x.info();
  Type ui4 = op.b().getIntegerType(4, false);
  info.sizes.back() = info.sizes.back() * SizeExpr(2);
  info.element = ui4;
  info.value = Value();
  if (info.weight) {
    return Tensor(std::move(info));
  }
  std::vector<Scalar> bytes = x.isKnown() ? x.known() : info.literal ? scalarsOf(info.literal) : std::vector<Scalar>();
  if (bytes.empty() && x.size(-1).Constant() != 0) {
    op.fail("its packed 4-bit input must be a constant");
  }
  std::vector<Scalar> nibbles;
  for (const Scalar& byte : bytes) {
    int64_t value = *byte.size.Constant();
    nibbles.push_back(Scalar::ofSize(SizeExpr(value & 15)));
    nibbles.push_back(Scalar::ofSize(SizeExpr(value >> 4)));
  }
  return t.constant(elementsOf(nibbles, nn::typeOf(info.sizes, ui4)));
}

// Scales and zero points of blocks along the last dimension of a [n, k] weight.
struct Blocks {
  Tensor scale, zero;  // [n, blocks]
};

Blocks blocksOf(OpContext& op, const SizeExpr& n, const SizeExpr& blocks, const Tensor& scale,
                const Tensor& packed_zero) {
  TensorBuilder& t = op.t();
  Blocks result{t.reshape(scale, {n, blocks}), Tensor()};
  if (!packed_zero) {
    result.zero = t.splat(t.number(8, op.b().getIntegerType(4, false)), {n, blocks});
  } else if (packed_zero.element() == op.b().getIntegerType(8, false)) {
    SizeExpr bytes = SizeExpr::CeilDiv(blocks, SizeExpr(2));
    result.zero = t.slice(asNibbles(op, t.reshape(packed_zero, {n, bytes})), 1, SizeExpr(0), blocks);
  } else {
    op.fail("zero points that are not packed 4-bit numbers are not a form Sluice has");
  }
  return result;
}

// x [.., k] by way of 8-bit integers, with a scale for each block of the last dimension: largest magnitude / 127.
Tensor throughInt8(OpContext& op, const Tensor& x, int64_t block) {
  TensorBuilder& t = op.t();
  int64_t last = x.rank() - 1;
  SizeExpr blocks = SizeExpr::CeilDiv(x.size(last), SizeExpr(block));
  Sizes rest = x.sizes();
  rest[last] = blocks * SizeExpr(block) - x.size(last);
  Type f32 = op.b().getF32Type();
  Tensor whole = t.concat({t.cast(x, f32), t.splat(t.number(0, f32), rest)}, last);
  Tensor apart = t.splitDim(whole, last, {blocks, SizeExpr(block)});
  Tensor largest = t.reduce(Reduction::Max, t.unary(Unary::Abs, apart), {last + 1}, false);
  Tensor scale = t.max(t.mul(largest, 1.0 / 127), t.number(1e-30, f32));  // of zeros: any but 0
  Tensor q = quantize(op, whole, scale, Tensor(), last, block, op.b().getIntegerType(8));
  Tensor y = t.slice(dequantize(op, q, scale, Tensor(), last, block), last, SizeExpr(0), x.size(last));
  return t.cast(y, x.element());
}

// The activations of a product with blocked weights: as they are, or rounded where the graph and the user allow it.
Tensor activations(OpContext& op, const Tensor& x, int64_t block) {
  constexpr int64_t kInt8 = 4;  // of accuracy_level
  bool rounds = op.options().int8_activations && op.attr("accuracy_level", int64_t{0}) == kInt8;
  return rounds ? throughInt8(op, x, block) : x;
}

// B [n, blocks, block/2] ui8 holds 4-bit weights; y = a · dequantize(B)ᵀ.
void importMatMulNBits(OpContext& op) {
  TensorBuilder& t = op.t();
  int64_t n = op.attr("N", int64_t{0}), k = op.attr("K", int64_t{0}), block = op.attr("block_size", int64_t{32});
  if (op.attr("bits", int64_t{4}) != 4 || op.has(4)) {
    op.fail("has " + llvm::Twine(op.attr("bits", int64_t{4})) + " bits" + (op.has(4) ? " and a group index" : "") +
            "; Sluice has 4 bits without one");
  }
  int64_t blocks = (k + block - 1) / block;
  Tensor q = asNibbles(op, t.reshape(op.in(1), {SizeExpr(n), SizeExpr(blocks * block / 2)}));
  Blocks b = blocksOf(op, SizeExpr(n), SizeExpr(blocks), op.in(2), op.opt(3));
  Tensor w = dequantize(op, q, b.scale, b.zero, 1, block);
  if (blocks * block != k) {
    w = t.slice(w, 1, SizeExpr(0), SizeExpr(k));
  }
  w = t.cast(w, op.in(0).element());
  Tensor y = t.linear(activations(op, op.in(0), block), w);
  op.out(0, op.has(5) ? t.add(y, op.in(5)) : y);
}

// Rows of a blocked 4-bit table: gather of the dequantized weight.
void importGatherBlockQuantized(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor data = op.in(0);
  int64_t block = op.attr("block_size", int64_t{128});
  bool packed = data.element() == op.b().getIntegerType(8, false) && op.attr("bits", int64_t{4}) == 4;
  int64_t axis = t.axis(op.attr("quantize_axis", int64_t{1}), data.rank());
  if (data.rank() != 2 || axis != 1) {
    op.fail("data must have rank 2, quantized along axis 1");
  }
  const SizeExpr& n = data.size(0);
  Tensor w;
  if (packed) {
    Tensor q = asNibbles(op, data);
    Blocks b = blocksOf(op, n, SizeExpr::CeilDiv(q.size(1), SizeExpr(block)), op.in(2), op.opt(3));
    w = dequantize(op, q, b.scale, b.zero, 1, block);
  } else {
    w = dequantize(op, data, op.in(2), op.opt(3), 1, block);
  }
  op.out(0, t.gather(w, op.in(1), t.axis(op.attr("gather_axis", int64_t{0}), 2)));
}

constexpr OpDefinition kOps[] = {
    {"", "DequantizeLinear", importDequantizeLinear},
    {"", "QuantizeLinear", importQuantizeLinear},
    {"com.microsoft", "DequantizeLinear", importDequantizeLinear},
    {"com.microsoft", "QuantizeLinear", importQuantizeLinear},
    {"", "DynamicQuantizeLinear", importDynamicQuantizeLinear},
    {"", "MatMulInteger", importMatMulInteger},
    {"", "ConvInteger", importConvInteger},
    {"", "QLinearConv", importQLinearConv},
    {"", "QLinearMatMul", importQLinearMatMul},
    {"com.microsoft", "QLinearConv", importQLinearConv},
    {"com.microsoft", "QLinearAdd", importQLinearBinary<Binary::Add>},
    {"com.microsoft", "QLinearMul", importQLinearBinary<Binary::Mul>},
    {"com.microsoft", "QLinearSigmoid", importQLinearSigmoid},
    {"com.microsoft", "QLinearGlobalAveragePool", importQLinearGlobalAveragePool},
    {"com.microsoft", "QGemm", importQGemm},
    {"com.microsoft", "MatMulNBits", importMatMulNBits},
    {"com.microsoft", "GatherBlockQuantized", importGatherBlockQuantized},
};

}  // namespace

ArrayRef<OpDefinition> quantOps() { return kOps; }

}  // namespace mlir::onnx_import
