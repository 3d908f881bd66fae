// Two values of two functions with the same arguments: are they the same where some sizes have given values?
//
//   SameAtSizes same({{"past", nn::SizeExpr(0)}});
//   same.prove(a, b)       // true: same ops on the same arguments once past is 0
//   same.difference()      // "nn.linear (/lm_head) and arith.addf (/add)"
//
// What those sizes make void is looked through: a concat with nothing, a slice or a reshape of all, a sum with zeros.
// "No" means "not proven".
#ifndef SLUICE_PASSES_RAISE_SAMEATSIZES_H_
#define SLUICE_PASSES_RAISE_SAMEATSIZES_H_

#include <map>
#include <string>

#include "dialects/nn/SizeAnalysis.h"
#include "llvm/ADT/DenseSet.h"

namespace mlir::sluice::raise {

class SameAtSizes {
 public:
  explicit SameAtSizes(std::map<std::string, nn::SizeExpr> values) : values_(std::move(values)) {}

  bool prove(Value a, Value b);
  const std::string& difference() const { return difference_; }

 private:
  using Pair = std::pair<Value, Value>;
  nn::SizeExpr at(const nn::SizeExpr& size) const { return size.Substitute(values_); }
  nn::Sizes sizesOf(Value value);
  Value through(Value value);
  Value passedOn(Operation* op);
  bool isZero(Value value);
  bool isWholeSlice(Operation* op);
  bool sameAttr(Attribute a, Attribute b) const;
  bool sameAttrs(Operation* a, Operation* b) const;
  bool sameType(Value a, Value b);
  bool sameOp(Operation* a, Operation* b);

  std::map<std::string, nn::SizeExpr> values_;
  nn::SizeAnalysis sizes_;
  llvm::DenseSet<Pair> proven_;  // while they are being proven, too: the graphs have no cycles
  std::string difference_;
};

}  // namespace mlir::sluice::raise

#endif  // SLUICE_PASSES_RAISE_SAMEATSIZES_H_
