#include "tools/sluice-diff/diff.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "compiler/codegen/Artifact.h"
#include "compiler/codegen/PackExpressions.h"
#include "compiler/driver/Diagnostics.h"
#include "compiler/driver/Phases.h"
#include "compiler/onnx/Import.h"
#include "compiler/reference/Evaluator.h"
#include "compiler/reference/TestData.h"
#include "dialects/nn/NNDialect.h"
#include "kernels/target/target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "passes/fuse/DeviceKernel.h"
#include "runtime/exec/context.h"
#include "runtime/exec/copy.h"
#include "runtime/exec/sizes.h"
#include "tools/sluice-diff/checker.h"
#include "tools/sluice-diff/trace.h"

namespace sluice::diff {
namespace {

using compiler::Phase;
using kernels::Tensor;
namespace reference = mlir::sluice::reference;

mlir::func::FuncOp MainOf(mlir::ModuleOp module) { return module.lookupSymbol<mlir::func::FuncOp>("main"); }

// The inputs in the types that @main has for them: --dtype changes those of caches.
std::vector<RefTensor> InputsOf(mlir::ModuleOp module, std::vector<RefTensor> inputs) {
  for (auto [input, argument] : llvm::zip_equal(inputs, MainOf(module).getArguments())) {
    input.element = mlir::getElementTypeOrSelf(argument.getType());
    reference::roundToType(input);
  }
  return inputs;
}

std::string NameOf(mlir::Attribute attr) { return mlir::cast<mlir::StringAttr>(attr).getValue().str(); }

constexpr int64_t kUsualSize = 3;  // of a dimension nobody gives

Precision PrecisionOf(mlir::ModuleOp module) {
  Precision precision = Precision::kFloat;
  module.walk([&](mlir::Operation* op) {
    bool half = mlir::isa<mlir::nn::DequantizeOp>(op);
    for (const mlir::Value result : op->getResults()) {
      auto type = mlir::dyn_cast<mlir::FloatType>(mlir::getElementTypeOrSelf(result.getType()));
      half = half || (type && type.getWidth() < 32);
    }
    precision = std::max(precision, mlir::isa<mlir::nn::QuantizeOp>(op) ? Precision::kQuantized
                                    : half                              ? Precision::kHalf
                                                                        : Precision::kFloat);
  });
  return precision;
}

class Differ {
 public:
  Differ(const DiffOptions& options, const kernels::Target& target)
      : options_(options), target_(target), context_(mlir::MLIRContext::Threading::DISABLED) {
    mlir::DialectRegistry registry;
    compiler::RegisterDialects(registry);
    context_.appendDialectRegistry(registry);
    context_.loadAllAvailableDialects();
    const std::string parent = std::filesystem::path(options.model).parent_path().string();
    directory_ = parent.empty() ? "." : parent;
  }

  absl::StatusOr<DiffReport> Run();
  absl::StatusOr<tools::OutputTolerances> MeasureRounding();

 private:
  absl::Status Import();
  absl::Status RunPhases(mlir::ModuleOp module, Phase from, Phase to);
  absl::Status Load();
  absl::Status TakeInputs();
  absl::Status TakeTestData();
  absl::Status MakeInputs();
  absl::StatusOr<std::vector<Tensor>> PortTensors();
  absl::Status RunPlain();
  absl::Status RunChecked();
  absl::Status EvaluateInto(Trace& trace, mlir::ModuleOp module, const std::vector<std::string>& places,
                            const std::set<int>& wanted, Values values);
  absl::Status CheckPhases();
  absl::Status FindRaised();
  const RefTensor* Expected(const std::string& output) const;
  void CheckTestData();

