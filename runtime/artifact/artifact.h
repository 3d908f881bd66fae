// An artifact opened for reading: mapped, verified, never copied.
//
//   ASSIGN_OR_RETURN(std::shared_ptr<const Artifact> a, Artifact::Open("model.sluice"));
//   for (const fb::Weight* w : *a->program().weights()) { Use(a->WeightBytes(*w)); }
//
// Open checks everything of docs/format.md but the chunks' hashes, which cost a read of the whole file: VerifyChunks
// does those (the runtime calls it when it loads weights).  After Open every index of the program is safe to follow.
// Errors: kNotFound, kInvalidArgument (not an artifact, another format version), kDataLoss (a wrong byte).
#ifndef SLUICE_RUNTIME_ARTIFACT_ARTIFACT_H_
#define SLUICE_RUNTIME_ARTIFACT_ARTIFACT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/artifact/format.h"
#include "runtime/artifact/program_generated.h"
#include "runtime/base/file.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"

namespace sluice::artifact {

class Artifact {
 public:
  static absl::StatusOr<std::shared_ptr<const Artifact>> Open(const std::string& path);
  // Of bytes in memory, which are copied (weights must lie on page boundaries).  `where` begins messages.
  static absl::StatusOr<std::shared_ptr<const Artifact>> FromMemory(std::span<const uint8_t> bytes,
                                                                    const std::string& where);
  ~Artifact();
  Artifact(const Artifact&) = delete;
  Artifact& operator=(const Artifact&) = delete;

  const fb::Program& program() const { return *program_; }
  const Header& header() const { return header_; }
  const std::string& where() const { return where_; }  // the path
  int64_t file_bytes() const { return static_cast<int64_t>(bytes_.size()); }

  std::span<const uint8_t> ChunkBytes(const fb::Chunk& chunk) const {
    return bytes_.subspan(chunk.offset(), chunk.length());
  }
  // `bytes()` bytes of the weight, at a page boundary; empty when the artifact is stripped.
  std::span<const uint8_t> WeightBytes(const fb::Weight& weight) const;

  // Compares the hash of every chunk, on all threads of the pool.  kDataLoss names the weight or library.
  absl::Status VerifyChunks(ThreadPool& pool) const;
  // The hash of one library's chunk.
  absl::Status VerifyChunk(const fb::Chunk& chunk, const std::string& what) const;

 private:
  Artifact() = default;
  absl::Status Read();  // header, program, all invariants

  std::string where_;
  MappedFile file_;
  uint8_t* memory_ = nullptr;  // FromMemory: owned, page aligned
  std::span<const uint8_t> bytes_;
  Header header_;
  const fb::Program* program_ = nullptr;
};

}  // namespace sluice::artifact

#endif  // SLUICE_RUNTIME_ARTIFACT_ARTIFACT_H_
