#include "tools/sluice-conformance/sizes.h"

#include <algorithm>

#include "runtime/exec/sizes.h"
#include "tools/common/made_inputs.h"

namespace sluice::conformance {
namespace {

using tools::Dims;

constexpr int64_t kOneOddNone[] = {1, 13, 0};

// The greatest size of each free dimension in the data sets.
Dims BaseSizes(const std::vector<Tensors>& sets, const TargetRunner& target) {
  exec::Sizes sizes(target.model().program());
  Dims base;
  for (const std::string& name : sizes.FreeNames()) {
    base[name] = 1;
  }
  for (const Tensors& set : sets) {
    auto of = target.SizesOf(set);
    for (auto& [name, size] : base) {
      size = of.ok() ? std::max(size, of->at(name)) : size;
    }
  }
  return base;
}

bool Fits(const Dims& dims, const exec::Model& model) {
  exec::Sizes sizes(model.program());
  return sizes.BindByName(dims).ok() && sizes.CheckAssumptions().ok();
}

// `dim` at `size`, the others as usual where the model's assumptions allow it beside that; a size that is illegal
// whatever the others are stands beside the usual ones.
Dims VarySize(const Dims& usual, const std::string& dim, int64_t size, const exec::Model& model) {
  Dims dims = {{dim, size}};
  if (!Fits(dims, model)) {
    dims = usual;
    dims[dim] = size;
    return dims;
  }
  for (const auto& [name, value] : usual) {
    Dims more = dims;
    if (more.insert({name, value}).second && Fits(more, model)) {
      dims = std::move(more);
    }
  }
  return dims;
}

bool HasBranch(const exec::Model& model) {
  return std::any_of(model.inputs().begin(), model.inputs().end(),
                     [](const exec::PortDesc& port) { return port.role == "branch"; });
}

// Where there is no past the caches have no length, and a mask covers the tokens alone.
Dims WithoutPast(Dims dims, const exec::Model& model) {
  const exec::Program& program = model.program();
  for (const exec::StateDesc& state : program.states) {
    const int32_t symbol = program.slot_symbol[state.length_before];
    if (symbol >= 0 && state.length_before != state.length_after) {
      dims[program.symbols[symbol].name] = 0;
    }
  }
  return dims;
}

std::string TextOf(const absl::Status& status) { return std::string(status.message()); }

// One run of both on the same inputs.
void RunCase(const std::string& label, const Dims& dims, bool branch, TargetRunner& target, Runner& reference,
             bool coarse, Tally& tally) {
  auto made = tools::MakeInputs(target.model(), dims, {.padding = true, .branch = branch, .allow_broken = true});
  if (!made.ok()) {
    return tally.Skip(label, "there are no such inputs, " + TextOf(made.status()));
  }
  const Tensors inputs = target.FromRuntime(made->tensors);
  const absl::StatusOr<Tensors> want = reference.Run(inputs), got = target.Run(inputs);
  if (want.ok() && got.ok()) {
    std::string detail;
    const bool ok = Compare(*got, *want, coarse, detail);
    return tally.Add(ok, label, detail);
  }
  if (want.ok() != got.ok()) {
    return tally.Add(false, label,
                     got.ok() ? "runs, but the reference refuses it: " + TextOf(want.status())
                              : "refused, but the reference runs it: " + TextOf(got.status()));
  }
  tally.Add(true, label, "refused by both: " + TextOf(got.status()));
}

}  // namespace

void RunSizes(const std::string& name, const std::vector<Tensors>& sets, TargetRunner& target, Runner& reference,
              bool coarse, Tally& tally) {
  const exec::Model& model = target.model();
  const Dims base = BaseSizes(sets, target);
  Dims ones = base;
  for (auto& [dim, size] : ones) {
    size = 1;
  }
  for (const bool branch : {true, false}) {
    if (base.empty() || (!branch && !HasBranch(model))) {
      continue;
    }
    const auto run = [&](const std::string& what, const Dims& dims) {
      RunCase(absl::StrCat(name, "/", what, branch ? "" : ",branch=0"), branch ? dims : WithoutPast(dims, model),
              branch, target, reference, coarse, tally);
    };
    for (const auto& [dim, usual] : base) {
      for (const int64_t size : kOneOddNone) {
        run(absl::StrCat(dim, "=", size), VarySize(base, dim, size, model));
      }
    }
    run("all=1", VarySize(ones, ones.begin()->first, 1, model));
  }
}

}  // namespace sluice::conformance
