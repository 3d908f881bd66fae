// Makes programs of functions, and the module's symbols, assumptions and states.
#include "dialects/nn/NNDialect.h"
#include "llvm/ADT/StringSet.h"
#include "passes/memory/Passes.h"
#include "passes/memory/ProgramBuilder.h"

namespace mlir::sluice::memory {

#define GEN_PASS_DEF_CONVERTTOPROGRAMPASS
#include "passes/memory/Passes.h.inc"

namespace {

using nn::SizeExpr;
using nn::Sizes;

int64_t intOf(DictionaryAttr dict, StringRef name, int64_t orElse) {
  auto attr = dict.getAs<IntegerAttr>(name);
  return attr ? attr.getInt() : orElse;
}

StringRef textOf(DictionaryAttr dict, StringRef name) {
  auto attr = dict.getAs<StringAttr>(name);
  return attr ? attr.getValue() : StringRef();
}

// Arguments become buffers, so they are tensors.
LogicalResult verifyPorts(ArrayRef<func::FuncOp> functions) {
  for (func::FuncOp func : functions) {
    for (auto [number, type] : llvm::enumerate(func.getArgumentTypes())) {
      if (!isa<RankedTensorType>(type)) {
        return func.emitError() << "argument " << number << " of type " << type << " is no tensor";
      }
    }
  }
  return success();
}

// exec.state ops for nn.states of @main.
SmallVector<StateInfo> makeStates(func::FuncOp main, SymbolTable& symbols) {
  SmallVector<StateInfo> states;
  auto list = main->getAttrOfType<ArrayAttr>(nn::kStatesAttr);
  OpBuilder builder(main);
  nn::SizeAnalysis sizes;
  auto returned = cast<func::ReturnOp>(main.getBody().front().getTerminator());
  for (Attribute attr : list ? list : builder.getArrayAttr({})) {
    auto dict = cast<DictionaryAttr>(attr);
    auto past = static_cast<unsigned>(intOf(dict, "past", 0));
    int64_t present = intOf(dict, "present", -1), axis = intOf(dict, "axis", 0);
    Value arg = main.getArgument(past);
    Sizes before = sizes.of(arg);
    SizeExpr after = present >= 0 ? sizes.of(returned.getOperand(present))[axis] : before[axis];
    auto op = exec::StateOp::create(
        builder, arg.getLoc(), builder.getStringAttr("s" + std::to_string(states.size())),
        builder.getStringAttr(textOf(dict, "name")), builder.getI64IntegerAttr(intOf(dict, "layer", 0)),
        builder.getStringAttr(textOf(dict, "component")),
        TypeAttr::get(cast<RankedTensorType>(arg.getType()).getElementType()), nn::sizesAttr(main.getContext(), before),
        builder.getI64IntegerAttr(axis), builder.getStringAttr(before[axis].ToString()),
        builder.getStringAttr(after.ToString()), builder.getI64IntegerAttr(past), builder.getI64IntegerAttr(present));
    states.push_back({FlatSymbolRefAttr::get(op.getSymNameAttr()), past, present, axis});
  }
  return states;
}

// Every symbol the module's programs name, sorted; with what is known of it.
class Symbols {
 public:
  void note(StringRef text) {
    if (!seen_.insert(text).second) {
      return;
    }
    auto size = SizeExpr::Parse(text.str());
    if (size.ok()) {
      for (const std::string& symbol : size->Symbols()) {
        names_.insert(symbol);
      }
    }
  }
  void noteAll(Attribute attr) {
    if (auto text = dyn_cast_or_null<StringAttr>(attr)) {
      note(text.getValue());
    } else if (auto list = dyn_cast_or_null<ArrayAttr>(attr)) {
      llvm::for_each(list, [&](Attribute element) { noteAll(element); });
    }
  }
  void noteProgram(exec::ProgramOp program) {
    program.walk([&](Operation* op) {
      for (StringRef name : {"sizes", "strides", "offset", "start", "bytes", "grid", "params"}) {
        noteAll(op->getAttr(name));
      }
      if (auto counts = op->getAttrOfType<ArrayAttr>("counts")) {
        auto in = op->getOperand(0).getDefiningOp<exec::ViewOp>();
        SizeExpr bound(1);
        for (const SizeExpr& size : nn::sizesFromAttr(in.getSizes())) {
          bound = bound * size;
        }
        for (Attribute symbol : counts) {
          counted_[cast<StringAttr>(symbol).getValue().str()] = bound.ToString();
        }
      }
      if (auto bind = op->getAttrOfType<ArrayAttr>("bind")) {
        for (Attribute triple : bind) {
          results_.insert(cast<StringAttr>(cast<ArrayAttr>(triple)[2]).getValue().str());
        }
      }
    });
  }
  void make(OpBuilder& builder, Location loc) {
    for (const std::string& name : names_) {
      auto counted = counted_.find(name);
      bool isCounted = counted != counted_.end();
      exec::SymbolKind kind = isCounted              ? exec::SymbolKind::Counted
                              : results_.count(name) ? exec::SymbolKind::Result
                                                     : exec::SymbolKind::Free;
      exec::SymbolOp::create(builder, loc, builder.getStringAttr(name),
                             exec::SymbolKindAttr::get(builder.getContext(), kind),
                             isCounted ? builder.getStringAttr(counted->second) : StringAttr(),
                             builder.getI64IntegerAttr(0), builder.getI64IntegerAttr(-1));
    }
  }

