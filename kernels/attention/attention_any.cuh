// Attention of any float type, sizes and strides, in f32 (f64: in f64) on CUDA cores: what tensor cores and tensor maps
// cannot take.
//
// A CTA takes 16 queries of one head and walks 32 keys at a time; 8 threads share a query: each has every eighth key of
// the scores and every eighth column of the result.
//
// How, beyond attention_score.cuh's: kDim (of q and k), kValueDim: multiples of 8 that hold them
#pragma once
#include "kernels/attention/attention_score.cuh"

namespace sl {

template <class How>
struct AnyAttentionShared {
  static constexpr int kQueries = 16, kKeys = 32, kThreads = 128;
  using Real = wide<typename How::Element>;
  Real q[kQueries][How::kDim + 1], k[kKeys][How::kDim + 1], v[kKeys][How::kValueDim], p[kQueries][kKeys];
};

// rows [row0, row0 + kRows) of one head, widened; zeros beyond `rows` and beyond the head's width.
template <int kRows, int kWidth, int kPitch, typename T>
SL_DEVICE void load_rows(wide<T> (&to)[kRows][kPitch], const View<T, 4>& from, int batch, int head, int row0,
                         int rows) {
  const T* data = from.data + batch * from.stride(0) + head * from.stride(1);
  const int width = int(from.size(3));
  for (int i = threadIdx.x; i < kRows * kWidth; i += 128) {
    const int row = i / kWidth, col = i % kWidth;
    to[row][col] = row0 + row < rows && col < width ? widen(data[(row0 + row) * from.stride(2) + col * from.stride(3)])
                                                    : wide<T>(0);
  }
}

// The kernel: a block of 128 threads for each 16 queries of each head of each batch row.
template <class How>
SL_DEVICE void attention_any(const AttentionViews<typename How::Element>& views, const AttentionSizes& sizes,
                             const AttentionExtras<How>& extras) {
  using Shared = AnyAttentionShared<How>;
  using Real = typename Shared::Real;
  constexpr Real kSlope = Real(Score<How>::kWideSlope);
  extern __shared__ __align__(16) uint8_t dynamic[];
  Shared& sm = *reinterpret_cast<Shared*>(dynamic);
  const int blocks = ceil_div(sizes.s, Shared::kQueries);
  let_next_begin();
  wait_for_previous();
  if (int64_t(blockIdx.x) >= int64_t(blocks) * sizes.h * sizes.b) {
    return;
  }
  const int query0 = blockIdx.x % blocks * Shared::kQueries, head = blockIdx.x / blocks % sizes.h,
            batch = blockIdx.x / blocks / sizes.h;
  const int key_head = head / sizes.group(), row = threadIdx.x / 8, lane = threadIdx.x % 8, index = query0 + row;
  const Sequence<How> sequence(extras, sizes, batch);
  const int query = sequence.first_query + index;
  const Keys seen_keys = sequence.of(query);
  const Score<How> score(extras, sizes, batch, head, min(index, sizes.s - 1), query);
  const Keys keys =
      sequence.any(sequence.first_query + query0, sequence.first_query + min(query0 + Shared::kQueries, sizes.s));

  load_rows<Shared::kQueries, How::kDim>(sm.q, views.q, batch, head, query0, sizes.s);
  Real o[How::kValueDim / 8] = {}, top = -infinity(), sum = 0;
  for (int key0 = keys.begin; key0 < keys.end; key0 += Shared::kKeys) {
    __syncthreads();  // the block before is done with
    load_rows<Shared::kKeys, How::kDim>(sm.k, views.k, batch, key_head, key0, sequence.count);
    load_rows<Shared::kKeys, How::kValueDim>(sm.v, views.v, batch, key_head, key0, sequence.count);
    __syncthreads();
    Real s[4] = {}, best = top;
    for (int d = 0; d < How::kDim; ++d)
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        s[j] += sm.q[row][d] * sm.k[lane + 8 * j][d];
      }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int key = key0 + lane + 8 * j;
      const bool seen = index < sizes.s && key >= seen_keys.begin && key < seen_keys.end && score.kept(key);
      s[j] = seen ? Score<How>::scaled(s[j]) + score.template addend<Real>(key) : Real(-infinity());
      best = larger(best, s[j]);
    }
    best = reduce_lanes<1, 8>(best, Max());
    const Real offset = best == -infinity() ? Real(0) : best, shrink = exp2_of((top - offset) * kSlope);
    top = best, sum *= shrink;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const Real weight = exp2_of((s[j] - offset) * kSlope);
      sum += weight;
      sm.p[row][lane + 8 * j] = weight;
    }
    __syncwarp();
#pragma unroll
    for (int c = 0; c < How::kValueDim / 8; ++c) {
      o[c] *= shrink;
    }
    for (int key = 0; key < Shared::kKeys; ++key)
#pragma unroll
      for (int c = 0; c < How::kValueDim / 8; ++c) {
        o[c] += sm.p[row][key] * sm.v[key][lane + 8 * c];
      }
  }
  sum = reduce_lanes<1, 8>(sum, Sum());
  if (index < sizes.s && (sum != 0 || How::kEmptyRows == kEmptyZero)) {
    for (int c = 0; c < How::kValueDim / 8; ++c) {
      const int col = lane + 8 * c;
      if (col < views.out.size(3)) {
        views.out.data[batch * views.out.stride(0) + head * views.out.stride(1) + index * views.out.stride(2) +
                       col * views.out.stride(3)] = narrow<typename How::Element>(sum != 0 ? o[c] / sum : Real(0));
      }
    }
  }
  if constexpr (How::kEmptyRows != kEmptyZero) {
    const uint32_t empty = __ballot_sync(~0u, index < sizes.s && sum == 0);
    for (int i = 0; i < 4; ++i) {  // the rows of this warp, eight lanes each
      if (empty >> (8 * i) & 1) {
        attend_empty_row<How>(views, extras, sizes, batch, head, query0 + threadIdx.x / 32 * 4 + i);
      }
    }
  }
}

}  // namespace sl
