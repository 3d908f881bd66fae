// attention_decode.cuh: the consumer warps, from the scores of a tile to merged rows of the result.
#pragma once
#include "kernels/attention/decode_line.cuh"

namespace sl {

constexpr float kNoKey = -1e30f;  // the max of no keys: finite, so that differences of two are no NaN

// Parts of one result whose weights are relative to different maxima.  Four dims of one row.
template <int N>
struct Parts {
  float2 stats[N];  // (max, sum)
  float4 o[N];
  SL_DEVICE void set(int i, float2 stat, float4 value) { stats[i] = stat, o[i] = value; }
  SL_DEVICE void set_none(int i) { set(i, {kNoKey, 0}, {0, 0, 0, 0}); }
};

// Adds them up: all weights follow from one maximum, so that none waits for another.
struct Merge {
  float max = kNoKey, sum = 0;
  float4 o = {0, 0, 0, 0};
  template <int N>
  SL_DEVICE void add(const Parts<N>& parts, float slope) {
    float top = max;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      top = fmaxf(top, parts.stats[i].x);
    }
    const float shrink = exp2_fast((max - top) * slope);
    max = top, sum *= shrink;
    o = {shrink * o.x, shrink * o.y, shrink * o.z, shrink * o.w};
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const float weight = exp2_fast((parts.stats[i].x - top) * slope);
      const float4 part = parts.o[i];
      sum += weight * parts.stats[i].y;
      o = {o.x + weight * part.x, o.y + weight * part.y, o.z + weight * part.z, o.w + weight * part.w};
    }
  }
};

// The rows of an operand: what is read of its numbers, ahead of the turn.
template <typename Element>
struct DecodeRows {
  Element* data;
  int64_t batch, head, query;  // strides
  int width;

  SL_DEVICE explicit DecodeRows(const View<Element, 4>& view)
      : data(view.data),
        batch(value_now(view.step, view.arg.strides[0])),
        head(value_now(view.step, view.arg.strides[1])),
        query(value_now(view.step, view.arg.strides[2])),
        width(int(value_now(view.step, view.arg.sizes[3]))) {}
};

// The consumer warps.
template <class P>
struct DecodeConsumer {
  using How = typename P::How;
  using Element = typename P::Element;
  static constexpr int kDim = P::kDim, kRows8 = P::kRows8, kStages = P::kStages;
  static constexpr int kKeys = P::kWarpKeys, kSteps = kKeys / 16;  // that this warp takes of a tile

  DecodeShared<P>& sm;
  const TileLine<P>& line;
  const AttentionSizes& sizes;
  const AttentionViews<Element>& views;  // dense in the last dimension
  Segment<P> part;                       // the one in work
  float* parts;                          // [ctas, 2, kPartFloats]
  uint32_t* arrived;                     // [ctas]
  const int warp, lane, rows;
  int group;
  const DecodeRows<Element>&q_rows, &out_rows;

  uint32_t q[kRows8][kDim / 16][2];
  float o[kRows8][kDim / 16][4], max[kRows8][2], sum[kRows8][2];
  int begin[kRows8][2], end[kRows8][2];  // keys that this thread's rows see

  SL_DEVICE DecodeConsumer(DecodeShared<P>& sm, const AttentionViews<Element>& views, const DecodeRows<Element>& q_rows,
                           const DecodeRows<Element>& out_rows, const Segment<P>& part, float* parts, uint32_t* arrived)
      : sm(sm),
        line(part.line),
        sizes(part.line.sizes),
        views(views),
        part(part),
        parts(parts),
        arrived(arrived),
        warp(threadIdx.x / 32),
        lane(threadIdx.x % 32),
        rows(sizes.s * sizes.group()),
        group(sizes.group()),
        q_rows(q_rows),
        out_rows(out_rows) {}

  // Row r is query r / group of head r % group.
  SL_DEVICE Element* row_of(const DecodeRows<Element>& all, int r) const {
    return all.data + part.batch * all.batch + (part.head * group + r % group) * all.head + r / group * all.query;
  }