 private:
  llvm::StringSet<> seen_;
  std::set<std::string> names_, results_;
  std::map<std::string, std::string> counted_;
};

struct ConvertToProgram : impl::ConvertToProgramPassBase<ConvertToProgram> {
  void runOnOperation() final {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    auto main = symbols.lookup<func::FuncOp>("main");
    if (!main) {
      module.emitError("has no function @main");
      return signalPassFailure();
    }
    SmallVector<func::FuncOp> functions = llvm::to_vector(module.getOps<func::FuncOp>());
    if (failed(verifyPorts(functions))) {
      return signalPassFailure();
    }
    SmallVector<StateInfo> states = makeStates(main, symbols);
    SmallVector<std::pair<StringAttr, FlatSymbolRefAttr>> assumptions;
    for (func::FuncOp func : functions) {
      if (auto list = func->getAttrOfType<ArrayAttr>(nn::kAssumeAttr)) {
        auto program = func == main ? FlatSymbolRefAttr() : FlatSymbolRefAttr::get(func.getSymNameAttr());
        for (StringAttr text : list.getAsRange<StringAttr>()) {
          assumptions.emplace_back(text, program);
        }
      }
    }
    for (func::FuncOp func : functions) {
      if (failed(ProgramBuilder(func, func == main ? ArrayRef<StateInfo>(states) : ArrayRef<StateInfo>(), symbols)
                     .build())) {
        return signalPassFailure();
      }
    }
    Symbols names;
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    for (auto program : module.getOps<exec::ProgramOp>()) {
      names.noteProgram(program);
    }
    for (auto state : module.getOps<exec::StateOp>()) {
      names.noteAll(state.getSizes());
      names.note(state.getBefore());
      names.note(state.getAfter());
    }
    for (auto& [text, program] : assumptions) {
      for (StringRef relation : {"==", "!=", ">="}) {
        if (text.getValue().contains(relation)) {
          auto [left, right] = text.getValue().split(relation);
          names.note(left.trim());
          names.note(right.trim());
        }
      }
    }
    names.make(builder, module.getLoc());
    for (auto& [text, program] : assumptions) {
      exec::AssumeOp::create(builder, module.getLoc(), text, program);
    }
    for (func::FuncOp func : functions) {
      func.erase();
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::memory
