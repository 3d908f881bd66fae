#include "test/structure/rename.h"

#include <fstream>
#include <random>
#include <regex>
#include <set>
#include <vector>

#include "onnx/onnx_pb.h"

namespace sluice::test {
namespace {

class Renamer {
 public:
  explicit Renamer(uint32_t seed) : random_(seed) {}

  void Graph(onnx::GraphProto& graph) {
    graph.set_name(New(names_, graph.name()));
    graph.clear_value_info();
    graph.clear_doc_string();
    graph.clear_metadata_props();
    graph.clear_quantization_annotation();
    for (auto* ports : {graph.mutable_input(), graph.mutable_output()}) {
      for (onnx::ValueInfoProto& port : *ports) {
        Port(port);
      }
    }
    for (onnx::TensorProto& tensor : *graph.mutable_initializer()) {
      tensor.set_name(New(names_, tensor.name()));
    }
    for (onnx::NodeProto& node : *graph.mutable_node()) {
      Node(node);
    }
  }

  template <typename Element>
  void Shuffle(google::protobuf::RepeatedPtrField<Element>& elements) {
    for (int i = elements.size(); i > 1; --i) {
      elements.SwapElements(i - 1, static_cast<int>(random_() % i));
    }
  }

  std::string NameOf(const std::string& name) { return New(names_, name); }

 private:
  // The new name of `old`: always the same one; "" stays what it is, an absent value.
  std::string New(std::map<std::string, std::string>& names, const std::string& old) {
    if (old.empty()) {
      return old;
    }
    const auto [it, inserted] = names.insert({old, ""});
    while (inserted && !used_.insert(it->second).second) {
      it->second = "x" + std::to_string(random_());
    }
    return it->second;
  }

  void Port(onnx::ValueInfoProto& port) {
    port.set_name(New(names_, port.name()));
    port.clear_doc_string();
    port.clear_metadata_props();
    if (!port.type().tensor_type().has_shape()) {
      return;
    }
    for (auto& dim : *port.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim()) {
      if (!dim.dim_param().empty()) {
        dim.set_dim_param(Symbols(dim.dim_param()));
      }
    }
  }

  std::string Symbols(const std::string& expression) {
    static const std::regex symbol("[A-Za-z_][A-Za-z0-9_.]*");
    std::string renamed, rest = expression;
    for (std::smatch match; std::regex_search(rest, match, symbol); rest = match.suffix()) {
      renamed += match.prefix().str() + New(dims_, match.str());
    }
    return renamed + rest;
  }

  void Node(onnx::NodeProto& node) {
    node.set_name("n" + std::to_string(random_()));
    node.clear_doc_string();
    node.clear_metadata_props();
    for (auto* values : {node.mutable_input(), node.mutable_output()}) {
      for (std::string& value : *values) {
        value = New(names_, value);
      }
    }
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) {
        Graph(*attribute.mutable_g());
      }
    }
  }

  std::mt19937 random_;
  std::map<std::string, std::string> names_, dims_;
  std::set<std::string> used_ = {""};
};

}  // namespace

std::map<std::string, std::string> RenameModel(const std::filesystem::path& from, const std::filesystem::path& to,
                                               uint32_t seed) {
  onnx::ModelProto model;
  std::ifstream in(from, std::ios::binary);
  model.ParseFromIstream(&in);
  model.clear_metadata_props();
  model.clear_doc_string();
  onnx::GraphProto& graph = *model.mutable_graph();
  std::vector<std::string> ports;
  for (const auto& port : graph.input()) {
    ports.push_back(port.name());
  }
  for (const auto& port : graph.output()) {
    ports.push_back(port.name());
  }
  Renamer renamer(seed);
  renamer.Graph(graph);
  renamer.Shuffle(*graph.mutable_input());
  renamer.Shuffle(*graph.mutable_output());
  renamer.Shuffle(*graph.mutable_initializer());
  std::ofstream out(to, std::ios::binary);
  model.SerializeToOstream(&out);
  std::map<std::string, std::string> names;
  for (const std::string& port : ports) {
    names[port] = renamer.NameOf(port);
  }
  return names;
}

}  // namespace sluice::test
