// Imports one ONNX graph into one function: @main, or the sub-program of an If branch or a Loop body.
#ifndef SLUICE_COMPILER_ONNX_PROGRAMIMPORTER_H_
#define SLUICE_COMPILER_ONNX_PROGRAMIMPORTER_H_

#include <map>
#include <string>

#include "compiler/onnx/Model.h"
#include "compiler/onnx/OpContext.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::onnx_import {

// What all programs of a module share in one round of the import.
struct ModuleState {
  const ImportOptions& options;
  const Model& model;
  ModuleOp module;
  FactStore& facts;
  std::set<std::string> data_symbols;
  std::set<std::string> program_names;
};

// Names of values and what they stand for; a graph inlined into its program sees the outer ones.
struct Scope {
  const Scope* outer = nullptr;
  std::map<std::string, Tensor> values;
  Tensor find(const std::string& name) const;
};

using Opsets = std::map<std::string, int>;  // domain → version; ONNX's own is ""
Opsets opsetsOf(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports);
// "ai.onnx" is "".
StringRef normalDomain(StringRef domain);
// A name any symbol can have.
std::string identifierOf(StringRef name);

struct ProgramArg {
  std::string name;  // of the graph's value
  Type element;
  Sizes sizes;
  bool shown = false;  // an input of the model: gets nn.name
};

class ProgramImporter {
 public:
  ProgramImporter(ModuleState& state, StringRef name, const Opsets& opsets, ProgramImporter* caller);

  TensorBuilder& t() { return builder_; }
  Facts& facts() { return facts_; }
  ModuleState& state() { return state_; }

  // @main, whole.
  void importMain();

  // A program for a subgraph: `args`, then what the graph captures of the caller's scope.  Leaves the function without
  // a return (see finish).
  SmallVector<Tensor> importBody(const onnx::GraphProto& graph, ArrayRef<ProgramArg> args,
                                 const std::map<std::string, Tensor>& outer_values);
  // Returns `results`, cast to `types`.
  void finish(ArrayRef<Tensor> results, ArrayRef<RankedTensorType> types);
  func::FuncOp func() { return func_; }

  // A graph whose nodes run in this program.
  SmallVector<Tensor> importInline(const onnx::GraphProto& graph, ArrayRef<Tensor> inputs);

  // Values of this program's scope that `graph` uses: constants to be made again (by name), and values to be passed.
  struct Captures {
    std::map<std::string, Tensor> constants;
    std::vector<std::pair<std::string, Tensor>> values;
  };
  Captures capturesOf(ArrayRef<const onnx::GraphProto*> graphs);
  std::string uniqueProgramName(StringRef wanted);
  const Opsets& opsets() const { return *opsets_; }

 private:
  void begin(ArrayRef<ProgramArg> args, Scope& scope, Location loc);
  void addInitializers(const onnx::GraphProto& graph, Scope& scope);
  void importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, Scope& scope);
  void importNode(const onnx::NodeProto& node, Scope& scope);
  bool expandFunction(OpContext& op);
  void importFunction(const onnx::FunctionProto& function, OpContext& op);
  Tensor lookup(const std::string& name, const Scope& scope);
  Location locationOf(const onnx::NodeProto& node);
  SmallVector<ProgramArg> mainArgs(const onnx::GraphProto& graph);
  SizeExpr dimension(const onnx::TensorShapeProto::Dimension& dim, const std::string& input, int axis,
                     const std::set<std::string>& names);

  ModuleState& state_;
  std::string name_;
  const Opsets* opsets_;
  OpBuilder ir_;
  Facts facts_;
  TensorBuilder builder_;
  func::FuncOp func_;
  Scope* scope_ = nullptr;
  std::string prefix_;  // of locations, inside functions
  std::map<std::string, int> unnamed_;
};

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_PROGRAMIMPORTER_H_
