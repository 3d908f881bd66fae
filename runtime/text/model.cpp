#include "runtime/text/model.h"

#include <limits>

namespace sluice::text {
namespace {

// A file's ids are not trusted to be dense: 4 Mi entries are far beyond any vocabulary.
constexpr int64_t kMaxId = int64_t{1} << 22;

// A decimal number as serde_json (the library's JSON reader) rounds it: 19 digits as an integer, then one
// multiplication or division by a power of ten.  Off by one bit from the nearest double now and then, and Unigram's
// choice between equal paths hangs on those bits.
double SerdeDouble(absl::string_view spelling) {
  size_t i = 0;
  const bool negative = spelling[0] == '-';
  i += negative ? 1 : 0;
  uint64_t significand = 0;
  int64_t exponent = 0;
  bool full = false, fraction = false;
  for (; i < spelling.size() && spelling[i] != 'e' && spelling[i] != 'E'; ++i) {
    if (spelling[i] == '.') {
      fraction = true;
      continue;
    }
    const uint64_t digit = static_cast<uint64_t>(spelling[i] - '0');
    const uint64_t max = std::numeric_limits<uint64_t>::max();
    full = full || significand > max / 10 || (significand == max / 10 && digit > max % 10);
    if (!full) {
      significand = significand * 10 + digit;
      exponent -= fraction ? 1 : 0;
    } else {
      exponent += fraction ? 0 : 1;
    }
  }
  if (i < spelling.size()) {
    int64_t written = 0;
    const bool down = i + 1 < spelling.size() && spelling[i + 1] == '-';
    for (++i; i < spelling.size(); ++i) {
      if (spelling[i] >= '0' && spelling[i] <= '9' && written < 100000) {
        written = written * 10 + (spelling[i] - '0');
      }
    }
    exponent += down ? -written : written;
  }
  static const std::vector<double>* powers = [] {
    auto* table = new std::vector<double>(309);
    for (int p = 0; p <= 308; ++p) {
      (*table)[p] = std::strtod(absl::StrCat("1e", p).c_str(), nullptr);
    }
    return table;
  }();
  double value = static_cast<double>(significand);
  while (exponent < -308 && value != 0) {
    value /= 1e308;
    exponent += 308;
  }
  if (exponent > 308) {
    value = value == 0 ? 0 : std::numeric_limits<double>::infinity();
  } else if (value != 0) {
    value = exponent >= 0 ? value * (*powers)[exponent] : value / (*powers)[-exponent];
  }
  return negative ? -value : value;
}

}  // namespace

absl::Status Vocab::Add(const JsonField& field, absl::string_view token, int64_t id) {
  if (id < 0 || id >= kMaxId) {
    return field.Error(absl::StrCat("\"", token, "\" has the id ", id, ", outside 0 … ", kMaxId - 1));
  }
  const absl::string_view stored(bytes_.data() + bytes_.size(), token.size());
  bytes_.append(token.data(), token.size());
  if (id >= static_cast<int64_t>(tokens_.size())) {
    tokens_.resize(id + 1);
  }
  tokens_[id] = stored;
  ids_[stored] = static_cast<int32_t>(id);
  return absl::OkStatus();
}

absl::Status Vocab::FromObject(const JsonField& field) {
  RETURN_IF_ERROR(field.Expect(JsonKind::kObject));
  size_t bytes = 0;
  field.value().ForEachMember([&](absl::string_view token, JsonValue) { bytes += token.size(); });
  bytes_.reserve(bytes + 1);  // never grows: the views stay valid
  tokens_.reserve(field.value().size());
  ids_.reserve(field.value().size());
  absl::Status status;
  field.value().ForEachMember([&](absl::string_view token, JsonValue id) {
    if (status.ok()) {
      status = id.kind() == JsonKind::kInteger ? Add(field, token, id.integer())
                                               : field.Error(absl::StrCat("the id of \"", token, "\" is no integer"));
    }
  });
  return status;
}

absl::Status Vocab::FromScoredArray(const JsonField& field, std::vector<double>* scores) {
  RETURN_IF_ERROR(field.Expect(JsonKind::kArray));
  size_t bytes = 0;
  absl::Status status;
  field.value().ForEachElement([&](JsonValue pair) {
    bool first = true, good = pair.kind() == JsonKind::kArray && pair.size() == 2;
    if (good) {
      pair.ForEachElement([&](JsonValue v) {
        bytes += first ? v.size() : 0;
        good = good &&
               (first ? v.kind() == JsonKind::kString : v.kind() == JsonKind::kFloat || v.kind() == JsonKind::kInteger);
        first = false;
      });
    }
    if (!good) {
      status = field.Error("expected pairs of a token and its score");
    }
  });
  RETURN_IF_ERROR(status);
  bytes_.reserve(bytes + 1);
  ids_.reserve(field.value().size());
  scores->reserve(field.value().size());
  field.value().ForEachElement([&](JsonValue pair) {
    pair.ForEachElement([&](JsonValue v) {
      if (v.kind() == JsonKind::kString) {
        status.Update(Add(field, v.text(), static_cast<int64_t>(scores->size())));
      } else {
        scores->push_back(v.kind() == JsonKind::kInteger ? static_cast<double>(v.integer()) : SerdeDouble(v.text()));
      }
    });
  });
  return status;
}

std::vector<int32_t> ByteTokens(const Vocab& vocab) {
  std::vector<int32_t> ids(256);
  for (int b = 0; b < 256; ++b) {
    ids[b] = vocab.Find(absl::StrFormat("<0x%02X>", b));
  }
  return ids;
}

bool AppendByteTokens(const std::vector<int32_t>& byte_tokens, absl::string_view text, std::vector<int32_t>* ids) {
  const size_t before = ids->size();
  for (char c : text) {
    const int32_t id = byte_tokens[static_cast<unsigned char>(c)];
    if (id < 0) {
      ids->resize(before);
      return false;
    }
    ids->push_back(id);
  }
  return true;
}

absl::StatusOr<std::unique_ptr<Model>> MakeModel(const JsonField& field) {
  RETURN_IF_ERROR(field.Expect(JsonKind::kObject));
  // Files from before "type" was written: BPE has merges, Unigram an array, WordPiece a prefix.
  const JsonField type_field = field.Find("type");
  std::string type = field.Find("merges").present()                           ? "BPE"
                     : field.Find("vocab").value().kind() == JsonKind::kArray ? "Unigram"
                     : field.Find("max_input_chars_per_word").present()       ? "WordPiece"
                                                                              : "WordLevel";
  if (type_field.present()) {
    ASSIGN_OR_RETURN(type, type_field.String());
  }
  if (type == "BPE") {
    return MakeBpe(field);
  }
  if (type == "Unigram") {
    return MakeUnigram(field);
  }
  if (type == "WordPiece") {
    return MakeWordPiece(field);
  }
  if (type == "WordLevel") {
    return MakeWordLevel(field);
  }
  return type_field.Unknown(absl::StrCat("\"", type, "\" is no model this build knows"));
}

}  // namespace sluice::text
