// MiniMalloc's buffer sets, and their packing.
#include <cstdlib>

#include "test/fuzz/target.h"
#include "tools/sluice-plan/csv.h"

namespace sluice::fuzz {
namespace {

std::vector<std::string> Seeds() {
  return {"id,lower,upper,size\n0,3,9,4\n1,0,4,8\n2,8,12,4\n", "size,id,upper,lower,offset\n4,a,2,1,0\r\n",
          "id,lower,upper,size\n"};
}

void Run(std::string_view bytes) {
  const auto file = tools::ParseBufferFile(std::string(bytes), "fuzz.csv");
  if (file.ok()) {
    (void)tools::WithOffsets(*file, std::vector<int64_t>(file->buffers.size(), 64));
  }
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(buffer_csv, sluice::fuzz::Seeds, sluice::fuzz::Run)
