#include "compiler/onnx/ProgramImporter.h"

#include "compiler/onnx/Functions.h"
#include "compiler/onnx/ImportError.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::onnx_import {
namespace {

// Names a graph uses and does not define, in order of use.
void freeNames(const onnx::GraphProto& graph, std::set<std::string> defined,
               llvm::function_ref<void(const std::string&)> visit) {
  for (const auto& input : graph.input()) {
    defined.insert(input.name());
  }
  for (const auto& tensor : graph.initializer()) {
    defined.insert(tensor.name());
  }
  auto use = [&](const std::string& name) {
    if (!name.empty() && !defined.count(name)) {
      visit(name);
    }
  };
  for (const auto& node : graph.node()) {
    llvm::for_each(node.input(), use);
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) {
        freeNames(attribute.g(), defined, visit);
      }
    }
    defined.insert(node.output().begin(), node.output().end());
  }
  for (const auto& output : graph.output()) {
    use(output.name());
  }
}

// `node` with every reference to one of the calling node's attributes replaced by that attribute, or dropped.
onnx::NodeProto bindAttributes(const onnx::NodeProto& node,
                               const std::map<std::string, const onnx::AttributeProto*>& caller) {
  onnx::NodeProto bound = node;
  bound.clear_attribute();
  for (const auto& attribute : node.attribute()) {
    onnx::AttributeProto* added = bound.add_attribute();
    if (attribute.ref_attr_name().empty()) {
      *added = attribute;
      if (added->has_g()) {
        for (auto& inner : *added->mutable_g()->mutable_node()) {
          inner = bindAttributes(inner, caller);
        }
      }
      continue;
    }
    auto it = caller.find(attribute.ref_attr_name());
    if (it == caller.end()) {
      bound.mutable_attribute()->RemoveLast();
      continue;
    }
    *added = *it->second;
    added->set_name(attribute.name());
  }
  return bound;
}

}  // namespace

Tensor Scope::find(const std::string& name) const {
  for (const Scope* scope = this; scope; scope = scope->outer) {
    if (auto it = scope->values.find(name); it != scope->values.end()) {
      return it->second;
    }
  }
  return {};
}

StringRef normalDomain(StringRef domain) { return domain == "ai.onnx" ? StringRef() : domain; }

Opsets opsetsOf(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports) {
  Opsets opsets;
  for (const auto& import : imports) {
    opsets[normalDomain(import.domain()).str()] = static_cast<int>(import.version());
  }
  return opsets;
}

std::string identifierOf(StringRef name) {
  std::string text;
  for (char c : name) {
    text.push_back(llvm::isAlnum(c) || c == '_' || c == '.' ? c : '_');
  }
  return text.empty() || llvm::isDigit(text[0]) || text[0] == '.' ? "_" + text : text;
}

ProgramImporter::ProgramImporter(ModuleState& state, StringRef name, const Opsets& opsets, ProgramImporter* caller)
    : state_(state),
      name_(name),
      opsets_(&opsets),
      ir_(state.module.getContext()),
      facts_(state.facts[name.str()], caller ? &caller->facts_ : nullptr, state.data_symbols),
      builder_(ir_, facts_),
      prefix_(caller ? caller->prefix_ : "") {
  state_.program_names.insert(name_);
}

std::string ProgramImporter::uniqueProgramName(StringRef wanted) {
  std::string base = identifierOf(wanted);
  std::string name = base;
  for (int n = 1; state_.program_names.count(name); ++n) {
    name = base + "_" + std::to_string(n);
  }
  return name;
}

