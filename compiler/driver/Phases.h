// The phases between an imported module and the artifact, by name.
#ifndef SLUICE_COMPILER_DRIVER_PHASES_H_
#define SLUICE_COMPILER_DRIVER_PHASES_H_

#include "compiler/driver/Compile.h"
#include "mlir/Pass/PassManager.h"

namespace sluice::compiler {

enum class Phase { kImport, kRaise, kPrecision, kSparsify, kShard, kFuse, kMemory, kCodegen };

inline constexpr int kPhaseCount = 8;

const char* PhaseName(Phase phase);
// kInvalidArgument (a usage error) lists the phases; `serve` is told apart: it needs --serve, which this build has not.
absl::StatusOr<Phase> ParsePhase(const std::string& flag, const std::string& name);

// Adds the passes of one phase; none for import and codegen, which are no passes.
void AddPhase(Phase phase, mlir::OpPassManager& pm, const CompileOptions& options);

// Every dialect that text at any boundary may hold.
void RegisterDialects(mlir::DialectRegistry& registry);

absl::Status UsageError(const std::string& message);

}  // namespace sluice::compiler

#endif  // SLUICE_COMPILER_DRIVER_PHASES_H_
