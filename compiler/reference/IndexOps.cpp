// Gathers, scatters, top-k and their kin by definition (ONNX's operator pages of the same names).
#include <cmath>
#include <numeric>

#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"

namespace mlir::sluice::reference {
namespace {

Type elementOf(Value value) { return getElementTypeOrSelf(value.getType()); }
int64_t normal(int64_t axis, int64_t rank) { return axis < 0 ? axis + rank : axis; }

// An index that may count from the end; emits when it is outside.
FailureOr<int64_t> wrapped(Operation* op, int64_t index, int64_t size) {
  if (index < -size || index >= size) {
    return op->emitOpError("index ") << index << " is outside [" << -size << ", " << size << ")";
  }
  return index < 0 ? index + size : index;
}

LogicalResult evalGather(Operation* op, Frame& frame, Evaluator&) {
  auto gather = cast<nn::GatherOp>(op);
  const RefTensor& data = frame.of(gather.getData());
  const RefTensor& indices = frame.of(gather.getIndices());
  int64_t axis = normal(gather.getAxis(), data.rank());
  std::vector<int64_t> sizes(data.sizes.begin(), data.sizes.begin() + axis);
  sizes.insert(sizes.end(), indices.sizes.begin(), indices.sizes.end());
  sizes.insert(sizes.end(), data.sizes.begin() + axis + 1, data.sizes.end());
  RefTensor y = RefTensor::make(data.element, sizes);
  int64_t outer = data.product(0, axis), inner = data.product(axis + 1, data.sizes.size()), n = data.sizes[axis],
          to = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t index : indices.i) {
      FailureOr<int64_t> at = wrapped(op, index, n);
      if (failed(at)) {
        return failure();
      }
      for (int64_t i = 0; i < inner; ++i) {
        y.copyElement(to++, data, (o * n + *at) * inner + i);
      }
    }
  }
  frame.set(gather, std::move(y));
  return success();
}

LogicalResult evalGatherElements(Operation* op, Frame& frame, Evaluator&) {
  auto gather = cast<nn::GatherElementsOp>(op);
  const RefTensor& data = frame.of(gather.getData());
  const RefTensor& indices = frame.of(gather.getIndices());
  int64_t axis = normal(gather.getAxis(), data.rank());
  RefTensor y = RefTensor::make(data.element, indices.sizes);
  std::vector<int64_t> strides = data.strides();
  LogicalResult status = success();
  int64_t to = 0;
  forEachIndex(indices.sizes, [&](std::vector<int64_t> index) {
    FailureOr<int64_t> at = wrapped(op, indices.i[to], data.sizes[axis]);
    status = failed(at) ? failure() : status;
    index[axis] = succeeded(at) ? *at : 0;
    y.copyElement(to++, data, offsetOf(index, strides));
  });
  frame.set(gather, std::move(y));
  return status;
}

// Where the index tuple number `tuple` of `indices` points, as an offset into data from `base` on.
FailureOr<int64_t> tupleOffset(Operation* op, const RefTensor& indices, int64_t tuple, const RefTensor& data,
                               int64_t batchDims) {
  int64_t depth = indices.sizes.back(), offset = 0;
  std::vector<int64_t> strides = data.strides();
  for (int64_t d = 0; d < depth; ++d) {
    FailureOr<int64_t> at = wrapped(op, indices.i[tuple * depth + d], data.sizes[batchDims + d]);
    if (failed(at)) {
      return failure();
    }
    offset += *at * strides[batchDims + d];
  }
  return offset;
}

LogicalResult evalGatherNd(Operation* op, Frame& frame, Evaluator&) {
  auto gather = cast<nn::GatherNdOp>(op);
  const RefTensor& data = frame.of(gather.getData());
  const RefTensor& indices = frame.of(gather.getIndices());
  int64_t batchDims = gather.getBatchDims(), skip = batchDims + indices.sizes.back();
  std::vector<int64_t> sizes(indices.sizes.begin(), indices.sizes.end() - 1);
  sizes.insert(sizes.end(), data.sizes.begin() + skip, data.sizes.end());
  RefTensor y = RefTensor::make(data.element, sizes);
  int64_t tuples = indices.product(0, indices.sizes.size() - 1), batches = data.product(0, batchDims);
  int64_t inner = data.product(skip, data.sizes.size()), batchStride = data.product(batchDims, data.sizes.size());
  for (int64_t t = 0; t < tuples; ++t) {
    FailureOr<int64_t> offset = tupleOffset(op, indices, t, data, batchDims);
    if (failed(offset)) {
      return failure();
    }
    int64_t batch = batches ? t / std::max<int64_t>(tuples / batches, 1) : 0;
    for (int64_t i = 0; i < inner; ++i) {
      y.copyElement(t * inner + i, data, batch * batchStride + *offset + i);
    }
  }
  frame.set(gather, std::move(y));
  return success();
}

