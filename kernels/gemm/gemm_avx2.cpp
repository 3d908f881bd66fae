// The contraction micro-kernels for AVX2, FMA and F16C (x86-64-v3).
#include "kernels/gemm/gemm_table.h"
