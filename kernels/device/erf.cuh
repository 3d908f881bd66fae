// erf for results of 16 bits, for device code and for the tests on the host (which know fmaf).
#pragma once
#include "kernels/device/layout.cuh"

namespace sl {

// 2.65625 as f16 and as bf16: from there on erf rounds to 1 in both.
inline constexpr unsigned short kErfEndF16 = 0x4150, kErfEndBf16 = 0x402a;

// x P(x^2), minimax in relative error (3.1e-5) up to there.
SL_DEVICE float erf_within(float x) {
  const float t = x * x;
  float p = -8.852417182e-07f;
  p = fmaf(p, t, 3.024902617e-05f);
  p = fmaf(p, t, -4.572898033e-04f);
  p = fmaf(p, t, 4.109345842e-03f);
  p = fmaf(p, t, -2.502494305e-02f);
  p = fmaf(p, t, 1.112565696e-01f);
  p = fmaf(p, t, -3.755817115e-01f);
  return x * fmaf(p, t, 1.128346324f);
}

}  // namespace sl
