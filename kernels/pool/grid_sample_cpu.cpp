// nn.grid_sample: x [b, c, spatial...] at the positions of grid [b, out..., n], n spatial dimensions, 1 to 3.
// Which elements a position takes and what they weigh is the same for every channel: a table of 64 positions is made
// once, then each channel is a gather with 1, 2^n or 4^n taps.
#include <cmath>

#include "kernels/common/element.h"
#include "kernels/common/launch.h"
#include "kernels/common/levels.h"

namespace sluice::kernels {
namespace {

constexpr int kColumns = 64;
constexpr int kMaxSpatial = 3;
constexpr int kMaxTaps = 64;  // cubic in 3 dimensions

enum class Mode { kNearest, kLinear, kCubic };
enum class Padding { kZeros, kBorder, kReflection };

struct GridSampleConfig : Config {
  Mode mode = Mode::kLinear;
  Padding padding = Padding::kZeros;
  bool align_corners = false;
};

template <typename E>
absl::StatusOr<E> Choose(const Attrs& attrs, const char* name, std::initializer_list<const char*> names) {
  ASSIGN_OR_RETURN(const std::string text, attrs.String(name, ""));
  int value = 0;
  for (const char* choice : names) {
    if (text == choice) {
      return static_cast<E>(value);
    }
    ++value;
  }
  return absl::InvalidArgumentError(absl::StrCat(name, ": \"", text, "\" is not one that grid_sample has"));
}

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<GridSampleConfig>();
  ASSIGN_OR_RETURN(config->mode, Choose<Mode>(attrs, "mode", {"nearest", "linear", "cubic"}));
  ASSIGN_OR_RETURN(config->padding, Choose<Padding>(attrs, "padding", {"zeros", "border", "reflection"}));
  ASSIGN_OR_RETURN(const int64_t align, attrs.Int("align_corners", 0));
  config->align_corners = align != 0;
  return config;
}

// One spatial dimension: from a grid's number to elements and their weights.
template <typename M>
struct Dimension {
  const GridSampleConfig& config;
  int64_t size;

  // The outer edges: what reflection folds at.
  M low() const { return config.align_corners ? M{0} : M{-0.5}; }
  M high() const { return static_cast<M>(size - 1) - low(); }

  M Reflect(M x) const {
    const M over = x < low() ? low() - x : x - high();
    const M range = high() - low();
    if (!(over > 0)) {
      return x;
    }
    if (range <= 0) {
      return low();
    }
    const M turns = std::floor(over / range);
    const M rest = over - turns * range;
    const bool odd = std::fmod(turns, M{2}) != 0;
    return (x < low()) != odd ? low() + rest : high() - rest;
  }

  M Position(M g) const {
    const M length = static_cast<M>(size);
    M x = config.align_corners ? (g + 1) / 2 * (length - 1) : ((g + 1) * length - 1) / 2;
    // Far outside (or NaN) is outside: numbers that floats count exactly.
    x = std::fmin(std::fmax(x, M{-4194304}), M{4194304});
    x = config.mode == Mode::kNearest ? std::nearbyint(x) : x;
    if (config.padding == Padding::kBorder && (x < low() || x > high())) {
      return std::clamp(x, M{0}, length - 1);
    }
    return config.padding == Padding::kReflection ? Reflect(x) : x;
  }

  // The element that position `at` is, or -1 for none.
  int64_t Element(M at) const {
    switch (config.padding) {
      case Padding::kZeros:
        return at >= 0 && at < static_cast<M>(size) ? static_cast<int64_t>(at) : -1;
      case Padding::kBorder:
        return std::clamp<int64_t>(static_cast<int64_t>(at), 0, size - 1);
      case Padding::kReflection:
        return std::clamp<int64_t>(static_cast<int64_t>(Reflect(at)), 0, size - 1);
    }
    return -1;
  }

  // Taps of one position; gives how many.
  int Taps(M g, int64_t* element, M* weight) const {
    const M x = Position(g);
    if (config.mode == Mode::kNearest) {
      element[0] = Element(x);
      weight[0] = 1;
      return 1;
    }
    const M first = std::floor(x), f = x - first;
    if (config.mode == Mode::kLinear) {
      weight[0] = 1 - f;
      weight[1] = f;
      element[0] = Element(first);
      element[1] = Element(first + 1);
      return 2;
    }
    constexpr M a = -0.75;
    auto near = [](M t) { return ((a + 2) * t - (a + 3)) * t * t + 1; };
    auto far = [](M t) { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a; };
    const M weights[4] = {far(1 + f), near(f), near(1 - f), far(2 - f)};
    for (int t = 0; t < 4; ++t) {
      weight[t] = weights[t];
      element[t] = Element(first + static_cast<M>(t - 1));
    }
    return 4;
  }
};

// The taps of up to kColumns positions: [tap][position].  Elements outside weigh nothing.
template <typename M>
struct Table {
  int taps = 0;
  int32_t offset[kMaxTaps * kColumns];
  M weight[kMaxTaps * kColumns];

