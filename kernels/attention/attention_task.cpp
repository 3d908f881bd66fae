#include "kernels/attention/attention_task.h"

#include <cstring>
#include <limits>

#include "kernels/gemm/gemm_driver.h"

namespace sluice::kernels {
namespace {

constexpr float kMinusInf = -std::numeric_limits<float>::infinity();

const uint8_t* At(const Tensor& t, int64_t element) { return t.as<uint8_t>() + element * (BitWidth(t.dtype) / 8); }

}  // namespace

int64_t AttentionTask::Workspace(int64_t d, int64_t e16) {
  const int64_t floats =
      kMaxTaskRows * d + kKeyChunk * d * 2 + kKeyChunk * e16 + kMaxTaskRows * kKeyChunk + 2 * kKeyChunk;
  return AlignUp(floats * 4);
}

AttentionTask::AttentionTask(const AttentionProblem& p, const AttentionTasks& tasks, int64_t index, void* workspace)
    : p_(p), ops_(Attention()), gemm_(Gemm()) {
  const int64_t query_block = index % tasks.query_blocks;
  index /= tasks.query_blocks;
  const int64_t head_block = index % tasks.head_blocks;
  index /= tasks.head_blocks;
  key_head_ = index % p.g;
  batch_ = index / p.g;
  const int64_t group = p.h / p.g;
  head_ = key_head_ * group + head_block * tasks.heads;
  heads_ = std::min(tasks.heads, group - head_block * tasks.heads);
  query_ = query_block * tasks.queries;
  queries_ = std::min(tasks.queries, p.s - query_);
  first_row_ = (batch_ * p.h + head_) * p.s + heads_ * query_;

  valid_ = p.Valid(batch_);
  const int64_t first_position = valid_ - p.s + query_;
  first_key_ = 0;
  end_key_ = valid_;
  if (p.config.causal) {
    end_key_ = std::min(valid_, first_position + queries_);
    if (p.config.window > 0) {
      first_key_ = std::max<int64_t>(0, first_position - p.config.window + 1);
    }
  }
  key_rows_ = p.k.stride(3) == 1 || p.d == 1;

  q_ = static_cast<float*>(workspace);
  k_ = q_ + kMaxTaskRows * p.d;
  v_ = k_ + kKeyChunk * p.d;
  scores_ = v_ + kKeyChunk * p.e16;
  gather_ = scores_ + kMaxTaskRows * kKeyChunk;
  visible_ = gather_ + kKeyChunk * p.d;
  bias_ = visible_ + kKeyChunk;
}

void AttentionTask::Prepare() {
  const Panels panels(rows(), gemm_.tile_rows);
  for (int64_t panel = 0; panel < panels.count; ++panel) {
    const int64_t begin = panels.Begin(panel);
    const int size = panels.Size(panel);
    float* to = q_ + begin * p_.d;
    for (int r = 0; r < size; ++r) {
      const int64_t row = begin + r;
      const int64_t at = batch_ * p_.q.stride(0) + Head(row) * p_.q.stride(1) + Query(row) * p_.q.stride(2);
      ToF32(At(p_.q, at), p_.q.dtype, p_.q.stride(3), p_.d, gather_);
      for (int64_t i = 0; i < p_.d; ++i) {
        to[i * size + r] = gather_[i];
      }
    }
  }
}

void AttentionTask::Clear(RowStates states, int64_t rows, int64_t e16) {
  std::fill(states.max, states.max + rows, kMinusInf);
  std::fill(states.sum, states.sum + rows, 0.0f);
  std::fill(states.x, states.x + rows * e16, 0.0f);
}

void AttentionTask::Split(int64_t split, RowStates states) {
  Clear(states, rows(), p_.e16);
  const int64_t end = std::min(end_key_, (split + 1) * kSplitKeys);
  // Chunks begin at multiples of kKeyChunk, wherever the first visible key is.
  for (int64_t key = std::max(split * kSplitKeys, first_key_ / kKeyChunk * kKeyChunk); key < end; key += kKeyChunk) {
    Chunk(key, std::min(kKeyChunk, end - key), states);
  }
}

void AttentionTask::PackK(int64_t key, int64_t n) {
  const int64_t at = batch_ * p_.k.stride(0) + key_head_ * p_.k.stride(1) + key * p_.k.stride(2);
  if (key_rows_) {
    ops_.pack_keys(WTypeOf(p_.k.dtype), At(p_.k, at), p_.k.stride(2), n, p_.d, k_);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    ToF32(At(p_.k, at + i * p_.k.stride(2)), p_.k.dtype, p_.k.stride(3), p_.d, gather_ + i * p_.d);
  }
  ops_.pack_keys(WType::kF32, gather_, p_.d, n, p_.d, k_);
}

// v in place when it already is rows of whole f32 tiles, else a copy of the chunk that is.
void AttentionTask::PackV(int64_t key, int64_t n, TileArgs* args) {
  const int64_t at = batch_ * p_.v.stride(0) + key_head_ * p_.v.stride(1) + key * p_.v.stride(2);
  args->w_tile = kTile;
  if (p_.v.dtype == DType::kF32 && p_.v.stride(3) == 1 && p_.e == p_.e16) {
    args->w = At(p_.v, at);
    args->w_k = p_.v.stride(2);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    float* to = v_ + i * p_.e16;
    ToF32(At(p_.v, at + i * p_.v.stride(2)), p_.v.dtype, p_.v.stride(3), p_.e, to);
    std::fill(to + p_.e, to + p_.e16, 0.0f);
  }
  args->w = v_;
  args->w_k = p_.e16;
}

void AttentionTask::PackVisible(int64_t key, int64_t n) {
  const Tensor& mask = *p_.key_mask;
  const uint8_t* from = mask.as<uint8_t>() + batch_ * mask.stride(0) + key * mask.stride(1);
  for (int64_t i = 0; i < n; ++i) {
    visible_[i] = from[i * mask.stride(1)] != 0 ? 1.0f : 0.0f;
  }
}

const float* AttentionTask::Bias(int64_t row, int64_t key, int64_t n) {
  const Tensor& bias = *p_.bias;
  const int64_t index[4] = {batch_, Head(row), Query(row), key};
  int64_t at = 0;
  for (int d = 0; d < 4; ++d) {
    at += bias.size(d) == 1 ? 0 : index[d] * bias.stride(d);
  }
  const int64_t stride = bias.size(3) == 1 ? 0 : bias.stride(3);
  if (bias.dtype == DType::kF32 && stride == 1) {
    return bias.as<float>() + at;
  }
  ToF32(At(bias, at), bias.dtype, stride, n, bias_);
  return bias_;
}

// Keys [key, key + n): scores of every row, softmax step, then the values.
void AttentionTask::Chunk(int64_t key, int64_t n, RowStates states) {
  PackK(key, n);
  if (p_.key_mask != nullptr) {
    PackVisible(key, n);
  }
  const Panels panels(rows(), gemm_.tile_rows);
  const int tiles = static_cast<int>((n + kTile - 1) / kTile);
  TileArgs qk{.x = nullptr,
              .w = k_,
              .w_tile = p_.d * kTile,
              .w_k = kTile,
              .k = p_.d,
              .out = nullptr,
              .out_row = kKeyChunk,
              .cols = tiles * kTile};
  for (int64_t panel = 0; panel < panels.count; ++panel) {
    qk.x = q_ + panels.Begin(panel) * p_.d;
    qk.out = scores_ + panels.Begin(panel) * kKeyChunk;
    gemm_.tile(WType::kF32, panels.Size(panel), tiles, qk);
  }

  SoftmaxRow step{.scale = p_.config.scale, .softcap = p_.config.softcap};
  step.visible = p_.key_mask != nullptr ? visible_ : nullptr;
  for (int64_t row = 0; row < rows(); ++row) {
    const int64_t position = Position(row);
    step.scores = scores_ + row * kKeyChunk;
    step.bias = p_.bias != nullptr ? Bias(row, key, n) : nullptr;
    step.slope = p_.slopes != nullptr ? p_.slopes->as<float>()[Head(row) * p_.slopes->stride(0)] : 0;
    step.distance = static_cast<float>(key - position);
    step.begin = 0;
    step.end = n;
    if (p_.config.causal) {
      step.end = std::clamp<int64_t>(position + 1 - key, 0, n);
      step.begin = p_.config.window > 0 ? std::clamp<int64_t>(position - p_.config.window + 1 - key, 0, n) : 0;
    }
    step.max = states.max + row;
    step.sum = states.sum + row;
    const float factor = ops_.softmax(step);
    if (factor != 1.0f) {
      ops_.scale(states.x + row * p_.e16, factor, p_.e16);
    }
  }

  TileArgs pv{};
  PackV(key, n, &pv);
  pv.k = n;
  pv.out_row = p_.e16;
  pv.cols = p_.e16;
  pv.accumulate = true;
  for (int64_t panel = 0; panel < panels.count && p_.e > 0; ++panel) {
    pv.x = scores_ + panels.Begin(panel) * kKeyChunk;
    pv.out = states.x + panels.Begin(panel) * p_.e16;
    gemm_.rows_tile(panels.Size(panel), static_cast<int>(p_.e16 / kTile), pv);
  }
}

void AttentionTask::Merge(RowStates states, RowStates split) const {
  for (int64_t row = 0; row < rows(); ++row) {
    ops_.merge(states.max + row, states.sum + row, states.x + row * p_.e16, split.max[row], split.sum[row],
               split.x + row * p_.e16, p_.e16);
  }
}

void AttentionTask::Write(RowStates states) const {
  for (int64_t row = 0; row < rows(); ++row) {
    if (states.max[row] == kMinusInf) {
      EmptyRow(p_, batch_, Head(row), Query(row));
      continue;
    }
    float* x = states.x + row * p_.e16;
    for (int64_t i = 0; i < p_.e; ++i) {
      x[i] /= states.sum[row];
    }
    const Tensor& out = p_.out;
    const int64_t at = batch_ * out.stride(0) + Head(row) * out.stride(1) + Query(row) * out.stride(2);
    if (out.stride(3) == 1) {
      FromF32(x, p_.e, out.dtype, out.data, at);
    } else {
      for (int64_t i = 0; i < p_.e; ++i) {
        FromF32(x + i, 1, out.dtype, out.data, at + i * out.stride(3));
      }
    }
  }
}

}  // namespace sluice::kernels
