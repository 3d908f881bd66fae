// If and Loop: their graphs become sub-programs (functions of their own), unless the way is known already.
#include "compiler/onnx/ProgramImporter.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::onnx_import {
namespace {

const onnx::GraphProto& graphAttr(OpContext& op, StringRef name) {
  const auto* attribute = op.find(name);
  if (!attribute || !attribute->has_g()) {
    op.fail("attribute '" + name + "' is missing");
  }
  return attribute->g();
}

std::string programName(OpContext& op, StringRef part) {
  return op.program().uniqueProgramName((cast<NameLoc>(op.loc()).getName().getValue() + "_" + part).str());
}

// The op's results: sizes that are not the same on every way get a symbol of their own.
class ResultSizes {
 public:
  explicit ResultSizes(OpContext& op) : op_(op), before_(op.program().state().data_symbols) {}

  // `size`, or a new symbol when it is made of symbols that only the sub-program knows.
  SizeExpr visible(const SizeExpr& size) {
    for (const std::string& symbol : size.Symbols()) {
      if (op_.program().state().data_symbols.count(symbol) && !before_.count(symbol)) {
        return fresh();
      }
    }
    return size;
  }
  SizeExpr fresh() {
    std::string symbol = op_.t().facts().freshSymbol(identifierOf(op_.node().op_type()).append("_size"));
    symbols_.push_back(op_.b().getStringAttr(symbol));
    return op_.t().facts().symbol(symbol);
  }
  void add(Sizes sizes) {
    lists_.push_back(nn::sizesAttr(op_.context(), sizes));
    all_.push_back(std::move(sizes));
  }
  ArrayAttr lists() { return op_.b().getArrayAttr(lists_); }
  ArrayAttr symbols() { return op_.b().getArrayAttr(symbols_); }
  const Sizes& operator[](size_t i) const { return all_[i]; }