void ProgramImporter::begin(ArrayRef<ProgramArg> args, Scope& scope, Location loc) {
  MLIRContext* context = ir_.getContext();
  SmallVector<Type> types;
  SmallVector<DictionaryAttr> attrs;
  for (const ProgramArg& arg : args) {
    types.push_back(nn::typeOf(arg.sizes, arg.element));
    SmallVector<NamedAttribute> named = {ir_.getNamedAttr(nn::kDimsAttr, nn::sizesAttr(context, arg.sizes))};
    if (arg.shown) {
      named.push_back(ir_.getNamedAttr(nn::kNameAttr, ir_.getStringAttr(arg.name)));
    }
    attrs.push_back(DictionaryAttr::get(context, named));
  }
  ir_.setInsertionPointToEnd(state_.module.getBody());
  func_ =
      func::FuncOp::create(ir_, loc, name_, FunctionType::get(context, types, {}), ArrayRef<NamedAttribute>{}, attrs);
  Block* block = func_.addEntryBlock();
  ir_.setInsertionPointToEnd(block);
  for (auto [arg, value] : llvm::zip_equal(args, block->getArguments())) {
    builder_.setLoc(NameLoc::get(ir_.getStringAttr(arg.name)));
    scope.values[arg.name] = builder_.wrap(value, arg.sizes);
  }
}

void ProgramImporter::addInitializers(const onnx::GraphProto& graph, Scope& scope) {
  for (const auto& tensor : graph.initializer()) {
    Location loc = NameLoc::get(ir_.getStringAttr(tensor.name()));
    builder_.setLoc(loc);
    scope.values[tensor.name()] = tensorOf(state_.model, tensor, builder_);
  }
}

Tensor ProgramImporter::lookup(const std::string& name, const Scope& scope) {
  if (name.empty()) {
    return {};
  }
  Tensor found = scope.find(name);
  if (!found) {
    fail(builder_.loc(), "uses '" + name + "', which no node before it makes");
  }
  return found;
}

Location ProgramImporter::locationOf(const onnx::NodeProto& node) {
  std::string name = node.name();
  if (name.empty()) {
    name = node.op_type() + "_" + std::to_string(unnamed_[node.op_type()]++);
  }
  return NameLoc::get(ir_.getStringAttr(prefix_ + name));
}

void ProgramImporter::importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, Scope& scope) {
  Scope* before = std::exchange(scope_, &scope);
  for (const auto& node : nodes) {
    importNode(node, scope);
  }
  scope_ = before;
}

void ProgramImporter::importNode(const onnx::NodeProto& node, Scope& scope) {
  builder_.setLoc(locationOf(node));
  StringRef domain = normalDomain(node.domain());
  auto opset = opsets_->find(domain.str());
  int version = opset == opsets_->end() ? 1 : opset->second;
  SmallVector<Tensor> inputs;
  for (const std::string& name : node.input()) {
    inputs.push_back(lookup(name, scope));
  }
  OpContext op(*this, node, version, std::move(inputs));
  const OpDefinition* definition =
      localFunction(state_.model, node) ? nullptr : findOpDefinition(domain, node.op_type(), version);
  if (definition) {
    definition->import(op);
  } else if (!expandFunction(op)) {
    fail(builder_.loc(), "unknown operator " + node.op_type());
  }
  for (auto [name, tensor] : llvm::zip_equal(node.output(), op.outputs())) {
    if (!name.empty() && !tensor) {
      op.fail("output '" + name + "' is not one Sluice computes");
    }
    if (!name.empty()) {
      scope.values[name] = tensor;
    }
  }
}

bool ProgramImporter::expandFunction(OpContext& op) {
  if (const onnx::FunctionProto* function = localFunction(state_.model, op.node())) {
    importFunction(*function, op);
    return true;
  }
  std::optional<onnx::FunctionProto> function = schemaFunction(op);
  if (!function) {
    return false;
  }
  importFunction(*function, op);
  return true;
}

