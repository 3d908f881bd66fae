#include "runtime/base/pack_block.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/base/half.h"

namespace sluice::pack_internal {
namespace {

std::vector<int64_t> DenseStrides(const std::vector<int64_t>& sizes) {
  std::vector<int64_t> strides(sizes.size(), 1);
  for (size_t d = sizes.size(); d-- > 1;) {
    strides[d - 1] = strides[d] * sizes[d];
  }
  return strides;
}

Block MakeBlock(DType dtype, const std::vector<int64_t>& sizes) {
  Block block{dtype, sizes, {}};
  block.data.resize(block.elements() * block.element_bytes());
  return block;
}

// Copies a box of `from` elements laid out by `strides` (in elements, from `base` on) into a dense block.
void GatherStrided(const uint8_t* from, int64_t base, const std::vector<int64_t>& strides, Block& out) {
  const int bytes = out.element_bytes();
  const size_t rank = out.sizes.size();
  if (rank == 0) {
    std::memcpy(out.data.data(), from + base * bytes, bytes);
    return;
  }
  const int64_t inner = out.sizes.back(), step = strides.back();
  const int64_t rows = inner == 0 ? 0 : out.elements() / inner;
  std::vector<int64_t> index(rank, 0);
  uint8_t* to = out.data.data();
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = base;
    for (size_t d = 0; d + 1 < rank; ++d) {
      at += index[d] * strides[d];
    }
    const uint8_t* source = from + at * bytes;
    if (step == 1) {
      std::memcpy(to, source, inner * bytes);
    } else {
      for (int64_t i = 0; i < inner; ++i) {
        std::memcpy(to + i * bytes, source + i * step * bytes, bytes);
      }
    }
    to += inner * bytes;
    for (size_t d = rank - 1; d-- > 0;) {
      if (++index[d] < out.sizes[d]) {
        break;
      }
      index[d] = 0;
    }
  }
}

// dst[c][r] = src[r][c], in tiles that stay in the cache.
template <typename T>
void Transpose2d(const T* src, T* dst, int64_t rows, int64_t columns) {
  constexpr int64_t kTile = 32;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      const int64_t r1 = std::min(rows, r0 + kTile), c1 = std::min(columns, c0 + kTile);
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = r0; r < r1; ++r) {
          dst[c * rows + r] = src[r * columns + c];
        }
      }
    }
  }
}

Block TransposeBlock(const Block& in, const std::vector<int64_t>& perm) {
  std::vector<int64_t> sizes, strides, from = DenseStrides(in.sizes);
  for (int64_t d : perm) {
    sizes.push_back(in.sizes[d]);
    strides.push_back(from[d]);
  }
  Block out = MakeBlock(in.dtype, sizes);
  if (perm == std::vector<int64_t>{1, 0}) {
    switch (in.element_bytes()) {
      case 1:
        Transpose2d(in.data.data(), out.data.data(), in.sizes[0], in.sizes[1]);
        return out;
      case 2:
        Transpose2d(reinterpret_cast<const uint16_t*>(in.data.data()), reinterpret_cast<uint16_t*>(out.data.data()),
                    in.sizes[0], in.sizes[1]);
        return out;
      case 4:
        Transpose2d(reinterpret_cast<const uint32_t*>(in.data.data()), reinterpret_cast<uint32_t*>(out.data.data()),
                    in.sizes[0], in.sizes[1]);
        return out;
      default:
        break;
    }
  }
  GatherStrided(in.data.data(), 0, strides, out);
  return out;
}

