// linalg bodies → loops over scalars behind raw pointers, with the entry ABI of generated kernels.
#include "compiler/codegen/cpu/GeneratedKernels.h"
#include "compiler/codegen/cpu/ScalarEmitter.h"
#include "dialects/nn/NNDialect.h"
#include "llvm/ADT/MapVector.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::sluice::codegen {
namespace {

bool isReduction(utils::IteratorType kind) { return kind == utils::IteratorType::reduction; }

// A tensor argument in memory: its pointer, sizes and dense strides (index values).
struct Memory {
  Value pointer;
  Type element;
  SmallVector<Value> sizes, strides;
  Value offset;  // null: 0
};

class KernelEmitter {
 public:
  KernelEmitter(ModuleOp module, const GeneratedKernel& kernel)
      : kernel_(kernel),
        b_(module.getContext()),
        loc_(kernel.body->getParentOp()->getLoc()),
        scalars_(module),
        module_(module) {}

  LogicalResult run();

 private:
  Value index(int64_t value) { return arith::ConstantIndexOp::create(b_, loc_, value); }
  FailureOr<Value> size(StringRef text);
  LogicalResult openArguments(func::FuncOp func);
  LogicalResult openStrides(size_t argument, Memory& memory);
  LogicalResult emitGeneric(linalg::GenericOp op);
  LogicalResult emitLoops(linalg::GenericOp op, ArrayRef<unsigned> order, size_t depth, SmallVector<Value>& ivs,
                          ArrayRef<Value> carried, SmallVector<Value>& results);
  FailureOr<SmallVector<Value>> emitPoint(linalg::GenericOp op, ArrayRef<Value> ivs, ArrayRef<Value> accumulators);
  FailureOr<Value> sizeOfLoop(linalg::GenericOp op, unsigned loop);
  FailureOr<Value> offset(AffineMap map, ArrayRef<Value> ivs, const Memory& memory);
  FailureOr<Value> load(Value tensor, AffineMap map, ArrayRef<Value> ivs);
  LogicalResult store(Value tensor, AffineMap map, ArrayRef<Value> ivs, Value value);
  FailureOr<Value> affine(AffineExpr expr, ArrayRef<Value> ivs);
  FailureOr<SmallVector<Value>> initials(linalg::GenericOp op, ArrayRef<Value> ivs);
  const Memory* memoryOf(Value tensor);
  // The block argument of the kernel that result `n` of `op` is written to.
  Value destination(Operation* op, unsigned n);

  const GeneratedKernel& kernel_;
  OpBuilder b_;
  Location loc_;
  ScalarEmitter scalars_;
  ModuleOp module_;
  Value params_, begin_, end_;
  llvm::StringMap<Value> sizes_;
  llvm::MapVector<Value, Memory> memory_;
  LLVM::AccessGroupAttr parallel_;  // accesses of the innermost parallel loop
};

FailureOr<Value> KernelEmitter::size(StringRef text) {
  auto [it, fresh] = sizes_.try_emplace(text);
  if (!fresh) {
    return it->second;
  }
  int64_t number;
  StringRef digits = text;
  if (!text.getAsInteger(10, number)) {
    it->second = index(number);
  } else if (digits.consume_front("p") && !digits.getAsInteger(10, number)) {
    Value at = LLVM::GEPOp::create(b_, loc_, params_.getType(), b_.getI64Type(), params_,
                                   ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(number)});
    Value loaded = LLVM::LoadOp::create(b_, loc_, b_.getI64Type(), at);
    it->second = arith::IndexCastOp::create(b_, loc_, b_.getIndexType(), loaded);
  } else {
    return emitError(loc_, "kernel ") << kernel_.name << ": size '" << text << "' is neither a number nor a parameter";
  }
  return it->second;
}

