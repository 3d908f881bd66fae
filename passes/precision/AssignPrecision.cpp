// Accumulate types.  Half-precision products are exact in f32, sums of them are not in half precision.
#include "dialects/nn/NNDialect.h"
#include "mlir/IR/Remarks.h"
#include "passes/precision/Accumulate.h"
#include "passes/precision/Passes.h"

namespace mlir::sluice::precision {

#define GEN_PASS_DEF_ASSIGNPRECISIONPASS
#include "passes/precision/Passes.h.inc"

namespace {

Type accumulateType(Type element) {
  if (isa<FloatType>(element)) {
    return element.isF64() ? element : Float32Type::get(element.getContext());
  }
  return element;
}

struct AssignPrecision : impl::AssignPrecisionPassBase<AssignPrecision> {
  void runOnOperation() final {
    getOperation().walk([&](Operation* op) {
      if (!accumulates(op) || op->getAttr(kAccumulateAttr)) {
        return;
      }
      Type element = cast<RankedTensorType>(op->getOperand(0).getType()).getElementType();
      Type acc = accumulateType(element);
      op->setAttr(kAccumulateAttr, TypeAttr::get(acc));
      remark::passed(op->getLoc(), remark::RemarkOpts::name("accumulate").category("precision"))
          << "accumulates in " << llvm::formatv("{0}", acc).str() << ": products of "
          << llvm::formatv("{0}", element).str()
          << (acc == element ? " are summed in their own type" : " are exact in it");
    });
  }
};

}  // namespace
}  // namespace mlir::sluice::precision
