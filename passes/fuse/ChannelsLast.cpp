// Convolutions with channels last, and what stands between them too.
//
//   %y = nn.conv %x, %w                    %x1 = linalg.transpose %x [0, 2, 3, 1]
//   %r = maximum(%y, 0)               →    %y1 = exec.dispatch @conv(%x1, transposed %w)      channels_last
//   %p = nn.pool %r                        %r1 = maximum(%y1, 0)
//                                          %p1 = exec.dispatch @pool(%r1)                     channels_last
//                                          %p = linalg.transpose %p1 [0, 3, 1, 2]
//
// One walk in program order.  A convolution whose CUDA family has a plan for channels last is made a dispatch of it,
// between transposes; every other op is asked to work on what a transpose moved, so that transposes sink until somebody
// needs the channels second.  Those that remain are views of the operands that may be strided, or copies.
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/Fusible.h"
#include "passes/fuse/Passes.h"
#include "passes/fuse/Selection.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_CHANNELSLASTPASS
#include "passes/fuse/Passes.h.inc"

namespace {

using nn::Sizes;

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

//===-- Orders of dimensions
//---------------------------------------------------------------------------------------===//

// [b, c, …] to [b, …, c], as linalg.transpose takes it: result dimension i is source dimension order[i].
SmallVector<int64_t> toLast(int64_t rank) {
  SmallVector<int64_t> order = {0};
  for (int64_t d = 2; d < rank; ++d) {
    order.push_back(d);
  }
  order.push_back(1);
  return order;
}

SmallVector<int64_t> toSecond(int64_t rank) {
  SmallVector<int64_t> order = {0, rank - 1};
  for (int64_t d = 1; d + 1 < rank; ++d) {
    order.push_back(d);
  }
  return order;
}

// Where dimension d of [b, c, …] is in [b, …, c].
int64_t lastOf(int64_t d, int64_t rank) { return d == 0 ? 0 : d == 1 ? rank - 1 : d - 1; }

RankedTensorType permutedType(RankedTensorType type, ArrayRef<int64_t> order) {
  SmallVector<int64_t> shape = llvm::map_to_vector(order, [&](int64_t from) { return type.getDimSize(from); });
  return RankedTensorType::get(shape, type.getElementType());
}

Sizes permutedSizes(const Sizes& sizes, ArrayRef<int64_t> order) {
  Sizes result;
  for (int64_t from : order) {
    result.push_back(sizes[from]);
  }
  return result;
}

//===-- Rewrites
//---------------------------------------------------------------------------------------------------===//

class Mover {
 public:
  Mover(Selector& selector, Block& block) : selector_(selector), builder_(block.getParentOp()->getContext()) {
    for (Operation& op : llvm::make_early_inc_range(block)) {
      move(&op);
    }
    for (Operation& op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (isOpTriviallyDead(&op)) {
        op.erase();
      }
    }
  }

 private:
  void move(Operation* op) {
    builder_.setInsertionPoint(op);
    if (isa<nn::ConvOp, nn::ConvTransposeOp>(op)) {
      moveConv(cast<nn::KernelOpInterface>(op));
    } else if (auto pool = dyn_cast<nn::PoolOp>(op)) {
      if (Value x = peeled(pool.getX())) {
        replaceByKernel(pool, selectionOf(cast<nn::KernelOpInterface>(op), sizes_), x);
      }
    } else if (auto reduce = dyn_cast<linalg::ReduceOp>(op)) {
      moveReduce(reduce);
    } else if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
      moveConcat(concat);
    } else if (fuseKind(op, sizes_) == FuseKind::Compute || isa<tensor::BitcastOp>(op)) {
      moveElementwise(op);
    }
  }

  // What a transpose to channels second has moved; null for other values.
  static Value peeled(Value value) {
    auto transpose = value.getDefiningOp<linalg::TransposeOp>();
    int64_t rank = typeOf(value).getRank();
    return transpose && rank > 2 && transpose.getPermutation() == ArrayRef<int64_t>(toSecond(rank))
               ? transpose.getInput()
               : Value();
  }

