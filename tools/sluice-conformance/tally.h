// What passed and failed, and how far results may be off.
#ifndef SLUICE_TOOLS_SLUICE_CONFORMANCE_TALLY_H_
#define SLUICE_TOOLS_SLUICE_CONFORMANCE_TALLY_H_

#include <string>

#include "mlir/IR/BuiltinOps.h"
#include "tools/sluice-conformance/lists.h"
#include "tools/sluice-conformance/runner.h"

namespace sluice::conformance {

struct Tally {
  int passed = 0, failed = 0, skipped = 0;
  Known known;

  void Skip(const std::string& name, const std::string& why);
  void Add(bool ok, const std::string& name, const std::string& detail);
};

// Half-precision and quantized graphs are held to 1e-2 of the largest reference value, float ones to 1e-3.
bool IsCoarse(mlir::ModuleOp module);

// Compares every expected output; `detail` says the first that is wrong, or the greatest difference.  NaN only equals
// NaN, an infinity only itself.
bool Compare(const Tensors& got, const Tensors& want, bool coarse, std::string& detail);

}  // namespace sluice::conformance

#endif  // SLUICE_TOOLS_SLUICE_CONFORMANCE_TALLY_H_
