// The vector parts of attention for AVX2, FMA and F16C (x86-64-v3).
#include "kernels/attention/attention_kernel.h"