void ProgramImporter::importFunction(const onnx::FunctionProto& function, OpContext& op) {
  std::map<std::string, const onnx::AttributeProto*> attributes;
  for (const auto& attribute : function.attribute_proto()) {
    attributes[attribute.name()] = &attribute;
  }
  for (const auto& attribute : op.node().attribute()) {
    attributes[attribute.name()] = &attribute;
  }
  Scope scope;  // a function sees nothing of its caller
  for (int i = 0; i < function.input_size(); ++i) {
    scope.values[function.input(i)] = op.opt(i);
  }
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  for (const auto& node : function.node()) {
    *nodes.Add() = bindAttributes(node, attributes);
  }
  Opsets opsets = opsetsOf(function.opset_import());
  const Opsets* outer_opsets = std::exchange(opsets_, &opsets);
  Location loc = builder_.loc();
  std::string prefix = std::exchange(prefix_, cast<NameLoc>(loc).getName().str() + "/");
  std::map<std::string, int> unnamed = std::exchange(unnamed_, {});
  importNodes(nodes, scope);
  opsets_ = outer_opsets;
  prefix_ = prefix;
  unnamed_ = unnamed;
  builder_.setLoc(loc);
  for (int i = 0; i < function.output_size(); ++i) {
    op.out(i, scope.find(function.output(i)));
  }
}

SmallVector<Tensor> ProgramImporter::importInline(const onnx::GraphProto& graph, ArrayRef<Tensor> inputs) {
  Scope scope{scope_, {}};
  for (auto [info, tensor] : llvm::zip(graph.input(), inputs)) {
    scope.values[info.name()] = tensor;
  }
  Location loc = builder_.loc();
  addInitializers(graph, scope);
  importNodes(graph.node(), scope);
  builder_.setLoc(loc);
  SmallVector<Tensor> outputs;
  for (const auto& output : graph.output()) {
    outputs.push_back(lookup(output.name(), scope));
  }
  return outputs;
}

ProgramImporter::Captures ProgramImporter::capturesOf(ArrayRef<const onnx::GraphProto*> graphs) {
  Captures captures;
  std::set<std::string> seen;
  for (const onnx::GraphProto* graph : graphs) {
    freeNames(*graph, {}, [&](const std::string& name) {
      if (!seen.insert(name).second) {
        return;
      }
      Tensor tensor = lookup(name, *scope_);
      const TensorInfo& info = tensor.info();
      if (info.known || info.literal || info.weight) {
        captures.constants[name] = tensor;
      } else {
        captures.values.push_back({name, tensor});
      }
    });
  }
  return captures;
}

SmallVector<Tensor> ProgramImporter::importBody(const onnx::GraphProto& graph, ArrayRef<ProgramArg> args,
                                                const std::map<std::string, Tensor>& outer_values) {
  Scope scope;
  for (const auto& [name, tensor] : outer_values) {
    TensorInfo info = tensor.info();  // made again here: values do not cross functions
    info.value = Value();
    scope.values[name] = Tensor(std::move(info));
  }
  begin(args, scope, NameLoc::get(ir_.getStringAttr(graph.name())));
  func_.setPrivate();
  addInitializers(graph, scope);
  importNodes(graph.node(), scope);
  SmallVector<Tensor> outputs;
  for (const auto& output : graph.output()) {
    outputs.push_back(lookup(output.name(), scope));
  }
  return outputs;
}

void ProgramImporter::finish(ArrayRef<Tensor> results, ArrayRef<RankedTensorType> types) {
  SmallVector<Value> values;
  SmallVector<Type> result_types(types.begin(), types.end());
  for (auto [result, type] : llvm::zip_equal(results, types)) {
    builder_.setLoc(result.info().loc);
    Value value = builder_.value(result);
    if (value.getType() != type) {
      value = tensor::CastOp::create(ir_, builder_.loc(), type, value);
    }
    values.push_back(value);
  }
  func::ReturnOp::create(ir_, func_.getLoc(), values);
  func_.setType(FunctionType::get(ir_.getContext(), func_.getArgumentTypes(), result_types));
  for (auto [i, result] : llvm::enumerate(results)) {
    func_.setResultAttr(i, nn::kDimsAttr, nn::sizesAttr(ir_.getContext(), result.sizes()));
  }
  if (std::vector<std::string> assumptions = facts_.assumptions(); !assumptions.empty()) {
    SmallVector<StringRef> texts(assumptions.begin(), assumptions.end());
    func_->setAttr(nn::kAssumeAttr, ir_.getStrArrayAttr(texts));
  }
}

