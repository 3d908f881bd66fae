// NVRTC, opened with dlopen: CUDA text → image for one architecture.  Needs no GPU, no toolkit and no source tree: the
// device headers of kernels/ are inside the compiler.
//
//   ASSIGN_OR_RETURN(const Nvrtc* nvrtc, Nvrtc::Open());
//   ASSIGN_OR_RETURN(CudaImage image, nvrtc->Compile("ew_0.cu", text, "sm_90a"));
//
// Looked for at $SLUICE_NVRTC (a file), in the build's own Python environment, and by the loader (libnvrtc.so.13).
#ifndef SLUICE_COMPILER_CODEGEN_CUDA_NVRTC_H_
#define SLUICE_COMPILER_CODEGEN_CUDA_NVRTC_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace sluice::codegen {

struct CudaImage {
  std::vector<uint8_t> cubin;
  std::string ptx;
};

class Nvrtc {
 public:
  // Opened once; kUnavailable says where it was looked for and how to get it.
  static absl::StatusOr<const Nvrtc*> Open();

  const std::string& version() const { return version_; }  // "13.0"
  // kInvalidArgument with the compiler's first error, or its note that it serialised wgmma (ptxas C75xx).
  absl::StatusOr<CudaImage> Compile(const std::string& name, const std::string& text, const std::string& arch) const;

  struct Api;

 private:
  explicit Nvrtc(const Api* api, std::string version) : api_(api), version_(std::move(version)) {}
  static absl::StatusOr<const Nvrtc*> Load();
  const Api* api_;
  std::string version_;
};

// A device header carried by the compiler.
struct CudaHeader {
  const char* name;  // "kernels/device/step.cuh"
  const char* text;
};
std::span<const CudaHeader> CudaHeaders();

}  // namespace sluice::codegen

#endif  // SLUICE_COMPILER_CODEGEN_CUDA_NVRTC_H_
