#include "compiler/codegen/PackExpressions.h"

#include <numeric>
#include <optional>

#include "compiler/reference/Evaluator.h"
#include "dialects/nn/NNDialect.h"
#include "llvm/ADT/TypeSwitch.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::sluice::codegen {

using ::sluice::DType;
using ::sluice::PackExpr;
using ::sluice::PackKind;
using ::sluice::PackNode;

namespace {

std::vector<int64_t> shapeOf(Value value) { return cast<RankedTensorType>(value.getType()).getShape().vec(); }

class PackBuilder {
 public:
  // The number of the node that computes `value`.
  FailureOr<int64_t> node(Value value);
  PackExpr expr;

 private:
  int64_t add(PackKind kind, Value like, std::vector<int64_t> inputs, std::vector<int64_t> ints = {}) {
    PackNode node;
    node.kind = kind;
    node.dtype = dtypeOf(getElementTypeOrSelf(like.getType()));
    node.sizes = shapeOf(like);
    node.inputs = std::move(inputs);
    node.ints = std::move(ints);
    expr.nodes.push_back(std::move(node));
    return static_cast<int64_t>(expr.nodes.size()) - 1;
  }
  FailureOr<int64_t> build(Operation* op, std::vector<int64_t> inputs);
  int64_t source(nn::WeightOp op);
  FailureOr<int64_t> literal(arith::ConstantOp op);
  FailureOr<int64_t> slice(tensor::ExtractSliceOp op, int64_t input);
  FailureOr<int64_t> bitcast(tensor::BitcastOp op, int64_t input);
  DenseMap<Value, int64_t> numbers_;
};

int64_t PackBuilder::source(nn::WeightOp op) {
  int64_t n = add(PackKind::kSource, op.getResult(), {});
  expr.nodes[n].file = static_cast<int64_t>(op.getFile());
  expr.nodes[n].offset = static_cast<int64_t>(op.getOffset());
  return n;
}

FailureOr<int64_t> PackBuilder::literal(arith::ConstantOp op) {
  auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!dense) {
    return op.emitOpError("in a weight expression is no dense tensor");
  }
  auto type = dense.getType();
  bool splat = dense.isSplat();
  if (splat) {
    type = RankedTensorType::get({}, type.getElementType());
    dense = dense.resizeSplat(type);
  }
  reference::RefTensor tensor = reference::RefTensor::make(type.getElementType(), type.getShape().vec());
  bool lossy;
  if (tensor.isFloat()) {
    for (auto [n, value] : llvm::enumerate(dense.getValues<APFloat>())) {
      APFloat number = value;
      number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossy);
      tensor.f[n] = number.convertToDouble();
    }
  } else {
    for (auto [n, value] : llvm::enumerate(dense.getValues<APInt>())) {
      tensor.i[n] = value.getSExtValue();
    }
  }
  std::vector<char> bytes = reference::toBytes(tensor);
  int64_t n = add(PackKind::kLiteral, op.getResult(), {});
  expr.nodes[n].bytes.assign(bytes.begin(), bytes.end());
  int64_t rank = static_cast<int64_t>(expr.nodes[n].sizes.size());
  if (splat && rank > 0) {
    expr.nodes[n].sizes.clear();
    std::vector<int64_t> dims(rank);
    std::iota(dims.begin(), dims.end(), 0);
    return add(PackKind::kBroadcast, op.getResult(), {n}, std::move(dims));
  }
  return n;
}

// Unit dimensions that the slice drops become a reshape behind it.
FailureOr<int64_t> PackBuilder::slice(tensor::ExtractSliceOp op, int64_t input) {
  if (!op.getOffsets().empty() || !op.getSizes().empty() || !op.getStrides().empty()) {
    return op.emitOpError("in a weight expression is not static");
  }
  std::vector<int64_t> ints = llvm::to_vector_of<int64_t>(op.getStaticOffsets()).empty()
                                  ? std::vector<int64_t>{}
                                  : std::vector<int64_t>(op.getStaticOffsets().begin(), op.getStaticOffsets().end());
  ints.insert(ints.end(), op.getStaticStrides().begin(), op.getStaticStrides().end());
  int64_t n = add(PackKind::kSlice, op.getResult(), {input}, std::move(ints));
  expr.nodes[n].sizes.assign(op.getStaticSizes().begin(), op.getStaticSizes().end());
  return op.getDroppedDims().any() ? add(PackKind::kReshape, op.getResult(), {n}) : n;
}

// The same bytes as another type of the same width: only of what is read from a file.
FailureOr<int64_t> PackBuilder::bitcast(tensor::BitcastOp op, int64_t input) {
  PackNode node = expr.nodes[input];
  if (node.kind != PackKind::kSource && node.kind != PackKind::kLiteral) {
    return op.emitOpError("in a weight expression stands on something computed");
  }
  node.dtype = dtypeOf(getElementTypeOrSelf(op.getType()));
  expr.nodes.push_back(std::move(node));
  return static_cast<int64_t>(expr.nodes.size()) - 1;
}

