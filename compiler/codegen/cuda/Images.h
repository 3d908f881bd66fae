// Images of a module's CUDA kernels: compiled in parallel, each text once, kept between compilations.
//
//   ASSIGN_OR_RETURN(std::vector<CudaImage> images, CompileImages({{"ew_0", text}}, gpu, {}));
//
// The cache is a folder of files named by the hash of text, headers, architecture and compiler: $SLUICE_KERNEL_CACHE,
// or sluice/kernels under $XDG_CACHE_HOME or ~/.cache; an empty SLUICE_KERNEL_CACHE means none.  A file that does not
// hash to what it says is made again.
#ifndef SLUICE_COMPILER_CODEGEN_CUDA_IMAGES_H_
#define SLUICE_COMPILER_CODEGEN_CUDA_IMAGES_H_

#include <span>
#include <string>
#include <vector>

#include "compiler/codegen/cuda/Nvrtc.h"
#include "kernels/target/target.h"

namespace sluice::codegen {

struct CudaSource {
  std::string name;  // for messages and dumps
  std::string text;
};

struct ImageOptions {
  int threads = 0;            // 0: as many as there are cores
  std::string dumpDirectory;  // when set: NAME.cu, NAME.ptx, NAME.cubin, NAME.sass
};

// One image a source, in order.  kUnavailable without NVRTC (when the cache has not all); kInvalidArgument names the
// kernel that does not compile.
absl::StatusOr<std::vector<std::vector<uint8_t>>> CompileImages(std::span<const CudaSource> sources,
                                                                const kernels::Gpu& gpu, const ImageOptions& options);

}  // namespace sluice::codegen

#endif  // SLUICE_COMPILER_CODEGEN_CUDA_IMAGES_H_