// Elements [begin, begin + count) of a file or literal in row-major order, one byte each when they are 4-bit.
absl::Status ReadRun(const PackNode& node, int64_t begin, int64_t count, uint8_t* out, PackReader& reader) {
  const int bits = BitWidth(node.dtype);
  const int64_t first = begin * bits / 8, last = ((begin + count) * bits + 7) / 8;
  std::vector<uint8_t> packed;
  uint8_t* target = out;
  if (bits == 4) {
    packed.resize(last - first);
    target = packed.data();
  }
  if (node.kind == PackKind::kLiteral) {
    std::memcpy(target, node.bytes.data() + first, last - first);
  } else {
    RETURN_IF_ERROR(reader.Read(node, first, {target, static_cast<size_t>(last - first)}));
  }
  if (bits == 4) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t nibble = begin + i - first * 2;
      const uint8_t value = (packed[nibble / 2] >> (nibble % 2 * 4)) & 15;
      out[i] = node.dtype == DType::kI4 && value > 7 ? value | 0xf0 : value;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Block> EvaluateSource(const PackNode& node, const Box& box, PackReader& reader) {
  Block out = MakeBlock(node.dtype, box.sizes);
  if (out.elements() == 0) {
    return out;
  }
  // The longest run that is contiguous in the file: whole trailing dimensions and one partial one before them.
  std::vector<int64_t> strides = DenseStrides(node.sizes);
  size_t split = node.sizes.size();
  int64_t run = 1;
  while (split > 0) {
    --split;
    run *= box.sizes[split];
    if (box.sizes[split] != node.sizes[split]) {
      break;
    }
  }
  const int64_t runs = out.elements() / run;
  std::vector<int64_t> index(split, 0);
  for (int64_t r = 0; r < runs; ++r) {
    int64_t at = 0;
    for (size_t d = 0; d < node.sizes.size(); ++d) {
      at += (box.starts[d] + (d < split ? index[d] : 0)) * strides[d];
    }
    RETURN_IF_ERROR(ReadRun(node, at, run, out.data.data() + r * run * out.element_bytes(), reader));
    for (size_t d = split; d-- > 0;) {
      if (++index[d] < box.sizes[d]) {
        break;
      }
      index[d] = 0;
    }
  }
  return out;
}

absl::StatusOr<Block> EvaluateSlice(const PackExpr& expr, const PackNode& node, const Box& box, PackReader& reader) {
  const size_t rank = node.sizes.size();
  Box inner = box;
  std::vector<int64_t> steps(rank);
  for (size_t d = 0; d < rank; ++d) {
    steps[d] = node.ints[rank + d];
    inner.starts[d] = node.ints[d] + box.starts[d] * steps[d];
    inner.sizes[d] = box.sizes[d] == 0 ? 0 : (box.sizes[d] - 1) * steps[d] + 1;
  }
  ASSIGN_OR_RETURN(Block in, Evaluate(expr, node.inputs[0], inner, reader));
  if (std::all_of(steps.begin(), steps.end(), [](int64_t s) { return s == 1; })) {
    return in;
  }
  Block out = MakeBlock(node.dtype, box.sizes);
  std::vector<int64_t> strides = DenseStrides(in.sizes);
  for (size_t d = 0; d < rank; ++d) {
    strides[d] *= steps[d];
  }
  if (out.elements() > 0) {
    GatherStrided(in.data.data(), 0, strides, out);
  }
  return out;
}

// The box' elements in the input's row-major order: evaluates the rows of the input's first dimension that hold them.
absl::StatusOr<Block> EvaluateReshape(const PackExpr& expr, const PackNode& node, const Box& box, PackReader& reader) {
  Block out = MakeBlock(node.dtype, box.sizes);
  if (out.elements() == 0) {
    return out;
  }
  const PackNode& from = expr.nodes[node.inputs[0]];
  std::vector<int64_t> strides = DenseStrides(node.sizes);
  int64_t first = 0, last = 0;
  for (size_t d = 0; d < box.sizes.size(); ++d) {
    first += box.starts[d] * strides[d];
    last += (box.starts[d] + box.sizes[d] - 1) * strides[d];
  }
  Box rows = Box::Whole(from.sizes);
  int64_t base = 0;
  if (!from.sizes.empty()) {
    const int64_t row = std::max<int64_t>(1, rows.elements() / std::max<int64_t>(from.sizes[0], 1));
    rows.starts[0] = first / row;
    rows.sizes[0] = last / row - rows.starts[0] + 1;
    base = rows.starts[0] * row;
  }
  ASSIGN_OR_RETURN(Block in, Evaluate(expr, node.inputs[0], rows, reader));
  GatherStrided(in.data.data(), first - base, strides, out);
  return out;
}

absl::StatusOr<Block> EvaluateConcat(const PackExpr& expr, const PackNode& node, const Box& box, PackReader& reader) {
  const size_t axis = node.ints[0];
  Block out = MakeBlock(node.dtype, box.sizes);
  const int64_t inner = [&] {
    int64_t n = out.element_bytes();
    for (size_t d = axis + 1; d < box.sizes.size(); ++d) {
      n *= box.sizes[d];
    }
    return n;
  }();
  int64_t outer = 1;
  for (size_t d = 0; d < axis; ++d) {
    outer *= box.sizes[d];
  }
  int64_t begin = 0;
  for (int64_t input : node.inputs) {
    const int64_t size = expr.nodes[input].sizes[axis];
    const int64_t low = std::max(box.starts[axis], begin),
                  high = std::min(box.starts[axis] + box.sizes[axis], begin + size);
    if (low < high) {
      Box part = box;
      part.starts[axis] = low - begin;
      part.sizes[axis] = high - low;
      ASSIGN_OR_RETURN(Block in, Evaluate(expr, input, part, reader));
      for (int64_t o = 0; o < outer; ++o) {
        std::memcpy(out.data.data() + (o * box.sizes[axis] + low - box.starts[axis]) * inner,
                    in.data.data() + o * (high - low) * inner, (high - low) * inner);
      }
    }
    begin += size;
  }
  return out;
}

absl::StatusOr<Block> EvaluateBroadcast(const PackExpr& expr, const PackNode& node, const Box& box,
                                        PackReader& reader) {
  Box inner;
  std::vector<size_t> kept;
  for (size_t d = 0; d < box.sizes.size(); ++d) {
    if (std::find(node.ints.begin(), node.ints.end(), static_cast<int64_t>(d)) == node.ints.end()) {
      inner.starts.push_back(box.starts[d]);
      inner.sizes.push_back(box.sizes[d]);
      kept.push_back(d);
    }
  }
  ASSIGN_OR_RETURN(Block in, Evaluate(expr, node.inputs[0], inner, reader));
  Block out = MakeBlock(node.dtype, box.sizes);
  std::vector<int64_t> from = DenseStrides(in.sizes), strides(box.sizes.size(), 0);
  for (size_t n = 0; n < kept.size(); ++n) {
    strides[kept[n]] = from[n];
  }
  if (out.elements() > 0) {
    GatherStrided(in.data.data(), 0, strides, out);
  }
  return out;
}

double LoadNumber(const Block& block, int64_t i) {
  const uint8_t* p = block.data.data();
  switch (block.dtype) {
    case DType::kF32: {
      float v;
      std::memcpy(&v, p + i * 4, 4);
      return v;
    }
    case DType::kF64: {
      double v;
      std::memcpy(&v, p + i * 8, 8);
      return v;
    }
    case DType::kF16: {
      uint16_t v;
      std::memcpy(&v, p + i * 2, 2);
      return F16ToF32(v);
    }
    case DType::kBF16: {
      uint16_t v;
      std::memcpy(&v, p + i * 2, 2);
      return BF16ToF32(v);
    }
    case DType::kI8:
    case DType::kI4:
      return static_cast<int8_t>(p[i]);
    case DType::kU8:
    case DType::kU4:
    case DType::kBool:
      return p[i];
    case DType::kI16: {
      int16_t v;
      std::memcpy(&v, p + i * 2, 2);
      return v;
    }
    case DType::kU16: {
      uint16_t v;
      std::memcpy(&v, p + i * 2, 2);
      return v;
    }
    case DType::kI32: {
      int32_t v;
      std::memcpy(&v, p + i * 4, 4);
      return v;
    }
    case DType::kU32: {
      uint32_t v;
      std::memcpy(&v, p + i * 4, 4);
      return v;
    }
    case DType::kI64: {
      int64_t v;
      std::memcpy(&v, p + i * 8, 8);
      return static_cast<double>(v);
    }
    default:
      return 0;
  }
}

template <typename T>
void Store(uint8_t* p, int64_t i, T v) {
  std::memcpy(p + i * sizeof(T), &v, sizeof(T));
}

void StoreNumber(Block& block, int64_t i, double v) {
  uint8_t* p = block.data.data();
  switch (block.dtype) {
    case DType::kF32:
      Store(p, i, static_cast<float>(v));
      break;
    case DType::kF64:
      Store(p, i, v);
      break;
    case DType::kF16:
      Store(p, i, F64ToF16(v));
      break;
    case DType::kBF16:
      Store(p, i, F64ToBF16(v));
      break;
    case DType::kI8:
      Store(p, i, static_cast<int8_t>(v));
      break;
    case DType::kU8:
      Store(p, i, static_cast<uint8_t>(v));
      break;
    case DType::kBool:
      Store(p, i, static_cast<uint8_t>(v != 0));
      break;
    case DType::kI16:
      Store(p, i, static_cast<int16_t>(v));
      break;
    case DType::kU16:
      Store(p, i, static_cast<uint16_t>(v));
      break;
    case DType::kI32:
      Store(p, i, static_cast<int32_t>(v));
      break;
    case DType::kU32:
      Store(p, i, static_cast<uint32_t>(v));
      break;
    case DType::kI64:
      Store(p, i, static_cast<int64_t>(v));
      break;
    default:
      break;
  }
}

double Apply(PackKind kind, double a, double b) {
  switch (kind) {
    case PackKind::kAdd:
      return a + b;
    case PackKind::kSub:
      return a - b;
    case PackKind::kMul:
      return a * b;
    case PackKind::kDiv:
      return a / b;
    case PackKind::kNeg:
      return -a;
    case PackKind::kSqrt:
      return std::sqrt(a);
    case PackKind::kReciprocal:
      return 1 / a;
    default:
      return a;  // kCast
  }
}

absl::StatusOr<Block> EvaluateElementwise(const PackExpr& expr, const PackNode& node, const Box& box,
                                          PackReader& reader) {
  ASSIGN_OR_RETURN(Block a, Evaluate(expr, node.inputs[0], box, reader));
  if (node.kind == PackKind::kCast && a.dtype == node.dtype) {
    return a;
  }
  Block b;
  if (node.inputs.size() == 2) {
    ASSIGN_OR_RETURN(b, Evaluate(expr, node.inputs[1], box, reader));
  }
  Block out = MakeBlock(node.dtype, box.sizes);
  // f32 results of one f32 operation: rounding an f64 result once is the same (53 ≥ 2·24 + 2).
  for (int64_t i = 0, n = out.elements(); i < n; ++i) {
    StoreNumber(out, i, Apply(node.kind, LoadNumber(a, i), b.data.empty() ? 0 : LoadNumber(b, i)));
  }
  return out;
}

absl::StatusOr<Block> EvaluateDequantize(const PackExpr& expr, const PackNode& node, const Box& box,
                                         PackReader& reader) {
  const int64_t axis = node.ints[0], block = node.ints[1];
  ASSIGN_OR_RETURN(Block q, Evaluate(expr, node.inputs[0], box, reader));
  const std::vector<int64_t>& shape = expr.nodes[node.inputs[1]].sizes;
  Box scaleBox = Box::Whole(shape);
  if (block > 0) {
    scaleBox = box;
    scaleBox.starts[axis] = box.starts[axis] / block;
    scaleBox.sizes[axis] =
        box.sizes[axis] == 0 ? 0 : (box.starts[axis] + box.sizes[axis] - 1) / block - scaleBox.starts[axis] + 1;
  }
  ASSIGN_OR_RETURN(Block scale, Evaluate(expr, node.inputs[1], scaleBox, reader));
  Block zero;
  if (node.inputs.size() == 3) {
    ASSIGN_OR_RETURN(zero, Evaluate(expr, node.inputs[2], scaleBox, reader));
  }
  Block out = MakeBlock(node.dtype, box.sizes);
  std::vector<int64_t> strides = DenseStrides(box.sizes), scaleStrides = DenseStrides(scale.sizes);
  const bool perTensor = scale.elements() == 1 && shape.size() <= 1;
  for (int64_t i = 0, n = out.elements(); i < n; ++i) {
    int64_t s = 0, rest = i;
    if (!perTensor) {
      for (size_t d = 0; d < box.sizes.size(); ++d) {
        const int64_t at = rest / strides[d];
        rest %= strides[d];
        const bool along = static_cast<int64_t>(d) == axis;
        if (block > 0) {
          s += (along ? (box.starts[d] + at) / block - scaleBox.starts[d] : at) * scaleStrides[d];
        } else if (along) {
          s = box.starts[d] + at;
        }
      }
    }
    StoreNumber(out, i, (LoadNumber(q, i) - (zero.data.empty() ? 0.0 : LoadNumber(zero, s))) * LoadNumber(scale, s));
  }
  return out;
}

}  // namespace

