// `reduce`: sum, mean, max, min, prod, l1, l2, sum_square, log_sum, log_sum_exp over any axes, which are removed.
#include <cstring>

#include "kernels/common/launch.h"
#include "kernels/common/levels.h"
#include "kernels/reduce/reduce_kinds.h"
#include "kernels/reduce/reduce_plan.h"

namespace sluice::kernels {

ReducePlan PlanReduce(const Tensor& x, uint32_t axes) {
  int64_t sizes[kMaxRank];
  bool reduced[kMaxRank];
  int rank = 0;
  ReducePlan plan;
  for (int d = 0; d < x.rank; ++d) {
    const bool r = (axes >> d & 1) != 0;
    plan.count *= r ? x.sizes[d] : 1;
    if (x.sizes[d] == 1) {
      continue;
    }
    if (rank > 0 && reduced[rank - 1] == r) {
      sizes[rank - 1] *= x.sizes[d];
    } else {
      sizes[rank] = x.sizes[d];
      reduced[rank++] = r;
    }
  }
  int outer = rank;
  int64_t stride = 1;
  if (rank > 0) {
    --outer;
    (reduced[outer] ? plan.run : plan.columns) = sizes[outer];
    stride = sizes[outer];
  }
  for (int d = 0; d < outer; ++d) {
    ++(reduced[d] ? plan.reduced : plan.kept).rank;
  }
  int at[2] = {plan.kept.rank, plan.reduced.rank};
  for (int d = outer - 1; d >= 0; --d) {
    LoopNest& nest = reduced[d] ? plan.reduced : plan.kept;
    const int i = --at[reduced[d]];
    nest.sizes[i] = sizes[d];
    nest.strides[i] = stride;
    stride *= sizes[d];
  }
  return plan;
}

namespace {

constexpr int kLaneCount = 16;
constexpr int64_t kRun = 512;     // elements a lane type folds before the wide type takes over
constexpr int64_t kColumns = 64;  // columns folded side by side
constexpr int64_t kRowsInRun = 64;

struct ReduceConfig : Config {
  Fold fold = Fold::kSum;
  Finish finish = Finish::kNone;
  std::vector<int64_t> axes;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<ReduceConfig>();
  ASSIGN_OR_RETURN(config->axes, attrs.Ints("axes", {}));
  ASSIGN_OR_RETURN(const std::string kind, attrs.String("kind", "sum"));
  for (const ReduceKind& k : kReduceKinds) {
    if (kind == k.name) {
      config->fold = k.fold;
      config->finish = k.finish;
      return config;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("reduce: unknown kind \"", kind, "\""));
}

// Folds n neighbours into *total.
template <Fold kFold, typename T>
struct FoldRun {
  using F = Folding<kFold, T>;
  SLUICE_INLINE static void Run(const T* x, int64_t n, Math<T> shift, typename F::Wide* total) {
    using Lane = typename F::Lane;
    for (int64_t begin = 0; begin < n; begin += kRun) {
      const int64_t end = begin + kRun < n ? begin + kRun : n;
      Lane lanes[kLaneCount];
      for (Lane& lane : lanes) {
        lane = static_cast<Lane>(F::Init());
      }
      int64_t i = begin;
      for (; i + kLaneCount <= end; i += kLaneCount) {
        for (int l = 0; l < kLaneCount; ++l) {
          lanes[l] = F::Join(lanes[l], F::Map(x[i + l], shift));
        }
      }
      for (int l = 0; i < end; ++i, ++l) {
        lanes[l] = F::Join(lanes[l], F::Map(x[i], shift));
      }
      for (int width = kLaneCount / 2; width > 0; width /= 2) {
        for (int l = 0; l < width; ++l) {
          lanes[l] = F::Join(lanes[l], lanes[l + width]);
        }
      }
      *total = F::Join(*total, static_cast<typename F::Wide>(lanes[0]));
    }
  }
};

// lanes[c] = Join(lanes[c], x[c]) for n columns.
template <Fold kFold, typename T>
struct FoldRow {
  using F = Folding<kFold, T>;
  SLUICE_INLINE static void Run(const T* x, int64_t n, const Math<T>* shift, typename F::Lane* lanes) {
    for (int64_t c = 0; c < n; ++c) {
      lanes[c] = F::Join(lanes[c], F::Map(x[c], shift[c]));
    }
  }
};

// Compiled for each CPU level only where it pays: the floats.
template <typename Body, typename T, typename... Args>
void Call(Args... args) {
  if constexpr (kIsFloat<T>) {
    AtLevel<Body>(args...);
  } else {
    Body::Run(args...);
  }
}

// Folds `n` (<= kColumns) neighbouring columns that begin at x over all reduced dimensions.
template <Fold kFold, typename T>
void FoldColumns(const ReducePlan& plan, const T* x, int64_t n, const Math<T>* shift,
                 typename Folding<kFold, T>::Wide* totals) {
  using F = Folding<kFold, T>;
  const int64_t rows = plan.reduced.count();
  std::fill_n(totals, n, F::Init());
  typename F::Lane lanes[kColumns];
  for (int64_t begin = 0; begin < rows; begin += kRowsInRun) {
    std::fill_n(lanes, n, static_cast<typename F::Lane>(F::Init()));
    for (int64_t row = begin; row < std::min(rows, begin + kRowsInRun); ++row) {
      Call<FoldRow<kFold, T>, T>(x + plan.reduced.Offset(row), n, shift, lanes);
    }
    for (int64_t c = 0; c < n; ++c) {
      totals[c] = F::Join(totals[c], static_cast<typename F::Wide>(lanes[c]));
    }
  }
}

template <Fold kFold, typename T>
void FoldRuns(const ReducePlan& plan, const T* x, Math<T> shift, typename Folding<kFold, T>::Wide* total) {
  *total = Folding<kFold, T>::Init();
  const int64_t runs = plan.reduced.count();
  for (int64_t i = 0; i < runs; ++i) {
    Call<FoldRun<kFold, T>, T>(x + plan.reduced.Offset(i), plan.run, shift, total);
  }
}

// The largest element, the shift of log_sum_exp: 0 where it is not finite, so that infinities come out as themselves.
template <typename T>
Math<T> ShiftOf(Math<T> max) {
  return std::isfinite(max) ? max : Math<T>{0};
}

template <Fold kFold, typename T>
void ReduceTyped(const LaunchArgs& args, const ReducePlan& plan, Finish finish) {
  using F = Folding<kFold, T>;
  const T* x = args.ins[0].as<const T>();
  T* out = args.outs[0].as<T>();
  const int64_t groups = (plan.columns + kColumns - 1) / kColumns;
  const int64_t cost = plan.count * std::min(plan.columns, kColumns);
  args.pool->ParallelFor(plan.kept.count() * groups, Grain(cost), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t outer = item / groups, column = item % groups * kColumns;
      const int64_t n = std::min(kColumns, plan.columns - column);
      const T* from = x + plan.kept.Offset(outer) + column;
      Math<T> shift[kColumns] = {};
      typename F::Wide totals[kColumns];
      if (plan.columns == 1) {
        if constexpr (kFold == Fold::kExp) {
          FoldRuns<Fold::kMax, T>(plan, from, 0, shift);
          shift[0] = ShiftOf<T>(shift[0]);
        }
        FoldRuns<kFold, T>(plan, from, shift[0], totals);
      } else {
        if constexpr (kFold == Fold::kExp) {
          const Math<T> none[kColumns] = {};
          FoldColumns<Fold::kMax, T>(plan, from, n, none, shift);
          std::transform(shift, shift + n, shift, ShiftOf<T>);
        }
        FoldColumns<kFold, T>(plan, from, n, shift, totals);
      }
      for (int64_t c = 0; c < n; ++c) {
        out[outer * plan.columns + column + c] = F::Finished(totals[c], finish, plan.count, shift[c]);
      }
    }
  });
}

template <typename T>
absl::Status ReduceFold(const LaunchArgs& args, const ReducePlan& plan, const ReduceConfig& config) {
  switch (config.fold) {
    case Fold::kMax:
      ReduceTyped<Fold::kMax, T>(args, plan, config.finish);
      return absl::OkStatus();
    case Fold::kMin:
      ReduceTyped<Fold::kMin, T>(args, plan, config.finish);
      return absl::OkStatus();
    default:
      break;
  }
  // ONNX has the other kinds for floats and for 32- and 64-bit integers.
  if constexpr (kIsFloat<T> || sizeof(T) >= 4) {
    switch (config.fold) {
      case Fold::kAbs:
        ReduceTyped<Fold::kAbs, T>(args, plan, config.finish);
        break;
      case Fold::kSquare:
        ReduceTyped<Fold::kSquare, T>(args, plan, config.finish);
        break;
      case Fold::kProd:
        ReduceTyped<Fold::kProd, T>(args, plan, config.finish);
        break;
      case Fold::kExp:
        if constexpr (kIsFloat<T>) {
          ReduceTyped<Fold::kExp, T>(args, plan, config.finish);
          break;
        } else {
          return NoSuchType(args.ins[0].dtype);
        }
      default:
        ReduceTyped<Fold::kSum, T>(args, plan, config.finish);
    }
    return absl::OkStatus();
  }
  return NoSuchType(args.ins[0].dtype);
}

absl::Status Run(const LaunchArgs& args) {
  const auto& config = *static_cast<const ReduceConfig*>(args.config);
  const Tensor& x = args.ins[0];
  uint32_t axes = 0;
  for (int64_t a : config.axes) {
    ASSIGN_OR_RETURN(const int axis, Axis(a, x.rank));
    axes |= 1u << axis;
  }
  if (args.outs[0].elements() == 0) {
    return absl::OkStatus();
  }
  const ReducePlan plan = PlanReduce(x, axes);
  absl::Status status;
  RETURN_IF_ERROR(DispatchNumber(
      x.dtype, [&](auto tag) { status = ReduceFold<typename decltype(tag)::type>(args, plan, config); }));
  return status;
}

}  // namespace

extern const CpuKernel kReduce;
const CpuKernel kReduce = {.name = "reduce", .prepare = Prepare, .run = Run};

}  // namespace sluice::kernels
