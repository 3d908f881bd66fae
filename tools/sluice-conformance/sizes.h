// Every dimension a model leaves open, at other sizes than its data sets have.
#ifndef SLUICE_TOOLS_SLUICE_CONFORMANCE_SIZES_H_
#define SLUICE_TOOLS_SLUICE_CONFORMANCE_SIZES_H_

#include <string>
#include <vector>

#include "tools/sluice-conformance/runner.h"
#include "tools/sluice-conformance/tally.h"

namespace sluice::conformance {

// Runs `target` and `reference` with each free dimension at 1, at an odd size and at 0, the others at the greatest size
// they have in `sets` (inputs of data sets), and with all at 1, on inputs made up by role.  A size that both refuse
// counts as passed; the tally's names are `NAME/DIM=SIZE`.
void RunSizes(const std::string& name, const std::vector<Tensors>& sets, TargetRunner& target, Runner& reference,
              bool coarse, Tally& tally);

}  // namespace sluice::conformance

#endif  // SLUICE_TOOLS_SLUICE_CONFORMANCE_SIZES_H_
