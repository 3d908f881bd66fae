// Lets a decoder choose its next tokens where its logits are, of which a step needs those of the last position alone.
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "llvm/ADT/DenseSet.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {

#define GEN_PASS_DEF_CHOOSETOKENSPASS
#include "passes/fuse/Passes.h.inc"

namespace {

using nn::SizeExpr;
using nn::Sizes;

constexpr StringLiteral kNext = "next";  // name and role

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

struct Decoder {
  Value tokens;  // [batch, seq]
  Value logits;  // [batch, seq, vocab]
};

// Its caches grow, so that a step takes one token of each sequence: the one it is fed next.
bool hasCaches(func::FuncOp main) {
  auto states = main->getAttrOfType<ArrayAttr>(nn::kStatesAttr);
  return states && llvm::any_of(states.getAsRange<DictionaryAttr>(), [](DictionaryAttr state) {
           auto present = state.getAs<IntegerAttr>("present");
           return present && present.getInt() >= 0;
         });
}

std::optional<Decoder> decoderOf(func::FuncOp main, func::ReturnOp returned) {
  Decoder found;
  for (BlockArgument arg : main.getArguments()) {
    auto role = main.getArgAttrOfType<StringAttr>(arg.getArgNumber(), nn::kRoleAttr);
    if (role && role.getValue() == "tokens" && typeOf(arg).getRank() == 2) {
      found.tokens = arg;
    }
  }
  for (auto [i, value] : llvm::enumerate(returned.getOperands())) {
    auto role = main.getResultAttrOfType<StringAttr>(i, nn::kRoleAttr);
    if (role && role.getValue() == "logits" && typeOf(value).getRank() == 3) {
      found.logits = value;
    }
  }
  return found.tokens && found.logits && hasCaches(main) ? std::optional(found) : std::nullopt;
}

// What the results but `but` are made of.
llvm::DenseSet<Operation*> neededBeside(func::ReturnOp returned, Value but) {
  llvm::DenseSet<Operation*> needed;
  SmallVector<Value> todo = llvm::filter_to_vector(returned.getOperands(), [&](Value value) { return value != but; });
  while (!todo.empty()) {
    Operation* op = todo.pop_back_val().getDefiningOp();
    if (op && needed.insert(op).second) {
      llvm::append_range(todo, op->getOperands());
    }
  }
  return needed;
}

// Values at the last position of one of their dimensions (which may have none): computed from there on where the whole
// is not needed anyway, so that a prompt's other positions end with what the caches need of them.
class LastPosition {
 public:
  LastPosition(OpBuilder& b, llvm::DenseSet<Operation*> needed) : b_(b), needed_(std::move(needed)) {}

  Value of(Value value, unsigned dim) {
    auto [known, fresh] = known_.try_emplace({value, dim});
    if (!fresh) {
      return known->second;
    }
    Operation* op = value.getDefiningOp();
    Value last = op && !needed_.contains(op) ? computed(op, dim) : Value();
    last = last ? last : slice(value, dim);
    return known_[{value, dim}] = last;
  }

 private:
  Sizes lastSizes(Value value, unsigned dim) {
    Sizes sizes = sizes_.of(value);
    sizes[dim] = SizeExpr::Min(SizeExpr(1), sizes[dim]);
    return sizes;
  }

  Value slice(Value value, unsigned dim) {
    Location loc = value.getLoc();
    Sizes whole = sizes_.of(value), sizes = lastSizes(value, dim);
    SmallVector<OpFoldResult> offsets(whole.size(), b_.getIndexAttr(0)), steps(whole.size(), b_.getIndexAttr(1));
    offsets[dim] = nn::sizeValue(b_, loc, whole[dim] - sizes[dim]);
    SmallVector<OpFoldResult> extents =
        llvm::map_to_vector(sizes, [&](const SizeExpr& size) { return nn::sizeValue(b_, loc, size); });
    RankedTensorType type = nn::typeOf(sizes, typeOf(value).getElementType());
    return tensor::ExtractSliceOp::create(b_, loc, type, value, offsets, extents, steps);
  }

  // The one result of `op` at the last position of `dim`, from its operands there; null if positions meet in it.
  Value computed(Operation* op, unsigned dim) {
    if (auto broadcast = dyn_cast<linalg::BroadcastOp>(op)) {
      return narrowed(broadcast, dim);
    }
    std::optional<SmallVector<bool>> along = operandsAlong(op, dim);
    if (!along) {
      return {};
    }
    SmallVector<Value> operands(op->getOperands());
    for (auto [operand, has] : llvm::zip_equal(operands, *along)) {
      operand = has ? of(operand, dim) : operand;
    }
    Type type = nn::typeOf(lastSizes(op->getResult(0), dim), typeOf(op->getResult(0)).getElementType());
    return b_.create(op->getLoc(), op->getName().getIdentifier(), operands, {type}, op->getAttrs())->getResult(0);
  }

