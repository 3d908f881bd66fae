// What one launch of nn.attention computes: attributes, operands and their sizes, and how its rows are cut into tasks.
#ifndef SLUICE_KERNELS_ATTENTION_ATTENTION_PROBLEM_H_
#define SLUICE_KERNELS_ATTENTION_ATTENTION_PROBLEM_H_

#include <algorithm>
#include <cstdint>

#include "kernels/attention/attention_ops.h"
#include "kernels/desc.h"

namespace sluice::kernels {

// What a row that sees no key gives: see nn.attention.
enum class EmptyRows { kZero, kUniform, kScores, kEither };

struct AttentionConfig : Config {
  float scale = 1;
  float softcap = 0;
  bool causal = false;
  int64_t window = 0;  // 0: none; only with causal
  EmptyRows empty_rows = EmptyRows::kZero;
};

inline constexpr int64_t kMaxTaskRows = 64;    // query rows that share one pass over the keys
inline constexpr int64_t kSplitKeys = 256;     // keys of a split: four chunks
inline constexpr int64_t kMaxSplitRows = 256;  // rows of a launch up to which its splits may run apart

// b batch, h query heads, g key heads, s queries, t keys, d width of q and k, e width of v.
struct AttentionProblem {
  AttentionProblem(const AttentionConfig& config, std::span<const Tensor> ins, std::span<const Tensor> outs)
      : config(config), q(ins[0]), k(ins[1]), v(ins[2]), out(outs[0]) {
    const auto optional = [&](size_t i) { return i < ins.size() && ins[i].present() ? &ins[i] : nullptr; };
    bias = optional(3);
    key_mask = optional(4);
    lengths = optional(5);
    slopes = optional(6);
    b = q.size(0), h = q.size(1), s = q.size(2), d = q.size(3);
    g = k.size(1), t = k.size(2), e = v.size(3);
    e16 = (e + 15) / 16 * 16;
  }

  // Valid keys of batch row `row`; query i sits at key position Valid(row) - s + i.
  int64_t Valid(int64_t row) const { return lengths != nullptr ? lengths->as<int64_t>()[row * lengths->stride(0)] : t; }

  const AttentionConfig& config;
  const Tensor& q;
  const Tensor& k;
  const Tensor& v;
  const Tensor& out;
  const Tensor* bias;
  const Tensor* key_mask;
  const Tensor* lengths;
  const Tensor* slopes;
  int64_t b, h, g, s, t, d, e;
  int64_t e16;  // e rounded up to whole tiles
};

// Rows that share a pass over keys: `heads` query heads of one key head times `queries` queries, at most kMaxTaskRows.
// How rows are cut changes no result, so it may depend on the number of threads.
struct AttentionTasks {
  AttentionTasks(const AttentionProblem& p, int threads) {
    const int64_t group = p.h / std::max<int64_t>(1, p.g);
    heads = std::clamp<int64_t>(group, 1, kMaxTaskRows);
    head_blocks = (group + heads - 1) / heads;
    queries = std::clamp<int64_t>(kMaxTaskRows / heads, 1, std::max<int64_t>(1, p.s));
    while (queries > 8 && Count(p) < 4 * threads) {
      queries = (queries + 1) / 2;
    }
    query_blocks = (p.s + queries - 1) / queries;
    count = p.b * p.g * head_blocks * query_blocks;
    splits = (p.t + kSplitKeys - 1) / kSplitKeys;
    apart = splits > 1 && count < 4 * threads && p.b * p.h * p.s <= kMaxSplitRows;
  }

  int64_t heads, head_blocks, queries, query_blocks, count;
  int64_t splits;
  bool apart;  // every split of a task is a unit of its own, combined afterwards

 private:
  int64_t Count(const AttentionProblem& p) const { return p.b * p.g * head_blocks * ((p.s + queries - 1) / queries); }
};

// f64: plain loops, one row at a time.
void AttentionPlain(const AttentionProblem& problem, ThreadPool* pool);
// What a row that sees no key gives, into row (batch, head, query) of out.
void EmptyRow(const AttentionProblem& problem, int64_t batch, int64_t head, int64_t query);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_ATTENTION_ATTENTION_PROBLEM_H_
