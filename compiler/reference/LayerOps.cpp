// Pooling, resampling, recurrent cells and quantization by definition (ONNX's operator pages of the same names).
#include <cmath>

#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"

namespace mlir::sluice::reference {
namespace {

Type resultElement(Operation* op) { return getElementTypeOrSelf(op->getResult(0).getType()); }

//===-- Pooling
//----------------------------------------------------------------------------------------------------===//

int64_t pooledSize(nn::PoolOp pool, int64_t in, size_t d) {
  size_t spatial = pool.getKernel().size();
  int64_t begin = pool.getPads()[d], end = pool.getPads()[d + spatial], stride = pool.getStrides()[d];
  int64_t room = in + begin + end - pool.getDilations()[d] * (pool.getKernel()[d] - 1) - 1;
  if (!pool.getCeilMode()) {
    return room / stride + 1;
  }
  int64_t size = (room + stride - 1) / stride + 1;
  return (size - 1) * stride >= in + begin ? size - 1 : size;
}

LogicalResult evalPool(Operation* op, Frame& frame, Evaluator&) {
  auto pool = cast<nn::PoolOp>(op);
  const RefTensor& x = frame.of(pool.getX());
  size_t spatial = pool.getKernel().size();
  std::vector<int64_t> in(x.sizes.begin() + 2, x.sizes.end()), out;
  for (size_t d = 0; d < spatial; ++d) {
    out.push_back(pooledSize(pool, in[d], d));
  }
  std::vector<int64_t> sizes = {x.sizes[0], x.sizes[1]};
  sizes.insert(sizes.end(), out.begin(), out.end());
  RefTensor y = RefTensor::make(resultElement(op), sizes);
  int64_t inVolume = x.product(2, x.sizes.size()), to = 0;
  std::vector<int64_t> kernel = pool.getKernel().vec();
  bool isMax = pool.getKind() == "max";
  for (int64_t plane = 0; plane < x.sizes[0] * x.sizes[1]; ++plane) {
    forEachIndex(out, [&](const std::vector<int64_t>& o) {
      double best = -INFINITY, sum = 0;
      int64_t count = 0;
      forEachIndex(kernel, [&](const std::vector<int64_t>& tap) {
        int64_t from = 0;
        bool inside = true, padded = true;
        for (size_t d = 0; d < spatial; ++d) {
          int64_t at = o[d] * pool.getStrides()[d] + tap[d] * pool.getDilations()[d] - pool.getPads()[d];
          inside &= at >= 0 && at < in[d];
          padded &= at < in[d] + pool.getPads()[d + spatial];
          from = from * in[d] + at;
        }
        count += inside || (pool.getCountIncludePad() && padded);
        if (inside) {
          int64_t at = plane * inVolume + from;
          double element = x.isFloat() ? x.f[at] : static_cast<double>(x.i[at]);
          best = std::fmax(best, element);
          sum += element;
        }
      });
      double result = isMax ? best : sum / static_cast<double>(count);
      if (y.isFloat()) {
        y.f[to++] = result;
      } else {
        y.i[to++] = static_cast<int64_t>(result);
      }
    });
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

//===-- Resize
//-----------------------------------------------------------------------------------------------------===//

// The input coordinate of output coordinate `o` along one dimension.
double sourceCoordinate(StringRef mode, int64_t o, int64_t in, int64_t out, double scale) {
  double x = static_cast<double>(o);
  if (mode == "asymmetric") {
    return x / scale;
  }
  if (mode == "align_corners") {
    return out == 1 ? 0 : x * static_cast<double>(in - 1) / static_cast<double>(out - 1);
  }
  if (mode == "pytorch_half_pixel") {
    return out > 1 ? (x + 0.5) / scale - 0.5 : 0;
  }
  if (mode == "half_pixel_symmetric") {
    double adjustment = static_cast<double>(out) / (scale * static_cast<double>(in));
    double center = static_cast<double>(in) / 2;
    return center * (1 - adjustment) + (x + 0.5) / scale - 0.5;
  }
  return (x + 0.5) / scale - 0.5;
}

int64_t nearest(StringRef mode, double x) {
  if (mode == "floor") {
    return static_cast<int64_t>(std::floor(x));
  }
  if (mode == "ceil") {
    return static_cast<int64_t>(std::ceil(x));
  }
  double low = std::floor(x);
  bool half = x - low == 0.5;
  return static_cast<int64_t>(half ? (mode == "round_prefer_ceil" ? low + 1 : low) : std::round(x));
}

// Input positions and weights of one output coordinate.
std::vector<std::pair<int64_t, double>> taps(nn::ResizeOp op, double x, int64_t in) {
  if (op.getMode() == "nearest") {
    return {{std::clamp<int64_t>(nearest(op.getNearestMode(), x), 0, in - 1), 1.0}};
  }
  int64_t low = static_cast<int64_t>(std::floor(x));
  double f = x - std::floor(x);
  std::vector<std::pair<int64_t, double>> result;
  if (op.getMode() == "linear") {
    result = {{low, 1 - f}, {low + 1, f}};
  } else {
    double a = op.getCubicCoeffA().convertToDouble();
    auto near = [&](double t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
    auto far = [&](double t) { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a; };
    result = {{low - 1, far(1 + f)}, {low, near(f)}, {low + 1, near(1 - f)}, {low + 2, far(2 - f)}};
  }
  double sum = 0;
  for (auto& [at, weight] : result) {
    weight = op.getExcludeOutside() && (at < 0 || at >= in) ? 0 : weight;
    sum += weight;
    at = std::clamp<int64_t>(at, 0, in - 1);
  }
  for (auto& [at, weight] : result) {
    weight = op.getExcludeOutside() ? weight / sum : weight;
  }
  return result;
}

// One dimension at a time: the kernels are separable.
LogicalResult evalResize(Operation* op, Frame& frame, Evaluator&) {
  auto resize = cast<nn::ResizeOp>(op);
  FailureOr<std::vector<int64_t>> sizes = frame.sizes(op, resize.getSizes());
  if (failed(sizes)) {
    return failure();
  }
  RefTensor x = frame.of(resize.getX());
  for (size_t d = 0; d < sizes->size(); ++d) {
    int64_t in = x.sizes[d], out = (*sizes)[d];
    double scale =
        resize.getScales().empty() ? static_cast<double>(out) / static_cast<double>(in) : resize.getScales()[d];
    if (in == out && scale == 1.0) {
      continue;
    }
    std::vector<int64_t> next = x.sizes;
    next[d] = out;
    RefTensor y = RefTensor::make(x.element, next);
    int64_t outer = x.product(0, d), inner = x.product(d + 1, x.sizes.size());
    for (int64_t o = 0; o < out; ++o) {
      auto weights = taps(resize, sourceCoordinate(resize.getCoordinateMode(), o, in, out, scale), in);
      for (int64_t p = 0; p < outer * inner; ++p) {
        double sum = 0;
        for (auto [at, weight] : weights) {
          sum += weight * x.f[(p / inner * in + at) * inner + p % inner];
        }
        y.f[(p / inner * out + o) * inner + p % inner] = sum;
      }
    }
    x = std::move(y);
  }
  frame.set(op->getResult(0), std::move(x));
  return success();
}

//===-- Grid sampling
//-----------------------------------------------------------------------------------------------------------------===//

// Position x of a dimension, inside it or mirrored at its edges; as it is where padding is zeros.
double insideOf(nn::GridSampleOp op, double x, int64_t size) {
  double low = op.getAlignCorners() ? 0 : -0.5, high = static_cast<double>(size) - 1 - low;
  if (x >= low && x <= high) {
    return x;
  }
  if (op.getPadding() == "border") {
    return std::clamp(x, 0.0, static_cast<double>(size - 1));
  }
  if (op.getPadding() == "zeros" || high <= low) {
    return op.getPadding() == "zeros" ? x : low;
  }
  double turn = std::fmod(std::fabs(x - low), 2 * (high - low));
  return turn <= high - low ? low + turn : high - (turn - (high - low));
}

// The value of x's plane at position g (outermost dimension last), dimensions before d chosen by `offset`.
double sampled(nn::GridSampleOp op, const RefTensor& x, ArrayRef<double> g, size_t d, int64_t offset) {
  if (d == g.size()) {
    return x.f[offset];
  }
  int64_t size = x.sizes[d + 2];
  double length = static_cast<double>(size), n = g[g.size() - 1 - d];
  double at = op.getAlignCorners() ? (n + 1) / 2 * (length - 1) : ((n + 1) * length - 1) / 2;
  at = insideOf(op, op.getMode() == "nearest" ? std::nearbyint(at) : at, size);
  double first = std::floor(at), f = at - first, a = -0.75;
  std::vector<double> weights = {1 - f, f};
  if (op.getMode() == "nearest") {
    weights = {1};
  } else if (op.getMode() == "cubic") {
    auto near = [&](double t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
    auto far = [&](double t) { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a; };
    weights = {far(1 + f), near(f), near(1 - f), far(2 - f)};
    first -= 1;
  }
  double sum = 0;
  for (auto [tap, weight] : llvm::enumerate(weights)) {
    double element = insideOf(op, first + static_cast<double>(tap), size);
    if (element >= 0 && element < length) {
      sum += weight * sampled(op, x, g, d + 1, offset * size + static_cast<int64_t>(element));
    }
  }
  return sum;
}

LogicalResult evalGridSample(Operation* op, Frame& frame, Evaluator&) {
  auto sample = cast<nn::GridSampleOp>(op);
  const RefTensor &x = frame.of(sample.getX()), &grid = frame.of(sample.getGrid());
  size_t spatial = x.sizes.size() - 2;
  std::vector<int64_t> sizes = {x.sizes[0], x.sizes[1]};
  sizes.insert(sizes.end(), grid.sizes.begin() + 1, grid.sizes.end() - 1);
  RefTensor y = RefTensor::make(resultElement(op), sizes);
  int64_t positions = y.product(2, sizes.size());
  for (int64_t i = 0; i < y.elements(); ++i) {
    int64_t plane = i / positions, at = plane / x.sizes[1] * positions + i % positions;
    y.f[i] = sampled(sample, x, ArrayRef<double>(grid.f.data() + at * spatial, spatial), 0, plane);
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

//===-- Recurrent cells
//--------------------------------------------------------------------------------------------===//

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double clipped(double x, double clip) { return clip > 0 ? std::clamp(x, -clip, clip) : x; }

// row · matrix[gate rows]ᵀ of direction `dir`: w is [dir, rows, columns].
double rowDot(const RefTensor& w, int64_t dir, int64_t row, const double* x) {
  int64_t columns = w.sizes[2];
  const double* from = w.f.data() + (dir * w.sizes[1] + row) * columns;
  double sum = 0;
  for (int64_t i = 0; i < columns; ++i) {
    sum += from[i] * x[i];
  }
  return sum;
}

struct Sequence {
  const RefTensor& x;
  const RefTensor* lengths;
  StringRef direction;
  int64_t hidden;

  int64_t directions() const { return direction == "bidirectional" ? 2 : 1; }
  bool reversed(int64_t dir) const { return direction == "reverse" || dir == 1; }
  int64_t length(int64_t b) const { return lengths ? lengths->i[b] : x.sizes[0]; }
  // The time of step `step` of sequence b.
  int64_t time(int64_t dir, int64_t b, int64_t step) const { return reversed(dir) ? length(b) - 1 - step : step; }
  const double* input(int64_t t, int64_t b) const { return x.f.data() + (t * x.sizes[1] + b) * x.sizes[2]; }
};

std::vector<double> initial(const RefTensor* init, int64_t dir, int64_t b, int64_t batch, int64_t hidden) {
  if (!init) {
    return std::vector<double>(hidden, 0.0);
  }
  auto from = init->f.begin() + (dir * batch + b) * hidden;
  return {from, from + hidden};
}

LogicalResult evalLstm(Operation* op, Frame& frame, Evaluator&) {
  auto lstm = cast<nn::LstmOp>(op);
  const RefTensor &w = frame.of(lstm.getW()), &r = frame.of(lstm.getR());
  const RefTensor *bias = frame.maybe(lstm.getBias()), *peep = frame.maybe(lstm.getPeepholes());
  int64_t hidden = lstm.getHidden();
  double clip = lstm.getClip().convertToDouble();
  Sequence seq{frame.of(lstm.getX()), frame.maybe(lstm.getSeqLens()), lstm.getDirection(), hidden};
  int64_t steps = seq.x.sizes[0], batch = seq.x.sizes[1], dirs = seq.directions();
  RefTensor y = RefTensor::make(resultElement(op), {steps, dirs, batch, hidden});
  RefTensor yh = RefTensor::make(resultElement(op), {dirs, batch, hidden}), yc = yh;
  for (int64_t dir = 0; dir < dirs; ++dir) {
    for (int64_t b = 0; b < batch; ++b) {
      auto h = initial(frame.maybe(lstm.getInitH()), dir, b, batch, hidden);
      auto c = initial(frame.maybe(lstm.getInitC()), dir, b, batch, hidden);
      for (int64_t step = 0; step < seq.length(b); ++step) {
        int64_t t = seq.time(dir, b, step);
        std::vector<double> next(hidden), gates(4 * hidden);
        for (int64_t g = 0; g < 4 * hidden; ++g) {
          gates[g] = rowDot(w, dir, g, seq.input(t, b)) + rowDot(r, dir, g, h.data()) +
                     (bias ? bias->f[dir * 8 * hidden + g] + bias->f[dir * 8 * hidden + 4 * hidden + g] : 0.0);
        }
        for (int64_t i = 0; i < hidden; ++i) {
          auto hole = [&](int64_t gate, double cell) {
            return peep ? peep->f[(dir * 3 + gate) * hidden + i] * cell : 0.0;
          };
          double in = sigmoid(clipped(gates[i] + hole(0, c[i]), clip));
          double forget =
              lstm.getInputForget() ? 1 - in : sigmoid(clipped(gates[2 * hidden + i] + hole(2, c[i]), clip));
          double cell = forget * c[i] + in * std::tanh(clipped(gates[3 * hidden + i], clip));
          next[i] = sigmoid(clipped(gates[hidden + i] + hole(1, cell), clip)) * std::tanh(cell);
          c[i] = cell;
        }
        h = next;
        std::copy(h.begin(), h.end(), y.f.begin() + ((t * dirs + dir) * batch + b) * hidden);
      }
      std::copy(h.begin(), h.end(), yh.f.begin() + (dir * batch + b) * hidden);
      std::copy(c.begin(), c.end(), yc.f.begin() + (dir * batch + b) * hidden);
    }
  }
  frame.set(lstm.getY(), std::move(y));
  frame.set(lstm.getYH(), std::move(yh));
  frame.set(lstm.getYC(), std::move(yc));
  return success();
}

LogicalResult evalGru(Operation* op, Frame& frame, Evaluator&) {
  auto gru = cast<nn::GruOp>(op);
  const RefTensor &w = frame.of(gru.getW()), &r = frame.of(gru.getR());
  const RefTensor* bias = frame.maybe(gru.getBias());
  int64_t hidden = gru.getHidden();
  double clip = gru.getClip().convertToDouble();
  Sequence seq{frame.of(gru.getX()), frame.maybe(gru.getSeqLens()), gru.getDirection(), hidden};
  int64_t steps = seq.x.sizes[0], batch = seq.x.sizes[1], dirs = seq.directions();
  RefTensor y = RefTensor::make(resultElement(op), {steps, dirs, batch, hidden});
  RefTensor yh = RefTensor::make(resultElement(op), {dirs, batch, hidden});
  for (int64_t dir = 0; dir < dirs; ++dir) {
    auto wb = [&](int64_t row) { return bias ? bias->f[dir * 6 * hidden + row] : 0.0; };
    auto rb = [&](int64_t row) { return bias ? bias->f[dir * 6 * hidden + 3 * hidden + row] : 0.0; };
    for (int64_t b = 0; b < batch; ++b) {
      auto h = initial(frame.maybe(gru.getInitH()), dir, b, batch, hidden);
      for (int64_t step = 0; step < seq.length(b); ++step) {
        int64_t t = seq.time(dir, b, step);
        std::vector<double> update(hidden), reset(hidden), gated(hidden), next(hidden);
        for (int64_t i = 0; i < hidden; ++i) {
          auto gate = [&](int64_t row) {
            return sigmoid(clipped(
                rowDot(w, dir, row, seq.input(t, b)) + rowDot(r, dir, row, h.data()) + wb(row) + rb(row), clip));
          };
          update[i] = gate(i);
          reset[i] = gate(hidden + i);
          gated[i] = reset[i] * h[i];
        }
        for (int64_t i = 0; i < hidden; ++i) {
          int64_t row = 2 * hidden + i;
          double recurrent = gru.getLinearBeforeReset() ? reset[i] * (rowDot(r, dir, row, h.data()) + rb(row))
                                                        : rowDot(r, dir, row, gated.data()) + rb(row);
          double candidate = std::tanh(clipped(rowDot(w, dir, row, seq.input(t, b)) + wb(row) + recurrent, clip));
          next[i] = (1 - update[i]) * candidate + update[i] * h[i];
        }
        h = next;
        std::copy(h.begin(), h.end(), y.f.begin() + ((t * dirs + dir) * batch + b) * hidden);
      }
      std::copy(h.begin(), h.end(), yh.f.begin() + (dir * batch + b) * hidden);
    }
  }
  frame.set(gru.getY(), std::move(y));
  frame.set(gru.getYH(), std::move(yh));
  return success();
}

//===-- Quantization
//-----------------------------------------------------------------------------------------------===//

// The scale's element for each element of x: per tensor, per axis, or per block along the axis.
struct ScaleIndex {
  ScaleIndex(const RefTensor& x, const RefTensor& scale, int64_t axis, int64_t block) : blocked(block > 0) {
    perTensor = scale.elements() == 1 && scale.rank() <= 1;
    this->axis = axis < 0 ? axis + x.rank() : axis;
    strides = scale.strides();
    this->block = block;
  }
  int64_t of(std::vector<int64_t> index) const {
    if (perTensor) {
      return 0;
    }
    if (!blocked) {
      return index[axis];
    }
    index[axis] /= block;
    return offsetOf(index, strides);
  }
  bool perTensor, blocked;
  int64_t axis, block;
  std::vector<int64_t> strides;
};

LogicalResult evalQuantize(Operation* op, Frame& frame, Evaluator&) {
  auto quantize = cast<nn::QuantizeOp>(op);
  const RefTensor &x = frame.of(quantize.getX()), &scale = frame.of(quantize.getScale());
  const RefTensor* zero = frame.maybe(quantize.getZeroPoint());
  ScaleIndex which(x, scale, quantize.getAxis(), quantize.getBlock());
  Type element = resultElement(op);
  unsigned width = element.getIntOrFloatBitWidth();
  double low = element.isUnsignedInteger() ? 0 : -std::ldexp(1.0, width - 1);
  double high = element.isUnsignedInteger() ? std::ldexp(1.0, width) - 1 : std::ldexp(1.0, width - 1) - 1;
  RefTensor y = RefTensor::make(element, x.sizes);
  int64_t n = 0;
  forEachIndex(x.sizes, [&](const std::vector<int64_t>& index) {
    int64_t s = which.of(index);
    double q = std::nearbyint(x.f[n] / scale.f[s]) + (zero ? static_cast<double>(zero->i[s]) : 0.0);
    y.i[n++] = static_cast<int64_t>(std::clamp(q, low, high));
  });
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalDequantize(Operation* op, Frame& frame, Evaluator&) {
  auto dequantize = cast<nn::DequantizeOp>(op);
  const RefTensor &q = frame.of(dequantize.getQ()), &scale = frame.of(dequantize.getScale());
  const RefTensor* zero = frame.maybe(dequantize.getZeroPoint());
  ScaleIndex which(q, scale, dequantize.getAxis(), dequantize.getBlock());
  RefTensor y = RefTensor::make(resultElement(op), q.sizes);
  int64_t n = 0;
  forEachIndex(q.sizes, [&](const std::vector<int64_t>& index) {
    int64_t s = which.of(index);
    double z = !zero ? 0.0 : zero->isFloat() ? zero->f[s] : static_cast<double>(zero->i[s]);
    y.f[n] = (static_cast<double>(q.i[n]) - z) * scale.f[s];
    ++n;
  });
  frame.set(op->getResult(0), std::move(y));
  return success();
}

}  // namespace

void addLayerOps(Definitions& t) {
  t["nn.pool"] = evalPool;
  t["nn.resize"] = evalResize;
  t["nn.grid_sample"] = evalGridSample;
  t["nn.lstm"] = evalLstm;
  t["nn.gru"] = evalGru;
  t["nn.quantize"] = evalQuantize;
  t["nn.dequantize"] = evalDequantize;
}

}  // namespace mlir::sluice::reference
