// What is known about sizes while a program is imported: names of dimensions, equalities between them, assumptions.
//
// The importer meets two sizes that must be equal (a Concat beside axes of total and past + seq) and asks
//   SizeExpr size = facts.unify(total, past + seq, loc);
// Equal expressions are equal; two different numbers are an error of the model.  Otherwise one symbol is expressed by
// the others, total := past + seq, and the import begins again with that substitution (struct NewFact is thrown), so
// that every size in the module is written in the surviving symbols and later proofs are trivial.  Sizes no symbol can
// be solved from become entry assumptions.  A sub-program sees its caller's facts; its own do not leave it.
//
// A broadcast of n with m means n = m, or one of them is 1.  It is taken as n = m unless that is absurd (a dimension
// would always be 0, two different numbers equal) or turns out to be, at a use that leaves no choice.  Then the node is
// noted in `either`, the import begins again, and the node broadcasts at run time, under an entry assumption: for [seq]
// with [past + seq], that `past * seq == past`.
#ifndef SLUICE_COMPILER_ONNX_FACTS_H_
#define SLUICE_COMPILER_ONNX_FACTS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/onnx/SizeAlgebra.h"
#include "dialects/common/LoopSpec.h"
#include "llvm/ADT/DenseSet.h"
#include "mlir/IR/Location.h"

namespace mlir::onnx_import {

using Sizes = nn::Sizes;

// Thrown when a fact was just learned: what was built so far does not know it.
struct NewFact {};

// What one program knows; kept between the import's rounds.
struct FactTable {
  std::map<std::string, SizeExpr> substitutions;
  std::vector<std::pair<SizeExpr, SizeExpr>> at_least;      // first >= second
  std::vector<std::pair<SizeExpr, Attribute>> taken_equal;  // values that broadcasts gave to symbols, with locations
  llvm::DenseSet<Attribute> either;                         // locations of nodes that broadcast at run time
  std::set<std::string> varying;  // "carried:axis" of loops whose size changes between iterations
};
using FactStore = std::map<std::string, FactTable>;  // by program name

class Facts {
 public:
  // `data_symbols` is shared by all programs of a module.
  Facts(FactTable& table, const Facts* outer, std::set<std::string>& data_symbols)
      : table_(table), outer_(outer), data_symbols_(data_symbols) {}

  // The size a name stands for.
  SizeExpr symbol(const std::string& name);
  // A size that data decide: a symbol of its own, `name` made unique.
  std::string freshSymbol(const std::string& name);
  SizeExpr simplify(const SizeExpr& size) const;

  SizeExpr unify(const SizeExpr& a, const SizeExpr& b, Location loc);
  // The size two dimensions are broadcast to; see broadcastsAtRunTime.
  SizeExpr unifyBroadcast(const SizeExpr& a, const SizeExpr& b, Location loc);
  // A dimension of size `from` must be repeated to `to` at this node if it happens to be 1.
  bool broadcastsAtRunTime(const SizeExpr& from, const SizeExpr& to, Location loc) const;
  // a >= b: proven, or an assumption from here on.
  void assumeAtLeast(const SizeExpr& a, const SizeExpr& b, Location loc);
  // min(end, dim), remembered: when the result later has to be `end`, dim >= end is learned.
  SizeExpr clampedEnd(const SizeExpr& end, const SizeExpr& dim);

  // Nothing when it depends on sizes that are not known before the run.
  std::optional<bool> decideEqual(const SizeExpr& a, const SizeExpr& b) const;
  std::optional<bool> decideLess(const SizeExpr& a, const SizeExpr& b) const;
  bool proveNonNegative(const SizeExpr& size) const;

  FactTable& table() { return table_; }
  // "a == b", "a >= b", what the runtime checks at entry.
  std::vector<std::string> assumptions() const;

 private:
  struct Solution {
    std::string symbol;
    SizeExpr value;
  };
  std::optional<Solution> solve(const SizeExpr& zero) const;
  bool isAbsurd(const SizeExpr& a, const SizeExpr& b, int64_t forced) const;
  void unlearnBroadcast(const SizeExpr& sizes);
  SizeExpr equate(const SizeExpr& a, const SizeExpr& b, Location loc, bool broadcast);
  void assumeEqual(const SizeExpr& a, const SizeExpr& b);
  bool dependsOnData(const SizeExpr& size) const;

  FactTable& table_;
  const Facts* outer_;
  std::set<std::string>& data_symbols_;
  std::map<std::string, int> order_;  // of declaration
  std::vector<std::string> equalities_;
  std::map<std::string, std::pair<SizeExpr, SizeExpr>> clamped_;  // min(end, dim) → end, dim
};

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_FACTS_H_
