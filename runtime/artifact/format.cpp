#include "runtime/artifact/format.h"

#include <algorithm>
#include <cstring>

#include "runtime/base/hash.h"

namespace sluice::artifact {
namespace {

constexpr size_t kHashedBytes = 56;  // all of the header before its own hash

template <typename T>
T Load(std::span<const uint8_t> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void Store(std::array<uint8_t, kHeaderBytes>& bytes, size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

}  // namespace

std::array<uint8_t, kHeaderBytes> SerializeHeader(const Header& header) {
  std::array<uint8_t, kHeaderBytes> bytes{};
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  Store<uint32_t>(bytes, 8, kFormatVersion);
  Store<uint32_t>(bytes, 12, kHeaderBytes);
  Store<uint64_t>(bytes, 16, header.program_offset);
  Store<uint64_t>(bytes, 24, header.program_length);
  Store<uint64_t>(bytes, 32, header.program_hash);
  Store<uint64_t>(bytes, 40, header.file_length);
  Store<uint64_t>(bytes, kHashedBytes, Hash64(bytes.data(), kHashedBytes));
  return bytes;
}

absl::StatusOr<Header> ParseHeader(std::span<const uint8_t> file, const std::string& where) {
  if (file.size() < kMagic.size() || !std::equal(kMagic.begin(), kMagic.end(), file.begin())) {
    return absl::InvalidArgumentError(where + ": not a Sluice artifact (compile the model with sluice-compile)");
  }
  if (file.size() < static_cast<size_t>(kHeaderBytes)) {
    return absl::DataLossError(where + ": the artifact is cut short (copy or compile it again)");
  }
  if (const uint32_t version = Load<uint32_t>(file, 8); version != kFormatVersion) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: artifact format version %u, this runtime reads version %u (compile the model again)",
                        where, version, kFormatVersion));
  }
  if (Load<uint64_t>(file, kHashedBytes) != Hash64(file.data(), kHashedBytes) ||
      Load<uint32_t>(file, 12) != kHeaderBytes) {
    return absl::DataLossError(where + ": the artifact's header is damaged: wrong checksum (copy or compile it again)");
  }
  const Header header{.program_offset = Load<uint64_t>(file, 16),
                      .program_length = Load<uint64_t>(file, 24),
                      .program_hash = Load<uint64_t>(file, 32),
                      .file_length = Load<uint64_t>(file, 40)};
  if (header.file_length != file.size()) {
    return absl::DataLossError(
        absl::StrFormat("%s: the artifact has %u bytes, its header says %u (copy or compile it again)", where,
                        file.size(), header.file_length));
  }
  if (header.program_offset % kBlobAlignment != 0 || header.program_offset < static_cast<uint64_t>(kHeaderBytes) ||
      header.program_offset > file.size() || header.program_length > file.size() - header.program_offset) {
    return absl::DataLossError(where + ": the artifact's program lies outside the file");
  }
  return header;
}

}  // namespace sluice::artifact
