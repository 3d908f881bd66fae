// Several kernels in one launch: the first blocks compute the first part, the next ones the second ...
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "kernels/cuda.h"
#include "runtime/base/hash.h"

namespace sluice::kernels {
namespace {

std::string TypeText(const CudaParam& param) {
  switch (param.kind) {
    case CudaParam::Kind::kStep:
      return "const sl::Step*";
    case CudaParam::Kind::kOperand:
      return absl::StrFormat("sl::Arg<%d>", param.rank);
    case CudaParam::Kind::kAddress:
      return "sl::Address";
    default:
      return "int64_t";
  }
}

// "const sl::Step* step, const __grid_constant__ sl::Arg<4> x0": parameters of a __global__ function, or of what it
// calls.
std::string Signature(const std::vector<CudaParam>& params, std::span<const std::string> names, bool global) {
  std::vector<std::string> list;
  for (size_t i = 0; i < params.size(); ++i) {
    const std::string type = TypeText(params[i]);
    if (params[i].kind == CudaParam::Kind::kOperand) {
      list.push_back(absl::StrCat(global ? "const __grid_constant__ " : "const ", type, global ? " " : "& ", names[i]));
    } else {
      list.push_back(absl::StrCat(type, " ", names[i]));
    }
  }
  return absl::StrJoin(list, ", ");
}

// A kernel whose parts wait for their turn lets the next one begin.
std::string GlobalText(const CudaKernel& kernel, std::span<const std::string> names, const std::string& bounds,
                       const std::string& body) {
  return absl::StrFormat("extern \"C\" __global__ void __launch_bounds__(%s) %s(%s) {\n%s%s}\n", bounds, kernel.entry,
                         Signature(kernel.params, names, true),
                         kernel.overlaps_previous ? "  sl::let_next_begin();\n" : "", body);
}

// Blocks of a shared launch that fit an SM: its registers are those of the part that needs the most.
constexpr int kPerSm = 3;

// The parameters' kinds are those that a part's text can have, and the launch is plain.
bool CanShare(const CudaKernel& kernel) {
  return kernel.part > 0 && kernel.smaller.empty() && kernel.shared == 0 && kernel.cluster == 1 &&
         kernel.workspace == "0" && kernel.counters == 0 && kernel.grid[1] == "1" && kernel.grid[2] == "1" &&
         std::none_of(kernel.params.begin(), kernel.params.end(),
                      [](const CudaParam& param) { return param.operand == CudaParam::kAbsent; });
}

// Appends the part's parameters, renumbered, and the statements that call it to `body`.
class Joiner {
 public:
  explicit Joiner(std::span<const CudaPart> parts) : parts_(parts) {
    kernel_.block = parts[0].kernel.block;
    kernel_.grid[0] = "";
    kernel_.params.push_back({.kind = CudaParam::Kind::kStep});
    names_.push_back("step");
    for (const CudaPart& part : parts) {
      all_ins_ += part.ins;
    }
    numbers_ = static_cast<int>(parts.size());
  }

