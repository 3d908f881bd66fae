// nn.pool: max or average over a sliding window; x [b, c, 1 to 3 spatial], the result's sizes are given.  An optional
// second result gets the index of each maximum in x (i64, row-major over all of x).
#include "kernels/common/element.h"
#include "kernels/common/launch.h"
#include "kernels/common/levels.h"

namespace sluice::kernels {
namespace {

constexpr int kSpatial = 3;
constexpr int64_t kColumns = 64;  // results of one row computed side by side

// Attributes with spatial dimensions padded to three: depth, height, width.
struct PoolConfig : Config {
  bool max = true;
  bool count_include_pad = false;
  int spatial = 0;
  std::array<int64_t, kSpatial> kernel, strides, begins, ends, dilations;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<PoolConfig>();
  ASSIGN_OR_RETURN(const std::string kind, attrs.String("kind", "max"));
  if (kind != "max" && kind != "average") {
    return absl::InvalidArgumentError(absl::StrCat("pool: unknown kind \"", kind, "\""));
  }
  config->max = kind == "max";
  ASSIGN_OR_RETURN(const std::vector<int64_t> kernel, attrs.Ints("kernel", {}));
  const size_t n = kernel.size();
  ASSIGN_OR_RETURN(const std::vector<int64_t> strides, attrs.Ints("strides", std::vector<int64_t>(n, 1)));
  ASSIGN_OR_RETURN(const std::vector<int64_t> pads, attrs.Ints("pads", std::vector<int64_t>(2 * n, 0)));
  ASSIGN_OR_RETURN(const std::vector<int64_t> dilations, attrs.Ints("dilations", std::vector<int64_t>(n, 1)));
  ASSIGN_OR_RETURN(const int64_t include, attrs.Int("count_include_pad", 0));
  if (n < 1 || n > kSpatial || strides.size() != n || pads.size() != 2 * n || dilations.size() != n) {
    return absl::InvalidArgumentError("pool: kernel, strides, pads and dilations do not fit 1 to 3 dimensions");
  }
  config->count_include_pad = include != 0;
  config->spatial = static_cast<int>(n);
  config->kernel.fill(1);
  config->strides.fill(1);
  config->dilations.fill(1);
  config->begins.fill(0);
  config->ends.fill(0);
  for (size_t i = 0; i < n; ++i) {
    const size_t d = kSpatial - n + i;
    config->kernel[d] = kernel[i];
    config->strides[d] = strides[i];
    config->dilations[d] = dilations[i];
    config->begins[d] = pads[i];
    config->ends[d] = pads[n + i];
  }
  return config;
}

struct PoolShape {
  std::array<int64_t, kSpatial> in, out;
};

// Taps k of dimension d at output position o that lie in [0, limit).
int64_t TapsWithin(const PoolConfig& c, int d, int64_t o, int64_t first_allowed, int64_t limit) {
  int64_t taps = 0;
  for (int64_t k = 0; k < c.kernel[d]; ++k) {
    const int64_t at = o * c.strides[d] - c.begins[d] + k * c.dilations[d];
    taps += at >= first_allowed && at < limit ? 1 : 0;
  }
  return taps;
}

// What an average divides by.
int64_t Divisor(const PoolConfig& c, const PoolShape& s, const int64_t (&at)[kSpatial]) {
  int64_t count = 1;
  for (int d = 0; d < kSpatial; ++d) {
    count *= c.count_include_pad ? TapsWithin(c, d, at[d], -c.begins[d], s.in[d] + c.ends[d])
                                 : TapsWithin(c, d, at[d], 0, s.in[d]);
  }
  return count;
}

// Columns [0, n) of a chunk that begins at output column `first`, whose tap k is inside the row.
struct Columns {
  int64_t begin, end, from;  // from: input column of `begin`
};
Columns Inside(const PoolConfig& c, int64_t width, int64_t first, int64_t n, int64_t k) {
  const int64_t stride = c.strides[2], offset = k * c.dilations[2] - c.begins[2];
  // first + i in [ceil(-offset / stride), ceil((width - offset) / stride))
  const int64_t low = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const int64_t high = width - offset <= 0 ? 0 : (width - offset + stride - 1) / stride;
  const int64_t begin = std::clamp<int64_t>(low - first, 0, n), end = std::clamp<int64_t>(high - first, begin, n);
  return {begin, end, (first + begin) * stride + offset};
}

// Calls body(row_offset) for each input row the window at (od, oh) touches, and body's taps along the width in turn.
template <typename Body>
void ForEachTap(const PoolConfig& c, const PoolShape& s, int64_t od, int64_t oh, int64_t first, int64_t n,
                Body&& body) {
  for (int64_t kd = 0; kd < c.kernel[0]; ++kd) {
    const int64_t d = od * c.strides[0] - c.begins[0] + kd * c.dilations[0];
    for (int64_t kh = 0; kh < c.kernel[1] && d >= 0 && d < s.in[0]; ++kh) {
      const int64_t h = oh * c.strides[1] - c.begins[1] + kh * c.dilations[1];
      for (int64_t kw = 0; kw < c.kernel[2] && h >= 0 && h < s.in[1]; ++kw) {
        body((d * s.in[1] + h) * s.in[2], Inside(c, s.in[2], first, n, kw));
      }
    }
  }
}

// One tap of `n` windows: best[i] = max(best[i], in[i * stride]), or sum[i] += in[i * stride].  The strides that occur
// are loops of their own, so that they become vector loads.
template <typename T>
struct MaxTap {
  SLUICE_INLINE static void Run(const T* in, int64_t stride, int64_t n, Math<T>* best) {
    stride == 1 ? Loop(in, 1, n, best) : stride == 2 ? Loop(in, 2, n, best) : Loop(in, stride, n, best);
  }
  SLUICE_INLINE static void Loop(const T* in, int64_t stride, int64_t n, Math<T>* best) {
    for (int64_t i = 0; i < n; ++i) {
      const Math<T> v = ToMath(in[i * stride]);
      best[i] = v > best[i] ? v : best[i];
    }
  }
};
template <typename T>
struct AddTap {
  SLUICE_INLINE static void Run(const T* in, int64_t stride, int64_t n, double* sum) {
    stride == 1 ? Loop(in, 1, n, sum) : stride == 2 ? Loop(in, 2, n, sum) : Loop(in, stride, n, sum);
  }
  SLUICE_INLINE static void Loop(const T* in, int64_t stride, int64_t n, double* sum) {
    for (int64_t i = 0; i < n; ++i) {
      sum[i] += static_cast<double>(ToMath(in[i * stride]));
    }
  }
};
// sum[0, 8) += eight lanes of a run of neighbours: a window wider than the row of results (a global average).
template <typename T>
struct AddRun {
  SLUICE_INLINE static void Run(const T* in, int64_t n, double* sum) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
      for (int l = 0; l < 8; ++l) {
        sum[l] += static_cast<double>(ToMath(in[i + l]));
      }
    }
    for (int l = 0; i < n; ++i, ++l) {
      sum[l] += static_cast<double>(ToMath(in[i]));
    }
  }
};