// Dense strides, or those the kernel lists.
LogicalResult KernelEmitter::openStrides(size_t argument, Memory& memory) {
  memory.strides.resize(memory.sizes.size());
  if (kernel_.strides.empty()) {
    Value stride = index(1);
    for (size_t d = memory.sizes.size(); d-- > 0;) {
      memory.strides[d] = stride;
      stride = arith::MulIOp::create(b_, loc_, stride, memory.sizes[d]);
    }
    return success();
  }
  for (auto [d, text] : llvm::enumerate(kernel_.strides[argument])) {
    FailureOr<Value> stride = size(text);
    if (failed(stride)) {
      return failure();
    }
    memory.strides[d] = *stride;
  }
  if (kernel_.offsets[argument] != "0") {
    FailureOr<Value> offset = size(kernel_.offsets[argument]);
    if (failed(offset)) {
      return failure();
    }
    memory.offset = *offset;
  }
  return success();
}

// Loads the pointers, sizes and strides of every argument.
LogicalResult KernelEmitter::openArguments(func::FuncOp func) {
  Type pointer = LLVM::LLVMPointerType::get(b_.getContext());
  for (auto [n, arg] : llvm::enumerate(kernel_.body->getArguments())) {
    bool in = n < kernel_.numIns;
    int32_t slot = static_cast<int32_t>(in ? n : n - kernel_.numIns);
    Value table = func.getArgument(in ? 0 : 1);
    Value at = LLVM::GEPOp::create(b_, loc_, pointer, pointer, table, ArrayRef<LLVM::GEPArg>{slot});
    Memory memory{
        LLVM::LoadOp::create(b_, loc_, pointer, at), cast<RankedTensorType>(arg.getType()).getElementType(), {}, {}};
    for (const std::string& text : kernel_.dims[n]) {
      FailureOr<Value> value = size(text);
      if (failed(value)) {
        return failure();
      }
      memory.sizes.push_back(*value);
    }
    if (failed(openStrides(n, memory))) {
      return failure();
    }
    memory_.insert({arg, std::move(memory)});
  }
  return success();
}

Value KernelEmitter::destination(Operation* op, unsigned n) {
  Operation* terminator = kernel_.body->getTerminator();
  for (auto [slot, value] : llvm::enumerate(terminator->getOperands())) {
    if (value == op->getResult(n)) {
      return kernel_.body->getArgument(kernel_.numIns + slot);
    }
  }
  return {};
}

const Memory* KernelEmitter::memoryOf(Value tensor) {
  auto it = memory_.find(tensor);
  return it == memory_.end() ? nullptr : &it->second;
}

FailureOr<Value> KernelEmitter::affine(AffineExpr expr, ArrayRef<Value> ivs) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
    return ivs[dim.getPosition()];
  }
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    return index(constant.getValue());
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  FailureOr<Value> l = binary ? affine(binary.getLHS(), ivs) : FailureOr<Value>();
  FailureOr<Value> r = binary ? affine(binary.getRHS(), ivs) : FailureOr<Value>();
  if (failed(l) || failed(r)) {
    return emitError(loc_, "kernel ") << kernel_.name << ": an indexing map has a symbol";
  }
  switch (expr.getKind()) {
    case AffineExprKind::Add:
      return arith::AddIOp::create(b_, loc_, *l, *r).getResult();
    case AffineExprKind::Mul:
      return arith::MulIOp::create(b_, loc_, *l, *r).getResult();
    case AffineExprKind::FloorDiv:
      return arith::DivUIOp::create(b_, loc_, *l, *r).getResult();
    case AffineExprKind::Mod:
      return arith::RemUIOp::create(b_, loc_, *l, *r).getResult();
    default:
      return emitError(loc_, "kernel ") << kernel_.name << ": an indexing map divides upwards";
  }
}

FailureOr<Value> KernelEmitter::offset(AffineMap map, ArrayRef<Value> ivs, const Memory& memory) {
  Value sum = memory.offset ? memory.offset : index(0);
  for (auto [expr, stride] : llvm::zip(map.getResults(), memory.strides)) {
    FailureOr<Value> at = affine(expr, ivs);
    if (failed(at)) {
      return failure();
    }
    sum = arith::AddIOp::create(b_, loc_, sum, arith::MulIOp::create(b_, loc_, *at, stride));
  }
  return arith::IndexCastOp::create(b_, loc_, b_.getI64Type(), sum).getResult();
}

