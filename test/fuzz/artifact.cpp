// A whole artifact file: header, checksums, program.
#include "runtime/artifact/artifact.h"

#include "test/fuzz/target.h"
#include "test/runtime/api_programs.h"

namespace sluice::fuzz {
namespace {

std::vector<std::string> Seeds() { return {Text(test::DoubleAddArtifact()), Text(test::CountingDecoderArtifact())}; }

void Run(std::string_view bytes) {
  const auto data = Bytes(bytes);
  const auto artifact = artifact::Artifact::FromMemory({data.begin(), data.end()}, "fuzz");
  if (artifact.ok()) {
    ThreadPool pool(1);
    (void)(*artifact)->VerifyChunks(pool);
  }
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(artifact, sluice::fuzz::Seeds, sluice::fuzz::Run)
