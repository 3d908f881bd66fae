#include "runtime/base/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

namespace sluice {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sluice_file_test.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string Path(const std::string& name) const { return dir_ + "/" + name; }
  int Files() const { return static_cast<int>(std::distance(fs::directory_iterator(dir_), fs::directory_iterator())); }
  std::string dir_;
};

TEST_F(FileTest, NothingExistsBeforeCommit) {
  {
    auto w = FileWriter::Create(Path("a"));
    ASSERT_TRUE(w.ok()) << w.status();
    ASSERT_TRUE(w->Append("hello").ok());
    EXPECT_FALSE(fs::exists(Path("a")));
  }
  EXPECT_EQ(Files(), 0);
}

TEST_F(FileTest, CommitReplacesAndKeepsTheRest) {
  ASSERT_TRUE(WriteFile(Path("a"), "old").ok());
  auto w = FileWriter::Create(Path("a"));
  ASSERT_TRUE(w->Append("hello").ok());
  ASSERT_TRUE(w->AppendZeros(5000).ok());
  const uint8_t j = 'J';
  ASSERT_TRUE(w->WriteAt(0, {&j, 1}).ok());
  EXPECT_FALSE(w->WriteAt(5005, {&j, 1}).ok());
  EXPECT_EQ(ReadFile(Path("a")).value(), "old");
  ASSERT_TRUE(w->Commit().ok());
  EXPECT_EQ(ReadFile(Path("a")).value(), "Jello" + std::string(5000, '\0'));
  EXPECT_EQ(Files(), 1);
}

TEST_F(FileTest, TruncatedBytesAreGone) {
  auto w = FileWriter::Create(Path("a"));
  ASSERT_TRUE(w->Append("hello world").ok());
  EXPECT_FALSE(w->Truncate(12).ok());
  ASSERT_TRUE(w->Truncate(5).ok());
  ASSERT_TRUE(w->Append("!").ok());
  ASSERT_TRUE(w->Commit().ok());
  EXPECT_EQ(ReadFile(Path("a")).value(), "hello!");
}

TEST_F(FileTest, FollowsLinksAndWritesDevices) {
  ASSERT_TRUE(WriteFile(Path("real"), "old").ok());
  fs::create_symlink(Path("real"), Path("link"));
  ASSERT_TRUE(WriteFile(Path("link"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_EQ(ReadFile(Path("real")).value(), "new");
  ASSERT_TRUE(WriteFile("/dev/null", "gone").ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(FileTest, FullDiskIsResourceExhausted) {
  if (fs::exists("/dev/full")) {
    EXPECT_EQ(WriteFile("/dev/full", "x").code(), absl::StatusCode::kResourceExhausted);
  }
  // A file size limit, met by a child so that this process keeps its own.
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const absl::Status s = WriteFile(Path("big"), std::string(5000, 'x'));
    _exit(s.code() == absl::StatusCode::kResourceExhausted ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(Files(), 0);
}

TEST_F(FileTest, KilledWriterLeavesNothing) {
  const pid_t child = fork();
  if (child == 0) {
    auto w = FileWriter::Create(Path("a"));
    (void)w->Append("half");
    raise(SIGKILL);
  }
  waitpid(child, nullptr, 0);
  EXPECT_EQ(Files(), 0);
}

TEST_F(FileTest, MapsAndReads) {
  std::string text(100000, 'x');
  text[70000] = 'y';
  ASSERT_TRUE(WriteFile(Path("a"), text).ok());
  ASSERT_TRUE(WriteFile(Path("empty"), "").ok());
  auto map = MappedFile::Open(Path("a"));
  ASSERT_TRUE(map.ok());
  map->WillNeed(0, 100000);
  map->DontNeed(0, 100000);
  map->DontNeed(1, 2);
  EXPECT_EQ(map->size(), 100000);
  EXPECT_EQ(map->data()[70000], 'y');
  const MappedFile moved = std::move(*map);
  EXPECT_EQ(moved.bytes()[70000], 'y');
  EXPECT_EQ(MappedFile::Open(Path("empty"))->size(), 0);

  auto file = RandomAccessFile::Open(Path("a"));
  uint8_t two[2];
  ASSERT_TRUE(file->Read(69999, two).ok());
  EXPECT_EQ(two[1], 'y');
  EXPECT_EQ(file->Read(99999, two).code(), absl::StatusCode::kDataLoss);
}

TEST_F(FileTest, ErrorsNameThePath) {
  EXPECT_EQ(MappedFile::Open(Path("none")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(dir_).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FileWriter::Create(dir_).status().code(), absl::StatusCode::kInvalidArgument);
  const absl::Status s = FileWriter::Create(Path("no/a")).status();
  EXPECT_EQ(s.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(s.message()), Path("no/a") + ": cannot create: No such file or directory (check the path)");
}

}  // namespace
}  // namespace sluice
