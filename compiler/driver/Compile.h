// The compiler as a library: a model in, an artifact out, in a file or in memory.  No MLIR in this header.
//
//   CompileOptions options;
//   options.model = "model.onnx";
//   options.output = "model.sluice";                  // empty: CompileResult::artifact holds the bytes
//   ASSIGN_OR_RETURN(CompileResult result, Compile(options));
//
// Errors: kInvalidArgument and others of runtime/base/status.h, the message one line "WHERE: WHAT"; WHERE is the ONNX
// node, tensor or flag.  A fault of the options themselves (an unknown phase, a dimension the model has not) satisfies
// IsUsageError.  Nothing is left behind on an error.
#ifndef SLUICE_COMPILER_DRIVER_COMPILE_H_
#define SLUICE_COMPILER_DRIVER_COMPILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace sluice::compiler {

struct CompileOptions {
  std::string model;   // FILE.onnx, or FILE.mlir: the text that phase `from` takes
  std::string output;  // where the artifact goes; empty: into CompileResult::artifact
  std::string target = "cpu";
  std::string dtype;              // f16, bf16, tf32 or f32; empty: the model's own types
  std::string from;               // first phase; empty: import, or raise for an .mlir file
  std::string to;                 // last phase; empty: codegen
  std::string emit;               // IR after the last phase before codegen (or `to`) goes there; "-": CompileResult::ir
  std::string dump;               // folder: NN-phase.mlir, kernels' LLVM IR; their CUDA text, PTX and image
  std::string report;             // FILE.html or FILE.json
  std::vector<std::string> dims;  // "batch=1..8"
  std::vector<std::string> buckets;  // "seq=16:128:512"
  std::vector<std::string> kernels;  // "ew_3=FILE.cu": text of a GPU kernel instead of what the compiler printed
  bool strip_weights = false;
  bool int8_activations = false;                     // round activations where the graph allows it (onnx/Import.h)
  bool remarks = false;                              // keep them in CompileResult::remarks
  int threads = 0;                                   // 0: as many as there are cores
  std::function<void(const std::string&)> on_phase;  // called before each phase
};

struct Remark {
  std::string kind;      // "passed", "missed", "failed", "analysis"
  std::string category;  // the phase
  std::string name;
  std::string node;  // ONNX node names
  std::string text;
};

struct PhaseTime {
  std::string phase;
  double ms = 0;
};

struct CompileResult {
  std::vector<uint8_t> artifact;
  std::string ir;
  std::vector<Remark> remarks;
  std::vector<PhaseTime> phases;
};

absl::StatusOr<CompileResult> Compile(const CompileOptions& options);

// True when the options are at fault, not the model: tools exit with 2.
bool IsUsageError(const absl::Status& status);

// "import, raise, precision, …": what --from and --to take.
std::string PhaseNames();

}  // namespace sluice::compiler

#endif  // SLUICE_COMPILER_DRIVER_COMPILE_H_
