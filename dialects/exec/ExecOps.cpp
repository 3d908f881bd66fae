// Syntax and verifiers of the exec ops.
#include "dialects/exec/ExecDialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "runtime/plan/size_expr.h"

using namespace mlir;
using namespace mlir::exec;
using ::sluice::plan::SizeExpr;

//===-- Operand slots: `%a, none, %b`
//------------------------------------------------------------------------------===//

static ParseResult parseSlots(OpAsmParser& parser, SmallVectorImpl<OpAsmParser::UnresolvedOperand>& ins,
                              DenseI64ArrayAttr& absent) {
  SmallVector<int64_t> slots;
  int64_t next = 0;
  auto parseSlot = [&]() -> ParseResult {
    OpAsmParser::UnresolvedOperand operand;
    OptionalParseResult present = parser.parseOptionalOperand(operand);
    if (!present.has_value()) {
      if (parser.parseKeyword("none")) {
        return failure();
      }
      slots.push_back(next);
    } else if (failed(*present)) {
      return failure();
    } else {
      ins.push_back(operand);
    }
    ++next;
    return success();
  };
  // `(` is parsed by the op's format, so an empty list shows as a `)` that follows at once.
  OpAsmParser::UnresolvedOperand first;
  OptionalParseResult any = parser.parseOptionalOperand(first);
  if (any.has_value()) {
    if (failed(*any)) {
      return failure();
    }
    ins.push_back(first);
    next = 1;
  } else if (succeeded(parser.parseOptionalKeyword("none"))) {
    slots.push_back(0);
    next = 1;
  } else {
    absent = DenseI64ArrayAttr::get(parser.getContext(), {});
    return success();
  }
  while (succeeded(parser.parseOptionalComma())) {
    if (parseSlot()) {
      return failure();
    }
  }
  absent = DenseI64ArrayAttr::get(parser.getContext(), slots);
  return success();
}

static void printSlots(OpAsmPrinter& printer, Operation*, OperandRange ins, DenseI64ArrayAttr absent) {
  int64_t slot = 0;
  auto value = ins.begin();
  size_t total = ins.size() + absent.size();
  for (size_t i = 0; i < total; ++i, ++slot) {
    if (i != 0) {
      printer << ", ";
    }
    if (llvm::is_contained(absent.asArrayRef(), slot)) {
      printer << "none";
    } else {
      printer << *value++;
    }
  }
}

//===-- Optional attributes without a keyword
//-------------------------------------------------------------------------------------------===//

// An optional attribute of any kind would take the `loc(...)` behind the op for its value.
static OptionalParseResult parseConfig(OpAsmParser& parser, DictionaryAttr& config) {
  NamedAttrList attrs;
  if (parser.parseOptionalAttrDict(attrs)) {
    return failure();
  }
  if (attrs.empty()) {
    return std::nullopt;
  }
  config = attrs.getDictionary(parser.getContext());
  return success();
}

static void printConfig(OpAsmPrinter& printer, Operation*, DictionaryAttr config) { printer.printAttribute(config); }

static OptionalParseResult parsePortNumber(OpAsmParser& parser, IntegerAttr& number) {
  int64_t value = 0;
  OptionalParseResult present = parser.parseOptionalInteger(value);
  if (present.has_value() && succeeded(*present)) {
    number = parser.getBuilder().getI64IntegerAttr(value);
  }
  return present;
}

static void printPortNumber(OpAsmPrinter& printer, Operation*, IntegerAttr number) { printer << number.getInt(); }

#define GET_OP_CLASSES
#include "dialects/exec/ExecOps.cpp.inc"

::sluice::DType mlir::exec::dtypeOf(Type type) {
  using ::sluice::DType;
  if (type.isF32()) {
    return DType::kF32;
  }
  if (type.isF16()) {
    return DType::kF16;
  }
  if (type.isBF16()) {
    return DType::kBF16;
  }
  if (type.isF64()) {
    return DType::kF64;
  }
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer) {
    return DType::kUndefined;
  }
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
    case 1:
      return DType::kBool;
    case 4:
      return isUnsigned ? DType::kU4 : DType::kI4;
    case 8:
      return isUnsigned ? DType::kU8 : DType::kI8;
    case 16:
      return isUnsigned ? DType::kU16 : DType::kI16;
    case 32:
      return isUnsigned ? DType::kU32 : DType::kI32;
    case 64:
      return isUnsigned ? DType::kU64 : DType::kI64;
    default:
      return DType::kUndefined;
  }
}

//===-- Sizes
//------------------------------------------------------------------------------------------------------===//

