// nn.linear_q4 and nn.linear_q8 on CUDA: x [..., k], codes q [n, k], scale [n, blocks], optional zero point → [..., n].
// linear_quant_cpu.cpp says what they mean.  gemm_quant.cuh where it can, else the plain form (kernels/quant).
#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"
#include "kernels/common/cuda_text.h"
#include "kernels/quant/plain_linear_cuda.h"

namespace sluice::kernels {
namespace {

enum Operand { kX, kQ, kScale, kZero };

bool IsFloatOperand(DType type) { return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16; }

// Epilogue operands follow the op's own.
bool HasZero(const CudaQuery& query) {
  const size_t own = query.epilogue.empty() ? query.ins.size() : query.epilogue_ins;
  return own > kZero && query.ins[kZero].present();
}

// Which property keeps the kernel from computing it; empty: none.
std::string Refusal(const CudaQuery& query, int64_t block) {
  const CudaOperand& x = query.ins[kX];
  if (!IsFloatOperand(x.dtype) || !IsFloatOperand(query.ins[kScale].dtype) || !IsFloatOperand(query.outs[0].dtype)) {
    return "operands that are no f32, f16 or bf16";
  }
  if (HasZero(query) && query.ins[kZero].dtype != query.ins[kQ].dtype) {
    return "zero points that are no codes";
  }
  const CudaDim& k = x.dims.back();
  if (block % 32 != 0) {
    return absl::StrFormat("blocks of %d", block);
  }
  if (block == 0 && (!k.constant() || k.value() % 16 != 0)) {
    return "rows of codes off 16 bytes";
  }
  return "";
}

struct Shape {
  double m = 1, n = 0, k = 0;
  explicit Shape(const CudaQuery& query) {
    m = static_cast<double>(ExpectedRows(query));
    n = query.outs[0].dims.back().expected() * query.parts;
    k = query.ins[kX].dims.back().expected();
  }
};

constexpr int64_t kRows = 16, kWarps = 8;

std::vector<CudaPlan> Plans(const CudaQuery& query, const Gpu& gpu, int bits, std::string& why) {
  std::vector<CudaPlan> plans;
  if (query.epilogue.empty()) {
    plans = PlainCodedLinearPlans(query, gpu, why);
  }
  if (const std::string refusal = Refusal(query, query.attrs.Int("block", 0).value_or(0)); !refusal.empty()) {
    why = refusal;
    return plans;
  }
  const Shape shape(query);
  for (const int64_t tokens8 : {1, 2, 4}) {
    const double passes = std::max(1.0, std::ceil(shape.m / (8 * tokens8)));
    const double code_us = shape.n * shape.k * bits / 8 / (gpu.read_gbs * 1e3);
    // Measured on an H200, lanes issued for a code: decoding it, and multiplying it by 8 rows of x.
    const double lanes = bits == 4 ? 8 + 7 * tokens8 : 4 + 13 * tokens8;
    const double issue_us = shape.n * shape.k * lanes / 128 / gpu.sms / 1.7e3;
    plans.push_back({.name = absl::StrFormat("quant %d rows", 8 * tokens8),
                     .numbers = {tokens8},
                     .us = passes * std::max(code_us, issue_us) + 3});
  }
  return plans;
}

// The product of all dimensions of the result but the last, each spelled `before` + number + `after`.
std::string RowsText(int rank, const std::string& before, const std::string& after) {
  std::vector<std::string> parts;
  for (int d = 0; d + 1 < rank; ++d) {
    parts.push_back(absl::StrCat(before, d, after));
  }
  return parts.empty() ? "1" : absl::StrJoin(parts, " * ");
}

CudaKernel Emit(const CudaQuery& query, const CudaPlan& plan, int bits) {
  if (plan.numbers.empty()) {
    return EmitPlainCodedLinear(query);
  }
  const CudaOperand &x = query.ins[kX], &y = query.outs[0];
  const int64_t block = query.attrs.Int("block", 0).value_or(0), tokens8 = plan.numbers[0];
  const bool zero = HasZero(query), is_signed = query.ins[kQ].dtype == DType::kI4 || query.ins[kQ].dtype == DType::kI8;
  CudaKernel kernel{
      .entry = query.name, .block = 32 * kWarps, .overlaps_previous = true, .aligned_ins = 1 << kX | 1 << kQ};
  std::vector<std::string> parameters = {"const sl::Step* step"};
  kernel.params.push_back({.kind = CudaParam::Kind::kStep});
  const auto add = [&](int number, int rank, const std::string& name) {
    kernel.params.push_back({.kind = CudaParam::Kind::kOperand, .operand = number});
    parameters.push_back(absl::StrFormat("sl::Arg<%d> arg_%s", rank, name));
  };
  add(kX, x.rank(), "x");
  add(kQ, 2, "q");
  add(kScale, query.ins[kScale].rank(), "scale");
  if (zero) {
    add(kZero, query.ins[kZero].rank(), "zero");
  }
  add(static_cast<int>(query.ins.size()), y.rank(), "y");
  std::string epilogue = "sl::NoEpilogue()";
  if (!query.epilogue.empty()) {
    epilogue = "Epilogue(step";
    for (int i = query.epilogue_ins; i < static_cast<int>(query.ins.size()); ++i) {
      const std::string name = absl::StrCat("e", i);
      add(i, query.ins[i].rank(), name);
      epilogue += ", arg_" + name;
    }
    epilogue += ")";
  }
  const std::string rows = RowsText(x.rank(), "y.size(", ")");
  kernel.grid = {absl::StrFormat("ceildiv(%d * y0_%d, %d)", query.parts, y.rank() - 1, kRows),
                 absl::StrFormat("ceildiv(%s, %d)", RowsText(x.rank(), "y0_", ""), 8 * tokens8), "1"};
  // What is read ahead of the kernel's turn: scales may be another kernel's result where the codes are weights.
  const bool read_only = query.ins[kQ].weight && query.ins[kScale].weight && (!zero || query.ins[kZero].weight);
  const std::string how = absl::StrFormat(
      "struct How {\n  using In = %s;\n  using Out = %s;\n  using Scale = %s;\n"
      "  static constexpr int kBits = %d, kSigned = %d, kZero = %d, kBlock = %d, kTokens8 = %d, kParts = %d, kWeights "
      "= %d;\n};\n"
      "using Plan = sl::QuantPlan<How>;\n",
      CudaType(x.dtype), CudaType(y.dtype), CudaType(query.ins[kScale].dtype), bits, is_signed, zero, block, tokens8,
      query.parts, read_only);
  const std::string body = absl::StrFormat(
      "  const sl::View<How::In, %d> x(step, arg_x);\n  const sl::View<How::Out, %d> y(step, arg_y);\n"
      "  const sl::GemmSizes sizes{int(%s), %d * int(y.size(%d)), int(x.size(%d)), 1};\n"
      "  const int blocks = How::kBlock ? sl::ceil_div(sizes.k, How::kBlock ? How::kBlock : 1) : 1;\n"
      "  const int row_bytes = (How::kBlock ? blocks * How::kBlock : sizes.k) * How::kBits / 8;\n"
      "  const sl::QuantOperands<How> operands{x.data, sl::View<uint8_t, 2>(step, arg_q).data,\n"
      "      sl::View<How::Scale, %d>(step, arg_scale).data, %s, row_bytes, blocks, (blocks * How::kBits + 7) / 8};\n"
      "  sl::gemm_quant<Plan>(operands, y.data, sizes, %s);\n",
      x.rank(), y.rank(), rows, query.parts, y.rank() - 1, x.rank() - 1, query.ins[kScale].rank(),
      zero ? absl::StrFormat("sl::View<uint8_t, %d>(step, arg_zero).data", query.ins[kZero].rank()) : "nullptr",
      epilogue);
  kernel.text = absl::StrFormat(
      "#include \"kernels/gemm/gemm_quant.cuh\"\n%s%sextern \"C\" __global__ void __launch_bounds__(Plan::kThreads, "
      "1)\n"
      "%s(%s) {\n%s}\n",
      query.epilogue, how, kernel.entry, absl::StrJoin(parameters, ", "), body);
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaLinearQ4;
const CudaFamily kCudaLinearQ4 = {
    .name = "linear_q4",
    .plans = [](const CudaQuery& query, const Gpu& gpu, std::string& why) { return Plans(query, gpu, 4, why); },
    .emit = [](const CudaQuery& query, const Gpu&, const CudaPlan& plan) { return Emit(query, plan, 4); },
    .epilogue = true,
    .column_ins = 1 << kQ | 1 << kScale | 1 << kZero,
    .rows = VaryingRows};

extern const CudaFamily kCudaLinearQ8;
const CudaFamily kCudaLinearQ8 = {
    .name = "linear_q8",
    .plans = [](const CudaQuery& query, const Gpu& gpu, std::string& why) { return Plans(query, gpu, 8, why); },
    .emit = [](const CudaQuery& query, const Gpu&, const CudaPlan& plan) { return Emit(query, plan, 8); },
    .epilogue = true,
    .column_ins = 1 << kQ | 1 << kScale | 1 << kZero,
    .rows = VaryingRows};

}  // namespace sluice::kernels
