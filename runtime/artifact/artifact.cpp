#include "runtime/artifact/artifact.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "runtime/artifact/verify.h"
#include "runtime/base/hash.h"

namespace sluice::artifact {
namespace {

struct NamedChunk {
  const fb::Chunk* chunk;
  std::string what;
};

std::vector<NamedChunk> AllChunks(const fb::Program& program) {
  std::vector<NamedChunk> chunks;
  for (const fb::Weight* weight : List(program.weights())) {
    for (const fb::Chunk* chunk : List(weight->chunks())) {
      chunks.push_back({chunk, "weight '" + weight->name()->str() + "'"});
    }
  }
  for (const fb::Library* library : List(program.libraries())) {
    chunks.push_back({library->chunk(), "library for " + library->isa()->str()});
  }
  return chunks;
}

}  // namespace

Artifact::~Artifact() { std::free(memory_); }

absl::StatusOr<std::shared_ptr<const Artifact>> Artifact::Open(const std::string& path) {
  std::shared_ptr<Artifact> artifact(new Artifact);
  ASSIGN_OR_RETURN(artifact->file_, MappedFile::Open(path));
  artifact->where_ = path;
  artifact->bytes_ = artifact->file_.bytes();
  RETURN_IF_ERROR(artifact->Read());
  return artifact;
}

absl::StatusOr<std::shared_ptr<const Artifact>> Artifact::FromMemory(std::span<const uint8_t> bytes,
                                                                     const std::string& where) {
  std::shared_ptr<Artifact> artifact(new Artifact);
  const size_t rounded = (bytes.size() / kBlobAlignment + 1) * kBlobAlignment;
  artifact->memory_ = static_cast<uint8_t*>(std::aligned_alloc(kBlobAlignment, rounded));
  if (artifact->memory_ == nullptr) {
    return absl::ResourceExhaustedError(absl::StrFormat("%s: no memory for %u bytes", where, rounded));
  }
  std::copy(bytes.begin(), bytes.end(), artifact->memory_);
  artifact->where_ = where;
  artifact->bytes_ = {artifact->memory_, bytes.size()};
  RETURN_IF_ERROR(artifact->Read());
  return artifact;
}

absl::Status Artifact::Read() {
  ASSIGN_OR_RETURN(header_, ParseHeader(bytes_, where_));
  const std::span<const uint8_t> text = bytes_.subspan(header_.program_offset, header_.program_length);
  if (Hash64(text) != header_.program_hash) {
    return absl::DataLossError(where_ +
                               ": the artifact's program is damaged: wrong checksum (copy or compile it again)");
  }
  // A table has at least 4 bytes of its own, so more tables than that are one table referred to many times over.
  flatbuffers::Verifier verifier(text.data(), text.size(), /*max_depth=*/64,
                                 /*max_tables=*/static_cast<flatbuffers::uoffset_t>(text.size() / 4 + 1));
  if (text.size() >= FLATBUFFERS_MAX_BUFFER_SIZE || !fb::VerifyProgramBuffer(verifier)) {
    return absl::DataLossError(where_ + ": the artifact's program is malformed (compile it again)");
  }
  program_ = fb::GetProgram(text.data());
  return VerifyProgram(*program_, bytes_, header_, where_);
}

std::span<const uint8_t> Artifact::WeightBytes(const fb::Weight& weight) const {
  if (List(weight.chunks()).empty()) {
    return {};
  }
  return bytes_.subspan(weight.chunks()->Get(0)->offset(), weight.bytes());
}

absl::Status Artifact::VerifyChunk(const fb::Chunk& chunk, const std::string& what) const {
  if (Hash64(ChunkBytes(chunk)) != chunk.hash()) {
    return absl::DataLossError(
        absl::StrFormat("%s: %s is damaged: wrong checksum of bytes %u to %u (copy or compile it again)", where_, what,
                        chunk.offset(), chunk.offset() + chunk.length()));
  }
  return absl::OkStatus();
}

absl::Status Artifact::VerifyChunks(ThreadPool& pool) const {
  const std::vector<NamedChunk> chunks = AllChunks(*program_);
  // Chunks differ in size by orders of magnitude: the biggest first keeps the threads equally busy.
  std::vector<int64_t> order(chunks.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = static_cast<int64_t>(i);
  }
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const uint64_t x = chunks[a].chunk->length();
    const uint64_t y = chunks[b].chunk->length();
    return x != y ? x > y : a < b;
  });
  std::vector<uint8_t> wrong(chunks.size(), 0);
  pool.ParallelFor(static_cast<int64_t>(chunks.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const fb::Chunk& chunk = *chunks[order[i]].chunk;
      wrong[order[i]] = Hash64(ChunkBytes(chunk)) != chunk.hash();
    }
  });
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (wrong[i] != 0) {
      return VerifyChunk(*chunks[i].chunk, chunks[i].what);
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::artifact