  Value transposed(Value value, ArrayRef<int64_t> order) {
    if (Value same = transposedSplat(value, order)) {
      return same;
    }
    Sizes sizes = permutedSizes(sizes_.of(value), order);
    Value empty = nn::emptyTensor(builder_, value.getLoc(), sizes, typeOf(value).getElementType());
    return linalg::TransposeOp::create(builder_, value.getLoc(), value, empty, order)->getResult(0);
  }

  // The transpose of a constant of one number: null of other values.
  Value transposedSplat(Value value, ArrayRef<int64_t> order) {
    auto constant = value.getDefiningOp<arith::ConstantOp>();
    auto splat = constant ? dyn_cast<SplatElementsAttr>(constant.getValue()) : SplatElementsAttr();
    auto type = permutedType(typeOf(value), order);
    return splat ? arith::ConstantOp::create(builder_, value.getLoc(), type, splat.resizeSplat(type)).getResult()
                 : Value();
  }

  // `value` with channels last, whatever that costs.
  Value last(Value value) {
    Value x = peeled(value);
    return x ? x : transposed(value, toLast(typeOf(value).getRank()));
  }

  // `value` with channels last where that is free for an element-wise reader: null if it is not.
  Value lastForFree(Value value) {
    if (Value x = peeled(value)) {
      return x;
    }
    int64_t rank = typeOf(value).getRank();
    SmallVector<int64_t> order = toLast(rank);
    if (value.getDefiningOp<arith::ConstantOp>()) {
      return transposedSplat(value, order);
    }
    if (Operation* op = value.getDefiningOp(); fuseKind(op, sizes_) == FuseKind::Compute && value.hasOneUse()) {
      return elementwiseLast(op);
    }
    auto broadcast = value.getDefiningOp<linalg::BroadcastOp>();
    SmallVector<int64_t> added, kept;
    for (int64_t d = 0; broadcast && d < rank; ++d) {
      (llvm::is_contained(broadcast.getDimensions(), d) ? added : kept).push_back(lastOf(d, rank));
    }
    if (!broadcast || !llvm::is_sorted(kept)) {
      return Value();
    }
    llvm::sort(added);
    Value empty = nn::emptyTensor(builder_, value.getLoc(), permutedSizes(sizes_.of(value), order),
                                  typeOf(value).getElementType());
    return linalg::BroadcastOp::create(builder_, value.getLoc(), broadcast.getInput(), empty, added)->getResult(0);
  }

  void replaceMoved(Operation* op, Value moved) {
    builder_.setInsertionPoint(op);
    op->getResult(0).replaceAllUsesWith(transposed(moved, toSecond(typeOf(moved).getRank())));
  }

  // The op's kernel on `x`, with channels last; false when its family has no such plan.
  bool replaceByKernel(Operation* op, Selection selection, Value x) {
    SmallVector<int64_t> order = toLast(typeOf(x).getRank());
    selection.slots[0] = x;
    selection.config.push_back(builder_.getNamedAttr("channels_last", builder_.getI64IntegerAttr(1)));
    selection.types[0] = permutedType(selection.types[0], order);
    selection.sizes[0] = permutedSizes(selection.sizes[0], order);
    absl::StatusOr<kernels::CudaChoice> choice = selector_.choose(selection, sizes_);
    if (!choice.ok()) {
      remark::missed(op->getLoc(), remark::RemarkOpts::name("channels-last").category("fuse"))
          << "kernel " << selection.library << " keeps its channels second: " << std::string(choice.status().message());
      return false;
    }
    replaceMoved(op, selector_.dispatch(op, selection, &*choice).getResult(0));
    return true;
  }

