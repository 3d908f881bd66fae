// LSTM and GRU.
#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {
namespace {

// What both cells share, in layout 0: x [t, b, i], states [dir, b, h].
struct Recurrent {
  Tensor x, bias, seq_lens, init_h;
  int64_t hidden;
  std::string direction;
  SizeExpr directions;
  bool batch_first;
};

Tensor swapFirst(TensorBuilder& t, const Tensor& x) { return x ? t.transpose(x, {1, 0, 2}) : x; }

Recurrent recurrentOf(OpContext& op, ArrayRef<StringRef> activations) {
  TensorBuilder& t = op.t();
  Recurrent r;
  r.batch_first = op.flag("layout");
  r.x = r.batch_first ? swapFirst(t, op.in(0)) : op.in(0);
  r.bias = op.opt(3);
  r.seq_lens = op.opt(4);
  r.init_h = r.batch_first ? swapFirst(t, op.opt(5)) : op.opt(5);
  r.hidden = op.attr("hidden_size", int64_t{0});
  r.direction = op.attr("direction", "forward");
  r.directions = SizeExpr(r.direction == "bidirectional" ? 2 : 1);
  if (const auto* given = op.find("activations")) {
    for (auto [i, name] : llvm::enumerate(given->strings())) {
      if (!StringRef(name).equals_insensitive(activations[i % activations.size()])) {
        op.fail("activation '" + name + "' is not the default one");
      }
    }
  }
  return r;
}

// [t, dir, b, h] → [b, t, dir, h] in layout 1.
void outputs(OpContext& op, const Recurrent& r, ArrayRef<Tensor> tensors) {
  TensorBuilder& t = op.t();
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    Tensor result = tensor;
    if (r.batch_first) {
      result = i == 0 ? t.transpose(tensor, {2, 0, 1, 3}) : swapFirst(t, tensor);
    }
    op.out(i, result);
  }
}

void importLstm(OpContext& op) {
  TensorBuilder& t = op.t();
  Recurrent r = recurrentOf(op, {"Sigmoid", "Tanh", "Tanh"});
  Tensor init_c = r.batch_first ? swapFirst(t, op.opt(6)) : op.opt(6);
  SizeExpr hidden(r.hidden);
  Sizes y = {r.x.size(0), r.directions, r.x.size(1), hidden};
  Sizes state = {r.directions, r.x.size(1), hidden};
  Type element = r.x.element();
  auto lstm = nn::LstmOp::create(op.b(), op.loc(), nn::typeOf(y, element), nn::typeOf(state, element),
                                 nn::typeOf(state, element), t.value(r.x), t.value(op.in(1)), t.value(op.in(2)),
                                 t.valueOrNull(r.bias), t.valueOrNull(r.seq_lens), t.valueOrNull(r.init_h),
                                 t.valueOrNull(init_c), t.valueOrNull(op.opt(7)), op.b().getI64IntegerAttr(r.hidden),
                                 op.b().getStringAttr(r.direction), op.b().getF64FloatAttr(op.attrFloat("clip", 0)),
                                 op.b().getBoolAttr(op.flag("input_forget")));
  outputs(op, r, {t.wrap(lstm.getY(), y), t.wrap(lstm.getYH(), state), t.wrap(lstm.getYC(), state)});
}

void importGru(OpContext& op) {
  TensorBuilder& t = op.t();
  Recurrent r = recurrentOf(op, {"Sigmoid", "Tanh"});
  SizeExpr hidden(r.hidden);
  Sizes y = {r.x.size(0), r.directions, r.x.size(1), hidden};
  Sizes state = {r.directions, r.x.size(1), hidden};
  Type element = r.x.element();
  auto gru = nn::GruOp::create(op.b(), op.loc(), nn::typeOf(y, element), nn::typeOf(state, element), t.value(r.x),
                               t.value(op.in(1)), t.value(op.in(2)), t.valueOrNull(r.bias), t.valueOrNull(r.seq_lens),
                               t.valueOrNull(r.init_h), op.b().getI64IntegerAttr(r.hidden),
                               op.b().getStringAttr(r.direction), op.b().getF64FloatAttr(op.attrFloat("clip", 0)),
                               op.b().getBoolAttr(op.flag("linear_before_reset")));
  outputs(op, r, {t.wrap(gru.getY(), y), t.wrap(gru.getYH(), state)});
}

constexpr OpDefinition kOps[] = {
    {"", "LSTM", importLstm},
    {"", "GRU", importGru},
};

}  // namespace

ArrayRef<OpDefinition> recurrentOps() { return kOps; }

}  // namespace mlir::onnx_import
