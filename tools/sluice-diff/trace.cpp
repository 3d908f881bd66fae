#include "tools/sluice-diff/trace.h"

#include <algorithm>
#include <charconv>

#include "compiler/codegen/ProgramTables.h"
#include "compiler/driver/Diagnostics.h"
#include "compiler/reference/Evaluator.h"

namespace sluice::diff {
namespace {

constexpr std::string_view kPrefix = "sluice-diff";  // then the numbering, then the number
constexpr size_t kMaxNames = 3;                      // of an op that was raised from many nodes

bool IsOf(std::string_view name, Numbering numbering) {
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         name[kPrefix.size()] == static_cast<char>(numbering);
}

std::optional<int> Parse(std::string_view name) {
  int number = 0;
  if (!IsOf(name, Numbering::kImported) && !IsOf(name, Numbering::kLowered)) {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(name.data() + kPrefix.size() + 1, name.data() + name.size(), number);
  return error == std::errc() ? std::optional<int>(number) : std::nullopt;
}

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMaxNames); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() > kMaxNames ? text + " and " + std::to_string(names.size() - kMaxNames) + " more" : text;
}

}  // namespace

std::vector<std::string> NumberOps(mlir::ModuleOp module, Numbering numbering) {
  std::vector<std::string> places;
  module.walk([&](mlir::Operation* op) {
    if (op->getNumResults() == 0) {
      return;
    }
    const std::string name = std::string(kPrefix) + static_cast<char>(numbering) + std::to_string(places.size());
    places.push_back(Joined(OnnxNodes(mlir::sluice::codegen::nodeNames(op->getLoc()))));
    op->setLoc(mlir::NameLoc::get(mlir::StringAttr::get(op->getContext(), name), op->getLoc()));
  });
  return places;
}

std::optional<int> NumberOf(mlir::Location loc) {
  auto named = mlir::dyn_cast<mlir::NameLoc>(loc);
  return named ? Parse(named.getName().getValue()) : std::nullopt;
}

std::optional<int> NumberOf(const std::vector<std::string>& nodes) {
  return nodes.empty() ? std::nullopt : Parse(nodes.front());
}

std::vector<int> NumbersOf(const std::vector<std::string>& nodes) {
  std::vector<int> numbers;
  for (const std::string& node : nodes) {
    if (const std::optional<int> number = Parse(node); number && IsOf(node, Numbering::kLowered)) {
      numbers.push_back(*number);
    }
  }
  return numbers;
}

absl::Status WithPlaces(const absl::Status& status, const std::vector<std::string>& places) {
  std::string text(status.message());
  for (size_t at = text.find(kPrefix); at != std::string::npos; at = text.find(kPrefix, at)) {
    const size_t end = std::min(text.find_first_not_of("0123456789", at + kPrefix.size() + 1), text.size());
    const std::optional<int> number = Parse(std::string_view(text).substr(at, end - at));
    const std::string place = number && static_cast<size_t>(*number) < places.size() ? places[*number] : "";
    if (!number) {
      at += kPrefix.size();  // the tool's own name
      continue;
    }
    text.replace(at, end - at, place);
    at += place.size();
  }
  return status.ok() ? status : absl::Status(status.code(), text);
}

std::vector<std::string> OnnxNodes(const std::vector<std::string>& nodes) {
  std::vector<std::string> names;
  for (const std::string& node : nodes) {
    if (!Parse(node)) {
      names.push_back(node);
    }
  }
  return names;
}

absl::StatusOr<Trace> Evaluate(mlir::ModuleOp module, const std::string& model_directory,
                               const std::vector<RefTensor>& inputs, const std::set<int>& wanted, Values values) {
  Trace trace;
  int order = 0;
  const auto keep = [&](mlir::Operation* op, mlir::ArrayRef<const RefTensor*> results) {
    const std::optional<int> number = NumberOf(op->getLoc());
    if (!number || !wanted.contains(*number)) {
      return;
    }
    const auto [it, first] = trace.ops.try_emplace(*number);
    if (first) {
      it->second.order = order++;
    }
    std::vector<RefTensor>& kept = it->second.times.emplace_back();
    for (const auto& [value, result] : llvm::zip(op->getResults(), results)) {
      kept.push_back(result == nullptr ? RefTensor() : *result);
      kept.back().element = mlir::getElementTypeOrSelf(value.getType());
    }
  };
  compiler::ErrorCollector errors(module.getContext());
  mlir::sluice::reference::Evaluator evaluator(
      module, {.roundToType = values == Values::kRounded, .modelDir = model_directory, .onOp = keep});
  auto outputs = evaluator.run(inputs);
  if (mlir::failed(outputs)) {
    return errors.Status("the reference evaluator failed without saying why");
  }
  trace.outputs = std::move(*outputs);
  return trace;
}

}  // namespace sluice::diff