FailureOr<int64_t> PackBuilder::build(Operation* op, std::vector<int64_t> inputs) {
  Value result = op->getResult(0);
  auto one = [&](PackKind kind) { return add(kind, result, {inputs[0]}); };
  return llvm::TypeSwitch<Operation*, FailureOr<int64_t>>(op)
      .Case([&](nn::WeightOp weight) { return source(weight); })
      .Case([&](arith::ConstantOp constant) { return literal(constant); })
      .Case([&](tensor::ExtractSliceOp extract) { return slice(extract, inputs[0]); })
      .Case([&](tensor::BitcastOp cast) { return bitcast(cast, inputs[0]); })
      .Case([&](linalg::TransposeOp transpose) {
        ArrayRef<int64_t> perm = transpose.getPermutation();
        return add(PackKind::kTranspose, result, {inputs[0]}, std::vector<int64_t>(perm.begin(), perm.end()));
      })
      .Case([&](linalg::BroadcastOp broadcast) {
        ArrayRef<int64_t> dims = broadcast.getDimensions();
        return add(PackKind::kBroadcast, result, {inputs[0]}, std::vector<int64_t>(dims.begin(), dims.end()));
      })
      .Case<nn::ReshapeOp>([&](Operation*) { return one(PackKind::kReshape); })
      .Case<tensor::CastOp>([&](Operation*) { return inputs[0]; })
      .Case([&](tensor::ConcatOp concat) {
        return add(PackKind::kConcat, result, inputs, {static_cast<int64_t>(concat.getDim())});
      })
      .Case([&](nn::DequantizeOp dequantize) {
        return add(PackKind::kDequantize, result, inputs,
                   {static_cast<int64_t>(dequantize.getAxis()), static_cast<int64_t>(dequantize.getBlock())});
      })
      .Case([&](nn::LinearOp) { return add(PackKind::kLinear, result, inputs); })
      .Case<arith::ExtFOp, arith::TruncFOp>([&](Operation*) { return one(PackKind::kCast); })
      .Case<arith::AddFOp>([&](Operation*) { return add(PackKind::kAdd, result, inputs); })
      .Case<arith::SubFOp>([&](Operation*) { return add(PackKind::kSub, result, inputs); })
      .Case<arith::MulFOp>([&](Operation*) { return add(PackKind::kMul, result, inputs); })
      .Case<arith::DivFOp>([&](Operation*) { return add(PackKind::kDiv, result, inputs); })
      .Case<arith::NegFOp>([&](Operation*) { return one(PackKind::kNeg); })
      .Case<math::SqrtOp>([&](Operation*) { return one(PackKind::kSqrt); })
      .Default([&](Operation* other) { return other->emitOpError("has no form as a pack expression"); });
}

FailureOr<int64_t> PackBuilder::node(Value value) {
  if (auto it = numbers_.find(value); it != numbers_.end()) {
    return it->second;
  }
  Operation* op = value.getDefiningOp();
  unsigned inits = 0;  // destinations carry no data
  if (auto dps = dyn_cast<DestinationStyleOpInterface>(op)) {
    inits = dps.getNumDpsInits();
  }
  std::vector<int64_t> inputs;
  for (Value operand : op->getOperands().drop_back(inits)) {
    FailureOr<int64_t> input = node(operand);
    if (failed(input)) {
      return failure();
    }
    inputs.push_back(*input);
  }
  FailureOr<int64_t> made = build(op, std::move(inputs));
  if (succeeded(made)) {
    numbers_[value] = *made;
  }
  return made;
}

}  // namespace

FailureOr<PackExpr> packExpression(exec::WeightOp weight, int64_t groups) {
  PackBuilder builder;
  Value result = weight.getBody().front().back().getOperand(0);
  if (failed(builder.node(result))) {
    return failure();
  }
  PackExpr expr = std::move(builder.expr);
  expr.layout = static_cast<::sluice::WeightLayout>(weight.getLayout());
  expr.groups = expr.layout == ::sluice::WeightLayout::kOihwTile16 ? groups : 1;
  if (absl::Status valid = ::sluice::ValidatePack(expr); !valid.ok()) {
    return weight.emitOpError() << std::string(valid.message());
  }
  return expr;
}

absl::StatusOr<::sluice::RandomAccessFile*> FilePackReader::open(size_t file) {
  if (file >= files_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the module lists no file ", file));
  }
  if (!files_[file]) {
    std::string path = directory_.empty() ? names_[file] : directory_ + "/" + names_[file];
    ASSIGN_OR_RETURN(files_[file], ::sluice::RandomAccessFile::Open(path));
  }
  return &*files_[file];
}

absl::Status FilePackReader::Read(const PackNode& source, int64_t offset, std::span<uint8_t> out) {
  ASSIGN_OR_RETURN(::sluice::RandomAccessFile * file, open(source.file));
  return file->Read(source.offset + offset, out);
}

absl::StatusOr<int64_t> FilePackReader::FileBytes(size_t file) {
  ASSIGN_OR_RETURN(::sluice::RandomAccessFile * opened, open(file));
  return opened->size();
}

}  // namespace mlir::sluice::codegen
