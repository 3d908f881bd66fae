// ProgramBuilder: where results go.
#include "llvm/ADT/SmallBitVector.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "passes/fuse/DeviceKernel.h"
#include "passes/memory/ProgramBuilder.h"

namespace mlir::sluice::memory {

using nn::SizeExpr;
using nn::Sizes;

namespace {

bool isView(Operation* op) {
  return isa<nn::ReshapeOp, tensor::ExtractSliceOp, tensor::BitcastOp, tensor::CastOp, linalg::TransposeOp,
             linalg::BroadcastOp>(op);
}

unsigned elementBytes(Type element) { return std::max(8u, element.getIntOrFloatBitWidth()) / 8; }

}  // namespace

// Position of the last op that may read the elements `value` has, through views and concats.
int ProgramBuilder::lastUse(Value value) {
  if (auto it = last_uses_.find(value); it != last_uses_.end()) {
    return it->second;
  }
  int last = -1;
  for (Operation* user : value.getUsers()) {
    last = std::max(last, positions_.lookup(user));
    if (isView(user) || isa<tensor::ConcatOp>(user)) {
      last = std::max(last, lastUse(user->getResult(0)));
    }
  }
  return last_uses_[value] = last;
}

const StateInfo* ProgramBuilder::appendedState(tensor::ConcatOp concat) {
  auto past = dyn_cast<BlockArgument>(concat.getInputs().front());
  auto returned = cast<func::ReturnOp>(func_.getBody().front().getTerminator());
  for (const StateInfo& state : states_) {
    if (past && past.getArgNumber() == state.past && state.present >= 0 &&
        static_cast<int64_t>(concat.getDim()) == state.axis &&
        returned.getOperand(state.present) == concat.getResult()) {
      return &state;
    }
  }
  return nullptr;
}

Ref ProgramBuilder::concatRef(tensor::ConcatOp concat) {
  if (auto it = concats_.find(concat); it != concats_.end()) {
    return it->second;
  }
  Value result = concat.getResult();
  auto dim = static_cast<int64_t>(concat.getDim());
  Ref ref;
  if (const StateInfo* state = appendedState(concat)) {
    ref = refOf(func_.getArgument(state->past));
    ref.sizes = sizes_.of(result);
  } else if (std::optional<Wanted> wanted = wantedPlace(result);
             wanted && (!wanted->ref.state || dim == wanted->ref.axis)) {
    ref = wanted->ref;  // of a state only positions along its axis are views
    commitPlace(*wanted);
  } else {
    Type element = cast<RankedTensorType>(result.getType()).getElementType();
    ref = denseRef(arena(element, sizes_.of(result)), element, sizes_.of(result));
  }
  deaths_[ref.buffer] = std::max(deaths_.lookup(ref.buffer), lastUse(result));
  concats_[concat] = ref;
  return ref;
}

// The part of the concat's result that is its operand.
Ref ProgramBuilder::concatSlice(tensor::ConcatOp concat, unsigned operand) {
  Ref ref = concatRef(concat);
  SizeExpr at(0);
  for (Value before : concat.getInputs().take_front(operand)) {
    at = at + sizes_.of(before)[concat.getDim()];
  }
  Sizes sizes = sizes_.of(concat.getInputs()[operand]);
  if (ref.state) {
    ref.start = ref.start + at;
    ref.sizes = sizes;
    return ref;
  }
  Sizes offsets(sizes.size(), SizeExpr(0)), steps(sizes.size(), SizeExpr(1));
  offsets[concat.getDim()] = at;
  return slice(ref, offsets, steps, llvm::SmallBitVector(sizes.size()), sizes);
}

// Where `value`'s user wants it: a port, a slice of a concat, the place before a view that must end dense.
std::optional<ProgramBuilder::Wanted> ProgramBuilder::wantedPlace(Value value) {
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  for (OpOperand& use : value.getUses()) {
    unsigned number = use.getOperandNumber();
    if (isa<func::ReturnOp>(use.getOwner()) && outputs_[number] && !output_values_[number]) {
      return Wanted{denseRef(outputs_[number], element, sizes_.of(value)), &use};
    }
  }
  if (!value.hasOneUse()) {
    return std::nullopt;
  }
  OpOperand& use = *value.getUses().begin();
  Operation* user = use.getOwner();
  if (auto concat = dyn_cast<tensor::ConcatOp>(user)) {
    return Wanted{concatSlice(concat, use.getOperandNumber()), &use};
  }
  if (!isa<nn::ReshapeOp, linalg::TransposeOp>(user) || use.getOperandNumber() != 0) {
    return std::nullopt;
  }
  Value result = user->getResult(0);
  std::optional<Wanted> wanted = wantedPlace(result);
  if (auto transpose = dyn_cast<linalg::TransposeOp>(user)) {
    if (!wanted) {
      wanted = Wanted{denseRef(arena(element, sizes_.of(result)), element, sizes_.of(result)), nullptr};
    }
    return wanted->ref.state ? std::nullopt
                             : std::optional(Wanted{unpermute(wanted->ref, transpose.getPermutation()), wanted->use});
  }
  std::optional<Ref> before = wanted && !wanted->ref.state ? reshape(wanted->ref, sizes_.of(value)) : std::nullopt;
  return before ? std::optional(Wanted{*before, wanted->use}) : std::nullopt;
}

// Notes that a value is written where it is wanted.
void ProgramBuilder::commitPlace(const Wanted& wanted) {
  if (!wanted.use) {
    return;
  }
  if (isa<func::ReturnOp>(wanted.use->getOwner())) {
    output_values_[wanted.use->getOperandNumber()] = wanted.use->get();
  } else {
    placed_.insert({wanted.use->getOwner(), wanted.use->getOperandNumber()});
  }
}

// Generated kernels: the result has the buffer of an operand that is read at the same places and dies here.
static bool sameAccess(exec::KernelOp kernel, unsigned in, unsigned out) {
  auto same = [&](std::optional<ArrayAttr> list) { return !list || (*list)[in] == (*list)[out]; };
  auto generic = cast<linalg::GenericOp>(kernel.getBody().front().front());
  return kernel.getDims().value()[in] == kernel.getDims().value()[out] && same(kernel.getStrides()) &&
         same(kernel.getOffsets()) && generic.getIndexingMapsArray()[in] == generic.getIndexingMapsArray()[out];
}

std::optional<Ref> ProgramBuilder::inPlace(exec::DispatchOp op, unsigned result) {
  auto kernel = symbols_.lookup<exec::KernelOp>(op.getKernel());
  fuse::KernelTraits traits = fuse::traitsOf(kernel);
  if (result != 0 || !(traits.generated || traits.in_place)) {
    return std::nullopt;
  }
  Value out = op.getResult(result);
  auto type = cast<RankedTensorType>(out.getType());
  int position = positions_.lookup(op);
  for (auto [number, in] : llvm::enumerate(op.getIns())) {
    if (!traits.generated && (number != 0 || !op.getAbsent().empty())) {
      break;
    }
    auto it = refs_.find(in);
    if (it == refs_.end() || !isDense(it->second)) {
      continue;
    }
    const Ref& ref = it->second;
    auto buffer = ref.buffer.getDefiningOp<exec::BufferOp>();
    Type element = cast<RankedTensorType>(in.getType()).getElementType();
    bool dies = buffer.getKind() == exec::BufferKind::Arena && deaths_.lookup(ref.buffer) <= position;
    bool fits =
        elementBytes(element) == elementBytes(type.getElementType()) && sizes_.elements(in) == sizes_.elements(out);
    bool alone = llvm::none_of(llvm::enumerate(op.getIns()), [&, number = number](auto other) {
      auto found = refs_.find(other.value());
      return other.index() != number && found != refs_.end() && found->second.buffer == ref.buffer;
    });
    if (dies && fits && alone && (!traits.generated || sameAccess(kernel, number, op.getIns().size()))) {
      Ref place = denseRef(ref.buffer, type.getElementType(), sizes_.of(out));
      place.offset = ref.offset;
      return place;
    }
  }
  return std::nullopt;
}

// The place `op` writes its result to.
Ref ProgramBuilder::place(Operation* op, unsigned result) {
  Value value = op->getResult(result);
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  bool strided = false, aligned = false;
  if (auto dispatch = dyn_cast<exec::DispatchOp>(op)) {
    fuse::KernelTraits traits = fuse::traitsOf(symbols_.lookup<exec::KernelOp>(dispatch.getKernel()));
    strided = traits.stridedOut(result);
    aligned = traits.alignedOut(result);
  }
  if (std::optional<Wanted> wanted = wantedPlace(value)) {
    if ((strided || isDense(wanted->ref)) && (!aligned || isAligned(wanted->ref))) {
      commitPlace(*wanted);
      return wanted->ref;
    }
  }
  if (auto dispatch = dyn_cast<exec::DispatchOp>(op)) {
    if (std::optional<Ref> reused = inPlace(dispatch, result)) {
      return *reused;
    }
  }
  return denseRef(arena(element, sizes_.of(value)), element, sizes_.of(value));
}

}  // namespace mlir::sluice::memory