  // Codes have products that f32 sums nearly exactly, and what is computed is rounded to codes again: the tensor cores'
  // sums of f32, which are truncated, would round some of them otherwise.
  static bool readsCodes(Operation* op) { return op->getOperand(0).getDefiningOp<nn::DequantizeOp>() != nullptr; }

  void moveConv(nn::KernelOpInterface op) {
    if (readsCodes(op)) {
      return;
    }
    Selection selection = selectionOf(op, sizes_);
    auto transpose = dyn_cast<nn::ConvTransposeOp>(op.getOperation());
    Value w = selection.slots[1];
    if (!typeOf(w).hasStaticShape()) {
      return;
    }
    auto conv = dyn_cast<nn::ConvOp>(op.getOperation());
    if (conv && cutsIntoPatches(conv)) {
      return movePatches(conv, selection);
    }
    selection.slots[1] = transpose ? gathering(w, transpose.getGroups()) : transposed(w, toLast(typeOf(w).getRank()));
    replaceByKernel(op, selection, last(selection.slots[0]));
  }

  // Windows that neither overlap nor leave anything out, of more than a pixel each.
  bool cutsIntoPatches(nn::ConvOp conv) {
    ArrayRef<int64_t> kernel = typeOf(conv.getW()).getShape().drop_front(2);
    ArrayRef<int64_t> image = typeOf(conv.getX()).getShape().drop_front(2);
    auto isZero = [](int64_t n) { return n == 0; };
    return conv.getGroups() == 1 && kernel == conv.getStrides() && llvm::all_of(conv.getPads(), isZero) &&
           llvm::all_of(llvm::zip_equal(image, kernel),
                        [](auto sizes) {
                          auto [all, one] = sizes;
                          return all != ShapedType::kDynamic && all % one == 0;
                        }) &&
           llvm::any_of(kernel, [](int64_t n) { return n > 1; });
  }

  // A convolution of patches is one of pixels that have a patch's elements as their channels:
  // [b, c, H·p, …] → [b, H, …, c·p…], w as it lies; where x has its channels last already, in that order.
  void movePatches(nn::ConvOp conv, Selection& selection) {
    Value moved = peeled(conv.getX()), x = moved ? moved : conv.getX();
    RankedTensorType w = typeOf(conv.getW());
    int64_t rank = w.getRank(), features = w.getDimSize(0), first = moved ? 1 : 2;
    ArrayRef<int64_t> kernel = w.getShape().drop_front(2);
    Sizes split, sizes = sizes_.of(x), joined = {sizes[0]};
    SmallVector<int64_t> order = {0}, inside, ones(rank - 2, 1);
    for (int64_t d = 0; d < rank; ++d) {
      if (d < first || d >= first + rank - 2) {
        if (d > 0) {
          inside.push_back(static_cast<int64_t>(split.size()));
        }
        split.push_back(sizes[d]);
        continue;
      }
      nn::SizeExpr count(typeOf(x).getDimSize(d) / kernel[d - first]);
      order.push_back(static_cast<int64_t>(split.size()));
      inside.push_back(order.back() + 1);
      split.append({count, nn::SizeExpr(kernel[d - first])});
      joined.push_back(count);
    }
    llvm::append_range(order, inside);
    int64_t elements = w.getNumElements() / std::max<int64_t>(1, features);
    joined.push_back(nn::SizeExpr(elements));
    Value weight = moved ? transposed(conv.getW(), toLast(rank)) : conv.getW();
    SmallVector<int64_t> pointwise(rank, 1);
    pointwise.front() = features, pointwise.back() = elements;
    selection.slots[1] = reshaped(weight, pointwise);
    selection.config = {
        builder_.getNamedAttr("strides", builder_.getDenseI64ArrayAttr(ones)),
        builder_.getNamedAttr("pads", builder_.getDenseI64ArrayAttr(SmallVector<int64_t>(2 * ones.size(), 0))),
        builder_.getNamedAttr("dilations", builder_.getDenseI64ArrayAttr(ones)),
        builder_.getNamedAttr("groups", builder_.getI64IntegerAttr(1))};
    replaceByKernel(conv, selection, reshaped(transposed(reshaped(x, split), order), joined));
  }

