#include "passes/fuse/DeviceKernel.h"

#include <limits>

#include "kernels/registry.h"
#include "llvm/Support/FormatVariadic.h"

namespace mlir::sluice::fuse {

using kernels::CudaKernel;
using kernels::CudaParam;
using nn::SizeExpr;

const kernels::Target& targetOf(ModuleOp module) {
  auto name = module->getAttrOfType<StringAttr>(exec::kTargetAttr);
  const kernels::Target* target = kernels::FindTarget(name ? name.getValue().str() : "cpu");
  return target ? *target : *kernels::FindTarget("cpu");
}

void setTarget(ModuleOp module, const kernels::Target& target) {
  if (target.gpu) {
    module->setAttr(exec::kTargetAttr, StringAttr::get(module.getContext(), target.name));
  } else {
    module->removeAttr(exec::kTargetAttr);
  }
}

constexpr const char* kNominalAttr = "exec.nominal";
constexpr int64_t kNominal = 64;  // of a symbol nothing is known of

void setNominal(ModuleOp module, ArrayRef<std::string> dims) {
  SmallVector<NamedAttribute> values;
  Builder b(module.getContext());
  for (const std::string& text : dims) {  // malformed ones are refused where they are bounds (the memory phase)
    auto [name, range] = StringRef(text).split('=');
    int64_t least = 0, most = 0;
    if (!name.empty() && !range.split("..").first.getAsInteger(10, least) &&
        !range.split("..").second.getAsInteger(10, most)) {
      values.push_back(b.getNamedAttr(name, b.getDenseI64ArrayAttr({least, most})));
    }
  }
  if (!values.empty()) {
    module->setAttr(kNominalAttr, b.getDictionaryAttr(values));
  }
}

::sluice::plan::SymbolBounds nominalOf(ModuleOp module) {
  ::sluice::plan::SymbolBounds bounds;
  if (auto attr = module->getAttrOfType<DictionaryAttr>(kNominalAttr)) {
    for (NamedAttribute entry : attr) {
      ArrayRef<int64_t> range = cast<DenseI64ArrayAttr>(entry.getValue());
      bounds[entry.getName().str()] = {range[0], range[1]};
    }
  }
  return bounds;
}

static int64_t typicalOf(const SizeExpr& size, const ::sluice::plan::SymbolBounds& nominal) {
  ::sluice::plan::Bindings values;
  for (const std::string& symbol : size.Symbols()) {
    auto known = nominal.find(symbol);
    values[symbol] = known == nominal.end() ? kNominal : known->second.max;
  }
  absl::StatusOr<int64_t> value = size.Evaluate(values);
  return value.ok() ? std::max<int64_t>(1, *value) : kNominal;
}

// The most a size can be, -1 where nothing bounds it.  The lower bounds of --dims are no promise: smaller sizes run.
static int64_t boundOf(const SizeExpr& size, ::sluice::plan::SymbolBounds nominal) {
  for (auto& [symbol, bounds] : nominal) {
    bounds.min = 0;
  }
  int64_t most = size.Bounds(nominal).max;
  return most < std::numeric_limits<int64_t>::max() ? most : -1;
}

kernels::CudaOperand operandOf(Type element, ArrayRef<SizeExpr> sizes, bool weight,
                               const ::sluice::plan::SymbolBounds& nominal) {
  kernels::CudaOperand operand{.dtype = exec::dtypeOf(element), .weight = weight};
  for (const SizeExpr& size : sizes) {
    kernels::CudaDim dim{.typical = typicalOf(size, nominal), .text = size.ToString()};
    if (std::optional<int64_t> constant = size.Constant()) {
      dim.min = dim.max = *constant;
    } else {
      dim.max = boundOf(size, nominal);
      dim.least = std::max<int64_t>(1, size.Bounds(nominal).min);
    }
    operand.dims.push_back(std::move(dim));
  }
  return operand;
}

kernels::Attrs attrsOf(DictionaryAttr config) {
  std::vector<kernels::Attr> attrs;
  for (NamedAttribute entry : config ? config.getValue() : ArrayRef<NamedAttribute>()) {
    kernels::Attr attr{.name = entry.getName().str()};
    if (auto flag = dyn_cast<BoolAttr>(entry.getValue())) {
      attr.value = static_cast<int64_t>(flag.getValue());
    } else if (auto integer = dyn_cast<IntegerAttr>(entry.getValue())) {
      attr.value = integer.getInt();
    } else if (auto number = dyn_cast<FloatAttr>(entry.getValue())) {
      attr.value = number.getValueAsDouble();
    } else if (auto text = dyn_cast<StringAttr>(entry.getValue())) {
      attr.value = text.getValue().str();
    } else if (auto ints = dyn_cast<DenseI64ArrayAttr>(entry.getValue())) {
      attr.value = std::vector<int64_t>(ints.asArrayRef().begin(), ints.asArrayRef().end());
    } else if (auto floats = dyn_cast<DenseF64ArrayAttr>(entry.getValue())) {
      attr.value = std::vector<double>(floats.asArrayRef().begin(), floats.asArrayRef().end());
    } else {
      continue;
    }
    attrs.push_back(std::move(attr));
  }
  return kernels::Attrs(std::move(attrs));
}

//===-- CudaKernel ⇄ attribute
//---------------------------------------------------------------------------------------===//

// In the order of CudaParam::Kind.
static constexpr const char* kKinds[] = {"step", "operand", "map", "workspace", "counters", "address", "number"};

static Attribute paramAttr(Builder& b, const CudaParam& param) {
  SmallVector<NamedAttribute> fields = {b.getNamedAttr("kind", b.getStringAttr(kKinds[static_cast<int>(param.kind)])),
                                        b.getNamedAttr("of", b.getI64IntegerAttr(param.operand))};
  if (param.rank > 0) {
    fields.push_back(b.getNamedAttr("rank", b.getI64IntegerAttr(param.rank)));
  }
  if (param.kind == CudaParam::Kind::kTensorMap) {
    SmallVector<int64_t> runs;
    for (const std::array<int, 2>& run : param.dims) {
      runs.append({run[0], run[1]});
    }
    fields.push_back(b.getNamedAttr("runs", b.getDenseI64ArrayAttr(runs)));
    fields.push_back(b.getNamedAttr("box", b.getDenseI64ArrayAttr(param.box)));
    fields.push_back(b.getNamedAttr("swizzle", b.getI64IntegerAttr(param.swizzle)));
    if (!param.windows.empty()) {
      SmallVector<int64_t> windows;
      for (const std::array<int, 3>& window : param.windows) {
        windows.append(window.begin(), window.end());
      }
      fields.push_back(b.getNamedAttr("windows", b.getDenseI64ArrayAttr(windows)));
    }
    if (param.reach > 0) {
      fields.push_back(b.getNamedAttr("reach", b.getI64IntegerAttr(param.reach)));
    }
  }
  return b.getDictionaryAttr(fields);
}

static CudaParam paramOf(DictionaryAttr attr) {
  CudaParam param{.operand = static_cast<int>(attr.getAs<IntegerAttr>("of").getInt())};
  auto kind = llvm::find(kKinds, attr.getAs<StringAttr>("kind").getValue());
  param.kind = static_cast<CudaParam::Kind>(kind - std::begin(kKinds));
  param.rank = attr.contains("rank") ? static_cast<int>(attr.getAs<IntegerAttr>("rank").getInt()) : 0;
  if (param.kind == CudaParam::Kind::kTensorMap) {
    ArrayRef<int64_t> runs = attr.getAs<DenseI64ArrayAttr>("runs"), box = attr.getAs<DenseI64ArrayAttr>("box");
    for (size_t i = 0; i + 1 < runs.size(); i += 2) {
      param.dims.push_back({static_cast<int>(runs[i]), static_cast<int>(runs[i + 1])});
    }
    param.box.assign(box.begin(), box.end());
    param.swizzle = static_cast<int>(attr.getAs<IntegerAttr>("swizzle").getInt());
    if (auto windows = attr.getAs<DenseI64ArrayAttr>("windows")) {
      for (int64_t i = 0; i + 2 < windows.size(); i += 3) {
        param.windows.push_back(
            {static_cast<int>(windows[i]), static_cast<int>(windows[i + 1]), static_cast<int>(windows[i + 2])});
      }
    }
    if (auto reach = attr.getAs<IntegerAttr>("reach")) {
      param.reach = static_cast<int>(reach.getInt());
    }
  }
  return param;
}

DictionaryAttr cudaAttr(MLIRContext* context, const CudaKernel& kernel) {
  Builder b(context);
  SmallVector<NamedAttribute> fields;
  auto text = [&](StringRef name, StringRef value) { fields.push_back(b.getNamedAttr(name, b.getStringAttr(value))); };
  auto number = [&](StringRef name, int64_t value) {
    fields.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(value)));
  };
  text("text", kernel.text);
  text("entry", kernel.entry);
  if (kernel.part > 0) {
    number("part", kernel.part);
  }
  number("block", kernel.block);
  fields.push_back(b.getNamedAttr("grid", b.getStrArrayAttr({kernel.grid[0], kernel.grid[1], kernel.grid[2]})));
  number("shared", kernel.shared);
  fields.push_back(b.getNamedAttr("params", b.getArrayAttr(llvm::map_to_vector(
                                                kernel.params, [&](const CudaParam& p) { return paramAttr(b, p); }))));
  text("workspace", kernel.workspace);
  number("counters", kernel.counters);
  number("cluster", kernel.cluster);
  number("overlaps", kernel.overlaps_previous);
  number("invariant", kernel.row_invariant);
  number("strided_ins", kernel.strided_ins);
  number("strided_outs", kernel.strided_outs);
  number("aligned_ins", kernel.aligned_ins);
  number("aligned_outs", kernel.aligned_outs);
  number("in_place", kernel.in_place);
  if (!kernel.rows.empty()) {
    text("rows", kernel.rows);
    fields.push_back(b.getNamedAttr(
        "smaller", b.getArrayAttr(llvm::map_to_vector(
                       kernel.smaller, [&](const CudaKernel& few) -> Attribute { return cudaAttr(context, few); }))));
  }
  if (kernel.limit >= 0) {
    number("limit", kernel.limit);
  }
  return b.getDictionaryAttr(fields);
}

