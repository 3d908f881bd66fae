// The bytes of a model's weights: used where the artifact maps them, or, for a stripped artifact, packed at load from
// the model's own files or from a random generator.
#ifndef SLUICE_RUNTIME_EXEC_WEIGHTS_H_
#define SLUICE_RUNTIME_EXEC_WEIGHTS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/artifact/artifact.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"
#include "runtime/exec/block.h"
#include "runtime/exec/engine.h"

namespace sluice::exec {

class Weights {
 public:
  std::span<const WeightBytes> bytes() const { return bytes_; }

 private:
  friend absl::StatusOr<Weights> BindWeights(const artifact::Artifact&, const std::string&, ThreadPool&);
  std::vector<WeightBytes> bytes_;
  std::unique_ptr<Counters> counters_ = std::make_unique<Counters>();  // of owned_, at a fixed address
  std::vector<Block> owned_;
};

// `source`: where the weights come from that the artifact does not hold: a model file (the files with its weights are
// looked for beside it), "random" or "random:SEED"; "" for nowhere.  Errors: kFailedPrecondition (stripped and no
// source), kNotFound, kInvalidArgument (a file of another size), kResourceExhausted.
absl::StatusOr<Weights> BindWeights(const artifact::Artifact& artifact, const std::string& source, ThreadPool& pool);

}  // namespace sluice::exec

#endif  // SLUICE_RUNTIME_EXEC_WEIGHTS_H_
