#include "kernels/cuda.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::kernels {

// One line a family: its description is defined in its folder.
#define SLUICE_CUDA_FAMILIES(X) \
  X(kCudaArgReduce)             \
  X(kCudaAttention)             \
  X(kCudaBroadcast)             \
  X(kCudaConv)                  \
  X(kCudaConvTranspose)         \
  X(kCudaCopy)                  \
  X(kCudaCumsum)                \
  X(kCudaDequantize)            \
  X(kCudaGather)                \
  X(kCudaGatherElements)        \
  X(kCudaGatherNd)              \
  X(kCudaGridSample)            \
  X(kCudaGru)                   \
  X(kCudaLayerNorm)             \
  X(kCudaLinear)                \
  X(kCudaLinearQ4)              \
  X(kCudaLinearQ8)              \
  X(kCudaLstm)                  \
  X(kCudaMatmul)                \
  X(kCudaMoe)                   \
  X(kCudaPool)                  \
  X(kCudaQuantize)              \
  X(kCudaReduce)                \
  X(kCudaResize)                \
  X(kCudaReverse)               \
  X(kCudaRmsNorm)               \
  X(kCudaRope)                  \
  X(kCudaScatterElements)       \
  X(kCudaScatterNd)             \
  X(kCudaSoftmax)               \
  X(kCudaTile)                  \
  X(kCudaTopK)                  \
  X(kCudaTranspose)

#define DECLARE(name) extern const CudaFamily name;
SLUICE_CUDA_FAMILIES(DECLARE)
#undef DECLARE

std::span<const CudaFamily* const> AllCudaFamilies() {
#define ADDRESS(name) &name,
  static const std::vector<const CudaFamily*> all = {SLUICE_CUDA_FAMILIES(ADDRESS)};
#undef ADDRESS
  return all;
}

const CudaFamily* FindCudaFamily(const std::string& name) {
  for (const CudaFamily* family : AllCudaFamilies()) {
    if (name == family->name) {
      return family;
    }
  }
  return nullptr;
}

namespace {

void Sort(std::vector<CudaPlan>& plans) {
  std::sort(plans.begin(), plans.end(),
            [](const CudaPlan& a, const CudaPlan& b) { return a.us != b.us ? a.us < b.us : a.name < b.name; });
}

// Numbers of rows at which plans are compared, and how much faster one must be to be worth an image of its own.
constexpr int64_t kRungs[] = {65536, 32768, 16384, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1};
constexpr double kWorth = 1.025;
// Up to so many rows there are plans whatever is typical: of sequences, say, where only a batch varies.
constexpr int64_t kAnyRows = 512;

// A product of dimensions ("x0_0 * x0_1", as CudaFamily::rows says it), each as `number` takes it; -1: one of them is.
template <typename Number>
int64_t ProductOf(const CudaQuery& query, const std::string& rows, Number number) {
  int64_t product = 1;
  for (const absl::string_view factor : absl::StrSplit(rows, " * ")) {
    const std::vector<std::string> at = absl::StrSplit(factor.substr(1), '_');
    const std::vector<CudaOperand>& operands = factor[0] == 'x' ? query.ins : query.outs;
    const int64_t size = number(operands[std::stoi(at[0])].dims[std::stoi(at[1])]);
    product = product < 0 || size < 0 ? -1 : product * size;
  }
  return product;
}

// Of `current`, which was made for more rows than the query's, whose plans are `plans`.
double TimeFor(const CudaQuery& query, const CudaFamily& family, const Gpu& gpu, const CudaPlan& current,
               const std::vector<CudaPlan>& plans) {
  if (family.predict != nullptr) {
    return family.predict(query, gpu, current);
  }
  const auto same = std::find_if(plans.begin(), plans.end(), [&](const CudaPlan& p) { return p.name == current.name; });
  return same != plans.end() ? std::min(same->us, current.us) : current.us;
}

// Plans for fewer rows than `most` is meant for, by ascending limit.  From many rows to few: a plan serves until
// another one beats it.
std::vector<CudaForm> SmallerForms(CudaQuery query, const std::string& rows, const CudaFamily& family, const Gpu& gpu,
                                   const CudaPlan& most) {
  const int64_t least = ProductOf(query, rows, [](const CudaDim& dim) { return std::max(dim.min, dim.least); });
  const int64_t typical = ProductOf(query, rows, [](const CudaDim& dim) { return dim.expected(); });
  const int64_t bound = ProductOf(query, rows, [](const CudaDim& dim) { return dim.max; });
  std::vector<CudaForm> forms;
  CudaPlan current = most;
  for (const int64_t rung : kRungs) {
    if (rung < least || rung > std::max(typical, kAnyRows) || (bound >= 0 && rung >= bound)) {
      continue;
    }
    query.rows_max = rung;
    std::string why;
    std::vector<CudaPlan> plans = family.plans(query, gpu, why);
    if (plans.empty()) {
      break;
    }
    Sort(plans);
    const double us = TimeFor(query, family, gpu, current, plans);
    if (plans.front().us * kWorth < us) {
      current = plans.front();
      forms.insert(forms.begin(), {rung, current});
    }
  }
  return forms;
}

CudaKernel Emitted(const CudaFamily& family, const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  CudaKernel kernel = family.emit(query, gpu, plan);
  TakeTurns(kernel);
  return kernel;
}

constexpr char kTakeTurns[] = "sl::take_turns();";

}  // namespace

