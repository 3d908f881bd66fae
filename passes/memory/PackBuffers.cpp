// Solves offsets for each bucket.
#include "dialects/nn/SizeAnalysis.h"
#include "llvm/ADT/StringExtras.h"
#include "mlir/IR/Remarks.h"
#include "passes/memory/Passes.h"
#include "runtime/plan/pack.h"

namespace mlir::sluice::memory {

#define GEN_PASS_DEF_PACKBUFFERSPASS
#include "passes/memory/Passes.h.inc"

namespace {

using nn::SizeExpr;
namespace plan = ::sluice::plan;

constexpr int64_t kArenaAlignment = 64;  // runtime/artifact/format.h
constexpr int64_t kPackEffort = 2000;

// "batch=1..8" → name, min, max.
bool parseBound(StringRef text, std::string& name, int64_t& min, int64_t& max) {
  auto [left, right] = text.split('=');
  auto [low, high] = right.split("..");
  name = left.str();
  return !left.empty() && !low.getAsInteger(10, min) && !high.getAsInteger(10, max) && min >= 0 && min <= max;
}

// "seq=16:128:512" → name, ascending edges.
bool parseEdges(StringRef text, std::string& name, SmallVector<int64_t>& edges) {
  auto [left, right] = text.split('=');
  name = left.str();
  SmallVector<StringRef> parts;
  right.split(parts, ':');
  for (StringRef part : parts) {
    int64_t edge = 0;
    if (part.getAsInteger(10, edge) || edge < 1 || (!edges.empty() && edge <= edges.back())) {
      return false;
    }
    edges.push_back(edge);
  }
  return !left.empty();
}

using Edges = std::map<std::string, SmallVector<int64_t>>;

// One exec.pack at the end of `program`, for these upper bounds.
LogicalResult packProgram(exec::ProgramOp program, const plan::Bindings& bounds) {
  SmallVector<plan::PackBuffer> buffers;
  for (auto buffer : program.getOps<exec::BufferOp>()) {
    if (buffer.getKind() != exec::BufferKind::Arena) {
      continue;
    }
    auto bytes = SizeExpr::Parse(buffer.getBytes()->str()).value().Evaluate(bounds);
    if (!bytes.ok() || *bytes < 0) {
      return buffer.emitError() << "bytes \"" << *buffer.getBytes()
                                << "\" have no value at the bucket's bounds: " << std::string(bytes.status().message());
    }
    buffers.push_back({.lower = (*buffer.getLive())[0], .upper = (*buffer.getLive())[1] + 1, .size = *bytes});
  }
  plan::PackResult result = plan::Pack(buffers, {.alignment = kArenaAlignment, .effort = kPackEffort});
  OpBuilder builder = OpBuilder::atBlockEnd(&program.getBody().front());
  SmallVector<NamedAttribute> named;
  for (const auto& [name, value] : bounds) {
    named.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
  }
  exec::PackOp::create(builder, program.getLoc(), builder.getDictionaryAttr(named),
                       builder.getDenseI64ArrayAttr(result.offsets), builder.getI64IntegerAttr(result.peak),
                       builder.getI64IntegerAttr(result.lower_bound));
  remark::analysis(program.getLoc(), remark::RemarkOpts::name("pack-buffers").category("memory"))
      << "arena of " << std::to_string(result.peak) << " bytes, lower bound " << std::to_string(result.lower_bound);
  return success();
}

// Upper bounds of counted symbols follow from the free ones.
LogicalResult bindCounted(ModuleOp module, plan::Bindings& bounds) {
  for (auto symbol : module.getOps<exec::SymbolOp>()) {
    if (symbol.getKind() == exec::SymbolKind::Counted) {
      auto bound = SizeExpr::Parse(symbol.getBound()->str()).value().Evaluate(bounds);
      if (!bound.ok()) {
        return failure();
      }
      bounds[symbol.getName().str()] = *bound;
    }
  }
  return success();
}

struct PackBuffers : impl::PackBuffersPassBase<PackBuffers> {
  using PackBuffersPassBase::PackBuffersPassBase;

  void runOnOperation() final {
    Edges edges;
    if (dims.empty() && buckets.empty()) {
      return;  // any size runs: the runtime plans
    }
    if (failed(setBounds(edges)) || failed(addBuckets(edges))) {
      return signalPassFailure();
    }
    bool planned = llvm::all_of(getOperation().getOps<exec::SymbolOp>(), [&](exec::SymbolOp symbol) {
      return symbol.getKind() == exec::SymbolKind::Counted ||
             (symbol.getKind() == exec::SymbolKind::Free && edges.count(symbol.getName().str()));
    });
    auto main = SymbolTable::lookupNearestSymbolFrom<exec::ProgramOp>(getOperation(), builderName());
    if (!planned || !main) {
      remark::missed(getOperation().getLoc(), remark::RemarkOpts::name("pack-buffers").category("memory"))
          << "not every symbol has a bound: the runtime plans";
      return;
    }
    plan::Bindings bounds;
    if (failed(packEach(main, edges, edges.begin(), bounds))) {
      signalPassFailure();
    }
  }

 private:
  StringAttr builderName() { return StringAttr::get(&getContext(), exec::kMainProgram); }

  LogicalResult setBounds(Edges& edges) {
    for (const std::string& text : dims) {
      std::string name;
      int64_t min = 0, max = 0;
      if (!parseBound(text, name, min, max)) {
        return getOperation().emitError() << "--dims " << text << ": expected NAME=MIN..MAX";
      }
      exec::SymbolOp symbol = find(name);
      if (!symbol) {
        return getOperation().emitError()
               << "--dims " << text << ": the model has no dimension '" << name << "' (it has " << names() << ")";
      }
      symbol.setMin(min);
      symbol.setMax(max);
      edges[name] = {max};
    }
    return success();
  }

  LogicalResult addBuckets(Edges& edges) {
    for (const std::string& text : buckets) {
      std::string name;
      SmallVector<int64_t> list;
      if (!parseEdges(text, name, list)) {
        return getOperation().emitError() << "--buckets " << text << ": expected NAME=EDGE,EDGE, ascending";
      }
      exec::SymbolOp symbol = find(name);
      if (!symbol) {
        return getOperation().emitError()
               << "--buckets " << text << ": the model has no dimension '" << name << "' (it has " << names() << ")";
      }
      auto max = static_cast<int64_t>(symbol.getMax());
      if (max < 0) {
        symbol.setMax(list.back());
      } else if (list.back() < max) {
        list.push_back(max);
      }
      edges[name] = list;
    }
    return success();
  }

  exec::SymbolOp find(StringRef name) {
    for (auto symbol : getOperation().getOps<exec::SymbolOp>()) {
      if (symbol.getName() == name) {
        return symbol;
      }
    }
    return {};
  }
  std::string names() {
    SmallVector<std::string> list;
    for (auto symbol : getOperation().getOps<exec::SymbolOp>()) {
      list.push_back(symbol.getName().str());
    }
    return list.empty() ? "none" : llvm::join(list, ", ");
  }

  // Every combination of edges.
  LogicalResult packEach(exec::ProgramOp main, const Edges& edges, Edges::const_iterator at, plan::Bindings& bounds) {
    if (at == edges.end()) {
      plan::Bindings all = bounds;
      return failed(bindCounted(getOperation(), all)) ? failure() : packProgram(main, all);
    }
    for (int64_t edge : at->second) {
      bounds[at->first] = edge;
      if (failed(packEach(main, edges, std::next(at), bounds))) {
        return failure();
      }
    }
    return success();
  }
};

}  // namespace
}  // namespace mlir::sluice::memory
