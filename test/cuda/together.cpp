#include "test/cuda/together.h"

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sluice::test {

std::string Together(std::span<kernels::CudaKernel> kernels) {
  std::set<std::string> includes;
  std::string parts;
  for (size_t i = 0; i < kernels.size(); ++i) {
    kernels::CudaKernel& kernel = kernels[i];
    const std::string entry = absl::StrCat(kernel.entry, "_", i);
    kernel.text.replace(kernel.text.find(kernel.entry + "(", kernel.text.find("__global__")), kernel.entry.size(),
                        entry);
    kernel.entry = entry;
    absl::StrAppend(&parts, "namespace part", i, " {\n");
    for (const absl::string_view line : absl::StrSplit(kernel.text, '\n')) {
      if (absl::StartsWith(line, "#include")) {
        includes.emplace(line);
      } else {
        absl::StrAppend(&parts, line, "\n");
      }
    }
    absl::StrAppend(&parts, "}\n");
  }
  return absl::StrCat(absl::StrJoin(includes, "\n"), "\n", parts);
}

std::string PartOf(const std::string& ptx, const std::string& entry) {
  const size_t begin = ptx.find(absl::StrCat(".entry ", entry, "("));
  return begin == std::string::npos ? "" : ptx.substr(begin, ptx.find(".entry ", begin + 1) - begin);
}

}  // namespace sluice::test