static LogicalResult checkSize(Operation* op, StringRef text) {
  auto size = SizeExpr::Parse(text.str());
  if (!size.ok()) {
    return op->emitOpError("bad size expression '") << text << "': " << std::string(size.status().message());
  }
  return success();
}

static LogicalResult checkSizes(Operation* op, ArrayAttr texts) {
  for (Attribute text : texts) {
    auto string = dyn_cast<StringAttr>(text);
    if (!string) {
      return op->emitOpError("expected a list of size expressions, got ") << texts;
    }
    if (failed(checkSize(op, string.getValue()))) {
      return failure();
    }
  }
  return success();
}

//===-- Module level
//-----------------------------------------------------------------------------------------------===//

unsigned KernelOp::getNumOuts() {
  auto yield = dyn_cast<YieldOp>(getBody().front().back());
  return yield ? yield.getNumOperands() : 0;
}

unsigned KernelOp::getNumParams() {
  unsigned count = 0;
  auto note = [&](StringRef text) {
    auto size = SizeExpr::Parse(text.str());
    if (!size.ok()) {
      return;
    }
    for (const std::string& symbol : size->Symbols()) {
      unsigned number = 0;
      if (symbol.size() > 1 && !StringRef(symbol).drop_front().getAsInteger(10, number)) {
        count = std::max(count, number + 1);
      }
    }
  };
  if (getGrid()) {
    note(*getGrid());
  }
  for (std::optional<ArrayAttr> lists : {getDims(), getStrides(), getOffsets()}) {
    for (Attribute list : lists.value_or(ArrayAttr::get(getContext(), {}))) {
      if (auto text = dyn_cast<StringAttr>(list)) {
        note(text.getValue());
        continue;
      }
      for (Attribute size : cast<ArrayAttr>(list)) {
        note(cast<StringAttr>(size).getValue());
      }
    }
  }
  walk([&](Operation* op) {
    if (auto expr = op->getAttrOfType<StringAttr>("expr")) {
      note(expr.getValue());
    }
  });
  return count;
}

// Strides spell each argument's dimensions, offsets each argument.
static LogicalResult verifyStrides(KernelOp op) {
  if (op.getStrides().has_value() != op.getOffsets().has_value()) {
    return op.emitOpError("has strides and offsets, or neither");
  }
  if (!op.getStrides()) {
    return success();
  }
  if (op.getStrides()->size() != op.getDims()->size() || op.getOffsets()->size() != op.getDims()->size()) {
    return op.emitOpError("has strides of ") << op.getStrides()->size() << " tensors and offsets of "
                                             << op.getOffsets()->size() << " for dims of " << op.getDims()->size();
  }
  for (auto [strides, dims] : llvm::zip(*op.getStrides(), *op.getDims())) {
    auto list = dyn_cast<ArrayAttr>(strides);
    if (!list || list.size() != cast<ArrayAttr>(dims).size()) {
      return op.emitOpError("has strides ") << strides << " for dims " << dims;
    }
    if (failed(checkSizes(op, list))) {
      return failure();
    }
  }
  return checkSizes(op, *op.getOffsets());
}

static LogicalResult verifyGenerated(KernelOp op) {
  if (!op.getDims() || !op.getGrid()) {
    return op.emitOpError("is neither of the library nor generated with dims and grid");
  }
  if (op.getBody().empty() || op.getBody().front().empty() || !isa<YieldOp>(op.getBody().front().back())) {
    return op.emitOpError("needs a body that ends in exec.yield");
  }
  Block& body = op.getBody().front();
  if (op.getDims()->size() != body.getNumArguments()) {
    return op.emitOpError("has dims of ")
           << op.getDims()->size() << " tensors for " << body.getNumArguments() << " arguments";
  }
  for (auto [arg, sizes] : llvm::zip(body.getArguments(), *op.getDims())) {
    auto type = dyn_cast<RankedTensorType>(arg.getType());
    auto list = dyn_cast<ArrayAttr>(sizes);
    if (!type || !list || static_cast<int64_t>(list.size()) != type.getRank()) {
      return op.emitOpError("argument ") << arg.getArgNumber() << " of type " << arg.getType() << " has dims " << sizes;
    }
    if (failed(checkSizes(op, list))) {
      return failure();
    }
  }
  if (failed(verifyStrides(op))) {
    return failure();
  }
  if (op.getNumOuts() == 0 || op.getNumOuts() > body.getNumArguments()) {
    return op.emitOpError("yields ") << op.getNumOuts() << " tensors of " << body.getNumArguments() << " arguments";
  }
  return checkSize(op, *op.getGrid());
}

