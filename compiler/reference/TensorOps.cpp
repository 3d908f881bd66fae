// Upstream tensor and linalg ops by definition, and nn's views and sizes.
#include <cmath>

#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::sluice::reference {
namespace {

Type elementOf(Value value) { return getElementTypeOrSelf(value.getType()); }

FailureOr<int64_t> indexOf(Operation* op, Frame& frame, OpFoldResult value) {
  if (auto attr = dyn_cast<Attribute>(value)) {
    return cast<IntegerAttr>(attr).getInt();
  }
  auto it = frame.indices.find(cast<Value>(value));
  if (it == frame.indices.end()) {
    return op->emitOpError("uses an index the evaluator does not know");
  }
  return it->second;
}

FailureOr<std::vector<int64_t>> indicesOf(Operation* op, Frame& frame, ArrayRef<OpFoldResult> values) {
  std::vector<int64_t> result;
  for (OpFoldResult value : values) {
    FailureOr<int64_t> index = indexOf(op, frame, value);
    if (failed(index)) {
      return failure();
    }
    result.push_back(*index);
  }
  return result;
}

LogicalResult evalSize(Operation* op, Frame& frame, Evaluator&) {
  FailureOr<int64_t> size = frame.size(op, cast<nn::SizeOp>(op).getExpr());
  if (failed(size)) {
    return failure();
  }
  frame.indices[op->getResult(0)] = *size;
  return success();
}

LogicalResult evalSizes(Operation* op, Frame& frame, Evaluator&) {
  auto sizes = cast<nn::SizesOp>(op);
  FailureOr<std::vector<int64_t>> values = frame.sizes(op, sizes.getExprs());
  if (failed(values)) {
    return failure();
  }
  bool scalar = cast<RankedTensorType>(sizes.getType()).getRank() == 0;
  RefTensor t = RefTensor::make(
      elementOf(sizes), scalar ? std::vector<int64_t>{} : std::vector<int64_t>{static_cast<int64_t>(values->size())});
  for (size_t n = 0; n < values->size(); ++n) {
    t.isFloat() ? void(t.f[n] = static_cast<double>((*values)[n])) : void(t.i[n] = (*values)[n]);
  }
  frame.set(op->getResult(0), std::move(t));
  return success();
}

LogicalResult evalWeight(Operation* op, Frame& frame, Evaluator& evaluator) {
  auto weight = cast<nn::WeightOp>(op);
  FailureOr<const char*> bytes = evaluator.bytes(op, weight.getFile(), weight.getOffset(), weight.getLength());
  if (failed(bytes)) {
    return failure();
  }
  frame.set(weight, fromBytes(elementOf(weight), cast<RankedTensorType>(weight.getType()).getShape().vec(), *bytes));
  return success();
}

LogicalResult evalReshape(Operation* op, Frame& frame, Evaluator&) {
  FailureOr<std::vector<int64_t>> sizes = frame.sizes(op, cast<nn::ReshapeOp>(op).getSizes());
  if (failed(sizes)) {
    return failure();
  }
  RefTensor t = frame.in(op, 0);
  int64_t before = t.elements();
  t.sizes = *sizes;
  if (t.elements() != before) {
    return op->emitOpError("gives ") << t.elements() << " elements at run time, its operand has " << before;
  }
  frame.set(op->getResult(0), std::move(t));
  return success();
}

LogicalResult evalEmpty(Operation* op, Frame& frame, Evaluator&) {
  FailureOr<std::vector<int64_t>> sizes = indicesOf(op, frame, cast<tensor::EmptyOp>(op).getMixedSizes());
  if (failed(sizes)) {
    return failure();
  }
  frame.set(op->getResult(0), RefTensor::make(elementOf(op->getResult(0)), *sizes));
  return success();
}

LogicalResult evalIdentity(Operation* op, Frame& frame, Evaluator&) {
  frame.share(op->getResult(0), op->getOperand(0));
  return success();
}

LogicalResult evalDim(Operation* op, Frame& frame, Evaluator&) {
  auto dim = cast<tensor::DimOp>(op);
  frame.indices[dim] = frame.of(dim.getSource()).sizes[*dim.getConstantIndex()];
  return success();
}

LogicalResult evalConcat(Operation* op, Frame& frame, Evaluator&) {
  auto concat = cast<tensor::ConcatOp>(op);
  size_t axis = concat.getDim();
  std::vector<int64_t> sizes = frame.in(op, 0).sizes;
  sizes[axis] = 0;
  for (Value input : concat.getInputs()) {
    const RefTensor& x = frame.of(input);
    for (size_t d = 0; d < sizes.size(); ++d) {
      if (d != axis && x.sizes[d] != sizes[d]) {
        return op->emitOpError("inputs differ in dimension ")
               << d << " at run time: " << x.sizes[d] << " and " << sizes[d];
      }
    }
    sizes[axis] += x.sizes[axis];
  }
  RefTensor y = RefTensor::make(elementOf(concat), sizes);
  std::vector<int64_t> strides = y.strides();
  int64_t begin = 0;
  for (Value input : concat.getInputs()) {
    const RefTensor& x = frame.of(input);
    int64_t from = 0;
    forEachIndex(x.sizes, [&](const std::vector<int64_t>& index) {
      y.copyElement(offsetOf(index, strides) + begin * strides[axis], x, from++);
    });
    begin += x.sizes[axis];
  }
  frame.set(concat, std::move(y));
  return success();
}

LogicalResult evalExtractSlice(Operation* op, Frame& frame, Evaluator&) {
  auto slice = cast<tensor::ExtractSliceOp>(op);
  FailureOr<std::vector<int64_t>> offsets = indicesOf(op, frame, slice.getMixedOffsets());
  FailureOr<std::vector<int64_t>> sizes = indicesOf(op, frame, slice.getMixedSizes());
  FailureOr<std::vector<int64_t>> steps = indicesOf(op, frame, slice.getMixedStrides());
  if (failed(offsets) || failed(sizes) || failed(steps)) {
    return failure();
  }
  const RefTensor& x = frame.in(op, 0);
  for (size_t d = 0; d < sizes->size(); ++d) {
    int64_t last = (*offsets)[d] + ((*sizes)[d] - 1) * (*steps)[d];
    if ((*sizes)[d] > 0 && ((*offsets)[d] < 0 || last >= x.sizes[d])) {
      return op->emitOpError("reads [") << (*offsets)[d] << ", " << last << "] of dimension " << d << " of size "
                                        << x.sizes[d];
    }
  }
  std::vector<int64_t> strides = x.strides();
  std::vector<int64_t> kept;
  llvm::SmallBitVector dropped = slice.getDroppedDims();
  for (size_t d = 0; d < sizes->size(); ++d) {
    if (!dropped.test(d)) {
      kept.push_back((*sizes)[d]);
    }
  }
  RefTensor y = RefTensor::make(x.element, kept);
  int64_t to = 0;
  forEachIndex(*sizes, [&](const std::vector<int64_t>& index) {
    int64_t from = 0;
    for (size_t d = 0; d < index.size(); ++d) {
      from += ((*offsets)[d] + index[d] * (*steps)[d]) * strides[d];
    }
    y.copyElement(to++, x, from);
  });
  frame.set(slice, std::move(y));
  return success();
}

LogicalResult evalBroadcast(Operation* op, Frame& frame, Evaluator&) {
  auto broadcast = cast<linalg::BroadcastOp>(op);
  const RefTensor& x = frame.of(broadcast.getInput());
  RefTensor y = RefTensor::make(x.element, frame.of(broadcast.getInit()).sizes);
  std::vector<int64_t> from = x.strides();
  std::vector<int64_t> strides(y.sizes.size(), 0);
  size_t next = 0;
  for (size_t d = 0; d < y.sizes.size(); ++d) {
    if (!llvm::is_contained(broadcast.getDimensions(), static_cast<int64_t>(d))) {
      if (x.sizes[next] != y.sizes[d]) {
        return op->emitOpError("input dimension ")
               << next << " has size " << x.sizes[next] << " at run time, result has " << y.sizes[d];
      }
      strides[d] = from[next++];
    }
  }
  int64_t to = 0;
  forEachIndex(y.sizes, [&](const std::vector<int64_t>& index) { y.copyElement(to++, x, offsetOf(index, strides)); });
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalTranspose(Operation* op, Frame& frame, Evaluator&) {
  auto transpose = cast<linalg::TransposeOp>(op);
  const RefTensor& x = frame.of(transpose.getInput());
  std::vector<int64_t> from = x.strides();
  std::vector<int64_t> sizes, strides;
  for (int64_t d : transpose.getPermutation()) {
    sizes.push_back(x.sizes[d]);
    strides.push_back(from[d]);
  }
  RefTensor y = RefTensor::make(x.element, sizes);
  int64_t to = 0;
  forEachIndex(sizes, [&](const std::vector<int64_t>& index) { y.copyElement(to++, x, offsetOf(index, strides)); });
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalFill(Operation* op, Frame& frame, Evaluator&) {
  auto fill = cast<linalg::FillOp>(op);
  Operation* def = fill.getInputs()[0].getDefiningOp();
  auto constant = dyn_cast_or_null<arith::ConstantOp>(def);
  if (!constant) {
    return op->emitOpError("fills with a value that is no constant");
  }
  RefTensor y = RefTensor::make(elementOf(op->getResult(0)), frame.of(fill.getOutputs()[0]).sizes);
  if (auto number = dyn_cast<FloatAttr>(constant.getValue())) {
    std::fill(y.f.begin(), y.f.end(), number.getValueAsDouble());
  } else {
    std::fill(y.i.begin(), y.i.end(), cast<IntegerAttr>(constant.getValue()).getInt());
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

// Folds one element into an accumulator: the one op of a linalg.reduce's body.
bool combine(Operation& body, RefTensor& acc, int64_t to, const RefTensor& x, int64_t from) {
  StringRef name = body.getName().getStringRef();
  if (acc.isFloat()) {
    double a = acc.f[to], b = x.f[from];
    if (name == "arith.addf") {
      return acc.f[to] = a + b, true;
    }
    if (name == "arith.mulf") {
      return acc.f[to] = a * b, true;
    }
    if (name == "arith.maximumf") {
      return acc.f[to] = std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b), true;
    }
    if (name == "arith.minimumf") {
      return acc.f[to] = std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b), true;
    }
    if (name == "arith.maxnumf") {
      return acc.f[to] = std::fmax(a, b), true;
    }
    if (name == "arith.minnumf") {
      return acc.f[to] = std::fmin(a, b), true;
    }
    return false;
  }
  int64_t a = acc.i[to], b = x.i[from];
  if (name == "arith.addi") {
    return acc.i[to] = a + b, true;
  }
  if (name == "arith.muli") {
    return acc.i[to] = a * b, true;
  }
  if (name == "arith.maxsi" || name == "arith.maxui") {
    return acc.i[to] = std::max(a, b), true;
  }
  if (name == "arith.minsi" || name == "arith.minui") {
    return acc.i[to] = std::min(a, b), true;
  }
  if (name == "arith.ori") {
    return acc.i[to] = a | b, true;
  }
  if (name == "arith.andi") {
    return acc.i[to] = a & b, true;
  }
  return false;
}

LogicalResult evalReduce(Operation* op, Frame& frame, Evaluator&) {
  auto reduce = cast<linalg::ReduceOp>(op);
  if (reduce.getInputs().size() != 1) {
    return op->emitOpError("reduces several inputs at once");
  }
  const RefTensor& x = frame.of(reduce.getInputs()[0]);
  RefTensor y = frame.of(reduce.getInits()[0]);
  std::vector<int64_t> to = y.strides();
  std::vector<int64_t> strides(x.sizes.size(), 0);
  size_t next = 0;
  for (size_t d = 0; d < x.sizes.size(); ++d) {
    if (!llvm::is_contained(reduce.getDimensions(), static_cast<int64_t>(d))) {
      strides[d] = to[next++];
    }
  }
  Operation& body = reduce.getCombiner().front().front();
  bool known = true;
  int64_t from = 0;
  forEachIndex(x.sizes, [&](const std::vector<int64_t>& index) {
    known &= combine(body, y, offsetOf(index, strides), x, from++);
  });
  if (!known) {
    return op->emitOpError("combines with ") << body.getName() << ", which the evaluator does not know";
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalReverse(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& x = frame.in(op, 0);
  RefTensor y = RefTensor::make(x.element, x.sizes);
  std::vector<int64_t> strides = x.strides();
  int64_t to = 0;
  forEachIndex(x.sizes, [&](const std::vector<int64_t>& index) {
    int64_t from = 0;
    for (size_t d = 0; d < index.size(); ++d) {
      bool flip = llvm::is_contained(cast<nn::ReverseOp>(op).getAxes(), static_cast<int64_t>(d));
      from += (flip ? x.sizes[d] - 1 - index[d] : index[d]) * strides[d];
    }
    y.copyElement(to++, x, from);
  });
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalIota(Operation* op, Frame& frame, Evaluator&) {
  FailureOr<int64_t> size = frame.size(op, cast<nn::IotaOp>(op).getSize());
  if (failed(size)) {
    return failure();
  }
  RefTensor y = RefTensor::make(elementOf(op->getResult(0)), {std::max<int64_t>(*size, 0)});
  for (int64_t n = 0; n < y.elements(); ++n) {
    y.isFloat() ? void(y.f[n] = static_cast<double>(n)) : void(y.i[n] = n);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

}  // namespace

void addTensorOps(Definitions& t) {
  t["nn.size"] = evalSize;
  t["nn.sizes"] = evalSizes;
  t["nn.weight"] = evalWeight;
  t["nn.reshape"] = evalReshape;
  t["nn.reverse"] = evalReverse;
  t["nn.iota"] = evalIota;
  t["tensor.empty"] = evalEmpty;
  t["tensor.cast"] = evalIdentity;
  t["tensor.dim"] = evalDim;
  t["tensor.concat"] = evalConcat;
  t["tensor.extract_slice"] = evalExtractSlice;
  t["linalg.broadcast"] = evalBroadcast;
  t["linalg.transpose"] = evalTranspose;
  t["linalg.fill"] = evalFill;
  t["linalg.reduce"] = evalReduce;
}

}  // namespace mlir::sluice::reference
