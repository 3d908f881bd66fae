#include "runtime/base/npy.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "runtime/base/file.h"

namespace sluice {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicSize = 6;

struct Descr {
  const char* text;
  DType dtype;
};
constexpr Descr kDescrs[] = {
    {"f4", DType::kF32}, {"f8", DType::kF64}, {"f2", DType::kF16},  {"V2", DType::kBF16}, {"i1", DType::kI8},
    {"i2", DType::kI16}, {"i4", DType::kI32}, {"i8", DType::kI64},  {"u1", DType::kU8},   {"u2", DType::kU16},
    {"u4", DType::kU32}, {"u8", DType::kU64}, {"b1", DType::kBool},
};

absl::Status Bad(const std::string& where, const std::string& what) {
  return absl::InvalidArgumentError(where + ": " + what + " (give a .npy file of numbers)");
}

// Reads the header, a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string text) : text_(std::move(text)) {}

  struct Header {
    std::string descr;
    bool fortran = false;
    std::vector<int64_t> shape;
  };

  std::optional<Header> Parse() {
    Header h;
    bool descr = false;
    bool order = false;
    bool shape = false;
    if (!Take('{')) {
      return std::nullopt;
    }
    while (!Take('}')) {
      const std::optional<std::string> key = Text();
      if (!key || !Take(':')) {
        return std::nullopt;
      }
      if (*key == "descr") {
        const std::optional<std::string> value = Text();
        descr = value.has_value();
        h.descr = value.value_or("");
      } else if (*key == "fortran_order") {
        order = Word("True") || Word("False");
        h.fortran = text_.compare(at_ - std::min<size_t>(at_, 4), 4, "True") == 0;
      } else if (*key == "shape") {
        shape = Shape(&h.shape);
      } else {
        return std::nullopt;
      }
      if (!Take(',') && !Peek('}')) {
        return std::nullopt;
      }
    }
    return descr && order && shape ? std::optional(h) : std::nullopt;
  }

 private:
  void Skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) {
      ++at_;
    }
  }
  bool Peek(char c) {
    Skip();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool Take(char c) {
    const bool is = Peek(c);
    at_ += is ? 1 : 0;
    return is;
  }
  bool Word(const std::string& word) {
    Skip();
    const bool is = text_.compare(at_, word.size(), word) == 0;
    at_ += is ? word.size() : 0;
    return is;
  }
  std::optional<std::string> Text() {
    const char quote = Peek('"') ? '"' : '\'';
    if (!Take(quote)) {
      return std::nullopt;
    }
    const size_t end = text_.find(quote, at_);
    if (end == std::string::npos) {
      return std::nullopt;
    }
    std::string value = text_.substr(at_, end - at_);
    at_ = end + 1;
    return value;
  }
  bool Shape(std::vector<int64_t>* shape) {
    if (!Take('(')) {
      return false;
    }
    while (!Take(')')) {
      Skip();
      int64_t value = 0;
      size_t digits = 0;
      for (; digits < 18 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_, ++digits) {
        value = value * 10 + (text_[at_] - '0');
      }
      Take('L');  // Python 2 wrote long integers so
      if (digits == 0 || (!Take(',') && !Peek(')'))) {
        return false;
      }
      shape->push_back(value);
    }
    return true;
  }

  std::string text_;
  size_t at_ = 0;
};

void SwapBytes(uint8_t* data, size_t bytes, size_t width) {
  for (size_t i = 0; i + width <= bytes; i += width) {
    std::reverse(data + i, data + i + width);
  }
}

// Column-major to row-major.
std::vector<uint8_t> FromFortran(const std::vector<uint8_t>& x, const std::vector<int64_t>& shape, size_t width) {
  std::vector<uint8_t> y(x.size());
  std::vector<int64_t> index(shape.size(), 0);
  std::vector<int64_t> stride(shape.size(), 1);
  for (size_t d = 1; d < shape.size(); ++d) {
    stride[d] = stride[d - 1] * shape[d - 1];
  }
  int64_t from = 0;
  for (size_t to = 0; to < y.size(); to += width) {
    std::memcpy(&y[to], &x[static_cast<size_t>(from) * width], width);
    for (size_t d = shape.size(); d-- > 0;) {
      from += stride[d];
      if (++index[d] < shape[d]) {
        break;
      }
      from -= stride[d] * shape[d];
      index[d] = 0;
    }
  }
  return y;
}

// The element count, or nothing when the bytes cannot be addressed.
std::optional<int64_t> Elements(const std::vector<int64_t>& shape, int64_t width) {
  int64_t n = 1;
  for (int64_t size : shape) {
    if (__builtin_mul_overflow(n, size, &n)) {
      return std::nullopt;
    }
  }
  int64_t bytes = 0;
  return __builtin_mul_overflow(n, width, &bytes) ? std::nullopt : std::optional(n);
}

}  // namespace

