// Steps of Decode, one a table (program.h).  Each trusts that the artifact has been verified.
#ifndef SLUICE_RUNTIME_EXEC_DECODE_H_
#define SLUICE_RUNTIME_EXEC_DECODE_H_

#include <string>
#include <vector>

#include "runtime/exec/program.h"

namespace sluice::exec {

// A row of Program.kernels, looked up and prepared.
struct DecodedKernel {
  std::string name;
  const kernels::CpuKernel* kernel = nullptr;  // null: a generated one
  const kernels::Config* config = nullptr;
  cpu::NativeEntry entry = nullptr;
  std::vector<DeviceForm> forms;  // runs on the GPU (`blocks` are the launch's): nothing else is set
};

// symbols, exprs, assumptions, weights, states, constants, main_binds.
absl::Status DecodeTables(Program& program);
// Looks up library kernels, prepares their configs, loads the best library of generated ones.
absl::StatusOr<std::vector<DecodedKernel>> DecodeKernels(Program& program, const DecodeOptions& options);
// Buffers, views, instructions and ports of one function.
absl::Status DecodeFunction(const Program& program, const std::vector<DecodedKernel>& kernels, const fb::Function& from,
                            FunctionDesc& function);
// Splits the function's buffers and workspaces into stages; fills `stages`, `binds` and the `stage` fields.
absl::Status AssignStages(const Program& program, FunctionDesc& function);

// Finds which of @main's outputs each buffer and instruction serves; those of other functions serve always.
void AssignServed(FunctionDesc& main);
// Groups instructions that run on the GPU into segments.
void AssignSegments(FunctionDesc& function);

// The symbols slot `slot` depends on.
std::vector<uint32_t> SymbolsOf(const Program& program, uint32_t slot);

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_DECODE_H_
