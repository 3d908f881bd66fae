// Turns one function of dispatches on tensors into an exec.program of launches on buffers.
//
// Views cost nothing: reshapes, transposes, slices and broadcasts are offsets and strides (Ref.h).  A kernel that does
// not read or write strides gets a dense copy, made once a value.  Results are written where they are wanted: straight
// into a port's buffer, a slice of a concat, a state; element-wise results take the buffer of an operand that dies.
#ifndef SLUICE_PASSES_MEMORY_PROGRAMBUILDER_H_
#define SLUICE_PASSES_MEMORY_PROGRAMBUILDER_H_

#include "dialects/exec/ExecDialect.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/memory/Ref.h"

namespace mlir::sluice::memory {

// A cache of @main: argument `past` and result `present` are one buffer.
struct StateInfo {
  FlatSymbolRefAttr symbol;
  unsigned past;
  int64_t present;  // -1: only read
  int64_t axis;
};

class ProgramBuilder {
 public:
  ProgramBuilder(func::FuncOp func, ArrayRef<StateInfo> states, SymbolTable& symbols);
  // Inserts the program before the function.  Fails after an error diagnostic.
  LogicalResult build();

 private:
  //--- Placement.cpp: where results go, and when buffers die.
  int lastUse(Value value);
  // Where a value's elements belong, and the operand of a return or concat that then finds them there; null for the
  // dense result of a transpose, which nobody wants elsewhere.
  struct Wanted {
    Ref ref;
    OpOperand* use;
  };
  std::optional<Wanted> wantedPlace(Value value);
  void commitPlace(const Wanted& wanted);
  Ref concatSlice(tensor::ConcatOp concat, unsigned operand);
  Ref concatRef(tensor::ConcatOp concat);
  const StateInfo* appendedState(tensor::ConcatOp concat);
  std::optional<Ref> inPlace(exec::DispatchOp op, unsigned result);
  Ref place(Operation* op, unsigned result);

  //--- ProgramBuilder.cpp: ops to launches.
  LogicalResult convert(Operation* op);
  LogicalResult convertView(Operation* op);
  void convertConcat(tensor::ConcatOp op);
  void convertDispatch(exec::DispatchOp op);
  void convertIf(nn::IfOp op);
  void convertLoop(nn::LoopOp op);
  void convertReturn(func::ReturnOp op);
  void addInputs();
  void addOutputs();
  void finish();

  Ref refOf(Value value) { return refs_.at(value); }
  Ref denseOf(Value value, bool aligned = false);  // a copy when it is not
  exec::KernelOp copyKernel(const Ref& from, const Ref& to);
  Value view(const Ref& ref);
  void copy(const Ref& from, const Ref& to, Location loc);
  Value arena(Type element, const nn::Sizes& sizes);
  Value bufferOf(exec::BufferKind kind, FlatSymbolRefAttr source, std::optional<int64_t> index,
                 ElementsAttr value = {});
  Ref callResult(Operation* op, unsigned result);
  ArrayAttr bindings(ArrayAttr sizes, ArrayAttr symbols);
  void remember(Value value, const Ref& ref);
  exec::BufferKindAttr kindAttr(exec::BufferKind kind) { return exec::BufferKindAttr::get(func_.getContext(), kind); }
  ArrayAttr texts(ArrayRef<nn::SizeExpr> sizes) { return nn::sizesAttr(func_.getContext(), sizes); }

  func::FuncOp func_;
  ArrayRef<StateInfo> states_;
  SymbolTable& symbols_;
  nn::SizeAnalysis sizes_;
  OpBuilder builder_;
  DenseMap<Operation*, int> positions_;
  DenseMap<Value, int> last_uses_;
  DenseMap<Value, int> deaths_;  // buffer → position of the last op that reads any value in it
  DenseMap<Value, Ref> refs_;
  DenseMap<Value, Ref> dense_;  // copies made for kernels that read no strides
  DenseMap<Operation*, Ref> concats_;
  llvm::DenseSet<std::pair<Operation*, unsigned>> placed_;  // operands of a concat written in place
  SmallVector<Value> outputs_;                              // buffer of each result's port
  SmallVector<Value> output_values_;                        // the value written there
  DenseMap<Attribute, Value> weights_;
  exec::ProgramOp program_;
};

}  // namespace mlir::sluice::memory

#endif  // SLUICE_PASSES_MEMORY_PROGRAMBUILDER_H_