LogicalResult KernelOp::verify() {
  if (!getLibrary()) {
    return verifyGenerated(*this);
  }
  if (getDims() || !getBody().empty()) {
    return emitOpError("is of the library and has a body");
  }
  return success();
}

LogicalResult WeightOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getType());
  if (!type || !type.hasStaticShape()) {
    return emitOpError("type ") << getType() << " is no tensor of fixed sizes";
  }
  auto yield = getBody().front().empty() ? YieldOp() : dyn_cast<YieldOp>(getBody().front().back());
  if (!yield || yield.getNumOperands() != 1) {
    return emitOpError("needs a body that yields one tensor");
  }
  if (yield.getOperand(0).getType() != type) {
    return emitOpError("has type ") << type << " and yields " << yield.getOperand(0).getType();
  }
  return success();
}

LogicalResult SymbolOp::verify() {
  if ((getKind() == SymbolKind::Counted) != getBound().has_value()) {
    return emitOpError("a counted symbol has a bound, others have none");
  }
  int64_t max = getMax();
  if (max >= 0 && max < static_cast<int64_t>(getMin())) {
    return emitOpError("has max ") << max << " below min " << getMin();
  }
  return getBound() ? checkSize(*this, *getBound()) : success();
}

LogicalResult AssumeOp::verify() {
  StringRef text = getText();
  for (StringRef relation : {"==", "!=", ">="}) {
    if (text.contains(relation)) {
      auto [left, right] = text.split(relation);
      return success(succeeded(checkSize(*this, left)) && succeeded(checkSize(*this, right)));
    }
  }
  return emitOpError("'") << text << "' has none of ==, !=, >=";
}

LogicalResult StateOp::verify() {
  int64_t rank = getSizes().size();
  if (static_cast<int64_t>(getAxis()) < 0 || static_cast<int64_t>(getAxis()) >= rank) {
    return emitOpError("axis ") << getAxis() << " is outside rank " << rank;
  }
  if (cast<StringAttr>(getSizes()[getAxis()]).getValue() != getBefore()) {
    return emitOpError("size ") << getSizes()[getAxis()] << " along its axis is not its length before, \""
                                << getBefore() << '"';
  }
  if (failed(checkSizes(*this, getSizes())) || failed(checkSize(*this, getBefore()))) {
    return failure();
  }
  return checkSize(*this, getAfter());
}

//===-- Tensor level
//-----------------------------------------------------------------------------------------------===//

LogicalResult ConstantOp::verifySymbolUses(SymbolTableCollection& tables) {
  auto weight = tables.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight) {
    return emitOpError("no exec.weight ") << getWeightAttr();
  }
  if (weight.getType() != getType()) {
    return emitOpError("has type ") << getType() << ", the weight " << weight.getType();
  }
  return success();
}

// Facts that dispatches and launches share: slots of a kernel that exists.
static LogicalResult verifyCall(Operation* op, FlatSymbolRefAttr name, size_t ins, size_t outs, bool hasParams,
                                size_t params, SymbolTableCollection& tables) {
  auto kernel = tables.lookupNearestSymbolFrom<KernelOp>(op, name);
  if (!kernel) {
    return op->emitOpError("no exec.kernel ") << name;
  }
  if (!kernel.isGenerated()) {
    // Of kernels of a GPU those have numbers that are several in one launch.
    return hasParams && !kernel.getCuda() ? op->emitOpError("gives params to the library kernel ") << name : success();
  }
  size_t wantOuts = kernel.getNumOuts();
  size_t wantIns = kernel.getBody().front().getNumArguments() - wantOuts;
  if (ins != wantIns || outs != wantOuts) {
    return op->emitOpError("has ") << ins << " inputs and " << outs << " outputs, " << name << " has " << wantIns
                                   << " and " << wantOuts;
  }
  // More are fine: a parameter may be left over when strides turn out dense.
  if (params < kernel.getNumParams()) {
    return op->emitOpError("gives ") << params << " params, " << name << " has " << kernel.getNumParams();
  }
  return success();
}

LogicalResult DispatchOp::verify() {
  if (getSizes().size() != getNumResults()) {
    return emitOpError("has sizes of ") << getSizes().size() << " results and " << getNumResults() << " results";
  }
  for (auto [result, sizes] : llvm::zip(getResults(), getSizes())) {
    auto list = dyn_cast<ArrayAttr>(sizes);
    auto type = cast<RankedTensorType>(result.getType());
    if (!list || static_cast<int64_t>(list.size()) != type.getRank()) {
      return emitOpError("result of type ") << type << " has sizes " << sizes;
    }
    if (failed(checkSizes(*this, list))) {
      return failure();
    }
  }
  return getParams() ? checkSizes(*this, *getParams()) : success();
}

LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection& tables) {
  return verifyCall(*this, getKernelAttr(), getIns().size(), getNumResults(), getParams().has_value(),
                    getParams() ? getParams()->size() : 0, tables);
}

//===-- Buffer level
//-----------------------------------------------------------------------------------------------===//

LogicalResult ProgramOp::verify() {
  // The records an artifact has.
  for (Operation& op : getBody().front()) {
    if (!isa<BufferOp, PortOp, ViewOp, LaunchOp, IfOp, LoopOp, PackOp>(op)) {
      return op.emitOpError("is not an op of a program");
    }
  }
  return success();
}

LogicalResult BufferOp::verify() {
  bool port = getKind() == BufferKind::Input || getKind() == BufferKind::Output;
  bool named = getKind() == BufferKind::Weight || getKind() == BufferKind::State;
  if (port != getIndex().has_value()) {
    return emitOpError("an input or output has an index, others have none");
  }
  if (named != getSource().has_value()) {
    return emitOpError("a weight or state names its source, others have none");
  }
  if ((getKind() == BufferKind::Arena) != getBytes().has_value()) {
    return emitOpError("an arena buffer has bytes, others have none");
  }
  if ((getKind() == BufferKind::Constant) != getValue().has_value()) {
    return emitOpError("a constant has a value, others have none");
  }
  if (getLive() && (getLive()->size() != 2 || (*getLive())[0] > (*getLive())[1])) {
    return emitOpError("live is [first, last]");
  }
  return getBytes() ? checkSize(*this, *getBytes()) : success();
}

LogicalResult ViewOp::verify() {
  if (failed(checkSizes(*this, getSizes())) || (getStrides() && failed(checkSizes(*this, *getStrides()))) ||
      (getOffset() && failed(checkSize(*this, *getOffset()))) ||
      (getStart() && failed(checkSize(*this, *getStart())))) {
    return failure();
  }
  if (getStrides() && getStrides()->size() != getSizes().size()) {
    return emitOpError("has ") << getSizes().size() << " sizes and " << getStrides()->size() << " strides";
  }
  auto buffer = getBuffer().getDefiningOp<BufferOp>();
  if (buffer && buffer.getKind() == BufferKind::State && (getStrides() || getOffset())) {
    return emitOpError("of a state has neither strides nor offset, they follow from its capacity");
  }
  if (buffer && buffer.getKind() != BufferKind::State && getStart()) {
    return emitOpError("has a start, but its buffer is no state");
  }
  return success();
}

LogicalResult LaunchOp::verify() {
  if (getGrid() && failed(checkSize(*this, *getGrid()))) {
    return failure();
  }
  return getParams() ? checkSizes(*this, *getParams()) : success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection& tables) {
  if (failed(verifyCall(*this, getKernelAttr(), getIns().size(), getOuts().size(), getParams().has_value(),
                        getParams() ? getParams()->size() : 0, tables))) {
    return failure();
  }
  auto kernel = tables.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (kernel.isGenerated() != getGrid().has_value()) {
    return emitOpError("a generated kernel has a grid, one of the library has none");
  }
  return success();
}

static LogicalResult checkProgram(Operation* op, FlatSymbolRefAttr name, SymbolTableCollection& tables) {
  if (!tables.lookupNearestSymbolFrom<ProgramOp>(op, name)) {
    return op->emitOpError("no exec.program ") << name;
  }
  return success();
}

LogicalResult AssumeOp::verifySymbolUses(SymbolTableCollection& tables) {
  return getProgram() ? checkProgram(*this, getProgramAttr(), tables) : success();
}

LogicalResult IfOp::verifySymbolUses(SymbolTableCollection& tables) {
  return success(succeeded(checkProgram(*this, getThenProgramAttr(), tables)) &&
                 succeeded(checkProgram(*this, getElseProgramAttr(), tables)));
}

LogicalResult LoopOp::verifySymbolUses(SymbolTableCollection& tables) {
  return checkProgram(*this, getBodyAttr(), tables);
}

LogicalResult PackOp::verify() {
  if (getOffsets().has_value() != getArena().has_value() || getOffsets().has_value() != getLowerBound().has_value()) {
    return emitOpError("has all of offsets, arena and lower_bound, or none");
  }
  return success();
}
