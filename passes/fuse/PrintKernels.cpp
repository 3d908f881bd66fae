// Prints generated kernels as CUDA.
//
//   exec.kernel @ew_0 generated dims [["p0", "64"], ["64"], ["p0", "64"]] … linalg.generic { addf }
//     →  const float* x0 = …, * x1 = …; float* y0 = …;
//        sl::walk_packs<4, 2>(blocks, p0 * 64, whole, [&](auto at, auto lanes) {
//          const auto i1 = at % 64, i0 = at / 64; … load … return [=] { … compute and store … };
//        });
//
// The loops are one: its elements are those of the result, in order.  A thread takes as many neighbours as 16 bytes
// hold, when the innermost loop is contiguous in every operand (or does not move it).
#include <numeric>

#include "dialects/nn/NNDialect.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/fuse/Passes.h"
#include "passes/fuse/ScalarText.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_PRINTKERNELSPASS
#include "passes/fuse/Passes.h.inc"

namespace {

using kernels::CudaKernel;
using kernels::CudaParam;
using llvm::formatv;
using nn::SizeExpr;
using nn::Sizes;

constexpr int kBlock = 256;
constexpr int64_t kBlocksPerSm = 16;  // whose threads have one pack each, before any has more
constexpr int kAhead = 2;             // packs of each operand that a thread has on their way

SizeExpr sizeOf(Attribute text) { return SizeExpr::Parse(cast<StringAttr>(text).getValue().str()).value(); }

class KernelPrinter {
 public:
  KernelPrinter(exec::KernelOp kernel, const kernels::Gpu& gpu)
      : kernel_(kernel), gpu_(gpu), generic_(dyn_cast<linalg::GenericOp>(kernel.getBody().front().front())) {}

  // The kernel, or null: `missing()` then names the op without text.
  std::optional<CudaKernel> print();
  const std::string& missing() const { return missing_; }

 private:
  // How one tensor is read: offset and a stride a loop, in elements.
  struct Access {
    std::string element;  // in memory
    bool boolean = false;
    int64_t bytes = 1;
    SizeExpr offset;
    Sizes strides;
  };

  bool readAccesses();
  int lanes() const;
  std::string index(const Access& access) const;
  std::string wholeText() const;
  bool contiguous(const Access& access) const { return access.strides.back().Constant() == 1; }
  bool printBody(std::string& lines);
  std::string loopText(const std::string& body) const;
  std::string operandText();
  std::string gridText(const SizeExpr& total) const;