  // The weight [c, f / groups, …] of a transpose as what each of its results gathers: [f, …, c / groups].
  Value gathering(Value w, int64_t groups) {
    RankedTensorType type = typeOf(w);
    SmallVector<int64_t> split = {groups, type.getDimSize(0) / groups}, order = {0, 2},
                         joined = {groups * type.getDimSize(1)};
    llvm::append_range(split, type.getShape().drop_front());
    for (int64_t d = 3; d <= type.getRank(); ++d) {
      order.push_back(d);
      joined.push_back(split[d]);
    }
    order.push_back(1);
    joined.push_back(split[1]);
    return reshaped(transposed(reshaped(w, split), order), joined);
  }

  Value reshaped(Value value, ArrayRef<int64_t> shape) {
    return reshaped(value, llvm::map_to_vector<8>(shape, [](int64_t n) { return nn::SizeExpr(n); }));
  }
  Value reshaped(Value value, const Sizes& sizes) {
    SmallVector<int64_t> shape =
        llvm::map_to_vector(sizes, [](const nn::SizeExpr& n) { return n.Constant().value_or(ShapedType::kDynamic); });
    return nn::ReshapeOp::create(builder_, value.getLoc(), RankedTensorType::get(shape, typeOf(value).getElementType()),
                                 value, nn::sizesAttr(builder_.getContext(), sizes));
  }

  void moveElementwise(Operation* op) {
    if (llvm::none_of(op->getOperands(), [](Value x) { return peeled(x) != nullptr; })) {
      return;
    }
    if (Value moved = elementwiseLast(op)) {
      replaceMoved(op, moved);
    }
  }

  // An element-wise op on operands with channels last: null where they are not free.
  Value elementwiseLast(Operation* op) {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      operands.push_back(lastForFree(operand));
      if (!operands.back()) {
        return Value();
      }
    }
    RankedTensorType type = typeOf(op->getResult(0));
    OperationState state(op->getLoc(), op->getName(), operands, permutedType(type, toLast(type.getRank())),
                         op->getAttrs());
    state.propertiesAttr = op->getPropertiesAsAttribute();
    return builder_.create(state)->getResult(0);
  }

  // The dimensions that are kept must lie in the same order both ways: the result has no channels to move.
  void moveReduce(linalg::ReduceOp reduce) {
    Value x = reduce.getInputs().size() == 1 ? peeled(reduce.getInputs().front()) : Value();
    if (!x) {
      return;
    }
    int64_t rank = typeOf(x).getRank();
    SmallVector<int64_t> reduced, kept;
    for (int64_t d = 0; d < rank; ++d) {
      (llvm::is_contained(reduce.getDimensions(), d) ? reduced : kept).push_back(lastOf(d, rank));
    }
    if (llvm::is_sorted(kept)) {
      llvm::sort(reduced);
      reduce.getInputsMutable().assign(x);
      reduce.setDimensions(reduced);
    }
  }

  void moveConcat(tensor::ConcatOp concat) {
    SmallVector<Value> parts = llvm::map_to_vector(concat.getInputs(), [](Value x) { return peeled(x); });
    if (llvm::all_of(parts, [](Value x) { return x != nullptr; })) {
      auto moved = tensor::ConcatOp::create(builder_, concat.getLoc(),
                                            lastOf(concat.getDim(), typeOf(parts.front()).getRank()), parts);
      replaceMoved(concat, moved);
    }
  }

  Selector& selector_;
  OpBuilder builder_;
  nn::SizeAnalysis sizes_;
};

struct ChannelsLast : impl::ChannelsLastPassBase<ChannelsLast> {
  void runOnOperation() final {
    Selector selector(getOperation());
    if (!selector.target().gpu) {
      return;
    }
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      Mover(selector, func.getBody().front());
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
