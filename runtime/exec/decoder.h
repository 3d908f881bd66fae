// Steps a decoder by the roles of its inputs and outputs: nobody names them.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder, Decoder::Create(*context, /*batch=*/1));
//   RETURN_IF_ERROR(decoder->Step(prompt_ids));             // prefill
//   decoder->Logits(0)                                      // [vocab], of the last position
//   RETURN_IF_ERROR(decoder->Step({&next, 1}));             // one more token; the caches stay where they are
//
// `positions` become length, length + 1 …; `mask` is all ones; `branch` says whether there is a past.  A model without
// states is fed the whole sequence every time.
#ifndef SLUICE_RUNTIME_EXEC_DECODER_H_
#define SLUICE_RUNTIME_EXEC_DECODER_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/status.h"
#include "runtime/exec/context.h"

namespace sluice::exec {

class Decoder {
 public:
  // kFailedPrecondition when the model is no decoder: no tokens input or logits output, or an input that only another
  // model can fill (an encoder–decoder).  The context must outlive the decoder; its states are reset.
  static absl::StatusOr<std::unique_ptr<Decoder>> Create(Context& context, int64_t batch);

  // Runs the model on `tokens` [batch, count], behind what went before.
  absl::Status Step(std::span<const int64_t> tokens);

  // On a GPU that chooses the most likely tokens itself, a step can feed them to the next one there, with no logits on
  // the way and the host one step behind:
  //
  //   RETURN_IF_ERROR(decoder->Queue(prompt_ids));
  //   while (…) {
  //     RETURN_IF_ERROR(decoder->Queue({}));                       // fed what the step before chose
  //     ASSIGN_OR_RETURN(auto tokens, decoder->Chosen());          // by that one, meanwhile
  bool chooses() const { return has_states_ && context_.chooses(); }
  // Runs the model on `tokens` as Step does, or, without any, on those that the step before chose.  Returns when that
  // is queued; at most two steps may be that are not asked for by Chosen.
  absl::Status Queue(std::span<const int64_t> tokens);
  // What the oldest of these steps chose, one a sequence, the lowest of equally likely ones (of nothing but NaN: 0).
  // Waits for it, and reports errors of all before it; valid until the next call.
  absl::StatusOr<std::span<const int64_t>> Chosen();
  int64_t queued() const { return queued_ - taken_; }

  struct Row {
    const void* data = nullptr;  // [size]
    DType dtype = DType::kUndefined;
    int64_t size = 0;
  };
  // Logits of sequence `b` at its last position, after Step; valid until the next step.
  Row Logits(int64_t b) const;

  int64_t length() const { return length_; }  // positions so far
  // Forgets all positions from `length` on.
  absl::Status Truncate(int64_t length);

 private:
  Decoder(Context& context, int64_t batch) : context_(context), batch_(batch) {}
  absl::Status FindRoles();
  absl::Status FillAll(std::span<const int64_t> tokens, int64_t count);
  absl::Status Fill(size_t input, int64_t fed, int64_t past);
  void GrowInputs();

  static constexpr int64_t kQueued = 2;

  Context& context_;
  int64_t batch_;
  int64_t length_ = 0;
  int64_t capacity_ = 0;  // positions that bytes_ have room for
  bool has_states_ = false;
  size_t logits_ = 0;
  std::vector<int64_t> history_;             // [length, batch], of a model without states
  std::vector<int64_t> fed_tokens_;          // [batch, count]
  std::vector<std::vector<uint8_t>> bytes_;  // one an input
  std::vector<kernels::Tensor> inputs_;
  std::vector<RunOutput> outputs_;
  std::vector<int64_t> kept_;       // one an input: InputFacts
  std::vector<int64_t> ahead_;      // likewise
  std::vector<uint8_t> on_device_;  // likewise, of a step that is fed there
  size_t tokens_ = 0;               // input
  // What steps chose, by turns; how many were queued, and asked for.
  std::deque<PinnedTokens> chosen_;
  std::vector<int64_t> taken_tokens_;
  int64_t queued_ = 0, taken_ = 0;
  bool chose_ = false;  // the last step was queued
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_DECODER_H_