FailureOr<Value> KernelEmitter::load(Value tensor, AffineMap map, ArrayRef<Value> ivs) {
  const Memory* memory = memoryOf(tensor);
  if (!memory) {
    return emitError(loc_, "kernel ") << kernel_.name << ": reads a tensor that is no argument";
  }
  FailureOr<Value> at = offset(map, ivs, *memory);
  if (failed(at)) {
    return failure();
  }
  Type type = ScalarEmitter::memoryType(memory->element);
  Value pointer =
      LLVM::GEPOp::create(b_, loc_, memory->pointer.getType(), type, memory->pointer, ArrayRef<LLVM::GEPArg>{*at});
  auto loaded = LLVM::LoadOp::create(b_, loc_, type, pointer);
  if (parallel_) {
    loaded.setAccessGroupsAttr(b_.getArrayAttr({parallel_}));
  }
  return scalars_.fromMemory(b_, loc_, loaded, memory->element);
}

LogicalResult KernelEmitter::store(Value tensor, AffineMap map, ArrayRef<Value> ivs, Value value) {
  const Memory* memory = memoryOf(tensor);
  FailureOr<Value> at = offset(map, ivs, *memory);
  if (failed(at)) {
    return failure();
  }
  Type type = ScalarEmitter::memoryType(memory->element);
  Value pointer =
      LLVM::GEPOp::create(b_, loc_, memory->pointer.getType(), type, memory->pointer, ArrayRef<LLVM::GEPArg>{*at});
  auto stored = LLVM::StoreOp::create(b_, loc_, scalars_.toMemory(b_, loc_, value, memory->element), pointer);
  if (parallel_) {
    stored.setAccessGroupsAttr(b_.getArrayAttr({parallel_}));
  }
  return success();
}

// The size of a loop: that of a dimension indexed by it alone.
FailureOr<Value> KernelEmitter::sizeOfLoop(linalg::GenericOp op, unsigned loop) {
  for (auto [operand, map] : llvm::zip(op->getOpOperands(), op.getIndexingMapsArray())) {
    Value tensor = operand.get();
    if (operand.getOperandNumber() >= op.getNumDpsInputs()) {
      tensor = destination(op, operand.getOperandNumber() - op.getNumDpsInputs());
    }
    const Memory* memory = memoryOf(tensor);
    for (auto [d, expr] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (memory && dim && dim.getPosition() == loop) {
        return memory->sizes[d];
      }
    }
  }
  return op.emitOpError("loop ") << loop << " has no size";
}

// One iteration: loads inputs, runs the body; gives what the body yields.
FailureOr<SmallVector<Value>> KernelEmitter::emitPoint(linalg::GenericOp op, ArrayRef<Value> ivs,
                                                       ArrayRef<Value> accumulators) {
  IRMapping values;
  Block& body = *op.getBlock();
  auto maps = op.getIndexingMapsArray();
  for (unsigned n = 0; n < op.getNumDpsInputs(); ++n) {
    if (body.getArgument(n).use_empty()) {
      continue;
    }
    FailureOr<Value> value = load(op.getDpsInputs()[n], maps[n], ivs);
    if (failed(value)) {
      return failure();
    }
    values.map(body.getArgument(n), *value);
  }
  for (auto [n, value] : llvm::enumerate(accumulators)) {
    values.map(body.getArgument(op.getNumDpsInputs() + n), value);
  }
  for (Operation& inner : body.without_terminator()) {
    if (auto at = dyn_cast<linalg::IndexOp>(inner)) {
      values.map(at.getResult(), ivs[at.getDim()]);
    } else if (auto text = dyn_cast<nn::SizeOp>(inner)) {
      FailureOr<Value> value = size(text.getExpr());
      if (failed(value)) {
        return failure();
      }
      values.map(text.getResult(), *value);
    } else if (failed(scalars_.emit(b_, &inner, values))) {
      return failure();
    }
  }
  // A reduction's combining op may be reordered: its vector lanes are partial sums, whose order depends on its length
  // only.
  for (Value accumulator : accumulators) {
    for (Operation* user : accumulator.getUsers()) {
      if (auto fast = dyn_cast<arith::ArithFastMathInterface>(user)) {
        user->setAttr(fast.getFastMathAttrName(),
                      arith::FastMathFlagsAttr::get(b_.getContext(),
                                                    arith::FastMathFlags::contract | arith::FastMathFlags::reassoc));
      }
    }
  }
  SmallVector<Value> results;
  for (Value value : body.getTerminator()->getOperands()) {
    // A yielded value may be defined outside (a constant of the kernel's block).
    if (!values.contains(value)) {
      auto constant = value.getDefiningOp<arith::ConstantOp>();
      if (!constant) {
        return op.emitOpError("yields a value the kernel does not compute");
      }
      values.map(value, scalars_.constant(b_, loc_, constant.getValue()));
    }
    results.push_back(values.lookup(value));
  }
  return results;
}

