// How a kernel reads what varies: sizes, strides and offsets come from the step block, by slot.
//
//   extern "C" __global__ void scale(const sl::Step* step, sl::Arg<2> x, sl::Arg<2> y) {
//     const sl::View<sl::bf16, 2> in(step, x), out(step, y);
//     in.size(0), in.stride(1), in.data[...]
//   }
//
// A number in an Arg that is not negative is the value; a negative one, ~slot, is read from the step block.  So sizes
// that are constant cost no load, and the parameters of a launch never change.
#pragma once
#include "kernels/device/types.cuh"

namespace sl {

using Step = int64_t;

__device__ __forceinline__ int64_t value(const Step* step, int64_t number) {
  return number >= 0 ? number : __ldg(reinterpret_cast<const long long*>(step) + ~number);
}

// The same, read here: ptxas moves other reads of the step block to where their value is first needed, behind the wait
// for a kernel's turn.
__device__ __forceinline__ int64_t value_now(const Step* step, int64_t number) {
  asm volatile("{\n.reg .pred varies;\nsetp.lt.s64 varies, %0, 0;\n@varies ld.global.s64 %0, [%1];\n}"
               : "+l"(number)
               : "l"(step + ~number)
               : "memory");
  return number;
}

// One operand of a launch.  Laid out by runtime/cuda (16 + 16 · R bytes).
template <int R>
struct Arg {
  void* base;
  int64_t offset;  // bytes
  int64_t sizes[R > 0 ? R : 1];
  int64_t strides[R > 0 ? R : 1];  // elements
};

template <class A>
inline constexpr int rank_of = 0;
template <int R>
inline constexpr int rank_of<Arg<R>> = R;

// An operand whose sizes are known otherwise.
struct Address {
  void* base;
  int64_t offset;  // bytes
};
template <typename T>
__device__ __forceinline__ T* pointer(const Step* step, const Address& address) {
  return reinterpret_cast<T*>(static_cast<char*>(address.base) + value(step, address.offset));
}

// An operand's numbers, read.
template <typename T, int R>
struct View {
  T* data;
  const Step* step;
  const Arg<R>& arg;

  __device__ __forceinline__ View(const Step* step, const Arg<R>& arg)
      : data(reinterpret_cast<T*>(static_cast<char*>(arg.base) + value(step, arg.offset))), step(step), arg(arg) {}
  __device__ __forceinline__ int64_t size(int d) const { return value(step, arg.sizes[d]); }
  __device__ __forceinline__ int64_t stride(int d) const { return value(step, arg.strides[d]); }
  __device__ __forceinline__ bool present() const { return arg.base != nullptr; }
};

// A View all of whose numbers are read where it is made: ahead of the kernel's turn.
template <typename T, int R>
struct Known {
  T* data;
  int64_t sizes[R > 0 ? R : 1], strides[R > 0 ? R : 1];

  __device__ __forceinline__ Known(const Step* step, const Arg<R>& arg)
      : data(reinterpret_cast<T*>(static_cast<char*>(arg.base) + value_now(step, arg.offset))) {
#pragma unroll
    for (int d = 0; d < R; ++d) {
      sizes[d] = value_now(step, arg.sizes[d]);
      strides[d] = value_now(step, arg.strides[d]);
    }
  }
  __device__ __forceinline__ int64_t size(int d) const { return sizes[d]; }
  __device__ __forceinline__ int64_t stride(int d) const { return strides[d]; }
};

// The blocks that compute one thing: those of the launch, or the share of one of several kernels in it.
struct Share {
  uint32_t index, count;

  __device__ __forceinline__ Share() : index(blockIdx.x), count(gridDim.x) {}
  __device__ __forceinline__ Share(uint32_t index, uint32_t count) : index(index), count(count) {}
};

// A cuTensorMap, opaque.
struct alignas(64) TensorMap {
  uint64_t words[16];
};

// Programmatic dependent launch: before reading what an earlier kernel wrote.
__device__ __forceinline__ void wait_for_previous() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
// Lets the next kernel of the stream begin.
__device__ __forceinline__ void let_next_begin() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
// Begins to bring into L2 what no kernel writes: may come before one's turn.
__device__ __forceinline__ void fetch_ahead(const void* p) { asm volatile("prefetch.global.L2 [%0];" ::"l"(p)); }
// How a kernel begins that has nothing to do ahead of its turn: its blocks are in place when the one before it ends.
__device__ __forceinline__ void take_turns() {
  let_next_begin();
  wait_for_previous();
}

}  // namespace sl
