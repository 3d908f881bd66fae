// Depthwise convolution for AVX2 and FMA (x86-64-v3).
#include "kernels/conv/depthwise_kernel.h"
