// A family's How into CudaPlan::numbers and back.  How lists the members that emitting reads, once:
//
//   struct How {
//     int64_t rows = 0;
//     bool split = false;
//     static constexpr auto kNumbers = std::tuple(&How::rows, &How::split);
//   };
#ifndef SLUICE_KERNELS_COMMON_PLAN_NUMBERS_H_
#define SLUICE_KERNELS_COMMON_PLAN_NUMBERS_H_

#include <cstdint>
#include <tuple>
#include <vector>

namespace sluice::kernels {

template <typename How>
std::vector<int64_t> PlanNumbers(const How& how) {
  return std::apply([&](auto... member) { return std::vector<int64_t>{static_cast<int64_t>(how.*member)...}; },
                    How::kNumbers);
}

template <typename How>
How FromPlanNumbers(const std::vector<int64_t>& numbers) {
  How how;
  auto number = numbers.begin();
  const auto set = [&]<typename T>(T& member) { member = static_cast<T>(*number++); };
  std::apply([&](auto... member) { (set(how.*member), ...); }, How::kNumbers);
  return how;
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_COMMON_PLAN_NUMBERS_H_
