// The lists beside this file, for tests that hold models against the same references as sluice-conformance.
#ifndef SLUICE_TEST_CONFORMANCE_LISTS_H_
#define SLUICE_TEST_CONFORMANCE_LISTS_H_

#include <filesystem>
#include <string>

#include "tools/sluice-conformance/lists.h"

namespace sluice::test {

inline std::string ConformanceList(const std::string& name) {
  return std::string(SLUICE_SOURCE_DIR) + "/test/conformance/" + name;
}

// True when `set` (…/NAME/test_data_set_N) or its model is listed, for every executor or for the reference evaluator.
inline bool IsKnownToFail(const std::filesystem::path& set) {
  static const auto known = conformance::ReadKnown(ConformanceList("known_failures.txt")).value();
  const std::string model = set.parent_path().filename().string();
  const std::string label = model + "/" + set.filename().string();
  return known.contains(model) || known.contains(label) || known.contains("reference/" + label);
}

// How a model folder of ../shared is imported.
inline mlir::onnx_import::ImportOptions ImportOptionsOf(const std::filesystem::path& folder, bool strip_weights) {
  static const auto flags = conformance::ReadCompileFlags(ConformanceList("compile_flags.txt")).value();
  mlir::onnx_import::ImportOptions options = conformance::OptionsOf(flags, folder);
  options.strip_weights = strip_weights;
  return options;
}

}  // namespace sluice::test

#endif  // SLUICE_TEST_CONFORMANCE_LISTS_H_