absl::StatusOr<Block> Evaluate(const PackExpr& expr, size_t index, const Box& box, PackReader& reader) {
  const PackNode& node = expr.nodes[index];
  switch (node.kind) {
    case PackKind::kSource:
    case PackKind::kLiteral:
      return EvaluateSource(node, box, reader);
    case PackKind::kSlice:
      return EvaluateSlice(expr, node, box, reader);
    case PackKind::kTranspose: {
      Box inner = box;
      for (size_t d = 0; d < box.sizes.size(); ++d) {
        inner.starts[node.ints[d]] = box.starts[d];
        inner.sizes[node.ints[d]] = box.sizes[d];
      }
      ASSIGN_OR_RETURN(Block in, Evaluate(expr, node.inputs[0], inner, reader));
      return TransposeBlock(in, node.ints);
    }
    case PackKind::kReshape:
      return EvaluateReshape(expr, node, box, reader);
    case PackKind::kConcat:
      return EvaluateConcat(expr, node, box, reader);
    case PackKind::kBroadcast:
      return EvaluateBroadcast(expr, node, box, reader);
    case PackKind::kDequantize:
      return EvaluateDequantize(expr, node, box, reader);
    default:
      return EvaluateElementwise(expr, node, box, reader);
  }
}

}  // namespace sluice::pack_internal
