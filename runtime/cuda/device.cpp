#include "runtime/cuda/device.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

namespace sluice::cuda {
namespace {

constexpr int64_t kHugePage = 2 << 20;

std::vector<Device::Upload> Cut(std::span<const Device::Upload> uploads, size_t piece) {
  std::vector<Device::Upload> pieces;
  for (const Device::Upload& upload : uploads) {
    for (size_t at = 0; at < upload.from.size(); at += piece) {
      pieces.push_back({upload.to + at, upload.from.subspan(at, std::min(piece, upload.from.size() - at))});
    }
  }
  return pieces;
}

// A thread's way to the device: of two pinned pieces one fills while the other travels.
class Lane {
 public:
  Lane(const Device& device, size_t piece) : piece_(piece), pinned_(device), left_{Event(device), Event(device)} {}

  absl::Status Copy(const Device::Upload& upload, const Stream& stream) {
    RETURN_IF_ERROR(pinned_.Reserve(static_cast<int64_t>(2 * piece_)));
    RETURN_IF_ERROR(left_[half_].Wait());
    uint8_t* const from = pinned_.data() + half_ * piece_;
    std::memcpy(from, upload.from.data(), upload.from.size());
    RETURN_IF_ERROR(stream.CopyIn(upload.to, from, static_cast<int64_t>(upload.from.size())));
    RETURN_IF_ERROR(left_[half_].Record(stream));
    half_ = 1 - half_;
    return absl::OkStatus();
  }

