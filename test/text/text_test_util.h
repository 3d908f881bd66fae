// Where the tests' files are, and the hash that make_fixtures.py took of the library's answers.
#ifndef SLUICE_TEST_TEXT_TEXT_TEST_UTIL_H_
#define SLUICE_TEST_TEXT_TEXT_TEST_UTIL_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/text/tokenizer.h"

namespace sluice::text {

inline std::string DataDir() { return std::string(SLUICE_SOURCE_DIR) + "/test/text/data"; }

inline nlohmann::json ReadJson(const std::string& path) { return nlohmann::json::parse(std::ifstream(path)); }

// FNV-1a.
class Fnv {
 public:
  void Add(const std::string& bytes) {
    for (unsigned char b : bytes) {
      hash_ = (hash_ ^ b) * 0x100000001B3u;
    }
  }
  void Add(const std::vector<int32_t>& ids) {
    for (int32_t id : ids) {
      Add(std::string(reinterpret_cast<const char*>(&id), sizeof(id)));
    }
  }
  std::string Hex() const { return absl::StrFormat("%016x", hash_); }

 private:
  uint64_t hash_ = 0xCBF29CE484222325u;
};

}  // namespace sluice::text

#endif  // SLUICE_TEST_TEXT_TEXT_TEST_UTIL_H_
