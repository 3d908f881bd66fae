// Roles of @main's inputs and outputs, and its states, from structure (docs/internals.md has the table).
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "passes/raise/Branches.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {
#define GEN_PASS_DEF_ASSIGNROLESPASS
#include "passes/raise/Passes.h.inc"

namespace {

bool isInteger(Value value) { return cast<RankedTensorType>(value.getType()).getElementType().isInteger(); }
int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

// All values that depend on `from`, up to `stop` (which is reached but not crossed).
llvm::SetVector<Operation*> reached(Value from, function_ref<bool(Operation*)> stop) {
  llvm::SetVector<Operation*> seen;
  SmallVector<Value> todo = {from};
  while (!todo.empty()) {
    for (Operation* user : todo.pop_back_val().getUsers()) {
      if (seen.insert(user) && !stop(user)) {
        llvm::append_range(todo, user->getResults());
      }
    }
  }
  return seen;
}

// True when `value` is `target` or depends on it through any chain of ops.
bool dependsOn(Value value, Value target, llvm::DenseSet<Value>& visited) {
  if (!value || !visited.insert(value).second) {
    return false;
  }
  if (value == target) {
    return true;
  }
  Operation* op = value.getDefiningOp();
  return op && llvm::any_of(op->getOperands(), [&](Value v) { return dependsOn(v, target, visited); });
}

bool dependsOn(Value value, Value target) {
  llvm::DenseSet<Value> visited;
  return dependsOn(value, target, visited);
}

//--- States.

struct State {
  unsigned past = 0;
  int64_t present = -1;
  int64_t axis = 0;
  int64_t layer = -1;
  StringRef component;
};

// The attention that reads `cache` as key or value, through views and copies of it.
struct Reader {
  nn::AttentionOp op;
  StringRef component;
};

std::optional<Reader> readerOf(Value cache) {
  SmallVector<Value> todo = {cache};
  llvm::DenseSet<Value> seen;
  while (!todo.empty()) {
    Value value = todo.pop_back_val();
    if (!seen.insert(value).second) {
      continue;
    }
    for (OpOperand& use : value.getUses()) {
      if (auto attention = dyn_cast<nn::AttentionOp>(use.getOwner())) {
        if (attention.getK() == value) {
          return Reader{attention, "k"};
        }
        if (attention.getV() == value) {
          return Reader{attention, "v"};
        }
      } else if (isa<nn::ReshapeOp, linalg::TransposeOp, linalg::BroadcastOp, tensor::ExtractSliceOp, arith::ExtFOp,
                     arith::TruncFOp>(use.getOwner())) {
        todo.push_back(use.getOwner()->getResult(0));
      }
    }
  }
  return std::nullopt;
}

// A cache that is only read: an input of rank 4 that an attention uses directly (cross attention).
std::optional<State> readOnlyState(BlockArgument arg, func::ReturnOp ret) {
  std::optional<Reader> reader = rankOf(arg) == 4 ? readerOf(arg) : std::nullopt;
  if (!reader) {
    return std::nullopt;
  }
  State state{arg.getArgNumber(), -1, 2};
  for (OpOperand& use : arg.getUses()) {
    if (use.getOwner() == ret) {
      state.present = use.getOperandNumber();
    }
  }
  return state;
}

SmallVector<State> findStates(func::FuncOp func, func::ReturnOp ret) {
  llvm::DenseMap<Operation*, int64_t> layers;
  func.walk([&](nn::AttentionOp op) { layers.insert({op, static_cast<int64_t>(layers.size())}); });
  SmallVector<State> states;
  llvm::DenseMap<int64_t, int64_t> nextOfComponent;
  for (BlockArgument arg : func.getArguments()) {
    std::optional<GrownCache> grown = grownCacheOf(arg, ret);
    bool grows = grown.has_value();
    std::optional<State> state =
        grows ? State{arg.getArgNumber(), grown->present, grown->axis} : readOnlyState(arg, ret);
    if (!state) {
      continue;
    }
    Value cache = grows ? ret.getOperand(state->present) : Value(arg);
    if (std::optional<Reader> reader = readerOf(cache)) {
      state->layer = layers[reader->op];
      state->component = reader->component;
    } else {
      remark::missed(func.getLoc(), remark::RemarkOpts::name("state").category("raise"))
          << "no raised attention reads cache " << std::to_string(arg.getArgNumber()) << ": its layer is unknown";
    }
    states.push_back(*state);
  }
  return states;
}

//--- Roles.

// Rows of the table that `ids` index directly (an embedding), or −1.
int64_t embeddingRows(Value ids) {
  int64_t rows = -1;
  SmallVector<Value> todo = {ids};
  llvm::DenseSet<Value> seen;
  while (!todo.empty()) {
    Value value = todo.pop_back_val();
    if (!seen.insert(value).second) {
      continue;
    }
    for (Operation* user : value.getUsers()) {
      auto gather = dyn_cast<nn::GatherOp>(user);
      if (gather && gather.getIndices() == value && gather.getAxis() == 0 && rankOf(gather.getData()) == 2) {
        rows = std::max(rows, cast<RankedTensorType>(gather.getData().getType()).getDimSize(0));
      } else if (isa<nn::ReshapeOp, arith::ExtSIOp, arith::TruncIOp>(user)) {
        todo.push_back(user->getResult(0));
      }
    }
  }
  return rows;
}

bool masksAttention(BlockArgument arg) {
  bool found = false;
  auto feeds = [&](Value operand) { return operand && dependsOn(operand, arg); };
  reached(arg, [&](Operation* op) {
    if (auto attention = dyn_cast<nn::AttentionOp>(op)) {
      found |= feeds(attention.getKeyMask()) || feeds(attention.getBias()) || feeds(attention.getLengths());
      return true;
    }
    return isa<nn::SoftmaxOp, nn::LinearOp>(op);
  });
  return found;
}

struct Roles {
  SmallVector<StringRef> inputs, outputs;
};

// The result that is [tokens…, vocab]: as wide as the table the tokens index.
int64_t logitsOf(func::ReturnOp ret, const SmallVector<State>& states, int64_t vocab) {
  int64_t found = -1;
  for (auto [index, value] : llvm::enumerate(ret.getOperands())) {
    auto type = cast<RankedTensorType>(value.getType());
    bool state = llvm::any_of(states, [i = static_cast<int64_t>(index)](const State& s) { return s.present == i; });
    if (!state && type.getRank() == 3 && isa<FloatType>(type.getElementType()) && type.getShape().back() == vocab &&
        found < 0) {
      found = index;
    }
  }
  return found;
}

// The integer input of rank 2 that indexes the largest table.
int64_t tokensOf(func::FuncOp func, int64_t& vocab) {
  int64_t found = -1;
  for (BlockArgument arg : func.getArguments()) {
    int64_t rows = isInteger(arg) && rankOf(arg) == 2 ? embeddingRows(arg) : -1;
    if (rows > vocab) {
      vocab = rows;
      found = arg.getArgNumber();
    }
  }
  return found;
}

Roles rolesByOwnOps(func::FuncOp func, func::ReturnOp ret, const SmallVector<State>& states) {
  Roles roles;
  roles.inputs.assign(func.getNumArguments(), "input");
  roles.outputs.assign(ret.getNumOperands(), "output");
  int64_t vocab = -1;
  int64_t tokens = tokensOf(func, vocab);
  for (const State& state : states) {
    roles.inputs[state.past] = "state";
    if (state.present >= 0) {
      roles.outputs[state.present] = "state";
    }
  }
  if (tokens < 0) {
    return roles;
  }
  roles.inputs[tokens] = "tokens";
  if (int64_t logits = logitsOf(ret, states, vocab); logits >= 0) {
    roles.outputs[logits] = "logits";
  }
  nn::SizeAnalysis sizes;
  for (BlockArgument arg : func.getArguments()) {
    StringRef& role = roles.inputs[arg.getArgNumber()];
    if (role != "input" || rankOf(arg) != 2) {
      continue;
    }
    if (masksAttention(arg)) {
      role = "mask";
    } else if (isInteger(arg) && !arg.use_empty() && sizes.of(arg) == sizes.of(func.getArgument(tokens)) &&
               embeddingRows(arg) != 2) {
      // What is as long as the tokens and is no mask tells where they are; a table of two rows tells segments apart.
      role = "positions";
    }
  }
  return roles;
}

// What a program that an nn.if chooses says of the values it takes and gives; caches stay inputs, for the other program
// does not grow them.
void joinProgram(Roles& roles, nn::IfOp op, func::FuncOp program, func::ReturnOp ret) {
  auto inner = cast<func::ReturnOp>(program.front().getTerminator());
  Roles found = rolesByOwnOps(program, inner, findStates(program, inner));
  const auto join = [](StringRef& role, StringRef other, StringRef none) {
    role = role == none && other != "state" ? other : role;
  };
  for (auto [operand, role] : llvm::zip_equal(op.getArgs(), found.inputs)) {
    if (auto arg = dyn_cast<BlockArgument>(operand)) {
      join(roles.inputs[arg.getArgNumber()], role, "input");
    }
  }
  for (OpOperand& result : ret->getOpOperands()) {
    if (result.get().getDefiningOp() == op) {
      join(roles.outputs[result.getOperandNumber()], found.outputs[cast<OpResult>(result.get()).getResultNumber()],
           "output");
    }
  }
}

// Roles that an earlier pass gave stand; then those by the ops of @main, then those by the programs it chooses between.
Roles findRoles(func::FuncOp func, func::ReturnOp ret, const SmallVector<State>& states) {
  Roles roles = rolesByOwnOps(func, ret, states);
  for (BlockArgument arg : func.getArguments()) {
    if (auto given = func.getArgAttrOfType<StringAttr>(arg.getArgNumber(), nn::kRoleAttr)) {
      roles.inputs[arg.getArgNumber()] = given.getValue();
    }
  }
  for (nn::IfOp op : func.getOps<nn::IfOp>()) {
    std::optional<CacheBranch> branch = cacheBranchOf(op);
    if (!branch) {
      continue;
    }
    joinProgram(roles, op, branch->with, ret);
    joinProgram(roles, op, branch->without, ret);
    roles.inputs[branch->condition.getArgNumber()] = "branch";
    remark::missed(op.getLoc(), remark::RemarkOpts::name("state").category("raise"))
        << "no states: only one of two programs grows the caches";
  }
  return roles;
}

DictionaryAttr stateAttr(Builder& b, const State& state) {
  std::string name = state.layer < 0 ? ("cache" + std::to_string(state.past))
                                     : (std::to_string(state.layer) + "." + state.component.str());
  return b.getDictionaryAttr({b.getNamedAttr("name", b.getStringAttr(name)),
                              b.getNamedAttr("past", b.getI64IntegerAttr(state.past)),
                              b.getNamedAttr("present", b.getI64IntegerAttr(state.present)),
                              b.getNamedAttr("axis", b.getI64IntegerAttr(state.axis)),
                              b.getNamedAttr("layer", b.getI64IntegerAttr(state.layer)),
                              b.getNamedAttr("component", b.getStringAttr(state.component))});
}

struct AssignRoles : impl::AssignRolesPassBase<AssignRoles> {
  using AssignRolesPassBase::AssignRolesPassBase;
  void runOnOperation() final {
    auto func = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!func || func.isExternal()) {
      return;
    }
    auto ret = cast<func::ReturnOp>(func.front().getTerminator());
    SmallVector<State> states = findStates(func, ret);
    Roles roles = findRoles(func, ret, states);
    Builder b(&getContext());
    for (auto [index, role] : llvm::enumerate(roles.inputs)) {
      func.setArgAttr(index, nn::kRoleAttr, b.getStringAttr(role));
    }
    for (auto [index, role] : llvm::enumerate(roles.outputs)) {
      func.setResultAttr(index, nn::kRoleAttr, b.getStringAttr(role));
    }
    SmallVector<Attribute> attrs;
    for (const State& state : states) {
      attrs.push_back(stateAttr(b, state));
    }
    func->setAttr(nn::kStatesAttr, b.getArrayAttr(attrs));
  }
};

}  // namespace
}  // namespace mlir::sluice::raise
