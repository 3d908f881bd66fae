// AttentionOps for one instruction set.  Included by attention_avx2.cpp and attention_avx512.cpp and by nothing else.
#ifndef SLUICE_KERNELS_ATTENTION_ATTENTION_KERNEL_H_
#define SLUICE_KERNELS_ATTENTION_ATTENTION_KERNEL_H_

#include "kernels/attention/attention_ops.h"
#include "kernels/simd/transpose.h"
#include "kernels/simd/vec.h"

namespace sluice::kernels::SLUICE_ISA {

inline constexpr float kMinusInf = -__builtin_inff();

template <typename T>
void PackKeysOf(const void* keys, int64_t key_stride, int64_t n, int64_t d, float* out) {
  for (int64_t tile = 0; tile * 16 < n; ++tile) {
    TransposeTile(static_cast<const T*>(keys) + tile * 16 * key_stride, key_stride, n - tile * 16, d,
                  out + tile * d * 16);
  }
}

void PackKeys(WType type, const void* keys, int64_t key_stride, int64_t n, int64_t d, float* out) {
  switch (type) {
    case WType::kF32:
      return PackKeysOf<float>(keys, key_stride, n, d, out);
    case WType::kF16:
      return PackKeysOf<F16>(keys, key_stride, n, d, out);
    case WType::kBF16:
      return PackKeysOf<BF16>(keys, key_stride, n, d, out);
  }
}

// Scores of lanes [at, at + kLanes) of the chunk, -inf where not seen.
SLUICE_SIMD VF Score(const SoftmaxRow& row, int64_t at, VF lanes) {
  VF s = Mul(Load(row.scores + at), Set1(row.scale));
  if (row.softcap != 0) {
    s = Mul(Tanh(Div(s, Set1(row.softcap))), Set1(row.softcap));
  }
  if (row.bias != nullptr) {
    s = Add(s, LoadN(row.bias + at, row.end - at));
  }
  if (row.slope != 0) {
    s = Fma(Set1(row.slope), Add(lanes, Set1(row.distance + static_cast<float>(at))), s);
  }
  const VF hidden = Set1(kMinusInf);
  if (row.visible != nullptr) {
    s = SelectNonzero(Load(row.visible + at), s, hidden);
  }
  if (row.end < at + kLanes) {
    s = FirstOf(s, hidden, row.end - at);
  }
  return row.begin > at ? FirstOf(hidden, s, row.begin - at) : s;
}

float Softmax(const SoftmaxRow& row) {
  constexpr int kVectors = kKeyChunk / kLanes;
  const VF lanes = LaneIndex();
  VF s[kVectors];
  VF top = Set1(kMinusInf);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    s[i] = Score(row, i * kLanes, lanes);
    top = Max(s[i], top);
  }
  const float old_max = *row.max;
  const float chunk_max = ReduceMax(top);
  const float max = chunk_max > old_max ? chunk_max : old_max;
  if (max == kMinusInf) {  // nothing seen yet
#pragma unroll
    for (int i = 0; i < kVectors; ++i) {
      Store(row.scores + i * kLanes, Zero());
    }
    return 1;
  }
  VF sum = Zero();
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const VF p = Exp(Sub(s[i], Set1(max)));
    Store(row.scores + i * kLanes, p);
    sum = Add(sum, p);
  }
  const float factor = max == old_max ? 1.0f : Exp1(old_max - max);
  *row.sum = *row.sum * factor + ReduceAdd(sum);
  *row.max = max;
  return factor;
}

void ScaleRow(float* x, float factor, int64_t n) {
  for (int64_t i = 0; i < n; i += kLanes) {
    StoreN(x + i, Mul(LoadN(x + i, n - i), Set1(factor)), n - i);
  }
}

void MergeRow(float* max, float* sum, float* x, float other_max, float other_sum, const float* other, int64_t n) {
  if (other_max == kMinusInf) {
    return;
  }
  const float top = other_max > *max ? other_max : *max;
  const float a = Exp1(*max - top);
  const float b = Exp1(other_max - top);
  *max = top;
  *sum = *sum * a + other_sum * b;
  for (int64_t i = 0; i < n; i += kLanes) {
    const VF added = Mul(LoadN(other + i, n - i), Set1(b));
    StoreN(x + i, Fma(LoadN(x + i, n - i), Set1(a), added), n - i);
  }
}

extern const AttentionOps kAttentionOps;
const AttentionOps kAttentionOps = {
    .pack_keys = PackKeys,
    .softmax = Softmax,
    .scale = ScaleRow,
    .merge = MergeRow,
};

}  // namespace sluice::kernels::SLUICE_ISA

#endif  // SLUICE_KERNELS_ATTENTION_ATTENTION_KERNEL_H_
