// Inputs made up by role, for tools that run a model nobody gave data for.  The same seed makes the same bytes.
//
//   ASSIGN_OR_RETURN(MadeInputs inputs, MakeInputs(*model, {{"batch", 2}, {"seq", 7}}));
//   RETURN_IF_ERROR(context->Run(inputs.tensors, outputs));
//
// Tokens stay below the vocabulary; masks are 1 but for `padding`; positions go on behind the past and count what the
// mask shows; floats are in [-1, 1], other integers 0 or 1.
#ifndef SLUICE_TOOLS_COMMON_MADE_INPUTS_H_
#define SLUICE_TOOLS_COMMON_MADE_INPUTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/status.h"
#include "runtime/exec/model.h"

namespace sluice::tools {

using Dims = std::map<std::string, int64_t>;  // by the names of the model's dimensions
// What --dims takes: "batch=8,seq=128".
absl::StatusOr<Dims> ParseDims(const std::string& text);

struct MadeInputs {
  std::vector<std::vector<uint8_t>> data;
  std::vector<kernels::Tensor> tensors;  // one a port of the model, over `data`
};

struct MakeOptions {
  uint32_t seed = 1;
  bool padding = false;       // every second sequence of a batch has masked positions, at least one stays: in front
                              // where the model has caches, else behind
  bool branch = true;         // what inputs of role "branch" say
  bool allow_broken = false;  // also sizes that break an assumption, to see the model refuse them
};

// Dimensions not in `dims` follow from the model's assumptions, or are 1 (a cache's length 0).  kInvalidArgument names
// the flag --dims: a name that is no dimension, sizes that break an assumption or are negative.
absl::StatusOr<MadeInputs> MakeInputs(const exec::Model& model, const Dims& dims, const MakeOptions& options = {});

// Token ids below which made-up prompts stay: the vocabulary, where the logits tell it, at most 64.
int64_t TokenLimit(const exec::Model& model);

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_COMMON_MADE_INPUTS_H_
