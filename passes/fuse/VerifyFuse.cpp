// What may still exist after fuse.
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "passes/fuse/Fusible.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_VERIFYFUSEPASS
#include "passes/fuse/Passes.h.inc"

namespace {

// Views and calls, which the memory phase makes free or turns into launches of their own.
bool mayStay(Operation& op) {
  return isa<exec::DispatchOp, exec::ConstantOp, arith::ConstantOp, nn::ReshapeOp, nn::SizeOp, nn::IfOp, nn::LoopOp,
             tensor::ExtractSliceOp, tensor::ConcatOp, tensor::BitcastOp, tensor::CastOp, tensor::EmptyOp,
             linalg::TransposeOp, linalg::BroadcastOp, func::ReturnOp>(op);
}

StringRef remover(Operation& op) {
  if (isa<nn::WeightOp>(op) || (op.getNumResults() == 1 && isWeightExpr(op.getResult(0)))) {
    return "sluice-outline-weights";
  }
  return OpTrait::hasElementwiseMappableTraits(&op) ? "sluice-form-kernels" : "sluice-select-kernels";
}

struct VerifyFuse : impl::VerifyFusePassBase<VerifyFuse> {
  void runOnOperation() final {
    bool bad = false;
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      for (Operation& op : func.getBody().front()) {
        if (!mayStay(op)) {
          op.emitError() << "'" << op.getName() << "' is left after phase fuse (" << remover(op)
                         << " should have removed it)";
          bad = true;
        }
      }
    }
    if (bad) {
      signalPassFailure();
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