void TakeTurns(CudaKernel& kernel) {
  if (kernel.overlaps_previous) {
    return;
  }
  const size_t function = kernel.text.find("__global__");
  kernel.text.insert(kernel.text.find('{', function) + 1, absl::StrCat("\n  ", kTakeTurns));
  kernel.overlaps_previous = true;
}

bool TakesTurns(const std::string& text) { return text.find(kTakeTurns) != std::string::npos; }

absl::StatusOr<CudaChoice> ChooseCuda(const CudaQuery& query, const Gpu& gpu) {
  const CudaFamily* family = FindCudaFamily(query.name);
  if (family == nullptr) {
    return absl::NotFoundError(absl::StrFormat("no CUDA kernel '%s'", query.name));
  }
  if (!query.epilogue.empty() && !family->epilogue) {
    return absl::NotFoundError(absl::StrFormat("CUDA kernel '%s' takes no epilogue", query.name));
  }
  if (query.parts > 1 && family->column_ins == 0) {
    return absl::NotFoundError(absl::StrFormat("CUDA kernel '%s' takes no epilogue of parts", query.name));
  }
  std::string why;
  std::vector<CudaPlan> plans = family->plans(query, gpu, why);
  if (plans.empty()) {
    return absl::NotFoundError(absl::StrFormat("no CUDA kernel '%s' for %s", query.name, why));
  }
  Sort(plans);
  CudaChoice choice{.plan = plans.front(), .kernel = Emitted(*family, query, gpu, plans.front())};
  choice.others.assign(plans.begin() + 1, plans.end());
  choice.kernel.rows = family->rows == nullptr ? "" : family->rows(query);
  if (choice.kernel.rows.empty()) {
    return choice;
  }
  choice.smaller = SmallerForms(query, choice.kernel.rows, *family, gpu, choice.plan);
  for (const CudaForm& form : choice.smaller) {
    CudaQuery few = query;
    few.rows_max = form.limit;
    choice.kernel.smaller.push_back(Emitted(*family, few, gpu, form.plan));
    choice.kernel.smaller.back().limit = form.limit;
  }
  return choice;
}

const char* CudaType(DType dtype) {
  switch (dtype) {
    case DType::kF64:
      return "double";
    case DType::kF32:
      return "float";
    case DType::kF16:
      return "sl::f16";
    case DType::kBF16:
      return "sl::bf16";
    case DType::kI64:
      return "int64_t";
    case DType::kI32:
      return "int32_t";
    case DType::kI16:
      return "int16_t";
    case DType::kI8:
      return "int8_t";
    case DType::kU64:
      return "uint64_t";
    case DType::kU32:
      return "uint32_t";
    case DType::kU16:
      return "uint16_t";
    case DType::kU8:
    case DType::kBool:
      return "uint8_t";
    default:
      return "";
  }
}

}  // namespace sluice::kernels
