// Builds small graphs of tensor ops with NumPy's broadcasting, for tests of raise.
//
//   Graph g;                                         // q [batch,4,seq,16], k and v [batch,2,past+seq,16], mask
//   [batch,total] Value pos = g.add(g.iota("seq"), g.size("past")); Value causal = g.compare(arith::CmpIPredicate::sle,
//   g.iota("total"), g.reshape(pos, {"seq", "1"})); g.attend(g.select(causal, g.constant(0.0), g.constant(-INFINITY)));
//   nn::AttentionOp op = g.raise();
#ifndef SLUICE_TEST_RAISE_GRAPH_H_
#define SLUICE_TEST_RAISE_GRAPH_H_

#include <memory>
#include <string>
#include <vector>

#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {

using Texts = std::vector<std::string>;

class Graph {
 public:
  // `maskType`: i64, i1 or f32, as text.  `assumption`: "total == past + seq", or "" with `total` spelled "past + seq".
  explicit Graph(StringRef maskType = "i64", bool namedTotal = true) {
    context_.loadDialect<nn::NNDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect,
                         tensor::TensorDialect, linalg::LinalgDialect>();
    builder_ = std::make_unique<OpBuilder>(&context_);
    loc_ = builder_->getUnknownLoc();
    total = namedTotal ? "total" : "past + seq";
    module_ = ModuleOp::create(loc_);
    Type f32 = builder_->getF32Type();
    Type element = maskType == "i1" ? builder_->getI1Type() : maskType == "f32" ? f32 : builder_->getI64Type();
    std::vector<std::pair<Texts, Type>> args = {{{"batch", "4", "seq", "16"}, f32},
                                                {{"batch", "2", "past + seq", "16"}, f32},
                                                {{"batch", "2", "past + seq", "16"}, f32},
                                                {{"batch", total}, element}};
    SmallVector<Type> types;
    for (auto& [sizes, type] : args) {
      types.push_back(nn::typeOf(parse(sizes), type));
    }
    Type out = nn::typeOf(parse(args[0].first), f32);
    builder_->setInsertionPointToEnd(module_->getBody());
    func_ = func::FuncOp::create(*builder_, loc_, "main", builder_->getFunctionType(types, out));
    if (namedTotal) {
      func_->setAttr(nn::kAssumeAttr, builder_->getStrArrayAttr({"total == past + seq"}));
    }
    Block* block = func_.addEntryBlock();
    for (auto [i, arg] : llvm::enumerate(args)) {
      func_.setArgAttr(i, nn::kDimsAttr, nn::sizesAttr(&context_, parse(arg.first)));
    }
    builder_->setInsertionPointToEnd(block);
    q = block->getArgument(0);
    k = block->getArgument(1);
    v = block->getArgument(2);
    mask = block->getArgument(3);
  }

  static nn::Sizes parse(const Texts& texts) {
    nn::Sizes sizes;
    for (const std::string& text : texts) {
      sizes.push_back(nn::SizeExpr::Parse(text).value());
    }
    return sizes;
  }
  nn::Sizes sizesOf(Value v) { return analysis_.of(v); }

  //--- Values.
  Value iota(const std::string& size, Type type = {}) {
    auto t = nn::typeOf(parse({size}), type ? type : builder_->getI64Type());
    return nn::IotaOp::create(*builder_, loc_, t, builder_->getStringAttr(size));
  }
  Value size(const std::string& text) {
    auto t = RankedTensorType::get({}, builder_->getI64Type());
    return nn::SizesOp::create(*builder_, loc_, t, builder_->getStrArrayAttr({text}));
  }
  Value constant(int64_t x) { return splat(builder_->getI64IntegerAttr(x)); }
  Value constant(double x) { return splat(builder_->getF32FloatAttr(x)); }
  Value constant(bool x) { return splat(builder_->getBoolAttr(x)); }

