// Rewrites an ONNX model so that only its structure is left: every value, node, initializer and symbol of a dimension
// ("past + seq" has two) gets a name that says nothing, inputs and outputs come in another order.
#ifndef SLUICE_TEST_STRUCTURE_RENAME_H_
#define SLUICE_TEST_STRUCTURE_RENAME_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace sluice::test {

// Writes the rewritten model; the new name of each input and output.  Names and order follow from the seed.  The
// model's tensors must lie in its own file.
std::map<std::string, std::string> RenameModel(const std::filesystem::path& from, const std::filesystem::path& to,
                                               uint32_t seed);

}  // namespace sluice::test

#endif  // SLUICE_TEST_STRUCTURE_RENAME_H_
