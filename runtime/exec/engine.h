// What the frames of one context share while a program runs.
#ifndef SLUICE_RUNTIME_EXEC_ENGINE_H_
#define SLUICE_RUNTIME_EXEC_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/thread_pool.h"
#include "runtime/exec/block.h"
#include "runtime/exec/device_frame.h"
#include "runtime/exec/program.h"
#include "runtime/exec/sizes.h"
#include "runtime/exec/state.h"

namespace sluice::exec {

class Frame;

// Told of every kernel that ran: for profiles, and for sluice-diff, which puts the reference's values in place of what
// was written.  A run without an observer reads no clock.
class LaunchObserver {
 public:
  virtual ~LaunchObserver() = default;
  // Times in nanoseconds of CLOCK_MONOTONIC.  Called on the thread that runs the program.
  virtual void OnLaunch(const FunctionDesc& function, const InstrDesc& instr, std::span<const kernels::Tensor> ins,
                        std::span<const kernels::Tensor> outs, int64_t begin_ns, int64_t end_ns) = 0;
};

struct WeightBytes {
  const uint8_t* data = nullptr;
  int64_t bytes = 0;
};

// CLOCK_MONOTONIC.
int64_t NowNs();

struct Engine {
  Engine(const Program& program, std::span<const WeightBytes> weights, ThreadPool& pool,
         std::unique_ptr<DeviceEngine> device = nullptr);
  ~Engine();

  const Program& program;
  std::span<const WeightBytes> weights;
  ThreadPool& pool;
  Counters counters;
  Sizes sizes;
  std::vector<StateBuffer> states;
  std::unique_ptr<DeviceEngine> device;        // null: everything runs on the CPU; outlives the frames
  std::vector<std::unique_ptr<Frame>> frames;  // one a function: none calls itself
  LaunchObserver* observer = nullptr;
  std::atomic<bool> cancelled{false};
  uint64_t wanted = ~uint64_t{0};  // outputs of @main that the run is for, and kAlways
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_ENGINE_H_
