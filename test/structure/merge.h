// The merged spelling of a decoder: one If on `use_cache_branch` between a graph that begins without caches and the
// given one, as optimum writes decoder_model_merged.onnx.
#ifndef SLUICE_TEST_STRUCTURE_MERGE_H_
#define SLUICE_TEST_STRUCTURE_MERGE_H_

#include <filesystem>

namespace sluice::test {

enum class Beginning {
  kSame,       // computes what the decoder computes with empty caches
  kOtherwise,  // negates the values it caches: another model
};

// `from` holds a decoder whose inputs past_key_values.* meet new keys and values in one Concat each, and its weights.
// The mask gets a length of its own name, as its two lengths differ.
void MergeDecoder(const std::filesystem::path& from, const std::filesystem::path& to, Beginning beginning);

}  // namespace sluice::test

#endif  // SLUICE_TEST_STRUCTURE_MERGE_H_
