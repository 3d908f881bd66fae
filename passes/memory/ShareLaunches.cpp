// Gives neighbouring launches that need nothing of each other one launch on a GPU.
//
//   exec.launch @rope ins(%q, %cos, %sin) outs(%q1)           exec.launch @rope_rope_copy
//   exec.launch @rope ins(%k, %cos, %sin) outs(%keys)     →       ins(%q, %cos, %sin, %k, %cos, %sin, %v)
//   exec.launch @copy ins(%v) outs(%values)                       outs(%q1, %keys, %values) params [blocks of each]
//
// Facts: on buffers, before they have places in the arena: two launches need nothing of each other when neither writes
// a buffer that the other touches.  The kernels say whether they can share (kernels::ShareLaunch); what each computes
// stays as it was, so it always pays: a launch costs as much as moving some megabytes.
#include "mlir/IR/Remarks.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/memory/LiveRanges.h"
#include "passes/memory/Passes.h"

namespace mlir::sluice::memory {

#define GEN_PASS_DEF_SHARELAUNCHESPASS
#include "passes/memory/Passes.h.inc"

namespace {

using fuse::kernels::CudaKernel;
using fuse::kernels::CudaPart;
using nn::SizeExpr;

Value bufferOf(Value view) { return view.getDefiningOp<exec::ViewOp>().getBuffer(); }

// Launches that are to become one.
class Group {
 public:
  bool empty() const { return launches_.empty(); }
  ArrayRef<exec::LaunchOp> launches() const { return launches_; }
  const std::vector<CudaPart>& parts() const { return parts_; }

  // True when `launch` neither writes what the group touches nor reads what it writes.
  bool isIndependent(exec::LaunchOp launch) const {
    return llvm::none_of(launch.getOuts(), [&](Value out) { return touched_.contains(bufferOf(out)); }) &&
           llvm::none_of(launch.getIns(), [&](Value in) { return written_.contains(bufferOf(in)); });
  }
  // The kernel of the group with `part`, when there is one.
  std::optional<CudaKernel> with(const CudaPart& part) const {
    std::vector<CudaPart> parts = parts_;
    parts.push_back(part);
    absl::StatusOr<CudaKernel> kernel = fuse::kernels::ShareLaunch(parts);
    return kernel.ok() ? std::optional(*std::move(kernel)) : std::nullopt;
  }
  void add(exec::LaunchOp launch, const CudaPart& part) {
    launches_.push_back(launch);
    parts_.push_back(part);
    for (Value out : launch.getOuts()) {
      written_.insert(bufferOf(out));
      touched_.insert(bufferOf(out));
    }
    for (Value in : launch.getIns()) {
      touched_.insert(bufferOf(in));
    }
  }

 private:
  SmallVector<exec::LaunchOp> launches_;
  std::vector<CudaPart> parts_;
  llvm::DenseSet<Value> written_, touched_;
};

class Sharer {
 public:
  explicit Sharer(ModuleOp module) : module_(module), symbols_(module), builder_(module.getContext()) {}

  void run(exec::ProgramOp program) {
    Group group;
    for (Operation& op : llvm::make_early_inc_range(program.getBody().front())) {
      if (isa<exec::ViewOp, exec::BufferOp, exec::PortOp>(op)) {
        continue;
      }
      auto launch = dyn_cast<exec::LaunchOp>(op);
      std::optional<CudaPart> part = launch ? partOf(launch) : std::nullopt;
      if (!part || group.empty() || !group.isIndependent(launch) || !group.with(*part)) {
        close(group);
      }
      if (part) {
        group.add(launch, *part);
      }
    }
    close(group);
    setLiveRanges(program);
  }

  // Kernels whose launches all went into others.
  void eraseUnused() {
    llvm::DenseSet<StringAttr> used;
    module_.walk([&](exec::LaunchOp launch) { used.insert(launch.getKernelAttr().getAttr()); });
    for (StringAttr name : merged_) {
      if (!used.contains(name)) {
        symbols_.erase(symbols_.lookup(name));
      }
    }
  }