  SL_DEVICE void begin_item() {
    const Sequence<How> sequence(line.extras, sizes, part.batch);
#pragma unroll
    for (int g = 0; g < kRows8; ++g) {
      // Q^T as the B operand: row = lane / 4, dims 16 i + 2 (lane % 4) + {0, 1} and 8 more.
      const int r = g * 8 + lane / 4;
      const Element* from = row_of(q_rows, min(r, rows - 1));
      const int width = r < rows ? q_rows.width : 0;
#pragma unroll
      for (int i = 0; i < kDim / 8; ++i) {
        const int dim = i * 8 + lane % 4 * 2;
        q[g][i / 2][i % 2] = dim < width ? *reinterpret_cast<const uint32_t*>(from + dim) : 0;
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
  SL_DEVICE void weigh(int g, int key0, uint32_t kept, float (&s)[kSteps][4], uint32_t (&p)[kSteps][2]) {
    float shrink[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int r = min(g * 8 + lane % 4 * 2 + h, rows - 1);
      const int query = Sequence<How>(line.extras, sizes, part.batch).first_query + r / group;
      const Score<How> score(line.extras, sizes, part.batch, part.head * group + r % group, r / group, query);
      float top = max[g][h];
#pragma unroll
      for (int i = 0; i < kKeys / 8; ++i) {
        const int key = key0 + i * 8 + lane / 4;
        float& x = s[i / 2][i % 2 * 2 + h];
        const bool seen = key >= begin[g][h] && key < end[g][h] && (kept >> i & 1) != 0;
        x = seen ? Score<How>::scaled(x) + score.addend(key) : -infinity();
        top = fmaxf(top, x);
      }
      top = reduce_lanes<4, 32>(top, Max());
      shrink[h] = exp2_fast((max[g][h] - top) * Score<How>::kSlope);
      max[g][h] = top;
      sum[g][h] *= shrink[h];
    }
#pragma unroll
    for (int t = 0; t < kSteps; ++t) {
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

  // What the key mask says of the keys whose scores this thread has: bit i for key0 + 8 i + lane / 4.
  SL_DEVICE uint32_t kept_keys(int key0) const {
    uint32_t bits = How::kKeyMask ? 0 : ~0u;
#pragma unroll
    for (int i = 0; How::kKeyMask && i < kKeys / 8; ++i) {
      const int key = min(key0 + i * 8 + lane / 4, sizes.t - 1);
      bits |= uint32_t(line.extras.key_mask[int64_t(part.batch) * sizes.t + key] != 0) << i;
    }
    return bits;
  }

  // This warp's keys of a tile, from the `at`th on: the first is key0, and `valid` of them exist.
  SL_DEVICE void attend(int slot, int at, int key0, int valid, uint32_t kept) {
    const uint32_t k_tile = shared_address(sm.kv, slot), v_tile = k_tile + P::kTileBytes;
    auto chunk_at = [](uint32_t tile, int row, int dims16, int half) {  // 8 of 16 dims of a key
      return tile + dims16 / 4 * P::kPanelBytes + SwizzledOffset(row, dims16 % 4 * 2 + half, 128);
    };
    if (valid < kKeys) {  // what lies beyond the last key may hold anything, NaN too, and 0 * NaN is not 0
      for (int i = lane; i < (kKeys - max0(valid)) * (kDim / 8); i += 32) {
        const int chunk = i % (kDim / 8);
        asm volatile("st.shared.v4.b32 [%0], {%1, %1, %1, %1};" ::"r"(
                         chunk_at(v_tile, at + max0(valid) + i / (kDim / 8), chunk / 2, chunk % 2)),
                     "r"(0)
                     : "memory");
      }
      fence_async_proxy();  // before the ring's next load into the tile
      __syncwarp();
    }
    float s[kRows8][kSteps][4] = {};
#pragma unroll
    for (int i = 0; i < kDim / 16; ++i)
#pragma unroll
      for (int t = 0; t < kSteps; ++t) {
        uint32_t k[4];
        load_matrices(k, chunk_at(k_tile, at + t * 16 + lane % 16, i, lane / 16));
#pragma unroll
        for (int g = 0; g < kRows8; ++g) {
          mma_16x8x16<Element>(s[g][t], k, q[g][i][0], q[g][i][1]);
        }
      }
    uint32_t p[kRows8][kSteps][2];
#pragma unroll
    for (int g = 0; g < kRows8; ++g) {
      weigh(g, key0, kept, s[g], p[g]);
    }
#pragma unroll
    for (int t = 0; t < kSteps; ++t)
#pragma unroll
      for (int i = 0; i < kDim / 16; ++i) {
        uint32_t v[4];
        load_matrices_transposed(v, chunk_at(v_tile, at + t * 16 + lane % 8 + lane / 16 * 8, i, lane / 8 % 2));
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

  // The whole warp: four dims of row r; rows without keys, if their result is not zero, are computed apart.
  SL_DEVICE void store(int r, int dim, const Merge& merge) const {
    const bool seen = merge.sum != 0, inside = r < rows && dim < out_rows.width;  // NaN is no row without keys
    if (inside && (How::kEmptyRows == kEmptyZero || seen)) {
      const float scale = seen ? __fdividef(1.0f, merge.sum) : 0.0f;
      *reinterpret_cast<uint2*>(row_of(out_rows, r) + dim) = {pack<Element>(merge.o.x * scale, merge.o.y * scale),
                                                              pack<Element>(merge.o.z * scale, merge.o.w * scale)};
    }
    if constexpr (How::kEmptyRows != kEmptyZero) {
      for (uint32_t none = __ballot_sync(~0u, inside && !seen && dim == 0); none != 0; none &= none - 1) {
        const int empty = __shfl_sync(~0u, r, __ffs(int(none)) - 1);
        attend_empty_row<How>(views, line.extras, sizes, part.batch, part.head * group + empty % group, empty / group);
      }
    }
  }

  // body(row, dim), four dims a thread, for all rows, by whole warps.
  template <typename Body>
  SL_DEVICE void each_row(const Body& body) const {
    for (int i = threadIdx.x; i - lane < rows * (kDim / 4); i += 32 * P::kWarps) {
      body(i / (kDim / 4), i % (kDim / 4) * 4);
    }
  }

  // An item that lies wholly in this run is done; else its part goes into its slot.
  SL_DEVICE void finish_part() const {
    const bool whole = part.parts == 1;
    each_row([&](int r, int dim) {
      Parts<P::kWarps> of_warps;
#pragma unroll
      for (int w = 0; w < P::kWarps; ++w) {
        of_warps.set(w, {sm.max[w][r], sm.sum[w][r]}, *reinterpret_cast<const float4*>(&sm.o[w][r][dim]));
      }
      Merge merge;
      merge.add(of_warps, Score<How>::kSlope);
      if (whole) {
        store(r, dim, merge);
      } else if (r < rows) {
        float* to = slot(blockIdx.x, part.first == 0);
        __stcg(reinterpret_cast<float4*>(to + r * kDim + dim), merge.o);
        if (dim == 0) {
          __stcg(reinterpret_cast<float2*>(to + P::kRows * kDim + r * 2), float2{merge.max, merge.sum});
        }
      }
    });
    if (!whole) {
      merge_parts();
    }
  }

  // The last of the CTAs that share an item adds their parts.  At most one item starts in a CTA and goes on beyond it:
  // its counter is that CTA's.
  SL_DEVICE void merge_parts() const {
    const int count = part.parts;
    named_sync(1, 32 * P::kWarps);
    if (threadIdx.x == 0) {
      int* counter = reinterpret_cast<int*>(arrived) + part.cta0;
      sm.last = add_acquire_release(counter, 1) == count - 1;
      if (sm.last) {
        *counter = 0;
      }
    }
    named_sync(1, 32 * P::kWarps);
    if (!sm.last) {
      return;
    }
    each_row([&](int r, int dim) {
      Merge merge;
      constexpr int kAhead = 16;  // parts whose loads are in flight
      for (int p0 = 0; p0 < count; p0 += kAhead) {
        Parts<kAhead> some;
#pragma unroll
        for (int j = 0; j < kAhead; ++j) {
          some.set_none(j);
          if (p0 + j < count) {
            const float* from = slot(part.cta0 + p0 + j, p0 + j == 0);
            some.set(j, __ldcg(reinterpret_cast<const float2*>(from + P::kRows * kDim + r * 2)),
                     __ldcg(reinterpret_cast<const float4*>(from + r * kDim + dim)));
          }
        }
        merge.add(some, Score<How>::kSlope);
      }
      store(r, dim, merge);
    });
  }

  SL_DEVICE void run() {
    const int team = warp / P::kTogether, at = warp % P::kTogether * kKeys;
    int done = 0;  // tiles of this CTA's run before the segment
    for (; part.some; done += part.end - part.first, part.next()) {
      begin_item();
      const int count = Sequence<How>(line.extras, sizes, part.batch).count, skipped = line.first_tile(part.batch);
#pragma unroll 1
      for (int tile = part.first + (team + P::kTeams - done % P::kTeams) % P::kTeams; tile < part.end;
           tile += P::kTeams) {
        const int local = done + tile - part.first, slot = local % kStages;
        const int key0 = (skipped + tile) * P::kKeys + at;
        const uint32_t kept = kept_keys(key0);
        barrier_wait(shared_address(sm.full, slot), local / kStages & 1);
        attend(slot, at, key0, count - key0, kept);
        __syncwarp();
        if (lane == 0) {
          barrier_arrive(shared_address(sm.empty, slot));
        }
      }
      share();
      finish_part();
      named_sync(1, 32 * P::kWarps);  // sm.o and sm.last are free again
    }
  }
};

}  // namespace sl