SizeExpr ProgramImporter::dimension(const onnx::TensorShapeProto::Dimension& dim, const std::string& input, int axis,
                                    const std::set<std::string>& names) {
  if (dim.has_dim_value()) {
    if (dim.dim_value() < 0) {
      fail(builder_.loc(), "input '" + input + "' has a negative size " + llvm::Twine(dim.dim_value()) + " at axis " +
                               llvm::Twine(axis));
    }
    return SizeExpr(dim.dim_value());
  }
  if (dim.dim_param().empty()) {
    return facts_.symbol(identifierOf(input) + "_dim" + std::to_string(axis));
  }
  // "past + seq" is an expression when its symbols are dimensions of their own; "seq-len" is a name.
  auto expr = SizeExpr::Parse(dim.dim_param());
  if (expr.ok() && llvm::all_of(expr->Symbols(), [&](const std::string& symbol) { return names.count(symbol); })) {
    for (const std::string& symbol : expr->Symbols()) {
      facts_.symbol(symbol);
    }
    return facts_.simplify(*expr);
  }
  return facts_.symbol(identifierOf(dim.dim_param()));
}

// Elements of 4 bits and small floats are how weights are kept; nothing hands them in or out at run time.
static void checkPort(const std::string& what, Type element, Location loc) {
  unsigned bits = element.getIntOrFloatBitWidth();
  if ((bits > 1 && bits < 8) || (bits == 8 && isa<FloatType>(element))) {
    fail(loc, what + ": elements of this type are for weights only (hand in 8-bit integers or 16-bit floats)");
  }
}

SmallVector<ProgramArg> ProgramImporter::mainArgs(const onnx::GraphProto& graph) {
  std::set<std::string> constants, names;
  for (const auto& tensor : graph.initializer()) {
    constants.insert(tensor.name());
  }
  for (const auto& input : graph.input()) {
    for (const auto& dim : input.type().tensor_type().shape().dim()) {
      if (!dim.dim_param().empty() && identifierOf(dim.dim_param()) == dim.dim_param()) {
        names.insert(dim.dim_param());
      }
    }
  }
  SmallVector<ProgramArg> args;
  for (const auto& input : graph.input()) {
    if (constants.count(input.name())) {
      continue;
    }
    builder_.setLoc(NameLoc::get(ir_.getStringAttr(input.name())));
    if (!input.type().has_tensor_type() || !input.type().tensor_type().has_shape()) {
      fail(builder_.loc(), "input '" + input.name() + "' is not a tensor of known rank");
    }
    const auto& type = input.type().tensor_type();
    ProgramArg arg{input.name(), elementType(ir_.getContext(), type.elem_type(), builder_.loc()), {}, true};
    checkPort("input '" + input.name() + "'", arg.element, builder_.loc());
    for (const auto& dim : type.shape().dim()) {
      arg.sizes.push_back(dimension(dim, input.name(), static_cast<int>(arg.sizes.size()), names));
    }
    args.push_back(std::move(arg));
  }
  return args;
}

void ProgramImporter::importMain() {
  const onnx::GraphProto& graph = state_.model.proto.graph();
  Scope scope;
  SmallVector<ProgramArg> args = mainArgs(graph);
  begin(args, scope, NameLoc::get(ir_.getStringAttr(graph.name())));
  addInitializers(graph, scope);
  importNodes(graph.node(), scope);
  SmallVector<Tensor> results;
  SmallVector<RankedTensorType> types;
  for (const auto& output : graph.output()) {
    builder_.setLoc(NameLoc::get(ir_.getStringAttr(output.name())));
    results.push_back(lookup(output.name(), scope));
    checkPort("output '" + output.name() + "'", results.back().element(), builder_.loc());
    types.push_back(nn::typeOf(results.back().sizes(), results.back().element()));
  }
  finish(results, types);
  for (auto [i, output] : llvm::enumerate(graph.output())) {
    func_.setResultAttr(i, nn::kNameAttr, ir_.getStringAttr(output.name()));
  }
  // Sub-programs were added before it was finished: @main comes first.
  func_->moveBefore(&state_.module.getBody()->front());
}

}  // namespace mlir::onnx_import
