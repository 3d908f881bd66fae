// Contractions, convolutions and mixtures of experts by definition.
#include <cmath>

#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"

namespace mlir::sluice::reference {
namespace {

Type resultElement(Operation* op) { return getElementTypeOrSelf(op->getResult(0).getType()); }

LogicalResult evalLinear(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& x = frame.in(op, 0);
  const RefTensor& w = frame.in(op, 1);
  int64_t k = w.sizes[1], n = w.sizes[0];
  std::vector<int64_t> sizes = x.sizes;
  sizes.back() = n;
  RefTensor y = RefTensor::make(resultElement(op), sizes);
  int64_t rows = x.product(0, x.sizes.size() - 1);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < n; ++c) {
      if (y.isFloat()) {
        double sum = 0;
        for (int64_t i = 0; i < k; ++i) {
          sum += x.f[r * k + i] * w.f[c * k + i];
        }
        y.f[r * n + c] = sum;
      } else {
        int64_t sum = 0;
        for (int64_t i = 0; i < k; ++i) {
          sum += x.i[r * k + i] * w.i[c * k + i];
        }
        y.i[r * n + c] = sum;
      }
    }
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

LogicalResult evalMatmul(Operation* op, Frame& frame, Evaluator&) {
  const RefTensor& a = frame.in(op, 0);
  const RefTensor& b = frame.in(op, 1);
  int64_t m = a.sizes[a.rank() - 2], k = a.sizes.back(), n = b.sizes.back();
  int64_t batch = a.product(0, a.sizes.size() - 2);
  if (batch != b.product(0, b.sizes.size() - 2) || b.sizes[b.rank() - 2] != k) {
    return op->emitOpError("operands do not fit at run time");
  }
  std::vector<int64_t> sizes = a.sizes;
  sizes.back() = n;
  RefTensor y = RefTensor::make(resultElement(op), sizes);
  for (int64_t g = 0; g < batch; ++g) {
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t c = 0; c < n; ++c) {
          int64_t to = (g * m + r) * n + c, left = (g * m + r) * k + i, right = (g * k + i) * n + c;
          if (y.isFloat()) {
            y.f[to] += a.f[left] * b.f[right];
          } else {
            y.i[to] += a.i[left] * b.i[right];
          }
        }
      }
    }
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

struct Window {
  ArrayRef<int64_t> strides, pads, dilations;
  int64_t groups;
};

// Visits every (output position, input position, kernel position) of a window, and whether it lies inside the input.
template <typename Body>
void forEachTap(const std::vector<int64_t>& out, const std::vector<int64_t>& in, const std::vector<int64_t>& kernel,
                const Window& w, Body body) {
  std::vector<int64_t> at(in.size());
  forEachIndex(out, [&](const std::vector<int64_t>& o) {
    forEachIndex(kernel, [&](const std::vector<int64_t>& tap) {
      bool inside = true;
      for (size_t d = 0; d < in.size(); ++d) {
        at[d] = o[d] * w.strides[d] + tap[d] * w.dilations[d] - w.pads[d];
        inside = inside && at[d] >= 0 && at[d] < in[d];
      }
      body(o, at, tap, inside);
    });
  });
}

int64_t flat(const std::vector<int64_t>& index, const std::vector<int64_t>& sizes) {
  int64_t offset = 0;
  for (size_t d = 0; d < sizes.size(); ++d) {
    offset = offset * sizes[d] + index[d];
  }
  return offset;
}

std::vector<int64_t> spatial(const RefTensor& t) { return {t.sizes.begin() + 2, t.sizes.end()}; }
int64_t volume(const std::vector<int64_t>& sizes) {
  int64_t n = 1;
  for (int64_t s : sizes) {
    n *= s;
  }
  return n;
}

// The elements of a tensor as what they are computed in.
template <typename T, typename Tensor>
auto* elementsOf(Tensor& t) {
  if constexpr (std::is_floating_point_v<T>) {
    return t.f.data();
  } else {
    return t.i.data();
  }
}

// `T`: double, or int64_t for integers.
template <typename T>
void addWindows(nn::ConvOp conv, const RefTensor& x, const RefTensor& w, const RefTensor* bias, RefTensor& y) {
  Window window{conv.getStrides(), conv.getPads(), conv.getDilations(), static_cast<int64_t>(conv.getGroups())};
  T outside = static_cast<T>(static_cast<int64_t>(conv.getOutside().value_or(0)));
  std::vector<int64_t> in = spatial(x), kernel = spatial(w), out = spatial(y);
  int64_t channels = x.sizes[1], perGroup = w.sizes[1], outputs = w.sizes[0], outPerGroup = outputs / window.groups;
  int64_t inVolume = volume(in), outVolume = volume(out), taps = volume(kernel);
  for (int64_t b = 0; b < x.sizes[0]; ++b) {
    for (int64_t o = 0; o < outputs; ++o) {
      T* to = elementsOf<T>(y) + (b * outputs + o) * outVolume;
      std::fill(to, to + outVolume, bias ? static_cast<T>(bias->isFloat() ? bias->f[o] : bias->i[o]) : T{});
      for (int64_t c = 0; c < perGroup; ++c) {
        const T* from = elementsOf<T>(x) + (b * channels + o / outPerGroup * perGroup + c) * inVolume;
        const T* weight = elementsOf<T>(w) + (o * perGroup + c) * taps;
        forEachTap(out, in, kernel, window, [&](const auto& at, const auto& source, const auto& tap, bool inside) {
          to[flat(at, out)] += (inside ? from[flat(source, in)] : outside) * weight[flat(tap, kernel)];
        });
      }
    }
  }
}

LogicalResult evalConv(Operation* op, Frame& frame, Evaluator&) {
  auto conv = cast<nn::ConvOp>(op);
  const RefTensor& x = frame.of(conv.getX());
  const RefTensor& w = frame.of(conv.getW());
  std::vector<int64_t> in = spatial(x), kernel = spatial(w), sizes = {x.sizes[0], w.sizes[0]};
  for (size_t d = 0; d < in.size(); ++d) {
    int64_t pads = conv.getPads()[d] + conv.getPads()[d + in.size()];
    int64_t room = in[d] + pads - conv.getDilations()[d] * (kernel[d] - 1) - 1;
    sizes.push_back(room < 0 ? 0 : room / conv.getStrides()[d] + 1);
  }
  RefTensor y = RefTensor::make(resultElement(op), sizes);
  (y.isFloat() ? addWindows<double> : addWindows<int64_t>)(conv, x, w, frame.maybe(conv.getBias()), y);
  frame.set(op->getResult(0), std::move(y));
  return success();
}

// The transpose of a convolution: every input element is scattered through the kernel.
LogicalResult evalConvTranspose(Operation* op, Frame& frame, Evaluator&) {
  auto conv = cast<nn::ConvTransposeOp>(op);
  const RefTensor& x = frame.of(conv.getX());
  const RefTensor& w = frame.of(conv.getW());
  const RefTensor* bias = frame.maybe(conv.getBias());
  Window window{conv.getStrides(), conv.getPads(), conv.getDilations(), static_cast<int64_t>(conv.getGroups())};
  std::vector<int64_t> in = spatial(x), kernel = spatial(w), out;
  for (size_t d = 0; d < in.size(); ++d) {
    out.push_back((in[d] - 1) * window.strides[d] + (kernel[d] - 1) * window.dilations[d] + 1 +
                  conv.getOutputPadding()[d] - window.pads[d] - window.pads[d + in.size()]);
  }
  int64_t channels = x.sizes[1], outPerGroup = w.sizes[1], outputs = outPerGroup * window.groups;
  std::vector<int64_t> sizes = {x.sizes[0], outputs};
  sizes.insert(sizes.end(), out.begin(), out.end());
  RefTensor y = RefTensor::make(resultElement(op), sizes);
  int64_t inVolume = volume(in), outVolume = volume(out), taps = volume(kernel), perGroup = channels / window.groups;
  for (int64_t b = 0; b < x.sizes[0]; ++b) {
    for (int64_t o = 0; o < outputs; ++o) {
      double* to = y.f.data() + (b * outputs + o) * outVolume;
      std::fill(to, to + outVolume, bias ? bias->f[o] : 0.0);
      for (int64_t c = o / outPerGroup * perGroup; c < (o / outPerGroup + 1) * perGroup; ++c) {
        const double* from = x.f.data() + (b * channels + c) * inVolume;
        const double* weight = w.f.data() + (c * outPerGroup + o % outPerGroup) * taps;
        forEachTap(in, out, kernel, window, [&](const auto& source, const auto& at, const auto& tap, bool inside) {
          if (inside) {
            to[flat(at, out)] += from[flat(source, in)] * weight[flat(tap, kernel)];
          }
        });
      }
    }
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

double activate(StringRef kind, double x) {
  if (kind == "silu") {
    return x / (1 + std::exp(-x));
  }
  if (kind == "gelu") {
    return 0.5 * x * (1 + std::erf(x * M_SQRT1_2));
  }
  if (kind == "gelu_tanh") {
    return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  }
  return x > 0 ? x : 0;  // relu
}

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

// Row (expert, row) of a stack of matrices times x, plus its bias.
double expertDot(const RefTensor& w, const RefTensor* bias, int64_t row, const double* x, int64_t n) {
  return dot(w.f.data() + row * n, x, n) + (bias ? bias->f[row] : 0.0);
}

LogicalResult evalMoe(Operation* op, Frame& frame, Evaluator&) {
  auto moe = cast<nn::MoeOp>(op);
  const RefTensor& x = frame.of(moe.getX());
  const RefTensor& indices = frame.of(moe.getIndices());
  const RefTensor& weights = frame.of(moe.getWeights());
  const RefTensor& gate = frame.of(moe.getGate());
  const RefTensor& down = frame.of(moe.getDown());
  const RefTensor* up = frame.maybe(moe.getUp());
  const RefTensor* gateBias = frame.maybe(moe.getGateBias());
  const RefTensor* upBias = frame.maybe(moe.getUpBias());
  const RefTensor* downBias = frame.maybe(moe.getDownBias());
  int64_t tokens = x.sizes[0], d = x.sizes[1], top = indices.sizes[1], experts = gate.sizes[0], f = gate.sizes[1];
  RefTensor y = RefTensor::make(resultElement(op), x.sizes);
  std::vector<double> hidden(f);
  for (int64_t t = 0; t < tokens; ++t) {
    const double* row = x.f.data() + t * d;
    for (int64_t p = 0; p < top; ++p) {
      int64_t e = indices.i[t * top + p];
      if (e < 0 || e >= experts) {
        return op->emitOpError("token ") << t << " chooses expert " << e << " of " << experts;
      }
      for (int64_t i = 0; i < f; ++i) {
        hidden[i] = activate(moe.getActivation(), expertDot(gate, gateBias, e * f + i, row, d));
        hidden[i] *= up ? expertDot(*up, upBias, e * f + i, row, d) : 1.0;
      }
      for (int64_t o = 0; o < d; ++o) {
        y.f[t * d + o] += weights.f[t * top + p] * expertDot(down, downBias, e * d + o, hidden.data(), f);
      }
    }
  }
  frame.set(op->getResult(0), std::move(y));
  return success();
}

}  // namespace

void addContractions(Definitions& t) {
  t["nn.linear"] = evalLinear;
  t["nn.matmul"] = evalMatmul;
  t["nn.conv"] = evalConv;
  t["nn.conv_transpose"] = evalConvTranspose;
  t["nn.moe"] = evalMoe;
}

}  // namespace mlir::sluice::reference
