// Who waits for whom: mbarriers, named barriers, clusters, and kernels of one stream.
#pragma once
#include "kernels/device/layout.cuh"
#include "kernels/device/step.cuh"

namespace sl {

SL_DEVICE uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }
// Of element i, computed in 32 bits: to NVRTC, unlike nvcc, pointers to shared memory have 64, and each takes two
// registers.
template <typename T, int N>
SL_DEVICE uint32_t shared_address(const T (&all)[N], int i) {
  return shared_address(all) + i * uint32_t(sizeof(T));
}
// The same for all lanes: lets ptxas keep it in a uniform register.
SL_DEVICE int warp_uniform(int x) { return __shfl_sync(~0u, x, 0); }

// Under SL_JITTER every wait is followed by a pause of up to 2 us that differs between warps and runs: a test that
// repeats a kernel this way finds an order that only holds by luck.
SL_DEVICE void jitter() {
#ifdef SL_JITTER
  uint32_t x;
  asm volatile("mov.u32 %0, %%clock;" : "=r"(x));
  x = (x ^ (threadIdx.x / 32 + blockIdx.x * 32) * 2654435761u) * 2246822519u;
  if ((x >> 28) == 0) {
    __nanosleep(x >> 17 & 2047);
  }
#endif
}

// ---- mbarrier: counts arrivals and announced bytes; its phase ends when both are complete.  Addresses are
// shared-memory addresses, so that a peer's (mapa) look the same.
SL_DEVICE void barrier_init(uint32_t bar, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(arrivals));
}
// Shows the initial state to TMA and to the peers of a cluster.
SL_DEVICE void barrier_init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
SL_DEVICE void barrier_expect(uint32_t bar, int bytes) {  // arrives once and announces `bytes`
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
}
SL_DEVICE void barrier_announce(uint32_t bar, int bytes) {  // the same without the arrival, which is to follow
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
}
SL_DEVICE void barrier_arrive(uint32_t bar) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory");
}
// Blocks until the phase with this parity is complete.  A fresh barrier is in phase 0: waiting for parity 1 returns at
// once.  A waiter that skips a lap cannot tell the phases apart: whoever waits must visit every lap.
SL_DEVICE void barrier_wait(uint32_t bar, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred done;\nretry:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra retry;\n}\n" ::"r"(bar),
      "r"(parity)
      : "memory");
  jitter();
}

// ---- Named barriers of one CTA; id 0 is __syncthreads.
SL_DEVICE void named_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
  jitter();
}
SL_DEVICE void named_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// ---- Clusters.
SL_DEVICE int cluster_rank() {
  int rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
SL_DEVICE uint32_t peer_address(uint32_t address, int rank) {  // the same offset in the shared memory of CTA `rank`
  uint32_t remote;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(remote) : "r"(address), "r"(rank));
  return remote;
}
// Relaxed: it stands for reads that have retired (wgmma_wait).  `.release.cluster` would put a MEMBAR.ALL.GPU in the
// loop.
SL_DEVICE void barrier_arrive_peer(uint32_t bar, int rank) {
  asm volatile("mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [%0];" ::"r"(peer_address(bar, rank))
               : "memory");
}
// 16 bytes into a peer's shared memory; they count on its barrier, so no fence and no cluster barrier are needed.
SL_DEVICE void store_peer(uint32_t address, float a, float b, float c, float d, uint32_t bar) {
  asm volatile(
      "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, %4}, [%5];" ::"r"(address),
      "f"(a), "f"(b), "f"(c), "f"(d), "r"(bar)
      : "memory");
}
// Every thread of the cluster has come here.  Publishes no ordinary stores (that costs a MEMBAR.ALL.GPU).
SL_DEVICE void cluster_sync() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;\n barrier.cluster.wait.aligned;" ::: "memory");
  jitter();
}

// In two steps, with other work between them.  A thread that exits counts as arrived.
SL_DEVICE void cluster_arrive() { asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory"); }
SL_DEVICE void cluster_wait() {
  asm volatile("barrier.cluster.wait.aligned;" ::: "memory");
  jitter();
}

// The same, and what each thread stored before it is seen by all after it, in shared memory of peers too.
SL_DEVICE void cluster_publish() {
  asm volatile("barrier.cluster.arrive.release.aligned;\n barrier.cluster.wait.acquire.aligned;" ::: "memory");
  jitter();
}

// Orders this thread's ordinary shared-memory writes before later reads by TMA or wgmma.
SL_DEVICE void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Returns the old value.  After a barrier, one thread's call publishes the writes of its block to the thread that sees
// the new value, and to that thread's block after another barrier.
SL_DEVICE int add_acquire_release(int* p, int x) {
  int old;
  asm volatile("atom.acq_rel.gpu.global.add.s32 %0, [%1], %2;" : "=r"(old) : "l"(p), "r"(x) : "memory");
  return old;
}

}  // namespace sl
