// Many models in one process: every data set of every model, by the reference evaluator or on a target.
#include <cstdio>
#include <filesystem>
#include <map>
#include <regex>

#include "compiler/reference/TestData.h"
#include "runtime/base/status.h"
#include "tools/common/flags.h"
#include "tools/common/report.h"
#include "tools/sluice-conformance/node_tests.h"
#include "tools/sluice-conformance/runner.h"
#include "tools/sluice-conformance/sizes.h"
#include "tools/sluice-conformance/tally.h"

namespace sluice::conformance {
namespace {

namespace fs = std::filesystem;
namespace reference = mlir::sluice::reference;

constexpr char kTool[] = "sluice-conformance";

struct Options {
  std::vector<std::string> models;
  bool node_tests = false;
  std::string filter = ".*";
  std::string target = "cpu";
  std::string known_file, flags_file;
  bool reference = false, reference_import = false;
  bool sizes = false;
  // What those say.
  const kernels::Target* compile_for = nullptr;
  CompileFlags flags;
};

absl::StatusOr<std::unique_ptr<Runner>> MakeRunner(const Options& options, mlir::ModuleOp module,
                                                   const std::string& directory) {
  if (options.reference) {
    return ReferenceRunner(module, directory);
  }
  return TargetRunner::Create(module, directory, *options.compile_for);
}

// A model folder's runs: one module, the data sets, and who runs them.
class ModelRun {
 public:
  ModelRun(const fs::path& folder, const Options& options, Tally& tally)
      : folder_(folder), name_(folder.filename().string()), options_(options), tally_(tally) {}

  void Run() {
    std::vector<std::string> sets = reference::testSetsOf(folder_.string());
    if (sets.empty()) {
      return;
    }
    // The real-weight models are made on demand (their folder's make_weights.py).
    if (fs::exists(folder_ / "make_weights.py") && !fs::exists(folder_ / "weights.bin")) {
      return tally_.Skip(name_, "its weights.bin is not there (make_weights.py)");
    }
    if (absl::Status status = RunSets(sets); !status.ok()) {
      tally_.Add(false, name_, std::string(status.message()));
    }
  }

 private:
  absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> Import(bool raise) {
    return ImportModel(context_, OptionsOf(options_.flags, folder_), raise);
  }

  absl::Status RunSets(const std::vector<std::string>& paths) {
    ASSIGN_OR_RETURN(auto module, Import(!options_.reference_import));
    const bool coarse = IsCoarse(*module);
    std::unique_ptr<TargetRunner> target;
    std::unique_ptr<Runner> reference;
    if (options_.reference) {
      reference = ReferenceRunner(*module, folder_.string());
    } else {
      ASSIGN_OR_RETURN(target, TargetRunner::Create(*module, folder_.string(), *options_.compile_for));
    }
    Runner& runner = options_.reference ? *reference : *target;
    std::vector<Tensors> inputs;
    for (const std::string& path : paths) {
      std::string label = name_ + "/" + fs::path(path).filename().string();
      auto set = reference::loadTestSet(context_, path);
      if (!set.ok()) {
        tally_.Add(false, label, std::string(set.status().message()));
        continue;
      }
      inputs.push_back(ByName(set->inputs));
      auto got = runner.Run(inputs.back());
      std::string detail = got.ok() ? "" : std::string(got.status().message());
      bool ok = got.ok() && Compare(*got, ByName(set->outputs), coarse, detail);
      tally_.Add(ok, label, detail);
    }
    if (options_.sizes) {  // the target runs what was raised, the reference what was imported
      ASSIGN_OR_RETURN(auto imported, Import(false));
      RunSizes(name_, inputs, *target, *ReferenceRunner(*imported, folder_.string()), coarse, tally_);
    }
    return absl::OkStatus();
  }

