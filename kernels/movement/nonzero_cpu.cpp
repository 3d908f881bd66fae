// nn.nonzero: index tuples of the elements that are not zero, i64 [rank, count], in row-major order.  The buffer has
// room for every element; it is laid out dense for the count that was found, which goes to counts[0].
#include "kernels/common/element.h"
#include "kernels/common/launch.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kChunk = 1 << 14;

int64_t Chunks(const Tensor& x) { return (x.elements() + kChunk - 1) / kChunk; }

// Where each chunk's first tuple goes.
int64_t Workspace(const Config*, std::span<const Tensor> ins, std::span<const Tensor>, int) {
  return Chunks(ins[0]) * static_cast<int64_t>(sizeof(int64_t));
}

template <typename T>
void RunTyped(const LaunchArgs& args) {
  const Tensor& x = args.ins[0];
  const T* in = x.as<const T>();
  const int64_t n = x.elements(), chunks = Chunks(x);
  int64_t* starts = static_cast<int64_t*>(args.workspace);
  args.pool->ParallelFor(chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      int64_t found = 0;
      for (int64_t i = c * kChunk; i < std::min(n, (c + 1) * kChunk); ++i) {
        found += ToMath(in[i]) != 0;
      }
      starts[c] = found;
    }
  });
  int64_t count = 0;
  for (int64_t c = 0; c < chunks; ++c) {
    const int64_t found = starts[c];
    starts[c] = count;
    count += found;
  }
  args.counts[0] = count;
  int64_t* out = args.outs[0].as<int64_t>();
  args.pool->ParallelFor(chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      int64_t to = starts[c];
      for (int64_t i = c * kChunk; i < std::min(n, (c + 1) * kChunk); ++i) {
        if (ToMath(in[i]) == 0) {
          continue;
        }
        int64_t rest = i;
        for (int d = x.rank - 1; d >= 0; --d) {
          out[d * count + to] = rest % x.sizes[d];
          rest /= x.sizes[d];
        }
        ++to;
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  if (args.counts.empty()) {
    return absl::InternalError("nonzero: the launch has no place for its count");
  }
  return DispatchNumber(args.ins[0].dtype, [&](auto tag) { RunTyped<typename decltype(tag)::type>(args); });
}

}  // namespace

extern const CpuKernel kNonzero;
const CpuKernel kNonzero = {.name = "nonzero", .workspace = Workspace, .run = Run};

}  // namespace sluice::kernels
