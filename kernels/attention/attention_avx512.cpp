// The vector parts of attention for AVX-512 (x86-64-v4).
#include "kernels/attention/attention_kernel.h"
