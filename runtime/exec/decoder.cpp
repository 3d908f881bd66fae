#include "runtime/exec/decoder.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>

#include "runtime/base/half.h"
#include "runtime/exec/copy.h"

namespace sluice::exec {
namespace {

using kernels::Tensor;

// Writes value(i) as element i of type `dtype`, from `begin` on; false for a type that no such input has.
template <typename Value>
bool Write(DType dtype, uint8_t* data, int64_t begin, int64_t n, Value value) {
  const auto as = [&]<typename T>(T) {
    for (int64_t i = begin; i < n; ++i) {
      reinterpret_cast<T*>(data)[i] = static_cast<T>(value(i));
    }
    return true;
  };
  switch (dtype) {
    case DType::kI64:
      return as(int64_t{});
    case DType::kI32:
      return as(int32_t{});
    case DType::kF32:
      return as(float{});
    case DType::kBool:
    case DType::kU8:
      return as(uint8_t{});
    case DType::kF16:
      for (int64_t i = begin; i < n; ++i) {
        reinterpret_cast<uint16_t*>(data)[i] = F32ToF16(static_cast<float>(value(i)));
      }
      return true;
    default:
      return false;
  }
}

enum class Role { kTokens, kPositions, kMask, kBranch, kOther };

Role RoleOf(const PortDesc& port) {
  return port.role == "tokens"      ? Role::kTokens
         : port.role == "positions" ? Role::kPositions
         : port.role == "mask"      ? Role::kMask
         : port.role == "branch"    ? Role::kBranch
                                    : Role::kOther;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Decoder>> Decoder::Create(Context& context, int64_t batch) {
  std::unique_ptr<Decoder> decoder(new Decoder(context, batch));
  RETURN_IF_ERROR(decoder->FindRoles());
  context.ResetStates();
  return decoder;
}

absl::Status Decoder::FindRoles() {
  const Model& model = context_.model();
  const std::string& where = model.artifact().where();
  has_states_ = !model.program().states.empty();
  bytes_.resize(model.inputs().size());
  inputs_.resize(model.inputs().size());
  kept_.resize(model.inputs().size(), 0);
  ahead_.resize(model.inputs().size(), 0);
  outputs_.resize(model.outputs().size());
  bool tokens = false;
  for (size_t i = 0; i < model.inputs().size(); ++i) {
    if (RoleOf(model.inputs()[i]) == Role::kTokens) {
      tokens = true;
      tokens_ = i;
    }
  }
  const auto logits = std::find_if(model.outputs().begin(), model.outputs().end(),
                                   [](const PortDesc& port) { return port.role == "logits"; });
  if (!tokens || logits == model.outputs().end()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "%s: the model does not generate text: no %s (sluice-dump --roles shows what the compiler found)", where,
        !tokens ? "input has the role 'tokens'" : "output has the role 'logits'"));
  }
  for (const PortDesc& port : model.inputs()) {
    if (port.state < 0 && RoleOf(port) == Role::kOther) {
      return absl::FailedPreconditionError(
          absl::StrFormat("%s: input '%s' has no role that generation could fill (a decoder that needs an encoder, or "
                          "a past that is no "
                          "state, runs with --input only)",
                          where, port.name));
    }
    if (port.state >= 0 && model.program().states[port.state].output < 0) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "%s: input '%s' is a cache that another model fills (run it with --input)", where, port.name));
    }
  }
  logits_ = static_cast<size_t>(logits - model.outputs().begin());
  for (size_t i = 0; i < outputs_.size(); ++i) {
    outputs_[i].wanted = outputs_[i].last = i == logits_;
  }
  return absl::OkStatus();
}

absl::Status Decoder::Fill(size_t input, int64_t fed, int64_t past) {
  const PortDesc& port = context_.model().inputs()[input];
  Tensor& t = inputs_[input];
  const Role role = RoleOf(port);
  if (role == Role::kOther) {
    t = Tensor{};
    return absl::OkStatus();
  }
  const int64_t width = role == Role::kMask ? past + fed : fed;
  t.dtype = port.dtype;
  t.rank = static_cast<int>(port.sizes.size());
  std::fill_n(t.sizes.begin(), t.rank, 1);
  if (role != Role::kBranch) {
    if (t.rank < 1 || t.rank > 2 || (t.rank == 1 && batch_ != 1 && role != Role::kPositions)) {
      return absl::FailedPreconditionError(absl::StrFormat("input '%s': generation does not know how to fill %s %s",
                                                           port.name, port.role,
                                                           context_.model().program().SizesText(port.sizes)));
    }
    t.sizes[t.rank - 1] = width;
    t.sizes[0] = t.rank == 2 ? batch_ : width;
  }
  SetDenseStrides(t);
  // A mask is all ones: those of steps before stay, and those of steps to come, as far as the caches have room, go with
  // them.
  const bool ones = role == Role::kMask;
  const int64_t n = ones ? std::max(t.elements(), batch_ * capacity_) : t.elements();
  const int64_t begin = ones ? static_cast<int64_t>(bytes_[input].size()) * 8 / BitWidth(port.dtype) : 0;
  kept_[input] = ByteSize(port.dtype, begin);
  ahead_[input] = ByteSize(port.dtype, n) - ByteSize(port.dtype, t.elements());
  bytes_[input].resize(static_cast<size_t>(ByteSize(port.dtype, n)));
  t.data = bytes_[input].data();
  const bool written = Write(port.dtype, bytes_[input].data(), begin, n, [&](int64_t i) -> int64_t {
    switch (role) {
      case Role::kTokens:
        return fed_tokens_[i];
      case Role::kPositions:
        return past + i % fed;
      case Role::kBranch:
        return past > 0;
      default:
        return 1;
    }
  });
  return written ? absl::OkStatus()
                 : absl::FailedPreconditionError(
                       absl::StrFormat("input '%s': role %s of type %s", port.name, port.role, Name(port.dtype)));
}

