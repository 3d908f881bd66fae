#include "passes/fuse/KernelBuilder.h"

#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::sluice::fuse {

using nn::SizeExpr;
using nn::Sizes;

namespace {

bool isZero(const SizeExpr& size) { return size.Constant() == 0; }
bool isOne(const SizeExpr& size) { return size.Constant() == 1; }

// One tensor as the kernel's loops read it: memory offset and stride a loop, in elements.
struct Access {
  Value tensor;
  SizeExpr offset;
  SmallVector<SizeExpr> strides;  // per loop of the root's shape
  BlockArgument scalar;           // the element, in the body
};

// An index the body computes from loop numbers (iota).
struct IndexUse {
  SmallVector<SizeExpr> strides;
  SizeExpr offset;
  Operation* placeholder;  // replaced once loops are merged
};

class KernelBuilder {
 public:
  KernelBuilder(Operation* root, const llvm::DenseSet<Operation*>& roots, nn::SizeAnalysis& sizes)
      : root_(root), roots_(roots), sizes_(sizes), builder_(root->getContext()), shape_(sizes.of(root->getResult(0))) {}

  BuiltKernel build();

 private:
  Value emit(Value tensor, const Indices& index);
  Value emitLeaf(Operation* op, const Indices& index);
  Value emitCompute(Operation* op, const Indices& index);
  Value read(Value tensor, const Indices& index);
  Value scalarConstant(Location loc, Attribute value, Type type);
  Value indexValue(const LinearIndex& index, Location loc);
  Value toElement(Value integer, Type element, Location loc);
  void mergeLoops();
  std::string param(const SizeExpr& size);
  SizeExpr strideOf(const Access& access, size_t group) { return access.strides[groups_[group].second - 1]; }
  void materializeIndexUses(OpBuilder& builder);
  // What exec.kernel says of its operands.
  struct Operands {
    SmallVector<Attribute> dims, strides, offsets;
    SmallVector<AffineMap> maps;
    SmallVector<Type> types;
    bool dense = true;
  };
  void addOperand(Operands& operands, Type element, ArrayRef<unsigned> loops, ArrayRef<SizeExpr> strides,
                  const SizeExpr& offset);
  Operands operands(Type result);
  void fillBody(exec::KernelOp kernel, const Operands& operands);
  void finish(BuiltKernel& built);

  Operation* root_;
  const llvm::DenseSet<Operation*>& roots_;
  nn::SizeAnalysis& sizes_;
  OpBuilder builder_;
  Sizes shape_;  // of the root: the loops before merging
  Block body_;
  SmallVector<Access, 4> accesses_;
  SmallVector<IndexUse> index_uses_;
  SmallVector<std::pair<unsigned, unsigned>> groups_;  // loops after merging: runs [begin, end) of shape_
  SmallVector<SizeExpr> group_sizes_;
  SmallVector<SizeExpr> params_;
  llvm::SetVector<Operation*> taken_;
  DenseMap<Value, SmallVector<std::pair<Indices, Value>>> memo_;
};

bool sameIndices(const Indices& a, const Indices& b) {
  return llvm::all_of(llvm::zip_equal(a, b), [](auto pair) {
    auto& [x, y] = pair;
    return x.offset == y.offset && x.coef == y.coef;
  });
}

Value KernelBuilder::scalarConstant(Location loc, Attribute value, Type type) {
  if (auto integer = dyn_cast<IntegerAttr>(value)) {
    value = IntegerAttr::get(signless(type), integer.getValue());
  }
  return arith::ConstantOp::create(builder_, loc, cast<TypedAttr>(value));
}

Value KernelBuilder::toElement(Value integer, Type element, Location loc) {
  // `integer` is an index.
  if (isa<FloatType>(element)) {
    Value wide = arith::IndexCastOp::create(builder_, loc, builder_.getI64Type(), integer);
    return arith::SIToFPOp::create(builder_, loc, element, wide);
  }
  return arith::IndexCastOp::create(builder_, loc, signless(element), integer);
}

Value KernelBuilder::indexValue(const LinearIndex& index, Location loc) {
  // Which loops there are is decided when all accesses are known; until then the index is a placeholder.
  auto placeholder = nn::SizeOp::create(builder_, loc, builder_.getIndexType(), builder_.getStringAttr("0"));
  SmallVector<SizeExpr> strides = index.coef;
  strides.resize(shape_.size(), SizeExpr(0));
  index_uses_.push_back({strides, index.offset, placeholder});
  return placeholder;
}

Value KernelBuilder::emitLeaf(Operation* op, const Indices& index) {
  Location loc = op->getLoc();
  Type element = cast<RankedTensorType>(op->getResult(0).getType()).getElementType();
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    return scalarConstant(loc, cast<DenseElementsAttr>(constant.getValue()).getSplatValue<Attribute>(), element);
  }
  if (auto fill = dyn_cast<linalg::FillOp>(op)) {
    auto constant = fill.getInputs().front().getDefiningOp<arith::ConstantOp>();
    return scalarConstant(loc, constant.getValue(), element);
  }
  if (isa<nn::IotaOp>(op)) {
    return toElement(indexValue(index.front(), loc), element, loc);
  }
  // nn.sizes: one expression an element, chosen by comparing the index.
  ArrayAttr exprs = cast<nn::SizesOp>(op).getExprs();
  auto sizeAt = [&](unsigned i) -> Value {
    SizeExpr size = SizeExpr::Parse(cast<StringAttr>(exprs[i]).getValue().str()).value();
    return toElement(nn::SizeOp::create(builder_, loc, builder_.getIndexType(), builder_.getStringAttr(param(size))),
                     element, loc);
  };
  Value result = sizeAt(0);
  for (unsigned i = 1; i < exprs.size(); ++i) {
    Value at = indexValue(index.front(), loc);
    Value want = arith::ConstantIndexOp::create(builder_, loc, i);
    Value is = arith::CmpIOp::create(builder_, loc, arith::CmpIPredicate::eq, at, want);
    result = arith::SelectOp::create(builder_, loc, is, sizeAt(i), result);
  }
  return result;
}

