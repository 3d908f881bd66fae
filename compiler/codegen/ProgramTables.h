// exec ops as tables of program.fbs: one op, one record.
#ifndef SLUICE_COMPILER_CODEGEN_PROGRAMTABLES_H_
#define SLUICE_COMPILER_CODEGEN_PROGRAMTABLES_H_

#include <map>
#include <string>

#include "dialects/exec/ExecDialect.h"
#include "runtime/artifact/program_generated.h"
#include "runtime/plan/size_expr.h"

namespace mlir::sluice::codegen {

namespace fb = ::sluice::fb;

class ProgramTables {
 public:
  explicit ProgramTables(ModuleOp module);
  // Everything but weights, files and libraries.
  LogicalResult build(fb::ProgramT& program);
  // The index of a weight's symbol in Program.weights: the order of exec.weight ops.
  const std::map<std::string, int32_t>& weights() const { return weights_; }

 private:
  FailureOr<uint32_t> slot(Operation* op, StringRef text);
  LogicalResult slots(Operation* op, ArrayAttr texts, std::vector<uint32_t>& to);
  uint32_t constantOffset(ElementsAttr value, uint64_t& length);
  LogicalResult addSymbols();
  LogicalResult addAssumption(exec::AssumeOp op);
  LogicalResult addKernel(exec::KernelOp op);
  void addCuda(exec::KernelOp op, fb::KernelT& table);
  LogicalResult addState(exec::StateOp op);
  LogicalResult addProgram(exec::ProgramOp op);
  LogicalResult addBuffer(exec::BufferOp op, fb::FunctionT& function);
  LogicalResult addPort(exec::PortOp op, fb::FunctionT& function);
  LogicalResult addInstr(Operation* op, fb::FunctionT& function);
  LogicalResult addLaunch(exec::LaunchOp op, fb::InstrT& instr);
  LogicalResult addBlocks(exec::LaunchOp op, exec::KernelOp kernel, fb::InstrT& instr);
  LogicalResult addPlan(exec::PackOp op, fb::FunctionT& function);
  FailureOr<std::unique_ptr<fb::ViewT>> view(Value value);
  LogicalResult views(ValueRange values, ArrayRef<int64_t> absent, std::vector<std::unique_ptr<fb::ViewT>>& to);
  LogicalResult bindings(Operation* op, ArrayAttr triples, fb::InstrT& instr);

  ModuleOp module_;
  fb::ProgramT* program_ = nullptr;
  ::sluice::plan::ExprProgram exprs_;
  std::map<std::string, uint32_t> symbols_;
  std::map<std::string, exec::KernelOp> kernel_ops_;
  std::map<std::string, int32_t> kernels_, functions_, states_, weights_;
  DenseMap<Value, int32_t> buffers_;  // of the program at hand
};

// Names of the ONNX nodes a location speaks of, each once.
std::vector<std::string> nodeNames(Location loc);

}  // namespace mlir::sluice::codegen

#endif  // SLUICE_COMPILER_CODEGEN_PROGRAMTABLES_H_
