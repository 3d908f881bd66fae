// attention_decode.cuh: the consumer warps, from the scores of a tile to merged rows of the result.
#pragma once
#include "kernels/attention/decode_line.cuh"

namespace sl {

constexpr float kNoKey = -1e30f;  // the max of no keys: finite, so that differences of two are no NaN

// Adds up parts of one result whose weights are relative to different maxima.  Four dims of one row.
struct Merge {
  float max = kNoKey, sum = 0;
  float4 o = {0, 0, 0, 0};
  SL_DEVICE void add(float part_max, float part_sum, float4 part, float slope) {
    const float top = fmaxf(max, part_max), a = exp2_fast((max - top) * slope), b = exp2_fast((part_max - top) * slope);
    max = top, sum = a * sum + b * part_sum;
    o = {a * o.x + b * part.x, a * o.y + b * part.y, a * o.z + b * part.z, a * o.w + b * part.w};
  }
};

// The consumer warps.
template <class P>
struct DecodeConsumer {
  using How = typename P::How;
  using Element = typename P::Element;
  static constexpr int kDim = P::kDim, kRows8 = P::kRows8, kStages = P::kStages;

  DecodeShared<P>& sm;
  const TileLine<P>& line;
  const AttentionSizes& sizes;
  const AttentionViews<Element>& views;  // dense in the last dimension
  float* parts;                          // [ctas, 2, kPartFloats]
  uint32_t* arrived;                     // [ctas]
  const int warp, lane, group, rows;

  uint32_t q[kRows8][kDim / 16][2];
  float o[kRows8][kDim / 16][4], max[kRows8][2], sum[kRows8][2];
  int begin[kRows8][2], end[kRows8][2];  // keys that this thread's rows see

  SL_DEVICE DecodeConsumer(DecodeShared<P>& sm, const TileLine<P>& line, const AttentionViews<Element>& views,
                           float* parts, uint32_t* arrived)
      : sm(sm),
        line(line),
        sizes(line.sizes),
        views(views),
        parts(parts),
        arrived(arrived),
        warp(threadIdx.x / 32),
        lane(threadIdx.x % 32),
        group(line.sizes.h / line.sizes.g),
        rows(line.sizes.s * group) {}

  // Row r is query r / group of head r % group.
  template <typename T>
  SL_DEVICE T* row_of(const View<T, 4>& view, const Segment<P>& part, int r) const {
    return view.data + part.batch * view.stride(0) + (part.head * group + r % group) * view.stride(1) +
           r / group * view.stride(2);
  }

  SL_DEVICE void begin_item(const Segment<P>& part) {
    const Sequence<How> sequence(line.extras, sizes, part.batch);
#pragma unroll
    for (int g = 0; g < kRows8; ++g) {
      // Q^T as the B operand: row = lane / 4, dims 16 i + 2 (lane % 4) + {0, 1} and 8 more.
      const int r = g * 8 + lane / 4;
      const Element* from = row_of(views.q, part, min(r, rows - 1));
#pragma unroll
      for (int i = 0; i < kDim / 8; ++i) {
        const int dim = i * 8 + lane % 4 * 2;
        q[g][i / 2][i % 2] = r < rows && dim < views.q.size(3) ? *reinterpret_cast<const uint32_t*>(from + dim) : 0;
      }
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int query = sequence.first_query + min(g * 8 + lane % 4 * 2 + h, rows - 1) / group;
        const Keys keys = sequence.of(query);
        begin[g][h] = keys.begin, end[g][h] = keys.end;
        max[g][h] = kNoKey, sum[g][h] = 0;
      }
#pragma unroll
      for (int i = 0; i < kDim / 16; ++i)
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          o[g][i][c] = 0;
        }
    }
  }

  // Accumulators: element c of a 16 x 8 block is key (then dim) lane / 4 + 8 (c / 2), row 2 (lane % 4) + c % 2.
  SL_DEVICE void weigh(const Segment<P>& part, int g, int key0, float (&s)[4][4], uint32_t (&p)[4][2]) {
    float shrink[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int r = min(g * 8 + lane % 4 * 2 + h, rows - 1);
      const int query = Sequence<How>(line.extras, sizes, part.batch).first_query + r / group;
      const Score<How> score(line.extras, sizes, part.batch, part.head * group + r % group, r / group, query);
      float top = max[g][h];
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const int key = key0 + i / 2 * 16 + lane / 4 + i % 2 * 8;
        float& x = s[i / 2][i % 2 * 2 + h];
        const bool seen = key >= begin[g][h] && key < end[g][h] && score.kept(min(key, sizes.t - 1));
        x = seen ? Score<How>::scaled(x) + score.addend(key) : -infinity();
        top = fmaxf(top, x);
      }
      top = reduce_lanes<4, 32>(top, Max());
      shrink[h] = exp2_fast((max[g][h] - top) * Score<How>::kSlope);
      max[g][h] = top;
      sum[g][h] *= shrink[h];
    }
