// exec.weight regions as pack expressions (runtime/base/pack_weight.h), and their sources in files.
#ifndef SLUICE_COMPILER_CODEGEN_PACKEXPRESSIONS_H_
#define SLUICE_COMPILER_CODEGEN_PACKEXPRESSIONS_H_

#include <string>
#include <vector>

#include "dialects/exec/ExecDialect.h"
#include "runtime/base/file.h"
#include "runtime/base/pack_weight.h"

namespace mlir::sluice::codegen {

using exec::dtypeOf;

// `groups`: of the convolution that reads an oihw_tile16 weight.  Emits on the op that has no pack form.
FailureOr<::sluice::PackExpr> packExpression(exec::WeightOp weight, int64_t groups);

// Reads sources from the module's nn.files below one directory.  Files are opened on first use.
class FilePackReader : public ::sluice::PackReader {
 public:
  FilePackReader(std::string directory, std::vector<std::string> names)
      : directory_(std::move(directory)), names_(std::move(names)), files_(names_.size()) {}
  absl::Status Read(const ::sluice::PackNode& source, int64_t offset, std::span<uint8_t> out) override;
  // Size of a file in bytes.
  absl::StatusOr<int64_t> FileBytes(size_t file);

 private:
  absl::StatusOr<::sluice::RandomAccessFile*> open(size_t file);
  std::string directory_;
  std::vector<std::string> names_;
  std::vector<std::optional<::sluice::RandomAccessFile>> files_;
};

}  // namespace mlir::sluice::codegen

#endif  // SLUICE_COMPILER_CODEGEN_PACKEXPRESSIONS_H_
