// Element types as C++ types, and the switch from a DType to one.
//
//   return DispatchFloat(x.dtype, [&](auto tag) {
//     using T = typename decltype(tag)::type;    // float, double, F16 or BF16
//     Math<T> sum = 0;                           // float, or double for double
//     for (...) { sum += ToMath(x.as<T>()[i]); }
//     out.as<T>()[0] = FromMath<T>(sum);
//   });
#ifndef SLUICE_KERNELS_COMMON_ELEMENT_H_
#define SLUICE_KERNELS_COMMON_ELEMENT_H_

#include <cstdint>
#include <type_traits>

#include "kernels/desc.h"
#include "kernels/simd/types.h"
#include "runtime/base/half.h"

namespace sluice::kernels {

template <typename T>
inline constexpr bool kIsHalf = std::is_same_v<T, F16> || std::is_same_v<T, BF16>;
template <typename T>
inline constexpr bool kIsFloat = kIsHalf<T> || std::is_floating_point_v<T>;

// The type arithmetic on T is done in: float for the 16-bit floats, T itself for all others.
template <typename T>
using Math = std::conditional_t<kIsHalf<T>, float, T>;

template <typename T>
SLUICE_INLINE Math<T> ToMath(T v) {
  return v;
}
template <>
SLUICE_INLINE float ToMath<F16>(F16 v) {
  return F16ToF32(v.bits);
}
template <>
SLUICE_INLINE float ToMath<BF16>(BF16 v) {
  return BF16ToF32(v.bits);
}

// Rounds once, whatever V is (float, double or an integer).
template <typename T, typename V>
SLUICE_INLINE T FromMath(V v) {
  if constexpr (std::is_same_v<T, F16>) {
    return F16{std::is_same_v<V, double> ? F64ToF16(v) : F32ToF16(static_cast<float>(v))};
  } else if constexpr (std::is_same_v<T, BF16>) {
    return BF16{std::is_same_v<V, double> ? F64ToBF16(v) : F32ToBF16(static_cast<float>(v))};
  } else {
    return static_cast<T>(v);
  }
}

// What a dispatch returns for a type the kernel does not have.
inline absl::Status NoSuchType(DType dtype) {
  return absl::InvalidArgumentError(
      absl::StrCat("element type ", Name(dtype), ": not one this kernel computes with (cast the operand)"));
}

// Each calls body(std::type_identity<T>()) with the C++ type of `dtype`; an error when the class does not hold it.
template <typename Body>
absl::Status DispatchF32OrHalf(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::kF32:
      body(std::type_identity<float>());
      return absl::OkStatus();
    case DType::kF16:
      body(std::type_identity<F16>());
      return absl::OkStatus();
    case DType::kBF16:
      body(std::type_identity<BF16>());
      return absl::OkStatus();
    default:
      return NoSuchType(dtype);
  }
}

template <typename Body>
absl::Status DispatchFloat(DType dtype, Body&& body) {
  if (dtype == DType::kF64) {
    body(std::type_identity<double>());
    return absl::OkStatus();
  }
  return DispatchF32OrHalf(dtype, body);
}

// The integers; booleans count as u8.
template <typename Body>
absl::Status DispatchInt(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::kI32:
      body(std::type_identity<int32_t>());
      return absl::OkStatus();
    case DType::kI64:
      body(std::type_identity<int64_t>());
      return absl::OkStatus();
    case DType::kU8:
    case DType::kBool:
      body(std::type_identity<uint8_t>());
      return absl::OkStatus();
    case DType::kI8:
      body(std::type_identity<int8_t>());
      return absl::OkStatus();
    case DType::kU16:
      body(std::type_identity<uint16_t>());
      return absl::OkStatus();
    case DType::kI16:
      body(std::type_identity<int16_t>());
      return absl::OkStatus();
    case DType::kU32:
      body(std::type_identity<uint32_t>());
      return absl::OkStatus();
    case DType::kU64:
      body(std::type_identity<uint64_t>());
      return absl::OkStatus();
    default:
      return NoSuchType(dtype);
  }
}

template <typename Body>
absl::Status DispatchNumber(DType dtype, Body&& body) {
  return IsFloat(dtype) ? DispatchFloat(dtype, body) : DispatchInt(dtype, body);
}

// By size alone, for kernels that only move elements: uint8_t, uint16_t, uint32_t or uint64_t.
template <typename Body>
absl::Status DispatchSize(DType dtype, Body&& body) {
  switch (BitWidth(dtype)) {
    case 8:
      body(std::type_identity<uint8_t>());
      return absl::OkStatus();
    case 16:
      body(std::type_identity<uint16_t>());
      return absl::OkStatus();
    case 32:
      body(std::type_identity<uint32_t>());
      return absl::OkStatus();
    case 64:
      body(std::type_identity<uint64_t>());
      return absl::OkStatus();
    default:
      return NoSuchType(dtype);
  }
}

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_COMMON_ELEMENT_H_
