// ProgramTables: kernels that run on a GPU.
#include "compiler/codegen/ProgramTables.h"
#include "dialects/nn/NNDialect.h"
#include "passes/fuse/DeviceKernel.h"

namespace mlir::sluice::codegen {

using ::sluice::plan::SizeExpr;

// Everything but the image, which is known once it is compiled.
static std::unique_ptr<fb::CudaKernelT> cudaTable(const fuse::kernels::CudaKernel& kernel) {
  auto to = std::make_unique<fb::CudaKernelT>();
  to->entry = kernel.entry;
  to->block = static_cast<uint32_t>(kernel.block);
  to->shared = static_cast<uint32_t>(kernel.shared);
  to->cluster = static_cast<uint32_t>(kernel.cluster);
  to->counters = static_cast<uint32_t>(kernel.counters);
  to->overlaps_previous = kernel.overlaps_previous;
  for (const fuse::kernels::CudaParam& param : kernel.params) {
    auto made = std::make_unique<fb::CudaParamT>();
    made->kind = static_cast<fb::CudaParamKind>(param.kind);
    made->operand = static_cast<uint32_t>(param.operand);
    for (const std::array<int, 2>& run : param.dims) {
      made->runs.insert(made->runs.end(), {static_cast<uint8_t>(run[0]), static_cast<uint8_t>(run[1])});
    }
    made->box.assign(param.box.begin(), param.box.end());
    made->swizzle = static_cast<uint8_t>(param.swizzle);
    for (const std::array<int, 3>& window : param.windows) {
      made->windows.insert(made->windows.end(), window.begin(), window.end());
    }
    made->reach = static_cast<uint32_t>(param.reach);
    to->params.push_back(std::move(made));
  }
  to->limit = kernel.limit;
  for (const fuse::kernels::CudaKernel& few : kernel.smaller) {
    to->smaller.push_back(cudaTable(few));
    to->smaller.back()->source = few.text;
  }
  return to;
}

void ProgramTables::addCuda(exec::KernelOp op, fb::KernelT& table) {
  fuse::kernels::CudaKernel kernel = fuse::cudaKernel(op.getCudaAttr());
  table.source = kernel.text;
  table.cuda = cudaTable(kernel);
}

// A kernel's grid and workspace speak of x0_1 (a size of an operand) and p0 (a parameter): here they become sizes of
// the model.
LogicalResult ProgramTables::addBlocks(exec::LaunchOp op, exec::KernelOp kernel, fb::InstrT& instr) {
  const std::map<std::string, SizeExpr> values = fuse::launchSizes(op);
  fuse::kernels::CudaKernel cuda = fuse::cudaKernel(kernel.getCudaAttr());
  auto add = [&](const std::string& text) -> FailureOr<uint32_t> {
    auto expr = SizeExpr::Parse(text);
    if (!expr.ok()) {
      return op.emitOpError("kernel ") << kernel.getSymName() << " has a bad size '" << text << "'";
    }
    return this->slot(op, expr->Substitute(values).ToString());
  };
  std::string workspace = cuda.workspace;
  auto addGrid = [&](const fuse::kernels::CudaKernel& form) {
    for (const std::string& text : form.grid) {
      FailureOr<uint32_t> blocks = add(text);
      if (failed(blocks)) {
        return failure();
      }
      instr.blocks.push_back(*blocks);
    }
    workspace = form.workspace == "0" ? workspace : "max(" + workspace + ", " + form.workspace + ")";
    return success();
  };
  if (failed(addGrid(cuda))) {
    return failure();
  }
  for (const fuse::kernels::CudaKernel& few : cuda.smaller) {
    if (failed(addGrid(few))) {
      return failure();
    }
  }
  auto addSlot = [&](const std::string& text, int32_t& to) {
    FailureOr<uint32_t> slot = add(text);
    to = failed(slot) ? -1 : static_cast<int32_t>(*slot);
    return LogicalResult(slot);
  };
  if (workspace != "0" && failed(addSlot(workspace, instr.workspace))) {
    return failure();
  }
  return cuda.smaller.empty() ? success() : addSlot(cuda.rows, instr.rows);
}

}  // namespace mlir::sluice::codegen
