#include "kernels/common/cuda_text.h"

#include <algorithm>

#include "runtime/base/hash.h"

namespace sluice::kernels {

CudaKernel OperandKernel(const CudaQuery& query, const std::string& stem, const std::string& header,
                         const std::string& body, int block, const std::vector<int>& ranks, int counters,
                         const std::string& head, int blocks) {
  CudaKernel kernel;
  kernel.block = block;
  kernel.params.push_back({.kind = CudaParam::Kind::kStep});
  std::string params = "const sl::Step* step";
  const auto add = [&](const char* letter, size_t number, const CudaOperand& operand, size_t position) {
    const int rank = operand.present() || position >= ranks.size() ? operand.rank() : ranks[position];
    absl::StrAppend(&params, absl::StrFormat(", const __grid_constant__ sl::Arg<%d> %s%d", rank, letter, number));
    kernel.params.push_back({.kind = CudaParam::Kind::kOperand, .operand = static_cast<int>(position)});
  };
  // A family lists the ranks of all operands it can have; those the query leaves out at its end are absent.
  const size_t ins = std::max(query.ins.size(), ranks.size());
  for (size_t i = 0; i < ins; ++i) {
    const bool given = i < query.ins.size();
    add("x", i, given ? query.ins[i] : CudaOperand(), i);
    if (!given) {
      kernel.params.back().operand = CudaParam::kAbsent;
    }
  }
  for (size_t i = 0; i < query.outs.size(); ++i) {
    add("y", i, query.outs[i], query.ins.size() + i);
  }
  if (counters > 0) {
    params += ", void* workspace, uint32_t* counters";
    kernel.params.push_back({.kind = CudaParam::Kind::kWorkspace});
    kernel.params.push_back({.kind = CudaParam::Kind::kCounters});
    kernel.counters = counters;
  }
  const std::string rest = absl::StrFormat("(%s) {\n  %s\n}\n", params, body);
  kernel.entry = absl::StrFormat("%s_%08x", stem, static_cast<uint32_t>(Hash64(head + rest)));
  const std::string bounds = blocks > 1 ? absl::StrFormat("%d, %d", block, blocks) : absl::StrCat(block);
  kernel.text = absl::StrFormat("#include \"%s\"\n\n%sextern \"C\" __global__ void __launch_bounds__(%s) %s%s", header,
                                head, bounds, kernel.entry, rest);
  return kernel;
}

CudaKernel ShareableKernel(const CudaQuery& query, const std::string& stem, const std::string& header,
                           const std::string& body, int block, bool waits) {
  CudaKernel kernel = {.block = block, .overlaps_previous = waits};
  kernel.params.push_back({.kind = CudaParam::Kind::kStep});
  std::vector<std::string> names = {"step"};
  std::string types;  // what the text depends on besides the body
  const auto add = [&](const char* letter, size_t number, const CudaOperand& operand, size_t position) {
    kernel.params.push_back(
        {.kind = CudaParam::Kind::kOperand, .operand = static_cast<int>(position), .rank = operand.rank()});
    names.push_back(absl::StrCat(letter, number));
    absl::StrAppend(&types, " ", operand.rank());
  };
  for (size_t i = 0; i < query.ins.size(); ++i) {
    add("x", i, query.ins[i], i);
  }
  for (size_t i = 0; i < query.outs.size(); ++i) {
    add("y", i, query.outs[i], query.ins.size() + i);
  }
  kernel.entry = absl::StrFormat("%s_%08x", stem, static_cast<uint32_t>(Hash64(body + types)));
  WriteShareable(kernel, absl::StrFormat("#include \"%s\"\n\n", header), names, absl::StrFormat("  %s\n", body));
  return kernel;
}

std::string EpilogueText(const CudaQuery& query) {
  if (query.epilogue.empty()) {
    return "sl::NoEpilogue()";
  }
  std::string text = "Epilogue(step";
  for (size_t i = query.epilogue_ins; i < query.ins.size(); ++i) {
    absl::StrAppend(&text, ", x", i);
  }
  return text + ")";
}

std::string ThreeText(const std::vector<int64_t>& values, size_t first, size_t spatial, int64_t missing) {
  std::string text;
  for (size_t d = 0; d < 3; ++d) {
    const size_t i = first + d + spatial - 3;
    const bool given = d + spatial >= 3 && i < values.size();
    absl::StrAppend(&text, d == 0 ? "{" : ", ", given ? values[i] : missing);
  }
  return text + "}";
}

double OperandBytes(const CudaQuery& query) {
  double bytes = 0;
  const auto add = [&](const CudaOperand& operand) {
    double elements = 1;
    for (const CudaDim& dim : operand.dims) {
      elements *= static_cast<double>(dim.expected());
    }
    bytes += operand.present() ? elements * BitWidth(operand.dtype) / 8 : 0;
  };
  std::for_each(query.ins.begin(), query.ins.end(), add);
  std::for_each(query.outs.begin(), query.outs.end(), add);
  return bytes;
}

double CopyUs(const CudaQuery& query, const Gpu& gpu, double share) {
  return gpu.launch_us + OperandBytes(query) / (gpu.copy_gbs * share * 1e3);
}

std::string ProductText(const std::string& name, int first, int last) {
  std::string text;
  for (int d = first; d < last; ++d) {
    absl::StrAppend(&text, text.empty() ? "" : " * ", name, "_", d);
  }
  return text.empty() ? "1" : text;
}

std::string VaryingRows(const CudaQuery& query) {
  const std::vector<CudaDim>& dims = query.ins[0].dims;
  const int rank = query.ins[0].rank();
  const bool constant =
      std::all_of(dims.begin(), dims.end() - std::min(rank, 1), [](const CudaDim& dim) { return dim.constant(); });
  return constant ? "" : ProductText("x0", 0, rank - 1);
}

int64_t ExpectedRows(const CudaQuery& query) {
  int64_t rows = 1;
  for (int d = 0; d + 1 < query.ins[0].rank(); ++d) {
    rows *= query.ins[0].dims[d].expected();
  }
  return query.rows_max >= 0 ? query.rows_max : rows;
}

std::string BlocksText(const std::string& work, int64_t each, int64_t cap) {
  return absl::StrFormat("min(ceildiv(%s, %d), %d)", work, each, cap);
}

const char* CudaBitsType(DType dtype) {
  switch (BitWidth(dtype)) {
    case 64:
      return "uint64_t";
    case 32:
      return "uint32_t";
    case 16:
      return "uint16_t";
    case 8:
      return "uint8_t";
    default:
      return "";
  }
}

bool IsCode(DType dtype) { return dtype == DType::kI8 || dtype == DType::kU8; }

std::string NotOfCodes(const CudaQuery& query) {
  const DType result = query.outs[0].dtype;
  const bool given = result == DType::kI32 ||
                     (!query.epilogue.empty() && (IsCode(result) || (IsFloat(result) && result != DType::kF64)));
  return given ? "" : absl::StrFormat("%s of products of codes", Name(result));
}

std::string NotAFloat(std::span<const DType> dtypes) {
  for (const DType dtype : dtypes) {
    if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16 && dtype != DType::kF64) {
      return std::string(Name(dtype)) + " operands";
    }
  }
  return "";
}

}  // namespace sluice::kernels