CudaKernel cudaKernel(DictionaryAttr attr) {
  CudaKernel kernel;
  auto text = [&](StringRef name) { return attr.getAs<StringAttr>(name).getValue().str(); };
  auto number = [&](StringRef name) { return attr.getAs<IntegerAttr>(name).getInt(); };
  kernel.text = text("text");
  kernel.entry = text("entry");
  kernel.part = attr.contains("part") ? number("part") : 0;
  kernel.block = static_cast<int>(number("block"));
  for (auto [i, size] : llvm::enumerate(attr.getAs<ArrayAttr>("grid").getAsRange<StringAttr>())) {
    kernel.grid[i] = size.getValue().str();
  }
  kernel.shared = number("shared");
  for (auto param : attr.getAs<ArrayAttr>("params").getAsRange<DictionaryAttr>()) {
    kernel.params.push_back(paramOf(param));
  }
  kernel.workspace = text("workspace");
  kernel.counters = number("counters");
  kernel.cluster = static_cast<int>(number("cluster"));
  kernel.overlaps_previous = number("overlaps") != 0;
  kernel.row_invariant = number("invariant") != 0;
  kernel.strided_ins = static_cast<uint32_t>(number("strided_ins"));
  kernel.strided_outs = static_cast<uint32_t>(number("strided_outs"));
  kernel.aligned_ins = static_cast<uint32_t>(number("aligned_ins"));
  kernel.aligned_outs = static_cast<uint32_t>(number("aligned_outs"));
  kernel.in_place = number("in_place") != 0;
  if (attr.contains("rows")) {
    kernel.rows = text("rows");
    for (auto few : attr.getAs<ArrayAttr>("smaller").getAsRange<DictionaryAttr>()) {
      kernel.smaller.push_back(cudaKernel(few));
    }
  }
  kernel.limit = attr.contains("limit") ? number("limit") : -1;
  return kernel;
}

