// Builds the IR of one program, ONNX's way: broadcasting, known contents, sizes as expressions.
//
//   Tensor y = t.add(t.linear(x, w), bias);        // bias is broadcast, linalg.broadcast made as needed
//   Tensor s = t.gather(t.shapeOf(x), t.ints({1}), 0);   // no op at all: s is known to be {x.size(1)}
//
// Every function keeps contents known where it can (compiler/onnx/Scalar.h) and makes ops only for the rest.  Faults of
// the model throw ImportError at the current node.
#ifndef SLUICE_COMPILER_ONNX_TENSORBUILDER_H_
#define SLUICE_COMPILER_ONNX_TENSORBUILDER_H_

#include <map>

#include "compiler/onnx/ImportError.h"
#include "compiler/onnx/Tensor.h"
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/IR/Builders.h"

namespace mlir::onnx_import {

enum class Reduction { Sum, Prod, Max, Min, Mean };

// Tensors of up to this many elements keep known contents when computed.
inline constexpr int64_t kMaxKnownElements = 256;

class TensorBuilder {
 public:
  TensorBuilder(OpBuilder& builder, Facts& facts) : builder_(builder), facts_(facts), loc_(builder.getUnknownLoc()) {}

  OpBuilder& builder() { return builder_; }
  Facts& facts() { return facts_; }
  MLIRContext* context() { return builder_.getContext(); }
  Location loc() const { return loc_; }
  void setLoc(Location loc) { loc_ = loc; }

  // The IR value, made on first use.
  Value value(const Tensor& x);
  Value valueOrNull(const Tensor& x) { return x ? value(x) : Value(); }
  Tensor wrap(Value value, Sizes sizes);
  // An op with one result of these sizes.
  template <typename Op, typename... Args>
  Tensor emit(Sizes sizes, Type element, Args&&... args) {
    auto op = Op::create(builder_, loc_, nn::typeOf(sizes, element), std::forward<Args>(args)...);
    return wrap(op->getResult(0), std::move(sizes));
  }

  // Constants and known contents (Constants.cpp).
  Tensor knownTensor(std::vector<Scalar> elements, Sizes sizes, Type element);
  Tensor constant(DenseElementsAttr elements);
  Tensor ints(ArrayRef<int64_t> values);         // i64, rank 1
  Tensor sizeTensor(ArrayRef<SizeExpr> values);  // i64, rank 1
  Tensor number(double value, Type element);     // rank 0
  Tensor number(double value, const Tensor& like) { return number(value, like.element()); }
  Tensor sizeNumber(const SizeExpr& value, Type element);  // rank 0
  Tensor splat(const Tensor& scalar, const Sizes& sizes);  // a rank-0 tensor everywhere
  Tensor shapeOf(const Tensor& x) { return sizeTensor(x.sizes()); }
  Tensor iota(const SizeExpr& size, Type element);

  // Views and movement (Layout.cpp).
  int64_t axis(int64_t axis, int64_t rank);  // normalised, checked
  Tensor reshape(const Tensor& x, Sizes sizes);
  Tensor transpose(const Tensor& x, ArrayRef<int64_t> permutation);
  Tensor refine(const Tensor& x, const Sizes& sizes);  // a cast where an assumption made a size a number
  Tensor swapLast(const Tensor& x);                    // transposes the last two dimensions
  Tensor broadcast(const Tensor& x, const Sizes& sizes);
  Tensor unsqueeze(const Tensor& x, ArrayRef<int64_t> axes);  // of the result, ascending
  Tensor squeeze(const Tensor& x, ArrayRef<int64_t> axes);
  Tensor concat(ArrayRef<Tensor> parts, int64_t axis);
  // Elements start, start + step, … (size of them) along one axis; step not zero.
  Tensor slice(const Tensor& x, int64_t axis, const SizeExpr& start, const SizeExpr& size, int64_t step = 1);
  Tensor gather(const Tensor& data, const Tensor& indices, int64_t axis);
  Tensor mergeDims(const Tensor& x, int64_t begin, int64_t end);  // [begin, end) become one
  Tensor splitDim(const Tensor& x, int64_t axis, ArrayRef<SizeExpr> sizes);

  // Element-wise (Elementwise.cpp); operands are broadcast and have one element type.
  Sizes broadcastSizes(ArrayRef<Tensor> xs);
  Tensor unary(Unary op, const Tensor& x);
  Tensor binary(Binary op, const Tensor& a, const Tensor& b);
  Tensor select(const Tensor& condition, const Tensor& a, const Tensor& b);
  Tensor cast(const Tensor& x, Type element);
  Tensor bitcast(const Tensor& x, Type element);
  Tensor isNan(const Tensor& x);
  Tensor add(const Tensor& a, const Tensor& b) { return binary(Binary::Add, a, b); }
  Tensor sub(const Tensor& a, const Tensor& b) { return binary(Binary::Sub, a, b); }
  Tensor mul(const Tensor& a, const Tensor& b) { return binary(Binary::Mul, a, b); }
  Tensor div(const Tensor& a, const Tensor& b) { return binary(Binary::Div, a, b); }
  Tensor max(const Tensor& a, const Tensor& b) { return binary(Binary::Max, a, b); }
  Tensor min(const Tensor& a, const Tensor& b) { return binary(Binary::Min, a, b); }
  Tensor add(const Tensor& a, double b) { return add(a, number(b, a)); }
  Tensor mul(const Tensor& a, double b) { return mul(a, number(b, a)); }
  Tensor div(const Tensor& a, double b) { return div(a, number(b, a)); }
  Tensor pow(const Tensor& a, const Tensor& b);
  Tensor sigmoid(const Tensor& x);

  // Contractions and reductions (Reduce.cpp).
  Tensor reduce(Reduction kind, const Tensor& x, ArrayRef<int64_t> axes, bool keep);
  Tensor linear(const Tensor& x, const Tensor& w);  // w [n, k], a weight expression
  Tensor matmul(const Tensor& a, const Tensor& b);  // numpy's rules

 private:
  // x with element min(i, size - 1) at i along `axis`: a dimension that is `size` or 1 at run time becomes `size`.
  Tensor repeatIfOne(const Tensor& x, int64_t axis, const SizeExpr& size);
  Value materialize(const Tensor& x);
  Value materializeKnown(const Tensor& x);
  Value signless(Value value);
  Value sizeIndex(const SizeExpr& size);
  Value empty(const Sizes& sizes, Type element);
  std::optional<Tensor> foldBinaryTensors(Binary op, const Tensor& a, const Tensor& b, const Sizes& sizes);
  Tensor withElements(const Tensor& like, std::vector<Scalar> elements, Sizes sizes) {
    return knownTensor(std::move(elements), std::move(sizes), like.element());
  }
  OpFoldResult sizeOf(const SizeExpr& size);

  OpBuilder& builder_;
  Facts& facts_;
  Location loc_;
  std::map<std::string, Value> sizes_;   // nn.size by expression
  std::map<std::string, Value> splats_;  // broadcast scalar constants by text
};

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_TENSORBUILDER_H_
