#include "compiler/reference/Evaluator.h"

#include "dialects/nn/NNDialect.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

namespace mlir::sluice::reference {

FailureOr<int64_t> Frame::size(Operation* op, StringRef text) const {
  auto expr = ::sluice::plan::SizeExpr::Parse(text.str());
  if (!expr.ok()) {
    return op->emitOpError("bad size expression '") << text << "'";
  }
  auto value = expr->Evaluate(symbols);
  if (!value.ok()) {
    return op->emitOpError("size '") << text << "': " << std::string(value.status().message());
  }
  return *value;
}

FailureOr<std::vector<int64_t>> Frame::sizes(Operation* op, ArrayAttr exprs) const {
  std::vector<int64_t> result;
  for (Attribute text : exprs) {
    FailureOr<int64_t> value = size(op, cast<StringAttr>(text).getValue());
    if (failed(value)) {
      return failure();
    }
    result.push_back(*value);
  }
  return result;
}

struct Evaluator::Files {
  std::map<int64_t, std::unique_ptr<llvm::MemoryBuffer>> open;
  Definitions definitions;
};

Evaluator::Evaluator(ModuleOp module, EvalOptions options)
    : module_(module), options_(std::move(options)), files_(std::make_unique<Files>()) {
  addElementwise(files_->definitions);
  addTensorOps(files_->definitions);
  addContractions(files_->definitions);
  addTokenOps(files_->definitions);
  addIndexOps(files_->definitions);
  addLayerOps(files_->definitions);
  addControlFlow(files_->definitions);
}

Evaluator::~Evaluator() = default;

FailureOr<const char*> Evaluator::bytes(Operation* op, int64_t file, int64_t offset, int64_t length) {
  auto& buffer = files_->open[file];
  if (!buffer) {
    auto names = module_->getAttrOfType<ArrayAttr>(nn::kFilesAttr);
    if (!names || file < 0 || file >= static_cast<int64_t>(names.size())) {
      return op->emitOpError("names file ") << file << ", the module lists " << (names ? names.size() : 0);
    }
    SmallString<256> path(options_.modelDir);
    llvm::sys::path::append(path, cast<StringAttr>(names[file]).getValue());
    auto opened = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    if (!opened) {
      return op->emitOpError("cannot read ") << path << ": " << opened.getError().message();
    }
    buffer = std::move(*opened);
  }
  if (offset < 0 || length < 0 || offset + length > static_cast<int64_t>(buffer->getBufferSize())) {
    return op->emitOpError("reads bytes ")
           << offset << " to " << offset + length << " of a file of " << buffer->getBufferSize();
  }
  return buffer->getBufferStart() + offset;
}

namespace {

// Binds the symbols of an argument's declared sizes: a size that is one free symbol defines it, others must agree.
LogicalResult bindSizes(func::FuncOp func, unsigned arg, const RefTensor& value, Frame& frame, bool check) {
  auto dims = func.getArgAttrOfType<ArrayAttr>(arg, nn::kDimsAttr);
  if (!dims) {
    return success();
  }
  // ONNX data sets write a scalar as one element.
  if (dims.size() != value.sizes.size() && !(dims.empty() && value.elements() == 1)) {
    return func.emitError("input ") << arg << " has rank " << value.sizes.size() << ", expected " << dims.size();
  }
  for (auto [d, text] : llvm::enumerate(dims.getAsRange<StringAttr>())) {
    auto expr = ::sluice::plan::SizeExpr::Parse(text.getValue().str()).value();
    auto symbols = expr.Symbols();
    if (!check && symbols.size() == 1 && expr == ::sluice::plan::SizeExpr::Symbol(*symbols.begin())) {
      frame.symbols.insert({*symbols.begin(), value.sizes[d]});
    } else if (check) {
      auto want = expr.Evaluate(frame.symbols);
      if (want.ok() && *want != value.sizes[d]) {
        return func.emitError("input ") << arg << ": dimension " << d << " has size " << value.sizes[d] << ", " << text
                                        << " is " << *want;
      }
    }
  }
  return success();
}

// An entry assumption, "a == b", "a != b" or "a >= b".
LogicalResult checkAssumption(func::FuncOp func, StringRef text, const Frame& frame) {
  for (StringRef relation : {"==", "!=", ">="}) {
    if (!text.contains(relation)) {
      continue;
    }
    auto [leftText, rightText] = text.split(relation);
    FailureOr<int64_t> left = frame.size(func, leftText.trim()), right = frame.size(func, rightText.trim());
    if (failed(left) || failed(right)) {
      return failure();
    }
    bool holds = relation == "==" ? *left == *right : relation == "!=" ? *left != *right : *left >= *right;
    return holds ? success()
                 : func.emitError("the model needs ") << text << ", these sizes give " << *left << " and " << *right;
  }
  return func.emitError("assumption '") << text << "' has none of ==, !=, >=";
}

void roundResults(Operation* op, Frame& frame) {
  for (Value result : op->getResults()) {
    auto it = frame.values.find(result);
    if (it == frame.values.end() || isa<nn::WeightOp, arith::ConstantOp>(op)) {
      continue;
    }
    roundToType(*it->second);
  }
}

// Ops after which each value of a block has no more uses.
llvm::DenseMap<Operation*, SmallVector<Value>> lastUses(Block& block) {
  llvm::DenseMap<Value, Operation*> last;
  for (Operation& op : block) {
    for (Value operand : op.getOperands()) {
      last[operand] = &op;
    }
  }
  llvm::DenseMap<Operation*, SmallVector<Value>> result;
  for (auto& [value, op] : last) {
    result[op].push_back(value);
  }
  return result;
}

}  // namespace

LogicalResult Evaluator::evaluate(Operation* op, Frame& frame) {
  auto it = files_->definitions.find(op->getName().getStringRef());
  if (it == files_->definitions.end()) {
    return op->emitOpError("has no definition in the reference evaluator");
  }
  if (failed(it->second(op, frame, *this))) {
    return failure();
  }
  if (options_.roundToType) {
    roundResults(op, frame);
  }
  if (options_.onOp) {
    SmallVector<const RefTensor*> results;
    for (Value result : op->getResults()) {
      auto value = frame.values.find(result);
      results.push_back(value == frame.values.end() ? nullptr : value->second.get());
    }
    options_.onOp(op, results);
  }
  return success();
}

FailureOr<std::vector<RefTensor>> Evaluator::call(func::FuncOp func, std::vector<std::shared_ptr<RefTensor>> args,
                                                  ::sluice::plan::Bindings symbols) {
  Frame frame;
  frame.symbols = std::move(symbols);
  if (args.size() != func.getNumArguments()) {
    return func.emitError("takes ") << func.getNumArguments() << " inputs, got " << args.size();
  }
  for (bool check : {false, true}) {
    for (auto [index, arg] : llvm::enumerate(args)) {
      if (failed(bindSizes(func, index, *arg, frame, check))) {
        return failure();
      }
    }
  }
  if (auto assumptions = func->getAttrOfType<ArrayAttr>(nn::kAssumeAttr)) {
    for (auto text : assumptions.getAsRange<StringAttr>()) {
      if (failed(checkAssumption(func, text.getValue(), frame))) {
        return failure();
      }
    }
  }
  Block& block = func.front();
  for (auto [value, arg] : llvm::zip(block.getArguments(), args)) {
    frame.values[value] = arg;
  }
  auto dead = lastUses(block);
  for (Operation& op : block.without_terminator()) {
    if (failed(evaluate(&op, frame))) {
      return failure();
    }
    for (Value value : dead[&op]) {
      frame.values.erase(value);
    }
  }
  std::vector<RefTensor> results;
  for (Value value : block.getTerminator()->getOperands()) {
    results.push_back(frame.of(value));
  }
  return results;
}

FailureOr<std::vector<RefTensor>> Evaluator::run(std::vector<RefTensor> inputs) {
  auto main = module_.lookupSymbol<func::FuncOp>("main");
  if (!main) {
    return module_.emitError("has no @main");
  }
  std::vector<std::shared_ptr<RefTensor>> args;
  args.reserve(inputs.size());
  for (RefTensor& input : inputs) {
    args.push_back(std::make_shared<RefTensor>(std::move(input)));
  }
  return call(main, std::move(args), {});
}

}  // namespace mlir::sluice::reference
