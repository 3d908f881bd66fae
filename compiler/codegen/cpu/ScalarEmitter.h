// Emits one scalar op of a linalg body for the CPU.
//
// Registers differ from the IR's types in two points: bf16 is carried as its i16 bits, and arithmetic narrower than f32
// is done in f32 and rounded after each op, as the IR says.  Transcendental functions become calls of vector_math.c.
#ifndef SLUICE_COMPILER_CODEGEN_CPU_SCALAREMITTER_H_
#define SLUICE_COMPILER_CODEGEN_CPU_SCALAREMITTER_H_

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::sluice::codegen {

class ScalarEmitter {
 public:
  // Calls are declared in `module` on first use.
  explicit ScalarEmitter(ModuleOp module) : module_(module) {}

  // The type a value of `type` has in registers: i16 for bf16, itself otherwise.
  static Type registerType(Type type);
  // The type it has in memory: i8 for i1, i16 for bf16, signless integers.
  static Type memoryType(Type type);

  // Emits `op` at the builder's point; `values` maps its operands to registers and gets its results.
  LogicalResult emit(OpBuilder& b, Operation* op, IRMapping& values);

  // Conversions between memory and registers (bool bytes, nothing else).
  Value fromMemory(OpBuilder& b, Location loc, Value loaded, Type type);
  Value toMemory(OpBuilder& b, Location loc, Value value, Type type);
  // A constant of `type` in registers.
  Value constant(OpBuilder& b, Location loc, TypedAttr value);

 private:
  Value widen(OpBuilder& b, Location loc, Value value, Type type);   // f16, bf16 → f32
  Value narrow(OpBuilder& b, Location loc, Value value, Type type);  // f32 or f64 → f16, bf16
  Value call(OpBuilder& b, Location loc, StringRef name, Type result, ValueRange args);
  LogicalResult emitCast(OpBuilder& b, Operation* op, IRMapping& values);
  LogicalResult emitDivision(OpBuilder& b, Operation* op, IRMapping& values);
  LogicalResult emitMath(OpBuilder& b, Operation* op, IRMapping& values);
  LogicalResult emitPlain(OpBuilder& b, Operation* op, IRMapping& values);
  ModuleOp module_;
};

}  // namespace mlir::sluice::codegen

#endif  // SLUICE_COMPILER_CODEGEN_CPU_SCALAREMITTER_H_