 private:
  size_t piece_;
  PinnedBlock pinned_;
  std::array<Event, 2> left_;  // the pinned memory: what was in a piece has
  size_t half_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Device>> Device::Open(const DeviceNeeds& needs) {
  std::unique_ptr<Device> device(new Device);
  ASSIGN_OR_RETURN(device->driver_, Driver::Open());
  const Driver& cuda = *device->driver_;
  const std::string where = absl::StrFormat("cuda:%d", needs.ordinal);
  if (cuda.version() < needs.driver) {
    return absl::UnavailableError(absl::StrFormat(
        "%s: the artifact needs a driver for CUDA %d.%d, this one is for %d.%d (install a newer driver)", where,
        needs.driver / 1000, needs.driver % 1000 / 10, cuda.version() / 1000, cuda.version() % 1000 / 10));
  }
  int count = 0;
  RETURN_IF_ERROR(cuda.Check(cuda.cuDeviceGetCount(&count), "cuDeviceGetCount"));
  if (needs.ordinal >= count) {
    return absl::UnavailableError(absl::StrFormat("%s: this machine has %d CUDA devices", where, count));
  }
  RETURN_IF_ERROR(cuda.Check(cuda.cuDeviceGet(&device->device_, needs.ordinal), "cuDeviceGet"));
  char name[128] = "";
  cuda.cuDeviceGetName(name, sizeof(name), device->device_);
  device->name_ = name;
  int major = 0;
  int minor = 0;
  cuda.cuDeviceGetAttribute(&major, kAttributeMajor, device->device_);
  cuda.cuDeviceGetAttribute(&minor, kAttributeMinor, device->device_);
  if (needs.capability != 0 && needs.capability != 10 * major + minor) {
    return absl::UnavailableError(absl::StrFormat("%s: the artifact needs compute capability %d.%d, %s has %d.%d",
                                                  where, needs.capability / 10, needs.capability % 10, device->name_,
                                                  major, minor));
  }
  RETURN_IF_ERROR(
      cuda.Check(cuda.cuDevicePrimaryCtxRetain(&device->context_, device->device_), "cuDevicePrimaryCtxRetain"));
  RETURN_IF_ERROR(device->MakeCurrent());
  return device;
}

Device::~Device() {
  if (context_ != nullptr) {
    driver_->cuDevicePrimaryCtxRelease_v2(device_);
  }
}

absl::Status Device::MakeCurrent() const {
  return driver_->Check(driver_->cuCtxSetCurrent(context_), "cuCtxSetCurrent");
}

absl::StatusOr<int64_t> Device::FreeBytes() const {
  size_t free = 0;
  size_t total = 0;
  RETURN_IF_ERROR(driver_->Check(driver_->cuMemGetInfo_v2(&free, &total), "cuMemGetInfo"));
  return static_cast<int64_t>(free);
}

absl::StatusOr<int> Device::Attribute(int attribute) const {
  int value = 0;
  RETURN_IF_ERROR(driver_->Check(driver_->cuDeviceGetAttribute(&value, attribute, device_), "cuDeviceGetAttribute"));
  return value;
}

absl::Status Device::CopyAll(std::span<const Upload> uploads, ThreadPool& pool) const {
  // So large that the link does not wait for the driver between two, so small that all threads' pieces stay in the last
  // cache on their way: through memory each byte would go three times.
  constexpr size_t kLeast = 64 << 10, kMost = 2 << 20;
  size_t total = 0;
  for (const Upload& upload : uploads) {
    total += upload.from.size();
  }
  const size_t threads = static_cast<size_t>(std::max(1, pool.threads()));
  const size_t piece = std::clamp(total / threads, kLeast, kMost);
  const std::vector<Upload> pieces = Cut(uploads, piece);
  std::deque<Lane> lanes;
  while (lanes.size() < threads) {
    lanes.emplace_back(*this, piece);
  }
  ASSIGN_OR_RETURN(const Stream stream, Stream::Create(*this));
  std::atomic<size_t> next = 0;  // whoever is done takes one more piece
  std::mutex mutex;
  absl::Status first;
  pool.ParallelForWithThread(static_cast<int64_t>(threads), 1, [&](int64_t, int64_t, int thread) {
    absl::Status status = MakeCurrent();
    for (size_t i; status.ok() && (i = next++) < pieces.size();) {
      status = lanes[static_cast<size_t>(thread)].Copy(pieces[i], stream);
    }
    const std::lock_guard<std::mutex> lock(mutex);
    first.Update(status);
  });
  first.Update(stream.Synchronize());
  return first;
}

absl::StatusOr<Stream> Stream::Create(const Device& device) {
  Stream stream(device);
  RETURN_IF_ERROR(
      device.driver().Check(device.driver().cuStreamCreate(&stream.own_, kStreamNonBlocking), "cuStreamCreate"));
  stream.stream_ = stream.own_;
  return stream;
}

Stream::~Stream() {
  if (own_ != nullptr) {
    device_->driver().cuStreamDestroy_v2(own_);
  }
}

absl::Status Stream::Use(CUstream other) {
  RETURN_IF_ERROR(Synchronize());
  stream_ = other == nullptr ? own_ : other;
  return absl::OkStatus();
}

absl::Status Stream::CopyIn(CUdeviceptr to, const void* from, int64_t bytes) const {
  const Driver& cuda = device_->driver();
  return bytes == 0 ? absl::OkStatus()
                    : cuda.Check(cuda.cuMemcpyHtoDAsync_v2(to, from, static_cast<size_t>(bytes), stream_),
                                 "cuMemcpyHtoDAsync");
}

absl::Status Stream::CopyOut(void* to, CUdeviceptr from, int64_t bytes) const {
  const Driver& cuda = device_->driver();
  return bytes == 0 ? absl::OkStatus()
                    : cuda.Check(cuda.cuMemcpyDtoHAsync_v2(to, from, static_cast<size_t>(bytes), stream_),
                                 "cuMemcpyDtoHAsync");
}

absl::Status Stream::CopyWithin(CUdeviceptr to, CUdeviceptr from, int64_t bytes) const {
  const Driver& cuda = device_->driver();
  return bytes == 0 ? absl::OkStatus()
                    : cuda.Check(cuda.cuMemcpyDtoDAsync_v2(to, from, static_cast<size_t>(bytes), stream_),
                                 "cuMemcpyDtoDAsync");
}

absl::Status Stream::CopyRowsOut(void* to, Rows from, int64_t width, int64_t rows) const {
  if (width == 0 || rows == 0) {
    return absl::OkStatus();
  }
  CUmemcpy2D copy = {};
  copy.from_kind = kMemoryDevice;
  copy.from = from.at;
  copy.from_pitch = static_cast<size_t>(from.pitch);
  copy.to_kind = kMemoryHost;
  copy.to_host = to;
  copy.to_pitch = copy.width = static_cast<size_t>(width);
  copy.height = static_cast<size_t>(rows);
  const Driver& cuda = device_->driver();
  return cuda.Check(cuda.cuMemcpy2DAsync_v2(&copy, stream_), "cuMemcpy2DAsync");
}

absl::Status Stream::CopyRows(Rows to, Rows from, int64_t width, int64_t rows) const {
  if (width == 0 || rows == 0) {
    return absl::OkStatus();
  }
  CUmemcpy2D copy = {};
  copy.from_kind = copy.to_kind = kMemoryDevice;
  copy.from = from.at;
  copy.from_pitch = static_cast<size_t>(from.pitch);
  copy.to = to.at;
  copy.to_pitch = static_cast<size_t>(to.pitch);
  copy.width = static_cast<size_t>(width);
  copy.height = static_cast<size_t>(rows);
  const Driver& cuda = device_->driver();
  return cuda.Check(cuda.cuMemcpy2DAsync_v2(&copy, stream_), "cuMemcpy2DAsync");
}

absl::Status Stream::Zero(CUdeviceptr at, int64_t bytes) const {
  const Driver& cuda = device_->driver();
  return bytes == 0 ? absl::OkStatus()
                    : cuda.Check(cuda.cuMemsetD8Async(at, 0, static_cast<size_t>(bytes), stream_), "cuMemsetD8Async");
}

absl::Status Stream::Synchronize() const {
  return device_->driver().Check(device_->driver().cuStreamSynchronize(stream_), "cuStreamSynchronize");
}

absl::StatusOr<Timer> Timer::Create(const Device& device) {
  Timer timer(device);
  const Driver& cuda = device.driver();
  for (CUevent& event : timer.events_) {
    RETURN_IF_ERROR(cuda.Check(cuda.cuEventCreate(&event, 0), "cuEventCreate"));
  }
  return timer;
}

Timer::~Timer() {
  for (CUevent event : events_) {
    if (event != nullptr && device_->MakeCurrent().ok()) {
      device_->driver().cuEventDestroy_v2(event);
    }
  }
}

absl::Status Timer::Record(int event, const Stream& stream) const {
  const Driver& cuda = device_->driver();
  return cuda.Check(cuda.cuEventRecord(events_[event], stream.get()), "cuEventRecord");
}

absl::StatusOr<int64_t> Timer::Elapsed() const {
  const Driver& cuda = device_->driver();
  float ms = 0;
  RETURN_IF_ERROR(cuda.Check(cuda.cuEventSynchronize(events_[1]), "cuEventSynchronize"));
  RETURN_IF_ERROR(cuda.Check(cuda.cuEventElapsedTime(&ms, events_[0], events_[1]), "cuEventElapsedTime"));
  return static_cast<int64_t>(static_cast<double>(ms) * 1e6);
}

Event::~Event() {
  if (event_ != nullptr && device_->MakeCurrent().ok()) {
    device_->driver().cuEventDestroy_v2(event_);
  }
}

absl::Status Event::Record(const Stream& stream) {
  const Driver& cuda = device_->driver();
  if (event_ == nullptr) {
    RETURN_IF_ERROR(cuda.Check(cuda.cuEventCreate(&event_, kEventWithoutTime), "cuEventCreate"));
  }
  RETURN_IF_ERROR(cuda.Check(cuda.cuEventRecord(event_, stream.get()), "cuEventRecord"));
  recorded_ = true;
  return absl::OkStatus();
}

absl::Status Event::Wait() {
  if (!recorded_) {
    return absl::OkStatus();
  }
  recorded_ = false;
  return device_->driver().Check(device_->driver().cuEventSynchronize(event_), "cuEventSynchronize");
}

absl::Status DeviceBlock::Reserve(int64_t bytes) {
  if (bytes <= bytes_) {
    return absl::OkStatus();
  }
  Free();
  const Driver& cuda = device_->driver();
  const absl::Status status = cuda.Check(cuda.cuMemAlloc_v2(&address_, static_cast<size_t>(bytes)), "cuMemAlloc");
  if (!status.ok()) {
    address_ = 0;
    const absl::StatusOr<int64_t> free = device_->FreeBytes();
    return absl::Status(status.code(),
                        absl::StrFormat("%s: %d bytes wanted, %d are free (use smaller sizes or another device)",
                                        device_->name(), bytes, free.ok() ? *free : 0));
  }
  bytes_ = bytes;
  return absl::OkStatus();
}

void DeviceBlock::Free() {
  if (address_ != 0) {
    device_->driver().cuMemFree_v2(address_);
  }
  address_ = 0;
  bytes_ = 0;
}

void PinnedBlock::Free() {
  if (data_ != nullptr && bytes_ >= kHugePage) {
    device_->driver().cuMemHostUnregister(data_);
    std::free(data_);
  } else if (data_ != nullptr) {
    device_->driver().cuMemFreeHost(data_);
  }
  data_ = nullptr;
  bytes_ = 0;
}

// A large one of huge pages of our own: 64 MiB are pinned in 5 ms, which takes the driver 33 with small ones.
absl::Status PinnedBlock::Reserve(int64_t bytes) {
  if (bytes <= bytes_) {
    return absl::OkStatus();
  }
  Free();
  const Driver& cuda = device_->driver();
  void* data = nullptr;
  if (bytes < kHugePage) {
    RETURN_IF_ERROR(
        cuda.Check(cuda.cuMemHostAlloc(&data, static_cast<size_t>(bytes), kHostPortable), "cuMemHostAlloc"));
  } else {
    bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    const size_t size = static_cast<size_t>(bytes);
    data = std::aligned_alloc(kHugePage, size);
    if (data == nullptr) {
      return absl::ResourceExhaustedError(absl::StrFormat("no memory for %d bytes on their way to the GPU", bytes));
    }
    madvise(data, size, MADV_HUGEPAGE);
    std::memset(data, 0, size);  // by each thread for itself: the driver would have the pages made under its lock
    const absl::Status status = cuda.Check(cuda.cuMemHostRegister_v2(data, size, kHostPortable), "cuMemHostRegister");
    if (!status.ok()) {
      std::free(data);
      return status;
    }
  }
  data_ = static_cast<uint8_t*>(data);
  bytes_ = bytes;
  return absl::OkStatus();
}

}  // namespace sluice::cuda
