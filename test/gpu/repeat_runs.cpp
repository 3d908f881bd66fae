// Runs a model again and again, each launch overlapping the one before, and holds every result bit by bit against a run
// that waited after each kernel.  Needs a GPU.
//
//   repeat_runs MODEL.sluice TEST_DATA_SET REPEATS
//
// Two sets of inputs take turns, so that what an early read finds in the arena is not what it should have waited for;
// and a stream beside fills the shared memory of some SMs with NaN now and then, between any two kernels of the model.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "runtime/exec/context.h"
#include "runtime/exec/copy.h"
#include "runtime/exec/device_model.h"
#include "tools/common/data_set.h"

namespace sluice {
namespace {

using exec::RunOutput;
using kernels::Tensor;
using Bytes = std::vector<uint8_t>;

// What bench/poison.cu says, as the driver takes it.
constexpr char kPoison[] = R"(.version 8.0
.target sm_90
.address_size 64
.extern .shared .align 16 .b8 room[];
.visible .entry poison(.param .u32 words) {
  .reg .u32 %i, %n, %base, %at;
  .reg .pred %done;
  ld.param.u32 %n, [words];
  mov.u32 %base, room;
  mov.u32 %i, %tid.x;
next:
  setp.ge.u32 %done, %i, %n;
  @%done bra end;
  shl.b32 %at, %i, 2;
  add.u32 %at, %at, %base;
  st.volatile.shared.u32 [%at], 0xffffffff;
  add.u32 %i, %i, 1024;
  bra next;
end:
  ret;
})";

// Poisons shared memory from its start until it is destroyed.
class Poison {
 public:
  static absl::StatusOr<std::unique_ptr<Poison>> Start(const cuda::Device& device) {
    RETURN_IF_ERROR(device.MakeCurrent());
    ASSIGN_OR_RETURN(cuda::Stream stream, cuda::Stream::Create(device));
    std::unique_ptr<Poison> poison(new Poison(device, std::move(stream)));
    const cuda::Driver& driver = device.driver();
    RETURN_IF_ERROR(driver.Check(driver.cuModuleLoadData(&poison->module_, kPoison), "cuModuleLoadData"));
    RETURN_IF_ERROR(driver.Check(driver.cuModuleGetFunction(&poison->function_, poison->module_, "poison"), "poison"));
    RETURN_IF_ERROR(driver.Check(driver.cuFuncSetAttribute(poison->function_, cuda::kFunctionSharedBytes, kSharedBytes),
                                 "cuFuncSetAttribute"));
    ASSIGN_OR_RETURN(poison->processors_, device.Attribute(cuda::kAttributeProcessors));
    poison->thread_ = std::thread([p = poison.get()] { p->Work(); });
    return poison;
  }
  ~Poison() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
    device_.driver().cuModuleUnload(module_);
  }
  const absl::Status& status() const { return status_; }  // once it has stopped
  int64_t launches() const { return launches_; }

 private:
  static constexpr unsigned kSharedBytes = 227 << 10;  // all that a block may have
  Poison(const cuda::Device& device, cuda::Stream stream) : device_(device), stream_(std::move(stream)) {}

  void Work() {
    std::mt19937 random(1);
    status_ = device_.MakeCurrent();
    while (status_.ok() && !stop_) {
      unsigned words = kSharedBytes / 4;
      void* params[] = {&words};
      cuda::CUlaunchConfig config{};
      config.grid[0] = 1 + random() % processors_;
      config.grid[1] = config.grid[2] = config.block[1] = config.block[2] = 1;
      config.block[0] = 1024;
      config.shared_bytes = kSharedBytes;
      config.stream = stream_.get();
      status_ =
          device_.driver().Check(device_.driver().cuLaunchKernelEx(&config, function_, params, nullptr), "poison");
      if (status_.ok()) {
        status_ = stream_.Synchronize();
      }
      ++launches_;
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
    }
  }

