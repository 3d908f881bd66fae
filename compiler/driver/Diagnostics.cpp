#include "compiler/driver/Diagnostics.h"

#include <algorithm>
#include <mutex>

#include "compiler/driver/Phases.h"
#include "mlir/IR/Remarks.h"

namespace sluice::compiler {
namespace {

constexpr size_t kMaxErrors = 40;  // unknown operators are all listed; a run-away verifier is not
constexpr size_t kMaxNames = 4;

void NamesOf(mlir::Location loc, std::vector<std::string>& names) {
  std::string name;
  if (auto named = mlir::dyn_cast<mlir::NameLoc>(loc)) {
    name = named.getName().str();
  } else if (auto fused = mlir::dyn_cast<mlir::FusedLoc>(loc)) {
    for (mlir::Location part : fused.getLocations()) {
      NamesOf(part, names);
    }
  } else if (auto file = mlir::dyn_cast<mlir::FileLineColLoc>(loc)) {
    name = file.getFilename().str() + ":" + std::to_string(file.getLine()) + ":" + std::to_string(file.getColumn());
  }
  if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
    names.push_back(name);
  }
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

const char* KindName(llvm::remarks::Type type) {
  switch (type) {
    case llvm::remarks::Type::Passed:
      return "passed";
    case llvm::remarks::Type::Missed:
      return "missed";
    case llvm::remarks::Type::Failure:
      return "failed";
    default:
      return "analysis";
  }
}

// Keeps remarks as values.  Passes may run on several threads.
class Collector : public mlir::remark::detail::MLIRRemarkStreamerBase {
 public:
  explicit Collector(std::vector<Remark>* remarks) : remarks_(remarks) {}
  void streamOptimizationRemark(const mlir::remark::detail::Remark& remark) override {
    Remark value{.kind = KindName(remark.getRemarkType()),
                 .category = remark.getCategoryName().str(),
                 .name = remark.getRemarkName().str(),
                 .node = PlaceOf(remark.getLocation())};
    for (const mlir::remark::detail::Remark::Arg& arg : remark.getArgs()) {
      value.text += arg.val;
    }
    value.text = OneLine(value.text);
    std::lock_guard<std::mutex> lock(mutex_);
    remarks_->push_back(std::move(value));
  }

 private:
  std::vector<Remark>* remarks_;
  std::mutex mutex_;
};

}  // namespace

std::string PlaceOf(mlir::Location loc) {
  std::vector<std::string> names;
  NamesOf(loc, names);
  std::string place;
  for (size_t i = 0; i < std::min(names.size(), kMaxNames); ++i) {
    place += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() > kMaxNames ? place + " and " + std::to_string(names.size() - kMaxNames) + " more" : place;
}

ErrorCollector::ErrorCollector(mlir::MLIRContext* context)
    : handler_(context, [this](mlir::Diagnostic& diagnostic) { return Note(diagnostic); }) {}

mlir::LogicalResult ErrorCollector::Note(mlir::Diagnostic& diagnostic) {
  if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error) {
    return mlir::success();
  }
  std::string text = OneLine(diagnostic.str());
  usage_ |= text.rfind("--", 0) == 0;  // a pass names the flag at fault
  std::string place = usage_ ? "" : PlaceOf(diagnostic.getLocation());
  errors_.push_back(place.empty() ? text : place + ": " + text);
  return mlir::success();
}

absl::Status ErrorCollector::Status(const std::string& otherwise) const {
  std::string text;
  for (size_t i = 0; i < std::min(errors_.size(), kMaxErrors); ++i) {
    text += (i == 0 ? "" : "; ") + errors_[i];
  }
  if (errors_.size() > kMaxErrors) {
    text += "; and " + std::to_string(errors_.size() - kMaxErrors) + " more";
  }
  text = text.empty() ? otherwise : text;
  return usage_ ? UsageError(text) : absl::InvalidArgumentError(text);
}

void CollectRemarks(mlir::MLIRContext* context, std::vector<Remark>* remarks) {
  mlir::remark::RemarkCategories all{.all = ".*", .passed = ".*", .missed = ".*", .analysis = ".*", .failed = ".*"};
  (void)mlir::remark::enableOptimizationRemarks(*context, std::make_unique<Collector>(remarks),
                                                std::make_unique<mlir::remark::RemarkEmittingPolicyAll>(), all);
}

}  // namespace sluice::compiler
