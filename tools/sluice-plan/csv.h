// Buffer sets as MiniMalloc writes them: a header line, then one buffer a line.
//
//   id,lower,upper,size          alive in [lower, upper)
//   0,3,9,1024
#ifndef SLUICE_TOOLS_SLUICE_PLAN_CSV_H_
#define SLUICE_TOOLS_SLUICE_PLAN_CSV_H_

#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/plan/pack.h"

namespace sluice::tools {

struct BufferFile {
  std::string header;              // without `offset`
  std::vector<std::string> lines;  // one a buffer, without `offset`
  std::vector<plan::PackBuffer> buffers;
};

// Columns are found by name, in any order; others are kept, and an `offset` column is dropped.  kInvalidArgument names
// file and line.
absl::StatusOr<BufferFile> ParseBufferFile(const std::string& text, const std::string& path);

// The file again, with an `offset` column at the end.
std::string WithOffsets(const BufferFile& file, const std::vector<int64_t>& offsets);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_SLUICE_PLAN_CSV_H_
