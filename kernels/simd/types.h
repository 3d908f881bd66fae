// Element types the vector kernels read: 16-bit floats as distinct types, so that overloads tell them apart.
#ifndef SLUICE_KERNELS_SIMD_TYPES_H_
#define SLUICE_KERNELS_SIMD_TYPES_H_

#include <cstdint>

namespace sluice::kernels {

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_SIMD_TYPES_H_
