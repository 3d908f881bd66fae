// Loading: weights from the host's memory to the GPU's, against the link between them.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "tools/sluice-bench/bench.h"

namespace sluice::tools {
namespace {

constexpr int64_t kLinkBytes = 1 << 30;
constexpr int kRounds = 5;

// Pinned memory to the device in one copy: the best of a few.
absl::StatusOr<double> LinkBytesPerSecond(const cuda::Device& device) {
  RETURN_IF_ERROR(device.MakeCurrent());
  ASSIGN_OR_RETURN(const cuda::Stream stream, cuda::Stream::Create(device));
  cuda::PinnedBlock from(device);
  cuda::DeviceBlock to(device);
  RETURN_IF_ERROR(from.Reserve(kLinkBytes));
  RETURN_IF_ERROR(to.Reserve(kLinkBytes));
  std::memset(from.data(), 1, kLinkBytes);
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    RETURN_IF_ERROR(stream.CopyIn(to.address(), from.data(), kLinkBytes));
    RETURN_IF_ERROR(stream.Synchronize());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, static_cast<double>(kLinkBytes) / seconds);
  }
  return best;
}

}  // namespace

absl::Status BenchLoad(const exec::Model& model, JsonWriter* json) {
  if (model.device() == nullptr) {
    return absl::FailedPreconditionError("--load: the model runs on the CPU, where weights stay where they are");
  }
  const exec::DeviceModel::Copied& copied = model.device()->copied();
  ASSIGN_OR_RETURN(const double link, LinkBytesPerSecond(model.device()->device()));
  const double rate = static_cast<double>(copied.bytes) / std::max(1e-9, static_cast<double>(copied.ns) * 1e-9);
  if (json != nullptr) {
    json->Key("load").BeginObject().Field("bytes", copied.bytes);
    json->Field("ms", static_cast<double>(copied.ns) * 1e-6).Field("gb_s", rate * 1e-9);
    json->Field("link_gb_s", link * 1e-9).EndObject();
    return absl::OkStatus();
  }
  std::printf("weights: %lld bytes to the GPU in %.1f ms, %.2f GB/s, %.0f%% of its link's %.2f GB/s\n",
              static_cast<long long>(copied.bytes), static_cast<double>(copied.ns) * 1e-6, rate * 1e-9,
              100 * rate / link, link * 1e-9);
  return absl::OkStatus();
}

}  // namespace sluice::tools
