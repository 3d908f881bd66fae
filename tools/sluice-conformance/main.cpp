// Many models in one process: every data set of every model, by the reference evaluator or on a target.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <regex>

#include "compiler/reference/TestData.h"
#include "runtime/base/status.h"
#include "tools/sluice-conformance/runner.h"
#include "tools/sluice-conformance/sizes.h"
#include "tools/sluice-conformance/tally.h"

namespace sluice::conformance {
namespace {

namespace fs = std::filesystem;
namespace reference = mlir::sluice::reference;

struct Options {
  std::string models;
  std::string filter = ".*";
  std::string target = "cpu";
  std::string known;  // file of data sets that are known to fail
  bool reference = false;
  bool raise = true;
  bool sizes = false;
};

Tensors ByName(const std::vector<reference::NamedTensor>& tensors) {
  Tensors result;
  for (const auto& t : tensors) {
    result.insert({t.name, t.tensor});
  }
  return result;
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
    return ImportModel(context_, (folder_ / "model.onnx").string(), raise);
  }

  absl::Status RunSets(const std::vector<std::string>& paths) {
    ASSIGN_OR_RETURN(auto module, Import(options_.raise));
    const bool coarse = IsCoarse(*module);
    std::unique_ptr<TargetRunner> target;
    std::unique_ptr<Runner> reference;
    if (options_.reference) {
      reference = ReferenceRunner(*module, folder_.string());
    } else {
      ASSIGN_OR_RETURN(target, TargetRunner::Create(*module, folder_.string()));
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

constexpr const char* kHelp = R"(example: sluice-conformance --models ../shared/models --target cpu

Runs every data set of every model folder below --models in one process and compares the outputs.
  --models DIR       folders with model.onnx and test_data_set_N
  --target T         compile for this target and run the artifact (default cpu)
  --reference        run the reference evaluator on the raised graph instead
  --reference-import the same on the graph as imported
  --sizes            also run the target with every free dimension at 1, 13 and 0 on made-up inputs, against the
                     reference evaluator on the graph as imported
  --known FILE       data sets that are known to fail, with reasons; skipped, and an error once they pass
  --filter RE        only models whose folder name matches
The last line is `N passed, N failed, N skipped`; exit 0 when none failed, 3 otherwise.
)";

int Usage(const std::string& what) {
  std::fprintf(stderr, "sluice-conformance: error: %s (see --help)\n", what.c_str());
  return 2;
}

int Main(int argc, char** argv) {
  Options options;
  for (int n = 1; n < argc; ++n) {
    std::string flag = argv[n];
    auto value = [&](std::string& to) { return ++n < argc ? (to = argv[n], true) : false; };
    bool ok = true;
    if (flag == "--help") {
      std::fputs(kHelp, stdout);
      return 0;
    } else if (flag == "--models") {
      ok = value(options.models);
    } else if (flag == "--target") {
      ok = value(options.target);
    } else if (flag == "--filter") {
      ok = value(options.filter);
    } else if (flag == "--known") {
      ok = value(options.known);
    } else if (flag == "--reference") {
      options.reference = true;
    } else if (flag == "--sizes") {
      options.sizes = true;
    } else if (flag == "--reference-import") {
      options.reference = true;
      options.raise = false;
    } else {
      return Usage(flag + ": unknown flag");
    }
    if (!ok) {
      return Usage(flag + ": needs a value");
    }
  }
  if (options.models.empty()) {
    return Usage("--models: is needed");
  }
  if (options.sizes && options.reference) {
    return Usage("--sizes: compares a target with the reference (leave --reference out)");
  }
  std::vector<fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(options.models, error)) {
    if (entry.path().filename() == "model.onnx") {
      folders.push_back(entry.path().parent_path());
    }
  }
  if (error || folders.empty()) {
    std::fprintf(stderr, "sluice-conformance: error: %s: holds no model.onnx\n", options.models.c_str());
    return 1;
  }
  std::sort(folders.begin(), folders.end());
  Tally tally;
  auto known = ReadKnown(options.known);
  if (!known.ok()) {
    std::fprintf(stderr, "sluice-conformance: error: %s\n", std::string(known.status().message()).c_str());
    return 2;
  }
  tally.known = std::move(*known);
  std::regex filter(options.filter);
  for (const fs::path& folder : folders) {
    if (std::regex_search(folder.filename().string(), filter)) {
      ModelRun(folder, options, tally).Run();
    }
  }
  std::printf("%d passed, %d failed, %d skipped\n", tally.passed, tally.failed, tally.skipped);
  return tally.failed ? 3 : 0;
}

}  // namespace
}  // namespace sluice::conformance

int main(int argc, char** argv) { return sluice::conformance::Main(argc, argv); }
