// The reference evaluator: executes `nn` and upstream tensor IR by its definition, one plain loop nest an op, in f64
// (or with every result rounded to its element type).  The oracle of sluice-diff and of the tests: readable before
// fast.
//
//   Evaluator evaluator(module, {.modelDir = "model"});
//   FailureOr<std::vector<RefTensor>> outputs = evaluator.run(inputs);   // inputs in the order of @main's arguments
//
// Works on any phase from import to sparsify.  Errors are diagnostics on the op: an index out of range, an input whose
// sizes contradict the declared ones, an op without a definition here.
#ifndef SLUICE_COMPILER_REFERENCE_EVALUATOR_H_
#define SLUICE_COMPILER_REFERENCE_EVALUATOR_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/reference/Tensor.h"
#include "llvm/ADT/DenseMap.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "runtime/plan/size_expr.h"

namespace mlir::sluice::reference {

struct EvalOptions {
  bool roundToType = false;  // round each float result to its element type, as a target stores it
  std::string modelDir;      // where nn.files are
  // Called after each op of @main and its sub-programs with its tensor results.
  std::function<void(Operation*, ArrayRef<const RefTensor*>)> onOp;
};

// What an op's definition sees: its operands' values, and a place for its results.
class Frame {
 public:
  const RefTensor& in(Operation* op, unsigned operand) const { return *values.at(op->getOperand(operand)); }
  const RefTensor& of(Value value) const { return *values.at(value); }
  // Null for an absent optional operand.
  const RefTensor* maybe(Value value) const { return value ? values.at(value).get() : nullptr; }
  void set(Value result, RefTensor tensor) { values[result] = std::make_shared<RefTensor>(std::move(tensor)); }
  // Held before `result` gets its place: making one may move the map, and the source's place with it.
  void share(Value result, Value source) {
    std::shared_ptr<RefTensor> held = values.at(source);
    values[result] = std::move(held);
  }
  // The value of a size expression under the symbols bound so far; emits on `op` when one is unbound.
  FailureOr<int64_t> size(Operation* op, StringRef expr) const;
  FailureOr<std::vector<int64_t>> sizes(Operation* op, ArrayAttr exprs) const;

  llvm::DenseMap<Value, std::shared_ptr<RefTensor>> values;
  llvm::DenseMap<Value, int64_t> indices;  // values of type index
  ::sluice::plan::Bindings symbols;
};

class Evaluator {
 public:
  Evaluator(ModuleOp module, EvalOptions options);
  ~Evaluator();
  FailureOr<std::vector<RefTensor>> run(std::vector<RefTensor> inputs);

  // For definitions of ops: calls a function with these arguments; `symbols` are the caller's.
  FailureOr<std::vector<RefTensor>> call(func::FuncOp func, std::vector<std::shared_ptr<RefTensor>> args,
                                         ::sluice::plan::Bindings symbols);
  ModuleOp module() const { return module_; }
  const EvalOptions& options() const { return options_; }
  // Bytes [offset, offset + length) of nn.files[file]; emits on `op`.
  FailureOr<const char*> bytes(Operation* op, int64_t file, int64_t offset, int64_t length);

 private:
  LogicalResult evaluate(Operation* op, Frame& frame);
  ModuleOp module_;
  EvalOptions options_;
  struct Files;
  std::unique_ptr<Files> files_;
};

// One definition: computes op's results into the frame.
using Definition = LogicalResult (*)(Operation* op, Frame& frame, Evaluator& evaluator);
using Definitions = llvm::StringMap<Definition>;  // by op name, "nn.linear"
void addElementwise(Definitions& table);
void addTensorOps(Definitions& table);
void addContractions(Definitions& table);
void addTokenOps(Definitions& table);
void addIndexOps(Definitions& table);
void addLayerOps(Definitions& table);
void addControlFlow(Definitions& table);

// Conversions from and to bytes in a file or a runtime tensor (row-major, little-endian, 4-bit types low nibble first).
RefTensor fromBytes(Type element, std::vector<int64_t> sizes, const char* bytes);
std::vector<char> toBytes(const RefTensor& tensor);
// Each element becomes the nearest one of the element type.
void roundToType(RefTensor& tensor);

}  // namespace mlir::sluice::reference

#endif  // SLUICE_COMPILER_REFERENCE_EVALUATOR_H_
