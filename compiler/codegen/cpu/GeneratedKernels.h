// Machine code of generated kernels: linalg bodies → loops → LLVM → one shared object for each instruction set.
//
//   GeneratedKernel k{.name = "ew_0", .body = &block, .numIns = 2, .dims = {{"p0"}, {"p0"}, {"p0"}}, .grid = "p0"};
//   FailureOr<std::vector<CpuLibrary>> libraries = compileKernels(context, {k}, {});
//
// Entry points have the ABI of docs/internals.md.  Objects have no undefined symbols and the same input gives the same
// bytes.
#ifndef SLUICE_COMPILER_CODEGEN_CPU_GENERATEDKERNELS_H_
#define SLUICE_COMPILER_CODEGEN_CPU_GENERATEDKERNELS_H_

#include <string>
#include <vector>

#include "mlir/IR/Block.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mlir::sluice::codegen {

// One kernel.  `body` takes the tensors it reads, then those it writes, and holds linalg.generic ops (and linalg.fill
// of what a reduction starts from); its terminator's operands are what is written, in order.
struct GeneratedKernel {
  std::string name;
  Block* body = nullptr;
  unsigned numIns = 0;
  // Sizes of each argument: a number, or "pN" for the launch's parameter N.
  std::vector<std::vector<std::string>> dims;
  // Rows the runtime divides among threads, likewise: all parallel loops but the innermost loop, as one.
  std::string grid;
  // Of each argument, when some are not dense: a stride for each dimension and an offset, in elements, likewise.
  std::vector<std::vector<std::string>> strides = {};
  std::vector<std::string> offsets = {};
};

struct CpuCodegenOptions {
  std::vector<std::string> isas = {"x86-64-v3", "x86-64-v4"};
  std::string dumpDirectory;  // when set: NAME.mlir, ISA.ll
};

struct CpuLibrary {
  std::string isa;
  std::vector<char> bytes;  // a shared object
};

// Emits diagnostics on failure.  No kernels: no libraries.
FailureOr<std::vector<CpuLibrary>> compileKernels(MLIRContext& context, ArrayRef<GeneratedKernel> kernels,
                                                  const CpuCodegenOptions& options);

// The steps, for tests.

// A module of func.funcs with the entry ABI: loops over scalars, transcendental functions as calls of vector_math.c.
FailureOr<OwningOpRef<ModuleOp>> emitLoops(MLIRContext& context, ArrayRef<GeneratedKernel> kernels);
// That module as an object file for one instruction set.
FailureOr<std::vector<char>> emitObject(ModuleOp module, const std::string& isa, const std::string& dumpDirectory);
// Links one object into a shared object that exports `names`; an undefined symbol is an error.
FailureOr<std::vector<char>> linkSharedObject(MLIRContext& context, ArrayRef<char> object, ArrayRef<std::string> names);

}  // namespace mlir::sluice::codegen

#endif  // SLUICE_COMPILER_CODEGEN_CPU_GENERATEDKERNELS_H_
