// What may exist after import: docs/internals.md, "A module after import".
#include <set>

#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/import/Passes.h"

namespace mlir::sluice::importer {
#define GEN_PASS_DEF_VERIFYIMPORTPASS
#include "passes/import/Passes.h.inc"

namespace {

using Symbols = std::set<std::string>;

bool isAllowed(Operation* op) {
  if (isa<nn::NNDialect, arith::ArithDialect, math::MathDialect>(op->getDialect())) {
    return true;
  }
  return isa<func::FuncOp, func::ReturnOp, linalg::TransposeOp, linalg::BroadcastOp, linalg::ReduceOp, linalg::YieldOp,
             tensor::EmptyOp, tensor::ConcatOp, tensor::ExtractSliceOp, tensor::CastOp, tensor::BitcastOp>(op);
}

// Inside the body of a structured op: scalars, not part of the graph.
bool isInBody(Operation* op) { return isa<linalg::LinalgOp>(op->getParentOp()); }

LogicalResult verifyElementwise(Operation* op) {
  if (!op->hasTrait<OpTrait::Elementwise>()) {
    return success();
  }
  ArrayRef<int64_t> shape;
  for (auto [i, type] : llvm::enumerate(op->getOperandTypes())) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor) {
      return op->emitOpError("import: operand ") << i << " is no tensor";
    }
    if (i > 0 && tensor.getShape() != shape) {
      return op->emitOpError("import: operands have different shapes, the importer makes every broadcast explicit");
    }
    shape = tensor.getShape();
  }
  return success();
}

LogicalResult verifyLocation(Operation* op) {
  if (isa<NameLoc, FusedLoc, FileLineColLoc>(op->getLoc())) {  // the last: a test's own text
    return success();
  }
  return op->emitOpError("import: does not name the ONNX node it came from");
}

// Symbols that the runtime can bind: bare dimensions of @main's inputs, and those that ops define.
Symbols boundSymbols(ModuleOp module) {
  Symbols bound;
  auto addAll = [&](ArrayAttr names) {
    for (Attribute name : names) {
      bound.insert(cast<StringAttr>(name).getValue().str());
    }
  };
  module.walk([&](Operation* op) {
    if (auto func = dyn_cast<func::FuncOp>(op)) {
      for (unsigned i = 0; i < func.getNumArguments(); ++i) {
        if (auto dims = func.getArgAttrOfType<ArrayAttr>(i, nn::kDimsAttr)) {
          addAll(dims);
        }
      }
    } else if (auto nonzero = dyn_cast<nn::NonzeroOp>(op)) {
      bound.insert(nonzero.getSymbol().str());
    } else if (auto symbols = op->getAttrOfType<ArrayAttr>("symbols")) {
      addAll(symbols);
    }
  });
  return bound;
}

LogicalResult verifySizes(Value value, nn::SizeAnalysis& sizes, const Symbols& bound, Operation* at) {
  if (!isa<RankedTensorType>(value.getType())) {
    return success();
  }
  for (auto [d, size] : llvm::enumerate(sizes.of(value))) {
    for (const std::string& symbol : size.Symbols()) {
      if (StringRef(symbol).starts_with("unknown.")) {
        return at->emitOpError("import: nothing says the size of dimension ") << d << " of " << value.getType();
      }
      if (!bound.count(symbol)) {
        return at->emitOpError("import: size '") << symbol << "' is no input's dimension";
      }
    }
  }
  return success();
}

LogicalResult verifyArguments(func::FuncOp func, nn::SizeAnalysis& sizes, const Symbols& bound) {
  for (BlockArgument arg : func.getArguments()) {
    if (!isa<RankedTensorType>(arg.getType()) || !func.getArgAttr(arg.getArgNumber(), nn::kDimsAttr)) {
      return func.emitOpError("import: argument ") << arg.getArgNumber() << " is no tensor with " << nn::kDimsAttr;
    }
    if (!func.isPrivate() && !func.getArgAttr(arg.getArgNumber(), nn::kNameAttr)) {
      return func.emitOpError("import: argument ") << arg.getArgNumber() << " has no " << nn::kNameAttr;
    }
    if (failed(verifySizes(arg, sizes, bound, func))) {
      return failure();
    }
  }
  return success();
}

LogicalResult verifyOp(Operation* op, nn::SizeAnalysis& sizes, const Symbols& bound) {
  if (!isAllowed(op)) {
    return op->emitOpError("import: may not exist after import");
  }
  if (isInBody(op)) {
    return success();
  }
  if (auto func = dyn_cast<func::FuncOp>(op)) {
    return verifyArguments(func, sizes, bound);
  }
  if (failed(verifyElementwise(op)) || failed(verifyLocation(op))) {
    return failure();
  }
  for (Value result : op->getResults()) {
    if (failed(verifySizes(result, sizes, bound, op))) {
      return failure();
    }
  }
  return success();
}

struct VerifyImport : impl::VerifyImportPassBase<VerifyImport> {
  using VerifyImportPassBase::VerifyImportPassBase;
  void runOnOperation() final {
    if (!getOperation().lookupSymbol<func::FuncOp>("main")) {
      getOperation().emitOpError("import: has no function @main");
      return signalPassFailure();
    }
    Symbols bound = boundSymbols(getOperation());
    nn::SizeAnalysis sizes;
    WalkResult result = getOperation().getBody()->walk([&](Operation* op) {
      return failed(verifyOp(op, sizes, bound)) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted()) {
      signalPassFailure();
    }
    markAllAnalysesPreserved();
  }
};

}  // namespace
}  // namespace mlir::sluice::importer
