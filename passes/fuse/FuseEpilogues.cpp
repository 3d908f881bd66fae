// Moves element-wise kernels into the GPU kernel whose result they finish.
//
//   %s = exec.dispatch @linear(%x, %w)                 exec.kernel @linear_1 … cuda {text = "struct Epilogue { … e0 +
//   x0[i1] … }; …"} %y = exec.dispatch @ew_0(%s, %bias)         →      %y = exec.dispatch @linear_1(%x, %w, %bias)
//
// Facts: the producer's family takes an epilogue and its result has no other reader; the element-wise kernel walks that
// result as it lies, and everything else at constant strides of row and column.  The body becomes a functor over
// (value, row, column); the family chooses again, for it may prefer another plan.
//
// A product of two halves of the result's columns (gate and up) is one too: the rows of the weights are put into an
// order that gives a thread both values, (first, second, row, column), and the result is half as wide.
#include <array>

#include "dialects/nn/NNDialect.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
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

bool isHalf(Type type) { return type.isF16() || type.isBF16(); }
bool isSmallFloat(Type type) { return type.isF32() || isHalf(type); }

// What an epilogue can give.
bool isResult(Type type) { return isSmallFloat(type) || isCode(type); }

bool isSplat(Value value) {
  DenseElementsAttr number;
  return matchPattern(value, m_Constant(&number)) && number.isSplat();
}

// Where an element (row, column) of a result lies in a tensor.
struct Place {
  int64_t row, column, offset;
  bool operator==(const Place&) const = default;
};

// Pieces of a functor's text: of what it reads besides the product.  `loads` and `whole` are there for one element and
// for two adjacent ones.
struct Reads {
  std::string members, names, params, inits, fetches, sum = "float";
  std::array<std::string, 2> loads, whole, wholeParam;
  unsigned count = 0;
};

// An element-wise kernel as the epilogue of a result [rows, columns].
class EpiloguePrinter {
 public:
  // `produced`: which of the kernel's inputs are the producer's result, which has `parts` times the columns: part p of
  // column c is its column p * columns + c.  `weights`: which no kernel writes.
  EpiloguePrinter(exec::KernelOp kernel, llvm::BitVector produced, llvm::BitVector weights, int64_t columns,
                  int64_t parts)
      : kernel_(kernel),
        generic_(dyn_cast<linalg::GenericOp>(kernel.getBody().front().front())),
        produced_(std::move(produced)),
        weights_(std::move(weights)),
        columns_(columns),
        parts_(parts) {}

  // The functor's text; "" when the kernel is no epilogue.
  std::string print();
  // Then: the input of 16-bit elements that is read where the result lies, if any.
  std::optional<unsigned> whole() const { return whole_; }
  // About as many instructions as an element costs.
  double instructions();

 private:
  std::optional<Place> place(unsigned in);
  std::optional<int64_t> partOf(unsigned in);
  bool read(unsigned in, Reads& reads);
  std::string body(int lanes);
  std::string call(const Reads& reads, int lanes);

  exec::KernelOp kernel_;
  linalg::GenericOp generic_;
  llvm::BitVector produced_, weights_;
  int64_t columns_, parts_;
  Sizes loops_;
  std::optional<unsigned> whole_;
};

double EpiloguePrinter::instructions() {
  double lanes = body(2).empty() ? 1 : 2, sum = 0;
  for (Operation& op : generic_.getBlock()->without_terminator()) {
    bool function = isa<arith::DivFOp>(op) || op.getName().getDialectNamespace() == "math";
    sum += function ? 12 : isa<arith::ConstantOp>(op) ? 0 : 1 / lanes;
  }
  return sum;
}

// Where input `in` is read; none when that is not constant.
std::optional<Place> EpiloguePrinter::place(unsigned in) {
  std::optional<int64_t> offset = kernel_.getOffsets() ? sizeOf((*kernel_.getOffsets())[in]).Constant() : 0;
  if (!offset) {
    return std::nullopt;
  }
  AffineMap map = generic_.getIndexingMapsArray()[in];
  auto sizes = cast<ArrayAttr>((*kernel_.getDims())[in]);
  SmallVector<int64_t> strides(loops_.size(), 0);
  SizeExpr dense(1);
  for (size_t d = sizes.size(); d-- > 0;) {
    SizeExpr stride = kernel_.getStrides() ? sizeOf(cast<ArrayAttr>((*kernel_.getStrides())[in])[d]) : dense;
    if (!stride.Constant()) {
      return std::nullopt;
    }
    strides[cast<AffineDimExpr>(map.getResult(d)).getPosition()] = *stride.Constant();
    dense = dense * sizeOf(sizes[d]);
  }
  return loops_.size() == 1 ? Place{columns_ * strides[0], strides[0], *offset}
                            : Place{strides[0], strides[1], *offset};
}

