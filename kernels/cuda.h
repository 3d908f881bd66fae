// What a CUDA kernel family is: pure functions from an operation to the text of a kernel and how to launch it.
//
//   what   CudaQuery      the op's name, attributes, operand types, and what is known of their sizes
//     →    plans()        every way the family can compute it on this GPU, each with its predicted time
//     →    how            one CudaPlan: the family's own numbers
//     →    text           emit(): a few lines that include the family's header and instantiate it, and the launch
//
// None of them needs a GPU or CUDA.  The compiler calls plans() in the fuse phase, takes the fastest, leaves a remark
// with its prediction, and calls emit() with that plan: emitting decides nothing.  Families exist in the compiler only;
// an artifact holds the compiled text and the launch as tables.  kernels/README.md shows a family from start to end.
#ifndef SLUICE_KERNELS_CUDA_H_
#define SLUICE_KERNELS_CUDA_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/desc.h"
#include "kernels/target/target.h"
#include "runtime/base/status.h"

namespace sluice::kernels {

// What is known of one dimension at compile time.
struct CudaDim {
  int64_t min = 0;
  int64_t max = -1;      // -1: no bound
  int64_t typical = 64;  // what a cost is computed with when it is not constant
  int64_t least = 1;     // that runs are meant to have: fewer work, but are no reason for a plan of their own
  std::string text;      // canonical size expression: two dimensions are equal when their texts are

  bool constant() const { return min == max; }
  int64_t value() const { return min; }  // of a constant
  int64_t expected() const { return constant() ? min : typical; }
};

struct CudaOperand {
  DType dtype = DType::kUndefined;  // kUndefined: an optional operand that is absent
  std::vector<CudaDim> dims;
  bool weight = false;  // read-only, the same in every run