void combine(StringRef reduction, RefTensor& y, int64_t to, const RefTensor& updates, int64_t from) {
  auto apply = [&](auto a, auto b) {
    return reduction == "add"   ? a + b
           : reduction == "mul" ? a * b
           : reduction == "max" ? std::max(a, b)
           : reduction == "min" ? std::min(a, b)
                                : b;
  };
  if (y.isFloat()) {
    y.f[to] = apply(y.f[to], updates.f[from]);
  } else {
    y.i[to] = apply(y.i[to], updates.i[from]);
  }
}

LogicalResult evalScatterNd(Operation* op, Frame& frame, Evaluator&) {
  auto scatter = cast<nn::ScatterNdOp>(op);
  RefTensor y = frame.of(scatter.getData());
  const RefTensor& indices = frame.of(scatter.getIndices());
  const RefTensor& updates = frame.of(scatter.getUpdates());
  int64_t inner = y.product(indices.sizes.back(), y.sizes.size());
  for (int64_t t = 0; t < indices.product(0, indices.sizes.size() - 1); ++t) {
    FailureOr<int64_t> offset = tupleOffset(op, indices, t, y, 0);
    if (failed(offset)) {
      return failure();
    }
    for (int64_t i = 0; i < inner; ++i) {
      combine(scatter.getReduction(), y, *offset + i, updates, t * inner + i);
    }
  }
  frame.set(scatter, std::move(y));
  return success();
}

LogicalResult evalScatterElements(Operation* op, Frame& frame, Evaluator&) {
  auto scatter = cast<nn::ScatterElementsOp>(op);
  RefTensor y = frame.of(scatter.getData());
  const RefTensor& indices = frame.of(scatter.getIndices());
  const RefTensor& updates = frame.of(scatter.getUpdates());
  int64_t axis = normal(scatter.getAxis(), y.rank()), from = 0;
  std::vector<int64_t> strides = y.strides();
  LogicalResult status = success();
  forEachIndex(indices.sizes, [&](std::vector<int64_t> index) {
    FailureOr<int64_t> at = wrapped(op, indices.i[from], y.sizes[axis]);
    if (failed(at)) {
      status = failure();
    } else {
      index[axis] = *at;
      combine(scatter.getReduction(), y, offsetOf(index, strides), updates, from);
    }
    ++from;
  });
  frame.set(scatter, std::move(y));
  return status;
}

// Calls body(line) for each line along `axis`: line(j) is the offset of its element j.
template <typename Body>
void forEachLine(const RefTensor& x, int64_t axis, Body body) {
  int64_t n = x.sizes[axis], inner = x.product(axis + 1, x.sizes.size()), outer = x.product(0, axis);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      body(o, i, inner, [=](int64_t j) { return (o * n + j) * inner + i; });
    }
  }
}

double number(const RefTensor& x, int64_t at) { return x.isFloat() ? x.f[at] : static_cast<double>(x.i[at]); }

