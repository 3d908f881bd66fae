// Random pack expressions with their values by definition: every node evaluated whole, element by element, in f64.
#ifndef SLUICE_TEST_BASE_PACK_GENERATOR_H_
#define SLUICE_TEST_BASE_PACK_GENERATOR_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>

#include "runtime/base/half.h"
#include "runtime/base/pack_weight.h"

namespace sluice {

using Sizes = std::vector<int64_t>;

inline int64_t Product(const Sizes& sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) {
    n *= s;
  }
  return n;
}

inline Sizes IndexOf(int64_t linear, const Sizes& sizes) {
  Sizes index(sizes.size());
  for (size_t d = sizes.size(); d-- > 0; linear /= sizes[d]) {
    index[d] = linear % sizes[d];
  }
  return index;
}

inline int64_t LinearOf(const Sizes& index, const Sizes& sizes) {
  int64_t linear = 0;
  for (size_t d = 0; d < sizes.size(); ++d) {
    linear = linear * sizes[d] + index[d];
  }
  return linear;
}

// What an element of that type keeps of a number.
inline double Rounded(DType t, double v) {
  const auto wrapped = [&](int bits, bool is_signed) {
    const int64_t whole = std::isnan(v)  ? 0
                          : v >= 0x1p63  ? INT64_MAX
                          : v <= -0x1p63 ? INT64_MIN
                                         : static_cast<int64_t>(v);
    const uint64_t low = static_cast<uint64_t>(whole) << (64 - bits);
    return is_signed ? static_cast<double>(static_cast<int64_t>(low) >> (64 - bits))
                     : static_cast<double>(low >> (64 - bits));
  };
  switch (t) {
    case DType::kF32:
      return static_cast<float>(v);
    case DType::kF16:
      return F16ToF32(F64ToF16(v));
    case DType::kBF16:
      return BF16ToF32(F64ToBF16(v));
    case DType::kF64:
      return v;
    case DType::kBool:
      return v != 0;
    case DType::kI4:
    case DType::kI8:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64:
      return wrapped(BitWidth(t), true);
    default:
      return wrapped(BitWidth(t), false);
  }
}

// Writes element i of a dense array.
inline void Put(DType t, double v, int64_t i, std::vector<uint8_t>* bytes) {
  uint8_t* p = bytes->data() + i * BitWidth(t) / 8;
  const auto put = [&](auto x) { std::memcpy(p, &x, sizeof(x)); };
  switch (t) {
    case DType::kF32:
      return put(static_cast<float>(v));
    case DType::kF64:
      return put(v);
    case DType::kF16:
      return put(F64ToF16(v));
    case DType::kBF16:
      return put(F64ToBF16(v));
    case DType::kI4:
    case DType::kU4:
      *p = static_cast<uint8_t>((*p & (i % 2 == 0 ? 0xf0 : 0x0f)) | (static_cast<int>(v) & 15) << (i % 2 * 4));
      return;
    case DType::kI64:
      return put(static_cast<int64_t>(v));
    case DType::kU64:
      return put(static_cast<uint64_t>(v));
    case DType::kI32:
      return put(static_cast<int32_t>(v));
    case DType::kU32:
      return put(static_cast<uint32_t>(v));
    case DType::kI16:
      return put(static_cast<int16_t>(v));
    case DType::kU16:
      return put(static_cast<uint16_t>(v));
    case DType::kI8:
      return put(static_cast<int8_t>(v));
    default:
      return put(static_cast<uint8_t>(v));
  }
}

inline constexpr DType kTypes[] = {DType::kF32, DType::kF32,  DType::kF16, DType::kBF16, DType::kF64,
                                   DType::kI8,  DType::kU8,   DType::kI4,  DType::kU4,   DType::kI32,
                                   DType::kI64, DType::kBool, DType::kI16, DType::kU16};

// Grows an expression node by node; values[n] are the elements of node n.
class Generator : public PackReader {
 public:
  explicit Generator(unsigned seed) : rng_(seed) {}

  absl::Status Read(const PackNode& source, int64_t offset, std::span<uint8_t> out) override {
    EXPECT_LE(source.offset + offset + static_cast<int64_t>(out.size()), static_cast<int64_t>(file_.size()));
    std::memcpy(out.data(), file_.data() + source.offset + offset, out.size());
    return absl::OkStatus();
  }

