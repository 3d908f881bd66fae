#include "compiler/driver/Phases.h"

#include "dialects/exec/ExecDialect.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/fuse/Passes.h"
#include "passes/memory/Passes.h"
#include "passes/precision/Passes.h"
#include "passes/raise/Passes.h"
#include "passes/shard/Passes.h"
#include "passes/sparsify/Passes.h"

namespace sluice::compiler {
namespace {

constexpr const char* kNames[kPhaseCount] = {"import", "raise", "precision", "sparsify",
                                             "shard",  "fuse",  "memory",    "codegen"};
constexpr const char* kUsagePayload = "sluice/usage";

}  // namespace

const char* PhaseName(Phase phase) { return kNames[static_cast<int>(phase)]; }

std::string PhaseNames() {
  std::string names;
  for (const char* name : kNames) {
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names;
}

absl::Status UsageError(const std::string& message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsagePayload, absl::Cord("1"));
  return status;
}

bool IsUsageError(const absl::Status& status) { return status.GetPayload(kUsagePayload).has_value(); }

absl::StatusOr<Phase> ParsePhase(const std::string& flag, const std::string& name) {
  for (int i = 0; i < kPhaseCount; ++i) {
    if (name == kNames[i]) {
      return static_cast<Phase>(i);
    }
  }
  if (name == "serve") {
    return UsageError(flag + ": phase serve runs with --serve only, which this build has not (phases: " + PhaseNames() +
                      ")");
  }
  return UsageError(flag + ": no phase '" + name + "' (phases: " + PhaseNames() + ")");
}

void AddPhase(Phase phase, mlir::OpPassManager& pm, const CompileOptions& options) {
  switch (phase) {
    case Phase::kImport:
    case Phase::kCodegen:
      return;
    case Phase::kRaise:
      return mlir::sluice::raise::buildRaisePipeline(pm);
    case Phase::kPrecision:
      return mlir::sluice::precision::buildPrecisionPipeline(pm, {.dtype = options.dtype});
    case Phase::kSparsify:
      return mlir::sluice::sparsify::buildSparsifyPipeline(pm);
    case Phase::kShard:
      return mlir::sluice::shard::buildShardPipeline(pm);
    case Phase::kFuse:
      return mlir::sluice::fuse::buildFusePipeline(pm);
    case Phase::kMemory:
      return mlir::sluice::memory::buildMemoryPipeline(pm, {.dims = options.dims, .buckets = options.buckets});
  }
}

void RegisterDialects(mlir::DialectRegistry& registry) {
  registry.insert<mlir::nn::NNDialect, mlir::exec::ExecDialect, mlir::func::FuncDialect, mlir::linalg::LinalgDialect,
                  mlir::tensor::TensorDialect, mlir::arith::ArithDialect, mlir::math::MathDialect>();
}

}  // namespace sluice::compiler