// Which part of the producer's result an input is.
std::optional<int64_t> EpiloguePrinter::partOf(unsigned in) {
  std::optional<Place> at = place(in);
  if (at && loops_.size() == 1 && loops_[0].Constant() == columns_) {
    at->row = parts_ * columns_;  // there is but one
  }
  for (int64_t part = 0; part < parts_; ++part) {
    if (at == Place{parts_ * columns_, 1, part * columns_}) {
      return part;
    }
  }
  return std::nullopt;
}

std::string EpiloguePrinter::body(int lanes) {
  ScalarText scalars(lanes);
  std::string lines;
  Block& block = *generic_.getBlock();
  for (unsigned n = 0; n < generic_.getNumDpsInputs(); ++n) {
    if (scalars.held(block.getArgument(n).getType()).empty()) {
      return "";
    }
    scalars.name(block.getArgument(n), "e" + std::to_string(n));
  }
  for (Operation& op : block.without_terminator()) {
    if (!scalars.print(&op, lines)) {
      return "";
    }
  }
  Value result = block.getTerminator()->getOperand(0);
  if (result.getParentBlock() != &block) {
    return "";
  }
  bool exact = isCode(result.getType()) || lanes > 1;
  return formatv(exact ? "{0}    return {1};\n" : "{0}    return sl::to_float({1});\n", lines, scalars[result]);
}

bool EpiloguePrinter::read(unsigned n, Reads& reads) {
  auto type = cast<RankedTensorType>(kernel_.getBody().front().getArgument(n).getType());
  std::string element = ScalarText::type(type.getElementType()), memory = ScalarText::memoryType(type.getElementType());
  std::optional<Place> at = place(n);
  if (!at || element.empty()) {
    return false;
  }
  unsigned x = reads.count++;
  reads.members += formatv("  const {0}* x{1};\n", memory, x);
  reads.params += formatv(", const A{0}& a{0}", x);
  reads.names += formatv("{0}class A{1}", x == 0 ? "" : ", ", x);
  reads.inits +=
      formatv("{0}x{1}(sl::View<const {2}, sl::rank_of<A{1}>>(step, a{1}).data)", x == 0 ? " : " : ", ", x, memory);
  std::string offset = at->offset == 0 ? "" : formatv(" + {0}", at->offset).str();
  std::string index = formatv("i0 * {0} + i1 * {1}{2}", at->row, at->column, offset);
  bool words = at->column == 1 && at->row % 2 == 0 && at->offset % 2 == 0;  // i1 is even
  std::string one = formatv("x{0}[{1}]", x, index), both = ScalarText(2).held(type.getElementType());
  std::string two = words ? formatv("sl::load_two(x{0} + {1})", x, index).str()
                          : formatv("{0}({1}, x{2}[{3} + {4}])", both, one, x, index, at->column).str();
  if (!whole_ && parts_ == 1 && isHalf(type.getElementType()) && at == Place{columns_, 1, 0}) {
    whole_ = n;
    reads.whole = {one, two};
    reads.wholeParam = {formatv(", {0} e{1}", element, n), formatv(", {0} e{1}", both, n)};
  } else {
    reads.loads[0] += formatv("    const {0} e{1} = static_cast<{0}>({2});\n", element, n, one);
    reads.loads[1] += formatv("    const {0} e{1} = {2};\n", both, n, two);
  }
  if (weights_.test(n) && at->row == 0) {
    reads.fetches += formatv("    sl::fetch_ahead(x{0} + i1 * {1}{2});\n", x, at->column, offset);
  }
  return true;
}

