// Moves element-wise kernels into the GPU kernel whose result they finish.
//
//   %s = exec.dispatch @linear(%x, %w)                 exec.kernel @linear_1 … cuda {text = "struct Epilogue { … e0 +
//   x0[i1] … }; …"} %y = exec.dispatch @ew_0(%s, %bias)         →      %y = exec.dispatch @linear_1(%x, %w, %bias)
//
// Facts: the producer's family takes an epilogue and its result has no other reader; the element-wise kernel walks that
// result as it lies, and everything else at constant strides of row and column.  The body becomes a functor over
// (value, row, column); the family chooses again, for it may prefer another plan.
#include "dialects/nn/NNDialect.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/fuse/Fusible.h"
#include "passes/fuse/Passes.h"
#include "passes/fuse/ScalarText.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_FUSEEPILOGUESPASS
#include "passes/fuse/Passes.h.inc"

namespace {

using llvm::formatv;
using nn::SizeExpr;
using nn::Sizes;

SizeExpr sizeOf(Attribute text) { return SizeExpr::Parse(cast<StringAttr>(text).getValue().str()).value(); }

bool isSmallFloat(Type type) { return type.isF32() || type.isF16() || type.isBF16(); }

// An element-wise kernel as the epilogue of a result [rows, columns].
class EpiloguePrinter {
 public:
  // `producer`: which of the kernel's inputs is the result.
  EpiloguePrinter(exec::KernelOp kernel, unsigned producer, int64_t columns)
      : kernel_(kernel),
        generic_(dyn_cast<linalg::GenericOp>(kernel.getBody().front().front())),
        producer_(producer),
        columns_(columns) {}

  // The functor's text; "" when the kernel is no epilogue.
  std::string print();

 private:
  std::optional<std::string> index(unsigned in);
  std::string body();

