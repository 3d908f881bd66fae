#include "runtime/exec/weights.h"

#include "runtime/artifact/verify.h"

namespace sluice::exec {

using artifact::List;

absl::StatusOr<Weights> BindWeights(const artifact::Artifact& artifact, const std::string& source, ThreadPool& pool) {
  Weights weights;
  for (const fb::Weight* weight : List(artifact.program().weights())) {
    const std::span<const uint8_t> bytes = artifact.WeightBytes(*weight);
    if (bytes.empty() && weight->bytes() > 0) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "%s: the artifact holds no weights ('%s'): give them with --weights MODEL.onnx or --weights random",
          artifact.where(), weight->name()->c_str()));
    }
    weights.bytes_.push_back({bytes.data(), static_cast<int64_t>(bytes.size())});
  }
  return weights;
}

}  // namespace sluice::exec
