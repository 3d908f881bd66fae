// `gather_q4`: rows of a 4-bit weight, dequantised: (q - zero) * scale.  An embedding in int4.
//
//   q [n, k] ui4 or i4, indices, scale [n, ceil(k / block)], optional zero points of q's type, as scale -> [.., k]
//
// Attributes: block (elements that share a scale), zero (the zero point when no operand gives it; 0).
#include "kernels/common/element.h"
#include "kernels/movement/indices.h"

namespace sluice::kernels {
namespace {

struct GatherQ4Config : Config {
  int64_t block = 32;
  int64_t zero = 0;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<GatherQ4Config>();
  ASSIGN_OR_RETURN(config->block, attrs.Int("block", 32));
  ASSIGN_OR_RETURN(config->zero, attrs.Int("zero", 0));
  if (config->block <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("block: ", config->block, " is not a block size"));
  }
  return config;
}

SLUICE_INLINE int Nibble(const uint8_t* p, int64_t i, bool is_signed) {
  const int v = p[i >> 1] >> (i & 1) * 4 & 15;
  return is_signed ? (v ^ 8) - 8 : v;
}

template <typename S, typename T>
void RunTyped(const LaunchArgs& args, const GatherQ4Config& config) {
  const Tensor& q = args.ins[0];
  const Tensor& indices = args.ins[1];
  const Tensor* zeros = Optional(args.ins, 3);
  const bool is_signed = q.dtype == DType::kI4;
  const int64_t n = q.size(0), k = q.size(1), blocks = args.ins[2].size(1);
  args.pool->ParallelFor(indices.elements(), Grain(k * 2), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = IndexAt(indices, i, n);
      T* out = args.outs[0].as<T>() + i * k;
      for (int64_t b = 0; b < blocks; ++b) {
        const Math<S> scale = ToMath(args.ins[2].as<const S>()[row * blocks + b]);
        const int64_t zero =
            zeros == nullptr ? config.zero : Nibble(zeros->as<const uint8_t>(), row * blocks + b, is_signed);
        const int64_t last = std::min(k, (b + 1) * config.block);
        for (int64_t c = b * config.block; c < last; ++c) {
          const int64_t code = Nibble(q.as<const uint8_t>(), row * k + c, is_signed) - zero;
          out[c] = FromMath<T>(static_cast<Math<S>>(code) * scale);
        }
      }
    }
  });
}

absl::Status Run(const LaunchArgs& args) {
  const auto& config = *static_cast<const GatherQ4Config*>(args.config);
  const Tensor& q = args.ins[0];
  if ((q.dtype != DType::kU4 && q.dtype != DType::kI4) || q.rank != 2 ||
      args.ins[2].size(-1) != (q.size(1) + config.block - 1) / config.block) {
    return absl::InvalidArgumentError("gather_q4: q must be [n, k] of 4 bits and scale [n, ceil(k / block)]");
  }
  RETURN_IF_ERROR(CheckIndices(args.ins[1], q.size(0), args.pool));
  absl::Status inner;
  RETURN_IF_ERROR(DispatchF32OrHalf(args.ins[2].dtype, [&](auto tag) {
    using S = typename decltype(tag)::type;
    inner = DispatchF32OrHalf(args.outs[0].dtype,
                              [&](auto out_tag) { RunTyped<S, typename decltype(out_tag)::type>(args, config); });
  }));
  return inner;
}

}  // namespace

extern const CpuKernel kGatherQ4;
const CpuKernel kGatherQ4 = {.name = "gather_q4", .prepare = Prepare, .run = Run};

}  // namespace sluice::kernels
