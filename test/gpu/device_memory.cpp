// Runs a model with its data on the host, then with inputs and results in device memory on a stream of the caller's,
// and compares the results bit by bit.  Needs a GPU.
//
//   device_memory MODEL.sluice TEST_DATA_SET
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/context.h"
#include "tools/common/data_set.h"
#include "tools/common/device_data.h"

namespace sluice {
namespace {

using exec::RunOutput;
using kernels::Tensor;

absl::Status Compare(const std::string& path, const std::string& folder) {
  ASSIGN_OR_RETURN(auto artifact, artifact::Artifact::Open(path));
  ASSIGN_OR_RETURN(auto model, exec::Model::Load(std::move(artifact), {.device = "cuda:0"}));
  ASSIGN_OR_RETURN(const tools::DataSet set, tools::ReadDataSet(folder, *model));
  ASSIGN_OR_RETURN(auto context, exec::Context::Create(model));
  std::vector<RunOutput> expected(model->outputs().size());
  RETURN_IF_ERROR(context->Run(set.inputs, expected));

  std::vector<Tensor> results;
  for (const RunOutput& output : expected) {
    results.push_back(output.tensor);
  }
  ASSIGN_OR_RETURN(tools::DeviceData data, tools::DeviceData::Create(*model, set.inputs, results));
  ASSIGN_OR_RETURN(auto other, exec::Context::Create(model));
  RETURN_IF_ERROR(other->SetStream(data.stream().get()));
  for (int run = 0; run < 3; ++run) {  // a queued run may not disturb the one before
    other->ResetStates();
    RETURN_IF_ERROR(other->Run(data.inputs(), data.outputs(), {.on_device = data.places()}));
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSIGN_OR_RETURN(const std::vector<uint8_t> got, data.Result(i));
    if (std::memcmp(got.data(), expected[i].tensor.data, got.size()) != 0) {
      return absl::InternalError("output '" + model->outputs()[i].name + "' differs");
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const absl::Status status =
      argc != 3 ? absl::InvalidArgumentError("give MODEL.sluice TEST_DATA_SET") : sluice::Compare(argv[1], argv[2]);
  std::printf("%s: %s\n", argc > 1 ? argv[1] : "device_memory",
              std::string(status.ok() ? "ok" : status.message()).c_str());
  return status.ok() ? 0 : 1;
}
