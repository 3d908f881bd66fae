// CUDA families conv and conv_transpose.  With `channels_last` x is [b, …, c], w [f, …, c / groups] (for the transpose
// too: what a result gathers) and y [b, …, f]: conv_choice.h says how.  Channels second: plain.cuh.
#include <algorithm>
#include <cstdlib>
#include <optional>

#include "kernels/common/cuda_text.h"
#include "kernels/common/plan_numbers.h"
#include "kernels/conv/conv_choice.h"
#include "kernels/device/wgmma_text.h"
#include "kernels/gemm/gemm_cuda.h"

namespace sluice::kernels {
namespace {

struct ConvQuery {
  const CudaQuery& query;
  int spatial;
  bool last, transposed;
  int64_t groups, outside;  // what padding counts as

  explicit ConvQuery(const CudaQuery& query)
      : query(query),
        spatial(query.ins[0].rank() - 2),
        last(query.attrs.Int("channels_last", 0).value_or(0) != 0),
        transposed(query.name == "conv_transpose"),
        groups(query.attrs.Int("groups", 1).value_or(1)),
        outside(query.attrs.Int("outside", 0).value_or(0)) {}

  const CudaOperand& x() const { return query.ins[0]; }
  const CudaOperand& w() const { return query.ins[1]; }
  const CudaOperand& y() const { return query.outs[0]; }
  bool bias() const {
    return (query.epilogue.empty() ? static_cast<int>(query.ins.size()) : query.epilogue_ins) > 2 &&
           query.ins[2].present();
  }
  int first() const { return last ? 1 : 2; }  // of the spatial dimensions
  std::vector<int64_t> Kernel() const {
    std::vector<int64_t> sizes;
    for (int d = 0; d < spatial; ++d) {
      sizes.push_back(w().dims[first() + d].value());
    }
    return sizes;
  }
  // Of spatial dimension d.
  int64_t Number(const char* name, int d, int64_t missing) const {
    const std::vector<int64_t> values = query.attrs.Ints(name, {}).value_or(std::vector<int64_t>());
    return d < static_cast<int>(values.size()) ? values[d] : missing;
  }
  // Each result comes from one pixel, in the same order.
  bool Pointwise() const {
    const std::vector<int64_t> kernel = Kernel();
    for (int d = 0; d < spatial; ++d) {
      if (kernel[d] != 1 || Number("strides", d, 1) != 1 || Number("pads", d, 0) != 0 ||
          x().dims[first() + d].text != y().dims[first() + d].text) {
        return false;
      }
    }
    return !transposed;
  }
  std::string WindowText() const {
    const auto three = [&](const char* name, int64_t missing) {
      return ThreeText(query.attrs.Ints(name, {}).value_or(std::vector<int64_t>()), 0, spatial, missing);
    };
    return absl::StrFormat("sl::Window{%s, %s, %s, %s}", ThreeText(Kernel(), 0, spatial, 1), three("strides", 1),
                           three("pads", 0), three("dilations", 1));
  }
  // Pixels over the batch.
  int64_t Pixels(const CudaOperand& operand) const {
    int64_t pixels = operand.dims[0].expected();
    for (int d = 0; d < spatial; ++d) {
      pixels *= operand.dims[first() + d].expected();
    }
    return pixels;
  }
};

ConvWhat WhatOf(const ConvQuery& conv) {
  const int64_t pixels = std::max<int64_t>(1, conv.Pixels(conv.y())),
                meant = conv.query.rows_max >= 0 ? conv.query.rows_max : pixels;
  ConvWhat what{.in = conv.x().dtype,
                .out = conv.y().dtype,
                .pixels = meant,
                .source = conv.Pixels(conv.x()) * meant / pixels,
                .groups = conv.groups,
                .features = conv.y().dims.back().value() / conv.groups,
                .channels = conv.w().dims.back().value()};
  what.tap_bits = conv.transposed ? -1 : 3 - conv.spatial;
  for (const int64_t size : conv.Kernel()) {
    what.taps *= size;
    what.tap_bits += conv.transposed ? 0 : size;
  }
  return what;
}

std::string Missing(const ConvQuery& conv) {
  const DType types[] = {conv.x().dtype, conv.w().dtype, conv.y().dtype};
  const bool codes = IsCode(types[0]) && IsCode(types[1]) && conv.last && !conv.transposed && !conv.bias();
  if (std::string why = codes ? NotOfCodes(conv.query) : NotAFloat(types); !why.empty()) {
    return why;
  }
  if (conv.spatial < 1 || conv.spatial > 3) {
    return "more than three spatial dimensions";
  }
  for (size_t d = 1; d < conv.w().dims.size(); ++d) {
    if (!conv.w().dims[d].constant()) {
      return "a kernel of dynamic size";
    }
  }
  if (!conv.last) {
    return conv.query.epilogue.empty() ? "" : "an epilogue with channels second";
  }
  if (conv.x().dtype == DType::kF64 || (conv.x().dtype != conv.w().dtype && !codes) || conv.y().dtype == DType::kF64) {
    return "channels last of f64 or of two types";
  }
  if (!conv.y().dims.back().constant() || conv.w().dims.back().value() == 0 || conv.y().dims.back().value() == 0) {
    return "no channels, or a dynamic number of them";
  }
  return "";
}

// ---- As a GEMM [pixels, taps · channels] × [features, taps · channels].

constexpr int64_t kMaxStep = 8;     // of a tensor map of windows
constexpr int64_t kMaxReach = 127;  // from an image to a corner of its windows, and within a window

// Where TMA finds the windows; false where it cannot walk them.
bool AddWindows(const ConvQuery& conv, GemmRoles& roles) {
  const std::vector<int64_t> kernel = conv.Kernel();
  if (conv.spatial != 2 || roles.what.k / roles.taps % BlockDepth(roles.what) != 0) {
    return false;
  }
  for (int d = 0; d < 2; ++d) {
    const int64_t stride = conv.Number("strides", d, 1), begin = -conv.Number("pads", d, 0),
                  reach = (kernel[d] - 1) * conv.Number("dilations", d, 1);
    const CudaDim &in = conv.x().dims[1 + d], &out = conv.y().dims[1 + d];
    if (!in.constant() || !out.constant()) {
      return false;
    }
    // The last window begins there, whatever the padding behind would allow.
    const int64_t end = begin + (out.value() - 1) * stride + 1 - in.value();
    // TMA fills the padding with zeros.
    if (conv.outside != 0 && (begin < 0 || end > 0)) {
      return false;
    }
    if (stride > kMaxStep || -begin > kMaxReach || reach > kMaxReach || std::abs(end) > kMaxReach) {
      return false;
    }
    roles.windows.push_back({static_cast<int>(begin), static_cast<int>(end), static_cast<int>(stride)});
  }
  roles.header = "kernels/conv/window_rows.cuh";
  roles.rows = absl::StrFormat("sl::WindowRows<%d>{%s, int(y.size(1)), int(y.size(2)), int(x.size(3))}",
                               BlockDepth(roles.what), conv.WindowText());
  return true;
}

// The operands' roles in a GEMM; none where it is not one.
std::optional<GemmRoles> Roles(const ConvQuery& conv) {
  const ConvWhat what = WhatOf(conv);
  if (conv.transposed || conv.groups != 1 || BitWidth(what.in) > 16) {
    return std::nullopt;
  }
  GemmRoles roles;
  roles.what = {.in = what.in,
                .weight = conv.w().dtype,
                .out = what.out,
                .m = what.pixels,
                .n = what.features,
                .k = what.depth(),
                .m_max = 1,
                .m_constant = true,
                .read_only_weight = conv.w().weight,
                .taps = what.taps};
  for (int d = 0; d <= conv.spatial; ++d) {
    const CudaDim& dim = conv.y().dims[d];
    roles.what.m_max = roles.what.m_max < 0 || dim.max < 0 ? -1 : roles.what.m_max * dim.max;
    roles.what.m_constant &= dim.constant();
  }
  roles.what.m_max = conv.query.rows_max >= 0 ? conv.query.rows_max : roles.what.m_max;
  roles.taps = what.taps;
  roles.weight_columns = conv.w().rank() - 1;
  roles.bias = conv.bias() ? 2 : -1;
  roles.what.fills = !conv.Pointwise();
  return conv.Pointwise() || AddWindows(conv, roles) ? std::optional(roles) : std::nullopt;
}

void AddGemms(const ConvQuery& conv, const Gpu& gpu, std::vector<CudaPlan>& plans) {
  const std::optional<GemmRoles> roles = Roles(conv);
  if (!roles) {
    return;
  }
  for (const GemmHow& how : GemmCandidates(roles->what, gpu)) {
    if (how.form == GemmForm::kTiles || (how.form == GemmForm::kStream && roles->windows.empty())) {
      std::vector<int64_t> numbers = PlanNumbers(how);
      numbers.insert(numbers.begin(), static_cast<int64_t>(ConvForm::kGemm));
      plans.push_back({.name = "gemm " + how.Name(), .numbers = std::move(numbers), .us = how.us});
    }
  }
}

// A thread a result.
CudaPlan PlainPlan(const ConvQuery& conv, const Gpu& gpu) {
  double flops = 2;
  for (const CudaDim& dim : conv.y().dims) {
    flops *= static_cast<double>(dim.expected());
  }
  for (size_t d = 1; d < conv.w().dims.size(); ++d) {
    flops *= static_cast<double>(conv.w().dims[d].expected());
  }
  return {.name = "plain, a thread a result",
          .us = std::max(flops / (gpu.f32_tflops * 0.03 * 1e6), CopyUs(conv.query, gpu, 0.5))};
}

std::vector<CudaPlan> Plans(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const ConvQuery conv(query);
  if (why = Missing(conv); !why.empty()) {
    return {};
  }
  if (!conv.last) {
    return {PlainPlan(conv, gpu)};
  }
  std::vector<CudaPlan> plans;
  for (const ConvHow& how : ConvCandidates(WhatOf(conv), gpu)) {
    plans.push_back({.name = how.Name(), .numbers = PlanNumbers(how), .us = how.us});
  }
  AddGemms(conv, gpu, plans);
  return plans;
}

// The pixels of the result.
std::string Rows(const CudaQuery& query) {
  const ConvQuery conv(query);
  const std::vector<CudaDim>& dims = conv.y().dims;
  const bool constant = std::all_of(dims.begin(), dims.end() - 1, [](const CudaDim& dim) { return dim.constant(); });
  return !conv.last || constant ? "" : ProductText("y0", 0, conv.y().rank() - 1);
}

const char* Flag(bool value) { return value ? "true" : "false"; }

CudaKernel EmitPlain(const ConvQuery& conv, const Gpu& gpu) {
  const std::string body = absl::StrFormat("sl::plain_conv<%d, %s, %s, %s>(step, x0, x1, x2, y0, %s, %d);",
                                           conv.spatial, Flag(conv.transposed), CudaType(conv.x().dtype),
                                           CudaType(conv.w().dtype), conv.WindowText(), conv.groups);
  CudaKernel kernel =
      OperandKernel(conv.query, conv.query.name + "_plain", "kernels/conv/plain.cuh", body, 256, {0, 0, 1});
  kernel.grid[0] = BlocksText(ProductText("y0", 0, conv.y().rank()), 256, gpu.sms * 64);
  return kernel;
}

// "x, w, bias, y" as the channels-last kernels read them.
std::string OperandsText(const ConvQuery& conv) {
  const auto view = [&](const CudaOperand& operand, const char* constness, const char* arg) {
    return absl::StrFormat("sl::View<%s%s, %d>(step, %s)", constness, CudaType(operand.dtype), operand.rank(), arg);
  };
  const std::string bias = conv.bias() ? view(conv.query.ins[2], "const ", "x2") + ".data"
                                       : absl::StrFormat("static_cast<const %s*>(nullptr)", CudaType(conv.x().dtype));
  return absl::StrCat(view(conv.x(), "const ", "x0"), ", ", view(conv.w(), "const ", "x1"), ", ", bias, ", ",
                      view(conv.y(), "", "y0"));
}

CudaKernel EmitTiles(const ConvQuery& conv, const ConvHow& how, const Gpu& gpu) {
  const bool vector = how.form == ConvForm::kTiles, few = how.form == ConvForm::kFew;
  const std::string instructions =
      BitWidth(conv.x().dtype) <= 16 ? WgmmaText(conv.x().dtype, conv.w().dtype, static_cast<int>(how.cols)) : "";
  const std::string head = absl::StrFormat(
      "%s%sstruct How {\n  using In = %s;\n  using Weight = %s;\n  using Out = %s;\n  using Bias = %s;\n"
      "  static constexpr int kRows = %d, kCols = %d, kDown = %d, kAcross = %d, kStages = %d, kSplit = %d;\n"
      "  static constexpr int kOutside = %d;\n"
      "  static constexpr bool kVector = %s, kTransposed = %s, kWeights = %s;\n};\n"
      "static_assert(sl::%s == %d);\n\n",
      instructions, conv.query.epilogue, CudaType(conv.x().dtype), CudaType(conv.w().dtype), CudaType(conv.y().dtype),
      CudaType(conv.bias() ? conv.query.ins[2].dtype : conv.x().dtype), how.rows, how.cols, how.down, how.across,
      how.stages, how.split, conv.outside, Flag(vector), Flag(conv.transposed), Flag(conv.w().weight),
      few ? "FewPlan<How>::kBytes" : "ConvPlan<How>::kShared", how.SharedBytes());
  const std::string name = few ? "conv_few" : "conv_tiles";
  const std::string body = absl::StrFormat("sl::%s<How, %d>(%s, %s, %d, %s);", name, conv.spatial, OperandsText(conv),
                                           conv.WindowText(), conv.groups, EpilogueText(conv.query));
  CudaKernel kernel =
      OperandKernel(conv.query, conv.query.name, absl::StrCat("kernels/conv/", name, ".cuh"), body,
                    static_cast<int>(32 * how.down * how.across), {}, 0, head, static_cast<int>(how.blocks));
  const ConvWhat what = WhatOf(conv);
  const int64_t columns = (what.features + how.cols - 1) / how.cols * what.groups;
  const std::string tiles =
      absl::StrFormat("max(1, ceildiv(%s, %d))", ProductText("y0", 0, conv.y().rank() - 1), how.rows);
  kernel.grid[0] =
      few ? absl::StrFormat("min(%s, %d) * %d", tiles, std::max<int64_t>(1, gpu.sms * how.blocks / columns), columns)
          : absl::StrFormat("%s * %d", tiles, columns * how.split);
  kernel.shared = how.SharedBytes();
  kernel.cluster = static_cast<int>(how.split);
  kernel.overlaps_previous = true;
  kernel.aligned_ins = vector ? 3 : 0;
  kernel.strided_ins = vector ? 0 : 1;
  kernel.aligned_outs = 1;
  return kernel;
}

CudaKernel EmitDepthwise(const ConvQuery& conv, const ConvHow& how) {
  const ConvWhat what = WhatOf(conv);
  const std::string body = absl::StrFormat("sl::depthwise<%d, %d, %d, %d, %s>(%s, %s, %s);", conv.spatial, how.lanes,
                                           what.taps, what.features, Flag(conv.transposed), OperandsText(conv),
                                           conv.WindowText(), EpilogueText(conv.query));
  CudaKernel kernel = OperandKernel(conv.query, conv.query.name + "_depthwise", "kernels/conv/depthwise.cuh", body, 256,
                                    {}, 0, conv.query.epilogue, 3);
  // As SlabPlan: threads across a slab of channels, four pixels each.
  const int64_t across = how.lanes > 1 ? 8 : 32, slab = across * how.lanes, pixels = 4 * 256 / across;
  kernel.grid[0] = absl::StrFormat("ceildiv(%s, %d) * %d", ProductText("y0", 0, conv.y().rank() - 1), pixels,
                                   (what.features * what.groups + slab - 1) / slab);
  kernel.overlaps_previous = true;
  kernel.aligned_ins = 1;
  kernel.aligned_outs = 1;
  return kernel;
}

CudaKernel Emit(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  const ConvQuery conv(query);
  if (!conv.last) {
    return EmitPlain(conv, gpu);
  }
  if (plan.numbers.front() == static_cast<int64_t>(ConvForm::kGemm)) {
    return EmitGemm(query, *Roles(conv),
                    {.name = plan.name, .numbers = {plan.numbers.begin() + 1, plan.numbers.end()}, .us = plan.us});
  }
  const ConvHow how = FromPlanNumbers<ConvHow>(plan.numbers);
  return how.form == ConvForm::kDepthwise ? EmitDepthwise(conv, how) : EmitTiles(conv, how, gpu);
}

}  // namespace

extern const CudaFamily kCudaConv, kCudaConvTranspose;
const CudaFamily kCudaConv = {.name = "conv", .plans = Plans, .emit = Emit, .epilogue = true, .rows = Rows};
const CudaFamily kCudaConvTranspose = {
    .name = "conv_transpose", .plans = Plans, .emit = Emit, .epilogue = true, .rows = Rows};

}  // namespace sluice::kernels
