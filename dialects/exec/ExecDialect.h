// The `exec` dialect: kernels, dispatches on tensors, programs of launches on buffers.
#ifndef SLUICE_DIALECTS_EXEC_EXECDIALECT_H_
#define SLUICE_DIALECTS_EXEC_EXECDIALECT_H_

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/RegionKindInterface.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "runtime/base/dtype.h"

namespace mlir::exec {
// Name of the program the runtime enters.
inline constexpr StringLiteral kMainProgram = "main";
// On the module: what --target said, when it is not the CPU.
inline constexpr StringLiteral kTargetAttr = "exec.target";
// The runtime's number of an element type; kUndefined for a type tensors cannot have.
::sluice::DType dtypeOf(Type element);
}  // namespace mlir::exec

#include "dialects/exec/ExecDialect.h.inc"
#include "dialects/exec/ExecEnums.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/exec/ExecTypes.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/exec/ExecAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/exec/ExecOps.h.inc"

#endif  // SLUICE_DIALECTS_EXEC_EXECDIALECT_H_