  // `g`: the position's numbers, the innermost spatial dimension first.
  template <typename T>
  void Add(const GridSampleConfig& config, const Tensor& x, const T* g, int column) {
    const int spatial = x.rank - 2;
    int64_t offsets[kMaxTaps] = {0};
    M weights[kMaxTaps] = {1};
    int count = 1;
    for (int d = 0; d < spatial; ++d) {  // the outermost first: offset = offset * size + element
      const Dimension<M> dimension{config, x.sizes[2 + d]};
      int64_t element[4];
      M weight[4];
      const int more = dimension.Taps(ToMath(g[spatial - 1 - d]), element, weight);
      for (int i = count * more - 1; i >= 0; --i) {  // from the back: offsets[i / more] is read before it is written
        const bool inside = element[i % more] >= 0;
        offsets[i] = offsets[i / more] * dimension.size + (inside ? element[i % more] : 0);
        weights[i] = inside ? weights[i / more] * weight[i % more] : 0;
      }
      count *= more;
    }
    taps = count;
    for (int t = 0; t < count; ++t) {
      offset[t * kColumns + column] = static_cast<int32_t>(offsets[t]);
      weight[t * kColumns + column] = weights[t];
    }
  }
};

// n positions of one channel.
template <typename T>
struct SamplePlane {
  SLUICE_INLINE static void Run(const T* plane, const Table<Math<T>>* table, int n, T* out) {
    Math<T> sum[kColumns] = {};
    for (int t = 0; t < table->taps; ++t) {
      const int32_t* offset = table->offset + t * kColumns;
      const Math<T>* weight = table->weight + t * kColumns;
      for (int i = 0; i < n; ++i) {
        sum[i] += weight[i] == 0 ? Math<T>{0} : weight[i] * ToMath(plane[offset[i]]);
      }
    }
    for (int i = 0; i < n; ++i) {
      out[i] = FromMath<T>(sum[i]);
    }
  }
};

template <typename T>
void RunTyped(const LaunchArgs& args) {
  const auto& config = *static_cast<const GridSampleConfig*>(args.config);
  const Tensor &x = args.ins[0], &grid = args.ins[1], &y = args.outs[0];
  const int64_t channels = x.sizes[1], volume = SizesProduct(x, 2, x.rank), positions = SizesProduct(y, 2, y.rank);
  const int64_t blocks = (positions + kColumns - 1) / kColumns, cost = kColumns * (channels * 8 + 64);
  args.pool->ParallelFor(x.sizes[0] * blocks, Grain(cost), [&](int64_t begin, int64_t end) {
    Table<Math<T>> table;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / blocks, first = item % blocks * kColumns;
      const int n = static_cast<int>(std::min<int64_t>(kColumns, positions - first));
      for (int i = 0; i < n; ++i) {
        table.Add(config, x, grid.as<const T>() + (b * positions + first + i) * (x.rank - 2), i);
      }
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t plane = b * channels + c;
        AtLevel<SamplePlane<T>>(x.as<const T>() + plane * volume, static_cast<const Table<Math<T>>*>(&table), n,
                                y.as<T>() + plane * positions + first);
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor &x = args.ins[0], &grid = args.ins[1];
  const int spatial = x.rank - 2;
  if (spatial < 1 || spatial > kMaxSpatial) {
    return absl::InvalidArgumentError(absl::StrCat("grid_sample: x of rank ", x.rank, " has ", spatial, " dimensions"));
  }
  if (grid.dtype != x.dtype) {
    return absl::InvalidArgumentError("grid_sample: x and grid differ in element type");
  }
  if (args.outs[0].elements() == 0) {
    return absl::OkStatus();
  }
  const int64_t volume = SizesProduct(x, 2, x.rank);
  if (volume == 0 || volume > std::numeric_limits<int32_t>::max()) {
    return absl::InvalidArgumentError(absl::StrCat("grid_sample: cannot sample planes of ", volume, " elements"));
  }
  return DispatchFloat(x.dtype, [&](auto tag) { RunTyped<typename decltype(tag)::type>(args); });
}

}  // namespace

extern const CpuKernel kGridSample;
const CpuKernel kGridSample = {.name = "grid_sample", .prepare = Prepare, .run = Run};

}  // namespace sluice::kernels
