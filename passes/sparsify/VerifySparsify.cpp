// What holds after sparsify.
#include "dialects/nn/NNDialect.h"
#include "passes/sparsify/Passes.h"

namespace mlir::sluice::sparsify {

#define GEN_PASS_DEF_VERIFYSPARSIFYPASS
#include "passes/sparsify/Passes.h.inc"

namespace {

struct VerifySparsify : impl::VerifySparsifyPassBase<VerifySparsify> {
  void runOnOperation() final {
    WalkResult result = getOperation().walk([](Operation* op) {
      for (NamedAttribute attr : op->getAttrs()) {
        auto pattern = dyn_cast<nn::PatternAttr>(attr.getValue());
        if (pattern && pattern.getWindow() < 0) {
          op->emitError() << "has pattern " << pattern << " after phase sparsify: a window of " << pattern.getWindow()
                          << " keys is none";
          return WalkResult::interrupt();
        }
      }
      return WalkResult::advance();
    });
    if (result.wasInterrupted()) {
      signalPassFailure();
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::sparsify