  mlir::MLIRContext context_;
  const fs::path folder_;
  const std::string name_;
  const Options& options_;
  Tally& tally_;
};

// The folders with a model, by their place in the root; what is in a later root stands for what an earlier one has
// there.
absl::StatusOr<std::map<fs::path, fs::path>> ModelFolders(const std::vector<std::string>& roots) {
  std::map<fs::path, fs::path> folders;
  for (const std::string& root : roots) {
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(root, error)) {
      if (entry.path().filename() == "model.onnx") {
        const fs::path folder = entry.path().parent_path();
        folders[folder.lexically_relative(root)] = folder;
      }
    }
    if (error) {
      return absl::NotFoundError(root + ": cannot be read: " + error.message());
    }
  }
  if (folders.empty()) {
    return absl::NotFoundError(absl::StrCat(roots.front(), ": holds no model.onnx"));
  }
  return folders;
}

// Where scripts/run_node_tests.sh puts the node tests: beside bin/.
std::string NodeTestsFolder() {
  std::error_code error;
  return (fs::read_symlink("/proc/self/exe", error).parent_path().parent_path() / "node-tests").string();
}

// What the flags say together; an error is a wrong usage.
absl::Status Check(Options& options, Tally& tally) {
  if (options.models.empty() && !options.node_tests) {
    return absl::InvalidArgumentError("--models: is needed, or --node-tests");
  }
  if (options.models.empty()) {
    options.models = {NodeTestsFolder()};
  }
  if (options.node_tests && options.sizes) {
    return absl::InvalidArgumentError("--sizes: is for models, node tests have fixed sizes");
  }
  options.reference |= options.reference_import;
  if (options.sizes && options.reference) {
    return absl::InvalidArgumentError("--sizes: compares a target with the reference (leave --reference out)");
  }
  options.compile_for = kernels::FindTarget(options.target);
  if (options.compile_for == nullptr) {
    return absl::InvalidArgumentError("--target: " + options.target + ": no such target");
  }
  ASSIGN_OR_RETURN(tally.known, ReadKnown(options.known_file));
  ASSIGN_OR_RETURN(options.flags, ReadCompileFlags(options.flags_file));
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  tools::PrepareTool(kTool);
  Options options;
  tools::Flags flags(
      kTool, "--models DIR [flags]",
      "sluice-conformance --models ../shared/models --target cpu\n          sluice-conformance --node-tests");
  flags.Strings(&options.models, 0, "models", "DIR",
                "folders with model.onnx and test_data_set_N: every data set of every model runs in this process; "
                "repeatable, and a later folder of the same name stands for an earlier one");
  flags.Switch(&options.node_tests, 0, "node-tests",
               "ONNX's node tests instead, of --models or, without it, of the build folder (scripts/run_node_tests.sh "
               "writes them); those that need an operator without a definition are skipped and the operators listed");
  flags.String(&options.target, 0, "target", "T", "compile for this target and run the artifact");
  flags.Switch(&options.reference, 0, "reference", "run the reference evaluator on the raised graph instead");
  flags.Switch(&options.reference_import, 0, "reference-import", "the same on the graph as imported");
  flags.Switch(&options.sizes, 0, "sizes",
               "also run the target with every free dimension at 1, 13 and 0 on made-up inputs, against the reference "
               "evaluator on the graph as imported");
  flags.String(&options.known_file, 0, "known", "FILE",
               "data sets that are known to fail, with reasons: skipped, and an error once they pass");
  flags.String(&options.flags_file, 0, "flags", "FILE", "flags of sluice-compile that single models need");
  flags.String(&options.filter, 0, "filter", "RE", "only models whose folder name matches");
  if (const std::optional<int> code = flags.Parse(argc, argv)) {
    return *code;
  }
  Tally tally;
  if (absl::Status status = Check(options, tally); !status.ok()) {
    return tools::UsageError(kTool, std::string(status.message()));
  }
  const auto folders = ModelFolders(options.models);
  if (!folders.ok()) {
    return tools::Fail(kTool, folders.status());
  }
  NodeTests node_tests([&](mlir::ModuleOp module) { return MakeRunner(options, module, ""); },
                       !options.reference_import, tally);
  std::regex filter(options.filter);
  for (const auto& [name, folder] : *folders) {
    if (std::regex_search(folder.filename().string(), filter)) {
      options.node_tests ? node_tests.Run(folder) : ModelRun(folder, options, tally).Run();
    }
  }
  node_tests.PrintNeeds();
  std::printf("%d passed, %d failed, %d skipped\n", tally.passed, tally.failed, tally.skipped);
  return tools::FinishOutput(kTool, tally.failed ? tools::kExitDifferent : tools::kExitOk);
}

}  // namespace
}  // namespace sluice::conformance

int main(int argc, char** argv) { return sluice::conformance::Main(argc, argv); }