  const DiffOptions& options_;
  const kernels::Target& target_;
  std::string directory_;
  mlir::MLIRContext context_;
  mlir::OwningOpRef<mlir::ModuleOp> imported_, raised_;
  std::vector<std::string> imported_places_, places_;  // by number of op
  std::shared_ptr<const exec::Model> model_;
  std::vector<RefTensor> inputs_;              // @main's arguments
  std::vector<std::vector<char>> port_bytes_;  // the same for the target
  std::vector<reference::NamedTensor> expected_;
  Trace imported_trace_, trace_;
  Precision precision_ = Precision::kFloat;
  DiffReport report_;
};

absl::Status Differ::Import() {
  compiler::ErrorCollector errors(&context_);
  options_.on_phase("import");
  imported_ =
      mlir::onnx_import::importOnnx(context_, {.path = options_.model, .int8_activations = options_.int8_activations});
  if (!imported_) {
    return errors.Status(options_.model + ": cannot be imported");
  }
  imported_places_ = NumberOps(*imported_, Numbering::kImported);
  mlir::sluice::fuse::setTarget(*imported_, target_);
  raised_ = imported_->clone();
  RETURN_IF_ERROR(WithPlaces(RunPhases(*raised_, Phase::kRaise, Phase::kShard), imported_places_));
  options_.after_raise(*raised_);
  places_ = NumberOps(*raised_, Numbering::kLowered);
  precision_ = PrecisionOf(*raised_);
  return absl::OkStatus();
}

absl::Status Differ::RunPhases(mlir::ModuleOp module, Phase from, Phase to) {
  for (int p = static_cast<int>(from); p <= static_cast<int>(to); ++p) {
    const auto phase = static_cast<Phase>(p);
    options_.on_phase(compiler::PhaseName(phase));
    compiler::ErrorCollector errors(&context_);
    mlir::PassManager pm(&context_);
    compiler::AddPhase(phase, pm, {.dtype = options_.dtype});
    if (mlir::failed(pm.run(module))) {
      return errors.Status(options_.model + ": phase " + compiler::PhaseName(phase) + " failed without saying why");
    }
  }
  return absl::OkStatus();
}

// Compiles what is left and loads it.
absl::Status Differ::Load() {
  mlir::OwningOpRef<mlir::ModuleOp> module = raised_->clone();
  RETURN_IF_ERROR(RunPhases(*module, Phase::kFuse, Phase::kMemory));
  options_.on_phase(compiler::PhaseName(Phase::kCodegen));
  compiler::ErrorCollector errors(&context_);
  mlir::sluice::codegen::MemorySink sink;
  if (mlir::failed(mlir::sluice::codegen::writeArtifact(
          *module, {.modelDirectory = directory_, .threads = options_.threads, .sink = &sink}))) {
    return errors.Status(options_.model + ": no artifact could be made");
  }
  ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::FromMemory(sink.bytes, options_.model));
  ASSIGN_OR_RETURN(model_, exec::Model::Load(std::move(artifact),
                                             {.threads = options_.threads, .find_kernel = options_.find_kernel}));
  return absl::OkStatus();
}

absl::Status Differ::TakeTestData() {
  ASSIGN_OR_RETURN(reference::TestSet set, reference::loadTestSet(context_, options_.test_data));
  mlir::func::FuncOp main = MainOf(*raised_);
  for (unsigned n = 0; n < main.getNumArguments(); ++n) {
    const std::string name = NameOf(main.getArgAttr(n, mlir::nn::kNameAttr));
    const auto it = std::find_if(set.inputs.begin(), set.inputs.end(), [&](const auto& t) { return t.name == name; });
    if (it == set.inputs.end()) {
      return absl::InvalidArgumentError(options_.test_data + ": has no input '" + name + "'");
    }
    inputs_.push_back(std::move(it->tensor));
  }
  for (const RefTensor& input : InputsOf(*raised_, inputs_)) {
    port_bytes_.push_back(reference::toBytes(input));
  }
  expected_ = std::move(set.outputs);
  return absl::OkStatus();
}

absl::Status Differ::MakeInputs() {
  // Sizes of 1 hide mistakes in strides and broadcasts.
  tools::Dims dims = options_.dims;
  for (const std::string& name : exec::Sizes(model_->program()).FreeNames()) {
    dims.try_emplace(name, kUsualSize);
  }
  exec::Sizes sizes(model_->program());
  if (!sizes.BindByName(dims).ok() || !sizes.CheckAssumptions().ok()) {
    dims = options_.dims;
  }
  ASSIGN_OR_RETURN(const tools::MadeInputs made, tools::MakeInputs(*model_, dims, {.seed = options_.seed}));
  mlir::func::FuncOp main = MainOf(*raised_);
  for (unsigned n = 0; n < main.getNumArguments(); ++n) {
    const Tensor& t = made.tensors[n];
    const char* bytes = static_cast<const char*>(t.data);
    inputs_.push_back(reference::fromBytes(mlir::getElementTypeOrSelf(main.getArgument(n).getType()),
                                           {t.sizes.begin(), t.sizes.begin() + t.rank}, bytes));
    port_bytes_.emplace_back(bytes, bytes + exec::DenseBytes(t));
  }
  return absl::OkStatus();
}

// The inputs as the target takes them: the ports are @main's arguments, in their order.
absl::StatusOr<std::vector<Tensor>> Differ::PortTensors() {
  std::vector<Tensor> tensors;
  for (size_t n = 0; n < inputs_.size(); ++n) {
    const exec::PortDesc& port = model_->inputs()[n];
    if (inputs_[n].rank() > kernels::kMaxRank) {
      return absl::InvalidArgumentError("input '" + port.name + "': has more dimensions than a tensor can");
    }
    Tensor& t = tensors.emplace_back();
    t.dtype = port.dtype;
    t.data = port_bytes_[n].data();
    t.rank = static_cast<int>(inputs_[n].rank());
    std::copy(inputs_[n].sizes.begin(), inputs_[n].sizes.end(), t.sizes.begin());
    exec::SetDenseStrides(t);
    if (exec::DenseBytes(t) != static_cast<int64_t>(port_bytes_[n].size())) {
      return absl::InvalidArgumentError("input '" + port.name + "': is not of the model's element type");
    }
  }
  return tensors;
}

RefTensor ToRef(mlir::Type element, const Tensor& t) {
  return reference::fromBytes(element, {t.sizes.begin(), t.sizes.begin() + t.rank}, static_cast<const char*>(t.data));
}

// The whole run as a user has it, errors added up.
absl::Status Differ::RunPlain() {
  options_.on_phase("run");
  ASSIGN_OR_RETURN(const std::vector<Tensor> inputs, PortTensors());
  ASSIGN_OR_RETURN(const std::unique_ptr<exec::Context> context, exec::Context::Create(model_));
  std::vector<exec::RunOutput> outputs(model_->outputs().size());
  RETURN_IF_ERROR(context->Run(inputs, outputs));
  mlir::func::FuncOp main = MainOf(*raised_);
  for (size_t n = 0; n < outputs.size(); ++n) {
    const mlir::Type element = mlir::getElementTypeOrSelf(main.getResultTypes()[n]);
    report_.outputs.push_back(
        {model_->outputs()[n].name, "the reference",
         MeasureOutput(ToRef(element, outputs[n].tensor), trace_.outputs[n], precision_, options_.bound)});
  }
  return absl::OkStatus();
}

// Each launch alone.
absl::Status Differ::RunChecked() {
  ASSIGN_OR_RETURN(const std::vector<Tensor> inputs, PortTensors());
  ASSIGN_OR_RETURN(const std::unique_ptr<exec::Context> context, exec::Context::Create(model_));
  LaunchChecker checker(trace_, *context, options_.bound);
  context->set_observer(&checker);
  std::vector<exec::RunOutput> outputs(model_->outputs().size());
  RETURN_IF_ERROR(context->Run(inputs, outputs));
  report_.compared = checker.compared();
  report_.moved = checker.moved();
  report_.unmatched = checker.unmatched();
  std::vector<const Finding*> findings;
  for (const auto& [op, finding] : checker.findings()) {
    findings.push_back(&finding);
  }
  std::sort(findings.begin(), findings.end(), [](auto* a, auto* b) { return a->order < b->order; });
  for (const Finding* f : findings) {
    const std::string& node = places_[f->op];
    const auto same = std::find_if(report_.rows.begin(), report_.rows.end(),
                                   [&](const Row& row) { return row.stage == "kernel" && row.node == node; });
    const Row row{"kernel", node, f->nodes, f->kernel, f->dtype, f->sizes, f->deviation};
    if (same == report_.rows.end()) {
      report_.rows.push_back(row);
    } else if (same->deviation.times_bound < row.deviation.times_bound) {
      *same = row;
    }
  }
  return absl::OkStatus();
}

absl::Status Differ::EvaluateInto(Trace& trace, mlir::ModuleOp module, const std::vector<std::string>& places,
                                  const std::set<int>& wanted, Values values) {
  absl::StatusOr<Trace> made = Evaluate(module, directory_, InputsOf(module, inputs_), wanted, values);
  if (!made.ok()) {
    return WithPlaces(made.status(), places);
  }
  trace = *std::move(made);
  return absl::OkStatus();
}

// Holds what the phases before fuse gave against the graph as imported.
absl::Status Differ::CheckPhases() {
  bool differ = false;
  for (size_t n = 0; n < trace_.outputs.size(); ++n) {
    const Deviation d = MeasureOutput(trace_.outputs[n], imported_trace_.outputs[n], precision_, options_.bound);
    if (!d.ok()) {
      differ = true;
      report_.outputs.push_back({model_->outputs()[n].name, "the graph as imported", d});
    }
  }
  return differ ? FindRaised() : absl::OkStatus();
}

// Ops that went through the phases unchanged, and whose values nevertheless differ.
absl::Status Differ::FindRaised() {
  std::map<int, mlir::Operation*> before;
  imported_->walk([&](mlir::Operation* op) {
    if (const std::optional<int> number = NumberOf(op->getLoc())) {
      before[*number] = op;
    }
  });
  std::map<int, int> kept;  // number now → number as imported
  std::set<int> old_numbers, new_numbers;
  raised_->walk([&](mlir::Operation* op) {
    const std::optional<int> now = NumberOf(op->getLoc());
    const std::optional<int> then = now ? NumberOf(mlir::cast<mlir::NameLoc>(op->getLoc()).getChildLoc()) : now;
    const auto it = then ? before.find(*then) : before.end();
    const bool tensor = op->getNumResults() > 0 && mlir::isa<mlir::RankedTensorType>(op->getResult(0).getType());
    if (tensor && it != before.end() && it->second->getName() == op->getName() &&
        it->second->getResultTypes() == op->getResultTypes()) {
      kept[*now] = *then;
      old_numbers.insert(*then);
      new_numbers.insert(*now);
    }
  });
  Trace old_trace, new_trace;
  RETURN_IF_ERROR(EvaluateInto(old_trace, *imported_, imported_places_, old_numbers, Values::kRounded));
  RETURN_IF_ERROR(EvaluateInto(new_trace, *raised_, places_, new_numbers, Values::kRounded));
  std::vector<std::pair<int, Row>> rows;
  for (const auto& [now, then] : kept) {
    const Trace::OpValues& a = new_trace.ops[now];
    const Trace::OpValues& b = old_trace.ops[then];
    for (size_t time = 0; time < std::min(a.times.size(), b.times.size()); ++time) {
      const RefTensor& value = b.times[time].front();
      const Deviation deviation = Measure(a.times[time].front(), value, options_.bound);
      if (!deviation.ok()) {
        rows.push_back({a.order,
                        {"raise",
                         imported_places_[then],
                         {imported_places_[then]},
                         before[then]->getName().getStringRef().str(),
                         mlir::sluice::codegen::dtypeOf(value.element),
                         value.sizes,
                         deviation}});
        break;
      }
    }
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [order, row] : rows) {
    report_.rows.push_back(std::move(row));
  }
  return absl::OkStatus();
}

// The test data's output of that name; null when they have none.
const RefTensor* Differ::Expected(const std::string& output) const {
  const auto it =
      std::find_if(expected_.begin(), expected_.end(), [&](const auto& tensor) { return tensor.name == output; });
  return it == expected_.end() ? nullptr : &it->tensor;
}

void Differ::CheckTestData() {
  mlir::func::FuncOp main = MainOf(*imported_);
  for (unsigned n = 0; n < main.getNumResults(); ++n) {
    const std::string name = NameOf(main.getResultAttr(n, mlir::nn::kNameAttr));
    if (const RefTensor* expected = Expected(name)) {
      report_.outputs.push_back(
          {name, kTestData, MeasureOutput(imported_trace_.outputs[n], *expected, precision_, options_.bound)});
    }
  }
}

absl::StatusOr<tools::OutputTolerances> Differ::MeasureRounding() {
  RETURN_IF_ERROR(Import());
  RETURN_IF_ERROR(TakeTestData());
  options_.on_phase("reference");
  RETURN_IF_ERROR(EvaluateInto(imported_trace_, *imported_, imported_places_, {}, Values::kExact));
  RETURN_IF_ERROR(EvaluateInto(trace_, *raised_, places_, {}, Values::kRounded));
  tools::OutputTolerances tolerances;
  const Precision precision = PrecisionOf(*imported_);
  mlir::func::FuncOp main = MainOf(*imported_);
  for (unsigned n = 0; n < main.getNumResults(); ++n) {
    const std::string name = NameOf(main.getResultAttr(n, mlir::nn::kNameAttr));
    const RefTensor* expected = Expected(name);
    if (expected == nullptr) {
      continue;
    }
    const RefTensor& exact = imported_trace_.outputs[n];
    if (!MeasureOutput(exact, *expected, precision, options_.bound).ok()) {
      return absl::InvalidArgumentError(options_.test_data + ": output '" + name + "' is not what the reference gives");
    }
    const double tolerance = RoundingTolerance(trace_.outputs[n], exact, *expected, precision);
    if (!std::isfinite(tolerance)) {
      return absl::InvalidArgumentError("output '" + name +
                                        "': overflows its type (keep the model's own with --dtype f32)");
    }
    tolerances[name] = tolerance;
  }
  return tolerances;
}

absl::StatusOr<DiffReport> Differ::Run() {
  RETURN_IF_ERROR(Import());
  RETURN_IF_ERROR(WithPlaces(Load(), places_));
  RETURN_IF_ERROR(options_.test_data.empty() ? MakeInputs() : TakeTestData());
  std::set<int> wanted;
  for (const exec::FunctionDesc& function : model_->program().functions) {
    for (const exec::InstrDesc& instr : function.instrs) {
      // A library kernel may give several ops' values; a generated one gives the first's and computes the others'.
      const std::vector<int> ops = NumbersOf(instr.nodes);
      wanted.insert(ops.begin(), instr.kernel != nullptr || ops.empty() ? ops.end() : ops.begin() + 1);
    }
  }
  options_.on_phase("reference");
  RETURN_IF_ERROR(EvaluateInto(imported_trace_, *imported_, imported_places_, {}, Values::kRounded));
  RETURN_IF_ERROR(EvaluateInto(trace_, *raised_, places_, wanted, Values::kRounded));
  RETURN_IF_ERROR(CheckPhases());
  RETURN_IF_ERROR(WithPlaces(RunPlain(), places_));
  if (target_.gpu == nullptr) {  // a device's memory is not for the checker to read
    RETURN_IF_ERROR(WithPlaces(RunChecked(), places_));
  }
  CheckTestData();
  return std::move(report_);
}

absl::StatusOr<const kernels::Target*> TargetOf(const DiffOptions& options) {
  const kernels::Target* target = kernels::FindTarget(options.target);
  if (target == nullptr) {
    return compiler::UsageError("--target: " + options.target + ": no such target");
  }
  return target;
}

}  // namespace

bool DiffReport::ok() const {
  return rows.empty() &&
         std::all_of(outputs.begin(), outputs.end(), [](const OutputRow& row) { return row.deviation.ok(); });
}

absl::StatusOr<DiffReport> Diff(const DiffOptions& options) {
  ASSIGN_OR_RETURN(const kernels::Target* target, TargetOf(options));
  return Differ(options, *target).Run();
}

absl::StatusOr<tools::OutputTolerances> MeasureRounding(const DiffOptions& options) {
  ASSIGN_OR_RETURN(const kernels::Target* target, TargetOf(options));
  return Differ(options, *target).MeasureRounding();
}

}  // namespace sluice::diff