// What a reduction starts from: the fill behind each out, or what the out holds.
FailureOr<SmallVector<Value>> KernelEmitter::initials(linalg::GenericOp op, ArrayRef<Value> ivs) {
  SmallVector<Value> values;
  for (auto [n, init] : llvm::enumerate(op.getDpsInits())) {
    if (auto fill = init.getDefiningOp<linalg::FillOp>()) {
      auto constant = fill.getInputs()[0].getDefiningOp<arith::ConstantOp>();
      if (!constant) {
        return op.emitOpError("starts from a fill that is no constant");
      }
      values.push_back(scalars_.constant(b_, loc_, constant.getValue()));
      continue;
    }
    FailureOr<Value> value = load(init, op.getIndexingMapsArray()[op.getNumDpsInputs() + n], ivs);
    if (failed(value)) {
      return failure();
    }
    values.push_back(*value);
  }
  return values;
}

// Loops `order[depth…]`: parallel ones outermost, then reductions that carry their accumulators.
LogicalResult KernelEmitter::emitLoops(linalg::GenericOp op, ArrayRef<unsigned> order, size_t depth,
                                       SmallVector<Value>& ivs, ArrayRef<Value> carried, SmallVector<Value>& results) {
  auto kinds = op.getIteratorTypesArray();
  auto maps = op.getIndexingMapsArray();
  bool reduces = depth < order.size() && isReduction(kinds[order[depth]]);
  bool firstReduction = reduces && (depth == 0 || !isReduction(kinds[order[depth - 1]]));
  SmallVector<Value> start(carried);
  if (firstReduction) {
    FailureOr<SmallVector<Value>> values = initials(op, ivs);
    if (failed(values)) {
      return failure();
    }
    start = *values;
  }
  auto writeOut = [&](ArrayRef<Value> values) {
    for (auto [n, value] : llvm::enumerate(values)) {
      if (failed(store(destination(op, n), maps[op.getNumDpsInputs() + n], ivs, value))) {
        return failure();
      }
    }
    return success();
  };
  if (depth == order.size()) {
    FailureOr<SmallVector<Value>> values = emitPoint(op, ivs, carried);
    if (failed(values)) {
      return failure();
    }
    results = *values;
    bool anyReduction = op.getNumReductionLoops() > 0;
    return anyReduction ? success() : writeOut(results);
  }
  unsigned loop = order[depth];
  bool only = kinds.size() == 1 && !reduces;  // the innermost loop is also the rows
  FailureOr<Value> bound = only ? FailureOr<Value>(end_) : sizeOfLoop(op, loop);
  if (failed(bound)) {
    return failure();
  }
  Value low = only ? begin_ : index(0);
  auto loopOp = scf::ForOp::create(b_, loc_, low, *bound, index(1), reduces ? ValueRange(start) : ValueRange());
  bool innermostParallel = !reduces && depth + 1 == order.size();
  if (innermostParallel) {
    // Iterations are independent even when an output is an input's memory: each reads its element before it writes it.
    parallel_ = LLVM::AccessGroupAttr::get(b_.getContext(), DistinctAttr::create(b_.getUnitAttr()));
    LLVM::LoopAnnotationAttr annotation = LLVM::LoopAnnotationAttr::get(b_.getContext(), {}, {}, {}, {}, {}, {}, {}, {},
                                                                        {}, {}, {}, {}, {}, {}, {parallel_});
    loopOp->setAttr("llvm.loop_annotation", annotation);
  }
  ivs[loop] = loopOp.getInductionVar();
  {
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(loopOp.getBody());
    SmallVector<Value> inner, args(loopOp.getRegionIterArgs());
    if (failed(emitLoops(op, order, depth + 1, ivs, args, inner))) {
      return failure();
    }
    if (reduces) {
      b_.setInsertionPointToEnd(loopOp.getBody());
      scf::YieldOp::create(b_, loc_, inner);
    }
  }
  parallel_ = {};
  results.assign(loopOp.getResults().begin(), loopOp.getResults().end());
  return firstReduction ? writeOut(results) : success();
}

