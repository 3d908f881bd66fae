// Tensors in files: .npy, and .pb (an ONNX TensorProto, the format of ONNX's own test data).
//
//   ASSIGN_OR_RETURN(HostTensor x, ReadTensor("input_0.pb"));
//   RETURN_IF_ERROR(WriteTensor("y.npy", outputs[0].tensor));
#ifndef SLUICE_TOOLS_COMMON_TENSOR_FILE_H_
#define SLUICE_TOOLS_COMMON_TENSOR_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace sluice::tools {

// Owned, dense, row-major; int4 two a byte.
struct HostTensor {
  std::string name;  // empty when the file has none
  DType dtype = DType::kUndefined;
  std::vector<int64_t> sizes;
  std::vector<uint8_t> data;

  // A view of the data; valid as long as this object stays where it is.  kInvalidArgument for more than 8 dimensions.
  absl::StatusOr<kernels::Tensor> View() const;
  // Rounded to another float type; itself unless both are f32, f16 or bf16.
  HostTensor As(DType to) const;
};

// By the file's ending.  Errors begin with the path: kNotFound, kInvalidArgument (not a tensor, a type no tensor has,
// data kept in another file), kDataLoss (cut short).
absl::StatusOr<HostTensor> ReadTensor(const std::string& path);
absl::StatusOr<HostTensor> ParseTensorProto(std::span<const uint8_t> bytes, const std::string& where);

// A copy of a dense tensor.
HostTensor CopyOf(const std::string& name, const kernels::Tensor& t);
absl::Status WriteTensor(const std::string& path, const kernels::Tensor& t);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_COMMON_TENSOR_FILE_H_
