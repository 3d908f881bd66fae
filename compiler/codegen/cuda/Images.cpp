#include "compiler/codegen/cuda/Images.h"

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "compiler/codegen/cuda/Disassemble.h"
#include "runtime/base/cpu.h"
#include "runtime/base/file.h"
#include "runtime/base/hash.h"
#include "runtime/base/thread_pool.h"

namespace sluice::codegen {
namespace {

namespace fs = std::filesystem;

std::string CacheDirectory() {
  if (const char* given = std::getenv("SLUICE_KERNEL_CACHE")) {
    return given;
  }
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') {
    return (fs::path(cache) / "sluice" / "kernels").string();
  }
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? "" : (fs::path(home) / ".cache" / "sluice" / "kernels").string();
}

// Files of (hash of the rest, image).  A cache that cannot be written is a cache that is empty.
class Cache {
 public:
  explicit Cache(const kernels::Gpu& gpu) : directory_(CacheDirectory()), arch_(gpu.arch) {
    Hasher headers;
    for (const CudaHeader& header : CudaHeaders()) {
      headers.Add(std::string(header.name));
      headers.Add(std::string(header.text));
    }
    headers_ = static_cast<int64_t>(headers.Digest());
    if (!directory_.empty()) {
      std::error_code ignored;
      fs::create_directories(directory_, ignored);
    }
  }

  std::string PathOf(const std::string& text) const {
    Hasher key;
    key.Add(text);
    key.AddInt(headers_);
    key.Add(arch_ + SLUICE_NVRTC_VERSION);
    return directory_.empty()
               ? ""
               : (fs::path(directory_) / absl::StrFormat("%016x-%u.cubin", key.Digest(), text.size())).string();
  }

  bool Get(const std::string& path, std::vector<uint8_t>& image) const {
    std::error_code error;
    if (path.empty() || !fs::exists(path, error)) {
      return false;
    }
    const absl::StatusOr<std::string> bytes = ReadFile(path);
    uint64_t hash = 0;
    if (!bytes.ok() || bytes->size() <= sizeof(hash)) {
      return false;
    }
    std::memcpy(&hash, bytes->data(), sizeof(hash));
    image.assign(bytes->begin() + sizeof(hash), bytes->end());
    return Hash64(image) == hash;
  }

  void Put(const std::string& path, const std::vector<uint8_t>& image) const {
    if (path.empty()) {
      return;
    }
    const uint64_t hash = Hash64(image);
    std::string bytes(reinterpret_cast<const char*>(&hash), sizeof(hash));
    bytes.append(image.begin(), image.end());
    WriteFile(path, bytes).IgnoreError();  // the next compilation makes it again
  }

 private:
  std::string directory_, arch_;
  int64_t headers_ = 0;
};

absl::Status Dump(const std::string& directory, const CudaSource& source, const CudaImage& image) {
  const std::string stem = (fs::path(directory) / source.name).string();
  RETURN_IF_ERROR(WriteFile(stem + ".cu", source.text));
  if (!image.ptx.empty()) {
    RETURN_IF_ERROR(WriteFile(stem + ".ptx", image.ptx));
  }
  RETURN_IF_ERROR(WriteFile(stem + ".cubin", std::string(image.cubin.begin(), image.cubin.end())));
  const absl::Status disassembled = Disassemble(stem + ".cubin", stem + ".sass");
  return absl::IsUnavailable(disassembled) ? WriteFile(stem + ".sass", std::string(disassembled.message()) + "\n")
                                           : disassembled;
}

}  // namespace

absl::StatusOr<std::vector<std::vector<uint8_t>>> CompileImages(std::span<const CudaSource> sources,
                                                                const kernels::Gpu& gpu, const ImageOptions& options) {
  const Cache cache(gpu);
  const bool dump = !options.dumpDirectory.empty();
  std::vector<std::vector<uint8_t>> images(sources.size());
  std::vector<absl::Status> statuses(sources.size());
  const auto one = [&](size_t i) -> absl::Status {
    const CudaSource& source = sources[i];
    const std::string path = cache.PathOf(source.text);
    if (!dump && cache.Get(path, images[i])) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const Nvrtc* nvrtc, Nvrtc::Open());
    absl::StatusOr<CudaImage> image = nvrtc->Compile(source.name + ".cu", source.text, gpu.arch);
    if (!image.ok()) {
      return absl::Status(image.status().code(),
                          absl::StrFormat("kernel %s: %s", source.name, std::string(image.status().message())));
    }
    if (dump) {
      RETURN_IF_ERROR(Dump(options.dumpDirectory, source, *image));
    }
    cache.Put(path, image->cubin);
    images[i] = std::move(image->cubin);
    return absl::OkStatus();
  };
  ThreadPool pool(options.threads > 0 ? options.threads : AvailableCpus());
  pool.ParallelFor(static_cast<int64_t>(sources.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      statuses[i] = one(static_cast<size_t>(i));
    }
  });
  for (const absl::Status& status : statuses) {
    RETURN_IF_ERROR(status);
  }
  return images;
}

}  // namespace sluice::codegen
