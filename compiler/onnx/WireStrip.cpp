#include "compiler/onnx/WireStrip.h"

namespace mlir::onnx_import {
namespace {

// The messages of onnx-ml.proto on the way to a TensorProto.
enum class Message { kModel, kGraph, kNode, kAttribute, kFunction, kSparse, kTensor, kOther };

// Field numbers are onnx-ml.proto's.
Message child(Message parent, uint64_t field) {
  switch (parent) {
    case Message::kModel:
      return field == 7 ? Message::kGraph : field == 25 ? Message::kFunction : Message::kOther;
    case Message::kGraph:
      return field == 1    ? Message::kNode
             : field == 5  ? Message::kTensor
             : field == 15 ? Message::kSparse
                           : Message::kOther;
    case Message::kNode:
      return field == 5 ? Message::kAttribute : Message::kOther;
    case Message::kAttribute:
      return field == 5 || field == 10    ? Message::kTensor
             : field == 6 || field == 11  ? Message::kGraph
             : field == 22 || field == 23 ? Message::kSparse
                                          : Message::kOther;
    case Message::kFunction:
      return field == 7 ? Message::kNode : field == 11 ? Message::kAttribute : Message::kOther;
    case Message::kSparse:
      return field == 1 || field == 2 ? Message::kTensor : Message::kOther;
    default:
      return Message::kOther;
  }
}

constexpr uint64_t kRawDataField = 9;
constexpr uint64_t kExternalDataField = 13;
constexpr uint64_t kDataLocationField = 14;
constexpr int kMaxDepth = 100;  // protobuf's own limit

void putVarint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void putBytes(std::string& out, uint64_t field, std::string_view bytes) {
  putVarint(out, field << 3 | 2);
  putVarint(out, bytes.size());
  out.append(bytes);
}

class Stripper {
 public:
  Stripper(std::string_view file, int64_t keep, std::vector<RawSpan>& spans)
      : file_(file), keep_(keep), spans_(spans) {}

  absl::Status Rewrite(Message kind, size_t begin, size_t end, std::string& out, int depth) {
    if (depth > kMaxDepth) {
      return Broken(begin, "messages are nested too deeply");
    }
    for (size_t at = begin; at < end;) {
      size_t start = at;
      ASSIGN_OR_RETURN(uint64_t tag, Varint(at, end));
      uint64_t field = tag >> 3;
      if (field == 0) {
        return Broken(start, "field number 0");
      }
      if ((tag & 7) != 2) {
        RETURN_IF_ERROR(SkipScalar(tag & 7, at, end));
        out.append(file_.substr(start, at - start));
        continue;
      }
      ASSIGN_OR_RETURN(uint64_t length, Varint(at, end));
      if (length > end - at) {
        return Broken(
            start, absl::StrFormat("a field of %d bytes ends %d bytes after its message", length, length - (end - at)));
      }
      size_t stop = at + length;
      Message inner = child(kind, field);
      if (kind == Message::kTensor && field == kRawDataField && static_cast<int64_t>(length) > keep_) {
        PutSpan(out, at, length);
      } else if (inner != Message::kOther) {
        std::string rewritten;
        RETURN_IF_ERROR(Rewrite(inner, at, stop, rewritten, depth + 1));
        putBytes(out, field, rewritten);
      } else {
        out.append(file_.substr(start, stop - start));
      }
      at = stop;
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status Broken(size_t offset, const std::string& why) {
    return absl::DataLossError(absl::StrFormat("offset %d: not an ONNX model, or a truncated one: %s", offset, why));
  }

  absl::StatusOr<uint64_t> Varint(size_t& at, size_t end) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && at < end; shift += 7) {
      auto byte = static_cast<uint8_t>(file_[at++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        return value;
      }
    }
    return Broken(at, "a number is cut off");
  }

  absl::Status SkipScalar(uint64_t wire, size_t& at, size_t end) {
    if (wire == 0) {
      return Varint(at, end).status();
    }
    size_t bytes = wire == 1 ? 8 : wire == 5 ? 4 : 0;
    if (bytes == 0) {
      return Broken(at, absl::StrFormat("unknown wire type %d", wire));
    }
    if (end - at < bytes) {
      return Broken(at, "a number is cut off");
    }
    at += bytes;
    return absl::OkStatus();
  }

  void PutSpan(std::string& out, size_t offset, size_t length) {
    std::string entry;  // StringStringEntryProto: key = 1, value = 2
    putBytes(entry, 1, kSpanKey);
    putBytes(entry, 2, std::to_string(spans_.size()));
    putBytes(out, kExternalDataField, entry);
    putVarint(out, kDataLocationField << 3);
    putVarint(out, 1);  // TensorProto.EXTERNAL
    spans_.push_back({static_cast<int64_t>(offset), static_cast<int64_t>(length)});
  }

  std::string_view file_;
  int64_t keep_;
  std::vector<RawSpan>& spans_;
};

}  // namespace

absl::StatusOr<std::string> StripRawData(std::string_view file, int64_t keep, std::vector<RawSpan>& spans) {
  std::string out;
  RETURN_IF_ERROR(Stripper(file, keep, spans).Rewrite(Message::kModel, 0, file.size(), out, 0));
  return out;
}

}  // namespace mlir::onnx_import
