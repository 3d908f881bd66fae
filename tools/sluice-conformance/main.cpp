// Many models in one process: every data set of every model, by the reference evaluator or on a target.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "compiler/reference/TestData.h"
#include "dialects/nn/NNDialect.h"
#include "runtime/base/status.h"
#include "tools/sluice-conformance/runner.h"

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
};

// Data sets that are known to fail, with the reason: `NAME/test_data_set_N  why`, or `NAME  why` for a model that does
// not compile.  One that passes must leave the list.
using Known = std::map<std::string, std::string>;

absl::StatusOr<Known> ReadKnown(const std::string& path) {
  Known known;
  std::ifstream file(path);
  if (!path.empty() && !file) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  for (std::string line; std::getline(file, line);) {
    size_t end = line.find(' ');
    if (!line.empty() && line[0] != '#' && end != std::string::npos) {
      known[line.substr(0, end)] = line.substr(line.find_first_not_of(' ', end));
    }
  }
  return known;
}

struct Tally {
  int passed = 0, failed = 0, skipped = 0;
  Known known;
  void Skip(const std::string& name, const std::string& why) {
    ++skipped;
    std::printf("skip   %s: %s\n", name.c_str(), why.c_str());
    std::fflush(stdout);
  }
  void Add(bool ok, const std::string& name, const std::string& detail) {
    if (auto it = known.find(name); it != known.end()) {
      if (!ok) {
        return Skip(name, "known to fail, " + it->second + " (" + detail + ")");
      }
      ++failed;
      std::printf("FAILED %s: passes, but is listed as known to fail: take it off the list\n", name.c_str());
      return;
    }
    ok ? ++passed : ++failed;
    std::printf("%s %s%s%s\n", ok ? "ok    " : "FAILED", name.c_str(), detail.empty() ? "" : ": ", detail.c_str());
    std::fflush(stdout);
  }
};

// Half-precision and quantized graphs are held to 1e-2 of the largest reference value, float ones to 1e-3.
bool IsCoarse(mlir::ModuleOp module) {
  bool coarse = false;
  module.walk([&](mlir::Operation* op) {
    coarse |= mlir::isa<mlir::nn::QuantizeOp, mlir::nn::DequantizeOp>(op);
    for (mlir::Value result : op->getResults()) {
      mlir::Type element = mlir::getElementTypeOrSelf(result.getType());
      coarse |= element.isF16() || element.isBF16();
    }
  });
  return coarse;
}

double Largest(const reference::RefTensor& t) {
  double largest = 0;
  for (double x : t.f) {
    largest = std::isfinite(x) ? std::max(largest, std::fabs(x)) : largest;
  }
  return largest;
}

Tensors ByName(const std::vector<reference::NamedTensor>& tensors) {
  Tensors result;
  for (const auto& t : tensors) {
    result.insert({t.name, t.tensor});
  }
  return result;
}

// Compares every expected output; the worst line is the detail.
bool Compare(const Tensors& got, const std::vector<reference::NamedTensor>& want, bool coarse, std::string& detail) {
  bool ok = true;
  double worst = 0;
  for (const auto& [name, tensor] : want) {
    auto it = got.find(name);
    if (it == got.end()) {
      detail = "output " + name + " is missing";
      return false;
    }
    double atol = coarse ? 1e-2 * Largest(tensor) : 1e-4;
    reference::Difference d = reference::compare(it->second, tensor, coarse ? 1e-2 : 1e-3, atol);
    if (!d.ok && ok) {
      detail = d.why.empty() ? absl::StrFormat("%s max_abs %.3g max_rel %.3g", name, d.maxAbs, d.maxRel)
                             : absl::StrCat(name, " ", d.why);
    }
    ok &= d.ok;
    worst = std::max(worst, d.maxAbs);
  }
  if (ok) {
    detail = absl::StrFormat("max_abs %.2g", worst);
  }
  return ok;
}

void RunModel(const fs::path& folder, const Options& options, Tally& tally) {
  std::string name = folder.filename().string();
  std::vector<std::string> sets = reference::testSetsOf(folder.string());
  if (sets.empty()) {
    return;
  }
  // The real-weight models are made on demand (their folder's make_weights.py).
  if (fs::exists(folder / "make_weights.py") && !fs::exists(folder / "weights.bin")) {
    return tally.Skip(name, "its weights.bin is not there (make_weights.py)");
  }
  mlir::MLIRContext context;
  auto module = ImportModel(context, (folder / "model.onnx").string(), options.raise);
  if (!module.ok()) {
    tally.Add(false, name, std::string(module.status().message()));
    return;
  }
  bool coarse = IsCoarse(**module);
  std::unique_ptr<Runner> runner;
  if (options.reference) {
    runner = ReferenceRunner(**module, folder.string());
  } else {
    auto target = TargetRunner(**module, folder.string());
    if (!target.ok()) {
      tally.Add(false, name, std::string(target.status().message()));
      return;
    }
    runner = std::move(*target);
  }
  for (const std::string& path : sets) {
    std::string label = name + "/" + fs::path(path).filename().string();
    auto set = reference::loadTestSet(context, path);
    if (!set.ok()) {
      tally.Add(false, label, std::string(set.status().message()));
      continue;
    }
    auto got = runner->Run(ByName(set->inputs));
    std::string detail = got.ok() ? "" : std::string(got.status().message());
    bool ok = got.ok() && Compare(*got, set->outputs, coarse, detail);
    tally.Add(ok, label, detail);
  }
}

constexpr const char* kHelp = R"(example: sluice-conformance --models ../shared/models --target cpu

Runs every data set of every model folder below --models in one process and compares the outputs.
  --models DIR       folders with model.onnx and test_data_set_N
  --target T         compile for this target and run the artifact (default cpu)
  --reference        run the reference evaluator on the raised graph instead
  --reference-import the same on the graph as imported
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
      RunModel(folder, options, tally);
    }
  }
  std::printf("%d passed, %d failed, %d skipped\n", tally.passed, tally.failed, tally.skipped);
  return tally.failed ? 3 : 0;
}

}  // namespace
}  // namespace sluice::conformance

int main(int argc, char** argv) { return sluice::conformance::Main(argc, argv); }