  bool present() const { return dtype != DType::kUndefined; }
  int rank() const { return static_cast<int>(dims.size()); }
};

inline constexpr int64_t kPartColumns = 8;  // what a thread of a tensor core's accumulator has both of

// One operation to be computed.
struct CudaQuery {
  std::string name;  // the nn op's mnemonic
  Attrs attrs;
  std::vector<CudaOperand> ins, outs;  // in the order of the nn op; what an epilogue reads comes behind them
  // True: a row's result must not depend on the other rows or on how many there are, bit for bit.
  bool invariant = false;
  // A functor applied to each result before it is rounded, printed from the graph; empty: none.  Its text defines
  //   struct Epilogue { __device__ Epilogue(const sl::Step*, sl::Arg<…>…);
  //                     __device__ float operator()(float value, int64_t row, int64_t column) const; };
  // where the arguments are the operands ins[epilogue_ins …], in order, and row and column those of the result as a
  // matrix of its last dimension.  It is called for elements of the result only.  It may also have
  // void fetch(int64_t column) const, which begins to bring what it reads there and no kernel writes: before its turn.
  // Where results have 16 bits it may have sl::Two<T> two(sl::Pair value, int64_t row, int64_t column) const for an
  // even column and the next one, which gives the same bits by fewer instructions.
  std::string epilogue;
  int epilogue_ins = 0;
  // 2: the functor is operator()(float first, float second, row, column), and the op has twice the columns of outs[0].
  // The compiler has put them in blocks of kPartColumns: those of the first part, as many of the second, and so on.
  int parts = 1;
  // The operand of 16-bit elements that the functor reads at the result's own row and column, if there is one; it then
  // has operator()(float value, int64_t row, int64_t column, T element) too, for kernels that bring it otherwise, and
  // `two` likewise.
  int epilogue_whole = -1;
  double epilogue_ops = 0;  // instructions an element, about: what choices weigh
  // The most that the family's `rows` is in the launches that are meant, and what it typically is; -1: as the operands
  // say.
  int64_t rows_max = -1;
};

// One way to compute it.
struct CudaPlan {
  std::string name;              // for people: "128x128x64 s4"; unique among the family's plans for a query
  std::vector<int64_t> numbers;  // what emit() needs, the family's own
  double us = 0;                 // predicted
};

// A parameter of the __global__ function.  Parameters never change after load: what varies is read from the step block.
struct CudaParam {
  enum class Kind : uint8_t {
    kStep,       // const sl::Step*: the step block.  The first parameter of every kernel that reads a size
    kOperand,    // sl::Arg<rank> of operand `operand`
    kTensorMap,  // const __grid_constant__ sl::TensorMap of operand `operand`: `dims`, `box`, `swizzle`
    kWorkspace,  // void*: CudaKernel::workspace bytes, 256-byte aligned, uninitialised, shared with other kernels
    kCounters,   // uint32_t*: CudaKernel::counters numbers, zero when the kernel begins; it must leave them zero
    kAddress,    // sl::Address of operand `operand`: an Arg without sizes
    kNumber      // int64_t: parameter `operand` of the launch (generated kernels), for sl::value
  };
  static constexpr int kAbsent = 255;  // an operand beyond the query's: a null Arg
  Kind kind = Kind::kOperand;
  int operand = 0;  // number in ins, then outs (an absent one keeps its number and gets a null Arg)
  int rank = 0;     // kOperand of a kernel that can share its launch: of the Arg
  // kTensorMap: the dimensions of the map, outermost first, each a run [first, last] of the operand's dimensions that
  // are walked as one ({0, 1} of [batch, seq, k] gives rows); the last is the innermost and dense.  Its sizes are those
  // of the plan's bound: elements between the actual size and the bound hold anything, and are in bounds.  Its strides
  // are this run's: where they follow from sizes that vary, each value costs a graph of its own.
  std::vector<std::array<int, 2>> dims = {};
  std::vector<int64_t> box = {};  // elements, outermost first; at most 256 each
  int swizzle = 0;                // bytes: 0, 32, 64, 128
  // A map that walks windows ("im2col"): for each dimension but the first and the last, where windows begin before it,
  // where the last one begins beyond its end (negative: before), and the step from one to the next.  `box` is then
  // {windows, elements of the last dimension}.
  std::vector<std::array<int, 3>> windows = {};
  // kTensorMap: rows are read in runs of so many, and what is read in rows beyond the operand's changes no result.  The
  // map may then reach on into the memory behind it, to the end of a run: TMA takes 16 to 30 clk to fill a row beyond
  // a map, and 3 to read one.  0: it ends with the operand.
  int reach = 0;
};

// Bytes that a launch has for its parameters, and that these take: step block, operands, addresses and numbers.
constexpr int64_t kParameterBytes = 4096;
int64_t ParameterBytes(std::span<const CudaParam> params);

// What emit() makes: text, and how to launch it.
struct CudaKernel {
  std::string text;   // a translation unit; it may include "kernels/….cuh" (the compiler carries them)
  std::string entry;  // its extern "C" __global__ function
  // Characters of the text before its __global__ function, where that only calls a function that stands in them,
  // ENTRY_part(sl::Share, parameters…): the kernel can share a launch (ShareLaunch).  0: it needs one for itself.
  int64_t part = 0;
  int block = 256;  // threads
  // Blocks as size expressions over x0_1 (size of dimension 1 of ins[0]), y0_1 (of outs[0]) and numbers.  Evaluated for
  // the plan's bound: a block whose work the actual sizes do not have leaves at once.  y and z at most 65535.
  std::array<std::string, 3> grid = {"1", "1", "1"};
  int64_t shared = 0;  // dynamic shared memory, bytes
  std::vector<CudaParam> params;
  std::string workspace = "0";  // bytes, a size expression likewise
  int64_t counters = 0;
  int cluster = 1;  // blocks a cluster, along x; grid[0] must be a multiple of it
  bool row_invariant = true;
  // Launch attribute programmatic stream serialisation: a block calls sl::wait_for_previous() before it reads what
  // another kernel wrote, or writes anything, and at least one calls it even so: who waits for it means those before it
  // too.  False: TakeTurns makes it so.
  bool overlaps_previous = false;
  // Operands whose strides are honoured (bit i), as CpuKernel; others are dense row-major.
  uint32_t strided_ins = 0, strided_outs = 0;
  // Operands that must begin at a constant multiple of 16 bytes (tensor maps, unguarded vectors).  Others may begin
  // anywhere their element type may.
  uint32_t aligned_ins = 0, aligned_outs = 0;
  bool in_place = false;  // outs[0] may be the same memory as ins[0]
  // Kernels for launches whose `rows`, a size expression likewise, are at most their `limit`; limits ascend, and this
  // kernel does the rest.  The runtime takes one for each plan's bound.
  std::string rows;
  int64_t limit = -1;
  std::vector<CudaKernel> smaller;
};

struct CudaFamily {
  const char* name;  // the nn op's mnemonic: CudaQuery::name
  // Plans that compute the query on `gpu`, any order.  None when the family has no kernel for it: `why` then says which
  // property it lacks ("f64 operands", "a mask of rank 5"), for the remark.
  std::vector<CudaPlan> (*plans)(const CudaQuery& query, const Gpu& gpu, std::string& why);
  CudaKernel (*emit)(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan);
  bool epilogue = false;  // reads CudaQuery::epilogue
  // Operands (bit i) whose dimension 0 is the columns of the result, in a family that reads CudaQuery::parts; 0:
  // others.
  uint32_t column_ins = 0;
  // The size the best plan depends on most, as a grid says it ("x0_0 * x0_1"), in a family that reads
  // CudaQuery::rows_max; "" where it is constant.  Null: one plan is for every size.
  std::string (*rows)(const CudaQuery& query) = nullptr;
  // The time a plan that was made for more rows takes for the query's.  Null: no longer than for those.
  double (*predict)(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) = nullptr;
};

// The family of that name, or null.
const CudaFamily* FindCudaFamily(const std::string& name);
std::span<const CudaFamily* const> AllCudaFamilies();

// A plan for the launches of at most so many rows.
struct CudaForm {
  int64_t limit = -1;  // -1: of any number
  CudaPlan plan;
};

// What was chosen for a query.
struct CudaChoice {
  CudaPlan plan;
  CudaKernel kernel;
  std::vector<CudaPlan> others;   // what was not, fastest first: for remarks
  std::vector<CudaForm> smaller;  // of kernel.smaller
};

// The fastest plan of the query's family, emitted; where the rows vary, also the plans that are enough faster for fewer
// of them to be worth another image.  kNotFound when there is none: the message says why.
absl::StatusOr<CudaChoice> ChooseCuda(const CudaQuery& query, const Gpu& gpu);

// Lets a kernel that does not wait on its own overlap the end of the one before it: its function begins with
// sl::take_turns().
void TakeTurns(CudaKernel& kernel);
// Whether it did that to this text.
bool TakesTurns(const std::string& text);

// Gives `kernel`, whose entry, block and params are known, a text that can share a launch.  `body`: statements over the
// parameters, called `names`, and over `blocks`, the sl::Share that compute it; `head`: what stands before them.
void WriteShareable(CudaKernel& kernel, const std::string& head, std::span<const std::string> names,
                    const std::string& body);

// One of the kernels of a shared launch, and how many operands and numbers its own launch had.
struct CudaPart {
  CudaKernel kernel;
  int ins = 0, outs = 0, numbers = 0;
};
// A kernel that does what the parts do, none of which may read or write what another writes: each has a share of the
// blocks.  Its ins are those of the first part, then those of the second …, and so its outs; its numbers are the blocks
// of each part, then the numbers of each.  kUnimplemented: they cannot share a launch.
absl::StatusOr<CudaKernel> ShareLaunch(std::span<const CudaPart> parts);

// "sl::bf16", "float", "int64_t" …: the element type in device code (kernels/device/types.cuh); "" for packed types.
const char* CudaType(DType dtype);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_CUDA_H_
