// Pack expressions as bytes, and the checks of what comes from outside.
#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/base/pack_weight.h"

namespace sluice {
namespace {

constexpr uint8_t kVersion = 1;
constexpr int64_t kMaxRank = 8;
constexpr int64_t kMaxElements = int64_t{1} << 48;

class Writer {
 public:
  void Byte(uint8_t v) { bytes_.push_back(static_cast<char>(v)); }
  void Int(int64_t v) { bytes_.append(reinterpret_cast<const char*>(&v), sizeof(v)); }
  void Ints(const std::vector<int64_t>& v) {
    Int(static_cast<int64_t>(v.size()));
    for (int64_t x : v) {
      Int(x);
    }
  }
  void Text(const std::string& v) {
    Int(static_cast<int64_t>(v.size()));
    bytes_ += v;
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads with bounds; after a failure everything is zero and ok() is false.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  bool done() const { return at_ == bytes_.size(); }
  uint8_t Byte() {
    uint8_t v = 0;
    Copy(&v, 1);
    return v;
  }
  int64_t Int() {
    int64_t v = 0;
    Copy(&v, sizeof(v));
    return v;
  }
  std::vector<int64_t> Ints() {
    const int64_t n = Int();
    if (n < 0 || n > 4096 || !Has(n * 8)) {
      ok_ = false;
      return {};
    }
    std::vector<int64_t> v(n);
    Copy(v.data(), n * 8);
    return v;
  }
  std::string Text() {
    const int64_t n = Int();
    if (n < 0 || !Has(n)) {
      ok_ = false;
      return {};
    }
    std::string v(n, '\0');
    Copy(v.data(), n);
    return v;
  }

 private:
  bool Has(int64_t n) const { return ok_ && n <= static_cast<int64_t>(bytes_.size() - at_); }
  void Copy(void* to, int64_t n) {
    if (!Has(n)) {
      ok_ = false;
      return;
    }
    if (n > 0) {
      std::memcpy(to, bytes_.data() + at_, n);
    }
    at_ += n;
  }
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

absl::Status Bad(size_t node, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("pack expression, node ", node, ": ", what));
}

// The number of elements, or −1 when the sizes are out of bounds.
int64_t Elements(const std::vector<int64_t>& sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) {
    if (s < 0 || s > kMaxElements || (s > 0 && n > kMaxElements / s)) {
      return -1;
    }
    n *= s;
  }
  return n;
}

bool KnownType(DType t) { return BitWidth(t) != 0 && t != DType::kF8E4M3FN && t != DType::kF8E5M2; }

size_t Arity(PackKind kind) {
  switch (kind) {
    case PackKind::kSource:
    case PackKind::kLiteral:
      return 0;
    case PackKind::kAdd:
    case PackKind::kSub:
    case PackKind::kMul:
    case PackKind::kDiv:
    case PackKind::kLinear:
      return 2;
    default:
      return 1;
  }
}

absl::Status CheckTransform(const PackExpr& expr, size_t index) {
  const PackNode& node = expr.nodes[index];
  const PackNode& in = expr.nodes[node.inputs[0]];
  const size_t rank = node.sizes.size();
  switch (node.kind) {
    case PackKind::kSlice:
      if (node.ints.size() != 2 * rank || in.sizes.size() != rank) {
        return Bad(index, "a slice needs a start and a step for each dimension");
      }
      for (size_t d = 0; d < rank; ++d) {
        const int64_t start = node.ints[d], step = node.ints[rank + d];
        if (start < 0 || step < 1 || step > kMaxElements || start > in.sizes[d] ||
            (node.sizes[d] > 0 && (node.sizes[d] - 1) > (in.sizes[d] - 1 - start) / step)) {
          return Bad(index, absl::StrCat("the slice leaves dimension ", d));
        }
      }
      return absl::OkStatus();
    case PackKind::kTranspose: {
      std::vector<bool> seen(rank, false);
      if (node.ints.size() != rank || in.sizes.size() != rank) {
        return Bad(index, "the permutation has another rank");
      }
      for (size_t d = 0; d < rank; ++d) {
        const int64_t from = node.ints[d];
        if (from < 0 || from >= static_cast<int64_t>(rank) || seen[from] || in.sizes[from] != node.sizes[d]) {
          return Bad(index, "is no permutation of its input");
        }
        seen[from] = true;
      }
      return absl::OkStatus();
    }
    case PackKind::kReshape:
      return Elements(in.sizes) == Elements(node.sizes) ? absl::OkStatus()
                                                        : Bad(index, "the reshape changes the number of elements");
    default: {  // kBroadcast
      size_t next = 0;
      for (size_t d = 0; d < rank; ++d) {
        if (std::find(node.ints.begin(), node.ints.end(), static_cast<int64_t>(d)) == node.ints.end()) {
          if (next >= in.sizes.size() || in.sizes[next++] != node.sizes[d]) {
            return Bad(index, "the broadcast's input does not fit");
          }
        }
      }
      return next == in.sizes.size() ? absl::OkStatus() : Bad(index, "the broadcast's input does not fit");
    }
  }
}

absl::Status CheckConcat(const PackExpr& expr, size_t index) {
  const PackNode& node = expr.nodes[index];
  if (node.ints.size() != 1 || node.ints[0] < 0 || node.ints[0] >= static_cast<int64_t>(node.sizes.size()) ||
      node.inputs.empty()) {
    return Bad(index, "a concat needs an axis and inputs");
  }
  std::vector<int64_t> sizes = node.sizes;
  for (int64_t input : node.inputs) {
    const PackNode& in = expr.nodes[input];
    if (in.sizes.size() != sizes.size() || in.dtype != node.dtype) {
      return Bad(index, "the concat's inputs differ");
    }
    sizes[node.ints[0]] -= in.sizes[node.ints[0]];
    for (size_t d = 0; d < sizes.size(); ++d) {
      if (static_cast<int64_t>(d) != node.ints[0] && in.sizes[d] != node.sizes[d]) {
        return Bad(index, "the concat's inputs differ");
      }
    }
  }
  return sizes[node.ints[0]] == 0 ? absl::OkStatus() : Bad(index, "the concat's inputs do not add up");
}

absl::Status CheckDequantize(const PackExpr& expr, size_t index) {
  const PackNode& node = expr.nodes[index];
  const PackNode& q = expr.nodes[node.inputs[0]];
  if (node.inputs.size() < 2 || node.inputs.size() > 3 || node.ints.size() != 2 || q.sizes != node.sizes ||
      !IsFloat(node.dtype)) {
    return Bad(index, "a dequantization needs q of its sizes, a scale, axis and block");
  }
  const PackNode& scale = expr.nodes[node.inputs[1]];
  const int64_t axis = node.ints[0], block = node.ints[1];
  const bool perTensor = Elements(scale.sizes) == 1 && scale.sizes.size() <= 1 && block == 0;
  if (block < 0 || block > kMaxElements ||
      (!perTensor && (axis < 0 || axis >= static_cast<int64_t>(node.sizes.size())))) {
    return Bad(index, "the axis or block is outside");
  }
  std::vector<int64_t> want = node.sizes;
  if (block > 0) {
    want[axis] = (want[axis] + block - 1) / block;
  } else if (!perTensor) {
    want = {node.sizes[axis]};
  }
  if (!perTensor && scale.sizes != want) {
    return Bad(index, "the scale's sizes do not fit");
  }
  return node.inputs.size() == 3 && expr.nodes[node.inputs[2]].sizes != scale.sizes
             ? Bad(index, "the zero point's sizes do not fit")
             : absl::OkStatus();
}

absl::Status CheckLinear(const PackExpr& expr, size_t index) {
  const PackNode& node = expr.nodes[index];
  const PackNode &x = expr.nodes[node.inputs[0]], &w = expr.nodes[node.inputs[1]];
  const auto matrix = [](const PackNode& n) { return n.sizes.size() == 2 && !IsFloat(n.dtype); };
  return matrix(node) && matrix(x) && matrix(w) && x.sizes[1] == w.sizes[1] && node.sizes[0] == x.sizes[0] &&
                 node.sizes[1] == w.sizes[0] && BitWidth(node.dtype) >= 32
             ? absl::OkStatus()
             : Bad(index, "a linear needs integers [m, k] and [n, k], and wide ones [m, n]");
}

absl::Status CheckNode(const PackExpr& expr, size_t index) {
  const PackNode& node = expr.nodes[index];
  const int64_t elements = Elements(node.sizes);
  if (node.kind > PackKind::kLinear || !KnownType(node.dtype) || node.sizes.size() > kMaxRank || elements < 0) {
    return Bad(index, "unknown kind or type, or sizes out of bounds");
  }
  for (int64_t input : node.inputs) {
    if (input < 0 || input >= static_cast<int64_t>(index)) {
      return Bad(index, "an input is no earlier node");
    }
  }
  const bool variadic = node.kind == PackKind::kConcat || node.kind == PackKind::kDequantize;
  if (!variadic && node.inputs.size() != Arity(node.kind)) {
    return Bad(index, "has the wrong number of inputs");
  }
  switch (node.kind) {
    case PackKind::kSource:
      return node.file < 0 || node.offset < 0 || node.offset > std::numeric_limits<int64_t>::max() / 2
                 ? Bad(index, "reads outside a file")
                 : absl::OkStatus();
    case PackKind::kLiteral:
      return static_cast<int64_t>(node.bytes.size()) == ByteSize(node.dtype, elements)
                 ? absl::OkStatus()
                 : Bad(index, "has the wrong number of bytes");
    case PackKind::kConcat:
      return CheckConcat(expr, index);
    case PackKind::kDequantize:
      return node.inputs.empty() ? Bad(index, "has no inputs") : CheckDequantize(expr, index);
    case PackKind::kLinear:
      return CheckLinear(expr, index);
    case PackKind::kSlice:
    case PackKind::kTranspose:
    case PackKind::kReshape:
    case PackKind::kBroadcast:
      if (expr.nodes[node.inputs[0]].dtype != node.dtype) {
        return Bad(index, "changes the type");
      }
      return CheckTransform(expr, index);
    default:
      for (int64_t input : node.inputs) {
        const PackNode& in = expr.nodes[input];
        if (in.sizes != node.sizes || (node.kind != PackKind::kCast && in.dtype != node.dtype)) {
          return Bad(index, "its inputs have other sizes or types");
        }
      }
      if (node.kind != PackKind::kCast && (BitWidth(node.dtype) < 8 || node.dtype == DType::kBool)) {
        return Bad(index, "arithmetic on nibbles or booleans");
      }
      if ((node.kind == PackKind::kSqrt || node.kind == PackKind::kReciprocal) && !IsFloat(node.dtype)) {
        return Bad(index, "takes the root or reciprocal of integers");
      }
      return absl::OkStatus();
  }
}

}  // namespace

absl::Status ValidatePack(const PackExpr& expr) {
  if (expr.nodes.empty() || expr.nodes.size() > 4096) {
    return absl::InvalidArgumentError("pack expression: has no nodes, or too many");
  }
  for (size_t n = 0; n < expr.nodes.size(); ++n) {
    RETURN_IF_ERROR(CheckNode(expr, n));
  }
  // A node used twice is evaluated twice: what looks small may be a tree of any size.
  constexpr int64_t kMaxVisits = 1 << 16;
  std::vector<int64_t> visits(expr.nodes.size(), 1);
  for (size_t n = 0; n < expr.nodes.size(); ++n) {
    for (int64_t input : expr.nodes[n].inputs) {
      visits[n] += visits[input];
    }
    if (visits[n] > kMaxVisits) {
      return Bad(n, "shares inputs too often");
    }
  }
  const PackNode& result = expr.nodes.back();
  const bool tiled = expr.layout == WeightLayout::kNkTile16 || expr.layout == WeightLayout::kOihwTile16;
  if (!tiled && expr.layout != WeightLayout::kRowMajor) {
    return absl::InvalidArgumentError("pack expression: unknown layout");
  }
  if (tiled && (result.sizes.size() < 2 || BitWidth(result.dtype) < 8)) {
    return absl::InvalidArgumentError("pack expression: a tiled weight needs rank 2 and whole bytes");
  }
  if (expr.groups < 1 || (tiled && result.sizes[0] % expr.groups != 0)) {
    return absl::InvalidArgumentError("pack expression: the groups do not divide the rows");
  }
  return absl::OkStatus();
}

std::string SerializePack(const PackExpr& expr) {
  Writer w;
  w.Byte(kVersion);
  w.Byte(static_cast<uint8_t>(expr.layout));
  w.Int(expr.groups);
  w.Int(static_cast<int64_t>(expr.nodes.size()));
  for (const PackNode& node : expr.nodes) {
    w.Byte(static_cast<uint8_t>(node.kind));
    w.Byte(static_cast<uint8_t>(node.dtype));
    w.Ints(node.sizes);
    w.Ints(node.inputs);
    w.Ints(node.ints);
    w.Int(node.file);
    w.Int(node.offset);
    w.Text(node.bytes);
  }
  return w.Take();
}

absl::StatusOr<PackExpr> ParsePack(std::span<const uint8_t> bytes) {
  Reader r(bytes);
  PackExpr expr;
  if (r.Byte() != kVersion) {
    return absl::InvalidArgumentError("pack expression: unknown version");
  }
  expr.layout = static_cast<WeightLayout>(r.Byte());
  expr.groups = r.Int();
  const int64_t count = r.Int();
  for (int64_t n = 0; r.ok() && n < count && n <= 4096; ++n) {
    PackNode node;
    node.kind = static_cast<PackKind>(r.Byte());
    node.dtype = static_cast<DType>(r.Byte());
    node.sizes = r.Ints();
    node.inputs = r.Ints();
    node.ints = r.Ints();
    node.file = r.Int();
    node.offset = r.Int();
    node.bytes = r.Text();
    expr.nodes.push_back(std::move(node));
  }
  if (!r.ok() || !r.done()) {
    return absl::DataLossError("pack expression: ends in the middle, or has bytes behind its end");
  }
  RETURN_IF_ERROR(ValidatePack(expr));
  return expr;
}

}  // namespace sluice
