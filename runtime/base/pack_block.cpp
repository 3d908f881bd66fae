// Evaluating boxes of nodes: which elements of the inputs a box needs, down to runs of bytes in files.
#include "runtime/base/pack_block.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace sluice::pack_internal {
namespace {

// Elements [begin, begin + count) of a file or literal in row-major order, one byte each when they are 4-bit.
absl::Status ReadRun(const PackNode& node, int64_t begin, int64_t count, uint8_t* out, PackReader& reader) {
  const int bits = BitWidth(node.dtype);
  const int64_t first = begin * bits / 8;
  const int64_t length = ((begin + count) * bits + 7) / 8 - first;
  std::vector<uint8_t> packed;
  uint8_t* target = out;
  if (bits == 4) {
    packed.resize(length);
    target = packed.data();
  }
  if (node.kind == PackKind::kLiteral) {
    std::memcpy(target, node.bytes.data() + first, length);
  } else {
    RETURN_IF_ERROR(reader.Read(node, first, {target, static_cast<size_t>(length)}));
  }
  if (bits == 4) {
    const uint8_t sign = node.dtype == DType::kI4 ? 8 : 0;  // (v ^ 8) - 8 extends the sign
    for (int64_t i = 0; i < count; ++i) {
      const int64_t nibble = begin + i - first * 2;
      const int value = (packed[nibble / 2] >> (nibble % 2 * 4)) & 15;
      out[i] = static_cast<uint8_t>((value ^ sign) - sign);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Block> EvaluateSource(const PackNode& node, const Box& box, PackReader& reader) {
  Block out = MakeBlock(node.dtype, box.sizes);
  if (out.stored == 0) {
    return out;
  }
  // The longest run that is contiguous in the file: whole trailing dimensions and one partial one before them.
  const std::vector<int64_t> strides = DenseStrides(node.sizes);
  size_t split = node.sizes.size();
  int64_t run = 1;
  while (split > 0) {
    --split;
    run *= box.sizes[split];
    if (box.sizes[split] != node.sizes[split]) {
      break;
    }
  }
  std::vector<int64_t> index(split, 0);
  for (int64_t done = 0; done < out.stored; done += run) {
    int64_t at = 0;
    for (size_t d = 0; d < node.sizes.size(); ++d) {
      at += (box.starts[d] + (d < split ? index[d] : 0)) * strides[d];
    }
    RETURN_IF_ERROR(ReadRun(node, at, run, out.data.get() + done * out.width(), reader));
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
  for (size_t d = 0; d < rank; ++d) {
    const int64_t step = node.ints[rank + d];
    inner.starts[d] = node.ints[d] + box.starts[d] * step;
    inner.sizes[d] = box.sizes[d] == 0 ? 0 : (box.sizes[d] - 1) * step + 1;
  }
  ASSIGN_OR_RETURN(Block block, Evaluate(expr, node.inputs[0], inner, reader));
  block.sizes = box.sizes;
  for (size_t d = 0; d < rank; ++d) {
    block.strides[d] *= node.ints[rank + d];
  }
  return block;
}

absl::StatusOr<Block> EvaluateTranspose(const PackExpr& expr, const PackNode& node, const Box& box,
                                        PackReader& reader) {
  Box inner = box;
  for (size_t d = 0; d < box.sizes.size(); ++d) {
    inner.starts[node.ints[d]] = box.starts[d];
    inner.sizes[node.ints[d]] = box.sizes[d];
  }
  ASSIGN_OR_RETURN(Block block, Evaluate(expr, node.inputs[0], inner, reader));
  const std::vector<int64_t> strides = block.strides;
  for (size_t d = 0; d < box.sizes.size(); ++d) {
    block.strides[d] = strides[node.ints[d]];
  }
  block.sizes = box.sizes;
  return block;
}

// A reshape, cut where sizes of both sides multiply to the same: [2, 6, 5] to [12, 5] is {2, 6} to {12} and {5} to {5}.
struct Group {
  size_t in_begin, in_end;
  size_t out_begin, out_end;
};

std::vector<Group> ReshapeGroups(const std::vector<int64_t>& in, const std::vector<int64_t>& out) {
  std::vector<Group> groups;
  size_t i = 0;
  size_t o = 0;
  while (i < in.size() || o < out.size()) {
    Group g{i, i, o, o};
    int64_t a = 1;
    int64_t b = 1;
    do {
      if ((a <= b && i < in.size()) || o == out.size()) {
        a *= in[i++];
      } else {
        b *= out[o++];
      }
    } while (a != b);
    g.in_end = i;
    g.out_end = o;
    groups.push_back(g);
  }
  return groups;
}

// The elements of the input a box needs, group by group: a range of the group's row-major order, widened to what a box
// of the input can express (leading dimensions that do not vary, a range of the next, all of the others).
struct GroupRange {
  int64_t base = 0;    // first element of the widened range, in the group's order
  int64_t length = 1;  // of the widened range
};

GroupRange RangeOf(const Group& g, const PackNode& from, const PackNode& node, const Box& box, Box* inner) {
  int64_t first = 0;
  int64_t last = 0;
  int64_t stride = 1;
  for (size_t d = g.out_end; d-- > g.out_begin; stride *= node.sizes[d]) {
    first += box.starts[d] * stride;
    last += (box.starts[d] + box.sizes[d] - 1) * stride;
  }
  GroupRange range;
  bool fixed = true;
  for (size_t d = g.in_begin; d < g.in_end; ++d) {
    stride /= from.sizes[d];
    if (!fixed) {
      range.length *= from.sizes[d];
      continue;
    }
    const int64_t low = first / stride;
    const int64_t high = last / stride;
    inner->starts[d] = low;
    inner->sizes[d] = high - low + 1;
    range.base += low * stride;
    range.length = high - low + 1;
    first -= low * stride;
    last -= low * stride;
    fixed = low == high;
  }
  return range;
}

// Whether the block's dimensions [begin, end) walk as one; `stride` is that of the innermost that matters.
bool WalksAsOne(const Block& block, size_t begin, size_t end, int64_t* stride) {
  int64_t next = -1;  // stride the next outer dimension must have
  *stride = 1;
  for (size_t d = end; d-- > begin;) {
    if (block.sizes[d] == 1) {
      continue;
    }
    if (next >= 0 && block.strides[d] != next) {
      return false;
    }
    *stride = next < 0 ? block.strides[d] : *stride;
    next = block.strides[d] * block.sizes[d];
  }
  return true;
}

// A dimension of the box whose indices lie so far apart in their group that what lies between is most of its range.
std::optional<size_t> SparseDimension(const Group& g, const PackNode& node, const Box& box) {
  constexpr int64_t kMost = 4;  // times the elements wanted that may be read with them
  int64_t wanted = 1;
  int64_t span = 0;
  int64_t stride = 1;
  std::optional<size_t> outermost;
  for (size_t d = g.out_end; d-- > g.out_begin; stride *= node.sizes[d]) {
    wanted *= box.sizes[d];
    span += (box.sizes[d] - 1) * stride;
    outermost = box.sizes[d] > 1 ? d : outermost;
  }
  return span + 1 > kMost * wanted ? outermost : std::nullopt;
}

absl::StatusOr<Block> EvaluateReshape(const PackExpr& expr, const PackNode& node, const Box& box, PackReader& reader);

// Each index of a dimension for itself.
absl::StatusOr<Block> EvaluateReshapeAlong(size_t dimension, const PackExpr& expr, const PackNode& node, const Box& box,
                                           PackReader& reader) {
  Block out = MakeBlock(node.dtype, box.sizes);
  const int64_t count = box.sizes[dimension], slab = out.strides[dimension] * out.width();
  Box part = box;
  part.sizes[dimension] = 1;
  for (int64_t i = 0; i < count; ++i) {
    part.starts[dimension] = box.starts[dimension] + i;
    ASSIGN_OR_RETURN(Block in, EvaluateReshape(expr, node, part, reader));
    in = Densify(std::move(in));
    for (int64_t o = 0; o * slab * count < out.stored * out.width(); ++o) {
      std::memcpy(out.data.get() + (o * count + i) * slab, in.data.get() + o * slab, slab);
    }
  }
  return out;
}

absl::StatusOr<Block> EvaluateReshape(const PackExpr& expr, const PackNode& node, const Box& box, PackReader& reader) {
  if (box.elements() == 0) {
    return MakeBlock(node.dtype, box.sizes);
  }
  const PackNode& from = expr.nodes[node.inputs[0]];
  const std::vector<Group> groups = ReshapeGroups(from.sizes, node.sizes);
  for (const Group& g : groups) {
    if (const std::optional<size_t> dimension = SparseDimension(g, node, box)) {
      return EvaluateReshapeAlong(*dimension, expr, node, box, reader);
    }
  }
  Box inner = Box::Whole(from.sizes);
  std::vector<GroupRange> ranges;
  ranges.reserve(groups.size());
  for (const Group& g : groups) {
    ranges.push_back(RangeOf(g, from, node, box, &inner));
  }
  ASSIGN_OR_RETURN(Block block, Evaluate(expr, node.inputs[0], inner, reader));
  std::vector<int64_t> group_strides(groups.size());
  bool as_one = true;
  for (size_t n = 0; n < groups.size(); ++n) {
    as_one = as_one && WalksAsOne(block, groups[n].in_begin, groups[n].in_end, &group_strides[n]);
  }
  if (!as_one) {
    block = Densify(std::move(block));
    for (size_t n = 0; n < groups.size(); ++n) {
      WalksAsOne(block, groups[n].in_begin, groups[n].in_end, &group_strides[n]);
    }
  }
  // Where the box begins inside the widened ranges, and its strides there.
  std::vector<int64_t> strides(box.sizes.size(), 1);
  int64_t skip = 0;
  for (size_t n = 0; n < groups.size(); ++n) {
    int64_t stride = group_strides[n];
    skip -= ranges[n].base * stride;
    for (size_t d = groups[n].out_end; d-- > groups[n].out_begin; stride *= node.sizes[d]) {
      skip += box.starts[d] * stride;
      strides[d] = stride;
    }
  }
  if (skip == 0) {
    block.sizes = box.sizes;
    block.strides = strides;
    return block;
  }
  Block out = MakeBlock(node.dtype, box.sizes);
  CopyStrided(block.data.get() + skip * block.width(), box.sizes, strides, block.width(), out.data.get());
  return out;
}

absl::StatusOr<Block> EvaluateConcat(const PackExpr& expr, const PackNode& node, const Box& box, PackReader& reader) {
  const size_t axis = node.ints[0];
  const int64_t box_end = box.starts[axis] + box.sizes[axis];
  Block out;
  int64_t begin = 0;
  for (int64_t input : node.inputs) {
    const int64_t size = expr.nodes[input].sizes[axis];
    const int64_t low = std::max(box.starts[axis], begin);
    const int64_t high = std::min(box_end, begin + size);
    if (low < high) {
      Box part = box;
      part.starts[axis] = low - begin;
      part.sizes[axis] = high - low;
      ASSIGN_OR_RETURN(Block in, Evaluate(expr, input, part, reader));
      if (high - low == box.sizes[axis]) {
        return in;
      }
      if (out.data == nullptr) {
        out = MakeBlock(node.dtype, box.sizes);
      }
      // A slab of the result for each index before the axis.
      in = Densify(std::move(in));
      const int64_t inner = in.strides[axis] * in.width();
      const int64_t outer = high == low || inner == 0 ? 0 : in.stored * in.width() / (inner * (high - low));
      for (int64_t o = 0; o < outer; ++o) {
        std::memcpy(out.data.get() + (o * box.sizes[axis] + low - box.starts[axis]) * inner,
                    in.data.get() + o * (high - low) * inner, (high - low) * inner);
      }
    }
    begin += size;
  }
  return out.data == nullptr ? MakeBlock(node.dtype, box.sizes) : std::move(out);
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
  ASSIGN_OR_RETURN(Block block, Evaluate(expr, node.inputs[0], inner, reader));
  std::vector<int64_t> strides(box.sizes.size(), 0);
  for (size_t n = 0; n < kept.size(); ++n) {
    strides[kept[n]] = block.strides[n];
  }
  block.sizes = box.sizes;
  block.strides = strides;
  return block;
}

absl::StatusOr<Block> EvaluateElementwise(const PackExpr& expr, const PackNode& node, const Box& box,
                                          PackReader& reader) {
  ASSIGN_OR_RETURN(Block a, Evaluate(expr, node.inputs[0], box, reader));
  if (node.inputs.size() == 1) {
    return node.kind == PackKind::kCast && a.dtype == node.dtype
               ? std::move(a)
               : Compute(node.kind, node.dtype, std::move(a), nullptr);
  }
  ASSIGN_OR_RETURN(Block b, Evaluate(expr, node.inputs[1], box, reader));
  return Compute(node.kind, node.dtype, std::move(a), &b);
}

absl::StatusOr<Block> EvaluateDequantize(const PackExpr& expr, const PackNode& node, const Box& box,
                                         PackReader& reader) {
  const int64_t block = node.ints[1];
  const std::vector<int64_t>& shape = expr.nodes[node.inputs[1]].sizes;
  const bool per_tensor = block == 0 && shape.size() <= 1 && Box{{}, shape}.elements() == 1;
  const int64_t axis = per_tensor ? -1 : node.ints[0];
  ASSIGN_OR_RETURN(Block q, Evaluate(expr, node.inputs[0], box, reader));
  if (q.elements() == 0) {
    return MakeBlock(node.dtype, box.sizes);
  }
  DequantizeArgs args{node.dtype, axis, block, per_tensor ? 0 : box.starts[axis], 0};
  Box scale_box = Box::Whole(shape);
  if (block > 0) {
    scale_box = box;
    const int64_t last = box.starts[axis] + box.sizes[axis] - 1;
    scale_box.starts[axis] = args.scale_start = box.starts[axis] / block;
    scale_box.sizes[axis] = last / block - scale_box.starts[axis] + 1;
  } else if (!per_tensor) {
    scale_box.starts[0] = args.scale_start = box.starts[axis];
    scale_box.sizes[0] = box.sizes[axis];
  }
  ASSIGN_OR_RETURN(Block scale, Evaluate(expr, node.inputs[1], scale_box, reader));
  scale = Densify(std::move(scale));
  if (node.inputs.size() == 2) {
    return Dequantize(args, std::move(q), scale, nullptr);
  }
  ASSIGN_OR_RETURN(Block zero, Evaluate(expr, node.inputs[2], scale_box, reader));
  zero = Densify(std::move(zero));
  return Dequantize(args, std::move(q), scale, &zero);
}

// The elements of a box of integers, dense.
absl::StatusOr<Block> EvaluateIntegers(const PackExpr& expr, size_t index, const Box& box, PackReader& reader) {
  ASSIGN_OR_RETURN(Block block, Evaluate(expr, index, box, reader));
  return Compute(PackKind::kCast, DType::kI64, Densify(std::move(block)), nullptr);
}

// A row of w at a time: it may be far larger than the result.
absl::StatusOr<Block> EvaluateLinear(const PackExpr& expr, const PackNode& node, const Box& box, PackReader& reader) {
  const int64_t k = expr.nodes[node.inputs[1]].sizes[1], rows = box.sizes[0], columns = box.sizes[1];
  ASSIGN_OR_RETURN(const Block x, EvaluateIntegers(expr, node.inputs[0], {{box.starts[0], 0}, {rows, k}}, reader));
  Block sums = MakeBlock(DType::kI64, box.sizes);
  const auto* left = reinterpret_cast<const int64_t*>(x.data.get());
  auto* to = reinterpret_cast<int64_t*>(sums.data.get());
  for (int64_t n = 0; n < columns; ++n) {
    ASSIGN_OR_RETURN(const Block w, EvaluateIntegers(expr, node.inputs[1], {{box.starts[1] + n, 0}, {1, k}}, reader));
    const auto* right = reinterpret_cast<const int64_t*>(w.data.get());
    for (int64_t m = 0; m < rows; ++m) {
      uint64_t sum = 0;  // wraps
      for (int64_t i = 0; i < k; ++i) {
        sum += static_cast<uint64_t>(left[m * k + i]) * static_cast<uint64_t>(right[i]);
      }
      to[m * columns + n] = static_cast<int64_t>(sum);
    }
  }
  return Compute(PackKind::kCast, node.dtype, std::move(sums), nullptr);
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
    case PackKind::kTranspose:
      return EvaluateTranspose(expr, node, box, reader);
    case PackKind::kReshape:
      return EvaluateReshape(expr, node, box, reader);
    case PackKind::kConcat:
      return EvaluateConcat(expr, node, box, reader);
    case PackKind::kBroadcast:
      return EvaluateBroadcast(expr, node, box, reader);
    case PackKind::kDequantize:
      return EvaluateDequantize(expr, node, box, reader);
    case PackKind::kLinear:
      return EvaluateLinear(expr, node, box, reader);
    default:
      return EvaluateElementwise(expr, node, box, reader);
  }
}

}  // namespace sluice::pack_internal
