// Lists about models or tests, a line each: `NAME … why`.  Lines that begin with # are comments.
#ifndef SLUICE_TOOLS_SLUICE_CONFORMANCE_LISTS_H_
#define SLUICE_TOOLS_SLUICE_CONFORMANCE_LISTS_H_

#include <filesystem>
#include <map>
#include <string>

#include "compiler/onnx/Import.h"
#include "runtime/base/status.h"

namespace sluice::conformance {

// Tests that are known to fail: `NAME/test_data_set_N  why`, or `NAME  why` for a model that does not compile.  One
// that passes must leave the list.
using Known = std::map<std::string, std::string>;
absl::StatusOr<Known> ReadKnown(const std::string& path);  // "": none

// Flags of sluice-compile that a model's data need: `NAME --FLAG …  why`.  Those of the import only.
using CompileFlags = std::map<std::string, mlir::onnx_import::ImportOptions>;  // paths left open
absl::StatusOr<CompileFlags> ReadCompileFlags(const std::string& path);        // "": none

// How to import FOLDER/model.onnx: by the flags of the folder's name, if it has any.
mlir::onnx_import::ImportOptions OptionsOf(const CompileFlags& flags, const std::filesystem::path& folder);

}  // namespace sluice::conformance

#endif  // SLUICE_TOOLS_SLUICE_CONFORMANCE_LISTS_H_
