// The axes of every CUDA family's template, and the kernel for each row of their values.
//
// An axis is what makes a template other code: how work is cut, which optional parts there are, what an element is and
// goes through.  Numbers that only bound a loop are none.  Alternatives (pairwise.h) differ in a type name, a number or
// one line of a functor.
#ifndef SLUICE_TEST_CUDA_FAMILIES_H_
#define SLUICE_TEST_CUDA_FAMILIES_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cuda.h"
#include "test/cuda/pairwise.h"

namespace sluice::test {

// An operation, and the plan that is meant: a regular expression of its name; "" is the fastest.
struct Way {
  kernels::CudaQuery query;
  std::string plan = "";
  int64_t local_bytes = 0;  // that its kernel is known to need
};

struct Family {
  Space space;
  // The values' operation; none where the op cannot have them together.
  std::function<std::optional<Way>(const Row&)> way;
  // Its kernels are compiled several in a translation unit (together.h): they have no wgmma in their texts.
  bool together = true;
};

std::vector<Family> SmallFamilies();
std::vector<Family> LargeFamilies();

// The kernel of a row; none where the family has no such plan.
std::optional<kernels::CudaKernel> KernelOf(const Family& family, const Row& row);

// ---- For what families are made of.  Sizes: positive ones are constants, -n varies and is about n (cuda_query.h).

DType TypeOf(const std::string& name);  // as Name says it
kernels::CudaOperand Operand(const std::string& dtype, const std::vector<int64_t>& sizes, bool weight = false);
kernels::Attr Ints(const char* name, std::vector<int64_t> values);
kernels::Attr Int(const char* name, int64_t value);
kernels::Attr Text(const char* name, const std::string& value);
kernels::CudaQuery Query(const std::string& name, std::vector<kernels::CudaOperand> ins,
                         std::vector<kernels::CudaOperand> outs, std::vector<kernels::Attr> attrs = {});

}  // namespace sluice::test

#endif  // SLUICE_TEST_CUDA_FAMILIES_H_