template <typename T>
void MaxRow(const PoolConfig& c, const PoolShape& s, const T* plane, int64_t plane_at, int64_t od, int64_t oh, T* out,
            int64_t* indices) {
  using Limits = std::numeric_limits<Math<T>>;
  const int64_t stride = c.strides[2];
  for (int64_t first = 0; first < s.out[2]; first += kColumns) {
    const int64_t n = std::min(kColumns, s.out[2] - first);
    Math<T> best[kColumns];
    int64_t where[kColumns] = {};
    std::fill_n(best, n, Limits::has_infinity ? -Limits::infinity() : Limits::lowest());
    ForEachTap(c, s, od, oh, first, n, [&](int64_t row, const Columns& columns) {
      const T* in = plane + row + columns.from;
      if (indices == nullptr) {
        return AtLevel<MaxTap<T>>(in, stride, columns.end - columns.begin, best + columns.begin);
      }
      for (int64_t i = columns.begin; i < columns.end; ++i) {
        const int64_t at = (i - columns.begin) * stride;
        const Math<T> v = ToMath(in[at]);
        where[i] = v > best[i] ? plane_at + row + columns.from + at : where[i];
        best[i] = v > best[i] ? v : best[i];
      }
    });
    for (int64_t i = 0; i < n; ++i) {
      out[first + i] = FromMath<T>(best[i]);
      if (indices != nullptr) {
        indices[first + i] = where[i];
      }
    }
  }
}

