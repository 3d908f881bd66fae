// `pad`: elements added (or, where a pad is negative, taken away) around x.  Modes: constant (optional scalar operand,
// else zero), edge, reflect (without repeating the edge), wrap.  Element types of whole bytes.
#include <cstring>

#include "kernels/common/element.h"
#include "kernels/common/launch.h"

namespace sluice::kernels {
namespace {

enum class Mode { kConstant, kEdge, kReflect, kWrap };

struct PadConfig : Config {
  std::vector<int64_t> pads;  // ONNX's order: all begins, then all ends
  Mode mode = Mode::kConstant;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<PadConfig>();
  ASSIGN_OR_RETURN(config->pads, attrs.Ints("pads", {}));
  ASSIGN_OR_RETURN(const std::string mode, attrs.String("mode", "constant"));
  if (mode == "edge") {
    config->mode = Mode::kEdge;
  } else if (mode == "reflect") {
    config->mode = Mode::kReflect;
  } else if (mode == "wrap") {
    config->mode = Mode::kWrap;
  } else if (mode != "constant") {
    return absl::InvalidArgumentError(absl::StrCat("mode: \"", mode, "\" is not a way to pad"));
  }
  return config;
}

// Where element i (counted from x's first, so possibly outside) comes from; -1: the constant.
int64_t Source(int64_t i, int64_t n, Mode mode) {
  if (i >= 0 && i < n) {
    return i;
  }
  switch (mode) {
    case Mode::kConstant:
      return -1;
    case Mode::kEdge:
      return i < 0 ? 0 : n - 1;
    case Mode::kWrap:
      return ((i % n) + n) % n;
    case Mode::kReflect: {
      if (n == 1) {
        return 0;
      }
      const int64_t period = 2 * (n - 1);
      const int64_t at = ((i % period) + period) % period;
      return at < n ? at : period - at;
    }
  }
  return -1;
}

// One innermost row: the part inside copied whole, both sides element by element.
template <typename E>
void PadRow(const E* in, int64_t n, int64_t begin, E* out, int64_t width, E value, Mode mode) {
  const int64_t first = std::clamp<int64_t>(begin, 0, width);
  const int64_t last = std::clamp<int64_t>(begin + n, first, width);
  const auto outside = [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      const int64_t source = Source(i - begin, n, mode);
      out[i] = source < 0 ? value : in[source];
    }
  };
  outside(0, first);
  std::copy(in + (first - begin), in + (last - begin), out + first);
  outside(last, width);
}

template <typename E>
void RunTyped(const LaunchArgs& args, const PadConfig& config) {
  const Tensor& x = args.ins[0];
  const Tensor& y = args.outs[0];
  const Tensor* scalar = Optional(args.ins, 1);
  const E value = scalar == nullptr ? E{0} : scalar->as<const E>()[0];
  const int last = x.rank - 1;
  const int64_t width = y.sizes[last];
  args.pool->ParallelFor(y.elements() / width, Grain(width * sizeof(E)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t i = row, offset = 0, stride = x.sizes[last];
      bool inside = true;
      for (int d = last - 1; d >= 0; --d) {
        const int64_t source = Source(i % y.sizes[d] - config.pads[d], x.sizes[d], config.mode);
        inside = inside && source >= 0;
        offset += source * stride;
        stride *= x.sizes[d];
        i /= y.sizes[d];
      }
      E* out = y.as<E>() + row * width;
      if (inside) {
        PadRow(x.as<const E>() + offset, x.sizes[last], config.pads[last], out, width, value, config.mode);
      } else {
        std::fill_n(out, width, value);
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const auto& config = *static_cast<const PadConfig*>(args.config);
  const Tensor& x = args.ins[0];
  if (config.pads.size() != 2 * static_cast<size_t>(x.rank)) {
    return absl::InvalidArgumentError(
        absl::StrCat("pads: ", config.pads.size(), " values for an operand of rank ", x.rank));
  }
  if (args.outs[0].elements() == 0) {
    return absl::OkStatus();
  }
  if (config.mode != Mode::kConstant && x.elements() == 0) {
    return absl::InvalidArgumentError("pad: an operand without elements has no edge to repeat");
  }
  if (x.rank == 0) {
    std::memcpy(args.outs[0].data, x.data, ByteSize(x.dtype, 1));
    return absl::OkStatus();
  }
  return DispatchSize(x.dtype, [&](auto tag) { RunTyped<typename decltype(tag)::type>(args, config); });
}

}  // namespace

extern const CpuKernel kPad;
const CpuKernel kPad = {.name = "pad", .prepare = Prepare, .run = Run};

}  // namespace sluice::kernels
