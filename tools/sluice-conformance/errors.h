// Diagnostics of the compiler as a status.
#ifndef SLUICE_TOOLS_SLUICE_CONFORMANCE_ERRORS_H_
#define SLUICE_TOOLS_SLUICE_CONFORMANCE_ERRORS_H_

#include <string>

#include "absl/status/status.h"
#include "llvm/Support/raw_ostream.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"

namespace sluice::conformance {

// Collects diagnostics while it lives; the first error's text is the status' message.
class Errors {
 public:
  explicit Errors(mlir::MLIRContext& context)
      : handler_(&context, [this](mlir::Diagnostic& d) {
          if (d.getSeverity() == mlir::DiagnosticSeverity::Error && text_.empty()) {
            std::string where;
            llvm::raw_string_ostream os(where);
            d.getLocation().print(os);
            text_ = where + ": " + d.str();
          }
          return mlir::success();
        }) {}
  absl::Status status() const {
    return absl::InvalidArgumentError(text_.empty() ? "failed without a diagnostic" : text_);
  }

 private:
  std::string text_;
  mlir::ScopedDiagnosticHandler handler_;
};

}  // namespace sluice::conformance

#endif  // SLUICE_TOOLS_SLUICE_CONFORMANCE_ERRORS_H_
