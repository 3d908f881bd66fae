// Which scale belongs to which elements: a tensor as runs of neighbours that share one scale, or that have one each.
//
//   per tensor   scale of one element        runs of kRun elements, one scale
//   per axis     scale [n]                   runs of the elements inside axis; the last axis: whole rows, a scale each
//   blocked      scale [.., n / block, ..]   runs of `block` elements on the last axis; elsewhere a scale each
#ifndef SLUICE_KERNELS_QUANT_QUANT_RUNS_H_
#define SLUICE_KERNELS_QUANT_QUANT_RUNS_H_

#include <algorithm>

#include "kernels/desc.h"

namespace sluice::kernels {

struct QuantConfig : Config {
  int64_t axis = 0;
  int64_t block = 0;
};

absl::StatusOr<std::unique_ptr<Config>> PrepareQuant(const Attrs& attrs);

struct QuantRun {
  int64_t at;      // first element
  int64_t length;  // elements
  int64_t scale;   // first scale
};

class QuantRuns {
 public:
  static constexpr int64_t kRun = 4096;

  // An error when the sizes of `scale` fit none of the three forms.
  static absl::StatusOr<QuantRuns> Of(const Tensor& x, const Tensor& scale, const QuantConfig& config);

  int64_t count() const { return count_; }
  int64_t length() const { return length_; }       // of a run, at most
  bool scale_each() const { return scale_each_; }  // element i of a run has scale + i, not scale
  bool whole_bytes() const { return length_ % 2 == 0 && total_ % 2 == 0 && !ragged_; }  // runs of 4-bit elements

  QuantRun operator[](int64_t r) const {
    switch (form_) {
      case Form::kTensor:
        return {r * length_, std::min(length_, total_ - r * length_), 0};
      case Form::kAxis:
        return {r * length_, length_, scale_each_ ? 0 : r % n_};
      case Form::kBlocks: {
        const int64_t first = r % blocks_ * block_;
        return {r / blocks_ * n_ + first, std::min(block_, n_ - first), r};
      }
      case Form::kInnerBlocks:
        return {r * length_, length_, (r / n_ * blocks_ + r % n_ / block_) * length_};
    }
    return {};
  }

 private:
  enum class Form { kTensor, kAxis, kBlocks, kInnerBlocks };
  Form form_ = Form::kTensor;
  int64_t count_ = 0, length_ = 0, total_ = 0, n_ = 1, block_ = 1, blocks_ = 1;
  bool scale_each_ = false, ragged_ = false;
};

// out[i] = element at + i as f32 (floats) or i32 (integers, 4-bit ones too), i < n.
absl::Status ReadFloats(const Tensor& x, int64_t at, int64_t n, float* out);
void ReadInts(const Tensor& x, int64_t at, int64_t n, int32_t* out);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_QUANT_QUANT_RUNS_H_
