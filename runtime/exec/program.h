// A program decoded for execution: the artifact's tables as flat arrays, kernels looked up, attributes decoded.
//
//   ASSIGN_OR_RETURN(std::unique_ptr<const Program> p, Decode(*artifact, {}));
//   p->functions[0].instrs[3].kernel->run(...)
//
// Immutable after Decode and shared by all contexts.  Everything the hot loop reads is an index or a pointer here;
// names are for messages, profiles and dumps.
#ifndef SLUICE_RUNTIME_EXEC_PROGRAM_H_
#define SLUICE_RUNTIME_EXEC_PROGRAM_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/desc.h"
#include "kernels/registry.h"
#include "runtime/artifact/artifact.h"
#include "runtime/base/status.h"
#include "runtime/cpu/native_library.h"
#include "runtime/plan/size_expr.h"

namespace sluice::exec {

// Sets of outputs of a function that somebody asks for: a bit each (PortDesc::bit), and one for what no caller can do
// without (caches, sizes that data decide).
constexpr uint64_t kAlways = uint64_t{1} << 63;

enum class BufferKind : uint8_t { kArena, kWeight, kConstant, kInput, kOutput, kState, kAlias };

struct BufferDesc {
  BufferKind kind = BufferKind::kArena;
  int32_t index = -1;  // weight, input, output or state
  int32_t bytes = -1;  // slot; Arena
  uint32_t first = 0, last = 0;
  int32_t stage = 0;              // Arena and Output: the stage that places it
  const uint8_t* data = nullptr;  // Constant
  int64_t length = 0;
  uint64_t serves = kAlways;  // outputs that need its bytes
};

// A view, with the chain of aliases under it resolved.
struct ViewDesc {
  int32_t buffer = -1;  // never an Alias; -1: an absent operand
  DType dtype = DType::kUndefined;
  kernels::Layout layout = kernels::Layout::kRowMajor;
  uint8_t rank = 0;
  bool dense = true;
  bool fixed = false;                       // a whole weight or constant of constant sizes: filled once, never again
  int32_t offset = -1;                      // slot, elements
  int32_t start = -1;                       // slot, position along a state's axis
  uint32_t alias_begin = 0, alias_end = 0;  // FunctionDesc::alias_offsets: slots, bytes, to be added
  std::array<uint32_t, kernels::kMaxRank> sizes{};    // slots
  std::array<uint32_t, kernels::kMaxRank> strides{};  // slots; unless dense
};

enum class InstrKind : uint8_t { kLaunch, kNative, kDevice, kIf, kLoop };

// One way a launch runs on the GPU.
struct DeviceForm {
  const fb::CudaKernel* cuda = nullptr;
  uint32_t function = 0;             // DeviceModel::function
  std::array<uint32_t, 3> blocks{};  // slots
};

struct InstrDesc {
  InstrKind kind = InstrKind::kLaunch;
  bool counts_any = false;
  const kernels::CpuKernel* kernel = nullptr;  // kLaunch
  const kernels::Config* config = nullptr;
  cpu::NativeEntry entry = nullptr;             // kNative
  std::vector<DeviceForm> forms;                // kDevice: for few rows first; the last is for any number
  int32_t rows = -1;                            // kDevice, of several forms: slot
  int32_t workspace = -1;                       // kDevice: slot, bytes
  uint32_t grid = 0;                            // slot
  uint32_t ins = 0, outs = 0, end = 0;          // views [ins, outs) and [outs, end)
  uint32_t params_begin = 0, params_end = 0;    // FunctionDesc::params
  uint32_t counts_begin = 0, counts_end = 0;    // FunctionDesc::counts
  uint32_t results_begin = 0, results_end = 0;  // FunctionDesc::results
  int32_t then_function = -1, else_function = -1;
  int32_t loop = -1;  // number of the loop in its function
  uint32_t carried = 0;
  uint64_t serves = kAlways;  // outputs that need it: a run that wants none of them leaves it out
  int32_t stage = 0;          // that holds its workspace
  int32_t begins_stage = -1;  // calls that bind symbols: the stage planned after it
  std::string kernel_name;
  std::vector<std::string> nodes;
};

struct ResultSymbol {
  uint32_t result, dim, symbol;
};

struct PortDesc {
  std::string name;
  DType dtype = DType::kUndefined;
  std::vector<uint32_t> sizes;  // slots
  std::string role;
  int32_t state = -1;
  uint64_t bit = kAlways;  // of an output of @main that is no state: its own, or one it shares with others
  int32_t buffer = -1;     // index into FunctionDesc::buffers, resolved to a root
  uint32_t alias_begin = 0, alias_end = 0;
};

// Buffers and workspaces whose sizes are known at one time: stage 0 when the function is entered, stage i after the
// i-th call that binds symbols.  Each stage has its own arena and plans.
struct StageDesc {
  std::vector<uint32_t> arena;      // buffers it places in its arena
  std::vector<uint32_t> outputs;    // Output buffers it places
  std::vector<uint32_t> counted;    // Counted symbols that get their bounds here
  std::vector<uint32_t> workspace;  // launches with a workspace
  std::vector<uint32_t> monitored;  // slots a plan must cover; of @main's first stage also the caches' lengths
};

// Neighbouring instructions that run on the GPU: one CUDA graph.
struct SegmentDesc {
  uint32_t begin = 0, end = 0;   // instructions
  std::vector<uint32_t> needs;   // buffers whose bytes from before it reads, or writes a part of
  std::vector<uint32_t> writes;  // buffers
  uint64_t serves = 0;           // what its instructions do
};

struct FunctionDesc {
  std::string name;
  std::vector<BufferDesc> buffers;
  std::vector<ViewDesc> views;
  std::vector<InstrDesc> instrs;
  std::vector<uint32_t> alias_offsets;
  std::vector<uint32_t> params;
  std::vector<uint32_t> counts;
  std::vector<ResultSymbol> results;
  std::vector<PortDesc> inputs, outputs;
  std::vector<StageDesc> stages;
  std::vector<SegmentDesc> segments;  // none: everything runs on the CPU
  int32_t loops = 0;
  struct Bind {
    uint32_t input, dim, symbol;
  };
  std::vector<Bind> binds;  // symbols a call binds from its arguments
  std::vector<const fb::BucketPlan*> plans;
};

enum class SymbolKind : uint8_t { kFree, kCounted, kResult };

struct SymbolDesc {
  std::string name;
  SymbolKind kind = SymbolKind::kFree;
  int32_t bound = -1;
  int64_t min = 0;
  int64_t max = -1;
  int32_t slot = -1;  // of the plain symbol; -1: it has none
};

struct AssumptionDesc {
  uint32_t left, right;
  uint8_t relation;  // 0 ==, 1 !=, 2 >=
  std::string text;
  int32_t function = 0;  // checked when that is entered
};

struct StateDesc {
  std::string name;
  int32_t layer = 0;
  std::string component;
  DType dtype = DType::kUndefined;
  std::vector<uint32_t> sizes;
  int32_t axis = 0;
  int32_t input = -1, output = -1;
  uint32_t length_before = 0, length_after = 0;
};

struct WeightDesc {
  std::string name;
  DType dtype = DType::kUndefined;
  kernels::Layout layout = kernels::Layout::kRowMajor;
  std::vector<int64_t> sizes;
  int64_t bytes = 0;
};

struct Program {
  std::vector<SymbolDesc> symbols;
  plan::ExprProgram exprs;
  std::vector<int32_t> slot_symbol;                 // the symbol that slot is, or -1
  std::vector<uint8_t> slot_constant;               // the slot depends on no symbol
  std::vector<std::vector<uint32_t>> slot_symbols;  // what a slot depends on: of @main's input sizes and assumptions
  std::vector<AssumptionDesc> assumptions;
  std::vector<FunctionDesc> functions;  // 0 is @main
  std::vector<WeightDesc> weights;
  std::vector<StateDesc> states;
  std::vector<uint8_t> main_binds;  // symbols that @main's inputs or states bind, one flag a symbol
  bool on_device = false;           // some kernels run on a GPU
  int32_t next = -1;                // @main's output of role `next`, its last one; -1: it has none

