// What holds after precision.
#include "passes/precision/Accumulate.h"
#include "passes/precision/Passes.h"

namespace mlir::sluice::precision {

#define GEN_PASS_DEF_VERIFYPRECISIONPASS
#include "passes/precision/Passes.h.inc"

namespace {

struct VerifyPrecision : impl::VerifyPrecisionPassBase<VerifyPrecision> {
  void runOnOperation() final {
    WalkResult result = getOperation().walk([](Operation* op) {
      if (accumulates(op) && !op->getAttr(kAccumulateAttr)) {
        op->emitError()
            << "'" << op->getName()
            << "' has no accumulate type after phase precision (sluice-assign-precision should have given it one)";
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (result.wasInterrupted()) {
      signalPassFailure();
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::precision
