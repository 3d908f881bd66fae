// What holds after memory.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/memory/Passes.h"
#include "runtime/plan/size_expr.h"

namespace mlir::sluice::memory {

#define GEN_PASS_DEF_VERIFYMEMORYPASS
#include "passes/memory/Passes.h.inc"

namespace {

using ::sluice::plan::Bindings;
using ::sluice::plan::SizeExpr;

// Every launch touches an arena buffer inside its live range.
LogicalResult verifyRanges(exec::ProgramOp program) {
  int64_t number = 0;
  for (Operation& op : program.getBody().front()) {
    if (!isa<exec::LaunchOp, exec::IfOp, exec::LoopOp>(op)) {
      continue;
    }
    for (Value operand : op.getOperands()) {
      auto buffer = operand.getDefiningOp<exec::ViewOp>().getBuffer().getDefiningOp<exec::BufferOp>();
      if (buffer.getKind() != exec::BufferKind::Arena) {
        continue;
      }
      if (!buffer.getLive() || number < (*buffer.getLive())[0] || number > (*buffer.getLive())[1]) {
        return op.emitError() << "instruction " << number << " of @" << program.getSymName()
                              << " touches a buffer outside its live range";
      }
    }
    ++number;
  }
  return success();
}

struct Slice {
  exec::BufferOp buffer;
  int64_t begin, end;
};

LogicalResult verifyPack(exec::ProgramOp program, exec::PackOp pack) {
  SmallVector<exec::BufferOp> buffers;
  for (auto buffer : program.getOps<exec::BufferOp>()) {
    if (buffer.getKind() == exec::BufferKind::Arena) {
      buffers.push_back(buffer);
    }
  }
  if (!pack.getOffsets()) {
    return success();  // a problem, not yet solved
  }
  if (pack.getOffsets()->size() != buffers.size()) {
    return pack.emitError() << "has " << pack.getOffsets()->size() << " offsets for " << buffers.size()
                            << " arena buffers";
  }
  Bindings bounds;
  for (NamedAttribute bound : pack.getBounds()) {
    bounds[bound.getName().str()] = cast<IntegerAttr>(bound.getValue()).getInt();
  }
  SmallVector<Slice> slices;
  for (auto [buffer, offset] : llvm::zip(buffers, *pack.getOffsets())) {
    auto bytes = SizeExpr::Parse(buffer.getBytes()->str()).value().Evaluate(bounds);
    if (!bytes.ok() || offset + *bytes > static_cast<int64_t>(*pack.getArena())) {
      return pack.emitError() << "places " << *buffer.getBytes() << " bytes at " << offset << ", outside the arena of "
                              << *pack.getArena();
    }
    slices.push_back({buffer, offset, offset + *bytes});
  }
  for (size_t i = 0; i < slices.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      auto a = *slices[i].buffer.getLive(), b = *slices[j].buffer.getLive();
      bool together = a[0] <= b[1] && b[0] <= a[1];
      if (together && slices[i].begin < slices[j].end && slices[j].begin < slices[i].end) {
        auto error = pack.emitError() << "buffers " << j << " and " << i << " are alive together, [" << b[0] << ", "
                                      << b[1] << "] and [" << a[0] << ", " << a[1] << "], and share bytes from "
                                      << std::max(slices[i].begin, slices[j].begin);
        return error;
      }
    }
  }
  return success();
}

struct VerifyMemory : impl::VerifyMemoryPassBase<VerifyMemory> {
  void runOnOperation() final {
    for (Operation& op : *getOperation().getBody()) {
      if (!isa<exec::KernelOp, exec::WeightOp, exec::SymbolOp, exec::AssumeOp, exec::StateOp, exec::ProgramOp>(op)) {
        op.emitError() << "'" << op.getName()
                       << "' is left after phase memory (sluice-convert-to-program should have removed it)";
        return signalPassFailure();
      }
    }
    for (auto program : getOperation().getOps<exec::ProgramOp>()) {
      bool ok = succeeded(verifyRanges(program));
      for (auto pack : program.getOps<exec::PackOp>()) {
        ok = ok && succeeded(verifyPack(program, pack));
      }
      if (!ok) {
        return signalPassFailure();
      }
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::memory
