// What an op definition sees: one ONNX node with its inputs and attributes, and the builder of its program.
//
//   void importGelu(OpContext& op) {
//     Tensor x = op.in(0);
//     op.out(0, op.attr("approximate", "none") == "tanh" ? geluTanh(op.t(), x) : geluErf(op.t(), x));
//   }
//   constexpr OpDefinition kOps[] = {{"", "Gelu", importGelu}};
#ifndef SLUICE_COMPILER_ONNX_OPCONTEXT_H_
#define SLUICE_COMPILER_ONNX_OPCONTEXT_H_

#include <limits>

#include "compiler/onnx/TensorBuilder.h"
#include "onnx/onnx_pb.h"

namespace mlir::onnx_import {

class ProgramImporter;
struct ImportOptions;
struct Model;

class OpContext {
 public:
  OpContext(ProgramImporter& program, const onnx::NodeProto& node, int opset, SmallVector<Tensor> inputs);

  TensorBuilder& t();
  OpBuilder& b() { return t().builder(); }
  MLIRContext* context() { return t().context(); }
  ProgramImporter& program() { return program_; }
  const ImportOptions& options() const;
  const Model& model() const;
  const onnx::NodeProto& node() const { return node_; }
  Location loc() { return t().loc(); }
  // Version of the operator set the node's domain is imported at.
  int opset() const { return opset_; }
  [[noreturn]] void fail(const llvm::Twine& message);

  // Inputs.  `in` fails on an absent one, `opt` gives a null tensor.
  size_t numInputs() const { return inputs_.size(); }
  bool has(size_t index) const { return index < inputs_.size() && inputs_[index]; }
  Tensor in(size_t index);
  Tensor opt(size_t index) const { return index < inputs_.size() ? inputs_[index] : Tensor(); }
  ArrayRef<Tensor> inputs() const { return inputs_; }
  // Contents of an input that must be known before the run, as sizes or as numbers.
  Sizes sizesIn(size_t index);
  SmallVector<int64_t> intsIn(size_t index);
  double numberIn(size_t index);

  // Attributes.
  const onnx::AttributeProto* find(StringRef name) const;
  int64_t attr(StringRef name, int64_t otherwise) const;
  double attrFloat(StringRef name, double otherwise) const;
  std::string attr(StringRef name, const char* otherwise) const;
  SmallVector<int64_t> attrInts(StringRef name, ArrayRef<int64_t> otherwise = {}) const;
  SmallVector<double> attrFloats(StringRef name) const;
  bool flag(StringRef name, bool otherwise = false) const { return attr(name, int64_t{otherwise}) != 0; }
  int64_t axisAttr(int64_t otherwise, int64_t rank) { return t().axis(attr("axis", otherwise), rank); }
  // Axes as an attribute or, in later versions, as input `index`; normalised, ascending; nothing when neither is there.
  std::optional<SmallVector<int64_t>> axes(size_t index, int64_t rank);
  Type elementAttr(StringRef name);

  // Outputs.
  size_t numOutputs() const { return node_.output_size(); }
  bool wants(size_t index) const {
    return static_cast<int>(index) < node_.output_size() && !node_.output(index).empty();
  }
  void out(size_t index, Tensor tensor);
  ArrayRef<Tensor> outputs() const { return outputs_; }

 private:
  ProgramImporter& program_;
  const onnx::NodeProto& node_;
  int opset_;
  SmallVector<Tensor> inputs_;
  SmallVector<Tensor> outputs_;
};

struct OpDefinition {
  const char* domain;  // "" is ONNX's own
  const char* name;
  void (*import)(OpContext& op);
  int since = 1;  // versions of the operator set that this definition is for
  int until = std::numeric_limits<int>::max();
};

// The definition of an operator at a version of its domain's operator set, or null.
const OpDefinition* findOpDefinition(StringRef domain, StringRef name, int version);

// The families (compiler/onnx/ops), a table each.
ArrayRef<OpDefinition> elementwiseOps();
ArrayRef<OpDefinition> activationOps();
ArrayRef<OpDefinition> shapeOps();
ArrayRef<OpDefinition> reduceOps();
ArrayRef<OpDefinition> contractionOps();
ArrayRef<OpDefinition> poolOps();
ArrayRef<OpDefinition> normOps();
ArrayRef<OpDefinition> indexOps();
ArrayRef<OpDefinition> quantOps();
ArrayRef<OpDefinition> recurrentOps();
ArrayRef<OpDefinition> controlOps();
ArrayRef<OpDefinition> attentionOps();
ArrayRef<OpDefinition> contribOps();

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_OPCONTEXT_H_
