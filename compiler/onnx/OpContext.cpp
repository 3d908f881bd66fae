#include "compiler/onnx/OpContext.h"

#include "compiler/onnx/Model.h"
#include "compiler/onnx/ProgramImporter.h"

namespace mlir::onnx_import {

OpContext::OpContext(ProgramImporter& program, const onnx::NodeProto& node, int opset, SmallVector<Tensor> inputs)
    : program_(program), node_(node), opset_(opset), inputs_(std::move(inputs)) {
  outputs_.resize(node.output_size());
}

TensorBuilder& OpContext::t() { return program_.t(); }

const ImportOptions& OpContext::options() const { return program_.state().options; }

const Model& OpContext::model() const { return program_.state().model; }

void OpContext::fail(const llvm::Twine& message) { onnx_import::fail(loc(), node_.op_type() + ": " + message); }

Tensor OpContext::in(size_t index) {
  if (!has(index)) {
    fail("input " + llvm::Twine(index) + " is missing");
  }
  return inputs_[index];
}

Sizes OpContext::sizesIn(size_t index) {
  Tensor x = in(index);
  if (!x.isKnown() || x.isFloat()) {
    fail("input " + llvm::Twine(index) + " ('" + node_.input(index) +
         "') gives sizes that depend on data; sizes must follow from the inputs' dimensions");
  }
  Sizes sizes;
  for (const Scalar& scalar : x.known()) {
    sizes.push_back(scalar.size);
  }
  return sizes;
}

SmallVector<int64_t> OpContext::intsIn(size_t index) {
  SmallVector<int64_t> values;
  for (const SizeExpr& size : sizesIn(index)) {
    auto constant = size.Constant();
    if (!constant) {
      fail("input " + llvm::Twine(index) + " ('" + node_.input(index) + "') must be constant");
    }
    values.push_back(*constant);
  }
  return values;
}

double OpContext::numberIn(size_t index) {
  auto value = in(index).splat();
  if (!value) {
    fail("input " + llvm::Twine(index) + " ('" + node_.input(index) + "') must be a constant number");
  }
  return *value;
}

const onnx::AttributeProto* OpContext::find(StringRef name) const {
  for (const auto& attribute : node_.attribute()) {
    if (attribute.name() == name.str()) {
      return &attribute;
    }
  }
  return nullptr;
}

int64_t OpContext::attr(StringRef name, int64_t otherwise) const {
  const auto* attribute = find(name);
  return attribute ? attribute->i() : otherwise;
}

double OpContext::attrFloat(StringRef name, double otherwise) const {
  const auto* attribute = find(name);
  return attribute ? attribute->f() : otherwise;
}

std::string OpContext::attr(StringRef name, const char* otherwise) const {
  const auto* attribute = find(name);
  return attribute ? attribute->s() : otherwise;
}

SmallVector<int64_t> OpContext::attrInts(StringRef name, ArrayRef<int64_t> otherwise) const {
  const auto* attribute = find(name);
  return attribute ? SmallVector<int64_t>(attribute->ints().begin(), attribute->ints().end())
                   : SmallVector<int64_t>(otherwise);
}

SmallVector<double> OpContext::attrFloats(StringRef name) const {
  const auto* attribute = find(name);
  return attribute ? SmallVector<double>(attribute->floats().begin(), attribute->floats().end())
                   : SmallVector<double>();
}

std::optional<SmallVector<int64_t>> OpContext::axes(size_t index, int64_t rank) {
  SmallVector<int64_t> axes;
  if (find("axes")) {
    axes = attrInts("axes");
  } else if (has(index)) {
    axes = intsIn(index);
  } else {
    return std::nullopt;
  }
  for (int64_t& axis : axes) {
    axis = t().axis(axis, rank);
  }
  llvm::sort(axes);
  return axes;
}

Type OpContext::elementAttr(StringRef name) {
  return elementType(context(), static_cast<int32_t>(attr(name, int64_t{0})), loc());
}

void OpContext::out(size_t index, Tensor tensor) {
  if (index < outputs_.size()) {
    outputs_[index] = std::move(tensor);
  }
}

}  // namespace mlir::onnx_import
