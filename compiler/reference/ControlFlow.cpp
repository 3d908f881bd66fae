// nn.if and nn.loop: calls of sub-programs.
#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"

namespace mlir::sluice::reference {
namespace {

using Shared = std::shared_ptr<RefTensor>;

// Binds the fresh symbols that a result's declared sizes name.
LogicalResult bindResults(Operation* op, ArrayAttr sizes, Frame& frame) {
  for (auto [index, list] : llvm::enumerate(sizes.getAsRange<ArrayAttr>())) {
    const RefTensor& result = frame.of(op->getResult(index));
    for (auto [d, text] : llvm::enumerate(list.getAsRange<StringAttr>())) {
      auto expr = ::sluice::plan::SizeExpr::Parse(text.getValue().str()).value();
      auto symbols = expr.Symbols();
      if (symbols.size() == 1 && expr == ::sluice::plan::SizeExpr::Symbol(*symbols.begin())) {
        frame.symbols.insert({*symbols.begin(), result.sizes[d]});
      }
    }
  }
  return success();
}

LogicalResult evalIf(Operation* op, Frame& frame, Evaluator& evaluator) {
  auto branch = cast<nn::IfOp>(op);
  bool taken = frame.of(branch.getCondition()).i.at(0) != 0;
  auto func = evaluator.module().lookupSymbol<func::FuncOp>(taken ? branch.getThenProgram() : branch.getElseProgram());
  std::vector<Shared> args;
  for (Value arg : branch.getArgs()) {
    args.push_back(frame.values.at(arg));
  }
  auto results = evaluator.call(func, std::move(args), frame.symbols);
  if (failed(results)) {
    return failure();
  }
  for (auto [value, tensor] : llvm::zip(branch.getOuts(), *results)) {
    frame.set(value, std::move(tensor));
  }
  return bindResults(op, branch.getSizes(), frame);
}

// Appends one iteration's scanned value to what was stacked so far.
void stack(RefTensor& all, const RefTensor& one) {
  if (all.sizes.empty() || all.sizes[0] == 0) {
    all = one;
    all.sizes.insert(all.sizes.begin(), 1);
    return;
  }
  all.f.insert(all.f.end(), one.f.begin(), one.f.end());
  all.i.insert(all.i.end(), one.i.begin(), one.i.end());
  ++all.sizes[0];
}

LogicalResult evalLoop(Operation* op, Frame& frame, Evaluator& evaluator) {
  auto loop = cast<nn::LoopOp>(op);
  auto body = evaluator.module().lookupSymbol<func::FuncOp>(loop.getBody());
  Builder b(op->getContext());
  int64_t trip = loop.getTrip() ? frame.of(loop.getTrip()).i.at(0) : INT64_MAX;
  bool go = !loop.getCondition() || frame.of(loop.getCondition()).i.at(0) != 0;
  std::vector<Shared> carried;
  for (Value value : loop.getCarried()) {
    carried.push_back(frame.values.at(value));
  }
  size_t scans = loop.getOuts().size() - carried.size();
  std::vector<RefTensor> stacked;
  for (size_t s = 0; s < scans; ++s) {
    auto type = cast<RankedTensorType>(loop.getOuts()[carried.size() + s].getType());
    std::vector<int64_t> sizes;
    for (int64_t d : type.getShape()) {
      sizes.push_back(ShapedType::isDynamic(d) ? 0 : d);
    }
    sizes[0] = 0;
    stacked.push_back(RefTensor::make(type.getElementType(), sizes));
  }
  auto scalar = [&](Type element, int64_t value) {
    auto t = std::make_shared<RefTensor>(RefTensor::make(element, {}));
    t->i[0] = value;
    return t;
  };
  for (int64_t iteration = 0; iteration < trip && go; ++iteration) {
    std::vector<Shared> args = {scalar(b.getI64Type(), iteration), scalar(b.getI1Type(), go)};
    args.insert(args.end(), carried.begin(), carried.end());
    for (Value value : loop.getCaptured()) {
      args.push_back(frame.values.at(value));
    }
    auto results = evaluator.call(body, std::move(args), frame.symbols);
    if (failed(results)) {
      return failure();
    }
    go = (*results)[0].i.at(0) != 0;
    for (size_t c = 0; c < carried.size(); ++c) {
      carried[c] = std::make_shared<RefTensor>(std::move((*results)[1 + c]));
    }
    for (size_t s = 0; s < scans; ++s) {
      stack(stacked[s], (*results)[1 + carried.size() + s]);
    }
  }
  for (size_t c = 0; c < carried.size(); ++c) {
    frame.values[loop.getOuts()[c]] = carried[c];
  }
  for (size_t s = 0; s < scans; ++s) {
    frame.set(loop.getOuts()[carried.size() + s], std::move(stacked[s]));
  }
  return bindResults(op, loop.getSizes(), frame);
}

}  // namespace

void addControlFlow(Definitions& t) {
  t["nn.if"] = evalIf;
  t["nn.loop"] = evalLoop;
}

}  // namespace mlir::sluice::reference