  exec::KernelOp kernel_;
  linalg::GenericOp generic_;
  unsigned producer_;
  int64_t columns_;
  size_t loops_ = 0;
};

// Where input `in` is read: "i0 * 64 + i1 * 1" over row i0 and column i1; none when that is not constant.
std::optional<std::string> EpiloguePrinter::index(unsigned in) {
  if (kernel_.getOffsets() && sizeOf((*kernel_.getOffsets())[in]).Constant() != 0) {
    return std::nullopt;
  }
  AffineMap map = generic_.getIndexingMapsArray()[in];
  auto sizes = cast<ArrayAttr>((*kernel_.getDims())[in]);
  SmallVector<int64_t> strides(loops_, 0);
  SizeExpr dense(1);
  for (size_t d = sizes.size(); d-- > 0;) {
    SizeExpr stride = kernel_.getStrides() ? sizeOf(cast<ArrayAttr>((*kernel_.getStrides())[in])[d]) : dense;
    if (!stride.Constant()) {
      return std::nullopt;
    }
    strides[cast<AffineDimExpr>(map.getResult(d)).getPosition()] = *stride.Constant();
    dense = dense * sizeOf(sizes[d]);
  }
  if (loops_ == 1) {
    return formatv("(i0 * {0} + i1) * {1}", columns_, strides[0]).str();
  }
  return formatv("i0 * {0} + i1 * {1}", strides[0], strides[1]).str();
}

std::string EpiloguePrinter::body() {
  ScalarText scalars;
  std::string lines;
  Block& block = *generic_.getBlock();
  for (unsigned n = 0; n < generic_.getNumDpsInputs(); ++n) {
    scalars.name(block.getArgument(n), "e" + std::to_string(n));
  }
  for (Operation& op : block.without_terminator()) {
    if (!scalars.print(&op, lines)) {
      return "";
    }
  }
  Value result = block.getTerminator()->getOperand(0);
  return result.getParentBlock() == &block ? lines + "    return sl::to_float(" + scalars[result] + ");\n" : "";
}

std::string EpiloguePrinter::print() {
  ArrayAttr dims = *kernel_.getDims();
  Sizes loops = nn::sizesFromAttr(cast<ArrayAttr>(dims[dims.size() - 1]));
  loops_ = loops.size();
  bool rows = generic_ && kernel_.getNumOuts() == 1 && generic_.getNumReductionLoops() == 0 &&
              (loops_ == 1 || (loops_ == 2 && loops[1].Constant() == columns_));
  if (!rows || index(producer_) != (loops_ == 1 ? formatv("(i0 * {0} + i1) * 1", columns_).str()
                                                : formatv("i0 * {0} + i1 * 1", columns_).str())) {
    return "";
  }
  std::string members, params, inits, loads;
  unsigned extra = 0;
  for (unsigned n = 0; n < generic_.getNumDpsInputs(); ++n) {
    auto type = cast<RankedTensorType>(kernel_.getBody().front().getArgument(n).getType());
    std::string element = ScalarText::type(type.getElementType()),
                memory = ScalarText::memoryType(type.getElementType());
    if (n == producer_) {
      if (!isSmallFloat(type.getElementType())) {
        return "";
      }
      loads += formatv("    const {0} e{1} = sl::narrow<{0}>(value);\n", element, n);
      continue;
    }
    std::optional<std::string> at = index(n);
    if (!at || element.empty()) {
      return "";
    }
    members += formatv("  const {0}* x{1};\n", memory, extra);
    params += formatv(", const A{0}& a{0}", extra);
    inits += formatv("{0}x{1}(sl::View<const {2}, sl::rank_of<A{1}>>(step, a{1}).data)", extra == 0 ? " : " : ", ",
                     extra, memory);
    loads += formatv("    const {0} e{1} = static_cast<{0}>(x{2}[{3}]);\n", element, n, extra, *at);
    ++extra;
  }
  std::string statements = body();
  if (statements.empty()) {
    return "";
  }
  std::string names;
  for (unsigned n = 0; n < extra; ++n) {
    names += formatv("{0}class A{1}", n == 0 ? "" : ", ", n);
  }
  return formatv(
      "#include \"kernels/device/scalar.cuh\"\n\nstruct Epilogue {{\n{0}  {1}__device__ Epilogue(const sl::Step* "
      "step{2}){3} {{}\n  __device__ float operator()(float value, int64_t i0, int64_t i1) const {{\n{4}{5}  "
      "}\n};\n\n",
      members, extra == 0 ? "" : "template <" + names + "> ", params, inits, loads, statements);
}

class Fuser {
 public:
  explicit Fuser(ModuleOp module, const kernels::Gpu& gpu)
      : module_(module), gpu_(gpu), nominal_(nominalOf(module)), symbols_(module), builder_(module.getContext()) {}

  // Fuses the producer of one of `finish`'s operands with it; true when it did.
  bool fuse(exec::DispatchOp finish) {
    auto kernel = symbols_.lookup<exec::KernelOp>(finish.getKernel());
    if (!kernel.isGenerated() || finish.getNumResults() != 1 ||
        !isSmallFloat(cast<RankedTensorType>(finish.getResult(0).getType()).getElementType())) {
      return false;
    }
    for (auto [n, in] : llvm::enumerate(finish.getIns())) {
      auto producer = in.getDefiningOp<exec::DispatchOp>();
      if (producer && in.hasOneUse() && tryFuse(producer, finish, kernel, static_cast<unsigned>(n))) {
        return true;
      }
    }
    return false;
  }

