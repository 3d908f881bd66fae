// tokenizer.json's "decoder": token strings back to text.  A decoder maps a list of strings to a list of strings; the
// text is the last list joined.
//
//   ByteLevel: {"Hello", "Ġworld"} → {"Hello world"}
#ifndef SLUICE_RUNTIME_TEXT_DECODER_H_
#define SLUICE_RUNTIME_TEXT_DECODER_H_

#include <memory>
#include <string>
#include <vector>

#include "runtime/text/json.h"

namespace sluice::text {

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual absl::Status Apply(std::vector<std::string>* tokens) const = 0;
};

// Null for a field that is null or missing.  Errors name the field; an unknown "type" is kUnimplemented.
absl::StatusOr<std::unique_ptr<Decoder>> MakeDecoder(const JsonField& field);

}  // namespace sluice::text

#endif  // SLUICE_RUNTIME_TEXT_DECODER_H_