Value KernelBuilder::emitCompute(Operation* op, const Indices& index) {
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(emit(operand, index));
  }
  Type element = cast<RankedTensorType>(op->getResult(0).getType()).getElementType();
  OperationState state(op->getLoc(), op->getName(), operands, signless(element), op->getAttrs());
  return builder_.create(state)->getResult(0);
}

Value KernelBuilder::read(Value tensor, const Indices& index) {
  Access access{.tensor = tensor, .offset = SizeExpr(0), .strides = SmallVector<SizeExpr>(shape_.size(), SizeExpr(0))};
  Sizes sizes = sizes_.of(tensor);
  SizeExpr stride(1);
  for (size_t d = sizes.size(); d-- > 0;) {
    access.offset = access.offset + index[d].offset * stride;
    for (auto [loop, coef] : llvm::enumerate(index[d].coef)) {
      access.strides[loop] = access.strides[loop] + coef * stride;
    }
    stride = stride * sizes[d];
  }
  for (auto [loop, size] : llvm::enumerate(shape_)) {
    if (isOne(size)) {
      access.strides[loop] = SizeExpr(0);
    }
  }
  for (Access& other : accesses_) {
    if (other.tensor == tensor && other.offset == access.offset && other.strides == access.strides) {
      return other.scalar;
    }
  }
  Type element = cast<RankedTensorType>(tensor.getType()).getElementType();
  access.scalar = body_.addArgument(signless(element), tensor.getLoc());
  accesses_.push_back(access);
  return access.scalar;
}

Value KernelBuilder::emit(Value tensor, const Indices& index) {
  for (auto& [known, value] : memo_[tensor]) {
    if (sameIndices(known, index)) {
      return value;
    }
  }
  Operation* op = tensor.getDefiningOp();
  FuseKind kind =
      op && (op == root_ || !roots_.contains(op)) && !isWeightExpr(tensor) ? fuseKind(op, sizes_) : FuseKind::None;
  Value value;
  if (kind == FuseKind::None) {
    value = read(tensor, index);
  } else {
    taken_.insert(op);
    value = kind == FuseKind::Compute ? emitCompute(op, index)
            : kind == FuseKind::Leaf  ? emitLeaf(op, index)
                                      : emit(indexSource(op), sourceIndices(op, index, shape_.size(), sizes_));
  }
  memo_[tensor].emplace_back(index, value);
  return value;
}