 private:
  std::optional<CudaPart> partOf(exec::LaunchOp launch) {
    auto kernel = symbols_.lookup<exec::KernelOp>(launch.getKernel());
    if (!kernel.getCuda() || !launch.getAbsent().empty() || launch.getCounts()) {
      return std::nullopt;
    }
    CudaPart part{.kernel = fuse::cudaKernel(kernel.getCudaAttr()),
                  .ins = static_cast<int>(launch.getIns().size()),
                  .outs = static_cast<int>(launch.getOuts().size()),
                  .numbers = launch.getParams() ? static_cast<int>(launch.getParams()->size()) : 0};
    return part.kernel.part > 0 ? std::optional(part) : std::nullopt;
  }

  exec::KernelOp kernelOf(const Group& group, const CudaKernel& cuda) {
    DictionaryAttr attr = fuse::cudaAttr(module_.getContext(), cuda);
    exec::KernelOp& kernel = made_[attr];
    if (!kernel) {
      std::string name;
      for (exec::LaunchOp launch : group.launches()) {
        auto part = symbols_.lookup<exec::KernelOp>(launch.getKernel());
        name += (name.empty() ? "" : "_") + part.getLibrary().value_or(part.getSymName()).str();
      }
      OpBuilder builder(module_.getContext());
      StringAttr text = builder.getStringAttr(name);
      kernel = exec::KernelOp::create(builder, builder.getUnknownLoc(), text, text, DictionaryAttr(), ArrayAttr(),
                                      StringAttr(), ArrayAttr(), ArrayAttr(), attr);
      symbols_.insert(kernel, module_.getBody()->begin());
    }
    return kernel;
  }

  // Makes one launch of the group's, where its last one stands, and empties it.
  void close(Group& group) {
    Group done = std::exchange(group, Group());
    if (done.launches().size() < 2) {
      return;
    }
    CudaKernel cuda = fuse::kernels::ShareLaunch(done.parts()).value();
    exec::KernelOp kernel = kernelOf(done, cuda);
    SmallVector<Value> ins, outs;
    SmallVector<Attribute> params, own;
    SmallVector<Location> locs;
    for (auto [n, launch] : llvm::enumerate(SmallVector<exec::LaunchOp>(done.launches()))) {
      llvm::append_range(ins, launch.getIns());
      llvm::append_range(outs, launch.getOuts());
      llvm::append_range(own, launch.getParams().value_or(ArrayAttr::get(module_.getContext(), {})));
      SizeExpr blocks = SizeExpr::Parse(done.parts()[n].kernel.grid[0]).value().Substitute(fuse::launchSizes(launch));
      params.push_back(builder_.getStringAttr(blocks.ToString()));
      locs.push_back(launch.getLoc());
      merged_.insert(launch.getKernelAttr().getAttr());
    }
    llvm::append_range(params, own);
    Location loc = FusedLoc::get(module_.getContext(), locs);
    builder_.setInsertionPoint(done.launches().back());
    exec::LaunchOp::create(builder_, loc, FlatSymbolRefAttr::get(kernel.getSymNameAttr()), ins, outs,
                           builder_.getDenseI64ArrayAttr({}), StringAttr(), builder_.getArrayAttr(params), ArrayAttr());
    remark::passed(loc, remark::RemarkOpts::name("share-launch").category("memory"))
        << std::to_string(done.launches().size()) << " launches are one: " << kernel.getSymName();
    for (exec::LaunchOp launch : done.launches()) {
      launch.erase();
    }
  }

  ModuleOp module_;
  SymbolTable symbols_;
  OpBuilder builder_;
  DenseMap<Attribute, exec::KernelOp> made_;
  llvm::SetVector<StringAttr> merged_;
};

struct ShareLaunches : impl::ShareLaunchesPassBase<ShareLaunches> {
  void runOnOperation() final {
    if (!fuse::targetOf(getOperation()).gpu) {
      return;
    }
    Sharer sharer(getOperation());
    for (auto program : getOperation().getOps<exec::ProgramOp>()) {
      sharer.run(program);
    }
    sharer.eraseUnused();
  }
};

}  // namespace
}  // namespace mlir::sluice::memory
