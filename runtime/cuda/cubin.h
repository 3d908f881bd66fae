// What a cubin says of its kernels, read from the ELF file: no driver and no GPU needed.
//
//   ASSIGN_OR_RETURN(CubinFacts facts, ReadCubin(bytes, "ew_3"));   // facts.local_bytes == 0: nothing spilled
#ifndef SLUICE_RUNTIME_CUDA_CUBIN_H_
#define SLUICE_RUNTIME_CUDA_CUBIN_H_

#include <cstdint>
#include <span>
#include <string>

#include "runtime/base/status.h"

namespace sluice::cuda {

struct CubinFacts {
  int64_t registers = 0;     // a thread
  int64_t local_bytes = 0;   // stack frame of a thread: spills and arrays that are no registers
  int64_t shared_bytes = 0;  // static, of a block
};

// kInvalidArgument: not a cubin, or it has no such kernel.
absl::StatusOr<CubinFacts> ReadCubin(std::span<const uint8_t> cubin, const std::string& entry);

}  // namespace sluice::cuda

#endif  // SLUICE_RUNTIME_CUDA_CUBIN_H_