absl::StatusOr<NpyArray> ParseNpy(std::span<const uint8_t> bytes, const std::string& where) {
  if (bytes.size() < 10 || std::memcmp(bytes.data(), kMagic, kMagicSize) != 0) {
    return Bad(where, "not a .npy file");
  }
  const int version = bytes[6];
  if (version < 1 || version > 3 || (version > 1 && bytes.size() < 12)) {
    return Bad(where, absl::StrCat(".npy version ", version, " is unknown"));
  }
  const size_t start = version == 1 ? 10 : 12;
  size_t length = bytes[8] | size_t{bytes[9]} << 8;
  if (version > 1) {
    length |= size_t{bytes[10]} << 16 | size_t{bytes[11]} << 24;
  }
  if (length > bytes.size() - start) {
    return absl::DataLossError(where + ": ends inside the .npy header (get the whole file)");
  }
  const auto header = HeaderParser(std::string(reinterpret_cast<const char*>(bytes.data()) + start, length)).Parse();
  if (!header || header->descr.size() < 3) {
    return Bad(where, "the .npy header cannot be read");
  }
  NpyArray array;
  for (const Descr& d : kDescrs) {
    if (header->descr.substr(1) == d.text) {
      array.dtype = d.dtype;
    }
  }
  const char order = header->descr[0];
  if (array.dtype == DType::kUndefined || (order != '<' && order != '>' && order != '|' && order != '=')) {
    return Bad(where, "no tensor has elements of NumPy type '" + header->descr + "'");
  }
  array.shape = header->shape;
  const int64_t width = BitWidth(array.dtype) / 8;
  const std::optional<int64_t> n = Elements(array.shape, width);
  const std::span<const uint8_t> data = bytes.subspan(start + length);
  if (!n || static_cast<int64_t>(data.size()) / width < *n) {
    return absl::DataLossError(absl::StrCat(where, ": holds ", data.size(),
                                            " bytes of data, fewer than its shape needs", " (get the whole file)"));
  }
  array.data.assign(data.begin(), data.begin() + *n * width);
  if (order == '>') {
    SwapBytes(array.data.data(), array.data.size(), static_cast<size_t>(width));
  }
  if (header->fortran && array.shape.size() > 1) {
    array.data = FromFortran(array.data, array.shape, static_cast<size_t>(width));
  }
  return array;
}

absl::StatusOr<NpyArray> ReadNpy(const std::string& path) {
  ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  return ParseNpy(file.bytes(), path);
}

std::string SerializeNpy(DType dtype, const std::vector<int64_t>& shape, const void* data) {
  const bool nibbles = BitWidth(dtype) == 4;
  const bool is_float8 = dtype == DType::kF8E4M3FN || dtype == DType::kF8E5M2;
  const DType stored = dtype == DType::kI4 ? DType::kI8 : nibbles || is_float8 ? DType::kU8 : dtype;
  std::string descr;
  for (const Descr& d : kDescrs) {
    if (d.dtype == stored) {
      descr = std::string(BitWidth(stored) == 8 || stored == DType::kBF16 ? "|" : "<") + d.text;
    }
  }
  std::string dims;
  int64_t n = 1;
  for (const int64_t& size : shape) {
    dims += absl::StrCat(size, shape.size() == 1 ? "," : &size == &shape.back() ? "" : ", ");
    n *= size;
  }
  std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + dims + "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');  // data starts at a multiple of 64
  header += '\n';
  const int version = header.size() > std::numeric_limits<uint16_t>::max() ? 2 : 1;
  std::string out(kMagic, kMagicSize);
  out += static_cast<char>(version);
  out += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) {
    out += static_cast<char>(header.size() >> (8 * i));
  }
  out += header;
  const auto* from = static_cast<const uint8_t*>(data);
  if (!nibbles) {
    out.append(reinterpret_cast<const char*>(from), static_cast<size_t>(n * BitWidth(stored) / 8));
    return out;
  }
  for (int64_t i = 0; i < n; ++i) {
    const int nibble = (from[i / 2] >> (4 * (i % 2))) & 15;
    out += static_cast<char>(dtype == DType::kI4 && nibble >= 8 ? nibble - 16 : nibble);
  }
  return out;
}

absl::Status WriteNpy(const std::string& path, DType dtype, const std::vector<int64_t>& shape, const void* data) {
  return WriteFile(path, SerializeNpy(dtype, shape, data));
}

}  // namespace sluice