// The functor's function for one element, or for two adjacent ones; "" when it has none.
std::string EpiloguePrinter::call(const Reads& reads, int lanes) {
  std::string statements = body(lanes);
  if (statements.empty()) {
    return "";
  }
  Type type = generic_.getBlock()->getTerminator()->getOperand(0).getType();
  std::string value = lanes == 1 ? reads.sum : "sl::Pair";
  std::string result = lanes == 2 ? ScalarText(2).held(type) : isCode(type) ? "int32_t" : "float";
  std::string name = lanes == 1 ? "operator()" : "two", self = lanes == 1 ? "(*this)" : "two";
  std::string values = parts_ == 1 ? value + " value" : value + " first, " + value + " second";
  std::string text;
  if (whole_) {
    text += formatv(
        "  __device__ {0} {1}({2}, int64_t i0, int64_t i1) const {{\n    return {3}(value, i0, i1, {4});\n  }\n",
        result, name, values, self, reads.whole[lanes - 1]);
  }
  return text + formatv("  __device__ {0} {1}({2}, int64_t i0, int64_t i1{3}) const {{\n{4}{5}  }\n", result, name,
                        values, reads.wholeParam[lanes - 1], reads.loads[lanes - 1], statements)
                    .str();
}

std::string EpiloguePrinter::print() {
  ArrayAttr dims = *kernel_.getDims();
  loops_ = nn::sizesFromAttr(cast<ArrayAttr>(dims[dims.size() - 1]));
  bool rows = generic_ && kernel_.getNumOuts() == 1 && generic_.getNumReductionLoops() == 0 &&
              (loops_.size() == 1 || (loops_.size() == 2 && loops_[1].Constant() == columns_));
  if (!rows) {
    return "";
  }
  constexpr const char* kValues[] = {"first", "second"};
  Reads reads;
  for (unsigned n = 0; n < generic_.getNumDpsInputs(); ++n) {
    if (!produced_.test(n)) {
      if (!read(n, reads)) {
        return "";
      }
      continue;
    }
    Type type = generic_.getBlock()->getArgument(n).getType();
    std::optional<int64_t> part = partOf(n);
    bool exact = type.isInteger(32);
    if (!part || !(exact || isSmallFloat(type))) {
      return "";
    }
    reads.sum = exact ? "int32_t" : "float";
    // A sum that is widened at once is not rounded before: what is stored is.
    bool widened = llvm::all_of(generic_.getBlock()->getArgument(n).getUsers(), llvm::IsaPred<arith::ExtFOp>);
    for (int lanes : {1, 2}) {
      bool kept = exact || (widened && lanes == 1);
      reads.loads[lanes - 1] +=
          formatv(kept ? "    const {0} e{1} = {2};\n" : "    const {0} e{1} = sl::narrow<{0}>({2});\n",
                  kept && !exact ? "float" : ScalarText(lanes).held(type), n, parts_ == 1 ? "value" : kValues[*part]);
    }
  }
  std::string one = call(reads, 1);
  if (one.empty()) {
    return "";
  }
  std::string fetch;
  if (!reads.fetches.empty()) {
    fetch = formatv("  __device__ void fetch(int64_t i1) const {{\n{0}  }\n", reads.fetches);
  }
  return formatv(
      "#include \"kernels/device/scalar.cuh\"\n\nstruct Epilogue {{\n{0}  {1}__device__ Epilogue(const sl::Step* "
      "step{2}){3} {{}\n{4}{5}{6}};\n\n",
      reads.members, reads.count == 0 ? "" : "template <" + reads.names + "> ", reads.params, reads.inits, fetch, one,
      call(reads, 2));
}

class Fuser {
 public:
  explicit Fuser(ModuleOp module, const kernels::Gpu& gpu)
      : module_(module), gpu_(gpu), nominal_(nominalOf(module)), symbols_(module), builder_(module.getContext()) {}

  // Fuses the producer of one of `finish`'s operands with it; true when it did.
  bool fuse(exec::DispatchOp finish) {
    auto kernel = symbols_.lookup<exec::KernelOp>(finish.getKernel());
    if (!kernel.isGenerated() || finish.getNumResults() != 1 ||
        !isResult(cast<RankedTensorType>(finish.getResult(0).getType()).getElementType())) {
      return false;
    }
    for (Value in : finish.getIns()) {
      auto producer = in.getDefiningOp<exec::DispatchOp>();
      bool alone = producer && llvm::all_of(in.getUsers(), [&](Operation* user) { return user == finish; });
      if (alone && tryFuse(producer, finish, kernel)) {
        return true;
      }
    }
    return false;
  }

 private:
  // How many values of `whole` each element of `result` is made of: 1, or 2 in rows twice as long; 0: neither.
  int64_t partsOf(const Sizes& whole, const Sizes& result) {
    if (whole.empty() || whole.size() != result.size() || !result.back().Constant() || !whole.back().Constant() ||
        ArrayRef(whole).drop_back() != ArrayRef(result).drop_back()) {
      return 0;
    }
    int64_t columns = *result.back().Constant();
    bool twice = *whole.back().Constant() == 2 * columns && columns > 0 && columns % kernels::kPartColumns == 0;
    return *whole.back().Constant() == columns ? 1 : twice ? 2 : 0;
  }

