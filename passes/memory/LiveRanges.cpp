#include "passes/memory/LiveRanges.h"

namespace mlir::sluice::memory {

void setLiveRanges(exec::ProgramOp program) {
  Block& block = program.getBody().front();
  int64_t count = 0;
  DenseMap<Value, std::pair<int64_t, int64_t>> live;
  for (Operation& op : block) {
    if (!isa<exec::LaunchOp, exec::IfOp, exec::LoopOp>(op)) {
      continue;
    }
    for (Value operand : op.getOperands()) {
      Value buffer = operand.getDefiningOp<exec::ViewOp>().getBuffer();
      live.try_emplace(buffer, count, count).first->second.second = count;
    }
    ++count;
  }
  for (auto buffer : llvm::make_early_inc_range(block.getOps<exec::BufferOp>())) {
    if (buffer.getKind() != exec::BufferKind::Arena) {
      continue;
    }
    auto range = live.find(buffer.getResult());
    if (range == live.end()) {
      buffer.erase();
    } else {
      buffer.setLive(ArrayRef<int64_t>{range->second.first, range->second.second});
    }
  }
}

}  // namespace mlir::sluice::memory
