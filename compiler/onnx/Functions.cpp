#include "compiler/onnx/Functions.h"

#include <map>

#include "compiler/onnx/ImportError.h"
#include "compiler/onnx/ProgramImporter.h"
#include "onnx/checker.h"
#include "onnx/defs/schema.h"

namespace mlir::onnx_import {
namespace {

const onnx::OpSchema* schemaOf(const onnx::NodeProto& node, int version) {
  return onnx::OpSchemaRegistry::Schema(node.op_type(), version, normalDomain(node.domain()).str());
}

bool hasFunctionBody(const onnx::OpSchema* schema) {
  return schema && (schema->HasFunction() || schema->HasContextDependentFunction());
}

onnx::TypeProto typeProtoOf(const Tensor& x) {
  onnx::TypeProto proto;
  if (!x) {
    return proto;
  }
  auto* tensor = proto.mutable_tensor_type();
  tensor->set_elem_type(dataTypeOf(x.element()));
  for (const SizeExpr& size : x.sizes()) {
    auto* dim = tensor->mutable_shape()->add_dim();
    if (auto constant = size.Constant()) {
      dim->set_dim_value(*constant);
    } else {
      dim->set_dim_param(size.ToString());
    }
  }
  return proto;
}

std::string oneLine(const std::string& text) {
  std::string line;
  for (char c : text) {
    bool space = c == '\n' || c == ' ';
    if (!space || (!line.empty() && line.back() != ' ')) {
      line.push_back(space ? ' ' : c);
    }
  }
  return StringRef(line).rtrim().str();
}

// ONNX's schemas, and one for the operator that ONNX Runtime keeps in ONNX's own domain.
class Schemas final : public onnx::ISchemaRegistry {
 public:
  Schemas() {
    simplified_.SetName("SimplifiedLayerNormalization")
        .SetDomain("")
        .SinceVersion(1)
        .Input(0, "X", "", "T")
        .Input(1, "scale", "", "V")
        .Output(0, "Y", "", "V")
        .Output(1, "inv_std_var", "", "U", onnx::OpSchema::Optional)
        .TypeConstraint("T", onnx::OpSchema::all_float_types_ir4(), "")
        .TypeConstraint("U", onnx::OpSchema::all_float_types_ir4(), "")
        .TypeConstraint("V", onnx::OpSchema::all_float_types_ir4(), "")
        .AllowUncheckedAttributes();
    simplified_.Finalize();
  }
  const onnx::OpSchema* GetSchema(const std::string& name, int version, const std::string& domain) const override {
    if (domain.empty() && name == simplified_.Name()) {
      return &simplified_;
    }
    return onnx::OpSchemaRegistry::Instance()->GetSchema(name, version, domain);
  }

 private:
  onnx::OpSchema simplified_;
};

using Nodes = google::protobuf::RepeatedPtrField<onnx::NodeProto>;

void collectUnknown(const Model& model, const Nodes& nodes, const Opsets& opsets,
                    std::vector<UnknownOperator>& unknown) {
  for (const auto& node : nodes) {
    std::string domain = normalDomain(node.domain()).str();
    auto opset = opsets.find(domain);
    int version = opset == opsets.end() ? 1 : opset->second;
    if (!isKnownOperator(model, node, version)) {
      std::string name = node.name().empty() && node.output_size() ? node.output(0) : node.name();
      unknown.push_back({node.op_type(), name, domain.empty() ? "ai.onnx" : domain, version});
    }
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) {
        collectUnknown(model, attribute.g().node(), opsets, unknown);
      }
    }
  }
}

void checkOperators(const Model& model) {
  std::vector<std::string> texts;
  for (const UnknownOperator& unknown : unknownOperators(model)) {
    texts.push_back(unknown.op + " (node '" + unknown.node + "', domain '" + unknown.domain + "', version " +
                    std::to_string(unknown.version) + ")");
  }
  if (!texts.empty()) {
    fail("unknown operators: " + llvm::join(texts, ", "));
  }
}

