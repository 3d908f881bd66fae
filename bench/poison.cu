// Fills a block's shared memory with NaN bytes: one block an SM fills them all.
extern "C" __global__ void __launch_bounds__(1024) poison(int words) {
  extern __shared__ unsigned shared[];
  for (int i = threadIdx.x; i < words; i += 1024) {
    reinterpret_cast<volatile unsigned*>(shared)[i] = ~0u;
  }
}
