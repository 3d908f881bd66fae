// The sizes of one run: symbols bound from the inputs, every slot evaluated from them.
//
//   Sizes sizes(program);
//   RETURN_IF_ERROR(sizes.Bind(inputs, states));   // batch = 2, seq = 7; every other dimension compared
//   sizes.slots()[view.sizes[0]]
#ifndef SLUICE_RUNTIME_EXEC_SIZES_H_
#define SLUICE_RUNTIME_EXEC_SIZES_H_

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/status.h"
#include "runtime/exec/program.h"

namespace sluice::exec {

// What a cache that the caller does not give knows about its sizes.
struct StateSizes {
  int64_t length = 0;   // along its axis
  bool shaped = false;  // `sizes` are those of bytes it holds
  std::array<int64_t, kernels::kMaxRank> sizes{};
};

class Sizes {
 public:
  explicit Sizes(const Program& program);

  // Binds the symbols of @main, evaluates, compares every given dimension, checks assumptions and --dims.  `inputs`:
  // one tensor a port, not present() where the caller gives none (states only); `states`: one a state, used for those.
  // kInvalidArgument names the input and the dimension, the assumption, or the symbol.
  absl::Status Bind(std::span<const kernels::Tensor> inputs, std::span<const StateSizes> states);

  // Binds the symbols of @main by name: those given, those that follow from `==` assumptions, and of the rest a state's
  // length to 0 and all others to 1, or to the least that `>=` assumptions allow; evaluates.  For tools that make up
  // inputs.  kInvalidArgument for a name that is no size of the inputs; CheckAssumptions may still fail.
  absl::Status BindByName(const std::map<std::string, int64_t>& given);
  // Names of the symbols that do not follow from others: what BindByName makes up when nothing is given.
  std::vector<std::string> FreeNames();
  // kInvalidArgument names the assumption of @main or the bound of --dims that the bound symbols break.
  absl::Status CheckAssumptions() const;

  // Binds the symbols that only a call's arguments decide, evaluates, compares the rest, checks the callee's
  // assumptions.
  absl::Status BindCall(int32_t function, std::span<const kernels::Tensor> inputs);

  void Set(uint32_t symbol, int64_t value) { symbols_[symbol] = value; }
  void Evaluate() { program_.exprs.Run(symbols_.data(), slots_.data()); }
  // Gives the Counted symbols listed their largest values, and evaluates.
  void SetToBounds(std::span<const uint32_t> counted);

  const std::vector<int64_t>& symbols() const { return symbols_; }
  const std::vector<int64_t>& slots() const { return slots_; }

 private:
  absl::Status Solve(std::span<const kernels::Tensor> inputs);
  absl::Status CheckAssumptionsOf(int32_t function) const;
  bool SolveByAssumption(uint32_t symbol);
  bool SolveFor(uint32_t symbol, uint32_t left, int64_t right_constant, int32_t right);
  bool OnlyUnknown(uint32_t slot, uint32_t symbol) const;
  int Degree(uint32_t slot, uint32_t symbol) const;
  bool DependsOn(uint32_t slot, uint32_t symbol) const;
  absl::Status Compare(const PortDesc& port, const kernels::Tensor& tensor, const char* what) const;
  const AssumptionDesc* AssumptionOn(uint32_t symbol) const;
  std::vector<uint32_t> MakeUp();

  const Program& program_;
  std::vector<int64_t> symbols_;
  std::vector<int64_t> slots_;
  std::vector<uint8_t> known_;
};

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_SIZES_H_
