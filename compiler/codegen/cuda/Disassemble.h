// A cubin's machine code as text (SASS), by NVIDIA's disassembler, which is a program and no library.
//
// Looked for at $SLUICE_NVDISASM (a file), in the build's own Python environment, and in PATH.
#ifndef SLUICE_COMPILER_CODEGEN_CUDA_DISASSEMBLE_H_
#define SLUICE_COMPILER_CODEGEN_CUDA_DISASSEMBLE_H_

#include <string>

#include "runtime/base/status.h"

namespace sluice::codegen {

// Writes the SASS of the file `cubin` to the file `sass`.  kUnavailable says how to get the disassembler where there is
// none, kInternal that it failed.
absl::Status Disassemble(const std::string& cubin, const std::string& sass);

}  // namespace sluice::codegen

#endif  // SLUICE_COMPILER_CODEGEN_CUDA_DISASSEMBLE_H_
