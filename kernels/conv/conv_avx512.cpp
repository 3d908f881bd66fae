// The vector parts of convolution for AVX-512 (x86-64-v4).
#include "kernels/conv/conv_kernel.h"