LogicalResult evalTopK(Operation* op, Frame& frame, Evaluator&) {
  auto topK = cast<nn::TopKOp>(op);
  const RefTensor& x = frame.of(topK.getX());
  int64_t axis = normal(topK.getAxis(), x.rank());
  FailureOr<int64_t> k = frame.size(op, topK.getK());
  if (failed(k)) {
    return failure();
  }
  if (*k > x.sizes[axis]) {
    return op->emitOpError("asks for ") << *k << " of " << x.sizes[axis] << " elements";
  }
  std::vector<int64_t> sizes = x.sizes;
  sizes[axis] = *k;
  RefTensor values = RefTensor::make(x.element, sizes);
  RefTensor indices = RefTensor::make(elementOf(topK.getIndices()), sizes);
  std::vector<int64_t> order(x.sizes[axis]);
  forEachLine(x, axis, [&](int64_t o, int64_t i, int64_t inner, auto at) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return topK.getLargest() ? number(x, at(a)) > number(x, at(b)) : number(x, at(a)) < number(x, at(b));
    });
    for (int64_t j = 0; j < *k; ++j) {
      int64_t to = (o * *k + j) * inner + i;
      values.copyElement(to, x, at(order[j]));
      indices.i[to] = order[j];
    }
  });
  frame.set(topK.getValues(), std::move(values));
  frame.set(topK.getIndices(), std::move(indices));
  return success();
}

LogicalResult evalArgReduce(Operation* op, Frame& frame, Evaluator&) {
  auto arg = cast<nn::ArgReduceOp>(op);
  const RefTensor& x = frame.of(arg.getX());
  int64_t axis = normal(arg.getAxis(), x.rank());
  std::vector<int64_t> sizes = x.sizes;
  sizes.erase(sizes.begin() + axis);
  RefTensor y = RefTensor::make(elementOf(arg), sizes);
  forEachLine(x, axis, [&](int64_t o, int64_t i, int64_t inner, auto at) {
    int64_t best = 0;
    for (int64_t j = 1; j < x.sizes[axis]; ++j) {
      double a = number(x, at(j)), b = number(x, at(best));
      bool better = arg.getKind() == "max" ? a > b : a < b;
      best = better || (arg.getSelectLastIndex() && a == b) ? j : best;
    }
    y.i[o * inner + i] = best;
  });
  frame.set(arg, std::move(y));
  return success();
}

LogicalResult evalCumsum(Operation* op, Frame& frame, Evaluator&) {
  auto cumsum = cast<nn::CumsumOp>(op);
  const RefTensor& x = frame.of(cumsum.getX());
  RefTensor y = x;
  int64_t axis = normal(cumsum.getAxis(), x.rank()), n = x.sizes[axis];
  forEachLine(x, axis, [&](int64_t, int64_t, int64_t, auto at) {
    double sum = 0;
    int64_t isum = 0;
    for (int64_t j = 0; j < n; ++j) {
      int64_t where = at(cumsum.getReverse() ? n - 1 - j : j);
      double before = sum;
      int64_t ibefore = isum;
      if (x.isFloat()) {
        sum += x.f[where];
        y.f[where] = cumsum.getExclusive() ? before : sum;
      } else {
        isum += x.i[where];
        y.i[where] = cumsum.getExclusive() ? ibefore : isum;
      }
    }
  });
  frame.set(cumsum, std::move(y));
  return success();
}

LogicalResult evalNonzero(Operation* op, Frame& frame, Evaluator&) {
  auto nonzero = cast<nn::NonzeroOp>(op);
  const RefTensor& x = frame.of(nonzero.getX());
  std::vector<std::vector<int64_t>> found;
  int64_t at = 0;
  forEachIndex(x.sizes, [&](const std::vector<int64_t>& index) {
    if (number(x, at++) != 0) {
      found.push_back(index);
    }
  });
  int64_t count = static_cast<int64_t>(found.size());
  RefTensor y = RefTensor::make(elementOf(nonzero), {x.rank(), count});
  for (int64_t n = 0; n < count; ++n) {
    for (int64_t d = 0; d < x.rank(); ++d) {
      y.i[d * count + n] = found[n][d];
    }
  }
  frame.symbols[nonzero.getSymbol().str()] = count;
  frame.set(nonzero, std::move(y));
  return success();
}

}  // namespace

void addIndexOps(Definitions& t) {
  t["nn.gather"] = evalGather;
  t["nn.gather_elements"] = evalGatherElements;
  t["nn.gather_nd"] = evalGatherNd;
  t["nn.scatter_nd"] = evalScatterNd;
  t["nn.scatter_elements"] = evalScatterElements;
  t["nn.top_k"] = evalTopK;
  t["nn.arg_reduce"] = evalArgReduce;
  t["nn.cumsum"] = evalCumsum;
  t["nn.nonzero"] = evalNonzero;
}

}  // namespace mlir::sluice::reference
