#include "compiler/driver/Compile.h"

#include <chrono>
#include <filesystem>

#include "compiler/codegen/Artifact.h"
#include "compiler/driver/Diagnostics.h"
#include "compiler/driver/Phases.h"
#include "compiler/driver/Report.h"
#include "compiler/onnx/Import.h"
#include "dialects/exec/ExecDialect.h"
#include "llvm/Support/ThreadPool.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/fuse/DeviceKernel.h"
#include "runtime/base/file.h"

namespace sluice::compiler {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProducer = "sluice-compile 0.1.0";

bool HasExtension(const std::string& path, const char* extension) { return fs::path(path).extension() == extension; }

std::string DirectoryOf(const std::string& path) {
  std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

// An artifact written aside; it appears under its name on Commit.
class FileSink : public mlir::sluice::codegen::ArtifactSink {
 public:
  explicit FileSink(FileWriter writer) : writer_(std::move(writer)) {}
  absl::Status append(std::span<const uint8_t> bytes) override { return Note(writer_.Append(bytes)); }
  absl::Status writeAt(int64_t offset, std::span<const uint8_t> bytes) override {
    return Note(writer_.WriteAt(offset, bytes));
  }
  absl::Status truncate(int64_t size) override { return Note(writer_.Truncate(size)); }
  absl::Status Commit() { return writer_.Commit(); }
  // What went wrong with the file, which no diagnostic can say with its code.
  const absl::Status& status() const { return status_; }

 private:
  absl::Status Note(absl::Status status) {
    if (!status.ok() && status_.ok()) {
      status_ = status;
    }
    return status;
  }
  FileWriter writer_;
  absl::Status status_;
};

class Compilation {
 public:
  explicit Compilation(const CompileOptions& options)
      : options_(options), context_(mlir::MLIRContext::Threading::DISABLED) {}

  absl::StatusOr<CompileResult> Run();

 private:
  absl::Status ChoosePhases();
  absl::Status Load();
  absl::Status RunPhase(Phase phase);
  absl::Status Codegen();
  absl::Status ReplaceKernels();
  absl::Status Dump(Phase phase);
  absl::Status Emit();
  std::string Text() const;
  template <typename Body>
  absl::Status Timed(Phase phase, Body body) {
    if (options_.on_phase) {
      options_.on_phase(PhaseName(phase));
    }
    auto start = std::chrono::steady_clock::now();
    absl::Status status = body();
    std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
    result_.phases.push_back({PhaseName(phase), ms.count()});
    return status;
  }

  const CompileOptions& options_;
  CompileResult result_;
  std::vector<Remark> remarks_;  // outlives the context, which holds a pointer to it
  std::unique_ptr<llvm::DefaultThreadPool> pool_;
  mlir::MLIRContext context_;
  mlir::OwningOpRef<mlir::ModuleOp> module_;
  const kernels::Target* target_ = nullptr;
  Phase from_ = Phase::kImport, to_ = Phase::kCodegen;
};

std::string TargetNames() {
  std::string names;
  for (const kernels::Target* target : kernels::AllTargets()) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", target->name);
  }
  return names;
}

absl::Status Compilation::ChoosePhases() {
  bool text = HasExtension(options_.model, ".mlir");
  from_ = text ? Phase::kRaise : Phase::kImport;
  if (!options_.from.empty()) {
    ASSIGN_OR_RETURN(from_, ParsePhase("--from", options_.from));
  }
  if (!options_.to.empty()) {
    ASSIGN_OR_RETURN(to_, ParsePhase("--to", options_.to));
  }
  if (text != (from_ != Phase::kImport)) {
    return UsageError(text ? "--from: import reads an ONNX model, not " + options_.model
                           : std::string("--from: phase ") + PhaseName(from_) + " takes an .mlir file, not " +
                                 options_.model);
  }
  if (to_ < from_) {
    return UsageError(std::string("--to: phase ") + PhaseName(to_) + " comes before " + PhaseName(from_));
  }
  if (options_.int8_activations && from_ != Phase::kImport) {
    return UsageError(std::string("--int8-activations: is for the import, before phase ") + PhaseName(from_));
  }
  target_ = kernels::FindTarget(options_.target);
  if (target_ == nullptr) {
    return UsageError("--target: " + options_.target + ": no such target (" + TargetNames() + ")");
  }
  if (const std::string& type = options_.dtype;
      !type.empty() && type != "f16" && type != "bf16" && type != "tf32" && type != "f32") {
    return UsageError("--dtype: '" + type + "' (f16, bf16, tf32 or f32)");
  }
  if (!options_.dtype.empty() && (from_ > Phase::kPrecision || to_ < Phase::kPrecision)) {
    return UsageError("--dtype: phase precision, which converts, does not run");
  }
  if (!options_.kernels.empty() && target_->gpu == nullptr) {
    return UsageError("--kernel: target cpu compiles no kernel source (it is for cuda targets)");
  }
  return absl::OkStatus();
}

// Imports the model, or parses the text phase `from` takes.
absl::Status Compilation::Load() {
  ErrorCollector errors(&context_);
  if (from_ == Phase::kImport) {
    return Timed(Phase::kImport, [&]() -> absl::Status {
      module_ = mlir::onnx_import::importOnnx(context_, {.path = options_.model,
                                                         .strip_weights = options_.strip_weights,
                                                         .int8_activations = options_.int8_activations});
      return module_ ? Dump(Phase::kImport) : errors.Status(options_.model + ": cannot be imported");
    });
  }
  ASSIGN_OR_RETURN(std::string text, ReadFile(options_.model));
  module_ = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context_), options_.model);
  return module_ ? absl::OkStatus() : errors.Status(options_.model + ": cannot be parsed");
}

