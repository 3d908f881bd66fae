// NumPy's .npy files, versions 1 to 3.
//
//   ASSIGN_OR_RETURN(NpyArray a, ReadNpy("x.npy"));     // a.dtype, a.shape, a.data: dense, row-major, little-endian
//   RETURN_IF_ERROR(WriteNpy("y.npy", DType::kF32, {2, 3}, y));
//
// Fortran order and big-endian files are turned round while reading.  NumPy has no name for some types, so:
//   bf16   is written as '|V2' (what ml_dtypes writes), and '|V2' or '<V2' is read as bf16
//   f8     both kinds are written as '|u1' (their bits)
//   i4 u4  are written one a byte as '|i1' and '|u1'; files never hold nibbles
// Errors: kInvalidArgument for a file that is not .npy or a type that no tensor has (strings, complex, records),
// kDataLoss for one that ends early.  Header format: numpy/lib/format.py.
#ifndef SLUICE_RUNTIME_BASE_NPY_H_
#define SLUICE_RUNTIME_BASE_NPY_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"

namespace sluice {

struct NpyArray {
  DType dtype = DType::kUndefined;
  std::vector<int64_t> shape;
  std::vector<uint8_t> data;
};

absl::StatusOr<NpyArray> ReadNpy(const std::string& path);
// The same from memory; `where` begins every message.
absl::StatusOr<NpyArray> ParseNpy(std::span<const uint8_t> bytes, const std::string& where);

// `data` holds the elements dense and row-major (int4: two a byte, low nibble first).
absl::Status WriteNpy(const std::string& path, DType dtype, const std::vector<int64_t>& shape, const void* data);
// The file's bytes.
std::string SerializeNpy(DType dtype, const std::vector<int64_t>& shape, const void* data);

}  // namespace sluice

#endif  // SLUICE_RUNTIME_BASE_NPY_H_
