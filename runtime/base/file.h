// Files: mapped or read in pieces, and written whole or not at all.
//
//   ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open("weights.bin"));
//   ASSIGN_OR_RETURN(FileWriter out, FileWriter::Create("out.sluice"));
//   RETURN_IF_ERROR(out.Append(file.bytes()));
//   RETURN_IF_ERROR(out.Commit());   // now "out.sluice" exists; without Commit() nothing is left behind
//
// Errors: kNotFound (no such file or folder), kInvalidArgument (a folder, no permission), kResourceExhausted (disk
// full, quota, file size limit, too many open files, no memory), kDataLoss (read errors, a file that shrank).  Each
// message begins with the path.
#ifndef SLUICE_RUNTIME_BASE_FILE_H_
#define SLUICE_RUNTIME_BASE_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "runtime/base/status.h"

namespace sluice {

// The status of a failed system call: "WHERE: cannot WHAT: No space left on device (free some disk space)".
absl::Status ErrnoStatus(int error, const std::string& where, const std::string& what);

// An owned file descriptor.  Move-only.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// A regular file mapped read-only.  Move-only; the bytes live as long as the object.  An empty file gives no bytes.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::string& path);
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const uint8_t> bytes() const { return {data_, size_}; }
  const uint8_t* data() const { return data_; }
  int64_t size() const { return static_cast<int64_t>(size_); }
  const std::string& path() const { return path_; }

  // Hints, on whole pages inside [offset, offset + length): read ahead / take out of this process' resident memory
  // (the bytes stay readable).  Never fail.
  void WillNeed(int64_t offset, int64_t length) const;
  void DontNeed(int64_t offset, int64_t length) const;

 private:
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  std::string path_;
};

// A regular file read by position; nothing of it stays in memory.
class RandomAccessFile {
 public:
  static absl::StatusOr<RandomAccessFile> Open(const std::string& path);
  // Fills `out` from `offset`; kDataLoss when the file ends before.
  absl::Status Read(int64_t offset, std::span<uint8_t> out) const;
  int64_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  FileDescriptor fd_;
  int64_t size_ = 0;
  std::string path_;
};

// Writes beside `path` and renames at the end.  The file in the making has no name where the file system allows that
// (O_TMPFILE), so even a killed process leaves nothing.  A path that is a device or pipe (/dev/null) is written
// directly.  A symbolic link is followed, not replaced.
class FileWriter {
 public:
  static absl::StatusOr<FileWriter> Create(const std::string& path);
  FileWriter(FileWriter&&) noexcept = default;
  FileWriter& operator=(FileWriter&& other) noexcept;
  ~FileWriter();

  absl::Status Append(std::span<const uint8_t> bytes);
  absl::Status Append(const std::string& text);
  absl::Status AppendZeros(int64_t count);
  // Overwrites bytes already appended (a header whose content is known last).  Not for devices and pipes.
  absl::Status WriteAt(int64_t offset, std::span<const uint8_t> bytes);
  // Takes back what was appended beyond `size` (a weight that turns out to be stored already).
  absl::Status Truncate(int64_t size);
  int64_t size() const { return size_; }

  // Makes the file appear under its name, replacing an older one.  Call once.
  absl::Status Commit();

 private:
  FileWriter() = default;
  std::string TemporaryName() const;
  FileDescriptor fd_;
  std::string path_;       // as the caller wrote it, for messages
  std::string target_;     // links resolved
  std::string temporary_;  // name of the file in the making; empty: it has none
  bool direct_ = false;    // a device or pipe: nothing to rename
  int64_t size_ = 0;
};

// Whole small files.  `path` "-" is not special.
absl::StatusOr<std::string> ReadFile(const std::string& path);
absl::Status WriteFile(const std::string& path, const std::string& content);

}  // namespace sluice

#endif  // SLUICE_RUNTIME_BASE_FILE_H_
