#include "runtime/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace sluice {
namespace {

// What a person can do about it.
const char* Advice(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "check the path";
    case EACCES:
    case EPERM:
    case EROFS:
      return "check the permissions";
    case ENOSPC:
    case EDQUOT:
      return "free some disk space or write elsewhere";
    case EFBIG:
      return "raise the file size limit or write elsewhere";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files";
    case ENOMEM:
    case EAGAIN:
      return "free some memory";
    default:
      return "check the device";
  }
}

absl::StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return absl::StatusCode::kResourceExhausted;
    case EIO:
      return absl::StatusCode::kDataLoss;
    default:
      return absl::StatusCode::kInvalidArgument;
  }
}

// Opens a regular file to read and asks its size.
absl::Status OpenToRead(const std::string& path, FileDescriptor* fd, int64_t* size) {
  *fd = FileDescriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd->valid()) {
    return ErrnoStatus(errno, path, "open");
  }
  struct stat info;
  if (fstat(fd->get(), &info) != 0) {
    return ErrnoStatus(errno, path, "stat");
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(path + ": not a regular file (give a file)");
  }
  *size = info.st_size;
  return absl::OkStatus();
}

std::string Folder(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteAll(int fd, const std::string& path, std::span<const uint8_t> bytes, int64_t offset, bool direct) {
  while (!bytes.empty()) {
    const size_t part = std::min<size_t>(bytes.size(), size_t{1} << 30);
    const ssize_t n = direct ? write(fd, bytes.data(), part) : pwrite(fd, bytes.data(), part, offset);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return ErrnoStatus(errno, path, "write");
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
    offset += n;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ErrnoStatus(int error, const std::string& where, const std::string& what) {
  return absl::Status(CodeOf(error),
                      where + ": cannot " + what + ": " + std::strerror(error) + " (" + Advice(error) + ")");
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  FileDescriptor fd;
  int64_t size = 0;
  RETURN_IF_ERROR(OpenToRead(path, &fd, &size));
  MappedFile file;
  file.path_ = path;
  if (size > 0) {
    void* data = mmap(nullptr, static_cast<size_t>(size), PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (data == MAP_FAILED) {
      return ErrnoStatus(errno, path, "map");
    }
    file.data_ = static_cast<const uint8_t*>(data);
    file.size_ = static_cast<size_t>(size);
  }
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    munmap(const_cast<uint8_t*>(data_), size_);
  }
}

// Calls madvise on the whole pages inside the range (or, for read-ahead, the pages that touch it).
static void Advise(const uint8_t* data, int64_t size, int64_t offset, int64_t length, int advice, bool inside) {
  const int64_t page = sysconf(_SC_PAGESIZE);
  const int64_t last = std::min(offset + length, size);
  int64_t begin = offset / page * page;
  int64_t end = last;
  if (inside) {
    begin = (offset + page - 1) / page * page;
    end = last == size ? size : last / page * page;
  }
  if (data != nullptr && begin < end) {
    madvise(const_cast<uint8_t*>(data) + begin, static_cast<size_t>(end - begin), advice);
  }
}

void MappedFile::WillNeed(int64_t offset, int64_t length) const {
  Advise(data_, size(), offset, length, MADV_WILLNEED, /*inside=*/false);
}

void MappedFile::DontNeed(int64_t offset, int64_t length) const {
  Advise(data_, size(), offset, length, MADV_DONTNEED, /*inside=*/true);
}

absl::StatusOr<RandomAccessFile> RandomAccessFile::Open(const std::string& path) {
  RandomAccessFile file;
  file.path_ = path;
  RETURN_IF_ERROR(OpenToRead(path, &file.fd_, &file.size_));
  return file;
}

absl::Status RandomAccessFile::Read(int64_t offset, std::span<uint8_t> out) const {
  while (!out.empty()) {
    const ssize_t n = pread(fd_.get(), out.data(), std::min<size_t>(out.size(), size_t{1} << 30), offset);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return ErrnoStatus(errno, path_, absl::StrCat("read at offset ", offset));
    }
    if (n == 0) {
      return absl::DataLossError(absl::StrCat(path_, ": ends at byte ", offset, ", ", out.size(),
                                              " more bytes expected (get the whole file)"));
    }
    out = out.subspan(static_cast<size_t>(n));
    offset += n;
  }
  return absl::OkStatus();
}

std::string FileWriter::TemporaryName() const {
  static std::atomic<int> counter{0};
  return absl::StrCat(target_, ".", getpid(), ".", counter.fetch_add(1), ".part");
}

absl::StatusOr<FileWriter> FileWriter::Create(const std::string& path) {
  FileWriter w;
  w.path_ = path;
  w.target_ = path;
  struct stat info;
  if (stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) {
      return absl::InvalidArgumentError(path + ": is a folder (give a file name)");
    }
    char resolved[PATH_MAX];
    if (S_ISREG(info.st_mode) && realpath(path.c_str(), resolved) != nullptr) {
      w.target_ = resolved;
    }
    w.direct_ = !S_ISREG(info.st_mode);
  }
  int fd = -1;
  if (w.direct_) {
    fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    fd = open(Folder(w.target_).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
      w.temporary_ = w.TemporaryName();
      fd = open(w.temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
  }
  if (fd < 0) {
    const int error = errno;
    w.temporary_.clear();
    return ErrnoStatus(error, path, "create");
  }
  w.fd_ = FileDescriptor(fd);
  return w;
}

FileWriter& FileWriter::operator=(FileWriter&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(target_, other.target_);
  std::swap(temporary_, other.temporary_);
  std::swap(direct_, other.direct_);
  std::swap(size_, other.size_);
  return *this;
}

FileWriter::~FileWriter() {
  if (!temporary_.empty()) {
    unlink(temporary_.c_str());
  }
}

absl::Status FileWriter::Append(std::span<const uint8_t> bytes) {
  RETURN_IF_ERROR(WriteAll(fd_.get(), path_, bytes, size_, direct_));
  size_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::Status FileWriter::Append(const std::string& text) {
  return Append(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

absl::Status FileWriter::AppendZeros(int64_t count) {
  static constexpr uint8_t kZeros[4096] = {};
  while (count > 0) {
    const int64_t part = std::min<int64_t>(count, sizeof(kZeros));
    RETURN_IF_ERROR(Append(std::span(kZeros, static_cast<size_t>(part))));
    count -= part;
  }
  return absl::OkStatus();
}

absl::Status FileWriter::WriteAt(int64_t offset, std::span<const uint8_t> bytes) {
  if (direct_ || offset < 0 || offset + static_cast<int64_t>(bytes.size()) > size_) {
    return absl::InvalidArgumentError(path_ + ": cannot write backwards there (write to a regular file)");
  }
  return WriteAll(fd_.get(), path_, bytes, offset, false);
}

absl::Status FileWriter::Truncate(int64_t size) {
  if (direct_ || size < 0 || size > size_) {
    return absl::InvalidArgumentError(path_ + ": cannot take bytes back there (write to a regular file)");
  }
  if (ftruncate(fd_.get(), size) != 0) {
    return ErrnoStatus(errno, path_, "shorten");
  }
  size_ = size;
  return absl::OkStatus();
}

absl::Status FileWriter::Commit() {
  if (direct_) {
    return absl::OkStatus();
  }
  if (temporary_.empty()) {
    // Linking cannot replace a file, renaming can: give it a name for a moment.
    const std::string name = TemporaryName();
    const std::string self = absl::StrCat("/proc/self/fd/", fd_.get());
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return ErrnoStatus(errno, path_, "create");
    }
    temporary_ = name;
  }
  if (rename(temporary_.c_str(), target_.c_str()) != 0) {
    return ErrnoStatus(errno, path_, "rename to");
  }
  temporary_.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  ASSIGN_OR_RETURN(RandomAccessFile file, RandomAccessFile::Open(path));
  std::string text(static_cast<size_t>(file.size()), '\0');
  RETURN_IF_ERROR(file.Read(0, std::span(reinterpret_cast<uint8_t*>(text.data()), text.size())));
  return text;
}

absl::Status WriteFile(const std::string& path, const std::string& content) {
  ASSIGN_OR_RETURN(FileWriter out, FileWriter::Create(path));
  RETURN_IF_ERROR(out.Append(content));
  return out.Commit();
}

}  // namespace sluice