std::map<std::string, SizeExpr> launchSizes(exec::LaunchOp launch) {
  std::map<std::string, SizeExpr> values;
  auto note = [&](const std::string& name, Value view) {
    for (auto [d, size] : llvm::enumerate(nn::sizesFromAttr(view.getDefiningOp<exec::ViewOp>().getSizes()))) {
      values[name + "_" + std::to_string(d)] = size;
    }
  };
  int64_t slot = 0;
  for (Value in : launch.getIns()) {
    while (llvm::is_contained(launch.getAbsent(), slot)) {
      ++slot;
    }
    note("x" + std::to_string(slot++), in);
  }
  for (auto [n, out] : llvm::enumerate(launch.getOuts())) {
    note("y" + std::to_string(n), out);
  }
  if (launch.getParams()) {
    for (auto [n, size] : llvm::enumerate(nn::sizesFromAttr(*launch.getParams()))) {
      values["p" + std::to_string(n)] = size;
    }
  }
  return values;
}

std::string planText(const kernels::CudaChoice& choice) {
  auto predicted = [](const kernels::CudaPlan& plan) {
    return llvm::formatv("{0}, predicted {1:f2} us", plan.name, plan.us).str();
  };
  std::string text;
  for (const kernels::CudaForm& form : choice.smaller) {
    text += predicted(form.plan) + ", up to " + std::to_string(form.limit) + " rows; ";
  }
  return text + predicted(choice.plan);
}

