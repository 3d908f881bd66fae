// What attention kernels share: which keys a query sees, and how a dot product becomes a weight.
//
//   weight = exp2(slope · logit)      logit = cap(dot · scale) + bias + alibi, up to a factor that slope carries
//
// How, printed by attention_cuda.cpp: Element (q, k, v, result), BiasElement, SlopeElement, LengthElement; kCausal,
// kWindow (0: none), kKeyMask, kBias, kSlopes, kLengths, kEmptyRows (an EmptyRows);
// kScale, kSoftcap (0: none), doubles.
#pragma once
#include "kernels/device/math.cuh"
#include "kernels/device/mma.cuh"
#include "kernels/device/pair.cuh"
#include "kernels/device/reduce.cuh"

namespace sl {

constexpr double kLog2E = 1.4426950408889634;

// b batch, h query heads, g key heads, s queries, t keys of this run.
struct AttentionSizes {
  int b, h, g, s, t;
  SL_DEVICE int group() const { return h / max(g, 1); }  // heads that share a key head
};

// The optional operands, dense; a stride is 0 where a dimension is broadcast.
template <class How>
struct AttentionExtras {
  const typename How::BiasElement* bias;       // [b|1, h|1, s|1, t]
  int64_t bias_b, bias_h, bias_s;              // its strides
  const uint8_t* key_mask;                     // [b, t]
  const typename How::LengthElement* lengths;  // [b]
  const typename How::SlopeElement* slopes;    // [h]
};

template <class How, class Element>
SL_DEVICE void set_bias(AttentionExtras<How>& extras, const View<Element, 4>& bias) {
  extras.bias = bias.data;
  extras.bias_b = bias.size(0) == 1 ? 0 : bias.stride(0), extras.bias_h = bias.size(1) == 1 ? 0 : bias.stride(1);
  extras.bias_s = bias.size(2) == 1 ? 0 : bias.stride(2);
}

// Keys [begin, end).
struct Keys {
  int begin, end;
};

// Some keys of a block: bit i % 32 of word i / 32 stands for key i.
template <int kKeys>
struct KeySet {
  static constexpr int kWords = (kKeys + 31) / 32;
  uint32_t words[kWords];

  // Bits [begin, end) of a word, as far as it has them.
  SL_DEVICE static uint32_t bits(int begin, int end) { return shifted(max(begin, 0)) & ~shifted(max(end, 0)); }
  SL_DEVICE static uint32_t shifted(int count) {  // ~0u << count, 0 from 32 on
    uint32_t x;
    asm("shl.b32 %0, %1, %2;" : "=r"(x) : "r"(~0u), "r"(count));
    return x;
  }
  SL_DEVICE static KeySet of(Keys range) {
    KeySet set;
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      set.words[w] = bits(range.begin - 32 * w, range.end - 32 * w);
    }
    return set;
  }
  SL_DEVICE bool any() const {
    uint32_t some = 0;
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      some |= words[w];
    }
    return some != 0;
  }
  SL_DEVICE bool all() const {
    bool all = true;
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      all &= words[w] == bits(0, kKeys - 32 * w);
    }
    return all;
  }
  SL_DEVICE KeySet operator&(const KeySet& other) const {
    KeySet set;
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      set.words[w] = words[w] & other.words[w];
    }
    return set;
  }
  SL_DEVICE KeySet operator|(const KeySet& other) const {
    KeySet set;
#pragma unroll
    for (int w = 0; w < kWords; ++w) {
      set.words[w] = words[w] | other.words[w];
    }
    return set;
  }
};

// One row of the batch: positions count from its first key; its queries are the last s of its `count` keys.
template <class How>
struct Sequence {
  int count, first_query;  // position of query 0
  SL_DEVICE Sequence(int count, int first_query) : count(count), first_query(first_query) {}
  SL_DEVICE Sequence(const AttentionExtras<How>& extras, const AttentionSizes& sizes, int batch) {
    count = How::kLengths ? min(int(extras.lengths[batch]), sizes.t) : sizes.t;
    first_query = count - sizes.s;
  }
  // Keys that at least one of the queries at positions [q0, q1) sees: others are skipped.
  SL_DEVICE Keys any(int q0, int q1) const {
    return {How::kWindow ? max(0, q0 - How::kWindow + 1) : 0, How::kCausal ? max(0, min(count, q1)) : count};
  }
  // Keys that every one of them sees: these need no comparison.
  SL_DEVICE Keys all(int q0, int q1) const {
    return {How::kWindow ? max(0, q1 - How::kWindow) : 0, How::kCausal ? min(count, q0 + 1) : count};
  }
  // Keys that the query at this position sees.
  SL_DEVICE Keys of(int query) const {
    return {How::kWindow ? max(0, query - How::kWindow + 1) : 0, How::kCausal ? min(count, query + 1) : count};
  }
};

// The scores of one query of one head: number `index` of the s, at position `query`.
template <class How>
struct Score {
  // With addends logits are natural and slope turns them to base 2; else slope takes the scale too.
  static constexpr bool kAddends = How::kBias || How::kSlopes;
  static constexpr double kWideSlope = kLog2E * (kAddends ? 1.0 : How::kSoftcap > 0 ? How::kSoftcap : How::kScale);
  static constexpr float kSlope = float(kWideSlope);
  const typename How::BiasElement* bias;  // [t]
  const uint8_t* key_mask;                // [t]
  wide<typename How::SlopeElement> alibi;
  int query;

