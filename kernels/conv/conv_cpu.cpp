// nn.conv: x [b, c, spatial…], w [o, c/groups, kernel…], optional bias [o] → [b, o, spatial…]
// nn.conv_transpose: x [b, c, spatial…], w [c, o/groups, kernel…], optional bias [o] → [b, o, spatial…]
// One to three spatial dimensions; attributes strides, pads (begins, then ends), dilations, groups.  End pads and
// output_padding are in the output's size already.  i32 and 8-bit codes of either sign give i32, and `outside` is what
// lies beyond x.  See kernels/conv/README.md for the ways it runs.
#include "kernels/conv/conv_ops.h"
#include "kernels/conv/conv_problem.h"
#include "kernels/conv/conv_run.h"
#include "kernels/desc.h"
#include "kernels/gemm/gemm_driver.h"
#include "runtime/base/cpu.h"

namespace sluice::kernels {
namespace {

using Kind = ConvProblem::Kind;

const Tensor* Bias(std::span<const Tensor> ins) { return ins.size() > 2 && ins[2].present() ? &ins[2] : nullptr; }

bool IsCode(DType type) { return type == DType::kI8 || type == DType::kU8; }

// f32 copies of x and bias, when they are 16-bit, come first in the workspace.
int64_t XBytes(const Tensor& x) { return x.dtype == DType::kF32 ? 0 : AlignUp(x.elements() * 4); }
int64_t BiasBytes(const Tensor* bias) {
  return bias == nullptr || bias->dtype == DType::kF32 ? 0 : AlignUp(bias->elements() * 4);
}

int64_t Workspace(Kind kind, const Config* config, std::span<const Tensor> ins, std::span<const Tensor> outs,
                  int threads) {
  const bool integers = kind == Kind::kConv && ins[0].dtype == DType::kI32;
  if (ins[0].dtype == DType::kF64 || integers || IsCode(ins[0].dtype)) {
    return 0;
  }
  const ConvProblem p(kind, *static_cast<const ConvConfig*>(config), ins[0], ins[1], outs[0]);
  const int64_t copies = XBytes(ins[0]) + BiasBytes(Bias(ins));
  if (kind == Kind::kTranspose) {
    return copies + ConvTransposeWorkspace(p, threads);
  }
  return copies + (IsDepthwise(p) ? DepthwiseWorkspace(p, threads) : ConvGemmWorkspace(p, ins[1], threads));
}

void RunF64(Kind kind, const ConvProblem& p, const LaunchArgs& args) {
  const double* x = args.ins[0].as<double>();
  const double* w = args.ins[1].as<double>();
  const double* bias = Bias(args.ins) == nullptr ? nullptr : Bias(args.ins)->as<double>();
  double* y = args.outs[0].as<double>();
  kind == Kind::kConv ? ConvPlain(p, x, w, bias, y, 0, args.pool) : ConvTransposePlain(p, x, w, bias, y, args.pool);
}

template <typename X, typename W>
void RunIntegers(const ConvProblem& p, const LaunchArgs& args) {
  const int64_t outside = static_cast<const ConvConfig*>(args.config)->outside;
  const int32_t* bias = Bias(args.ins) == nullptr ? nullptr : Bias(args.ins)->as<int32_t>();
  ConvPlain(p, args.ins[0].as<X>(), args.ins[1].as<W>(), bias, args.outs[0].as<int32_t>(), outside, args.pool);
}

template <typename X>
void RunCodes(const ConvProblem& p, const LaunchArgs& args) {
  args.ins[1].dtype == DType::kI8 ? RunIntegers<X, int8_t>(p, args) : RunIntegers<X, uint8_t>(p, args);
}

// t as f32: itself, or a copy at `at`, which then moves behind it.
const float* AsF32(const Tensor* t, int64_t bytes, ThreadPool* pool, uint8_t*& at) {
  if (t == nullptr || t->dtype == DType::kF32) {
    return t == nullptr ? nullptr : t->as<float>();
  }
  float* copy = reinterpret_cast<float*>(at);
  at += bytes;
  pool->ParallelFor(t->elements(), 16384, [t, copy](int64_t begin, int64_t end) {
    ToF32(t->as<uint16_t>() + begin, t->dtype, 1, end - begin, copy + begin);
  });
  return copy;
}

absl::Status Run(Kind kind, const LaunchArgs& args) {
  const Tensor& x = args.ins[0];
  const Tensor& y = args.outs[0];
  const ConvProblem p(kind, *static_cast<const ConvConfig*>(args.config), x, args.ins[1], y);
  if (y.elements() == 0) {
    return absl::OkStatus();
  }
  if (x.dtype == DType::kF64) {
    RunF64(kind, p, args);
    return absl::OkStatus();
  }
  if (kind == Kind::kConv && x.dtype == DType::kI32) {
    RunIntegers<int32_t, int32_t>(p, args);
    return absl::OkStatus();
  }
  if (kind == Kind::kConv && IsCode(x.dtype) && IsCode(args.ins[1].dtype) && y.dtype == DType::kI32) {
    x.dtype == DType::kI8 ? RunCodes<int8_t>(p, args) : RunCodes<uint8_t>(p, args);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckKernelFloats("conv", args.ins));
  uint8_t* at = static_cast<uint8_t*>(args.workspace);
  const float* x32 = AsF32(&x, XBytes(x), args.pool, at);
  const float* bias = AsF32(Bias(args.ins), BiasBytes(Bias(args.ins)), args.pool, at);
  const ConvOperands o{.x = x32, .w = args.ins[1], .bias = bias, .y = y, .workspace = at, .pool = args.pool};
  if (kind == Kind::kTranspose) {
    ConvTranspose(p, o);
  } else if (IsDepthwise(p)) {
    ConvDepthwise(p, o);
  } else {
    ConvGemm(p, o);
  }
  return absl::OkStatus();
}

template <Kind kKind>
int64_t WorkspaceOf(const Config* config, std::span<const Tensor> ins, std::span<const Tensor> outs, int threads) {
  return Workspace(kKind, config, ins, outs, threads);
}
template <Kind kKind>
absl::Status RunOf(const LaunchArgs& args) {
  return Run(kKind, args);
}

constexpr CpuKernel::OperandLayout kLayouts[] = {{1, Layout::kOihwTile16}};

}  // namespace

const ConvOps& Conv() {
  static const ConvOps& ops = Cpu().v4() ? avx512::kConvOps : avx2::kConvOps;
  return ops;
}

extern const CpuKernel kConv;
const CpuKernel kConv = {
    .name = "conv",
    .prepare = PrepareConv,
    .workspace = WorkspaceOf<Kind::kConv>,
    .run = RunOf<Kind::kConv>,
    .layouts = kLayouts,
};

extern const CpuKernel kConvTranspose;
const CpuKernel kConvTranspose = {
    .name = "conv_transpose",
    .prepare = PrepareConv,
    .workspace = WorkspaceOf<Kind::kTranspose>,
    .run = RunOf<Kind::kTranspose>,
};

}  // namespace sluice::kernels