  int Below(int n) { return static_cast<int>(rng_() % static_cast<unsigned>(n)); }

  PackExpr Make(int steps) {
    int64_t at = AddLeaf(RandomSizes(), kTypes[Below(std::size(kTypes))]);
    for (int i = 0; i < steps; ++i) {
      at = Grow(at);
    }
    PackExpr expr{.nodes = nodes_};
    const PackNode& result = nodes_.back();
    if (result.sizes.size() >= 2 && BitWidth(result.dtype) >= 8) {
      expr.layout = static_cast<WeightLayout>(std::array{0, 1, 3}[Below(3)]);
      if (expr.layout == WeightLayout::kOihwTile16) {
        for (int64_t g = 1; g <= 4; ++g) {
          expr.groups = result.sizes[0] % g == 0 && Below(2) == 0 ? g : expr.groups;
        }
      }
    }
    return expr;
  }

  // The packed bytes by definition.
  std::vector<uint8_t> Packed(const PackExpr& expr) {
    const PackNode& result = expr.nodes.back();
    const std::vector<double>& v = values_.back();
    if (expr.layout == WeightLayout::kRowMajor) {
      std::vector<uint8_t> bytes(ByteSize(result.dtype, Product(result.sizes)));
      for (int64_t i = 0; i < Product(result.sizes); ++i) {
        Put(result.dtype, v[i], i, &bytes);
      }
      return bytes;
    }
    const int64_t rows = result.sizes[0] / expr.groups,
                  k = result.sizes[0] == 0 ? 0 : Product(result.sizes) / result.sizes[0];
    const int64_t tiles = (rows + 15) / 16;
    std::vector<uint8_t> bytes(ByteSize(result.dtype, expr.groups * tiles * k * 16));
    for (int64_t i = 0; i < Product(result.sizes); ++i) {
      const int64_t row = i / k, g = row / rows, r = row % rows;
      Put(result.dtype, v[i], ((g * tiles + r / 16) * k + i % k) * 16 + r % 16, &bytes);
    }
    return bytes;
  }

 private:
  Sizes RandomSizes() {
    Sizes sizes(Below(4));
    for (int64_t& s : sizes) {
      s = Below(12) == 0 ? 0 : 1 + Below(Below(4) == 0 ? 40 : 6);
    }
    return sizes;
  }

  int64_t Add(PackNode node, std::vector<double> values) {
    for (double& v : values) {
      v = Rounded(node.dtype, v);
    }
    nodes_.push_back(std::move(node));
    values_.push_back(std::move(values));
    return static_cast<int64_t>(nodes_.size()) - 1;
  }

  int64_t AddLeaf(const Sizes& sizes, DType t, int low = -8, int high = 8) {
    const bool is_unsigned = t == DType::kU8 || t == DType::kU4 || t == DType::kU16 || t == DType::kBool;
    low = is_unsigned ? 0 : low;
    high = t == DType::kBool ? 2 : high;
    std::vector<double> v(Product(sizes));
    std::vector<uint8_t> bytes(ByteSize(t, static_cast<int64_t>(v.size())));
    for (size_t i = 0; i < v.size(); ++i) {
      v[i] = low + Below(high - low) + (IsFloat(t) && Below(2) == 0 ? 0.5 : 0.0);
      Put(t, v[i], static_cast<int64_t>(i), &bytes);
    }
    PackNode node{.kind = PackKind::kSource, .dtype = t, .sizes = sizes};
    if (Below(3) == 0) {
      node.kind = PackKind::kLiteral;
      node.bytes.assign(bytes.begin(), bytes.end());
    } else {
      file_.resize(file_.size() + Below(9));
      node.offset = static_cast<int64_t>(file_.size());
      file_.insert(file_.end(), bytes.begin(), bytes.end());
    }
    return Add(std::move(node), std::move(v));
  }

  template <typename F>
  int64_t AddView(PackNode node, int64_t from, const F& source_index) {
    std::vector<double> v(Product(node.sizes));
    for (size_t i = 0; i < v.size(); ++i) {
      v[i] = values_[from][LinearOf(source_index(IndexOf(static_cast<int64_t>(i), node.sizes)), nodes_[from].sizes)];
    }
    node.dtype = nodes_[from].dtype;
    node.inputs = {from};
    return Add(std::move(node), std::move(v));
  }

