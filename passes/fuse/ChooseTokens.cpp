// Lets a decoder choose its next tokens where its logits are.
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_CHOOSETOKENSPASS
#include "passes/fuse/Passes.h.inc"

namespace {

using nn::SizeExpr;
using nn::Sizes;

constexpr StringLiteral kNext = "next";  // name and role

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

struct Decoder {
  Value tokens;  // [batch, seq]
  Value logits;  // [batch, seq, vocab]
};

// Its caches grow, so that a step takes one token of each sequence: the one it is fed next.
bool hasCaches(func::FuncOp main) {
  auto states = main->getAttrOfType<ArrayAttr>(nn::kStatesAttr);
  return states && llvm::any_of(states.getAsRange<DictionaryAttr>(), [](DictionaryAttr state) {
           auto present = state.getAs<IntegerAttr>("present");
           return present && present.getInt() >= 0;
         });
}

std::optional<Decoder> decoderOf(func::FuncOp main, func::ReturnOp returned) {
  Decoder found;
  for (BlockArgument arg : main.getArguments()) {
    auto role = main.getArgAttrOfType<StringAttr>(arg.getArgNumber(), nn::kRoleAttr);
    if (role && role.getValue() == "tokens" && typeOf(arg).getRank() == 2) {
      found.tokens = arg;
    }
  }
  for (auto [i, value] : llvm::enumerate(returned.getOperands())) {
    auto role = main.getResultAttrOfType<StringAttr>(i, nn::kRoleAttr);
    if (role && role.getValue() == "logits" && typeOf(value).getRank() == 3) {
      found.logits = value;
    }
  }
  return found.tokens && found.logits && hasCaches(main) ? std::optional(found) : std::nullopt;
}

// [batch, 1]: the most likely token behind each sequence's last position; [batch, 0] where there are no positions.
Value chosen(OpBuilder& b, const Decoder& decoder) {
  Location loc = NameLoc::get(b.getStringAttr(kNext));  // no node of the graph
  Sizes sizes = nn::SizeAnalysis().of(decoder.logits);
  SizeExpr positions = sizes[1];
  sizes[1] = SizeExpr::Min(SizeExpr(1), positions);
  SmallVector<OpFoldResult> offsets(3, b.getIndexAttr(0)), extents, steps(3, b.getIndexAttr(1));
  offsets[1] = nn::sizeValue(b, loc, positions - sizes[1]);
  for (const SizeExpr& size : sizes) {
    extents.push_back(nn::sizeValue(b, loc, size));
  }
  RankedTensorType lastType = nn::typeOf(sizes, typeOf(decoder.logits).getElementType());
  Value last = tensor::ExtractSliceOp::create(b, loc, lastType, decoder.logits, offsets, extents, steps);
  sizes.pop_back();
  Value ids = nn::ArgReduceOp::create(b, loc, nn::typeOf(sizes, b.getI64Type()), last, b.getI64IntegerAttr(2),
                                      b.getStringAttr("max"), b.getBoolAttr(false));
  auto type = cast<IntegerType>(typeOf(decoder.tokens).getElementType());
  return type.getWidth() < 64 ? arith::TruncIOp::create(b, loc, nn::typeOf(sizes, type), ids).getResult() : ids;
}

struct ChooseTokens : impl::ChooseTokensPassBase<ChooseTokens> {
  void runOnOperation() final {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || !targetOf(getOperation()).gpu) {
      return;
    }
    auto returned = cast<func::ReturnOp>(main.getBody().front().getTerminator());
    std::optional<Decoder> decoder = decoderOf(main, returned);
    if (!decoder) {
      return;
    }
    OpBuilder b(returned);
    Value next = chosen(b, *decoder);
    const unsigned number = main.getNumResults();
    (void)main.insertResult(number, next.getType(),
                            b.getDictionaryAttr({b.getNamedAttr(nn::kNameAttr, b.getStringAttr(kNext)),
                                                 b.getNamedAttr(nn::kRoleAttr, b.getStringAttr(kNext))}));
    returned.getOperandsMutable().append(next);
    remark::passed(next.getLoc(), remark::RemarkOpts::name("choose-tokens").category("fuse"))
        << "the most likely next tokens are result " << std::to_string(number) << " of @main";
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
