// One ONNX value during import: its sizes and type, and what is known of its contents.
#ifndef SLUICE_COMPILER_ONNX_TENSOR_H_
#define SLUICE_COMPILER_ONNX_TENSOR_H_

#include <memory>

#include "compiler/onnx/Scalar.h"
#include "mlir/IR/Value.h"

namespace mlir::onnx_import {

// A reference to bytes in a file (nn.weight).
struct WeightRef {
  std::string name;
  int64_t file = 0;
  int64_t offset = 0;
  int64_t length = 0;
};

// A value is made in the IR only when an op needs it (TensorBuilder::value): a tensor whose `known` elements or
// `literal` or `weight` describe it costs nothing until then, which is how shape arithmetic disappears.
struct TensorInfo {
  Type element;
  Sizes sizes;
  Location loc;                              // of the ONNX node that made it
  std::optional<std::vector<Scalar>> known;  // elements, row-major
  DenseElementsAttr literal;                 // elements of a constant with more than `known` may have
  std::optional<WeightRef> weight;
  bool weight_expr = false;  // depends on constants and weights only, by ops that move or decode elements
  Value value;
};

// A handle; null for an absent optional input.
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TensorInfo info) : info_(std::make_shared<TensorInfo>(std::move(info))) {}

  explicit operator bool() const { return info_ != nullptr; }
  TensorInfo& info() const { return *info_; }
  Type element() const { return info_->element; }
  bool isFloat() const { return isa<FloatType>(info_->element); }
  const Sizes& sizes() const { return info_->sizes; }
  int64_t rank() const { return info_->sizes.size(); }
  // Size of dimension d; negative d counts from the end.
  const SizeExpr& size(int64_t d) const { return info_->sizes[d < 0 ? d + rank() : d]; }

  bool isKnown() const { return info_->known.has_value(); }
  const std::vector<Scalar>& known() const { return *info_->known; }
  // Depends on constants and weights only.
  bool isWeight() const { return isKnown() || info_->literal || info_->weight || info_->weight_expr; }
  // The one number every element is, if that is known.
  std::optional<double> splat() const;
  std::optional<Scalar> splatScalar() const;

 private:
  std::shared_ptr<TensorInfo> info_;
};

inline std::optional<Scalar> Tensor::splatScalar() const {
  if (!isKnown() || known().empty()) {
    return std::nullopt;
  }
  for (const Scalar& scalar : known()) {
    if (!(scalar == known().front())) {
      return std::nullopt;
    }
  }
  return known().front();
}

inline std::optional<double> Tensor::splat() const {
  auto scalar = splatScalar();
  return scalar ? scalar->constant() : std::nullopt;
}

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_TENSOR_H_
