// Bulk copies of tensor boxes.  Coordinates are {column, row, batch ...} of the box's first element; what lies outside
// the tensor reads as zeros and is not written, but counts its bytes on the barrier.
#pragma once
#include "kernels/device/barrier.cuh"

namespace sl {

SL_DEVICE void prefetch_map(const TensorMap& map) { asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory"); }

// A hint for data read once.
SL_DEVICE uint64_t evict_first() {
  uint64_t policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

// Into L2 only.
SL_DEVICE void tma_prefetch(const TensorMap& map, int x, int y, int z, int w) {
  asm volatile("cp.async.bulk.prefetch.tensor.4d.L2.global.tile [%0, {%1, %2, %3, %4}];" ::"l"(&map), "r"(x), "r"(y),
               "r"(z), "r"(w)
               : "memory");
}
SL_DEVICE void tma_load(uint32_t to, const TensorMap& map, uint32_t bar, int col, int row) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
          to),
      "l"(&map), "r"(bar), "r"(col), "r"(row)
      : "memory");
}
SL_DEVICE void tma_load_hint(uint32_t to, const TensorMap& map, uint32_t bar, int col, int row, uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint"
      " [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(to),
      "l"(&map), "r"(bar), "r"(col), "r"(row), "l"(policy)
      : "memory");
}
SL_DEVICE void tma_load(uint32_t to, const TensorMap& map, uint32_t bar, int col, int row, int batch) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::
          "r"(to),
      "l"(&map), "r"(bar), "r"(col), "r"(row), "r"(batch)
      : "memory");
}
SL_DEVICE void tma_load_hint(uint32_t to, const TensorMap& map, uint32_t bar, int x, int y, int z, int w,
                             uint64_t policy) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint"
      " [%0], [%1, {%3, %4, %5, %6}], [%2], %7;" ::"r"(to),
      "l"(&map), "r"(bar), "r"(x), "r"(y), "r"(z), "r"(w), "l"(policy)
      : "memory");
}
SL_DEVICE void tma_load(uint32_t to, const TensorMap& map, uint32_t bar, int x, int y, int z, int w) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], "
      "[%2];" ::"r"(to),
      "l"(&map), "r"(bar), "r"(x), "r"(y), "r"(z), "r"(w)
      : "memory");
}
// Of a map of windows over [batch, height, width, channels]: from the window that begins at (w, h) of `batch` on, the
// element of each that lies (right, down) in it.
SL_DEVICE void tma_load_windows(uint32_t to, const TensorMap& map, uint32_t bar, int channel, int w, int h, int batch,
                                uint16_t right, uint16_t down) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}],"
      " [%2], {%7, %8};" ::"r"(to),
      "l"(&map), "r"(bar), "r"(channel), "r"(w), "r"(h), "r"(batch), "h"(right), "h"(down)
      : "memory");
}
// Lands at the same offset, and counts on the same barrier, in every CTA of `mask`.
SL_DEVICE void tma_load_multicast(uint32_t to, const TensorMap& map, uint32_t bar, int col, int row, uint16_t mask) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster"
      " [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(to),
      "l"(&map), "r"(bar), "r"(col), "r"(row), "h"(mask)
      : "memory");
}
SL_DEVICE void tma_load_multicast(uint32_t to, const TensorMap& map, uint32_t bar, int col, int row, int batch,
                                  uint16_t mask) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster"
      " [%0], [%1, {%3, %4, %5}], [%2], %6;" ::"r"(to),
      "l"(&map), "r"(bar), "r"(col), "r"(row), "r"(batch), "h"(mask)
      : "memory");
}

SL_DEVICE void tma_store(const TensorMap& map, uint32_t from, int col, int row) {
  asm volatile(
      "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];\n cp.async.bulk.commit_group;" ::"l"(
          &map),
      "r"(from), "r"(col), "r"(row)
      : "memory");
}
SL_DEVICE void tma_store(const TensorMap& map, uint32_t from, int col, int row, int batch) {
  asm volatile(
      "cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];\n cp.async.bulk.commit_group;" ::
          "l"(&map),
      "r"(from), "r"(col), "r"(row), "r"(batch)
      : "memory");
}
// The sources of all but the last `kPending` stores may be overwritten.
template <int kPending>
SL_DEVICE void tma_store_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kPending) : "memory");
}

}  // namespace sl
