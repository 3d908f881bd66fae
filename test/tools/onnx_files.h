// ONNX files for tests, from the text form.
#ifndef SLUICE_TEST_TOOLS_ONNX_FILES_H_
#define SLUICE_TEST_TOOLS_ONNX_FILES_H_

#include <string>

#include "gtest/gtest.h"
#include "onnx/defs/parser.h"

namespace sluice::test {

// The graph of a text like "g (float[n, 4] x) => (float[n, 4] y) { y = Tanh(x) }", of opset 17.
inline onnx::ModelProto OnnxModel(const std::string& graph, const std::string& opsets = R"("" : 17)") {
  const std::string text = "<ir_version: 8, opset_import: [" + opsets + "]>\n" + graph;
  onnx::ModelProto model;
  onnx::OnnxParser parser(text);
  const auto status = parser.Parse(model);
  EXPECT_TRUE(status.IsOK()) << status.ErrorMessage();
  return model;
}

// A float initializer whose bytes are in the file.
inline void AddWeight(onnx::ModelProto& model, const std::string& name, const std::vector<int64_t>& sizes,
                      const std::vector<float>& values) {
  onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.mutable_dims()->Add(sizes.begin(), sizes.end());
  tensor.set_raw_data(std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
}

// The same in a file of its own.
inline void AddExternalWeight(onnx::ModelProto& model, const std::string& name, const std::vector<int64_t>& sizes,
                              const std::string& file, int64_t offset, int64_t length) {
  onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.mutable_dims()->Add(sizes.begin(), sizes.end());
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto entry = [&](const std::string& key, const std::string& value) {
    auto* added = tensor.add_external_data();
    added->set_key(key);
    added->set_value(value);
  };
  entry("location", file);
  entry("offset", std::to_string(offset));
  entry("length", std::to_string(length));
}

}  // namespace sluice::test

#endif  // SLUICE_TEST_TOOLS_ONNX_FILES_H_
