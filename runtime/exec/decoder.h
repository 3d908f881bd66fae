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

  struct Row {
    const void* data = nullptr;  // [size]
    DType dtype = DType::kUndefined;
    int64_t size = 0;
  };
  // Logits of sequence `b` at its last position; valid until the next step.
  Row Logits(int64_t b) const;

  int64_t length() const { return length_; }  // positions so far
  // Forgets all positions from `length` on.
  absl::Status Truncate(int64_t length);

 private:
  Decoder(Context& context, int64_t batch) : context_(context), batch_(batch) {}
  absl::Status FindRoles();
  absl::Status Fill(size_t input, int64_t fed, int64_t past);
  void GrowInputs();

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
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_DECODER_H_
