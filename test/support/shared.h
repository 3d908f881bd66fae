// Files of ../shared, which lies beside the checkout.  A test that needs one and does not find it fails and says so: a
// skip would let a run without the test models pass for a whole one.
//
//   const std::filesystem::path model = SharedModel("llama-tiny-dynamo") / "model.onnx";
//   ASSERT_TRUE(IsThere(model));
#ifndef SLUICE_TEST_SUPPORT_SHARED_H_
#define SLUICE_TEST_SUPPORT_SHARED_H_

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::test {

inline std::filesystem::path SharedFolder(const std::string& name) {
  return std::filesystem::path(SLUICE_SOURCE_DIR).parent_path() / "shared" / name;
}

// The folder of a test model, or of all of them.
inline std::filesystem::path SharedModel(const std::string& name = "") { return SharedFolder("models") / name; }

inline testing::AssertionResult IsThere(const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << path << " is not there: this test needs ../shared beside the checkout";
}

// Models in these subfolders, in order.  Without any: the name of the folder that should hold them, so that a suite
// over the models is never an empty one.
inline std::vector<std::string> SharedModelNames(std::initializer_list<const char*> subfolders) {
  std::vector<std::string> names;
  for (const char* subfolder : subfolders) {
    std::error_code absent;
    for (const auto& entry : std::filesystem::directory_iterator(SharedModel(subfolder), absent)) {
      if (std::filesystem::exists(entry.path() / "model.onnx")) {
        names.push_back((std::filesystem::path(subfolder) / entry.path().filename()).string());
      }
    }
  }
  std::sort(names.begin(), names.end());
  if (names.empty()) {
    names.push_back("absent");
  }
  return names;
}

// A model's name as gtest takes it for a test's.
inline std::string ModelTestName(std::string name) {
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

}  // namespace sluice::test

#endif  // SLUICE_TEST_SUPPORT_SHARED_H_
