// Which instructions of a program touch a buffer.
#ifndef SLUICE_PASSES_MEMORY_LIVERANGES_H_
#define SLUICE_PASSES_MEMORY_LIVERANGES_H_

#include "dialects/exec/ExecDialect.h"

namespace mlir::sluice::memory {

// Gives every arena buffer its first and last instruction; one that none touches goes.
void setLiveRanges(exec::ProgramOp program);

}  // namespace mlir::sluice::memory

#endif  // SLUICE_PASSES_MEMORY_LIVERANGES_H_
