// The vector parts of attention: what each instruction set provides beside the tile kernels of kernels/gemm.
#ifndef SLUICE_KERNELS_ATTENTION_ATTENTION_OPS_H_
#define SLUICE_KERNELS_ATTENTION_ATTENTION_OPS_H_

#include <cstdint>

#include "kernels/gemm/gemm_ops.h"

namespace sluice::kernels {

inline constexpr int64_t kKeyChunk = kRowsStride;  // keys scored at once: 64; chunks begin at multiples of it

// One query row against one chunk of keys.
struct SoftmaxRow {
  float* scores;  // [64]: q·k in, exp(score - max) out; 0 where nothing is seen
  float scale;
  float softcap;         // 0: none
  const float* bias;     // [end] or null, indexed by key of the chunk
  const float* visible;  // [64] or null: 0 where the key mask hides a key
  float slope;           // ALiBi; 0: none
  float distance;        // key position of the chunk's first key minus the query's position
  int64_t begin, end;    // keys of the chunk that may be seen, 0 ≤ begin, end ≤ 64
  float* max;            // of the row so far; -inf at first
  float* sum;            // of exp(score - max) so far
};

struct AttentionOps {
  // Keys [n][d] (n ≤ 64, contiguous along d) as tiles [ceil(n / 16)][d][16], zero padded.
  void (*pack_keys)(WType type, const void* keys, int64_t key_stride, int64_t n, int64_t d, float* out);
  // Online softmax step.  Returns what earlier sums must be multiplied by: exp(old max - new max).
  float (*softmax)(const SoftmaxRow& row);
  void (*scale)(float* x, float factor, int64_t n);  // x *= factor
  // The running state (max, sum, x[n]) takes in another one over other keys.
  void (*merge)(float* max, float* sum, float* x, float other_max, float other_sum, const float* other, int64_t n);
};

const AttentionOps& Attention();  // for this machine

namespace avx2 {
extern const AttentionOps kAttentionOps;
}
namespace avx512 {
extern const AttentionOps kAttentionOps;
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_ATTENTION_ATTENTION_OPS_H_
