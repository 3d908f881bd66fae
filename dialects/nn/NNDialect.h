// The `nn` dialect: operations, attributes and the interfaces they implement.
#ifndef SLUICE_DIALECTS_NN_NNDIALECT_H_
#define SLUICE_DIALECTS_NN_NNDIALECT_H_

#include "dialects/common/LoopSpec.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir::nn {
// What an operand is to the precision phase: weights may be quantized offline, activations on the fly, states keep the
// cache's type, exact ones stay as they are.
enum class OperandRole { Activation, Weight, State, Exact };

namespace detail {
LogicalResult verifyAxis(Operation* op, int64_t axis);
}  // namespace detail

// Trait of ops whose `axis` is a dimension of their first operand, counted from the end when it is negative.
template <typename ConcreteOp>
class HasAxis : public OpTrait::TraitBase<ConcreteOp, HasAxis> {
 public:
  static LogicalResult verifyTrait(Operation* op) { return detail::verifyAxis(op, cast<ConcreteOp>(op).getAxis()); }
};
}  // namespace mlir::nn

#include "dialects/common/Interfaces.h.inc"
#include "dialects/nn/NNDialect.h.inc"
#include "dialects/nn/NNEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NNAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/nn/NNOps.h.inc"

namespace mlir::nn {
// Names of discardable attributes, on functions, arguments and results.
inline constexpr StringLiteral kNameAttr =
    "nn.name";  // StringAttr: the ONNX name of an input or output; of a module, the graph's
inline constexpr StringLiteral kDimsAttr =
    "nn.dims";  // ArrayAttr of StringAttr: size expressions of an argument or result
inline constexpr StringLiteral kRoleAttr =
    "nn.role";  // StringAttr: "tokens", "positions", "mask", "logits", "state:0:k" …
inline constexpr StringLiteral kFilesAttr =
    "nn.files";  // on the module: ArrayAttr of StringAttr, paths relative to the model
inline constexpr StringLiteral kAssumeAttr =
    "nn.assumptions";                                      // on a func: ArrayAttr of StringAttr, "a == b" or "a != 1"
inline constexpr StringLiteral kStatesAttr = "nn.states";  // on a func: ArrayAttr of DictionaryAttr (docs/internals.md)
}  // namespace mlir::nn

#endif  // SLUICE_DIALECTS_NN_NNDIALECT_H_
