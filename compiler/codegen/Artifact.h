// Writes an artifact: a module after the memory phase → the file docs/format.md describes.
//
//   ArtifactOptions options{.modelDirectory = "model", .sink = &sink};
//   if (failed(writeArtifact(module, options))) ...       // diagnostics say why
//
// Weights are packed chunk by chunk straight into the sink; equal expressions and equal contents are stored once.
// Generated kernels are compiled for every instruction set, the text of a GPU's kernels by NVRTC.  The same module
// gives the same bytes.
#ifndef SLUICE_COMPILER_CODEGEN_ARTIFACT_H_
#define SLUICE_COMPILER_CODEGEN_ARTIFACT_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/status.h"

namespace mlir::sluice::codegen {

// Where an artifact's bytes go: appended in order, the header rewritten at the end.
class ArtifactSink {
 public:
  virtual ~ArtifactSink() = default;
  virtual absl::Status append(std::span<const uint8_t> bytes) = 0;
  virtual absl::Status writeAt(int64_t offset, std::span<const uint8_t> bytes) = 0;
  // Forgets everything from `size` on (a weight that turned out to be a copy).
  virtual absl::Status truncate(int64_t size) = 0;
};

// An artifact in memory.
class MemorySink : public ArtifactSink {
 public:
  absl::Status append(std::span<const uint8_t> bytes) override;
  absl::Status writeAt(int64_t offset, std::span<const uint8_t> bytes) override;
  absl::Status truncate(int64_t size) override;
  std::vector<uint8_t> bytes;
};

struct ArtifactOptions {
  std::string model;           // its name, of a module that has no nn.name
  std::string modelDirectory;  // where the module's nn.files are
  bool stripWeights = false;
  std::string producer;       // "sluice-compile 0.1.0"
  std::string report;         // JSON
  std::string dumpDirectory;  // when set, generated kernels' LLVM IR and CUDA kernels' text, PTX and image go there
  int threads = 0;            // that compile CUDA kernels; 0: as many as there are cores
  ArtifactSink* sink = nullptr;
};

LogicalResult writeArtifact(ModuleOp module, const ArtifactOptions& options);

}  // namespace mlir::sluice::codegen

#endif  // SLUICE_COMPILER_CODEGEN_ARTIFACT_H_
