// Contractions of any type: floats by the micro-kernels; f64 and integers by plain loops with threads over rows, whose
// sums run over k upwards and wrap.
#ifndef SLUICE_KERNELS_GEMM_GEMM_PLAIN_H_
#define SLUICE_KERNELS_GEMM_GEMM_PLAIN_H_

#include <algorithm>
#include <type_traits>

#include "kernels/common/launch.h"
#include "kernels/gemm/gemm_driver.h"

namespace sluice::kernels {

// Integers add and multiply as unsigned, so that overflow wraps instead of being undefined.
template <typename T>
using Wrapping = typename std::conditional_t<std::is_integral_v<T>, std::make_unsigned<T>, std::type_identity<T>>::type;

template <typename A, typename B, typename Out>
void GemmPlain(const GemmProblem& p, ThreadPool* pool) {
  using Acc = Wrapping<Out>;
  const int64_t work = std::max<int64_t>(1, p.n * p.k);
  pool->ParallelFor(p.batch * p.m, std::max<int64_t>(1, 16 * 1024 / work), [&p](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const A* x = static_cast<const A*>(p.x.data) + p.x.Offset(i / p.m) + i % p.m * p.x.row;
      const B* w = static_cast<const B*>(p.w.data) + p.w.Offset(i / p.m);
      Out* out = static_cast<Out*>(p.out) + i * p.n;
      std::fill(out, out + p.n, Out{});
      if (p.w.row == 1) {
        for (int64_t k = 0; k < p.k; ++k) {
          const Acc v = static_cast<Acc>(static_cast<Out>(x[k * p.x.col]));
          const B* row = w + k * p.w.col;
          for (int64_t j = 0; j < p.n; ++j) {
            out[j] = static_cast<Out>(static_cast<Acc>(out[j]) + v * static_cast<Acc>(static_cast<Out>(row[j])));
          }
        }
        continue;
      }
      for (int64_t j = 0; j < p.n; ++j) {
        Acc sum{};
        for (int64_t k = 0; k < p.k; ++k) {
          sum += static_cast<Acc>(static_cast<Out>(x[k * p.x.col])) *
                 static_cast<Acc>(static_cast<Out>(w[j * p.w.row + k * p.w.col]));
        }
        out[j] = static_cast<Out>(sum);
      }
    }
  });
}

// i8 and ui8 in any combination, into i32.
inline void GemmBytes(const GemmProblem& p, ThreadPool* pool) {
  const bool signed_w = p.w.type == DType::kI8;
  if (p.x.type == DType::kI8) {
    signed_w ? GemmPlain<int8_t, int8_t, int32_t>(p, pool) : GemmPlain<int8_t, uint8_t, int32_t>(p, pool);
  } else {
    signed_w ? GemmPlain<uint8_t, int8_t, int32_t>(p, pool) : GemmPlain<uint8_t, uint8_t, int32_t>(p, pool);
  }
}

// The contraction of the launch `args` of `kernel`.  kUnimplemented names the kernel where it has no such type.
inline absl::Status GemmAnyType(const GemmProblem& p, const char* kernel, const LaunchArgs& args) {
  switch (p.x.type) {
    case DType::kF64:
      GemmPlain<double, double, double>(p, args.pool);
      return absl::OkStatus();
    case DType::kI32:
      GemmPlain<int32_t, int32_t, int32_t>(p, args.pool);
      return absl::OkStatus();
    case DType::kU32:
      GemmPlain<uint32_t, uint32_t, uint32_t>(p, args.pool);
      return absl::OkStatus();
    case DType::kI64:
      GemmPlain<int64_t, int64_t, int64_t>(p, args.pool);
      return absl::OkStatus();
    case DType::kU64:
      GemmPlain<uint64_t, uint64_t, uint64_t>(p, args.pool);
      return absl::OkStatus();
    default:
      if ((p.x.type == DType::kI8 || p.x.type == DType::kU8) && p.out_type == DType::kI32) {
        GemmBytes(p, args.pool);
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(CheckKernelFloats(kernel, args.ins));
      GemmRun(p, args.workspace, args.pool);
      return absl::OkStatus();
  }
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_GEMM_GEMM_PLAIN_H_
