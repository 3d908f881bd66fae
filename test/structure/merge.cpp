#include "test/structure/merge.h"

#include <fstream>
#include <map>
#include <string>

#include "onnx/onnx_pb.h"

namespace sluice::test {
namespace {

constexpr const char* kBranch = "use_cache_branch";

class Merger {
 public:
  Merger(const onnx::GraphProto& decoder, Beginning beginning) : decoder_(decoder), beginning_(beginning) {
    for (const onnx::ValueInfoProto& input : decoder.input()) {
      if (input.name().rfind("past_key_values.", 0) == 0) {
        pasts_.insert({input.name(), &input});
      }
    }
  }

  onnx::GraphProto Merged() {
    onnx::GraphProto merged = decoder_;
    merged.set_name("merged");
    merged.clear_node();
    for (onnx::ValueInfoProto& input : *merged.mutable_input()) {
      if (input.name() == "attention_mask") {
        input.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_param("mask_length");
      }
    }
    onnx::ValueInfoProto* branch = merged.add_input();
    branch->set_name(kBranch);
    branch->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::BOOL);
    branch->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(1);
    onnx::NodeProto* choice = merged.add_node();
    choice->set_op_type("If");
    choice->set_name("choice");
    choice->add_input(kBranch);
    for (const onnx::ValueInfoProto& output : decoder_.output()) {
      choice->add_output(output.name());
    }
    AddGraph(*choice, "then_branch", With());
    AddGraph(*choice, "else_branch", Without());
    return merged;
  }

 private:
  static void AddGraph(onnx::NodeProto& node, const char* name, const onnx::GraphProto& graph) {
    onnx::AttributeProto* attribute = node.add_attribute();
    attribute->set_name(name);
    attribute->set_type(onnx::AttributeProto::GRAPH);
    *attribute->mutable_g() = graph;
  }

  onnx::GraphProto With() const {
    onnx::GraphProto graph;
    graph.set_name("with_past");
    *graph.mutable_node() = decoder_.node();
    *graph.mutable_output() = decoder_.output();
    return graph;
  }

  onnx::GraphProto Without() const {
    onnx::GraphProto graph = With();
    graph.set_name("no_past");
    graph.clear_node();
    for (const onnx::NodeProto& node : decoder_.node()) {
      const auto past = node.input_size() == 0 ? pasts_.end() : pasts_.find(node.input(0));
      if (past != pasts_.end() && node.op_type() == "Shape") {
        AddEmptyShape(graph, node, past->second->type().tensor_type().shape());
        continue;
      }
      onnx::NodeProto& copy = *graph.add_node();
      copy = node;
      if (past != pasts_.end() && node.op_type() == "Concat") {
        const bool value = past->first.find(".value") != std::string::npos;
        copy.set_op_type(value && beginning_ == Beginning::kOtherwise ? "Neg" : "Identity");
        copy.clear_attribute();
        copy.clear_input();
        copy.add_input(node.input(1));
      }
    }
    return graph;
  }

  static void AddInts(onnx::GraphProto& graph, const std::string& name, std::initializer_list<int64_t> values) {
    onnx::NodeProto* node = graph.add_node();
    node->set_op_type("Constant");
    node->add_output(name);
    onnx::AttributeProto* attribute = node->add_attribute();
    attribute->set_name("value_ints");
    attribute->set_type(onnx::AttributeProto::INTS);
    attribute->mutable_ints()->Add(values.begin(), values.end());
  }

  // The shape [batch, heads, 0, width] of a past that is not there, for `node` that asked for the past's.
  static void AddEmptyShape(onnx::GraphProto& graph, const onnx::NodeProto& node, const onnx::TensorShapeProto& past) {
    const std::string& name = node.output(0);
    onnx::NodeProto* ids = graph.add_node();
    ids->set_op_type("Shape");
    ids->add_input("input_ids");
    ids->add_output(name + "_of_ids");
    onnx::AttributeProto* end = ids->add_attribute();
    end->set_name("end");
    end->set_type(onnx::AttributeProto::INT);
    end->set_i(1);
    AddInts(graph, name + "_rest", {past.dim(1).dim_value(), 0, past.dim(3).dim_value()});
    onnx::NodeProto* all = graph.add_node();
    all->set_op_type("Concat");
    all->add_input(name + "_of_ids");
    all->add_input(name + "_rest");
    all->add_output(name);
    onnx::AttributeProto* axis = all->add_attribute();
    axis->set_name("axis");
    axis->set_type(onnx::AttributeProto::INT);
    axis->set_i(0);
  }

  const onnx::GraphProto& decoder_;
  Beginning beginning_;
  std::map<std::string, const onnx::ValueInfoProto*> pasts_;
};

}  // namespace

void MergeDecoder(const std::filesystem::path& from, const std::filesystem::path& to, Beginning beginning) {
  onnx::ModelProto model;
  std::ifstream in(from, std::ios::binary);
  model.ParseFromIstream(&in);
  const onnx::GraphProto decoder = model.graph();
  *model.mutable_graph() = Merger(decoder, beginning).Merged();
  std::ofstream out(to, std::ios::binary);
  model.SerializeToOstream(&out);
}

}  // namespace sluice::test
