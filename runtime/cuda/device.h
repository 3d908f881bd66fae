// One GPU: its context, its stream, its memory.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Device> device, Device::Open({.ordinal = 0, .capability = 90, .driver = 13000}));
//   DeviceBlock arena(*device);
//   RETURN_IF_ERROR(arena.Reserve(1 << 20));
#ifndef SLUICE_RUNTIME_CUDA_DEVICE_H_
#define SLUICE_RUNTIME_CUDA_DEVICE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "runtime/cuda/driver.h"

namespace sluice::cuda {

struct DeviceNeeds {
  int ordinal = 0;
  int capability = 0;  // 10 · major + minor, exactly; 0: any
  int driver = 0;      // at least
};

class Device {
 public:
  // kUnavailable names what the machine lacks: a driver, the device, its compute capability.
  static absl::StatusOr<std::unique_ptr<Device>> Open(const DeviceNeeds& needs);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Driver& driver() const { return *driver_; }
  CUcontext context() const { return context_; }
  const std::string& name() const { return name_; }
  // Calls of the driver act on this device from now on, in this thread.
  absl::Status MakeCurrent() const;
  absl::StatusOr<int64_t> FreeBytes() const;
  absl::StatusOr<int> Attribute(int attribute) const;  // CU_DEVICE_ATTRIBUTE_*
  // Copies blocks from the host on all threads of the pool, through pinned memory; returns when all are there.
  struct Upload {
    CUdeviceptr to;
    std::span<const uint8_t> from;
  };
  absl::Status CopyAll(std::span<const Upload> uploads, ThreadPool& pool) const;

 private:
  Device() = default;
  const Driver* driver_ = nullptr;
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
  std::string name_;
};

// A queue of work of one context: its own, or for a while one of the caller's.
class Stream {
 public:
  static absl::StatusOr<Stream> Create(const Device& device);
  Stream(Stream&& other) noexcept
      : device_(other.device_),
        own_(std::exchange(other.own_, nullptr)),
        stream_(std::exchange(other.stream_, nullptr)) {}
  Stream& operator=(Stream&&) = delete;
  ~Stream();

  CUstream get() const { return stream_; }
  bool borrowed() const { return stream_ != own_; }
  // Work goes to `other` from now on, or to its own queue again (null).  Waits for what is in the queue until now.
  absl::Status Use(CUstream other);
  absl::Status CopyIn(CUdeviceptr to, const void* from, int64_t bytes) const;
  absl::Status CopyOut(void* to, CUdeviceptr from, int64_t bytes) const;
  absl::Status CopyWithin(CUdeviceptr to, CUdeviceptr from, int64_t bytes) const;
  // Within the device: `rows` runs of `width` bytes, each `pitch` behind the one before.
  struct Rows {
    CUdeviceptr at;
    int64_t pitch;
  };
  absl::Status CopyRowsOut(void* to, Rows from, int64_t width, int64_t rows) const;  // dense there
  absl::Status CopyRows(Rows to, Rows from, int64_t width, int64_t rows) const;
  absl::Status Zero(CUdeviceptr at, int64_t bytes) const;
  // Waits; reports what any call before it did wrong on the device.
  absl::Status Synchronize() const;

 private:
  explicit Stream(const Device& device) : device_(&device) {}
  const Device* device_;
  CUstream own_ = nullptr, stream_ = nullptr;
};

// Time on the device between two points of a stream.
class Timer {
 public:
  static absl::StatusOr<Timer> Create(const Device& device);
  Timer(Timer&& other) noexcept : device_(other.device_), events_(std::exchange(other.events_, {})) {}
  Timer& operator=(Timer&&) = delete;
  ~Timer();

  absl::Status Start(const Stream& stream) const { return Record(0, stream); }
  absl::Status Stop(const Stream& stream) const { return Record(1, stream); }
  // Nanoseconds from one to the other; waits for the second.
  absl::StatusOr<int64_t> Elapsed() const;

 private:
  explicit Timer(const Device& device) : device_(&device) {}
  absl::Status Record(int event, const Stream& stream) const;
  const Device* device_;
  std::array<CUevent, 2> events_{};
};

// A point of a stream that the host may wait for; made when it is first needed.
class Event {
 public:
  explicit Event(const Device& device) : device_(&device) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event();

  absl::Status Record(const Stream& stream);
  // Until the point last recorded, if any, and not waited for.
  absl::Status Wait();

 private:
  const Device* device_;
  CUevent event_ = nullptr;
  bool recorded_ = false;
};

// Device memory that grows and is reused; its content is lost when it grows.
class DeviceBlock {
 public:
  explicit DeviceBlock(const Device& device) : device_(&device) {}
  DeviceBlock(DeviceBlock&& other) noexcept
      : device_(other.device_), address_(std::exchange(other.address_, 0)), bytes_(std::exchange(other.bytes_, 0)) {}
  DeviceBlock& operator=(DeviceBlock&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~DeviceBlock() { Free(); }

  // At least `bytes`.  kResourceExhausted with what the device has.
  absl::Status Reserve(int64_t bytes);
  CUdeviceptr address() const { return address_; }
  int64_t bytes() const { return bytes_; }

 private:
  void Free();
  const Device* device_;
  CUdeviceptr address_ = 0;
  int64_t bytes_ = 0;
};

// Host memory the device copies from without a detour.
class PinnedBlock {
 public:
  explicit PinnedBlock(const Device& device) : device_(&device) {}
  PinnedBlock(PinnedBlock&& other) noexcept
      : device_(other.device_), data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  PinnedBlock& operator=(PinnedBlock&&) = delete;
  ~PinnedBlock() { Free(); }
  absl::Status Reserve(int64_t bytes);
  uint8_t* data() const { return data_; }

 private:
  void Free();
  const Device* device_;
  uint8_t* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace sluice::cuda

#endif  // SLUICE_RUNTIME_CUDA_DEVICE_H_
