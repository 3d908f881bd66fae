// encode_lines TOKENIZER_DIR LINES.json: for each string of the array one output line, a JSON object with its ids
// without and with special tokens, and the ids decoded with and without them.  check_live.py compares it with Hugging
// Face's library.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "runtime/text/json.h"
#include "runtime/text/tokenizer.h"

namespace {

absl::Status Run(const char* dir, const char* file) {
  using nlohmann::json;
  ASSIGN_OR_RETURN(sluice::text::Tokenizer tokenizer, sluice::text::Tokenizer::Load(dir));
  ASSIGN_OR_RETURN(sluice::text::JsonDocument doc, sluice::text::JsonDocument::Read(file));
  ASSIGN_OR_RETURN(std::vector<sluice::text::JsonField> lines, doc.root().Elements());
  for (const sluice::text::JsonField& line : lines) {
    json out;
    const absl::string_view text = line.value().text();
    absl::StatusOr<std::vector<int32_t>> plain = tokenizer.Encode(text, false), special = tokenizer.Encode(text, true);
    if (!plain.ok()) {
      out["error"] = std::string(plain.status().message());
    } else {
      ASSIGN_OR_RETURN(std::string all, tokenizer.Decode(*special, false));
      ASSIGN_OR_RETURN(std::string skipped, tokenizer.Decode(*special, true));
      out = {{"plain", *plain}, {"special", *special}, {"all", all}, {"skipped", skipped}};
    }
    std::printf("%s\n", out.dump(-1, ' ', true).c_str());
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status =
      argc == 3 ? Run(argv[1], argv[2]) : absl::InvalidArgumentError("usage: encode_lines DIR LINES.json");
  if (!status.ok()) {
    std::fprintf(stderr, "encode_lines: error: %s\n", std::string(status.message()).c_str());
  }
  return status.ok() ? 0 : 1;
}