absl::Status Compilation::RunPhase(Phase phase) {
  return Timed(phase, [&]() -> absl::Status {
    ErrorCollector errors(&context_);
    mlir::PassManager pm(&context_);
    AddPhase(phase, pm, options_);
    if (mlir::failed(pm.run(*module_))) {
      return errors.Status(options_.model + ": phase " + PhaseName(phase) + " failed without saying why");
    }
    return Dump(phase);
  });
}

std::string Compilation::Text() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  mlir::OpPrintingFlags flags;
  flags.enableDebugInfo(true, /*prettyForm=*/false).useLocalScope();
  (*module_)->print(os, flags);
  text += "\n";
  return text;
}

absl::Status Compilation::Dump(Phase phase) {
  if (options_.dump.empty()) {
    return absl::OkStatus();
  }
  std::string name = absl::StrFormat("%02d-%s.mlir", static_cast<int>(phase) + 1, PhaseName(phase));
  return WriteFile((fs::path(options_.dump) / name).string(), Text());
}

absl::Status Compilation::Emit() {
  if (options_.emit.empty()) {
    return absl::OkStatus();
  }
  if (options_.emit == "-") {
    result_.ir = Text();
    return absl::OkStatus();
  }
  return WriteFile(options_.emit, Text());
}

// Takes the text of kernels named by --kernel from files; their launches stay.
absl::Status Compilation::ReplaceKernels() {
  for (const std::string& option : options_.kernels) {
    const size_t equals = option.find('=');
    const std::string name = option.substr(0, equals);
    const auto refuse = [&] {
      return UsageError("--kernel: '" + option + "': the program has no GPU kernel '" + name +
                        "' (NAME=FILE.cu; --dump DIR writes each kernel's text)");
    };
    if (equals == std::string::npos) {
      return refuse();
    }
    ASSIGN_OR_RETURN(const std::string text, ReadFile(option.substr(equals + 1)));
    if (!mlir::sluice::fuse::replaceText(*module_, name, text)) {
      return refuse();
    }
  }
  return absl::OkStatus();
}

absl::Status Compilation::Codegen() {
  return Timed(Phase::kCodegen, [&]() -> absl::Status {
    ErrorCollector errors(&context_);
    mlir::sluice::codegen::ArtifactOptions artifact{.model = fs::path(options_.model).stem().string(),
                                                    .modelDirectory = DirectoryOf(options_.model),
                                                    .stripWeights = options_.strip_weights,
                                                    .producer = kProducer,
                                                    .report = ArtifactReport(*module_),
                                                    .dumpDirectory = options_.dump,
                                                    .threads = options_.threads};
    RETURN_IF_ERROR(ReplaceKernels());
    if (options_.output.empty()) {
      mlir::sluice::codegen::MemorySink sink;
      artifact.sink = &sink;
      if (mlir::failed(mlir::sluice::codegen::writeArtifact(*module_, artifact))) {
        return errors.Status(options_.model + ": no artifact could be made");
      }
      result_.artifact = std::move(sink.bytes);
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(FileWriter writer, FileWriter::Create(options_.output));
    FileSink sink(std::move(writer));
    artifact.sink = &sink;
    if (mlir::failed(mlir::sluice::codegen::writeArtifact(*module_, artifact))) {
      return sink.status().ok() ? errors.Status(options_.model + ": no artifact could be made") : sink.status();
    }
    return sink.Commit();
  });
}

absl::StatusOr<CompileResult> Compilation::Run() {
  RETURN_IF_ERROR(ChoosePhases());
  mlir::DialectRegistry registry;
  RegisterDialects(registry);
  context_.appendDialectRegistry(registry);
  context_.loadAllAvailableDialects();
  if (options_.threads != 1) {
    pool_ = std::make_unique<llvm::DefaultThreadPool>(llvm::hardware_concurrency(options_.threads));
    context_.setThreadPool(*pool_);
  }
  bool wanted = options_.remarks || !options_.report.empty();
  if (wanted) {
    CollectRemarks(&context_, &remarks_);
  }
  if (!options_.dump.empty()) {
    std::error_code error;
    fs::create_directories(options_.dump, error);
    if (error) {
      return absl::InvalidArgumentError(options_.dump + ": cannot be made: " + error.message());
    }
  }
  RETURN_IF_ERROR(Load());
  mlir::sluice::fuse::setTarget(*module_, *target_);
  mlir::sluice::fuse::setNominal(*module_, options_.dims);
  Phase last_ir = std::min(to_, Phase::kMemory);
  for (int p = std::max(static_cast<int>(from_), static_cast<int>(Phase::kRaise)); p <= static_cast<int>(last_ir);
       ++p) {
    RETURN_IF_ERROR(RunPhase(static_cast<Phase>(p)));
  }
  RETURN_IF_ERROR(Emit());
  if (to_ == Phase::kCodegen) {
    RETURN_IF_ERROR(Codegen());
  }
  result_.remarks = remarks_;
  if (!options_.report.empty()) {
    RETURN_IF_ERROR(WriteReport(options_.report, *module_, options_, result_));
  }
  return std::move(result_);
}

}  // namespace

absl::StatusOr<CompileResult> Compile(const CompileOptions& options) { return Compilation(options).Run(); }

}  // namespace sluice::compiler
