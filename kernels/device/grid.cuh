// Phases of one kernel: a barrier of all its blocks.  They must fit the device together: a family that uses it asks for
// no more than one block an SM.
#pragma once
#include "kernels/device/barrier.cuh"

namespace sl {

// Over `counters`, two numbers that are zero when the kernel begins and after leave().  Every thread of every block
// makes the same calls.
class GridBarrier {
 public:
  SL_DEVICE GridBarrier(uint32_t* counters, int blocks)
      : arrived_(reinterpret_cast<int*>(counters)), blocks_(blocks), target_(0) {}

  // What any block wrote before, every block sees after; but not through loads that were made non-coherent (__ldg).
  SL_DEVICE void sync() {
    target_ += blocks_;
    __syncthreads();
    if (threadIdx.x == 0 && blocks_ > 1) {
      if (add_acquire_release(arrived_, 1) != target_ - 1) {
        while (load_acquire(arrived_) < target_) {
        }
      }
      jitter();
    }
    __syncthreads();
  }
  // The last call: leaves the counters zero.
  SL_DEVICE void leave() {
    __syncthreads();
    if (threadIdx.x == 0 && blocks_ > 1 && add_acquire_release(arrived_ + 1, 1) == blocks_ - 1) {
      arrived_[0] = 0;  // nobody waits any more
      arrived_[1] = 0;
    }
  }

 private:
  SL_DEVICE static int load_acquire(const int* p) {
    int value;
    asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(value) : "l"(p) : "memory");
    return value;
  }

  int* const arrived_;
  const int blocks_;
  int target_;
};

}  // namespace sl
