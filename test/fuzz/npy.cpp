// NumPy files.
#include "runtime/base/npy.h"

#include "test/fuzz/target.h"

namespace sluice::fuzz {
namespace {

std::vector<std::string> Seeds() {
  const std::vector<uint8_t> data(64, 1);
  return {SerializeNpy(DType::kF32, {2, 3}, data.data()), SerializeNpy(DType::kI64, {}, data.data()),
          SerializeNpy(DType::kBF16, {0, 4}, data.data()), SerializeNpy(DType::kI4, {5}, data.data()),
          "\x93NUMPY\x01" + std::string(1, '\0') + std::string("\x4a", 1) + std::string(1, '\0') +
              "{'descr': '>f4', 'fortran_order': True, 'shape': (2, 2), }          \n" + std::string(16, 'x')};
}

void Run(std::string_view bytes) { (void)ParseNpy(Bytes(bytes), "fuzz"); }

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(npy, sluice::fuzz::Seeds, sluice::fuzz::Run)
