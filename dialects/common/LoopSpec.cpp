#include "dialects/common/LoopSpec.h"

#include "dialects/nn/NNDialect.h"
#include "llvm/ADT/MapVector.h"

namespace mlir::nn {

LoopSpec LoopSpec::parse(StringRef text) {
  LoopSpec spec;
  if (text.empty()) {
    return spec;
  }
  auto [left, right] = text.split("->");
  left.split(spec.ins, ',');
  spec.out = right;
  return spec;
}

namespace {

constexpr StringLiteral kEllipsis = "...";

// One operand's part of a spec: "...k" → ellipsis, "k".
struct Part {
  bool ellipsis = false;
  StringRef letters;
};

Part parsePart(StringRef text) {
  Part part;
  part.ellipsis = text.consume_front(kEllipsis);
  part.letters = text;
  return part;
}

// Sizes of the letters and of the dimensions behind `...`.
struct LoopSizes {
  llvm::MapVector<char, SizeExpr> letters;
  std::optional<Sizes> leading;
};

// Two sizes of one loop contradict only when both are constants: unknowns are the importer's entry assumptions.
bool contradicts(const SizeExpr& a, const SizeExpr& b) {
  auto ca = a.Constant();
  auto cb = b.Constant();
  return ca && cb && *ca != *cb;
}

void refine(SizeExpr& have, const SizeExpr& more) {
  if (!have.IsConstant() && more.IsConstant()) {
    have = more;
  }
}

LogicalResult bindOperand(Operation* op, unsigned index, StringRef text, ArrayRef<SizeExpr> sizes, LoopSizes& loops) {
  Part part = parsePart(text);
  size_t letters = part.letters.size();
  if (part.ellipsis ? sizes.size() < letters : sizes.size() != letters) {
    return op->emitOpError("operand ") << index << " has rank " << sizes.size() << ", loop spec says " << text;
  }
  size_t lead = sizes.size() - letters;
  if (part.ellipsis) {
    if (!loops.leading) {
      loops.leading = Sizes(sizes.begin(), sizes.begin() + lead);
    } else if (loops.leading->size() != lead) {
      return op->emitOpError("operand ") << index << " has " << lead << " leading dimensions, operand 0 has "
                                         << loops.leading->size();
    }
    for (size_t d = 0; d < lead; ++d) {
      if (contradicts((*loops.leading)[d], sizes[d])) {
        return op->emitOpError("operand ") << index << ": leading dimension " << d << " has size "
                                           << sizes[d].ToString() << " but was " << (*loops.leading)[d].ToString();
      }
      refine((*loops.leading)[d], sizes[d]);
    }
  }
  for (auto [letter, size] : llvm::zip(part.letters, sizes.drop_front(lead))) {
    auto [it, fresh] = loops.letters.insert({letter, size});
    if (!fresh && contradicts(it->second, size)) {
      return op->emitOpError("operand ") << index << ": loop '" << StringRef(&letter, 1) << "' has size "
                                         << size.ToString() << " but was " << it->second.ToString();
    }
    refine(it->second, size);
  }
  return success();
}

LogicalResult bindAll(Operation* op, const LoopSpec& spec, ArrayRef<Sizes> operands, LoopSizes& loops) {
  for (auto [index, text] : llvm::enumerate(spec.ins)) {
    if (index >= operands.size()) {
      break;  // trailing optional operands
    }
    if (failed(bindOperand(op, index, text, operands[index], loops))) {
      return failure();
    }
  }
  return success();
}

Sizes typeSizes(Type type, unsigned operand) {
  Sizes sizes;
  for (auto [d, size] : llvm::enumerate(cast<RankedTensorType>(type).getShape())) {
    sizes.push_back(ShapedType::isDynamic(size)
                        ? SizeExpr::Symbol("d" + std::to_string(operand) + "." + std::to_string(d))
                        : SizeExpr(size));
  }
  return sizes;
}

SmallVector<Sizes> operandTypeSizes(Operation* op) {
  SmallVector<Sizes> sizes;
  for (auto [index, type] : llvm::enumerate(op->getOperandTypes())) {
    sizes.push_back(isa<RankedTensorType>(type) ? typeSizes(type, index) : Sizes());
  }
  return sizes;
}

}  // namespace

namespace detail {

SmallVector<AffineMap> loopMaps(Operation* op, StringRef text) {
  LoopSpec spec = LoopSpec::parse(text);
  MLIRContext* ctx = op->getContext();
  int64_t lead = 0;
  if (StringRef(text).starts_with(kEllipsis)) {
    lead = cast<RankedTensorType>(op->getOperand(0).getType()).getRank() - parsePart(spec.ins[0]).letters.size();
  }
  llvm::MapVector<char, unsigned> loops;
  auto number = [&](StringRef part) {
    for (char c : parsePart(part).letters) {
      loops.insert({c, lead + loops.size()});
    }
  };
  number(spec.out);
  llvm::for_each(spec.ins, number);
  auto map = [&](StringRef text) {
    Part part = parsePart(text);
    SmallVector<AffineExpr> exprs;
    for (int64_t d = 0; part.ellipsis && d < lead; ++d) {
      exprs.push_back(getAffineDimExpr(d, ctx));
    }
    for (char c : part.letters) {
      exprs.push_back(getAffineDimExpr(loops[c], ctx));
    }
    return AffineMap::get(lead + loops.size(), 0, exprs, ctx);
  };
  SmallVector<AffineMap> maps;
  for (auto [index, part] : llvm::enumerate(spec.ins)) {
    if (index < op->getNumOperands()) {
      maps.push_back(map(part));
    }
  }
  maps.push_back(map(spec.out));
  return maps;
}

LogicalResult sizesFromLoopSpec(Operation* op, StringRef text, ArrayRef<Sizes> operands,
                                SmallVectorImpl<Sizes>& results) {
  LoopSpec spec = LoopSpec::parse(text);
  LoopSizes loops;
  if (failed(bindAll(op, spec, operands, loops))) {
    return failure();
  }
  Part out = parsePart(spec.out);
  Sizes sizes;
  if (out.ellipsis && loops.leading) {
    sizes = *loops.leading;
  }
  for (char c : out.letters) {
    sizes.push_back(loops.letters[c]);
  }
  results.push_back(std::move(sizes));
  return success();
}

std::string shardingRule(Operation* op, StringRef text) {
  LoopSpec spec = LoopSpec::parse(text);
  LoopSizes loops;
  (void)bindAll(op, spec, operandTypeSizes(op), loops);
  std::string str;
  llvm::raw_string_ostream os(str);
  os << text << " {";
  llvm::interleaveComma(loops.letters, os, [&](auto& entry) {
    os << entry.first << '=' << (entry.second.IsConstant() ? entry.second.ToString() : std::string("?"));
    if (!spec.out.contains(entry.first)) {
      os << " reduce";
    }
  });
  os << "}";
  return str;
}

LogicalResult verifySizes(Operation* op) {
  SmallVector<Sizes> results;
  if (failed(cast<LoopSpecOpInterface>(op).inferSizes(operandTypeSizes(op), results))) {
    return failure();
  }
  for (auto [index, result] : llvm::enumerate(op->getResults())) {
    auto type = cast<RankedTensorType>(result.getType());
    if (index >= results.size()) {
      return op->emitOpError("result ") << index << " has no inferred sizes";
    }
    const Sizes& sizes = results[index];
    if (static_cast<int64_t>(sizes.size()) != type.getRank()) {
      return op->emitOpError("result ") << index << " has rank " << type.getRank() << ", its operands give "
                                        << sizes.size();
    }
    for (auto [d, size] : llvm::enumerate(sizes)) {
      std::optional<int64_t> constant = size.Constant();
      if (constant && !type.isDynamicDim(d) && type.getDimSize(d) != *constant) {
        return op->emitOpError("result ") << index << ": dimension " << d << " has size " << type.getDimSize(d)
                                          << ", its operands give " << *constant;
      }
    }
  }
  return success();
}

}  // namespace detail
}  // namespace mlir::nn
