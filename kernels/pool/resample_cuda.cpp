// CUDA families resize (resize.cuh) and grid_sample (grid_sample.cuh).
#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "kernels/common/cuda_text.h"

namespace sluice::kernels {
namespace {

constexpr int kBlock = 256;
constexpr int kMaxSpatial = 3;
constexpr int64_t kGridChannels = 8;  // grid_sample.cuh's

// "sl::Coordinates::kHalfPixel" of attribute value "half_pixel".
std::string Enumerator(const char* type, const std::string& value) {
  std::string name;
  bool upper = true;
  for (const char c : value) {
    if (c != '_') {
      name += upper ? absl::ascii_toupper(c) : c;
    }
    upper = c == '_';
  }
  return absl::StrCat("sl::", type, "::k", name);
}

std::string Text(const CudaQuery& query, const char* name, const char* or_else) {
  return query.attrs.String(name, or_else).value_or(or_else);
}
const char* Flag(const CudaQuery& query, const char* name) {
  return query.attrs.Int(name, 0).value_or(0) != 0 ? "true" : "false";
}

// ---- resize

bool Nearest(const CudaQuery& query) { return Text(query, "mode", "nearest") == "nearest"; }

// Scales of the graph; 0 for the ratio of the sizes.
std::vector<double> Scales(const CudaQuery& query) {
  std::vector<double> scales = query.attrs.Floats("scales", {}).value_or(std::vector<double>());
  scales.resize(query.ins[0].dims.size(), 0);
  return scales;
}

std::vector<CudaPlan> PlanResize(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType type = query.ins[0].dtype;
  if (query.ins[0].rank() == 0) {
    why = "a scalar";
  } else if (Nearest(query)) {
    why = *CudaBitsType(type) == '\0' ? std::string(Name(type)) + " elements" : "";
  } else if (type != DType::kU8 && type != DType::kI8) {
    why = NotAFloat({&type, 1});
  }
  return why.empty() ? std::vector<CudaPlan>{{.name = "a thread a result", .us = CopyUs(query, gpu, 0.3)}}
                     : std::vector<CudaPlan>();
}

CudaKernel EmitResize(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const std::vector<double> scales = Scales(query);
  unsigned kept = 0;
  for (int d = 0; d < query.ins[0].rank(); ++d) {
    const bool same = query.ins[0].dims[d].text == query.outs[0].dims[d].text && (scales[d] == 0 || scales[d] == 1);
    kept |= same ? 1u << d : 0;
  }
  const std::string how = absl::StrFormat(
      "sl::ResizeHow<%s, %s, %s, %s>", Enumerator("Resampling", Text(query, "mode", "nearest")),
      Enumerator("Coordinates", Text(query, "coordinate_mode", "half_pixel")),
      Enumerator("Rounding", Text(query, "nearest_mode", "round_prefer_floor")), Flag(query, "exclude_outside"));
  const DType type = query.ins[0].dtype;
  const std::string list = absl::StrJoin(scales, ", ", [](std::string* to, double scale) {
    absl::StrAppend(to, absl::StrFormat("%#.9gf", static_cast<float>(scale)));
  });
  std::string text = absl::StrFormat("sl::resize<%s, %u, %s>(step, x0, y0, sl::ResizeScales<%d>{{%s}}, %#.9gf);", how,
                                     kept, Nearest(query) ? CudaBitsType(type) : CudaType(type), query.ins[0].rank(),
                                     list, query.attrs.Float("cubic_coeff_a", -0.75).value_or(-0.75));
  CudaKernel kernel = OperandKernel(query, "resize", "kernels/pool/resize.cuh", text, kBlock);
  kernel.grid[0] = BlocksText(ProductText("y0", 0, query.outs[0].rank()), kBlock, gpu.sms * 16);
  return kernel;
}

// ---- grid_sample

std::vector<CudaPlan> PlanGridSample(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  const DType types[] = {query.ins[0].dtype, query.ins[1].dtype};
  const int spatial = query.ins[0].rank() - 2;
  why = NotAFloat(types);
  if (why.empty() && (types[0] != types[1] || spatial < 1 || spatial > kMaxSpatial)) {
    why = types[0] != types[1] ? "a grid of another element type" : absl::StrCat(spatial, " spatial dimensions");
  }
  return why.empty() ? std::vector<CudaPlan>{{.name = "a thread a position", .us = CopyUs(query, gpu, 0.3)}}
                     : std::vector<CudaPlan>();
}

CudaKernel EmitGridSample(const CudaQuery& query, const Gpu& gpu, const CudaPlan&) {
  const std::string text = absl::StrFormat("sl::grid_sample<sl::GridHow<%s, %s, %s>, %s>(step, x0, x1, y0);",
                                           Enumerator("Resampling", Text(query, "mode", "linear")),
                                           Enumerator("GridPadding", Text(query, "padding", "zeros")),
                                           Flag(query, "align_corners"), CudaType(query.ins[0].dtype));
  CudaKernel kernel = OperandKernel(query, "grid_sample", "kernels/pool/grid_sample.cuh", text, kBlock);
  const std::string work =
      absl::StrFormat("x0_0 * ceildiv(x0_1, %d) * %s", kGridChannels, ProductText("y0", 2, query.outs[0].rank()));
  kernel.grid[0] = BlocksText(work, kBlock, gpu.sms * 16);
  return kernel;
}

}  // namespace

extern const CudaFamily kCudaResize, kCudaGridSample;
const CudaFamily kCudaResize = {.name = "resize", .plans = PlanResize, .emit = EmitResize};
const CudaFamily kCudaGridSample = {.name = "grid_sample", .plans = PlanGridSample, .emit = EmitGridSample};

}  // namespace sluice::kernels
