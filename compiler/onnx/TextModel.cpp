// ONNX's text form.  Apart from Model.cpp: <sys/mman.h> and the parser's header define the same names.
#include <fstream>
#include <sstream>

#include "compiler/onnx/ImportError.h"
#include "compiler/onnx/Model.h"
#include "llvm/ADT/STLExtras.h"
#include "onnx/defs/parser.h"

namespace mlir::onnx_import {

void parseText(const std::string& path, onnx::ModelProto& proto) {
  std::ifstream in(path);
  std::stringstream text;
  if (!(text << in.rdbuf())) {
    fail(path + ": cannot be read");
  }
  std::string content = text.str();
  onnx::OnnxParser parser(content);
  auto status = parser.Parse(proto);
  if (!status.IsOK()) {
    std::string message = status.ErrorMessage();
    llvm::replace(message, '\n', ' ');
    fail(path + ": " + message);
  }
}

}  // namespace mlir::onnx_import
