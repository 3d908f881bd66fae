// Takes the big tensors out of a serialized ModelProto, so that it parses without holding its weights.
#ifndef SLUICE_COMPILER_ONNX_WIRESTRIP_H_
#define SLUICE_COMPILER_ONNX_WIRESTRIP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace mlir::onnx_import {

// Where one tensor's raw_data lies in the file.
struct RawSpan {
  int64_t offset = 0;
  int64_t length = 0;
};

// The key of the external_data entry that stands for a span: its value is the index into `spans`.
inline constexpr char kSpanKey[] = "sluice.span";

// `file`, with each raw_data of more than `keep` bytes (of initializers, of tensors in attributes, in subgraphs and
// functions too) replaced by an external_data entry {kSpanKey: index}.  Only the bytes between tensors are read.
// kDataLoss, naming the offset, when the protobuf wire format is broken.
absl::StatusOr<std::string> StripRawData(std::string_view file, int64_t keep, std::vector<RawSpan>& spans);

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_WIRESTRIP_H_