  bool tryFuse(exec::DispatchOp producer, exec::DispatchOp finish, exec::KernelOp kernel) {
    auto library = symbols_.lookup<exec::KernelOp>(producer.getKernel());
    const kernels::CudaFamily* family =
        library.getCuda() && library.getLibrary() ? kernels::FindCudaFamily(library.getLibrary()->str()) : nullptr;
    if (!family || !family->epilogue || producer.getNumResults() != 1 || !producer.getAbsent().empty()) {
      return false;
    }
    Sizes result = sizes_.of(finish.getResult(0));
    int64_t parts = partsOf(sizes_.of(producer.getResult(0)), result);
    if (parts == 0 || (parts > 1 && !ordersColumns(*family, producer))) {
      return false;
    }
    kernels::CudaQuery query{.name = library.getLibrary()->str(), .attrs = attrsOf(library.getConfigAttr())};
    query.parts = static_cast<int>(parts);
    llvm::BitVector produced(finish.getIns().size()), weights(produced);
    for (auto [n, value] : llvm::enumerate(finish.getIns())) {
      produced[n] = value == producer.getResult(0);
      weights[n] = isWeightExpr(value);
    }
    EpiloguePrinter printer(kernel, produced, weights, *result.back().Constant(), parts);
    query.epilogue = printer.print();
    if (query.epilogue.empty()) {
      return false;
    }
    query.epilogue_ops = printer.instructions();
    SmallVector<Value> operands(producer.getIns());
    query.epilogue_ins = static_cast<int>(operands.size());
    for (auto [n, value] : llvm::enumerate(finish.getIns())) {
      if (!produced[n]) {
        if (n == printer.whole()) {
          query.epilogue_whole = static_cast<int>(operands.size());
        }
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
    if (parts > 1) {
      for (unsigned n = 0; n < producer.getIns().size(); ++n) {
        if (family->column_ins >> n & 1) {
          operands[n] = partsInBlocks(operands[n], parts, finish);
        }
      }
    }
    replace(producer, finish, library, operands, *choice);
    return true;
  }

  // Whether the columns of the producer's result can be put into another order: by its weights.
  bool ordersColumns(const kernels::CudaFamily& family, exec::DispatchOp producer) {
    if (family.column_ins == 0) {
      return false;
    }
    for (auto [n, value] : llvm::enumerate(producer.getIns())) {
      if ((family.column_ins >> n & 1) != 0 && !isWeightExpr(value) && !isSplat(value)) {
        return false;
      }
    }
    return true;
  }

  // The rows of a weight [parts * n, ...] as blocks of kPartColumns rows, a block of each part in turn.
  Value partsInBlocks(Value weight, int64_t parts, Operation* before) {
    builder_.setInsertionPoint(before);
    auto type = cast<RankedTensorType>(weight.getType());
    if (isSplat(weight)) {
      return weight;
    }
    Location loc = weight.getLoc();
    ArrayRef<int64_t> shape = type.getShape();
    SmallVector<int64_t> apart = {parts, shape[0] / (parts * kernels::kPartColumns), kernels::kPartColumns},
                         order = {1, 0, 2};
    for (int64_t d = 1; d < type.getRank(); ++d) {
      apart.push_back(shape[d]);
      order.push_back(d + 2);
    }
    SmallVector<int64_t> mixed = llvm::map_to_vector(order, [&](int64_t d) { return apart[d]; });
    auto sizesOf = [](ArrayRef<int64_t> dims) {
      return llvm::to_vector(llvm::map_range(dims, [](int64_t size) { return SizeExpr(size); }));
    };
    auto reshaped = [&](Value value, ArrayRef<int64_t> dims) -> Value {
      Sizes sizes = Sizes(sizesOf(dims));
      return nn::ReshapeOp::create(builder_, loc, RankedTensorType::get(dims, type.getElementType()), value,
                                   nn::sizesAttr(module_.getContext(), sizes));
    };
    Value blocks = reshaped(weight, apart);
    Value empty = tensor::EmptyOp::create(builder_, loc, mixed, type.getElementType());
    Value turned = linalg::TransposeOp::create(builder_, loc, blocks, empty, order)->getResult(0);
    return reshaped(turned, shape);
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
  ::sluice::plan::SymbolBounds nominal_;
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
