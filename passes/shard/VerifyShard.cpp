// What holds after shard.
#include "passes/shard/Passes.h"

namespace mlir::sluice::shard {

#define GEN_PASS_DEF_VERIFYSHARDPASS
#include "passes/shard/Passes.h.inc"

namespace {

struct VerifyShard : impl::VerifyShardPassBase<VerifyShard> {
  void runOnOperation() final {
    if (Attribute mesh = getOperation()->getAttr("nn.mesh")) {
      getOperation().emitError() << "names the mesh " << mesh
                                 << " after phase shard: a cpu artifact is one device's program";
      signalPassFailure();
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::shard
