// CUDA family reduce (reduce.cuh): every kind but the one with a shift.
#include <algorithm>

#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

struct Kind {
  const char* name;
  const char* fold;
  const char* finish;
};

constexpr Kind kKinds[] = {{"sum", "kSum", "kNone"},   {"mean", "kSum", "kMean"},          {"max", "kMax", "kNone"},
                           {"min", "kMin", "kNone"},   {"prod", "kProduct", "kNone"},      {"l1", "kAbs", "kNone"},
                           {"l2", "kSquare", "kSqrt"}, {"sum_square", "kSquare", "kNone"}, {"log_sum", "kSum", "kLog"}};

const Kind* KindOf(const CudaQuery& query) {
  const std::string name = query.attrs.String("kind", "sum").value_or("sum");
  const Kind* kind = std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return name == k.name; });
  return kind == std::end(kKinds) ? nullptr : kind;
}

unsigned Axes(const CudaQuery& query) {
  unsigned axes = 0;
  for (int64_t axis : query.attrs.Ints("axes", {}).value_or(std::vector<int64_t>())) {
    axes |= 1u << (axis < 0 ? axis + query.ins[0].rank() : axis);
  }
  return axes;
}

constexpr int kBlock = 256;
constexpr int64_t kWordsAThread = 8;  // of a result that threads of a warp share

// Results that a block has at a time (reduce.cuh).
int64_t ResultsOfTile(bool folds_last, int64_t threads, int64_t vector) {
  return folds_last ? kBlock / threads : 32 * vector;
}

// How many results there are; 0 when that is not constant.
int64_t KnownResults(const CudaQuery& query) {
  int64_t results = 1;
  for (const CudaDim& dim : query.outs[0].dims) {
    results *= dim.constant() ? dim.value() : 0;
  }
  return results;
}

// How a reduction is cut: the last dimension folded or kept, threads of a result, elements of a word, and blocks that
// share a tile where the tiles alone leave the device idle.
struct Cut {
  bool folds_last;
  int64_t threads = kBlock, vector = 1, parts = 1;

  Cut(const CudaQuery& query, const Gpu& gpu) {
    const std::vector<CudaDim>& dims = query.ins[0].dims;
    const int rank = query.ins[0].rank();
    const auto folded = [&](int d) { return (Axes(query) >> d & 1) != 0; };
    folds_last = folded(rank - 1);
    int64_t count = 1, last = 1;
    for (int d = 0; d < rank; ++d) {
      count *= folded(d) ? dims[d].expected() : 1;
    }
    for (int d = rank - 1; d >= 0 && folded(d) == folds_last; --d) {
      last *= dims[d].constant() ? dims[d].value() : 0;
    }
    const int64_t word = 128 / BitWidth(query.ins[0].dtype);
    vector = last > 0 && last % word == 0 ? word : 1;
    const int64_t steps = folds_last ? (count + vector - 1) / vector : (count + 7) / 8;  // of a result, by the block's
    for (threads = 4; folds_last && threads < 32 && steps > threads * kWordsAThread; threads *= 2) {
    }
    threads = folds_last && steps > threads * 2 * kWordsAThread ? kBlock : threads;
    const int64_t results = KnownResults(query), each = ResultsOfTile(folds_last, threads, vector);
    if (results > 0 && (!folds_last || threads == kBlock)) {
      const int64_t tiles = (results + each - 1) / each, least = folds_last ? kBlock * 4 : 4;  // steps worth a block
      parts = std::clamp<int64_t>(gpu.sms * 4 / tiles, 1, std::max<int64_t>(1, steps / least));
    }
  }
  std::string Name() const {
    const std::string shared = parts > 1 ? absl::StrFormat(", %d blocks", parts) : "";
    return folds_last ? absl::StrFormat("%d threads a result, words of %d%s", threads, vector, shared)
                      : absl::StrFormat("columns, words of %d%s", vector, shared);
  }
};

std::vector<CudaPlan> Plan(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  if (KindOf(query) == nullptr) {
    why = "kind " + query.attrs.String("kind", "").value_or("");
    return {};
  }
  if (*CudaType(query.ins[0].dtype) == '\0' || query.ins[0].rank() == 0) {
    why = query.ins[0].rank() == 0 ? "a scalar" : std::string(Name(query.ins[0].dtype)) + " elements";
    return {};
  }
  const Cut cut(query, gpu);
  return {{.name = cut.Name(),
           .numbers = {cut.folds_last, cut.threads, cut.vector, cut.parts},
           .us = CopyUs(query, gpu, cut.vector > 1 ? 0.9 : 0.5)}};
}

CudaKernel Emit(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const Kind& kind = *KindOf(query);
  const bool folds_last = plan.numbers[0] != 0;
  const int64_t threads = plan.numbers[1], vector = plan.numbers[2], parts = plan.numbers[3];
  const std::string reduction = absl::StrFormat("sl::Reduction<sl::Fold::%s, sl::Finish::%s, %s>", kind.fold,
                                                kind.finish, CudaType(query.ins[0].dtype));
  const std::string numbers = folds_last ? absl::StrFormat("%d, %d", threads, vector) : absl::StrCat(vector);
  const std::string body =
      absl::StrFormat("sl::reduce_%s<%s, %s, %d, %uu>(step, x0, y0, %s);", folds_last ? "rows" : "columns", reduction,
                      numbers, parts, Axes(query), parts > 1 ? "workspace, counters" : "nullptr, nullptr");
  const int64_t results = ResultsOfTile(folds_last, threads, vector);
  const std::string all = ProductText("y0", 0, query.outs[0].rank());
  const int64_t tiles = parts > 1 ? (KnownResults(query) + results - 1) / results : 0;
  CudaKernel kernel = OperandKernel(query, absl::StrCat("reduce_", kind.name), "kernels/reduce/reduce.cuh", body,
                                    kBlock, {}, static_cast<int>(tiles));
  kernel.grid[0] = absl::StrFormat("%s * %d", BlocksText(all, results, gpu.sms * 16), parts);
  if (parts > 1) {
    kernel.workspace = absl::StrFormat("%s * %d", all, parts * 8);
  }
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaReduce;
const CudaFamily kCudaReduce = {.name = "reduce", .plans = Plan, .emit = Emit};

}  // namespace sluice::kernels
