// Depthwise convolution for AVX-512 (x86-64-v4).
#include "kernels/conv/depthwise_kernel.h"