std::string formName(StringRef kernel, int64_t limit) { return (kernel + "." + std::to_string(limit)).str(); }

bool replaceText(ModuleOp module, StringRef name, StringRef text) {
  for (auto kernel : module.getOps<exec::KernelOp>()) {
    if (!kernel.getCuda()) {
      continue;
    }
    CudaKernel cuda = cudaKernel(kernel.getCudaAttr());
    CudaKernel* found = kernel.getSymName() == name ? &cuda : nullptr;
    for (CudaKernel& few : cuda.smaller) {
      found = formName(kernel.getSymName(), few.limit) == name ? &few : found;
    }
    if (found) {
      // A kernel that waits on its own goes on doing so; another may have lost the call that makes it wait.
      const bool waits = !kernels::TakesTurns(found->text);
      found->text = text.str();
      found->overlaps_previous = waits ? found->overlaps_previous : kernels::TakesTurns(found->text);
      found->part = 0;
      kernel.setCudaAttr(cudaAttr(module.getContext(), cuda));
      return true;
    }
  }
  return false;
}

KernelTraits traitsOf(exec::KernelOp kernel) {
  KernelTraits traits{.generated = kernel.isGenerated()};
  if (traits.generated) {
    return traits;
  }
  if (DictionaryAttr attr = kernel.getCudaAttr()) {
    CudaKernel cuda = cudaKernel(attr);
    traits.in_place = cuda.in_place;
    traits.strided_ins = cuda.strided_ins;
    traits.strided_outs = cuda.strided_outs;
    traits.aligned_ins = cuda.aligned_ins;
    traits.aligned_outs = cuda.aligned_outs;
    for (const CudaKernel& few : cuda.smaller) {  // the launch's operands must suit them all
      traits.in_place = traits.in_place && few.in_place;
      traits.strided_ins &= few.strided_ins;
      traits.strided_outs &= few.strided_outs;
      traits.aligned_ins |= few.aligned_ins;
      traits.aligned_outs |= few.aligned_outs;
    }
  } else if (const kernels::CpuKernel* cpu = kernels::FindCpuKernel(kernel.getLibrary()->str())) {
    traits.in_place = cpu->in_place;
    traits.strided_ins = cpu->strided_ins;
    traits.strided_outs = cpu->strided_outs;
    traits.layouts = cpu->layouts;
  }
  return traits;
}

}  // namespace mlir::sluice::fuse
