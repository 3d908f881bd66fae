// Size expressions: dimension names of a model are parsed as such.
#include "runtime/plan/size_expr.h"

#include <cstdlib>

#include "test/fuzz/target.h"

namespace sluice::fuzz {
namespace {

std::vector<std::string> Seeds() {
  return {"past + seq",          "4 * batch * (seq + 1)", "floordiv(seq + 15, 16) * 16",
          "ceildiv(n, 2) mod 7", "max(0, min(a, b - 3))", "-9223372036854775807"};
}

// What parses prints to a text that parses to the same.
void Run(std::string_view bytes) {
  const auto expr = plan::SizeExpr::Parse(std::string(bytes));
  if (!expr.ok()) {
    return;
  }
  const auto again = plan::SizeExpr::Parse(expr->ToString());
  if (!again.ok() || !(*again == *expr)) {
    std::abort();
  }
  plan::Bindings bindings;
  for (const std::string& symbol : expr->Symbols()) {
    bindings[symbol] = static_cast<int64_t>(symbol.size());
  }
  (void)expr->Evaluate(bindings);
}

}  // namespace
}  // namespace sluice::fuzz

SLUICE_FUZZ_TARGET(size_expr, sluice::fuzz::Seeds, sluice::fuzz::Run)