// The sum of a window that is wider than the row of results: row after row.
template <typename T>
double WideWindow(const PoolConfig& c, const PoolShape& s, const T* plane, int64_t od, int64_t oh, int64_t ow) {
  double lanes[8] = {};
  const int64_t left = ow * c.strides[2] - c.begins[2];
  const int64_t begin = std::clamp<int64_t>(left, 0, s.in[2]);
  const int64_t end = std::clamp<int64_t>(left + c.kernel[2], begin, s.in[2]);
  for (int64_t kd = 0; kd < c.kernel[0]; ++kd) {
    const int64_t d = od * c.strides[0] - c.begins[0] + kd * c.dilations[0];
    for (int64_t kh = 0; kh < c.kernel[1] && d >= 0 && d < s.in[0]; ++kh) {
      const int64_t h = oh * c.strides[1] - c.begins[1] + kh * c.dilations[1];
      if (h >= 0 && h < s.in[1]) {
        AtLevel<AddRun<T>>(plane + (d * s.in[1] + h) * s.in[2] + begin, end - begin, &lanes[0]);
      }
    }
  }
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <typename T>
void AverageRow(const PoolConfig& c, const PoolShape& s, const T* plane, int64_t od, int64_t oh, T* out) {
  const bool wide = c.kernel[2] > s.out[2] && c.dilations[2] == 1;
  for (int64_t first = 0; first < s.out[2]; first += kColumns) {
    const int64_t n = std::min(kColumns, s.out[2] - first);
    double sum[kColumns] = {};  // a global average adds thousands
    for (int64_t i = 0; i < n && wide; ++i) {
      sum[i] = WideWindow(c, s, plane, od, oh, first + i);
    }
    if (!wide) {
      ForEachTap(c, s, od, oh, first, n, [&](int64_t row, const Columns& columns) {
        AtLevel<AddTap<T>>(plane + row + columns.from, c.strides[2], columns.end - columns.begin, sum + columns.begin);
      });
    }
    for (int64_t i = 0; i < n; ++i) {
      out[first + i] = FromMath<T>(sum[i] / static_cast<double>(Divisor(c, s, {od, oh, first + i})));
    }
  }
}

template <typename T>
void RunTyped(const LaunchArgs& args, const PoolConfig& c, const PoolShape& s) {
  const Tensor& x = args.ins[0];
  const Tensor* indices = c.max ? Optional(args.outs, 1) : nullptr;
  const int64_t plane = s.in[0] * s.in[1] * s.in[2], rows = s.out[0] * s.out[1];
  const int64_t cost = s.out[2] * c.kernel[0] * c.kernel[1] * c.kernel[2] * 2;
  args.pool->ParallelFor(x.sizes[0] * x.sizes[1] * rows, Grain(cost), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t p = item / rows, od = item % rows / s.out[1], oh = item % s.out[1];
      const T* in = x.as<const T>() + p * plane;
      T* out = args.outs[0].as<T>() + item * s.out[2];
      if (c.max) {
        MaxRow(c, s, in, p * plane, od, oh, out,
               indices == nullptr ? nullptr : indices->as<int64_t>() + item * s.out[2]);
      } else if constexpr (kIsFloat<T>) {
        AverageRow(c, s, in, od, oh, out);
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const auto& c = *static_cast<const PoolConfig*>(args.config);
  const Tensor& x = args.ins[0];
  if (x.rank != c.spatial + 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("pool: a kernel of ", c.spatial, " dimensions for an operand of rank ", x.rank));
  }
  PoolShape s;
  s.in.fill(1);
  s.out.fill(1);
  for (int i = 0; i < c.spatial; ++i) {
    s.in[kSpatial - c.spatial + i] = x.sizes[2 + i];
    s.out[kSpatial - c.spatial + i] = args.outs[0].sizes[2 + i];
  }
  if (args.outs[0].elements() == 0) {
    return absl::OkStatus();
  }
  const auto run = [&](auto tag) { RunTyped<typename decltype(tag)::type>(args, c, s); };
  return c.max ? DispatchNumber(x.dtype, run) : DispatchFloat(x.dtype, run);
}

}  // namespace

extern const CpuKernel kPool;
const CpuKernel kPool = {.name = "pool", .prepare = Prepare, .run = Run};

}  // namespace sluice::kernels
