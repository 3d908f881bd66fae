#include "tools/sluice-conformance/node_tests.h"

#include <unistd.h>

#include <fstream>

#include "compiler/onnx/Functions.h"
#include "compiler/onnx/Model.h"
#include "compiler/reference/TestData.h"
#include "mlir/IR/Diagnostics.h"
#include "runtime/base/status.h"

namespace sluice::conformance {
namespace {

namespace fs = std::filesystem;
namespace onnx_import = mlir::onnx_import;
namespace reference = mlir::sluice::reference;

template <typename Message>
absl::StatusOr<Message> ReadProto(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  Message message;
  if (!file || !message.ParseFromIstream(&file)) {
    return absl::DataLossError(path.string() + ": cannot be parsed");
  }
  return message;
}

// Operators of the model without a definition, or else types without tensors of ours.
struct Needs {
  std::string kind;
  std::set<std::string> names;
};

std::string TypeWithoutTensor(const onnx::TypeProto& type) {
  if (type.has_sequence_type()) {
    return "sequence";
  }
  if (type.has_optional_type()) {
    return "optional";
  }
  const int32_t element = type.tensor_type().elem_type();
  const bool small_float = element == onnx::TensorProto::FLOAT8E4M3FN || element == onnx::TensorProto::FLOAT8E5M2;
  const int64_t bits = small_float ? 0 : onnx_import::elementBits(element);
  return bits == 1 || bits >= 8 ? ""
                                : onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(element));
}

Needs NeedsOf(const onnx::ModelProto& proto) {
  Needs needs{"operators without a definition", {}};
  onnx_import::Model model;
  model.proto = proto;
  for (const onnx_import::UnknownOperator& unknown : onnx_import::unknownOperators(model)) {
    needs.names.insert(unknown.op);
  }
  if (!needs.names.empty()) {
    return needs;
  }
  needs.kind = "types without tensors";
  for (const auto& ports : {proto.graph().input(), proto.graph().output()}) {
    for (const onnx::ValueInfoProto& port : ports) {
      if (std::string name = TypeWithoutTensor(port.type()); !name.empty()) {
        needs.names.insert(name);
      }
    }
  }
  return needs;
}

// Which inputs become constants: none; what gives sizes or numbers beside the data; everything that could.
bool None(int, const onnx::TensorProto&) { return false; }
bool BesideTheFirst(int index, const onnx::TensorProto& data) { return index > 0 && data.dims_size() <= 1; }
bool AllOfRankOne(int, const onnx::TensorProto& data) { return data.dims_size() <= 1; }
constexpr bool (*kConstants[])(int, const onnx::TensorProto&) = {None, BesideTheFirst, AllOfRankOne};

// The model with inputs of its data set as initializers.
absl::StatusOr<onnx::ModelProto> WithConstants(onnx::ModelProto model, const fs::path& set,
                                               bool (*is_constant)(int, const onnx::TensorProto&)) {
  onnx::GraphProto& graph = *model.mutable_graph();
  const auto inputs = graph.input();
  graph.clear_input();
  for (int k = 0; k < inputs.size(); ++k) {
    ASSIGN_OR_RETURN(auto data, ReadProto<onnx::TensorProto>(set / absl::StrCat("input_", k, ".pb")));
    if (is_constant(k, data)) {
      *graph.add_initializer() = data;
    } else {
      *graph.add_input() = inputs[k];
    }
  }
  return model;
}

// A folder for one model that goes away with it.
class ScratchFolder {
 public:
  ScratchFolder() : path_(fs::temp_directory_path() / absl::StrCat("sluice_node_", getpid())) {
    fs::create_directories(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

absl::Status NodeTests::RunModule(mlir::ModuleOp module, const fs::path& set_path, std::string& detail) {
  ASSIGN_OR_RETURN(auto runner, make_runner_(module));
  ASSIGN_OR_RETURN(auto set, reference::loadTestSet(*module.getContext(), set_path.string()));
  ASSIGN_OR_RETURN(const Tensors got, runner->Run(ByName(set.inputs)));
  return Compare(got, ByName(set.outputs), IsCoarse(module), detail) ? absl::OkStatus() : absl::InternalError(detail);
}

absl::Status NodeTests::RunTest(const onnx::ModelProto& proto, const fs::path& set, std::string& detail) {
  const ScratchFolder scratch;
  const std::string path = (scratch.path() / "model.onnx").string();
  absl::Status refused;
  for (const auto is_constant : kConstants) {
    ASSIGN_OR_RETURN(const onnx::ModelProto model, WithConstants(proto, set, is_constant));
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    if (!model.SerializeToOstream(&file) || !file.flush()) {
      return absl::ResourceExhaustedError(path + ": cannot be written");
    }
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    auto module = ImportModel(context, {.path = path}, raise_);
    if (module.ok()) {
      return RunModule(**module, set, detail);
    }
    refused = refused.ok() ? module.status() : refused;
  }
  return refused;
}

void NodeTests::Run(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const auto proto = ReadProto<onnx::ModelProto>(folder / "model.onnx");
  if (!proto.ok()) {
    return tally_.Add(false, name, std::string(proto.status().message()));
  }
  if (const Needs needs = NeedsOf(*proto); !needs.names.empty()) {
    ++tally_.skipped;
    for (const std::string& need : needs.names) {
      ++needs_[needs.kind][need];
    }
    return;
  }
  std::string detail;
  const absl::Status status = RunTest(*proto, folder / "test_data_set_0", detail);
  tally_.Add(status.ok(), name, status.ok() ? detail : std::string(status.message()));
}

void NodeTests::PrintNeeds() const {
  for (const auto& [kind, names] : needs_) {
    std::printf("skipped for %s:", kind.c_str());
    for (const auto& [name, tests] : names) {
      std::printf(" %s (%d)", name.c_str(), tests);
    }
    std::printf("\n");
  }
}

}  // namespace sluice::conformance