  int64_t Grow(int64_t from) {
    const Sizes sizes = nodes_[from].sizes;
    switch (Below(9)) {
      case 0:
        return Slice(from);
      case 1:
      case 2:
        return Transpose(from);
      case 3:
      case 4:
        return Reshape(from);
      case 5:
        return Concat(from);
      case 6:
        return Broadcast(from);
      case 7:
        return Below(2) == 0 ? Cast(from) : Dequantize(from);
      default:
        return Arithmetic(from);
    }
  }

  int64_t Slice(int64_t from) {
    const Sizes in = nodes_[from].sizes;
    PackNode node{.kind = PackKind::kSlice, .sizes = in, .ints = Sizes(2 * in.size())};
    for (size_t d = 0; d < in.size(); ++d) {
      const int64_t start = Below(static_cast<int>(in[d]) + 1), step = 1 + Below(3);
      node.sizes[d] = start == in[d] ? 0 : Below(8) == 0 ? 1 : (in[d] - 1 - start) / step + 1;
      node.ints[d] = start;
      node.ints[in.size() + d] = step;
    }
    return AddView(node, from, [&](Sizes i) {
      for (size_t d = 0; d < i.size(); ++d) {
        i[d] = node.ints[d] + i[d] * node.ints[i.size() + d];
      }
      return i;
    });
  }

  int64_t Transpose(int64_t from) {
    const Sizes in = nodes_[from].sizes;
    PackNode node{.kind = PackKind::kTranspose, .sizes = in, .ints = Sizes(in.size())};
    for (size_t d = 0; d < in.size(); ++d) {
      node.ints[d] = static_cast<int64_t>(d);
    }
    std::shuffle(node.ints.begin(), node.ints.end(), rng_);
    for (size_t d = 0; d < in.size(); ++d) {
      node.sizes[d] = in[node.ints[d]];
    }
    return AddView(node, from, [&](const Sizes& i) {
      Sizes index(i.size());
      for (size_t d = 0; d < i.size(); ++d) {
        index[node.ints[d]] = i[d];
      }
      return index;
    });
  }

  int64_t Reshape(int64_t from) {
    int64_t rest = Product(nodes_[from].sizes);
    PackNode node{.kind = PackKind::kReshape};
    if (rest == 0) {
      node.sizes = nodes_[from].sizes;
      node.sizes.push_back(1 + Below(3));
    }
    for (int f = 2; rest > 1 && node.sizes.size() < 6;) {
      while (rest % f != 0) {
        ++f;
      }
      rest /= f;
      if (node.sizes.empty() || Below(2) == 0) {
        node.sizes.insert(node.sizes.begin() + Below(static_cast<int>(node.sizes.size()) + 1), f);
      } else {
        node.sizes[Below(static_cast<int>(node.sizes.size()))] *= f;
      }
      if (Below(5) == 0) {
        node.sizes.insert(node.sizes.begin() + Below(static_cast<int>(node.sizes.size()) + 1), 1);
      }
    }
    if (rest > 1) {
      node.sizes[0] *= rest;
    }
    std::vector<double> v = values_[from];
    node.dtype = nodes_[from].dtype;
    node.inputs = {from};
    return Add(std::move(node), std::move(v));
  }

  int64_t Concat(int64_t from) {
    const Sizes in = nodes_[from].sizes;
    if (in.empty()) {
      return Reshape(from);
    }
    const size_t axis = Below(static_cast<int>(in.size()));
    PackNode node{.kind = PackKind::kConcat, .dtype = nodes_[from].dtype, .ints = {static_cast<int64_t>(axis)}};
    for (int parts = Below(3); parts >= 0; --parts) {
      Sizes other = in;
      other[axis] = Below(5);
      node.inputs.push_back(AddLeaf(other, node.dtype));
    }
    node.inputs.insert(node.inputs.begin() + Below(static_cast<int>(node.inputs.size()) + 1), from);
    node.sizes = in;
    node.sizes[axis] = 0;
    for (int64_t input : node.inputs) {
      node.sizes[axis] += nodes_[input].sizes[axis];
    }
    std::vector<double> v(Product(node.sizes));
    for (size_t i = 0; i < v.size(); ++i) {
      Sizes index = IndexOf(static_cast<int64_t>(i), node.sizes);
      size_t part = 0;
      while (index[axis] >= nodes_[node.inputs[part]].sizes[axis]) {
        index[axis] -= nodes_[node.inputs[part++]].sizes[axis];
      }
      v[i] = values_[node.inputs[part]][LinearOf(index, nodes_[node.inputs[part]].sizes)];
    }
    return Add(std::move(node), std::move(v));
  }

