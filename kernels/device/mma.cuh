// Tensor-core instructions and what moves data to and from their registers.
#pragma once
#include "kernels/device/barrier.cuh"

namespace sl {

// wgmma of one width, m64nN by 32 bytes of depth: 16-bit operands of type T and f32 sums, or 8-bit codes, A of type T
// and B of type U, and s32 sums.  The compiler prints the widths a kernel uses (kernels/device/wgmma_text.h):
//   Wgmma<T, N>::shared<kWidthMajorB>(Sum (&d)[N / 2], uint64_t a, uint64_t b, int keep)       d = a b + (keep ? d : 0)
//   Wgmma<T, N>::registers<kWidthMajorB>(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, int keep)     not of
//   codes
template <class T, int kN, class U = T>
struct Wgmma;

SL_DEVICE void wgmma_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
SL_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kInFlight>
SL_DEVICE void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kInFlight) : "memory");
}
// The compiler believes an asynchronous accumulator is ready when the asm that starts it returns.  Pinning it after the
// wait (and before the next start) keeps reads and writes of it on the right side.  Costs no instruction.
template <int kN>
SL_DEVICE void pin(float (&r)[kN]) {
#pragma unroll
  for (int i = 0; i < kN; ++i) {
    asm volatile("" : "+f"(r[i])::"memory");
  }
}
template <int kN>
SL_DEVICE void pin(int32_t (&r)[kN]) {
#pragma unroll
  for (int i = 0; i < kN; ++i) {
    asm volatile("" : "+r"(r[i])::"memory");
  }
}
template <int kN, int kM>
SL_DEVICE void pin(uint32_t (&r)[kN][kM]) {
#pragma unroll
  for (int i = 0; i < kN * kM; ++i) {
    asm volatile("" : "+r"(r[i / kM][i % kM])::"memory");
  }
}
// Descriptors of a matrix at steps known to the compiler.  What follows from memory or from loops over it is not
// uniform to the compiler, and each such descriptor costs four moves to uniform registers before its wgmma can start;
// one broadcast of the low word, which the steps never carry out of, makes all of them uniform.
class MatrixSteps {
 public:
  SL_DEVICE MatrixSteps(uint64_t matrix, int offset)
      : low_(warp_uniform(static_cast<int>(matrix) + offset)), high_(matrix >> 32) {}
  SL_DEVICE uint64_t at(int step) const { return high_ << 32 | static_cast<uint32_t>(low_ + step); }

 private:
  int low_;
  uint64_t high_;
};
// setmaxnreg moves registers between the warpgroups of a CTA within what the launch allocated: their sum must not grow.
template <int kRegisters>
SL_DEVICE void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters>
SL_DEVICE void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// ---- mma.sync of one warp.
SL_DEVICE void load_matrices(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
SL_DEVICE void load_matrices_transposed(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
SL_DEVICE void store_matrices(uint32_t address, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(a), "r"(b),
               "r"(c), "r"(d)
               : "memory");
}
SL_DEVICE uint32_t transpose_8x8(uint32_t x) {
  uint32_t y;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
  return y;
}
template <class T>
SL_DEVICE void mma_16x8x16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
template <>
SL_DEVICE void mma_16x8x16<bf16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
SL_DEVICE void mma_16x8x16<f16>(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// 8-bit codes of either sign, summed exactly.
template <class A, class B>
SL_DEVICE void mma_16x8x32(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
#define SL_CODES(A, B, a_type, b_type)                                                                  \
  template <>                                                                                           \
  SL_DEVICE void mma_16x8x32<A, B>(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) { \
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32." a_type "." b_type                             \
                 ".s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                           \
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])                                       \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                       \
  }
SL_CODES(uint8_t, uint8_t, "u8", "u8")
SL_CODES(uint8_t, int8_t, "u8", "s8")
SL_CODES(int8_t, uint8_t, "s8", "u8")
SL_CODES(int8_t, int8_t, "s8", "s8")
#undef SL_CODES
// tf32 operands: f32 whose low 13 bits are zero.
SL_DEVICE void mma_16x8x8_tf32(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// v = high + low, both tf32: low·high + high·low + high·high keeps 21 bits of a product ("3xTF32").
struct SplitTf32 {
  uint32_t high, low;
  SL_DEVICE explicit SplitTf32(float v) {
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(high) : "f"(v));
    low = __float_as_uint(v - __uint_as_float(high));
  }
};

}  // namespace sl
