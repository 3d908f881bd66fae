// A folder of its own for a test, and the tools run in it as a user runs them.
#ifndef SLUICE_TEST_TOOLS_TOOL_FIXTURE_H_
#define SLUICE_TEST_TOOLS_TOOL_FIXTURE_H_

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sluice::test {

struct Outcome {
  int code = 0;     // -1: killed by a signal
  std::string out;  // stdout and stderr
};

class ToolFixture : public testing::Test {
 protected:
  ToolFixture() : dir_(std::filesystem::path(testing::TempDir()) / ("sluice_test_" + std::to_string(getpid()))) {
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  ~ToolFixture() override { std::filesystem::remove_all(dir_); }

  std::string Path(const std::string& name) const { return (dir_ / name).string(); }

  void Write(const std::string& name, const std::vector<uint8_t>& bytes) {
    std::ofstream(dir_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void WriteText(const std::string& name, const std::string& text) { Write(name, {text.begin(), text.end()}); }

  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  // Runs `tool` in the folder.
  Outcome Run(const std::string& tool, const std::string& arguments) {
    const std::string command = "cd '" + dir_.string() + "' && '" + std::string(SLUICE_BINARY_DIR) + "/bin/" + tool +
                                "' " + arguments + " 2>&1";
    Outcome outcome;
    FILE* pipe = popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
      outcome.out.append(buffer.data(), n);
    }
    const int status = pclose(pipe);
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return outcome;
  }

  std::filesystem::path dir_;
};

}  // namespace sluice::test

#endif  // SLUICE_TEST_TOOLS_TOOL_FIXTURE_H_