  //--- Views.
  Value reshape(Value x, const Texts& sizes) {
    auto parsed = parse(sizes);
    return nn::ReshapeOp::create(*builder_, loc_, nn::typeOf(parsed, element(x)), x, nn::sizesAttr(&context_, parsed));
  }
  Value transpose(Value x, ArrayRef<int64_t> permutation) {
    nn::Sizes to;
    for (int64_t d : permutation) {
      to.push_back(sizesOf(x)[d]);
    }
    Value init = nn::emptyTensor(*builder_, loc_, to, element(x));
    return linalg::TransposeOp::create(*builder_, loc_, x, init, permutation)->getResult(0);
  }
  // To these sizes, aligned at the last dimension; 1s spread.
  Value broadcast(Value x, const nn::Sizes& to) {
    nn::Sizes from = sizesOf(x), kept;
    SmallVector<int64_t> added;
    for (size_t d = 0; d < to.size(); ++d) {
      size_t missing = to.size() - from.size();
      if (d < missing || (from[d - missing].Constant() == 1 && to[d].Constant() != 1)) {
        added.push_back(d);
      } else {
        kept.push_back(from[d - missing]);
      }
    }
    if (added.empty()) {
      return x;
    }
    if (kept.size() != from.size()) {
      x = nn::ReshapeOp::create(*builder_, loc_, nn::typeOf(kept, element(x)), x, nn::sizesAttr(&context_, kept));
    }
    Value init = nn::emptyTensor(*builder_, loc_, to, element(x));
    return linalg::BroadcastOp::create(*builder_, loc_, x, init, added)->getResult(0);
  }
  Value slice(Value x, int64_t dim, const std::string& begin, const std::string& size) {
    nn::Sizes sizes = sizesOf(x);
    sizes[dim] = parse({size})[0];
    SmallVector<OpFoldResult> offsets(sizes.size(), builder_->getIndexAttr(0));
    SmallVector<OpFoldResult> strides(sizes.size(), builder_->getIndexAttr(1)), extents;
    offsets[dim] = nn::sizeValue(*builder_, loc_, parse({begin})[0]);
    for (const nn::SizeExpr& s : sizes) {
      extents.push_back(nn::sizeValue(*builder_, loc_, s));
    }
    return tensor::ExtractSliceOp::create(*builder_, loc_, nn::typeOf(sizes, element(x)), x, offsets, extents, strides);
  }
  Value concat(ArrayRef<Value> parts, int64_t dim) { return tensor::ConcatOp::create(*builder_, loc_, dim, parts); }
  Value gather(Value data, Value indices, int64_t axis) {
    nn::Sizes to = sizesOf(data), middle = sizesOf(indices);
    to.erase(to.begin() + axis);
    to.insert(to.begin() + axis, middle.begin(), middle.end());
    return nn::GatherOp::create(*builder_, loc_, nn::typeOf(to, element(data)), data, indices, axis);
  }
  Value gatherNd(Value data, Value indices) {
    nn::Sizes to = sizesOf(indices);
    to.pop_back();
    return nn::GatherNdOp::create(*builder_, loc_, nn::typeOf(to, element(data)), data, indices, 0);
  }
  Value scatterNd(Value data, Value indices, Value updates) {
    return nn::ScatterNdOp::create(*builder_, loc_, data.getType(), data, indices, updates);
  }

  //--- Element-wise, with broadcasting.
  template <typename Op>
  Value binary(Value a, Value b) {
    both(a, b);
    return Op::create(*builder_, loc_, a, b);
  }
  bool isFloat(Value x) { return isa<FloatType>(element(x)); }
  Value add(Value a, Value b) { return isFloat(a) ? binary<arith::AddFOp>(a, b) : binary<arith::AddIOp>(a, b); }
  Value sub(Value a, Value b) { return isFloat(a) ? binary<arith::SubFOp>(a, b) : binary<arith::SubIOp>(a, b); }
  Value mul(Value a, Value b) { return isFloat(a) ? binary<arith::MulFOp>(a, b) : binary<arith::MulIOp>(a, b); }
  Value logicalAnd(Value a, Value b) { return binary<arith::AndIOp>(a, b); }
  Value logicalOr(Value a, Value b) { return binary<arith::OrIOp>(a, b); }
  Value logicalNot(Value a) { return binary<arith::XOrIOp>(a, constant(true)); }
  Value compare(arith::CmpIPredicate p, Value a, Value b) {
    both(a, b);
    return arith::CmpIOp::create(*builder_, loc_, p, a, b);
  }
  Value compare(arith::CmpFPredicate p, Value a, Value b) {
    both(a, b);
    return arith::CmpFOp::create(*builder_, loc_, p, a, b);
  }
  Value select(Value c, Value a, Value b) {
    both(a, b);
    both(c, a);
    both(c, b);
    return arith::SelectOp::create(*builder_, loc_, c, a, b);
  }
  Value toFloat(Value x) {
    auto type = cast<RankedTensorType>(x.getType()).clone(builder_->getF32Type());
    return element(x).isInteger(1) ? arith::UIToFPOp::create(*builder_, loc_, type, x).getResult()
                                   : arith::SIToFPOp::create(*builder_, loc_, type, x).getResult();
  }
  Value toInt(Value x) {
    auto type = cast<RankedTensorType>(x.getType()).clone(builder_->getI64Type());
    return element(x).isInteger(1) ? arith::ExtUIOp::create(*builder_, loc_, type, x).getResult()
                                   : arith::FPToSIOp::create(*builder_, loc_, type, x).getResult();
  }