// Neighbouring loops are one when every access and index walks them as one: stride outer = stride inner · size inner.
void KernelBuilder::mergeLoops() {
  auto walksAsOne = [&](ArrayRef<SizeExpr> strides, unsigned outer, unsigned inner) {
    return strides[outer] == strides[inner] * shape_[inner];
  };
  SmallVector<unsigned> loops;
  for (unsigned d = 0; d < shape_.size(); ++d) {
    if (!isOne(shape_[d])) {
      loops.push_back(d);
    }
  }
  for (unsigned d : loops) {
    bool merges = !groups_.empty();
    if (merges) {
      unsigned outer = groups_.back().second - 1;
      merges = llvm::all_of(accesses_, [&](Access& a) { return walksAsOne(a.strides, outer, d); }) &&
               llvm::all_of(index_uses_, [&](IndexUse& u) { return walksAsOne(u.strides, outer, d); });
    }
    if (merges) {
      groups_.back().second = d + 1;
      group_sizes_.back() = group_sizes_.back() * shape_[d];
    } else {
      groups_.emplace_back(d, d + 1);
      group_sizes_.push_back(shape_[d]);
    }
  }
}

// "p3", or the number.
std::string KernelBuilder::param(const SizeExpr& size) {
  if (size.IsConstant()) {
    return size.ToString();
  }
  auto it = llvm::find(params_, size);
  size_t number = it - params_.begin();
  if (it == params_.end()) {
    params_.push_back(size);
  }
  return "p" + std::to_string(number);
}

void KernelBuilder::materializeIndexUses(OpBuilder& builder) {
  for (IndexUse& use : index_uses_) {
    builder.setInsertionPoint(use.placeholder);
    Location loc = use.placeholder->getLoc();
    auto sizeValue = [&](const SizeExpr& size) -> Value {
      if (auto constant = size.Constant()) {
        return arith::ConstantIndexOp::create(builder, loc, *constant);
      }
      return nn::SizeOp::create(builder, loc, builder.getIndexType(), builder.getStringAttr(param(size)));
    };
    Value sum;
    auto add = [&](Value term) { sum = sum ? arith::AddIOp::create(builder, loc, sum, term).getResult() : term; };
    for (auto [g, group] : llvm::enumerate(groups_)) {
      SizeExpr stride = use.strides[group.second - 1];
      if (isZero(stride)) {
        continue;
      }
      Value index = linalg::IndexOp::create(builder, loc, g);
      add(isOne(stride) ? index : arith::MulIOp::create(builder, loc, index, sizeValue(stride)).getResult());
    }
    if (!isZero(use.offset) || !sum) {
      add(sizeValue(use.offset));
    }
    use.placeholder->getResult(0).replaceAllUsesWith(sum);
    use.placeholder->erase();
  }
}

// One operand of the kernel: a dimension a loop of `loops`, with its stride in elements.
void KernelBuilder::addOperand(Operands& operands, Type element, ArrayRef<unsigned> loops, ArrayRef<SizeExpr> strides,
                               const SizeExpr& offset) {
  auto list = [&](ArrayRef<SizeExpr> sizes) -> Attribute {
    SmallVector<Attribute> attrs;
    for (const SizeExpr& size : sizes) {
      attrs.push_back(builder_.getStringAttr(param(size)));
    }
    return builder_.getArrayAttr(attrs);
  };
  Sizes sizes;
  SmallVector<AffineExpr> exprs;
  for (unsigned g : loops) {
    sizes.push_back(group_sizes_[g]);
    exprs.push_back(builder_.getAffineDimExpr(g));
  }
  SizeExpr stride(1);
  for (size_t d = sizes.size(); d-- > 0;) {
    operands.dense = operands.dense && stride == strides[d];
    stride = stride * sizes[d];
  }
  operands.dense = operands.dense && isZero(offset);
  operands.maps.push_back(AffineMap::get(group_sizes_.size(), 0, exprs, root_->getContext()));
  operands.types.push_back(nn::typeOf(sizes, element));
  operands.dims.push_back(list(sizes));
  operands.strides.push_back(list(strides));
  operands.offsets.push_back(builder_.getStringAttr(param(offset)));
}

