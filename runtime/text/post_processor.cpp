#include "runtime/text/post_processor.h"

#include <algorithm>
#include <limits>

namespace sluice::text {
namespace {

absl::StatusOr<int32_t> TokenId(const JsonField& field) {
  ASSIGN_OR_RETURN(int64_t id, field.Integer());
  if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
    return field.Error(absl::StrCat(id, " is no token id"));
  }
  return static_cast<int32_t>(id);
}

}  // namespace

absl::StatusOr<PostProcessor> PostProcessor::Make(const JsonField& field) {
  PostProcessor processor;
  if (field.present()) {
    RETURN_IF_ERROR(processor.Add(field));
  }
  return processor;
}

absl::Status PostProcessor::Add(const JsonField& field) {
  ASSIGN_OR_RETURN(std::string type, field.StringAt("type"));
  if (type == "TemplateProcessing") {
    return AddTemplate(field);
  }
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return AddPair(field);
  }
  if (type == "ByteLevel") {  // only trims offsets, which nobody asks for
    return absl::OkStatus();
  }
  if (type == "Sequence") {
    ASSIGN_OR_RETURN(JsonField list, field.At("processors"));
    ASSIGN_OR_RETURN(std::vector<JsonField> elements, list.Elements());
    for (const JsonField& element : elements) {
      RETURN_IF_ERROR(Add(element));
    }
    return absl::OkStatus();
  }
  return field.Find("type").Unknown(absl::StrCat("\"", type, "\" is no post-processor this build knows"));
}

absl::Status PostProcessor::AddPair(const JsonField& field) {
  std::vector<int32_t> step;
  for (const char* key : {"cls", "sep"}) {
    ASSIGN_OR_RETURN(JsonField pair, field.At(key));
    ASSIGN_OR_RETURN(std::vector<JsonField> elements, pair.Elements());
    if (elements.size() != 2) {
      return pair.Error("expected a token and its id");
    }
    ASSIGN_OR_RETURN(int32_t id, TokenId(elements[1]));
    step.push_back(id);
  }
  steps_.push_back({step[0], kText, step[1]});
  return absl::OkStatus();
}

// "single": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, …]
absl::Status PostProcessor::AddTemplate(const JsonField& field) {
  ASSIGN_OR_RETURN(JsonField single, field.At("single"));
  ASSIGN_OR_RETURN(std::vector<JsonField> pieces, single.Elements());
  const JsonField specials = field.Find("special_tokens");
  std::vector<int32_t> step;
  for (const JsonField& piece : pieces) {
    if (const JsonField sequence = piece.Find("Sequence"); sequence.present()) {
      ASSIGN_OR_RETURN(std::string name, sequence.StringAt("id"));
      if (name != "A") {
        return sequence.Error(absl::StrCat("\"", name, "\" in a template for one text"));
      }
      step.push_back(kText);
      continue;
    }
    ASSIGN_OR_RETURN(JsonField special, piece.At("SpecialToken"));
    ASSIGN_OR_RETURN(std::string name, special.StringAt("id"));
    ASSIGN_OR_RETURN(JsonField token, specials.At(name));
    ASSIGN_OR_RETURN(JsonField ids, token.At("ids"));
    ASSIGN_OR_RETURN(std::vector<JsonField> elements, ids.Elements());
    for (const JsonField& element : elements) {
      ASSIGN_OR_RETURN(int32_t id, TokenId(element));
      step.push_back(id);
    }
  }
  steps_.push_back(std::move(step));
  return absl::OkStatus();
}

std::vector<int32_t> PostProcessor::Apply(const std::vector<int32_t>& text, bool add_special_tokens) const {
  std::vector<int32_t> ids = text;
  for (const std::vector<int32_t>& step : steps_) {
    std::vector<int32_t> next;
    next.reserve(ids.size() + step.size());
    for (int32_t id : step) {
      if (id == kText) {
        next.insert(next.end(), ids.begin(), ids.end());
      } else if (add_special_tokens) {
        next.push_back(id);
      }
    }
    ids = std::move(next);
  }
  return ids;
}

int64_t PostProcessor::added() const {
  int64_t n = 0;
  for (const std::vector<int32_t>& step : steps_) {
    n += std::count_if(step.begin(), step.end(), [](int32_t id) { return id != kText; });
  }
  return n;
}

}  // namespace sluice::text
