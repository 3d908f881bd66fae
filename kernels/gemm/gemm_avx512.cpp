// The contraction micro-kernels for AVX-512 (x86-64-v4).
#include "kernels/gemm/gemm_table.h"