#pragma unroll
    for (int t = 0; t < 4; ++t) {
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        s[t][c] = exp2_fast((s[t][c] - max[g][c % 2]) * Score<How>::kSlope);
        sum[g][c % 2] += s[t][c];
      }
      p[t][0] = transpose_8x8(pack<Element>(s[t][0], s[t][1]));
      p[t][1] = transpose_8x8(pack<Element>(s[t][2], s[t][3]));
    }
#pragma unroll
    for (int i = 0; i < kDim / 16; ++i)
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        o[g][i][c] *= shrink[c % 2];
      }
  }

  // One tile whose first key is key0; `valid` of its keys exist.
  SL_DEVICE void attend(const Segment<P>& part, int slot, int key0, int valid) {
    const uint32_t k_tile = shared_address(sm.kv[slot][0]), v_tile = shared_address(sm.kv[slot][1]);
    auto chunk_at = [](uint32_t tile, int row, int dims16, int half) {  // 8 of 16 dims of a key
      return tile + dims16 / 4 * P::kPanelBytes + SwizzledOffset(row, dims16 % 4 * 2 + half, 128);
    };
    if (valid < P::kKeys) {  // what lies beyond the last key may hold anything, NaN too, and 0 * NaN is not 0
      for (int i = lane; i < (P::kKeys - max0(valid)) * (kDim / 8); i += 32) {
        const int chunk = i % (kDim / 8);
        asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};" ::"r"(
                         chunk_at(v_tile, max0(valid) + i / (kDim / 8), chunk / 2, chunk % 2)),
                     "r"(0)
                     : "memory");
      }
      fence_async_proxy();  // before the ring's next load into the tile
      __syncwarp();
    }
    float s[kRows8][4][4] = {};
#pragma unroll
    for (int i = 0; i < kDim / 16; ++i)
#pragma unroll
      for (int t = 0; t < 4; ++t) {
        uint32_t k[4];
        load_matrices(k, chunk_at(k_tile, t * 16 + lane % 16, i, lane / 16));
#pragma unroll
        for (int g = 0; g < kRows8; ++g) {
          mma_16x8x16<Element>(s[g][t], k, q[g][i][0], q[g][i][1]);
        }
      }
    uint32_t p[kRows8][4][2];
#pragma unroll
    for (int g = 0; g < kRows8; ++g) {
      weigh(part, g, key0, s[g], p[g]);
    }
#pragma unroll
    for (int t = 0; t < 4; ++t)