  CudaKernel Join() {
    std::string numbers, body = "  uint32_t block = blockIdx.x;\n";
    std::vector<std::string> heads;
    kernel_.overlaps_previous =
        std::none_of(parts_.begin(), parts_.end(), [](const CudaPart& part) { return TakesTurns(part.kernel.text); });
    for (size_t i = 0; i < parts_.size(); ++i) {
      const CudaKernel& kernel = parts_[i].kernel;
      const std::string text = kernel.text.substr(0, static_cast<size_t>(kernel.part));
      if (std::find(heads.begin(), heads.end(), text) == heads.end()) {
        heads.push_back(text);
      }
      Add({.kind = CudaParam::Kind::kNumber, .operand = static_cast<int>(i)}, absl::StrCat("n", i));
      absl::StrAppend(&numbers, "  const uint32_t blocks", i, " = sl::value_now(step, n", i, ");\n");
      absl::StrAppend(&body, absl::StrFormat("  if (block < blocks%1$d) {\n    %2$s_part(sl::Share(block, blocks%1$d), "
                                             "%3$s);\n    return;\n  }\n  block -= blocks%1$d;\n",
                                             i, kernel.entry, Arguments(parts_[i])));
      absl::StrAppend(&kernel_.grid[0], i == 0 ? "" : " + ", "p", i);
      kernel_.row_invariant = kernel_.row_invariant && kernel.row_invariant;
    }
    const std::string head = absl::StrJoin(heads, "\n");
    body = numbers + body + "  sl::wait_for_previous();\n";
    kernel_.entry = absl::StrFormat("shared_%08x", static_cast<uint32_t>(Hash64(head + body)));
    kernel_.text =
        absl::StrCat(head, "\n", GlobalText(kernel_, names_, absl::StrCat(kernel_.block, ", ", kPerSm), body));
    TakeTurns(kernel_);
    return kernel_;
  }

  bool fits() const {
    int64_t bytes = 8 + 8 * static_cast<int64_t>(parts_.size());
    for (const CudaPart& part : parts_) {
      bytes += ParameterBytes(part.kernel.params);
    }
    return bytes <= kParameterBytes;
  }

 private:
  void Add(const CudaParam& param, const std::string& name) {
    kernel_.params.push_back(param);
    names_.push_back(name);
  }

  // What the part is called with; its operands and numbers get their places among those of all parts.
  std::string Arguments(const CudaPart& part) {
    std::vector<std::string> names;
    for (CudaParam param : part.kernel.params) {
      if (param.kind == CudaParam::Kind::kStep) {
        names.push_back("step");
        continue;
      }
      if (param.kind == CudaParam::Kind::kNumber) {
        param.operand += numbers_;
      } else {
        param.operand += param.operand < part.ins ? ins_ : all_ins_ + outs_ - part.ins;
      }
      names.push_back(absl::StrCat("a", kernel_.params.size()));
      Add(param, names.back());
    }
    ins_ += part.ins;
    outs_ += part.outs;
    numbers_ += part.numbers;
    return absl::StrJoin(names, ", ");
  }

  std::span<const CudaPart> parts_;
  CudaKernel kernel_;
  std::vector<std::string> names_;  // of the parameters
  int all_ins_ = 0, ins_ = 0, outs_ = 0, numbers_ = 0;
};

}  // namespace

int64_t ParameterBytes(std::span<const CudaParam> params) {
  int64_t bytes = 0;
  for (const CudaParam& param : params) {
    bytes += param.kind == CudaParam::Kind::kOperand   ? 16 + 16 * std::max(1, param.rank)
             : param.kind == CudaParam::Kind::kAddress ? 16
                                                       : 8;
  }
  return bytes;
}

void WriteShareable(CudaKernel& kernel, const std::string& head, std::span<const std::string> names,
                    const std::string& body) {
  kernel.text = absl::StrFormat("%s__device__ __forceinline__ void %s_part(const sl::Share& blocks, %s) {\n%s}\n\n",
                                head, kernel.entry, Signature(kernel.params, names, false), body);
  kernel.part = static_cast<int64_t>(kernel.text.size());
  kernel.text += GlobalText(kernel, names, absl::StrCat(kernel.block),
                            absl::StrFormat("  %s_part(sl::Share(), %s);\n", kernel.entry, absl::StrJoin(names, ", ")));
}

absl::StatusOr<CudaKernel> ShareLaunch(std::span<const CudaPart> parts) {
  const bool alike = std::all_of(parts.begin(), parts.end(), [&](const CudaPart& part) {
    return CanShare(part.kernel) && part.kernel.block == parts[0].kernel.block;
  });
  Joiner joiner(parts);
  if (!alike || !joiner.fits()) {
    return absl::UnimplementedError(alike ? "too many parameters" : "a kernel that needs its launch for itself");
  }
  return joiner.Join();
}

}  // namespace sluice::kernels
