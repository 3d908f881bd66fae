// The program of an artifact, under a header whose hash is right: what verification and decoding must not trust.
#include "runtime/exec/program.h"

#include <cstring>

#include "runtime/artifact/artifact.h"
#include "runtime/artifact/format.h"
#include "runtime/base/hash.h"
#include "test/fuzz/target.h"
#include "test/runtime/api_programs.h"

namespace sluice::fuzz {
namespace {

constexpr size_t kProgramOffset = 2 * artifact::kBlobAlignment;  // one blob before it

std::string ProgramOf(const std::vector<uint8_t>& file) {
  const artifact::Header header = artifact::ParseHeader(file, "seed").value();
  return Text(std::span(file).subspan(header.program_offset, header.program_length));
}

std::vector<std::string> Seeds() {
  return {ProgramOf(test::DoubleAddArtifact()), ProgramOf(test::CountingDecoderArtifact())};
}

void Run(std::string_view bytes) {
  std::vector<uint8_t> file(kProgramOffset + bytes.size());
  std::memcpy(file.data() + kProgramOffset, bytes.data(), bytes.size());
  const auto header = artifact::SerializeHeader({.program_offset = kProgramOffset,
                                                 .program_length = bytes.size(),
                                                 .program_hash = Hash64(bytes.data(), bytes.size()),
                                                 .file_length = file.size()});
  std::copy(header.begin(), header.end(), file.begin());
  const auto artifact = artifact::Artifact::FromMemory(file, "fuzz");
  if (artifact.ok()) {
    (void)exec::Decode(*artifact, {.native = false});
  }
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(program, sluice::fuzz::Seeds, sluice::fuzz::Run)
