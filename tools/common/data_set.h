// ONNX's own layout of test data: a folder of input_0.pb … and output_0.pb …, for the ports of a model.
#ifndef SLUICE_TOOLS_COMMON_DATA_SET_H_
#define SLUICE_TOOLS_COMMON_DATA_SET_H_

#include <string>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/status.h"
#include "runtime/exec/model.h"
#include "tools/common/tensor_file.h"

namespace sluice::tools {

struct DataSet {
  struct Expected {
    int port;  // of the outputs
    HostTensor tensor;
  };
  std::vector<HostTensor> files;        // what `inputs` view
  std::vector<kernels::Tensor> inputs;  // one a port; not present() where the folder has none
  std::vector<Expected> expected;
};

// A tensor is for the port of its name, or, without one, of the file's number; floats are rounded to the port's type
// (an artifact compiled with --dtype has caches of another one).  kNotFound: no folder, no output; kInvalidArgument: a
// name that is no port's.
absl::StatusOr<DataSet> ReadDataSet(const std::string& dir, const exec::Model& model);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_COMMON_DATA_SET_H_
