// The fixed part of an artifact file: docs/format.md in numbers.
//
//   Header h{.program_offset = 8192, .program_length = n, .program_hash = Hash64(program), .file_length = 8192 + n};
//   std::array<uint8_t, kHeaderBytes> bytes = SerializeHeader(h);
#ifndef SLUICE_RUNTIME_ARTIFACT_FORMAT_H_
#define SLUICE_RUNTIME_ARTIFACT_FORMAT_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "runtime/base/status.h"

namespace sluice::artifact {

inline constexpr std::array<uint8_t, 8> kMagic = {'S', 'L', 'U', 'I', 'C', 'E', 0, 0};
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr int64_t kHeaderBytes = 64;
inline constexpr int64_t kBlobAlignment = 4096;         // of blobs and of the program
inline constexpr int64_t kMaxChunkBytes = 128ll << 20;  // of one chunk of a weight
inline constexpr int64_t kArenaAlignment = 64;          // of every buffer in an arena
inline constexpr uint32_t kAbsentOperand = 255;         // CudaParam.operand: none

struct Header {
  uint64_t program_offset = 0;
  uint64_t program_length = 0;
  uint64_t program_hash = 0;  // XXH3-64
  uint64_t file_length = 0;
};

std::array<uint8_t, kHeaderBytes> SerializeHeader(const Header& header);

// Checks magic, version, the header's hash, the file's length and that the program lies inside the file.  `where`
// (a path) begins every message.  kInvalidArgument: not an artifact, or one of another format version; kDataLoss:
// damaged or cut short.
absl::StatusOr<Header> ParseHeader(std::span<const uint8_t> file, const std::string& where);

}  // namespace sluice::artifact

#endif  // SLUICE_RUNTIME_ARTIFACT_FORMAT_H_
