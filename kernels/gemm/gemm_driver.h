// The driver of float contractions: out[b][m][n] = Σ_k x[b][m][k] · w[b][n][k], any strides, threads over tiles.
//
//   GemmProblem p{.batch = 1, .m = 5, .n = 64, .k = 32, ...};
//   GemmRun(p, workspace, pool);            // workspace of GemmWorkspace(p.batch, p.m, p.k, pool->threads()) bytes
//
// Used by nn.linear and nn.matmul.  No errors, no allocation; sizes may be 0.
#ifndef SLUICE_KERNELS_GEMM_GEMM_DRIVER_H_
#define SLUICE_KERNELS_GEMM_GEMM_DRIVER_H_

#include <array>
#include <cstdint>

#include "kernels/desc.h"
#include "kernels/gemm/gemm_ops.h"

namespace sluice::kernels {

// One matrix of a batch: element (b, i, kk) is data[Offset(b) + i * row + kk * col].
struct GemmOperand {
  const void* data = nullptr;
  DType type = DType::kF32;
  int64_t row = 0;  // elements from one m (or n) to the next
  int64_t col = 0;  // elements from one k to the next
  int batch_rank = 0;
  std::array<int64_t, kMaxRank> batch_sizes{};
  std::array<int64_t, kMaxRank> batch_strides{};

  int64_t Offset(int64_t b) const {
    int64_t at = 0;
    for (int d = batch_rank - 1; d >= 0; --d) {
      at += b % batch_sizes[d] * batch_strides[d];
      b /= batch_sizes[d];
    }
    return at;
  }
};

struct GemmProblem {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  GemmOperand x;          // f32, f16 or bf16
  GemmOperand w;          // f32, f16 or bf16; rows are n
  bool w_packed = false;  // w is kNkTile16 (batch 1); its strides are unused
  void* out = nullptr;    // dense [batch][m][n]
  DType out_type = DType::kF32;
};

int64_t GemmWorkspace(int64_t batch, int64_t m, int64_t k, int threads);
void GemmRun(const GemmProblem& problem, void* workspace, ThreadPool* pool);

// Rows split into panels of nearly equal size, none above `largest`.
struct Panels {
  Panels(int64_t rows, int64_t largest) : rows(rows), count((rows + largest - 1) / largest) {}
  int64_t Begin(int64_t panel) const { return panel * rows / count; }
  int Size(int64_t panel) const { return static_cast<int>(Begin(panel + 1) - Begin(panel)); }
  int64_t rows;
  int64_t count;
};

// The types the micro-kernels read and write.
constexpr bool IsKernelFloat(DType type) { return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16; }
// kUnimplemented, naming the kernel, unless every present tensor is f32, f16 or bf16.
absl::Status CheckKernelFloats(const char* kernel, std::span<const Tensor> tensors);

constexpr int64_t AlignUp(int64_t bytes) { return (bytes + 63) / 64 * 64; }
WType WTypeOf(DType type);
// y[i] = x[i * stride] as f32, i < n; x is f32, f16 or bf16.
void ToF32(const void* x, DType type, int64_t stride, int64_t n, float* y);
// y[i] = x[i] in `type`, which is f32, f16 or bf16; y at element `at`.
void FromF32(const float* x, int64_t n, DType type, void* y, int64_t at);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_GEMM_GEMM_DRIVER_H_