#pragma unroll
      for (int i = 0; i < kDim / 16; ++i) {
        uint32_t v[4];
        load_matrices_transposed(v, chunk_at(v_tile, t * 16 + lane % 8 + lane / 16 * 8, i, lane / 8 % 2));
#pragma unroll
        for (int g = 0; g < kRows8; ++g) {
          mma_16x8x16<Element>(o[g][i], v, p[g][t][0], p[g][t][1]);
        }
      }
  }
  SL_DEVICE static int max0(int x) { return x > 0 ? x : 0; }

  // What this warp has of the item, for the others to see.
  SL_DEVICE void share() {
#pragma unroll
    for (int g = 0; g < kRows8; ++g)
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float total = reduce_lanes<4, 32>(sum[g][h], Sum());
        const int r = g * 8 + lane % 4 * 2 + h;
        if (lane < 4) {
          sm.max[warp][r] = max[g][h], sm.sum[warp][r] = total;
        }
#pragma unroll
        for (int i = 0; i < kDim / 8; ++i) {
          sm.o[warp][r][i * 8 + lane / 4] = o[g][i / 2][i % 2 * 2 + h];
        }
      }
    named_sync(1, 32 * P::kWarps);
  }

  SL_DEVICE float* slot(int cta, bool starts_here) const {
    return parts + (int64_t(cta) * 2 + starts_here) * P::kPartFloats;
  }

  SL_DEVICE void store(const Segment<P>& part, int r, int dim, const Merge& merge) const {
    const bool seen = merge.sum != 0;  // NaN is no row without keys
    if (dim >= views.out.size(3) || (How::kEmptyRows != kEmptyZero && !seen)) {
      return;  // store_empty does what is not zero
    }
    const float scale = seen ? __fdividef(1.0f, merge.sum) : 0.0f;
    *reinterpret_cast<uint2*>(row_of(views.out, part, r) + dim) = {pack<Element>(merge.o.x * scale, merge.o.y * scale),
                                                                   pack<Element>(merge.o.z * scale, merge.o.w * scale)};
  }
  // Rows whose weights, summed by `sum_of`, are none: a warp each.
  template <typename SumOf>
  SL_DEVICE void store_empty(const Segment<P>& part, const SumOf& sum_of) const {
    for (int r = warp; How::kEmptyRows != kEmptyZero && r < rows; r += P::kWarps) {
      if (sum_of(r) == 0) {
        attend_empty_row<How>(views, line.extras, sizes, part.batch, part.head * group + r % group, r / group);
      }
    }
  }

  // An item that lies wholly in this run is done; else its part goes into its slot.
  SL_DEVICE void finish_part(const Segment<P>& part, bool whole) const {
    for (int i = threadIdx.x; i < rows * (kDim / 4); i += 32 * P::kWarps) {
      const int r = i / (kDim / 4), dim = i % (kDim / 4) * 4;
      Merge merge;
#pragma unroll
      for (int w = 0; w < P::kWarps; ++w) {
        merge.add(sm.max[w][r], sm.sum[w][r], *reinterpret_cast<const float4*>(&sm.o[w][r][dim]), Score<How>::kSlope);
      }
      if (whole) {
        store(part, r, dim, merge);
      } else {
        float* to = slot(blockIdx.x, part.first == 0);
        *reinterpret_cast<float4*>(to + r * kDim + dim) = merge.o;
        if (dim == 0) {
          *reinterpret_cast<float2*>(to + P::kRows * kDim + r * 2) = {merge.max, merge.sum};
        }
      }
    }
    if (whole) {
      store_empty(part, [&](int r) {
        float sum = 0;
        for (int w = 0; w < P::kWarps; ++w) {
          sum += sm.sum[w][r];
        }
        return sum;
      });
    }
  }

  // The last of the CTAs that share an item adds their parts.  At most one item starts in a CTA and goes on beyond it:
  // its counter is that CTA's.
  SL_DEVICE void merge_parts(const Segment<P>& part) const {
    const int cta0 = part.cta_of(part.item), count = part.cta_of(part.item + part.tiles - 1) - cta0 + 1;
    named_sync(1, 32 * P::kWarps);
    if (threadIdx.x == 0) {
      int* counter = reinterpret_cast<int*>(arrived) + cta0;
      sm.last = add_acquire_release(counter, 1) == count - 1;
      if (sm.last) {
        *counter = 0;
      }
    }
    named_sync(1, 32 * P::kWarps);
    if (!sm.last) {
      return;
    }
    for (int i = threadIdx.x; i < rows * (kDim / 4); i += 32 * P::kWarps) {
      const int r = i / (kDim / 4), dim = i % (kDim / 4) * 4;
      Merge merge;
      for (int p0 = 0; p0 < count; p0 += 8) {  // the loads of 8 parts in flight
        float2 stat[8];
        float4 value[8];
#pragma unroll
        for (int j = 0; j < 8; ++j) {
          const int p = min(p0 + j, count - 1);
          const float* from = slot(cta0 + p, p == 0);
          stat[j] = __ldcg(reinterpret_cast<const float2*>(from + P::kRows * kDim + r * 2));
          value[j] = __ldcg(reinterpret_cast<const float4*>(from + r * kDim + dim));
        }
#pragma unroll
        for (int j = 0; j < 8; ++j) {
          if (p0 + j < count) {
            merge.add(stat[j].x, stat[j].y, value[j], Score<How>::kSlope);
          }
        }
      }
      store(part, r, dim, merge);
    }
    store_empty(part, [&](int r) {
      float sum = 0;
      for (int p = 0; p < count; ++p) {
        sum += __ldcg(slot(cta0 + p, p == 0) + P::kRows * kDim + r * 2 + 1);
      }
      return sum;
    });
  }

  SL_DEVICE void run() {
    int done = 0;  // tiles of this CTA's run before the segment
    for (Segment<P> part(line); part.next(); done += part.end - part.first) {
      begin_item(part);
      const int count = Sequence<How>(line.extras, sizes, part.batch).count, skipped = line.first_tile(part.batch);
      for (int tile = part.first + (warp + P::kWarps - done % P::kWarps) % P::kWarps; tile < part.end;
           tile += P::kWarps) {
        const int local = done + tile - part.first, slot = local % kStages, key0 = (skipped + tile) * P::kKeys;
        barrier_wait(shared_address(&sm.full[slot]), local / kStages & 1);
        attend(part, slot, key0, count - key0);
        __syncwarp();
        if (lane == 0) {
          barrier_arrive(shared_address(&sm.empty[slot]));
        }
      }
      share();
      const bool whole = part.first == 0 && part.end == part.tiles;
      finish_part(part, whole);
      if (!whole) {
        merge_parts(part);
      }
      named_sync(1, 32 * P::kWarps);  // sm.o and sm.last are free again
    }
  }
};

}  // namespace sl
