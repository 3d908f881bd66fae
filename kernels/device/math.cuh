// Fast forms of what epilogues and softmax need; each is within 2 ulp of a 16-bit result.
#pragma once
#include "kernels/device/layout.cuh"

namespace sl {

SL_DEVICE float infinity() { return __int_as_float(0x7f800000); }

// In the precision of what they are given.
SL_DEVICE float exp2_of(float x) { return exp2f(x); }
SL_DEVICE double exp2_of(double x) { return exp2(x); }
SL_DEVICE float larger(float a, float b) { return fmaxf(a, b); }
SL_DEVICE double larger(double a, double b) { return fmax(a, b); }

SL_DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
SL_DEVICE double exp2_fast(double x) { return exp2(x); }
SL_DEVICE float tanh_fast(float x) {
  float y;
  asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
SL_DEVICE float inverse_root(float x) { return rsqrtf(x); }
SL_DEVICE double inverse_root(double x) { return 1 / sqrt(x); }
// As exact as elements of type T need it.
template <typename T>
SL_DEVICE float tanh_of(float x) {
  return sizeof(T) == 2 ? tanh_fast(x) : tanhf(x);
}
template <typename T>
SL_DEVICE double tanh_of(double x) {
  return tanh(x);
}
SL_DEVICE float sigmoid_fast(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }
SL_DEVICE float silu_fast(float x) { return __fdividef(x, 1.0f + __expf(-x)); }
// 0.5 x (1 + tanh(u)) = x / (1 + e^-2u)
SL_DEVICE float gelu_tanh_fast(float x) {
  return __fdividef(x, 1.0f + __expf(-2.0f * 0.7978845608f * (x + 0.044715f * x * x * x)));
}

}  // namespace sl