  SL_DEVICE Score(const AttentionExtras<How>& extras, const AttentionSizes& sizes, int batch, int head, int index,
                  int query)
      : bias(How::kBias ? extras.bias + batch * extras.bias_b + head * extras.bias_h + index * extras.bias_s : nullptr),
        key_mask(How::kKeyMask ? extras.key_mask + int64_t(batch) * sizes.t : nullptr),
        alibi(How::kSlopes ? widen(extras.slopes[head]) : 0),
        query(query) {}
  template <typename Real>
  SL_DEVICE static Real scaled(Real dot) {
    if constexpr (How::kSoftcap > 0) {
      const Real x = dot * Real(How::kScale / How::kSoftcap);
      return tanh_of<typename How::Element>(x) * Real(kAddends ? How::kSoftcap : 1.0);
    }
    return kAddends ? dot * Real(How::kScale) : dot;
  }
  // Bias and alibi of one of the sequence's keys.
  template <typename Real = float>
  SL_DEVICE Real addend(int key) const {
    Real x = 0;
    if constexpr (How::kBias) {
      x += Real(widen(bias[key]));
    }
    return x + alibi_of<Real>(key);
  }
  template <typename Real = float>
  SL_DEVICE Real alibi_of(int key) const {
    return How::kSlopes ? Real(alibi * (key - query)) : Real(0);
  }
  SL_DEVICE bool kept(int key) const { return !How::kKeyMask || key_mask[key] != 0; }
};

// What a query that sees no key gives: see nn.attention.
enum EmptyRows { kEmptyZero, kEmptyUniform, kEmptyScores, kEmptyEither };

// The operands as they lie, for rows that are rare enough to be computed slowly.
template <typename Element>
struct AttentionViews {
  const View<Element, 4>&q, &k, &v, &out;
};

// One warp: writes softmax over the keys [0, count) that `sees` holds for, times v; false, and nothing, if there are
// none. kScored false: every key weighs the same.
template <class How, bool kScored, typename Sees>
SL_DEVICE bool attend_row(const AttentionViews<typename How::Element>& views, const Score<How>& score, int group,
                          int batch, int head, int index, int count, const Sees& sees) {
  constexpr int kMost = 8;  // of 32 columns: heads are at most 256 wide
  const auto& [q, k, v, out] = views;
  const int lane = threadIdx.x % 32, key_head = head / group;
  const typename How::Element* query = q.data + batch * q.stride(0) + head * q.stride(1) + index * q.stride(2);
  const typename How::Element* keys = k.data + batch * k.stride(0) + key_head * k.stride(1);
  const typename How::Element* values = v.data + batch * v.stride(0) + key_head * v.stride(1);
  using Real = wide<typename How::Element>;
  constexpr Real kSlope = Real(Score<How>::kWideSlope);
  Real o[kMost] = {}, top = -infinity(), sum = 0;
  for (int key = 0; key < count; ++key) {
    if (!sees(key)) {
      continue;
    }
    Real logit = 0;
    if constexpr (kScored) {
      Real dot = 0;
      for (int d = lane; d < q.size(3); d += 32) {
        dot += widen(query[d * q.stride(3)]) * widen(keys[key * k.stride(2) + d * k.stride(3)]);
      }
      logit = Score<How>::scaled(reduce_lanes<1, 32>(dot, Sum())) + score.template addend<Real>(key);
    }
    const Real best = larger(top, logit), offset = best == -infinity() ? Real(0) : best;
    const Real shrink = exp2_of((top - offset) * kSlope), weight = exp2_of((logit - offset) * kSlope);
    top = best, sum = sum * shrink + weight;
#pragma unroll
    for (int c = 0; c < kMost; ++c) {
      const int column = lane + 32 * c;
      if (column < out.size(3)) {
        o[c] = o[c] * shrink + weight * widen(values[key * v.stride(2) + column * v.stride(3)]);
      }
    }
  }
  if (!(sum > 0)) {
    return false;
  }
#pragma unroll
  for (int c = 0; c < kMost; ++c) {
    const int column = lane + 32 * c;
    if (column < out.size(3)) {
      out.data[batch * out.stride(0) + head * out.stride(1) + index * out.stride(2) + column * out.stride(3)] =
          narrow<typename How::Element>(o[c] / sum);
    }
  }
  return true;
}

// One warp: the result of a query that sees no key, where that is not zero.
template <class How>
SL_DEVICE void attend_empty_row(const AttentionViews<typename How::Element>& views, const AttentionExtras<How>& extras,
                                const AttentionSizes& sizes, int batch, int head, int index) {
  const Sequence<How> sequence(extras, sizes, batch);
  const int query = sequence.first_query + index, group = sizes.group();
  const Score<How> score(extras, sizes, batch, head, index, query);
  const auto all = [](int) { return true; };
  if constexpr (How::kEmptyRows == kEmptyUniform) {
    attend_row<How, false>(views, score, group, batch, head, index, sizes.t, all);
  } else {
    const Keys keys = sequence.of(query);
    const auto either = [&](int key) { return (key >= keys.begin && key < keys.end) || score.kept(key); };
    if (How::kEmptyRows != kEmptyEither ||
        !attend_row<How, true>(views, score, group, batch, head, index, sequence.count, either)) {
      attend_row<How, true>(views, score, group, batch, head, index, sequence.count, all);
    }
  }
}

}  // namespace sl
