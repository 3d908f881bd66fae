// TensorProto files, ONNX's test data.
#include "test/fuzz/target.h"
#include "tools/common/tensor_file.h"

namespace sluice::fuzz {
namespace {

// dims (1) 2, 3; data_type (2); name (8) "x"; then the data.
std::string Proto(char type, const std::string& data) {
  return std::string("\x08\x02\x08\x03\x10") + type + "\x42\x01x" + data;
}

std::vector<std::string> Seeds() {
  return {Proto(1, "\x4a\x18" + std::string(24, 'f')),   // f32, raw_data
          Proto(7, "\x3a\x06\x01\x02\x03\x04\x05\x06"),  // i64, int64_data
          Proto(22,
                "\x4a\x03"
                "abc"),                                  // i4, two a byte
          Proto(1, "\x22\x18" + std::string(24, 'f'))};  // f32, float_data
}

void Run(std::string_view bytes) {
  const auto tensor = tools::ParseTensorProto(Bytes(bytes), "fuzz");
  if (tensor.ok()) {
    (void)tensor->View();
  }
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(tensor_proto, sluice::fuzz::Seeds, sluice::fuzz::Run)
