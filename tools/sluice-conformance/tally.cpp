#include "tools/sluice-conformance/tally.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "dialects/nn/NNDialect.h"
#include "runtime/base/status.h"

namespace sluice::conformance {

namespace reference = mlir::sluice::reference;

void Tally::Skip(const std::string& name, const std::string& why) {
  ++skipped;
  std::printf("skip   %s: %s\n", name.c_str(), why.c_str());
  std::fflush(stdout);
}

void Tally::Add(bool ok, const std::string& name, const std::string& detail) {
  if (auto it = known.find(name); it != known.end()) {
    if (!ok) {
      return Skip(name, "known to fail, " + it->second + " (" + detail + ")");
    }
    ++failed;
    std::printf("FAILED %s: passes, but is listed as known to fail: take it off the list\n", name.c_str());
    return;
  }
  ok ? ++passed : ++failed;
  std::printf("%s %s%s%s\n", ok ? "ok    " : "FAILED", name.c_str(), detail.empty() ? "" : ": ", detail.c_str());
  std::fflush(stdout);
}

bool IsCoarse(mlir::ModuleOp module) {
  bool coarse = false;
  module.walk([&](mlir::Operation* op) {
    coarse |= mlir::isa<mlir::nn::QuantizeOp, mlir::nn::DequantizeOp>(op);
    for (mlir::Value result : op->getResults()) {
      mlir::Type element = mlir::getElementTypeOrSelf(result.getType());
      coarse |= element.isF16() || element.isBF16();
    }
  });
  return coarse;
}

static double Largest(const reference::RefTensor& t) {
  double largest = 0;
  for (double x : t.f) {
    largest = std::isfinite(x) ? std::max(largest, std::fabs(x)) : largest;
  }
  return largest;
}

bool Compare(const Tensors& got, const Tensors& want, bool coarse, std::string& detail) {
  bool ok = true;
  double worst = 0;
  for (const auto& [name, tensor] : want) {
    auto it = got.find(name);
    if (it == got.end()) {
      detail = "output " + name + " is missing";
      return false;
    }
    double atol = coarse ? 1e-2 * Largest(tensor) : 1e-4;
    reference::Difference d = reference::compare(it->second, tensor, coarse ? 1e-2 : 1e-3, atol);
    if (!d.ok && ok) {
      detail = d.why.empty() ? absl::StrFormat("%s max_abs %.3g max_rel %.3g", name, d.maxAbs, d.maxRel)
                             : absl::StrCat(name, " ", d.why);
    }
    ok &= d.ok;
    worst = std::max(worst, d.maxAbs);
  }
  if (ok) {
    detail = absl::StrFormat("max_abs %.2g", worst);
  }
  return ok;
}

}  // namespace sluice::conformance
