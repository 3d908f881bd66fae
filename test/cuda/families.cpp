#include "test/cuda/families.h"

#include <algorithm>
#include <regex>

#include "test/kernels/cuda_query.h"

namespace sluice::test {

using kernels::Attr;
using kernels::CudaOperand;
using kernels::CudaQuery;

std::optional<kernels::CudaKernel> KernelOf(const Family& family, const Row& row) {
  const std::optional<Way> way = family.way(row);
  if (!way) {
    return std::nullopt;
  }
  const kernels::CudaFamily& from = *kernels::FindCudaFamily(way->query.name);
  std::string why;
  std::vector<kernels::CudaPlan> plans = from.plans(way->query, kernels::Hopper(), why);
  const std::regex wanted(way->plan);
  std::erase_if(plans, [&](const kernels::CudaPlan& plan) { return !std::regex_search(plan.name, wanted); });
  if (plans.empty()) {
    return std::nullopt;
  }
  const auto plan = std::ranges::min_element(plans, {}, &kernels::CudaPlan::us);
  kernels::CudaKernel kernel = from.emit(way->query, kernels::Hopper(), *plan);
  kernels::TakeTurns(kernel);
  return kernel;
}

DType TypeOf(const std::string& name) {
  for (int i = 0; i < 32; ++i) {
    if (BitWidth(static_cast<DType>(i)) != 0 && name == Name(static_cast<DType>(i))) {
      return static_cast<DType>(i);
    }
  }
  return DType::kUndefined;
}

CudaOperand Operand(const std::string& dtype, const std::vector<int64_t>& sizes, bool weight) {
  CudaOperand operand = kernels::Operand(TypeOf(dtype), sizes);
  operand.weight = weight;
  return operand;
}

Attr Ints(const char* name, std::vector<int64_t> values) { return {name, std::move(values)}; }
Attr Int(const char* name, int64_t value) { return {name, value}; }
Attr Text(const char* name, const std::string& value) { return {name, value}; }

CudaQuery Query(const std::string& name, std::vector<CudaOperand> ins, std::vector<CudaOperand> outs,
                std::vector<Attr> attrs) {
  return {.name = name, .attrs = kernels::Attrs(std::move(attrs)), .ins = std::move(ins), .outs = std::move(outs)};
}

}  // namespace sluice::test
