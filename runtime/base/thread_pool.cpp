#include "runtime/base/thread_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// How a loop runs.  The caller writes the job, then opens the gate.  A worker that notices *enters* the gate (adds one
// to its count), takes chunks until none is left, and leaves.  The caller takes chunks too; when none is left it
// closes the gate and waits only for the workers that are inside.  So a worker that the operating system has not
// scheduled yet delays nobody: it finds the gate closed and goes on waiting.  With other processes on the same cores
// that is the difference between a loop of 20 µs and one of a scheduler tick.

namespace sluice {
namespace {

constexpr auto kPauseSpin = std::chrono::microseconds(30);  // then let others have the core
constexpr auto kYieldSpin = std::chrono::microseconds(50);  // then sleep
constexpr int kChunksPerThread = 4;                         // evens out unequal chunks and unequal cores
constexpr uint64_t kOpen = uint64_t{1} << 32;               // the gate: open bit, below it the number inside

inline void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Waits until done() holds, politely; gives up after `limit` when it is not zero.  Returns done().
template <typename Done>
bool SpinUntil(Done done, std::chrono::microseconds limit) {
  for (int i = 0; i < 64; ++i) {
    if (done()) {
      return true;
    }
    Pause();
  }
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    const auto spent = std::chrono::steady_clock::now() - start;
    if (limit.count() != 0 && spent > limit) {
      return done();
    }
    if (spent > kPauseSpin) {
      sched_yield();
    }
    for (int i = 0; i < 32; ++i) {
      if (done()) {
        return true;
      }
      Pause();
    }
  }
}

void FutexWait(std::atomic<uint32_t>* word, uint32_t seen) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

void FutexWake(std::atomic<uint32_t>* word, int count) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

}  // namespace

struct ThreadPool::Impl {
  struct Job {
    Fn fn = nullptr;
    void* ctx = nullptr;
    int64_t n = 0;
    int64_t grain = 0;
    int64_t blocks = 0;  // whole grains in n; chunk edges are multiples of the grain
    int64_t chunks = 0;
  };
  struct Worker {
    Impl* impl;
    int number;
    pthread_t handle;
  };

  Job job;
  alignas(64) std::atomic<uint64_t> gate{0};
  alignas(64) std::atomic<int64_t> next{0};    // first chunk nobody has taken
  alignas(64) std::atomic<uint32_t> epoch{0};  // counts loops; what workers sleep on
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  alignas(64) std::atomic<bool> busy{false};  // a caller is in a loop
  std::vector<Worker> workers;

  void TakeChunks(int thread) {
    const Job j = job;
    for (;;) {
      const int64_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= j.chunks) {
        return;
      }
      const int64_t begin = i * j.blocks / j.chunks * j.grain;
      const int64_t end = i + 1 == j.chunks ? j.n : (i + 1) * j.blocks / j.chunks * j.grain;
      j.fn(j.ctx, begin, end, thread);
    }
  }

  bool Enter() {
    uint64_t g = gate.load(std::memory_order_relaxed);
    while ((g & kOpen) != 0) {
      if (gate.compare_exchange_weak(g, g + 1, std::memory_order_acquire, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  void WorkerLoop(int number) {
    uint32_t seen = 0;
    for (;;) {
      const auto changed = [&] { return epoch.load(std::memory_order_acquire) != seen; };
      if (!SpinUntil(changed, kYieldSpin)) {
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        while (epoch.load(std::memory_order_seq_cst) == seen) {
          FutexWait(&epoch, seen);
        }
        sleepers.fetch_sub(1, std::memory_order_relaxed);
      }
      seen = epoch.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) {
        return;
      }
      if (Enter()) {
        TakeChunks(number);
        gate.fetch_sub(1, std::memory_order_release);
      }
    }
  }

  void Announce(int wake) {
    epoch.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers.load(std::memory_order_seq_cst) > 0) {
      FutexWake(&epoch, wake);
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  // Reserved first: workers keep pointers into the vector.
  impl_->workers.reserve(std::max(0, threads - 1));
  for (int i = 1; i < threads; ++i) {
    impl_->workers.push_back({impl_.get(), i, {}});
    Impl::Worker* worker = &impl_->workers.back();
    const auto entry = [](void* arg) -> void* {
      auto* w = static_cast<Impl::Worker*>(arg);
      w->impl->WorkerLoop(w->number);
      return nullptr;
    };
    if (pthread_create(&worker->handle, nullptr, entry, worker) != 0) {
      impl_->workers.pop_back();  // the system has no more threads: fewer of them give the same results
      break;
    }
  }
}

ThreadPool::~ThreadPool() {
  impl_->stop.store(true, std::memory_order_release);
  impl_->Announce(static_cast<int>(impl_->workers.size()));
  for (Impl::Worker& worker : impl_->workers) {
    pthread_join(worker.handle, nullptr);
  }
}

int ThreadPool::threads() const { return static_cast<int>(impl_->workers.size()) + 1; }

void ThreadPool::Run(int64_t n, int64_t grain, Fn fn, void* ctx) {
  if (n <= 0) {
    return;
  }
  Impl& p = *impl_;
  grain = std::max<int64_t>(grain, 1);
  const int64_t blocks = std::max<int64_t>(n / grain, 1);
  // A loop of one chunk, a pool of one thread, or a pool another context is using: run here.
  if (blocks == 1 || p.workers.empty() || p.busy.exchange(true, std::memory_order_acquire)) {
    fn(ctx, 0, n, 0);
    return;
  }
  const int64_t chunks = std::min<int64_t>(blocks, int64_t{threads()} * kChunksPerThread);
  p.job = {fn, ctx, n, grain, blocks, chunks};
  p.next.store(0, std::memory_order_relaxed);
  p.gate.store(kOpen, std::memory_order_release);
  p.Announce(static_cast<int>(std::min<int64_t>(chunks - 1, threads() - 1)));
  p.TakeChunks(0);
  p.gate.fetch_and(~kOpen, std::memory_order_relaxed);
  SpinUntil([&] { return p.gate.load(std::memory_order_acquire) == 0; }, std::chrono::microseconds(0));
  p.busy.store(false, std::memory_order_release);
}

}  // namespace sluice
