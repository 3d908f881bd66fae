// Norms, softmax, rope and attention by definition.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"

namespace mlir::sluice::reference {
namespace {

LogicalResult evalRmsNorm(Operation* op, Frame& frame, Evaluator&) {
  auto norm = cast<nn::RmsNormOp>(op);
  RefTensor y = frame.of(norm.getX());
  const RefTensor* w = frame.maybe(norm.getW());
  int64_t d = y.sizes.back(), rows = y.product(0, y.sizes.size() - 1);
  for (int64_t r = 0; r < rows; ++r) {
    double* row = y.f.data() + r * d;
    double sum = 0;
    for (int64_t i = 0; i < d; ++i) {
      sum += row[i] * row[i];
    }
    double scale = 1 / std::sqrt(sum / d + norm.getEps().convertToDouble());
    for (int64_t i = 0; i < d; ++i) {
      row[i] *= scale * (w ? w->f[i] : 1.0);
    }
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalLayerNorm(Operation* op, Frame& frame, Evaluator&) {
  auto norm = cast<nn::LayerNormOp>(op);
  RefTensor y = frame.of(norm.getX());
  const RefTensor* w = frame.maybe(norm.getW());
  const RefTensor* b = frame.maybe(norm.getB());
  int64_t d = y.sizes.back(), rows = y.product(0, y.sizes.size() - 1);
  for (int64_t r = 0; r < rows; ++r) {
    double* row = y.f.data() + r * d;
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < d; ++i) {
      mean += row[i] / d;
    }
    for (int64_t i = 0; i < d; ++i) {
      variance += (row[i] - mean) * (row[i] - mean) / d;
    }
    double scale = 1 / std::sqrt(variance + norm.getEps().convertToDouble());
    for (int64_t i = 0; i < d; ++i) {
      row[i] = (row[i] - mean) * scale * (w ? w->f[i] : 1.0) + (b ? b->f[i] : 0.0);
    }
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalSoftmax(Operation* op, Frame& frame, Evaluator&) {
  auto softmax = cast<nn::SoftmaxOp>(op);
  RefTensor y = frame.of(softmax.getX());
  int64_t axis = softmax.getAxis() < 0 ? softmax.getAxis() + y.rank() : softmax.getAxis();
  int64_t n = y.sizes[axis], inner = y.product(axis + 1, y.sizes.size()), outer = y.product(0, axis);
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      double* at = y.f.data() + o * n * inner + i;
      double highest = -INFINITY, sum = 0;
      for (int64_t j = 0; j < n; ++j) {
        highest = std::fmax(highest, at[j * inner]);
      }
      for (int64_t j = 0; j < n; ++j) {
        sum += std::exp(at[j * inner] - highest);
      }
      for (int64_t j = 0; j < n; ++j) {
        double shifted = at[j * inner] - highest;
        at[j * inner] = softmax.getLog() ? shifted - std::log(sum) : std::exp(shifted) / sum;
      }
    }
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalRope(Operation* op, Frame& frame, Evaluator&) {
  auto rope = cast<nn::RopeOp>(op);
  const RefTensor& x = frame.of(rope.getX());
  const RefTensor& cos = frame.of(rope.getCos());
  const RefTensor& sin = frame.of(rope.getSin());
  RefTensor y = x;
  int64_t seq = x.sizes[2], d = x.sizes[3], half = cos.sizes[2];
  for (int64_t row = 0; row < x.product(0, 3); ++row) {
    int64_t s = row % seq, b = row / seq / x.sizes[1];
    int64_t angle = ((cos.sizes[0] == 1 ? 0 : b) * seq + s) * half;
    for (int64_t i = 0; i < half; ++i) {
      int64_t first = row * d + (rope.getInterleaved() ? 2 * i : i);
      int64_t second = first + (rope.getInterleaved() ? 1 : half);
      double c = cos.f[angle + i], n = sin.f[angle + i];
      y.f[first] = x.f[first] * c - x.f[second] * n;
      y.f[second] = x.f[second] * c + x.f[first] * n;
    }
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

struct Attention {
  const RefTensor &q, &k, &v;
  const RefTensor *bias, *mask, *lengths, *slopes;
  bool causal;
  int64_t window;
  double scale, softcap;

  // The key position of query s of batch b.
  int64_t queryPosition(int64_t b, int64_t s) const {
    int64_t total = lengths ? lengths->i[b] : k.sizes[2];
    return total - q.sizes[2] + s;
  }
  bool inLength(int64_t b, int64_t t) const { return !lengths || t < lengths->i[b]; }
  bool inMask(int64_t b, int64_t t) const { return !mask || mask->i[b * k.sizes[2] + t]; }
  bool inPattern(int64_t b, int64_t s, int64_t t) const {
    int64_t position = queryPosition(b, s);
    return (!causal || t <= position) && (window <= 0 || position - t < window);
  }
  double score(int64_t b, int64_t h, int64_t s, int64_t t) const {
    int64_t heads = q.sizes[1], groups = k.sizes[1], d = q.sizes[3], g = h / (heads / groups);
    const double* a = q.f.data() + ((b * heads + h) * q.sizes[2] + s) * d;
    const double* c = k.f.data() + ((b * groups + g) * k.sizes[2] + t) * d;
    double x = 0;
    for (int64_t i = 0; i < d; ++i) {
      x += a[i] * c[i];
    }
    x *= scale;
    x = softcap > 0 ? std::tanh(x / softcap) * softcap : x;
    if (bias) {
      auto pick = [&](int dim, int64_t index) { return bias->sizes[dim] == 1 ? 0 : index; };
      x += bias->f[((pick(0, b) * bias->sizes[1] + pick(1, h)) * bias->sizes[2] + pick(2, s)) * bias->sizes[3] +
                   pick(3, t)];
    }
    return slopes ? x + slopes->f[h] * static_cast<double>(t - queryPosition(b, s)) : x;
  }
};

// Weights of the keys of one row before they are divided by their sum: softmax over the keys that `sees` holds for; all
// zero when there are none.
std::vector<double> weightsOf(const Attention& a, int64_t b, int64_t h, int64_t s,
                              const std::function<bool(int64_t)>& sees) {
  std::vector<double> p(a.k.sizes[2], -INFINITY);
  for (size_t t = 0; t < p.size(); ++t) {
    p[t] = a.inLength(b, t) && sees(t) ? a.score(b, h, s, t) : -INFINITY;
  }
  double highest = p.empty() ? 0 : *std::max_element(p.begin(), p.end());
  for (double& x : p) {
    x = highest == -INFINITY ? 0 : std::exp(x - highest);
  }
  return p;
}

// One row of the result: softmax over the visible keys, or what an empty row gives.
void attendRow(const Attention& a, int64_t b, int64_t h, int64_t s, nn::EmptyRows empty, double* out) {
  int64_t keys = a.k.sizes[2], e = a.v.sizes[3], g = h / (a.q.sizes[1] / a.k.sizes[1]);
  const double* v = a.v.f.data() + (b * a.k.sizes[1] + g) * keys * e;
  auto total = [](const std::vector<double>& p) { return std::accumulate(p.begin(), p.end(), 0.0); };
  auto all = [](int64_t) { return true; };
  auto both = [&](int64_t t) { return a.inPattern(b, s, t) && a.inMask(b, t); };
  auto either = [&](int64_t t) { return a.inPattern(b, s, t) || a.inMask(b, t); };
  std::vector<double> p = weightsOf(a, b, h, s, both);
  if (total(p) == 0 && empty == nn::EmptyRows::Uniform) {
    std::fill(p.begin(), p.end(), 1.0);
  } else if (total(p) == 0 && empty != nn::EmptyRows::Zero) {
    p = empty == nn::EmptyRows::Either ? weightsOf(a, b, h, s, either) : p;
    p = total(p) == 0 ? weightsOf(a, b, h, s, all) : p;
  }
  double sum = total(p);
  for (int64_t t = 0; t < keys; ++t) {
    for (int64_t i = 0; i < e && sum > 0; ++i) {
      out[i] += p[t] / sum * v[t * e + i];
    }
  }
}

LogicalResult evalAttention(Operation* op, Frame& frame, Evaluator&) {
  auto attention = cast<nn::AttentionOp>(op);
  Attention a{frame.of(attention.getQ()),
              frame.of(attention.getK()),
              frame.of(attention.getV()),
              frame.maybe(attention.getBias()),
              frame.maybe(attention.getKeyMask()),
              frame.maybe(attention.getLengths()),
              frame.maybe(attention.getSlopes()),
              attention.getPattern().getCausal(),
              attention.getPattern().getWindow(),
              attention.getScale().convertToDouble(),
              attention.getSoftcap().convertToDouble()};
  std::vector<int64_t> sizes = {a.q.sizes[0], a.q.sizes[1], a.q.sizes[2], a.v.sizes[3]};
  RefTensor y = RefTensor::make(getElementTypeOrSelf(op->getResult(0).getType()), sizes);
  int64_t row = 0;
  forEachIndex({sizes[0], sizes[1], sizes[2]}, [&](const std::vector<int64_t>& at) {
    attendRow(a, at[0], at[1], at[2], attention.getEmptyRows(), y.f.data() + row++ * sizes[3]);
  });
  frame.set(op->getResult(0), std::move(y));
  return success();
}

}  // namespace

void addTokenOps(Definitions& t) {
  t["nn.rms_norm"] = evalRmsNorm;
  t["nn.layer_norm"] = evalLayerNorm;
  t["nn.softmax"] = evalSoftmax;
  t["nn.rope"] = evalRope;
  t["nn.attention"] = evalAttention;
}

}  // namespace mlir::sluice::reference
