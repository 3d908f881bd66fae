// Whole models for tests: compiled in memory, loaded, run by data set or as decoders.
#ifndef SLUICE_TEST_STRUCTURE_COMPILED_H_
#define SLUICE_TEST_STRUCTURE_COMPILED_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/driver/Compile.h"
#include "runtime/exec/context.h"
#include "test/support/shared.h"
#include "tools/common/tensor_file.h"

namespace sluice::test {

// How many ops of each name there are after raise, {"nn.attention", 3}, and what it remarked.
struct Raised {
  std::map<std::string, int> ops;
  std::vector<compiler::Remark> remarks;
  int count(const std::string& op) const { return ops.contains(op) ? ops.at(op) : 0; }
};
absl::StatusOr<Raised> CompileToRaise(const std::filesystem::path& model);

absl::StatusOr<std::unique_ptr<exec::Context>> CompileAndLoad(const std::filesystem::path& model);

// KIND_0.pb, KIND_1.pb … of a folder of test data, by name.
using NamedTensors = std::map<std::string, tools::HostTensor>;
absl::StatusOr<NamedTensors> ReadDataSet(const std::filesystem::path& folder, const std::string& kind);
absl::StatusOr<NamedTensors> RunOnce(exec::Context& context, const NamedTensors& inputs);

// Logits of the last position after the prompt and after each of `next`, as f32.
absl::StatusOr<std::vector<std::vector<float>>> Decode(exec::Context& context, const std::vector<int64_t>& prompt,
                                                       const std::vector<int64_t>& next);

}  // namespace sluice::test

#endif  // SLUICE_TEST_STRUCTURE_COMPILED_H_