 private:
  OpContext& op_;
  std::set<std::string> before_;
  SmallVector<Attribute> lists_, symbols_;
  SmallVector<Sizes> all_;
};

SmallVector<ProgramArg> argsOf(ArrayRef<std::pair<std::string, Tensor>> captured) {
  SmallVector<ProgramArg> args;
  for (const auto& [name, tensor] : captured) {
    args.push_back({name, tensor.element(), tensor.sizes()});
  }
  return args;
}

SmallVector<Value> valuesOf(OpContext& op, ArrayRef<std::pair<std::string, Tensor>> captured) {
  return llvm::map_to_vector(captured, [&](const auto& entry) { return op.t().value(entry.second); });
}

Sizes joinSizes(OpContext& op, ResultSizes& sizes, const Tensor& a, const Tensor& b) {
  if (a.rank() != b.rank() || a.element() != b.element()) {
    op.fail("its branches give results of different ranks or element types");
  }
  Sizes joined;
  for (int64_t d = 0; d < a.rank(); ++d) {
    joined.push_back(a.size(d) == b.size(d) ? sizes.visible(a.size(d)) : sizes.fresh());
  }
  return joined;
}

void importIf(OpContext& op) {
  TensorBuilder& t = op.t();
  const onnx::GraphProto& then_graph = graphAttr(op, "then_branch");
  const onnx::GraphProto& else_graph = graphAttr(op, "else_branch");
  if (auto known = op.in(0).splat()) {
    for (auto [i, tensor] : llvm::enumerate(op.program().importInline(*known != 0 ? then_graph : else_graph, {}))) {
      op.out(i, tensor);
    }
    return;
  }
  Value condition = t.value(t.reshape(op.in(0), {}));
  ProgramImporter::Captures captures = op.program().capturesOf({&then_graph, &else_graph});
  SmallVector<ProgramArg> args = argsOf(captures.values);
  SmallVector<Value> operands = valuesOf(op, captures.values);
  ResultSizes sizes(op);
  std::string then_name = programName(op, "then");
  std::string else_name = programName(op, "else");
  ProgramImporter then_program(op.program().state(), then_name, op.program().opsets(), &op.program());
  ProgramImporter else_program(op.program().state(), else_name, op.program().opsets(), &op.program());
  SmallVector<Tensor> then_results = then_program.importBody(then_graph, args, captures.constants);
  SmallVector<Tensor> else_results = else_program.importBody(else_graph, args, captures.constants);
  if (then_results.size() != op.numOutputs() || else_results.size() != op.numOutputs()) {
    op.fail("its branches do not give " + llvm::Twine(op.numOutputs()) + " results each");
  }
  SmallVector<RankedTensorType> types;
  for (auto [a, b] : llvm::zip_equal(then_results, else_results)) {
    sizes.add(joinSizes(op, sizes, a, b));
    types.push_back(nn::typeOf(sizes[types.size()], a.element()));
  }
  then_program.finish(then_results, types);
  else_program.finish(else_results, types);
  SmallVector<Type> result_types(types.begin(), types.end());
  auto result =
      nn::IfOp::create(op.b(), op.loc(), result_types, condition, FlatSymbolRefAttr::get(op.context(), then_name),
                       FlatSymbolRefAttr::get(op.context(), else_name), operands, sizes.lists(), sizes.symbols());
  for (auto [i, value] : llvm::enumerate(result.getOuts())) {
    op.out(i, t.wrap(value, sizes[i]));
  }
}

// Sizes of a carried value inside the loop: its first ones, or a symbol where an iteration changes them.
Sizes carriedSizes(ProgramImporter& body, StringRef name, size_t index, const Tensor& initial) {
  Sizes sizes = initial.sizes();
  for (auto [d, size] : llvm::enumerate(sizes)) {
    std::string key = std::to_string(index) + ":" + std::to_string(d);
    if (body.facts().table().varying.count(key)) {
      size = body.facts().symbol(body.facts().freshSymbol((name + "_size").str()));
    }
  }
  return sizes;
}

// Notes sizes that an iteration changes; the import begins again when there is a new one.
void checkCarried(OpContext& op, ProgramImporter& body, size_t index, const Sizes& before, const Tensor& after) {
  if (static_cast<int64_t>(before.size()) != after.rank()) {
    op.fail("carried value " + llvm::Twine(index) + " changes its rank");
  }
  for (auto [d, size] : llvm::enumerate(before)) {
    if (size == after.size(d)) {
      continue;
    }
    if (body.facts().table().varying.insert(std::to_string(index) + ":" + std::to_string(d)).second) {
      throw NewFact();
    }
  }
}

// The trip count when nothing else ends the loop.
std::optional<SizeExpr> iterations(OpContext& op, const Tensor& body_condition) {
  bool endless = (!op.has(1) || op.in(1).splat() == 1.0) && body_condition.splat() == 1.0;
  if (!endless || !op.has(0) || !op.in(0).isKnown()) {
    return std::nullopt;
  }
  return op.in(0).known()[0].size;
}

struct LoopBody {
  std::string name;
  SmallVector<Tensor> carried;     // initial values
  SmallVector<Sizes> inner_sizes;  // of carried, inside
  SmallVector<Tensor> results;     // condition, carried, scanned
};

LoopBody importLoopBody(OpContext& op, ProgramImporter& body, StringRef name,
                        const ProgramImporter::Captures& captures) {
  const onnx::GraphProto& graph = graphAttr(op, "body");
  LoopBody loop{name.str(), {}, {}, {}};
  SmallVector<ProgramArg> args = {{graph.input(0).name(), op.b().getI64Type(), {}},
                                  {graph.input(1).name(), op.b().getI1Type(), {}}};
  for (size_t i = 2; i < op.numInputs(); ++i) {
    loop.carried.push_back(op.in(i));
    loop.inner_sizes.push_back(carriedSizes(body, name, i - 2, op.in(i)));
    args.push_back({graph.input(static_cast<int>(i)).name(), op.in(i).element(), loop.inner_sizes.back()});
  }
  args.append(argsOf(captures.values));
  loop.results = body.importBody(graph, args, captures.constants);
  for (size_t i = 0; i < loop.carried.size(); ++i) {
    checkCarried(op, body, i, loop.inner_sizes[i], loop.results[i + 1]);
  }
  return loop;
}

void importLoop(OpContext& op) {
  TensorBuilder& t = op.t();
  const onnx::GraphProto& graph = graphAttr(op, "body");
  if (graph.input_size() != static_cast<int>(std::max<size_t>(op.numInputs(), 2)) ||
      graph.output_size() < graph.input_size() - 1) {
    op.fail("its body does not take and give the carried values");
  }
  ProgramImporter::Captures captures = op.program().capturesOf({&graph});
  SmallVector<Value> captured = valuesOf(op, captures.values);
  ResultSizes sizes(op);
  std::string name = programName(op, "body");
  ProgramImporter body(op.program().state(), name, op.program().opsets(), &op.program());
  LoopBody loop = importLoopBody(op, body, name, captures);

  SmallVector<RankedTensorType> inner_types = {RankedTensorType::get({}, op.b().getI1Type())};
  SmallVector<Type> types;
  SmallVector<Value> carried;
  for (auto [i, initial] : llvm::enumerate(loop.carried)) {
    Sizes outer = loop.inner_sizes[i];
    RankedTensorType type = nn::typeOf(outer, initial.element());
    inner_types.push_back(type);
    Value value = t.value(initial);
    carried.push_back(value.getType() == type ? value
                                              : tensor::CastOp::create(op.b(), op.loc(), type, value).getResult());
    for (SizeExpr& size : outer) {
      size = sizes.visible(size);
    }
    sizes.add(outer);
    types.push_back(type);
  }
  auto count = iterations(op, loop.results[0]);
  for (const Tensor& scanned : ArrayRef<Tensor>(loop.results).drop_front(loop.carried.size() + 1)) {
    inner_types.push_back(nn::typeOf(scanned.sizes(), scanned.element()));
    Sizes outer = {count ? *count : sizes.fresh()};
    for (const SizeExpr& size : scanned.sizes()) {
      outer.push_back(sizes.visible(size));
    }
    types.push_back(nn::typeOf(outer, scanned.element()));
    sizes.add(outer);
  }
  loop.results[0] = body.t().reshape(loop.results[0], {});
  body.finish(loop.results, inner_types);
  auto scalar = [&](size_t i) { return op.has(i) ? t.value(t.reshape(op.in(i), {})) : Value(); };
  auto result = nn::LoopOp::create(op.b(), op.loc(), types, scalar(0), scalar(1), carried, captured,
                                   FlatSymbolRefAttr::get(op.context(), name), sizes.lists(), sizes.symbols());
  for (auto [i, value] : llvm::enumerate(result.getOuts())) {
    op.out(i, t.wrap(value, sizes[i]));
  }
}

constexpr OpDefinition kOps[] = {
    {"", "If", importIf},
    {"", "Loop", importLoop},
};

}  // namespace

ArrayRef<OpDefinition> controlOps() { return kOps; }

}  // namespace mlir::onnx_import
