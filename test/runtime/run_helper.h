// Short ways for tests to load an artifact of bytes and run it.
#ifndef SLUICE_TEST_RUNTIME_RUN_HELPER_H_
#define SLUICE_TEST_RUNTIME_RUN_HELPER_H_

#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/file.h"
#include "runtime/exec/context.h"
#include "runtime/exec/copy.h"
#include "runtime/exec/model.h"
#include "test/runtime/artifact_builder.h"

namespace sluice::test {

// A dense tensor over values of the test.
template <typename T>
kernels::Tensor TensorOf(DType dtype, std::vector<T>& values, const std::vector<int64_t>& sizes) {
  kernels::Tensor t;
  t.data = values.data();
  t.dtype = dtype;
  t.rank = static_cast<int>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), t.sizes.begin());
  exec::SetDenseStrides(t);
  return t;
}
inline kernels::Tensor F32(std::vector<float>& values, const std::vector<int64_t>& sizes) {
  return TensorOf(DType::kF32, values, sizes);
}

template <typename T>
std::vector<T> ValuesOf(const kernels::Tensor& t) {
  return {t.as<T>(), t.as<T>() + t.elements()};
}
inline std::vector<int64_t> SizesOf(const kernels::Tensor& t) { return {t.sizes.begin(), t.sizes.begin() + t.rank}; }

// The machine code of test/runtime/native_kernels.c, as the library of an artifact.
inline std::map<std::string, std::vector<uint8_t>> NativeLibraries() {
  const std::string code = ReadFile(SLUICE_TEST_NATIVE).value();
  return {{"x86-64-v2", std::vector<uint8_t>(code.begin(), code.end())}};
}

inline absl::StatusOr<std::shared_ptr<const exec::Model>> LoadModel(const std::vector<uint8_t>& file,
                                                                    exec::ModelOptions options = {.threads = 2}) {
  ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::FromMemory(file, "test.sluice"));
  return exec::Model::Load(artifact, options);
}

// A context, and the model it runs.
inline std::unique_ptr<exec::Context> NewContext(const std::vector<uint8_t>& file) {
  auto model = LoadModel(file);
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? exec::Context::Create(*model).value() : nullptr;
}

inline std::vector<exec::RunOutput> RunOrDie(exec::Context& context, const std::vector<kernels::Tensor>& inputs) {
  std::vector<exec::RunOutput> outputs(context.model().outputs().size());
  const absl::Status status = context.Run(inputs, outputs);
  EXPECT_TRUE(status.ok()) << status;
  return outputs;
}

inline std::string RunError(exec::Context& context, const std::vector<kernels::Tensor>& inputs) {
  std::vector<exec::RunOutput> outputs(context.model().outputs().size());
  return std::string(context.Run(inputs, outputs).message());
}

}  // namespace sluice::test

#endif  // SLUICE_TEST_RUNTIME_RUN_HELPER_H_