// Versions of ONNX's own domains that this build's schemas describe; other domains have no versions to check.
void checkOpsets(const Model& model) {
  const auto& ranges = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map();
  for (const auto& import : model.proto.opset_import()) {
    auto range = ranges.find(normalDomain(import.domain()).str());
    if (range == ranges.end()) {
      continue;
    }
    auto [first, last] = range->second;
    if (import.version() < first || import.version() > last) {
      fail("opset " + llvm::Twine(import.version()) + " of domain '" +
           (import.domain().empty() ? "ai.onnx" : import.domain()) + "': this build knows " + llvm::Twine(first) +
           " to " + llvm::Twine(last) + " (export the model for one of them)");
    }
  }
}

}  // namespace

const onnx::FunctionProto* localFunction(const Model& model, const onnx::NodeProto& node) {
  for (const auto& function : model.proto.functions()) {
    if (function.name() == node.op_type() && normalDomain(function.domain()) == normalDomain(node.domain()) &&
        function.overload() == node.overload()) {
      return &function;
    }
  }
  return nullptr;
}

// A body may refer to any attribute of its operator, given or not.
static onnx::FunctionProto withDefaults(onnx::FunctionProto function, const onnx::OpSchema& schema) {
  for (const auto& [name, attribute] : schema.attributes()) {
    if (attribute.default_value.type() != onnx::AttributeProto::UNDEFINED) {
      onnx::AttributeProto& added = *function.add_attribute_proto();
      added = attribute.default_value;
      added.set_name(name);
    }
  }
  return function;
}

std::optional<onnx::FunctionProto> schemaFunction(OpContext& op) {
  const onnx::OpSchema* schema = schemaOf(op.node(), op.opset());
  if (!hasFunctionBody(schema)) {
    return std::nullopt;
  }
  try {
    if (const onnx::FunctionProto* function = schema->GetFunction(op.opset())) {
      return withDefaults(*function, *schema);
    }
    std::vector<onnx::TypeProto> types;
    for (const Tensor& input : op.inputs()) {
      types.push_back(typeProtoOf(input));
    }
    onnx::FunctionBodyBuildContextImpl context(op.node(), types);
    onnx::FunctionProto function;
    if (schema->HasContextDependentFunction() && schema->BuildContextDependentFunction(context, function, op.opset())) {
      return withDefaults(std::move(function), *schema);
    }
  } catch (const std::exception& error) {
    op.fail("its function body: " + oneLine(error.what()));
  }
  return std::nullopt;
}

bool isKnownOperator(const Model& model, const onnx::NodeProto& node, int version) {
  return localFunction(model, node) || findOpDefinition(normalDomain(node.domain()), node.op_type(), version) ||
         hasFunctionBody(schemaOf(node, version));
}

std::vector<UnknownOperator> unknownOperators(const Model& model) {
  std::vector<UnknownOperator> unknown;
  collectUnknown(model, model.proto.graph().node(), opsetsOf(model.proto.opset_import()), unknown);
  for (const auto& function : model.proto.functions()) {
    collectUnknown(model, function.node(), opsetsOf(function.opset_import()), unknown);
  }
  return unknown;
}

Tensor tensorOf(const Model& model, const onnx::TensorProto& tensor, TensorBuilder& t) {
  if (const StoredTensor* stored = model.storedOf(tensor)) {
    Sizes sizes(stored->dims.begin(), stored->dims.end());
    return Tensor({.element = elementType(t.context(), stored->data_type, t.loc()),
                   .sizes = std::move(sizes),
                   .loc = t.loc(),
                   .weight = WeightRef{stored->name, stored->file, stored->offset, stored->length}});
  }
  return t.constant(decodeTensor(tensor, t.loc()));
}

void checkModel(const Model& model) {
  checkOpsets(model);
  checkOperators(model);
  static const Schemas schemas;
  try {
    onnx::checker::CheckerContext context;
    context.set_schema_registry(&schemas);
    context.set_ir_version(static_cast<int>(model.proto.ir_version()));
    std::unordered_map<std::string, int> opsets;
    for (const auto& import : model.proto.opset_import()) {
      opsets[import.domain()] = static_cast<int>(import.version());
    }
    context.set_opset_imports(opsets);
    onnx::checker::LexicalScopeContext scope;
    onnx::checker::check_graph(model.proto.graph(), context, scope);
    if (model.proto.functions_size() > 0) {
      onnx::checker::check_model_local_functions(model.proto, context, scope);
      onnx::checker::check_function_call_cycles(model.proto);
    }
  } catch (const std::exception& error) {
    fail("the ONNX checker refuses the model: " + oneLine(error.what()));
  }
}

}  // namespace mlir::onnx_import