 private:
  bool tryFuse(exec::DispatchOp producer, exec::DispatchOp finish, exec::KernelOp kernel, unsigned in) {
    auto library = symbols_.lookup<exec::KernelOp>(producer.getKernel());
    const kernels::CudaFamily* family =
        library.getCuda() && library.getLibrary() ? kernels::FindCudaFamily(library.getLibrary()->str()) : nullptr;
    Sizes sizes = sizes_.of(producer.getResult(0));
    if (!family || !family->epilogue || producer.getNumResults() != 1 || !producer.getAbsent().empty() ||
        sizes != sizes_.of(finish.getResult(0)) || sizes.empty() || !sizes.back().Constant()) {
      return false;
    }
    kernels::CudaQuery query{.name = library.getLibrary()->str(), .attrs = attrsOf(library.getConfigAttr())};
    query.epilogue = EpiloguePrinter(kernel, in, *sizes.back().Constant()).print();
    if (query.epilogue.empty()) {
      return false;
    }
    SmallVector<Value> operands(producer.getIns());
    query.epilogue_ins = static_cast<int>(operands.size());
    for (auto [n, value] : llvm::enumerate(finish.getIns())) {
      if (n != in) {
        operands.push_back(value);
      }
    }
    auto describe = [&](Value value) {
      return operandOf(cast<RankedTensorType>(value.getType()).getElementType(), sizes_.of(value), isWeightExpr(value),
                       nominal_);
    };
    for (Value value : operands) {
      query.ins.push_back(describe(value));
    }
    query.outs.push_back(describe(finish.getResult(0)));
    absl::StatusOr<kernels::CudaChoice> choice = kernels::ChooseCuda(query, gpu_);
    if (!choice.ok()) {
      return false;
    }
    replace(producer, finish, library, operands, *choice);
    return true;
  }

  void replace(exec::DispatchOp producer, exec::DispatchOp finish, exec::KernelOp library, ArrayRef<Value> operands,
               const kernels::CudaChoice& choice) {
    DictionaryAttr cuda = cudaAttr(module_.getContext(), choice.kernel);
    exec::KernelOp& kernel = made_[{library.getLibrary()->str(), cuda.getAsOpaquePointer()}];
    if (!kernel) {
      builder_.setInsertionPointAfter(library);
      kernel =
          exec::KernelOp::create(builder_, library.getLoc(), library.getSymNameAttr(), library.getLibraryAttr(),
                                 library.getConfigAttr(), ArrayAttr(), StringAttr(), ArrayAttr(), ArrayAttr(), cuda);
      kernel->remove();
      symbols_.insert(kernel, std::next(Block::iterator(library)));
    }
    Location loc = FusedLoc::get(module_.getContext(), {finish.getLoc(), producer.getLoc()});
    remark::passed(loc, remark::RemarkOpts::name("fuse-epilogue").category("fuse"))
        << "kernel " << kernel.getSymName() << " takes in " << finish.getKernel() << ": plan " << planText(choice);
    builder_.setInsertionPoint(finish);
    auto fused = exec::DispatchOp::create(
        builder_, loc, finish.getResultTypes(), FlatSymbolRefAttr::get(kernel.getSymNameAttr()), operands,
        builder_.getDenseI64ArrayAttr({}), finish.getSizesAttr(), ArrayAttr(), ArrayAttr());
    finish.getResult(0).replaceAllUsesWith(fused.getResult(0));
    dead_.push_back(finish);
    dead_.push_back(producer);
  }

 public:
  // NOTE: sizes are known by address: nothing is erased before all is done.
  void eraseDead() {
    for (Operation* op : dead_) {
      op->erase();
    }
    llvm::DenseSet<StringAttr> used;
    module_.walk([&](exec::DispatchOp dispatch) { used.insert(dispatch.getKernelAttr().getAttr()); });
    for (auto kernel : llvm::make_early_inc_range(module_.getOps<exec::KernelOp>())) {
      if (!used.contains(kernel.getSymNameAttr())) {
        kernel.erase();
      }
    }
  }

 private:
  ModuleOp module_;
  const kernels::Gpu& gpu_;
  ::sluice::plan::Bindings nominal_;
  SymbolTable symbols_;
  OpBuilder builder_;
  nn::SizeAnalysis sizes_;
  std::map<std::pair<std::string, const void*>, exec::KernelOp> made_;
  SmallVector<Operation*> dead_;
};

struct FuseEpilogues : impl::FuseEpiloguesPassBase<FuseEpilogues> {
  void runOnOperation() final {
    const kernels::Gpu* gpu = targetOf(getOperation()).gpu;
    if (!gpu) {
      return;
    }
    Fuser fuser(getOperation(), *gpu);
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      for (Operation& op : llvm::make_early_inc_range(func.getBody().front())) {
        if (auto dispatch = dyn_cast<exec::DispatchOp>(op)) {
          fuser.fuse(dispatch);
        }
      }
    }
    fuser.eraseDead();
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
