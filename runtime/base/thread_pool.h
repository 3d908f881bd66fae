// One pool of threads for a process: parallel loops, no task graph.
//
//   pool.ParallelFor(rows, /*grain=*/8, [&](int64_t begin, int64_t end) { ... });
//
// The calling thread works too.  The body must not throw and must not call ParallelFor.  Chunks are handed out
// dynamically; results must not depend on which thread takes which chunk (kernels write disjoint outputs).
// Workers spin for some microseconds after a loop, then sleep: a decode step is hundreds of short loops.
// Chunk edges are multiples of `grain` (but for n itself).  Several threads may share a pool: whoever finds it in use
// runs its loop alone, as thread 0.
#ifndef SLUICE_RUNTIME_BASE_THREAD_POOL_H_
#define SLUICE_RUNTIME_BASE_THREAD_POOL_H_

#include <cstdint>
#include <memory>
#include <type_traits>

namespace sluice {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // threads >= 1, the caller included
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // Calls body(begin, end) on disjoint chunks of at least `grain` that cover [0, n).  Returns when all are done.
  // No allocation.  n <= 0 is a no-op.
  template <typename Body>
  void ParallelFor(int64_t n, int64_t grain, Body&& body) {
    using B = std::remove_reference_t<Body>;
    Run(
        n, grain, [](void* ctx, int64_t begin, int64_t end, int) { (*static_cast<B*>(ctx))(begin, end); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }
  // The same, and body also gets the number of the thread that runs it, in [0, threads()): for per-thread workspace.
  template <typename Body>
  void ParallelForWithThread(int64_t n, int64_t grain, Body&& body) {
    using B = std::remove_reference_t<Body>;
    Run(
        n, grain, [](void* ctx, int64_t begin, int64_t end, int t) { (*static_cast<B*>(ctx))(begin, end, t); },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Fn = void (*)(void* ctx, int64_t begin, int64_t end, int thread);
  void Run(int64_t n, int64_t grain, Fn fn, void* ctx);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice

#endif  // SLUICE_RUNTIME_BASE_THREAD_POOL_H_
