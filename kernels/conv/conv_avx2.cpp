// The vector parts of convolution for AVX2 and FMA (x86-64-v3).
#include "kernels/conv/conv_kernel.h"