// Inputs for a run on `count` tokens a sequence.  Without `tokens` they are on the GPU already.
absl::Status Decoder::FillAll(std::span<const int64_t> tokens, int64_t count) {
  int64_t past = length_;
  int64_t fed = count;
  fed_tokens_.assign(tokens.begin(), tokens.end());
  if (!has_states_) {
    history_.resize(static_cast<size_t>(length_ * batch_));
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t b = 0; b < batch_; ++b) {
        history_.push_back(tokens[b * count + i]);
      }
    }
    past = 0;
    fed = length_ + count;
    fed_tokens_.resize(history_.size());
    for (int64_t b = 0; b < batch_; ++b) {
      for (int64_t i = 0; i < fed; ++i) {
        fed_tokens_[b * fed + i] = history_[i * batch_ + b];
      }
    }
  }
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (i != tokens_ || !tokens.empty()) {
      RETURN_IF_ERROR(Fill(i, fed, past));
    }
  }
  return absl::OkStatus();
}

absl::Status Decoder::Step(std::span<const int64_t> tokens) {
  if (tokens.empty() || static_cast<int64_t>(tokens.size()) % batch_ != 0) {
    return absl::InvalidArgumentError("tokens: none given, or not the same number for each sequence");
  }
  const int64_t count = static_cast<int64_t>(tokens.size()) / batch_;
  RETURN_IF_ERROR(FillAll(tokens, count));
  outputs_[logits_].wanted = true;
  chose_ = false;
  RETURN_IF_ERROR(context_.Run(inputs_, outputs_, {.kept = kept_, .ahead = ahead_}));
  const Tensor& logits = outputs_[logits_].tensor;
  if (logits.rank < 2 || logits.elements() == 0 || logits.sizes[0] != batch_) {
    return absl::FailedPreconditionError("output '" + context_.model().outputs()[logits_].name +
                                         "': no logits of [batch, …, vocabulary]");
  }
  length_ += count;
  GrowInputs();
  return absl::OkStatus();
}

absl::Status Decoder::Queue(std::span<const int64_t> tokens) {
  if (!chooses() || queued() >= kQueued || static_cast<int64_t>(tokens.size()) % batch_ != 0 ||
      (tokens.empty() && !chose_)) {
    return absl::FailedPreconditionError(
        "tokens: none given or chosen before, not the same number for each sequence, or no room to choose more");
  }
  const int64_t count = tokens.empty() ? 1 : static_cast<int64_t>(tokens.size()) / batch_;
  on_device_.assign(inputs_.size(), 0);
  if (tokens.empty()) {
    ASSIGN_OR_RETURN(inputs_[tokens_], context_.Chosen());
    on_device_[tokens_] = 1;
  }
  RETURN_IF_ERROR(FillAll(tokens, count));
  outputs_[logits_].wanted = false;
  RETURN_IF_ERROR(context_.Queue(inputs_, outputs_, {.on_device = on_device_, .kept = kept_, .ahead = ahead_}));
  if (static_cast<int64_t>(chosen_.size()) < kQueued) {
    chosen_.emplace_back(context_.model().device()->device());
  }
  RETURN_IF_ERROR(context_.CopyChosen(chosen_[queued_ % kQueued]));
  ++queued_;
  chose_ = true;
  length_ += count;
  GrowInputs();
  return absl::OkStatus();
}

absl::StatusOr<std::span<const int64_t>> Decoder::Chosen() {
  if (queued() == 0) {
    return absl::FailedPreconditionError("tokens: no step is queued that chooses any");
  }
  RETURN_IF_ERROR(chosen_[taken_ % kQueued].Read(taken_tokens_));
  ++taken_;
  return taken_tokens_;
}

// Inputs get room for all positions that the caches have: a step allocates nothing but where those grow.
void Decoder::GrowInputs() {
  if (context_.state_capacity() <= capacity_) {
    return;
  }
  capacity_ = context_.state_capacity();
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (RoleOf(context_.model().inputs()[i]) != Role::kOther) {
      bytes_[i].reserve(static_cast<size_t>(ByteSize(inputs_[i].dtype, batch_ * capacity_)));
    }
  }
}

Decoder::Row Decoder::Logits(int64_t b) const {
  const Tensor& logits = outputs_[logits_].tensor;
  const int64_t vocab = logits.size(-1);
  const int64_t rows = logits.elements() / batch_ / vocab;  // positions of one sequence
  const int64_t at = (b * rows + rows - 1) * vocab;
  return {logits.as<uint8_t>() + at * (BitWidth(logits.dtype) / 8), logits.dtype, vocab};
}

absl::Status Decoder::Truncate(int64_t length) {
  if (length < 0 || length > length_) {
    return absl::OutOfRangeError(absl::StrFormat("cannot keep %d positions of %d", length, length_));
  }
  if (has_states_) {
    RETURN_IF_ERROR(context_.TruncateStates(length));
  }
  length_ = length;
  return absl::OkStatus();
}

}  // namespace sluice::exec
