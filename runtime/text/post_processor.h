// tokenizer.json's "post_processor": the special tokens around a text, [CLS] … [SEP].
#ifndef SLUICE_RUNTIME_TEXT_POST_PROCESSOR_H_
#define SLUICE_RUNTIME_TEXT_POST_PROCESSOR_H_

#include <vector>

#include "runtime/text/json.h"

namespace sluice::text {

// What all post-processors come down to for a single text: ids before it and behind it (and, in an odd template, the
// text more than once).
class PostProcessor {
 public:
  // Nothing is added for a field that is null or missing.  Errors name the field.
  static absl::StatusOr<PostProcessor> Make(const JsonField& field);

  std::vector<int32_t> Apply(const std::vector<int32_t>& text, bool add_special_tokens) const;
  // How many special tokens Apply adds.
  int64_t added() const;

 private:
  absl::Status Add(const JsonField& field);
  absl::Status AddTemplate(const JsonField& field);
  absl::Status AddPair(const JsonField& field);  // "cls" before, "sep" behind

  static constexpr int32_t kText = -1;
  std::vector<std::vector<int32_t>> steps_;  // each a template of ids and kText, applied one after the other
};

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_POST_PROCESSOR_H_
