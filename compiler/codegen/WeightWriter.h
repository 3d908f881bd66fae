// Streams the weights of a module into a sink, each once.
#ifndef SLUICE_COMPILER_CODEGEN_WEIGHTWRITER_H_
#define SLUICE_COMPILER_CODEGEN_WEIGHTWRITER_H_

#include <map>
#include <vector>

#include "compiler/codegen/Artifact.h"
#include "compiler/codegen/PackExpressions.h"
#include "runtime/artifact/program_generated.h"

namespace mlir::sluice::codegen {

// Appends a blob's bytes at the sink's end, padded to the format's alignment.
class BlobAppender {
 public:
  explicit BlobAppender(ArtifactSink& sink, int64_t offset) : sink_(sink), offset_(offset) {}
  int64_t offset() const { return offset_; }
  absl::StatusOr<::sluice::fb::ChunkT> append(std::vector<uint8_t>& bytes);  // pads `bytes`
  absl::Status rewind(int64_t offset);

 private:
  ArtifactSink& sink_;
  int64_t offset_;
};

// What reads each weight: which layouts are possible, and how many groups its convolution has.
struct WeightUse {
  bool everyUserReadsTiles = true;  // kNkTile16
  int64_t groups = 1;
};
std::map<std::string, WeightUse> weightUses(ModuleOp module);

class WeightWriter {
 public:
  WeightWriter(ModuleOp module, const ArtifactOptions& options, BlobAppender& blobs);
  // Fills program.weights and program.files; appends blobs unless the artifact is stripped.
  LogicalResult write(::sluice::fb::ProgramT& program);

 private:
  LogicalResult mergeTied();
  LogicalResult writeBlob(size_t index, ::sluice::fb::WeightT& weight);

  ModuleOp module_;
  const ArtifactOptions& options_;
  BlobAppender& blobs_;
  FilePackReader reader_;
  std::vector<exec::WeightOp> ops_;
  std::vector<::sluice::PackExpr> exprs_;
  // (bytes, hash) of what is written → where.
  std::map<std::pair<int64_t, uint64_t>, std::vector<::sluice::fb::ChunkT>> written_;
};

}  // namespace mlir::sluice::codegen

#endif  // SLUICE_COMPILER_CODEGEN_WEIGHTWRITER_H_