LogicalResult KernelEmitter::emitGeneric(linalg::GenericOp op) {
  for (unsigned n = 0; n < op->getNumResults(); ++n) {
    if (!destination(op, n)) {
      return op.emitOpError("result ") << n << " is not written by the kernel";
    }
  }
  // Rows: all parallel loops but the innermost loop; the rest run inside, reductions last.
  SmallVector<unsigned> rows, rest, reductions;
  auto kinds = op.getIteratorTypesArray();
  for (unsigned loop = 0; loop < kinds.size(); ++loop) {
    (isReduction(kinds[loop]) ? reductions : rest).push_back(loop);
  }
  if (kinds.size() > 1) {
    size_t count = reductions.empty() ? rest.size() - 1 : rest.size();
    rows.assign(rest.begin(), rest.begin() + count);
    rest.erase(rest.begin(), rest.begin() + count);
  }
  rest.append(reductions);
  SmallVector<Value> ivs(kinds.size()), results;
  if (rows.empty()) {
    return emitLoops(op, rest, 0, ivs, {}, results);
  }
  auto rowLoop = scf::ForOp::create(b_, loc_, begin_, end_, index(1));
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointToStart(rowLoop.getBody());
  Value row = rowLoop.getInductionVar();
  for (size_t n = rows.size(); n-- > 0;) {
    if (n == 0) {
      ivs[rows[0]] = row;
      break;
    }
    FailureOr<Value> size = sizeOfLoop(op, rows[n]);
    if (failed(size)) {
      return failure();
    }
    ivs[rows[n]] = arith::RemUIOp::create(b_, loc_, row, *size);
    row = arith::DivUIOp::create(b_, loc_, row, *size);
  }
  return emitLoops(op, rest, 0, ivs, {}, results);
}

LogicalResult KernelEmitter::run() {
  Type pointer = LLVM::LLVMPointerType::get(b_.getContext());
  Type i64 = b_.getI64Type();
  b_.setInsertionPointToEnd(module_.getBody());
  auto func =
      func::FuncOp::create(b_, loc_, kernel_.name, b_.getFunctionType({pointer, pointer, pointer, i64, i64}, {}));
  b_.setInsertionPointToStart(func.addEntryBlock());
  params_ = func.getArgument(2);
  begin_ = arith::IndexCastOp::create(b_, loc_, b_.getIndexType(), func.getArgument(3));
  end_ = arith::IndexCastOp::create(b_, loc_, b_.getIndexType(), func.getArgument(4));
  if (failed(openArguments(func))) {
    return failure();
  }
  for (Operation& op : kernel_.body->without_terminator()) {
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      if (failed(emitGeneric(generic))) {
        return failure();
      }
    } else if (!isa<linalg::FillOp, tensor::EmptyOp, arith::ConstantOp>(op)) {
      return op.emitOpError("cannot stand in a generated kernel");
    }
  }
  func::ReturnOp::create(b_, loc_);
  return success();
}

}  // namespace

FailureOr<OwningOpRef<ModuleOp>> emitLoops(MLIRContext& context, ArrayRef<GeneratedKernel> kernels) {
  context.loadDialect<LLVM::LLVMDialect, scf::SCFDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>();
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  for (const GeneratedKernel& kernel : kernels) {
    if (failed(KernelEmitter(*module, kernel).run())) {
      return failure();
    }
  }
  return module;
}

}  // namespace mlir::sluice::codegen