  //--- Attention.
  Value matmul(Value a, Value b) {
    nn::Sizes to = sizesOf(a);
    to.back() = sizesOf(b).back();
    return nn::MatmulOp::create(*builder_, loc_, nn::typeOf(to, element(a)), a, b, TypeAttr());
  }
  Value softmax(Value x) {
    return nn::SoftmaxOp::create(*builder_, loc_, x.getType(), x, cast<RankedTensorType>(x.getType()).getRank() - 1);
  }
  // [b, 2, t, 16] as [b, 4, t, 16].
  Value repeat(Value x) {
    nn::Sizes to = parse({"batch", "2", "2", "past + seq", "16"});
    return reshape(broadcast(reshape(x, {"batch", "2", "1", "past + seq", "16"}), to),
                   {"batch", "4", "past + seq", "16"});
  }
  Value scores() { return mul(matmul(q, transpose(repeat(k), {0, 1, 3, 2})), constant(0.25)); }
  void finish(Value scores) {
    Value out = matmul(softmax(scores), repeat(v));
    func::ReturnOp::create(*builder_, loc_, out);
  }
  void attend(Value bias) { finish(add(scores(), bias)); }

  // Runs the pass; the attention of the function, null when there is none.
  nn::AttentionOp raise() {
    if (failed(verify(*module_))) {
      return {};
    }
    PassManager pm(&context_);
    pm.addPass(createRaiseAttentionPass());
    if (failed(pm.run(*module_))) {
      return {};
    }
    nn::AttentionOp found;
    module_->walk([&](nn::AttentionOp op) { found = op; });
    return found;
  }
  std::string text() {
    std::string out;
    llvm::raw_string_ostream os(out);
    module_->print(os);
    return out;
  }

  MLIRContext& context() { return context_; }
  OpBuilder& builder() { return *builder_; }
  func::FuncOp func() { return func_; }
  Value q, k, v, mask;
  std::string total;

 private:
  Type element(Value x) { return cast<RankedTensorType>(x.getType()).getElementType(); }
  Value splat(TypedAttr attr) {
    auto type = RankedTensorType::get({}, attr.getType());
    return arith::ConstantOp::create(*builder_, loc_, DenseElementsAttr::get(type, Attribute(attr)));
  }
  void both(Value& a, Value& b) {
    nn::Sizes x = sizesOf(a), y = sizesOf(b);
    nn::Sizes to = x.size() >= y.size() ? x : y;
    const nn::Sizes& other = x.size() >= y.size() ? y : x;
    for (size_t d = 0; d < other.size(); ++d) {
      nn::SizeExpr& slot = to[to.size() - other.size() + d];
      slot = slot.Constant() == 1 ? other[d] : slot;
    }
    a = broadcast(a, to);
    b = broadcast(b, to);
  }

  MLIRContext context_;
  std::unique_ptr<OpBuilder> builder_;
  Location loc_ = UnknownLoc::get(&context_);
  OwningOpRef<ModuleOp> module_;
  func::FuncOp func_;
  nn::SizeAnalysis analysis_;
};

}  // namespace mlir::sluice::raise

#endif  // SLUICE_TEST_RAISE_GRAPH_H_
