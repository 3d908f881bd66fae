// The data sets that are known to fail (known_failures.txt), for tests that hold models against the same references.
#ifndef SLUICE_TEST_CONFORMANCE_KNOWN_H_
#define SLUICE_TEST_CONFORMANCE_KNOWN_H_

#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::test {

// True when `set` (…/NAME/test_data_set_N) or its model is listed, for every executor or for the reference evaluator.
inline bool IsKnownToFail(const std::filesystem::path& set) {
  std::ifstream file(std::string(SLUICE_SOURCE_DIR) + "/test/conformance/known_failures.txt");
  const std::string model = set.parent_path().filename().string();
  for (std::string line; std::getline(file, line);) {
    const std::string name = line.substr(0, line.find(' '));
    const std::string label = model + "/" + set.filename().string();
    if (name == model || name == label || name == "reference/" + label) {
      return true;
    }
  }
  return false;
}

}  // namespace sluice::test

#endif  // SLUICE_TEST_CONFORMANCE_KNOWN_H_
