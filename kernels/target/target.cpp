#include "kernels/target/target.h"

namespace sluice::kernels {

extern const Target kCudaSm90a;

namespace {

const Target kCpu = {.name = "cpu"};

// One line a target.
const Target* const kTargets[] = {&kCpu, &kCudaSm90a};

}  // namespace

std::span<const Target* const> AllTargets() { return kTargets; }

const Target* FindTarget(const std::string& name) {
  for (const Target* target : kTargets) {
    if (name == target->name) {
      return target;
    }
  }
  return nullptr;
}

}  // namespace sluice::kernels
