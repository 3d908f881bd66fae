// Where definitions and contents of ONNX things come from, outside the graph being imported.
#ifndef SLUICE_COMPILER_ONNX_FUNCTIONS_H_
#define SLUICE_COMPILER_ONNX_FUNCTIONS_H_

#include "compiler/onnx/Model.h"
#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {

// The model's own function a node calls, or null.
const onnx::FunctionProto* localFunction(const Model& model, const onnx::NodeProto& node);

// ONNX's function body of an operator that has no definition here, for the node's types and attributes; or nothing.
std::optional<onnx::FunctionProto> schemaFunction(OpContext& op);

// True when some definition exists: ours, the model's, or ONNX's function body.
bool isKnownOperator(const Model& model, const onnx::NodeProto& node, int version);

// A constant: known elements, a literal, or a reference to a file.
Tensor tensorOf(const Model& model, const onnx::TensorProto& tensor, TensorBuilder& t);

// A node whose operator has no definition.
struct UnknownOperator {
  std::string op, node, domain;
  int version = 1;
};
std::vector<UnknownOperator> unknownOperators(const Model& model);

// Throws ImportError listing every operator without a definition, then runs the ONNX checker.
void checkModel(const Model& model);

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_FUNCTIONS_H_