  int64_t Broadcast(int64_t from) {
    PackNode node{.kind = PackKind::kBroadcast, .sizes = nodes_[from].sizes};
    if (node.sizes.size() > 4) {
      return Transpose(from);
    }
    const int64_t at = Below(static_cast<int>(node.sizes.size()) + 1);
    node.sizes.insert(node.sizes.begin() + at, 1 + Below(4));
    node.ints = {at};
    return AddView(node, from, [&](Sizes i) {
      i.erase(i.begin() + at);
      return i;
    });
  }

  int64_t Cast(int64_t from) {
    PackNode node{.kind = PackKind::kCast,
                  .dtype = kTypes[Below(std::size(kTypes))],
                  .sizes = nodes_[from].sizes,
                  .inputs = {from}};
    return Add(std::move(node), values_[from]);
  }

  int64_t Arithmetic(int64_t from) {
    const DType t = nodes_[from].dtype;
    if (BitWidth(t) < 8 || t == DType::kBool) {
      return Cast(from);
    }
    static constexpr PackKind kKinds[] = {PackKind::kAdd, PackKind::kSub,  PackKind::kMul,       PackKind::kDiv,
                                          PackKind::kNeg, PackKind::kSqrt, PackKind::kReciprocal};
    const int pick = Below(IsFloat(t) ? 7 : 3);
    PackNode node{.kind = kKinds[pick], .dtype = t, .sizes = nodes_[from].sizes, .inputs = {from}};
    if (pick < 4) {
      node.inputs.push_back(Below(4) == 0 ? from : AddLeaf(node.sizes, t));
    }
    std::vector<double> v = values_[from];
    for (size_t i = 0; i < v.size(); ++i) {
      const double a = v[i], b = pick < 4 ? values_[node.inputs[1]][i] : 0;
      const double results[] = {a + b, a - b, a * b, a / b, -a, std::sqrt(a), 1 / a};
      v[i] = results[pick];
    }
    return Add(std::move(node), std::move(v));
  }

  int64_t Dequantize(int64_t from) {
    const DType t = nodes_[from].dtype;
    if (IsFloat(t) || t == DType::kBool || t == DType::kI64) {
      return Cast(from);
    }
    const Sizes in = nodes_[from].sizes;
    static constexpr DType kFloats[] = {DType::kF32, DType::kF16, DType::kBF16};
    const DType scale_type = kFloats[Below(3)];
    const int64_t axis = in.empty() ? 0 : Below(static_cast<int>(in.size()));
    const int form = in.empty() ? 0 : Below(3);  // one scale, one an index, one a block
    const int64_t block = form == 2 ? 1 + Below(5) : 0;
    Sizes shape = form == 0 ? Sizes{} : form == 1 ? Sizes{in[axis]} : in;
    if (form == 2) {
      shape[axis] = (shape[axis] + block - 1) / block;
    }
    PackNode node{
        .kind = PackKind::kDequantize, .dtype = scale_type, .sizes = in, .inputs = {from}, .ints = {axis, block}};
    node.inputs.push_back(AddLeaf(shape, scale_type));
    if (Below(2) == 0) {
      node.inputs.push_back(AddLeaf(shape, t, 0, 8));
    }
    std::vector<double> v = values_[from];
    for (size_t i = 0; i < v.size(); ++i) {
      Sizes index = IndexOf(static_cast<int64_t>(i), in);
      if (form == 2) {
        index[axis] /= block;
      }
      const int64_t s = form == 0 ? 0 : form == 1 ? index[axis] : LinearOf(index, shape);
      const double zero = node.inputs.size() == 3 ? values_[node.inputs[2]][s] : 0;
      v[i] = (v[i] - zero) * values_[node.inputs[1]][s];
    }
    return Add(std::move(node), std::move(v));
  }

  std::mt19937 rng_;
  std::vector<PackNode> nodes_;
  std::vector<std::vector<double>> values_;
  std::vector<uint8_t> file_;
};

}  // namespace sluice

#endif  // SLUICE_TEST_BASE_PACK_GENERATOR_H_
