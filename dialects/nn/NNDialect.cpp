#include "dialects/nn/NNDialect.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace mlir::nn;

#include "dialects/common/Interfaces.cpp.inc"
#include "dialects/nn/NNDialect.cpp.inc"
#include "dialects/nn/NNEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/nn/NNAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/nn/NNOps.cpp.inc"

void NNDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/nn/NNOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/nn/NNAttrs.cpp.inc"
      >();
}

void PatternAttr::print(AsmPrinter& printer) const {
  printer << "<" << (getCausal() ? "causal" : "full");
  if (getWindow() > 0) {
    printer << ", window = " << getWindow();
  }
  printer << ">";
}

Attribute PatternAttr::parse(AsmParser& parser, Type) {
  StringRef kind;
  llvm::SMLoc where = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseKeyword(&kind)) {
    return {};
  }
  if (kind != "causal" && kind != "full") {
    parser.emitError(where, "expected 'causal' or 'full'");
    return {};
  }
  int64_t window = 0;
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("window") || parser.parseEqual() || parser.parseInteger(window))) {
    return {};
  }
  if (parser.parseGreater()) {
    return {};
  }
  return PatternAttr::get(parser.getContext(), kind == "causal", window);
}
