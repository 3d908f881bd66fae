// nn.iota: out[i] = i, any integer or float type.
#include "kernels/common/element.h"
#include "kernels/common/launch.h"

namespace sluice::kernels {
namespace {

absl::Status Run(const LaunchArgs& args) {
  const Tensor& out = args.outs[0];
  return DispatchNumber(out.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    args.pool->ParallelFor(out.elements(), 16384, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        out.as<T>()[i] = FromMath<T>(i);
      }
    });
  });
}

}  // namespace

extern const CpuKernel kIota;
const CpuKernel kIota = {.name = "iota", .run = Run};

}  // namespace sluice::kernels
