// What holds after raise.
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {

#define GEN_PASS_DEF_VERIFYRAISEPASS
#include "passes/raise/Passes.h.inc"

namespace {

constexpr StringLiteral kInputRoles[] = {"tokens", "positions", "mask", "branch", "state", "input"};
constexpr StringLiteral kOutputRoles[] = {"logits", "state", "output"};

LogicalResult verifyRole(func::FuncOp main, StringRef what, unsigned number, StringAttr role,
                         ArrayRef<StringLiteral> known) {
  if (!role) {
    return main.emitError() << what << ' ' << number
                            << " has no role after phase raise (sluice-assign-roles should have given it one)";
  }
  if (!llvm::is_contained(known, role.getValue())) {
    return main.emitError() << what << ' ' << number << " has role " << role << " after phase raise, which is none";
  }
  return success();
}

LogicalResult verifyRoles(func::FuncOp main) {
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    if (failed(verifyRole(main, "argument", i, main.getArgAttrOfType<StringAttr>(i, nn::kRoleAttr), kInputRoles))) {
      return failure();
    }
  }
  for (unsigned i = 0; i < main.getNumResults(); ++i) {
    if (failed(verifyRole(main, "result", i, main.getResultAttrOfType<StringAttr>(i, nn::kRoleAttr), kOutputRoles))) {
      return failure();
    }
  }
  return success();
}

// A state names an argument, a result or -1, and an axis of theirs.
LogicalResult verifyState(func::FuncOp main, Attribute attr) {
  auto state = dyn_cast<DictionaryAttr>(attr);
  auto number = [&](StringRef name) { return state ? state.getAs<IntegerAttr>(name) : IntegerAttr(); };
  IntegerAttr past = number("past"), present = number("present"), axis = number("axis");
  if (!past || !present || !axis) {
    return main.emitError() << "has state " << attr << " without past, present and axis";
  }
  if (past.getInt() < 0 || past.getInt() >= main.getNumArguments() || present.getInt() < -1 ||
      present.getInt() >= main.getNumResults()) {
    return main.emitError() << "has state " << attr << " of " << main.getNumArguments() << " arguments and "
                            << main.getNumResults() << " results";
  }
  auto type = dyn_cast<RankedTensorType>(main.getArgument(past.getInt()).getType());
  if (!type || axis.getInt() < 0 || axis.getInt() >= type.getRank()) {
    return main.emitError() << "has state " << attr << " along an axis that its argument has not";
  }
  return success();
}

struct VerifyRaise : impl::VerifyRaisePassBase<VerifyRaise> {
  void runOnOperation() final {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main) {
      getOperation().emitError() << "has no function @main after phase raise";
      return signalPassFailure();
    }
    auto states = main->getAttrOfType<ArrayAttr>(nn::kStatesAttr);
    bool ok = succeeded(verifyRoles(main));
    for (Attribute state : states ? states : ArrayAttr::get(&getContext(), {})) {
      ok = ok && succeeded(verifyState(main, state));
    }
    if (!ok) {
      signalPassFailure();
    }
    markAllAnalysesPreserved();
  }
};

}  // namespace
}  // namespace mlir::sluice::raise