  const cuda::Device& device_;
  cuda::Stream stream_;
  cuda::CUmodule module_ = nullptr;
  cuda::CUfunction function_ = nullptr;
  int processors_ = 0;
  std::thread thread_;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> launches_ = 0;
  absl::Status status_;
};

// The same inputs with the elements of each one place on: values that the model takes, in other places.
struct Rotated {
  explicit Rotated(const std::vector<Tensor>& inputs) : tensors(inputs) {
    for (Tensor& t : tensors) {
      Bytes& to = bytes.emplace_back(static_cast<size_t>(t.present() ? exec::DenseBytes(t) : 0));
      const size_t element = t.present() && t.elements() > 0 ? to.size() / static_cast<size_t>(t.elements()) : 0;
      if (!to.empty()) {
        const auto* from = static_cast<const uint8_t*>(t.data);
        std::memcpy(to.data(), from + element, to.size() - element);
        std::memcpy(to.data() + to.size() - element, from, element);
        t.data = to.data();
      }
    }
  }
  std::vector<Tensor> tensors;
  std::vector<Bytes> bytes;
};

absl::StatusOr<std::vector<Bytes>> Results(exec::Context& context, const std::vector<Tensor>& inputs) {
  std::vector<RunOutput> outputs(context.model().outputs().size());
  context.ResetStates();
  RETURN_IF_ERROR(context.Run(inputs, outputs));
  std::vector<Bytes> results;
  for (const RunOutput& output : outputs) {
    const auto* data = static_cast<const uint8_t*>(output.tensor.data);
    results.emplace_back(data, data + exec::DenseBytes(output.tensor));
  }
  return results;
}

absl::Status Repeat(const std::string& path, const std::string& folder, int64_t repeats) {
  ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::Open(path));
  ASSIGN_OR_RETURN(auto model, exec::Model::Load(std::move(artifact), {.device = "cuda:0"}));
  ASSIGN_OR_RETURN(const tools::DataSet set, tools::ReadDataSet(folder, *model));
  const Rotated rotated(set.inputs);
  const std::array<const std::vector<Tensor>*, 2> inputs = {&set.inputs, &rotated.tensors};
  setenv("SLUICE_SYNC", "1", 1);
  ASSIGN_OR_RETURN(auto waiting, exec::Context::Create(model));
  unsetenv("SLUICE_SYNC");
  ASSIGN_OR_RETURN(auto overlapping, exec::Context::Create(model));
  std::array<std::vector<Bytes>, 2> expected;
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSIGN_OR_RETURN(expected[i], Results(*waiting, *inputs[i]));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Poison> poison, Poison::Start(model->device()->device()));
  int64_t wrong = 0;
  std::string first;
  for (int64_t run = 0; run < repeats; ++run) {
    ASSIGN_OR_RETURN(const std::vector<Bytes> got, Results(*overlapping, *inputs[run % 2]));
    for (size_t i = 0; i < got.size(); ++i) {
      if (got[i] != expected[run % 2][i]) {
        first = first.empty() ? absl::StrFormat("run %d: output '%s'", run, model->outputs()[i].name) : first;
        ++wrong;
        break;
      }
    }
  }
  if (wrong > 0) {
    return absl::InternalError(absl::StrFormat("%d of %d runs differ, first %s", wrong, repeats, first));
  }
  std::printf("%s: %lld equal runs, shared memory poisoned %lld times beside them\n", path.c_str(),
              static_cast<long long>(repeats), static_cast<long long>(poison->launches()));
  return poison->launches() > 0 ? absl::OkStatus() : absl::InternalError("nothing poisoned shared memory");
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const absl::Status status = argc != 4 ? absl::InvalidArgumentError("give MODEL.sluice TEST_DATA_SET REPEATS")
                                        : sluice::Repeat(argv[1], argv[2], std::strtoll(argv[3], nullptr, 10));
  if (!status.ok()) {
    std::printf("%s: %s\n", argc > 1 ? argv[1] : "repeat_runs", std::string(status.message()).c_str());
  }
  return status.ok() ? 0 : 1;
}