  Value narrowed(linalg::BroadcastOp broadcast, unsigned dim) {
    Value input = broadcast.getInput(), result = broadcast->getResult(0);
    ArrayRef<int64_t> added = broadcast.getDimensions();
    if (!llvm::is_contained(added, dim)) {
      input = of(input, dim - llvm::count_if(added, [&](int64_t d) { return d < dim; }));
    }
    Value empty = nn::emptyTensor(b_, broadcast.getLoc(), lastSizes(result, dim), typeOf(result).getElementType());
    return linalg::BroadcastOp::create(b_, broadcast.getLoc(), input, empty, added)->getResult(0);
  }

  // Which operands have dimension `dim` of the result as their own, where each of its positions is computed from theirs
  // alone: none known where other ones may count.
  static std::optional<SmallVector<bool>> operandsAlong(Operation* op, unsigned dim) {
    if (op->getNumResults() != 1 || op->getNumRegions() != 0) {
      return std::nullopt;
    }
    if (OpTrait::hasElementwiseMappableTraits(op)) {
      auto ranked = [](Type type) { return isa<RankedTensorType>(type); };
      return llvm::all_of(op->getOperandTypes(), ranked) ? std::optional(SmallVector<bool>(op->getNumOperands(), true))
                                                         : std::nullopt;
    }
    // Positions of `...` do not meet where letters stand beside it for what does ("...k,nk->...n", not "...->...").
    auto loops = dyn_cast<nn::LoopSpecOpInterface>(op);
    auto spec = nn::LoopSpec::parse(loops ? loops.getLoopSpec() : "");
    constexpr StringLiteral kLeading = "...";
    StringRef letters = spec.out;
    if (!letters.consume_front(kLeading) || letters.empty() || op->getNumOperands() > spec.ins.size() ||
        dim + letters.size() >= typeOf(op->getResult(0)).getShape().size()) {
      return std::nullopt;
    }
    return llvm::to_vector(llvm::map_range(llvm::ArrayRef(spec.ins).take_front(op->getNumOperands()),
                                           [&](StringRef in) { return in.starts_with(kLeading); }));
  }

  OpBuilder& b_;
  llvm::DenseSet<Operation*> needed_;
  nn::SizeAnalysis sizes_;
  llvm::DenseMap<std::pair<Value, unsigned>, Value> known_;
};

// [batch, 1]: the most likely token behind each sequence's last position; [batch, 0] where there are no positions.
Value chosen(OpBuilder& b, const Decoder& decoder, func::ReturnOp returned) {
  Location loc = NameLoc::get(b.getStringAttr(kNext));  // no node of the graph
  Value last = LastPosition(b, neededBeside(returned, decoder.logits)).of(decoder.logits, 1);
  Sizes sizes = nn::SizeAnalysis().of(last);
  sizes.pop_back();
  Value ids = nn::ArgReduceOp::create(b, loc, nn::typeOf(sizes, b.getI64Type()), last, b.getI64IntegerAttr(2),
                                      b.getStringAttr("max"), b.getBoolAttr(false));
  auto type = cast<IntegerType>(typeOf(decoder.tokens).getElementType());
  return type.getWidth() < 64 ? arith::TruncIOp::create(b, loc, nn::typeOf(sizes, type), ids).getResult() : ids;
}

struct ChooseTokens : impl::ChooseTokensPassBase<ChooseTokens> {
  void runOnOperation() final {
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!main || !targetOf(getOperation()).gpu) {
      return;
    }
    auto returned = cast<func::ReturnOp>(main.getBody().front().getTerminator());
    std::optional<Decoder> decoder = decoderOf(main, returned);
    if (!decoder) {
      return;
    }
    OpBuilder b(returned);
    Value next = chosen(b, *decoder, returned);
    const unsigned number = main.getNumResults();
    (void)main.insertResult(number, next.getType(),
                            b.getDictionaryAttr({b.getNamedAttr(nn::kNameAttr, b.getStringAttr(kNext)),
                                                 b.getNamedAttr(nn::kRoleAttr, b.getStringAttr(kNext))}));
    returned.getOperandsMutable().append(next);
    remark::passed(next.getLoc(), remark::RemarkOpts::name("choose-tokens").category("fuse"))
        << "the most likely next tokens are result " << std::to_string(number) << " of @main";
  }
};

}  // namespace
}  // namespace mlir::sluice::fuse