  exec::KernelOp kernel_;
  const kernels::Gpu& gpu_;
  linalg::GenericOp generic_;
  Sizes loops_;
  SmallVector<Access> accesses_;  // ins, then the one out
  std::string missing_;
};

bool KernelPrinter::readAccesses() {
  if (!generic_ || kernel_.getNumOuts() != 1 || generic_.getNumReductionLoops() != 0) {
    missing_ = "a body that is not one parallel loop nest";
    return false;
  }
  ArrayAttr dims = *kernel_.getDims();
  loops_ = Sizes();
  for (Attribute size : cast<ArrayAttr>(dims[dims.size() - 1])) {
    loops_.push_back(sizeOf(size));
  }
  for (auto [n, map] : llvm::enumerate(generic_.getIndexingMapsArray())) {
    Type element = cast<RankedTensorType>(kernel_.getBody().front().getArgument(n).getType()).getElementType();
    Access access{.element = ScalarText::memoryType(element), .boolean = element.isInteger(1)};
    if (access.element.empty()) {
      missing_ = formatv("elements of type {0}", element);
      return false;
    }
    access.bytes = std::max(8u, element.getIntOrFloatBitWidth()) / 8;
    access.offset = kernel_.getOffsets() ? sizeOf((*kernel_.getOffsets())[n]) : SizeExpr(0);
    access.strides.assign(loops_.size(), SizeExpr(0));
    auto sizes = cast<ArrayAttr>(dims[n]);
    SizeExpr stride(1);
    for (size_t d = sizes.size(); d-- > 0;) {
      unsigned loop = cast<AffineDimExpr>(map.getResult(d)).getPosition();
      access.strides[loop] = kernel_.getStrides() ? sizeOf(cast<ArrayAttr>((*kernel_.getStrides())[n])[d]) : stride;
      stride = stride * sizeOf(sizes[d]);
    }
    accesses_.push_back(std::move(access));
  }
  return true;
}

// Elements a thread takes at a time: 16 bytes of the widest operand that moves.
int KernelPrinter::lanes() const {
  int64_t widest = 1;
  for (const Access& access : accesses_) {
    if (access.strides.back().Constant() != 0 && !contiguous(access)) {
      return 1;
    }
    widest = contiguous(access) ? std::max(widest, access.bytes) : widest;
  }
  int64_t lanes = 16 / widest;
  // A pack must not cross a row.
  if (loops_.size() > 1) {
    std::optional<int64_t> row = loops_.back().Constant();
    lanes = row ? std::gcd(lanes, *row) : 1;
  }
  return static_cast<int>(lanes);
}

// Whether packs may be moved as one access: where each operand begins, and what its outer strides keep of that.
std::string KernelPrinter::wholeText() const {
  std::string text;
  for (auto [n, access] : llvm::enumerate(accesses_)) {
    if (lanes() == 1 || !contiguous(access)) {
      continue;
    }
    text += formatv("{0}sl::aligned<{1}>(x{2})", text.empty() ? "" : " && ", lanes(), n);
    for (const SizeExpr& stride : ArrayRef(access.strides).drop_back()) {
      if (std::optional<int64_t> known = stride.Constant(); !known || *known % lanes() != 0) {
        text += formatv(" && ({0}) % {1} == 0", stride.ToString(), lanes());
      }
    }
  }
  return text.empty() ? "true" : text;
}

// "i0 * (64) + i1", the element of an operand.
std::string KernelPrinter::index(const Access& access) const {
  std::string sum;
  for (auto [loop, stride] : llvm::enumerate(access.strides)) {
    if (stride.Constant() == 0) {
      continue;
    }
    std::string term = "i" + std::to_string(loop);
    sum += (sum.empty() ? "" : " + ") + (stride.Constant() == 1 ? term : term + " * (" + stride.ToString() + ")");
  }
  return sum.empty() ? "0" : sum;
}

// The body as statements over e0, e1 … (what is read) and i0, i1 … (loop numbers); ends in `return …;`.
bool KernelPrinter::printBody(std::string& lines) {
  ScalarText scalars;
  Block& body = *generic_.getBlock();
  for (unsigned n = 0; n < generic_.getNumDpsInputs(); ++n) {
    scalars.name(body.getArgument(n), "e" + std::to_string(n));
  }
  for (Operation& op : body.without_terminator()) {
    if (auto at = dyn_cast<linalg::IndexOp>(op)) {
      scalars.name(at.getResult(), "static_cast<int64_t>(i" + std::to_string(at.getDim()) + ")");
    } else if (auto size = dyn_cast<nn::SizeOp>(op)) {
      scalars.name(size.getResult(), "static_cast<int64_t>(" + size.getExpr().str() + ")");
    } else if (!scalars.print(&op, lines)) {
      missing_ = op.getName().getStringRef().str();
      return false;
    }
  }
  Value result = body.getTerminator()->getOperand(0);
  if (auto constant = result.getDefiningOp<arith::ConstantOp>(); constant && constant->getBlock() != &body) {
    scalars.name(result, literal(constant.getValue()));
  }
  lines += "    return " + scalars[result] + ";\n";
  return true;
}

std::string KernelPrinter::operandText() {
  std::string text;
  for (unsigned p = 0; p < kernel_.getNumParams(); ++p) {
    text += formatv("  const int64_t p{0} = sl::value(step, n{0});\n", p);
  }
  for (auto [n, access] : llvm::enumerate(accesses_)) {
    bool in = n + 1 < accesses_.size();
    text += formatv("  {0}{1}* const x{2} = sl::pointer<{0}{1}>(step, a{2}) + ({3});\n", in ? "const " : "",
                    access.element, n, access.offset.ToString());
  }
  return text;
}

std::string KernelPrinter::loopText(const std::string& body) const {
  size_t out = accesses_.size() - 1, last = loops_.size() - 1;
  std::string params, args, text;
  for (size_t loop = 0; loop < loops_.size(); ++loop) {
    params += formatv("{0}int64_t i{1}", loop == 0 ? "" : ", ", loop);
    args += formatv("{0}i{1}{2}", loop == 0 ? "" : ", ", loop, loop == last ? " + lane" : "");
  }
  for (auto [n, access] : llvm::enumerate(ArrayRef(accesses_).drop_back())) {
    params += formatv(", {0} e{1}", access.boolean ? "bool" : access.element, n);
    args += formatv(", r{0}{1}{2}", n, contiguous(access) ? ".at[lane]" : "", access.boolean ? " != 0" : "");
  }
  text += formatv("  const auto point = [&]({0}) {{\n{1}  };\n", params, body);
  SizeExpr total(1);
  for (const SizeExpr& size : loops_) {
    total = total * size;
  }
  text += formatv(
      "  sl::walk_packs<{0}, {1}>(blocks, {2}, {3}, [&](auto at, auto lanes) {{\n    using I = decltype(at);\n"
      "    constexpr int kLanes = decltype(lanes)::value;\n    I rest = at;\n",
      lanes(), kAhead, total.ToString(), wholeText());
  for (size_t loop = last; loop > 0; --loop) {
    text += formatv("    const I s{0} = static_cast<I>({1}), i{0} = rest % s{0};\n    rest /= s{0};\n", loop,
                    loops_[loop].ToString());
  }
  text += "    const I i0 = rest;\n";
  for (auto [n, access] : llvm::enumerate(ArrayRef(accesses_).drop_back())) {
    text += contiguous(access)
                ? formatv("    const auto r{0} = sl::pack_at<kLanes>(x{0} + ({1}));\n", n, index(access)).str()
                : formatv("    const auto r{0} = x{0}[{1}];\n", n, index(access)).str();
  }
  const Access& result = accesses_[out];
  text += formatv(
      "    return [=] {{\n      sl::Pack<{0}, kLanes> r;\n#pragma unroll\n"
      "      for (int lane = 0; lane < kLanes; ++lane) {{\n"
      "        r.at[lane] = static_cast<{0}>(point({1}));\n      }\n"
      "      sl::pack_at<kLanes>(x{2} + ({3})) = r;\n    };\n  });\n",
      result.element, args, out, index(result));
  return text;
}

// As many blocks as have kAhead packs a thread: those that run are then neighbours in memory, where blocks that go on
// from pack to pack drift apart.
std::string KernelPrinter::gridText(const SizeExpr& total) const {
  SizeExpr spread = SizeExpr::CeilDiv(total, SizeExpr(int64_t{kBlock} * lanes()));
  SizeExpr full = SizeExpr::CeilDiv(total, SizeExpr(int64_t{kBlock} * lanes() * kAhead));
  return SizeExpr::Max(SizeExpr::Min(spread, SizeExpr(gpu_.sms * kBlocksPerSm)), full).ToString();
}

std::optional<CudaKernel> KernelPrinter::print() {
  std::string body;
  if (!readAccesses() || !printBody(body)) {
    return std::nullopt;
  }
  CudaKernel made;
  made.entry = kernel_.getSymName().str();
  made.block = kBlock;
  SizeExpr total(1);
  for (const SizeExpr& size : loops_) {
    total = total * size;
  }
  made.grid[0] = gridText(total);
  made.params.push_back({.kind = CudaParam::Kind::kStep});
  std::vector<std::string> names = {"step"};
  for (size_t n = 0; n < accesses_.size(); ++n) {
    made.params.push_back({.kind = CudaParam::Kind::kAddress, .operand = static_cast<int>(n)});
    names.push_back("a" + std::to_string(n));
  }
  for (unsigned p = 0; p < kernel_.getNumParams(); ++p) {
    made.params.push_back({.kind = CudaParam::Kind::kNumber, .operand = static_cast<int>(p)});
    names.push_back("n" + std::to_string(p));
  }
  kernels::WriteShareable(made, "#include \"kernels/elementwise/walk.cuh\"\n\n", names, operandText() + loopText(body));
  TakeTurns(made);
  if (kernels::ParameterBytes(made.params) > kernels::kParameterBytes) {
    missing_ = "more operands than a launch has room for";
    return std::nullopt;
  }
  return made;
}

struct PrintKernels : impl::PrintKernelsPassBase<PrintKernels> {
  void runOnOperation() final {
    const kernels::Gpu* gpu = targetOf(getOperation()).gpu;
    if (!gpu) {
      return;
    }
    for (auto kernel : getOperation().getOps<exec::KernelOp>()) {
      if (!kernel.isGenerated()) {
        continue;
      }
      KernelPrinter printer(kernel, *gpu);
      if (std::optional<CudaKernel> made = printer.print()) {
        kernel.setCudaAttr(cudaAttr(&getContext(), *made));
      } else {
        remark::missed(kernel.getLoc(), remark::RemarkOpts::name("print-kernel").category("fuse"))
            << "kernel " << kernel.getSymName() << " runs on the CPU: no CUDA text for " << printer.missing();
      }
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