  const FunctionDesc& main() const { return functions[0]; }
  std::string SlotText(uint32_t slot) const;                        // "past + seq"
  std::string SizesText(const std::vector<uint32_t>& slots) const;  // "[batch, past + seq]"

  // Owners of what instructions point to.
  std::shared_ptr<const artifact::Artifact> artifact;
  std::vector<std::unique_ptr<kernels::Config>> configs;
  std::unique_ptr<cpu::NativeLibrary> library;
  std::unique_ptr<uint8_t, void (*)(void*)> constants{nullptr, nullptr};  // 64-byte aligned copy
};

// Where library kernels are looked up: the registry, unless a test puts a kernel of its own in place of one.
using KernelFinder = std::function<const kernels::CpuKernel*(const std::string& name)>;

struct DecodeOptions {
  bool native = true;  // false: refuse artifacts with generated kernels
  KernelFinder find_kernel = kernels::FindCpuKernel;
};

// Errors: kInvalidArgument (a kernel this runtime does not have, an attribute of the wrong kind, a symbol that nothing
// binds), kUnimplemented (target or instruction set), kFailedPrecondition (native code refused).
absl::StatusOr<std::unique_ptr<const Program>> Decode(std::shared_ptr<const artifact::Artifact> artifact,
                                                      const DecodeOptions& options);

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_PROGRAM_H_
