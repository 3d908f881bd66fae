// Reorders dispatches to lower the peak of live bytes.
//
//   %a = big(x); %b = big(y); %c = small(%a); %d = small(%b)   →   a, c, b, d: one big value alive at a time
#include "dialects/nn/NNDialect.h"
#include "dialects/nn/SizeAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Remarks.h"
#include "passes/memory/Passes.h"

namespace mlir::sluice::memory {

#define GEN_PASS_DEF_ORDEROPSPASS
#include "passes/memory/Passes.h.inc"

namespace {

// What scheduling needs to know of a block: ops by number, values by the storage they live in.
class Graph {
 public:
  Graph(Block& block, int64_t nominal);

  size_t size() const { return ops.size(); }
  // Largest sum of live bytes of an order.
  int64_t peak(ArrayRef<unsigned> order) const;
  SmallVector<unsigned> greedy() const;

  SmallVector<Operation*> ops;

 private:
  struct Node {
    SmallVector<unsigned> reads;  // storages, each once
    SmallVector<unsigned> makes;
    SmallVector<unsigned> users;  // ops that wait for this one
    unsigned waits = 0;
  };
  struct Storage {
    int64_t bytes = 0;
    unsigned readers = 0;
  };
  int64_t bytesOf(Value value);

  nn::SizeAnalysis sizes_;
  int64_t nominal_;
  SmallVector<Node> nodes_;
  SmallVector<Storage> storages_;
};

bool isFree(Operation& op) {
  return isa<nn::SizeOp, tensor::EmptyOp, exec::ConstantOp, arith::ConstantOp, func::ReturnOp>(op);
}

bool isView(Operation& op) {
  return isa<nn::ReshapeOp, tensor::ExtractSliceOp, tensor::BitcastOp, tensor::CastOp, linalg::TransposeOp,
             linalg::BroadcastOp>(op);
}

int64_t Graph::bytesOf(Value value) {
  nn::SizeExpr count = sizes_.elements(value);
  ::sluice::plan::Bindings bindings;
  for (const std::string& symbol : count.Symbols()) {
    bindings[symbol] = nominal_;
  }
  auto elements = count.Evaluate(bindings);
  unsigned bits = cast<RankedTensorType>(value.getType()).getElementTypeBitWidth();
  return elements.ok() ? std::max<int64_t>(0, *elements) * std::max(8u, bits) / 8 : 0;
}

Graph::Graph(Block& block, int64_t nominal) : nominal_(nominal) {
  DenseMap<Operation*, unsigned> numbers;
  DenseMap<Value, unsigned> storage;
  for (Operation& op : block) {
    if (isFree(op)) {
      continue;
    }
    numbers[&op] = ops.size();
    ops.push_back(&op);
    Node& node = nodes_.emplace_back();
    for (Value operand : op.getOperands()) {
      if (auto made = storage.find(operand); made != storage.end() && !llvm::is_contained(node.reads, made->second)) {
        node.reads.push_back(made->second);
        storages_[made->second].readers++;
      }
    }
    for (Value result : op.getResults()) {
      auto source = isView(op) ? storage.find(op.getOperand(0)) : storage.end();
      if (isView(op)) {
        if (source != storage.end()) {
          storage[result] = source->second;
        }
        continue;
      }
      storage[result] = storages_.size();
      node.makes.push_back(storages_.size());
      storages_.push_back({bytesOf(result), 0});
    }
  }
  // A returned value lives to the end.
  for (Value value : block.getTerminator()->getOperands()) {
    if (auto made = storage.find(value); made != storage.end()) {
      storages_[made->second].readers++;
    }
  }
  for (unsigned n = 0; n < ops.size(); ++n) {
    SmallPtrSet<Operation*, 4> sources;
    for (Value operand : ops[n]->getOperands()) {
      Operation* source = operand.getDefiningOp();
      if (source && numbers.count(source) && sources.insert(source).second) {
        nodes_[numbers[source]].users.push_back(n);
        nodes_[n].waits++;
      }
    }
  }
}

int64_t Graph::peak(ArrayRef<unsigned> order) const {
  SmallVector<unsigned> readers = llvm::map_to_vector(storages_, [](const Storage& s) { return s.readers; });
  int64_t live = 0, peak = 0;
  for (unsigned n : order) {
    for (unsigned made : nodes_[n].makes) {
      live += storages_[made].bytes;
    }
    peak = std::max(peak, live);
    for (unsigned read : nodes_[n].reads) {
      live -= --readers[read] == 0 ? storages_[read].bytes : 0;
    }
    for (unsigned made : nodes_[n].makes) {
      live -= readers[made] == 0 ? storages_[made].bytes : 0;
    }
  }
  return peak;
}

SmallVector<unsigned> Graph::greedy() const {
  SmallVector<unsigned> readers = llvm::map_to_vector(storages_, [](const Storage& s) { return s.readers; });
  SmallVector<unsigned> waits = llvm::map_to_vector(nodes_, [](const Node& n) { return n.waits; });
  SmallVector<unsigned> ready, order;
  for (unsigned n = 0; n < nodes_.size(); ++n) {
    if (waits[n] == 0) {
      ready.push_back(n);
    }
  }
  auto growth = [&](unsigned n) {
    int64_t bytes = 0;
    for (unsigned made : nodes_[n].makes) {
      bytes += storages_[made].bytes;
    }
    for (unsigned read : nodes_[n].reads) {
      bytes -= readers[read] == 1 ? storages_[read].bytes : 0;
    }
    return bytes;
  };
  while (!ready.empty()) {
    // Ties go to the given order, which keeps producers near users.
    auto best = llvm::min_element(ready, [&](unsigned a, unsigned b) {
      int64_t ga = growth(a), gb = growth(b);
      return ga != gb ? ga < gb : a < b;
    });
    unsigned n = *best;
    ready.erase(best);
    order.push_back(n);
    for (unsigned read : nodes_[n].reads) {
      --readers[read];
    }
    for (unsigned user : nodes_[n].users) {
      if (--waits[user] == 0) {
        ready.push_back(user);
      }
    }
  }
  return order;
}

struct OrderOps : impl::OrderOpsPassBase<OrderOps> {
  using OrderOpsPassBase::OrderOpsPassBase;
  void runOnOperation() final {
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      Block& block = func.getBody().front();
      Graph graph(block, nominal);
      SmallVector<unsigned> given = llvm::to_vector(llvm::seq<unsigned>(0, graph.size()));
      SmallVector<unsigned> order = graph.greedy();
      int64_t before = graph.peak(given), after = graph.peak(order);
      bool better = after < before;
      remark::analysis(func.getLoc(), remark::RemarkOpts::name("order-ops").category("memory"))
          << "peak of live bytes at nominal sizes: " << std::to_string(before) << " as given, " << std::to_string(after)
          << " reordered";
      if (!better) {
        continue;
      }
      // Constants and sizes go first, so that any order of the others finds them.
      Operation* anchor = &block.front();
      for (Operation& op : llvm::make_early_inc_range(block)) {
        if (isa<nn::SizeOp, tensor::EmptyOp, exec::ConstantOp, arith::ConstantOp>(op) && &op != anchor) {
          op.moveBefore(anchor);
        } else if (&op == anchor && isFree(op)) {
          anchor = op.getNextNode();
        }
      }
      for (unsigned n : order) {
        graph.ops[n]->moveBefore(block.getTerminator());
      }
    }
  }
};

}  // namespace
}  // namespace mlir::sluice::memory
