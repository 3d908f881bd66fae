// What a GPU can do: a copy of its memory, and its units times their clock.
#include <algorithm>
#include <chrono>

#include "tools/sluice-bench/cost.h"

namespace sluice::tools {
namespace {

constexpr int64_t kCopyBytes =
    1 << 30;  // far more than any cache; its copy lasts so long that the launch does not count
constexpr int kRounds = 7;

// Flops of a multiprocessor in a cycle.
struct Rates {
  int capability;  // 10 · major + minor, and later ones until the next row
  int f32, f16, int8;
};
constexpr Rates kRates[] = {{80, 128, 2048, 4096}, {86, 256, 1024, 2048}, {90, 256, 4096, 8192}};

absl::StatusOr<double> CopyBytesPerSecond(const cuda::Device& device) {
  const cuda::Driver& cuda = device.driver();
  ASSIGN_OR_RETURN(const cuda::Stream stream, cuda::Stream::Create(device));
  cuda::DeviceBlock from(device), to(device);
  RETURN_IF_ERROR(from.Reserve(kCopyBytes));
  RETURN_IF_ERROR(to.Reserve(kCopyBytes));
  double best = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    RETURN_IF_ERROR(cuda.Check(cuda.cuMemcpyDtoDAsync_v2(to.address(), from.address(), kCopyBytes, stream.get()),
                               "cuMemcpyDtoDAsync"));
    RETURN_IF_ERROR(stream.Synchronize());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, 2.0 * kCopyBytes / seconds);
  }
  return best;
}

}  // namespace

absl::StatusOr<Roofline> MeasureRoofline(const cuda::Device& device) {
  RETURN_IF_ERROR(device.MakeCurrent());
  Roofline roofline;
  ASSIGN_OR_RETURN(roofline.bytes_per_second, CopyBytesPerSecond(device));
  ASSIGN_OR_RETURN(const int processors, device.Attribute(cuda::kAttributeProcessors));
  ASSIGN_OR_RETURN(const int kilohertz, device.Attribute(cuda::kAttributeClockKilohertz));
  ASSIGN_OR_RETURN(const int major, device.Attribute(cuda::kAttributeMajor));
  ASSIGN_OR_RETURN(const int minor, device.Attribute(cuda::kAttributeMinor));
  const Rates* rates = &kRates[0];
  for (const Rates& row : kRates) {
    rates = row.capability <= 10 * major + minor ? &row : rates;
  }
  const double cycles = 1e3 * kilohertz * processors;
  roofline.f32_flops = cycles * rates->f32;
  roofline.f16_flops = cycles * rates->f16;
  roofline.int8_flops = cycles * rates->int8;
  return roofline;
}

}  // namespace sluice::tools
