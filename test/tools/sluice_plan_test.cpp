// sluice-plan as its users meet it: the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "runtime/base/file.h"
#include "test/support/shared.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::MatchesRegex;

class SluicePlan : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sluice_plan_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }
  // Runs the tool; its exit code.  out_ and err_ are what it printed.
  int Run(const std::string& args) {
    const std::string command =
        std::string(SLUICE_BINARY_DIR "/bin/sluice-plan ") + args + " >" + dir_ + "/out 2>" + dir_ + "/err";
    const int status = std::system(command.c_str());
    out_ = ReadFile(dir_ + "/out").value();
    err_ = ReadFile(dir_ + "/err").value();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string File(const std::string& text) {
    EXPECT_TRUE(WriteFile(dir_ + "/in.csv", text).ok());
    return dir_ + "/in.csv";
  }
  std::string dir_, out_, err_;
};

TEST_F(SluicePlan, PacksAndWrites) {
  const std::string in = File("id,lower,upper,size\na,0,2,256\nb,1,3,512\n");
  EXPECT_EQ(Run(in + " -q -o " + dir_ + "/out.csv"), 0);
  EXPECT_THAT(out_, MatchesRegex("peak=768 lower_bound=768 ratio=1.0000 ms=[0-9.]+\n"));
  EXPECT_EQ(err_, "");
  EXPECT_THAT(ReadFile(dir_ + "/out.csv").value(),
              testing::AnyOf("id,lower,upper,size,offset\na,0,2,256,512\nb,1,3,512,0\n",
                             "id,lower,upper,size,offset\na,0,2,256,0\nb,1,3,512,256\n"));
}

TEST_F(SluicePlan, KeepsOtherColumnsInAnyOrderAndReplacesOffsets) {
  const std::string in = File("size,offset,lower,name,upper\r\n\r\n64,7,0,x,5\r\n");
  EXPECT_EQ(Run(in + " -o " + dir_ + "/out.csv"), 0);
  EXPECT_EQ(ReadFile(dir_ + "/out.csv").value(), "size,lower,name,upper,offset\n64,0,x,5,0\n");
}

TEST_F(SluicePlan, JsonIsOneObject) {
  EXPECT_EQ(Run(File("id,lower,upper,size\n") + " --json"), 0);
  EXPECT_THAT(out_, MatchesRegex("\\{\"peak\":0,\"lower_bound\":0,\"ratio\":1,\"ms\":[0-9.e-]+,\"buffers\":0\\}\n"));
}

TEST_F(SluicePlan, CapacityThatDoesNotFitExits4AndWritesNothing) {
  const std::string in = File("id,lower,upper,size\na,0,2,256\nb,1,3,512\n");
  EXPECT_EQ(Run(in + " --capacity 768"), 0);
  EXPECT_EQ(Run(in + " -q --capacity 767 -o " + dir_ + "/out.csv"), 4);
  EXPECT_EQ(err_, "sluice-plan: error: --capacity: 767 bytes, 768 are needed (raise --capacity)\n");
  EXPECT_FALSE(fs::exists(dir_ + "/out.csv"));
}

TEST_F(SluicePlan, BadInputExits1) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ":1: the file is empty"},
      {"id,lower,size\n", ":1: no column \"upper\""},
      {"id,lower,upper,size\n0,1,2\n", ":2: 3 fields"},
      {"id,lower,upper,size\n0,1,2,3x\n", ":2: size: \"3x\" is not a whole number"},
      {"id,lower,upper,size\n0,1,2,99999999999999999999\n", "is not a whole number"},
      {"id,lower,upper,size\n0,3,2,1\n", ":2: upper: is before lower"},
      {"id,lower,upper,size\n0,1,2,-1\n", ":2: size: is negative"},
      {"id,lower,upper,size\n0,1,2,9223372036854775807\n", "exceed 2^60"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(Run(File(text) + " -q"), 1) << text;
    EXPECT_THAT(err_, HasSubstr(message));
    EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1);
    EXPECT_EQ(out_, "");
  }
  EXPECT_EQ(Run(dir_ + "/none.csv"), 1);
}

TEST_F(SluicePlan, WrongUsageExits2) {
  EXPECT_EQ(Run(""), 2);
  EXPECT_EQ(Run("a b"), 2);
  EXPECT_EQ(Run("a --alignment 0"), 2);
  EXPECT_EQ(Run("a --capacity 0"), 2);
  EXPECT_EQ(Run("--help"), 0);
  EXPECT_EQ(out_.rfind("Example:", 0), 0u);
}

// MiniMalloc's eleven instances.
TEST_F(SluicePlan, MiniMallocInstances) {
  const fs::path folder = test::SharedFolder("benchmarks/minimalloc");
  ASSERT_TRUE(test::IsThere(folder));
  for (const auto& entry : fs::directory_iterator(folder)) {
    ASSERT_EQ(Run(entry.path().string() + " -q --effort 1500000"), 0);
    const double ratio = std::atof(out_.c_str() + out_.find("ratio=") + 6);
    std::printf("%s %s", entry.path().filename().c_str(), out_.c_str());
    EXPECT_LE(ratio, 1.15);  // a quarter of the default effort
  }
}

}  // namespace
}  // namespace sluice
