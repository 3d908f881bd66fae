// What is known about sizes while a program is imported: names of dimensions, equalities between them, assumptions.
//
// The importer meets two sizes that must be equal (a broadcast of [batch, total] with [batch, past + seq]) and asks
//   SizeExpr size = facts.unify(total, past + seq, loc);
// Equal expressions are equal; two different numbers are an error of the model.  Otherwise one symbol is expressed by
// the others, total := past + seq, and the import begins again with that substitution (struct NewFact is thrown), so
// that every size in the module is written in the surviving symbols and later proofs are trivial.  Sizes no symbol can
// be solved from become entry assumptions.  A sub-program sees its caller's facts; its own do not leave it.
#ifndef SLUICE_COMPILER_ONNX_FACTS_H_
#define SLUICE_COMPILER_ONNX_FACTS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/onnx/SizeAlgebra.h"
#include "dialects/common/LoopSpec.h"
#include "mlir/IR/Location.h"

namespace mlir::onnx_import {

using Sizes = nn::Sizes;

// Thrown when a symbol was just expressed by others: what was built so far spells it the old way.
struct NewFact {};

// Equalities and inequalities of one program; kept between the import's rounds.
struct FactTable {
  std::map<std::string, SizeExpr> substitutions;
  std::vector<std::pair<SizeExpr, SizeExpr>> at_least;  // first >= second
  std::set<std::string> varying;                        // "carried:axis" of loops whose size changes between iterations
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
  // a >= b: proven, or an assumption from here on.
  void assumeAtLeast(const SizeExpr& a, const SizeExpr& b, Location loc);

  // Nothing when it depends on sizes that are not known before the run.
  std::optional<bool> decideEqual(const SizeExpr& a, const SizeExpr& b) const;
  std::optional<bool> decideLess(const SizeExpr& a, const SizeExpr& b) const;
  bool proveNonNegative(const SizeExpr& size) const;

  FactTable& table() { return table_; }
  const std::vector<std::string>& assumptions() const { return assumptions_; }

 private:
  void assume(const std::string& text, const SizeExpr& a, const SizeExpr& b);

  FactTable& table_;
  const Facts* outer_;
  std::set<std::string>& data_symbols_;
  std::map<std::string, int> order_;  // of declaration
  std::vector<std::string> assumptions_;
};

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_FACTS_H_
