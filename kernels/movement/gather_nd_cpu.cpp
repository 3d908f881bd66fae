// nn.gather_nd: indices [batch.., .., q]: each tuple of q chooses a slice of data[batch..] by its first q dimensions.
#include <cstring>

#include "kernels/movement/indices.h"

namespace sluice::kernels {
namespace {

struct GatherNdConfig : Config {
  int64_t batch_dims = 0;
};

absl::StatusOr<std::unique_ptr<Config>> Prepare(const Attrs& attrs) {
  auto config = std::make_unique<GatherNdConfig>();
  ASSIGN_OR_RETURN(config->batch_dims, attrs.Int("batch_dims", 0));
  return config;
}

absl::Status Run(const LaunchArgs& args) {
  const Tensor& data = args.ins[0];
  const Tensor& indices = args.ins[1];
  const int batch_dims = static_cast<int>(static_cast<const GatherNdConfig*>(args.config)->batch_dims);
  const int64_t q = indices.size(-1);
  if (batch_dims < 0 || batch_dims + q > data.rank || BitWidth(data.dtype) < 8) {
    return absl::InvalidArgumentError(absl::StrCat("gather_nd: ", batch_dims, " batch dimensions and ", q,
                                                   " indices a tuple do not fit data of rank ", data.rank));
  }
  RETURN_IF_ERROR(CheckTuples(indices, q, data, batch_dims));
  if (args.outs[0].elements() == 0) {
    return absl::OkStatus();
  }
  const int64_t batches = SizesProduct(data, 0, batch_dims);
  const int64_t tuples = SizesProduct(indices, 0, indices.rank - 1);
  const int64_t tuples_in_batch = tuples / batches;
  const int64_t slice = ByteSize(data.dtype, SizesProduct(data, batch_dims + static_cast<int>(q), data.rank));
  const int64_t batch = ByteSize(data.dtype, SizesProduct(data, batch_dims, data.rank));
  args.pool->ParallelFor(tuples, Grain(slice), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t at = 0;
      for (int64_t i = 0; i < q; ++i) {
        const int64_t size = data.sizes[batch_dims + i];
        at = at * size + IndexAt(indices, t * q + i, size);
      }
      std::memcpy(args.outs[0].as<uint8_t>() + t * slice,
                  data.as<const uint8_t>() + t / tuples_in_batch * batch + at * slice, slice);
    }
  });
  return absl::OkStatus();
}

}  // namespace

extern const CpuKernel kGatherNd;
const CpuKernel kGatherNd = {.name = "gather_nd", .prepare = Prepare, .run = Run};

}  // namespace sluice::kernels