// What the kernel reads, then its dense result.
KernelBuilder::Operands KernelBuilder::operands(Type result) {
  Operands operands;
  for (Access& access : accesses_) {
    SmallVector<unsigned> loops;
    SmallVector<SizeExpr> strides;
    for (unsigned g = 0; g < groups_.size(); ++g) {
      if (!isZero(strideOf(access, g))) {
        loops.push_back(g);
        strides.push_back(strideOf(access, g));
      }
    }
    addOperand(operands, access.scalar.getType(), loops, strides, access.offset);
  }
  size_t loops = group_sizes_.size();
  SmallVector<SizeExpr> dense(loops, SizeExpr(1));
  for (size_t g = loops - 1; g-- > 0;) {
    dense[g] = dense[g + 1] * group_sizes_[g + 1];
  }
  addOperand(operands, result, llvm::to_vector(llvm::seq<unsigned>(0, loops)), dense, SizeExpr(0));
  return operands;
}

// Moves the scalar body into the linalg.generic that the kernel holds.
void KernelBuilder::fillBody(exec::KernelOp kernel, const Operands& operands) {
  Location loc = root_->getLoc();
  Block& block = kernel.getBody().emplaceBlock();
  block.addArguments(operands.types, SmallVector<Location>(operands.types.size(), loc));
  OpBuilder builder = OpBuilder::atBlockEnd(&block);
  SmallVector<utils::IteratorType> iterators(group_sizes_.size(), utils::IteratorType::parallel);
  ValueRange args = block.getArguments();
  Type result = operands.types.back();
  auto generic =
      linalg::GenericOp::create(builder, loc, result, args.drop_back(), args.take_back(), operands.maps, iterators);
  body_.addArgument(cast<RankedTensorType>(result).getElementType(), loc);
  Block& inner = generic.getRegion().emplaceBlock();
  for (BlockArgument arg : body_.getArguments()) {
    arg.replaceAllUsesWith(inner.addArgument(arg.getType(), loc));
  }
  inner.getOperations().splice(inner.end(), body_.getOperations());
  exec::YieldOp::create(builder, loc, generic.getResults());
}

void KernelBuilder::finish(BuiltKernel& built) {
  if (group_sizes_.empty()) {
    group_sizes_.push_back(SizeExpr(1));
  }
  Operands found = operands(signless(cast<RankedTensorType>(root_->getResult(0).getType()).getElementType()));
  for (const Access& access : accesses_) {
    built.ins.push_back(access.tensor);
  }
  SizeExpr rows = group_sizes_.front();
  for (size_t g = 1; g + 1 < group_sizes_.size(); ++g) {
    rows = rows * group_sizes_[g];
  }
  OpBuilder builder(root_->getContext());
  built.kernel = exec::KernelOp::create(builder, root_->getLoc(), builder.getStringAttr("ew"), StringAttr(),
                                        DictionaryAttr(), builder.getArrayAttr(found.dims),
                                        builder.getStringAttr(param(rows)), ArrayAttr(), ArrayAttr(), DictionaryAttr());
  if (!found.dense) {
    built.kernel->setStridesAttr(builder.getArrayAttr(found.strides));
    built.kernel->setOffsetsAttr(builder.getArrayAttr(found.offsets));
  }
  fillBody(*built.kernel, found);
}

BuiltKernel KernelBuilder::build() {
  Indices identity;
  for (unsigned d = 0; d < shape_.size(); ++d) {
    LinearIndex index{SizeExpr(0), SmallVector<SizeExpr>(shape_.size(), SizeExpr(0))};
    index.coef[d] = SizeExpr(1);
    identity.push_back(index);
  }
  builder_.setInsertionPointToEnd(&body_);
  Value result = emit(root_->getResult(0), identity);
  linalg::YieldOp::create(builder_, root_->getLoc(), result);
  mergeLoops();
  OpBuilder builder(root_->getContext());
  materializeIndexUses(builder);
  BuiltKernel built;
  finish(built);
  built.params = params_;
  for (Operation* op : taken_) {
    built.locs.push_back(op->getLoc());
  }
  return built;
}

}  // namespace

BuiltKernel buildKernel(Operation* root, const llvm::DenseSet<Operation*>& roots, nn::SizeAnalysis& sizes) {
  return KernelBuilder(root, roots, sizes).build();
}

}  // namespace mlir::sluice::fuse
