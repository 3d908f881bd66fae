// Tensors and launches for kernel tests: owned memory, any element type, values as doubles.
//
//   HostTensor x = HostTensor::Random(DType::kF16, {3, 5}, 7);
//   HostTensor y(DType::kF16, {3, 4});
//   ASSERT_TRUE(Launch(kLinear, {}, {x, w}, {y}, 2).ok());
//   EXPECT_NEAR(y.Get({2, 3}), ..., 1e-3);
#ifndef SLUICE_TEST_KERNELS_HOST_TENSOR_H_
#define SLUICE_TEST_KERNELS_HOST_TENSOR_H_

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/half.h"

namespace sluice::kernels {

class HostTensor {
 public:
  HostTensor() = default;  // an absent operand
  HostTensor(DType dtype, std::vector<int64_t> sizes, Layout layout = Layout::kRowMajor) {
    view_.dtype = dtype;
    view_.layout = layout;
    view_.rank = static_cast<int>(sizes.size());
    int64_t stride = 1;
    for (int d = view_.rank - 1; d >= 0; --d) {
      view_.sizes[d] = sizes[d];
      view_.strides[d] = stride;
      stride *= sizes[d];
    }
    Allocate(ByteSize(dtype, stride));
  }
  // Zeroed bytes behind the view: for packed layouts, whose memory is larger than their sizes say.
  void Allocate(int64_t bytes) {
    bytes_ = std::make_shared<std::vector<uint8_t>>(bytes + kGuard, uint8_t{0});
    std::memset(bytes_->data() + bytes, 0xa5, kGuard);
    view_.data = bytes_->data();
  }

  static HostTensor Of(DType dtype, std::vector<int64_t> sizes, const std::vector<double>& values) {
    HostTensor t(dtype, std::move(sizes));
    for (size_t i = 0; i < values.size(); ++i) {
      t.Set(static_cast<int64_t>(i), values[i]);
    }
    return t;
  }

  // Integers in [low, high]; floats uniform in [low, high].
  static HostTensor Random(DType dtype, std::vector<int64_t> sizes, uint32_t seed, double low = -1, double high = 1) {
    HostTensor t(dtype, std::move(sizes));
    std::mt19937 generator(seed);
    std::uniform_real_distribution<double> uniform(low, high);
    for (int64_t i = 0; i < t.view_.elements(); ++i) {
      const double v = uniform(generator);
      t.Set(i, IsFloat(dtype) ? v : std::floor(low + (v - low) / (high - low) * (high - low + 0.999999)));
    }
    return t;
  }

  // Element number `at` of the memory (not of the view).
  double Get(int64_t at) const {
    const uint8_t* p = bytes_->data();
    switch (view_.dtype) {
      case DType::kF32:
        return reinterpret_cast<const float*>(p)[at];
      case DType::kF64:
        return reinterpret_cast<const double*>(p)[at];
      case DType::kF16:
        return F16ToF32(reinterpret_cast<const uint16_t*>(p)[at]);
      case DType::kBF16:
        return BF16ToF32(reinterpret_cast<const uint16_t*>(p)[at]);
      case DType::kI32:
        return reinterpret_cast<const int32_t*>(p)[at];
      case DType::kI64:
        return static_cast<double>(reinterpret_cast<const int64_t*>(p)[at]);
      case DType::kU32:
        return reinterpret_cast<const uint32_t*>(p)[at];
      case DType::kU64:
        return static_cast<double>(reinterpret_cast<const uint64_t*>(p)[at]);
      case DType::kI16:
        return reinterpret_cast<const int16_t*>(p)[at];
      case DType::kU16:
        return reinterpret_cast<const uint16_t*>(p)[at];
      case DType::kI8:
        return reinterpret_cast<const int8_t*>(p)[at];
      case DType::kU4:
        return p[at / 2] >> (at % 2 * 4) & 15;
      case DType::kI4:
        return ((p[at / 2] >> (at % 2 * 4) & 15) ^ 8) - 8;
      default:
        return p[at];
    }
  }
  void Set(int64_t at, double v) {
    uint8_t* p = bytes_->data();
    switch (view_.dtype) {
      case DType::kF32:
        reinterpret_cast<float*>(p)[at] = static_cast<float>(v);
        break;
      case DType::kF64:
        reinterpret_cast<double*>(p)[at] = v;
        break;
      case DType::kF16:
        reinterpret_cast<uint16_t*>(p)[at] = F64ToF16(v);
        break;
      case DType::kBF16:
        reinterpret_cast<uint16_t*>(p)[at] = F64ToBF16(v);
        break;
      case DType::kI32:
        reinterpret_cast<int32_t*>(p)[at] = static_cast<int32_t>(v);
        break;
      case DType::kI64:
        reinterpret_cast<int64_t*>(p)[at] = static_cast<int64_t>(v);
        break;
      case DType::kU32:
        reinterpret_cast<uint32_t*>(p)[at] = static_cast<uint32_t>(v);
        break;
      case DType::kU64:
        reinterpret_cast<uint64_t*>(p)[at] = static_cast<uint64_t>(v);
        break;
      case DType::kI16:
      case DType::kU16:
        reinterpret_cast<uint16_t*>(p)[at] = static_cast<uint16_t>(static_cast<int>(v));
        break;
      case DType::kU4:
      case DType::kI4: {
        const int shift = at % 2 * 4;
        p[at / 2] = static_cast<uint8_t>((p[at / 2] & ~(15 << shift)) | ((static_cast<int>(v) & 15) << shift));
        break;
      }
      default:
        p[at] = static_cast<uint8_t>(static_cast<int>(v));
    }
  }

  // All elements of a dense tensor.
  std::vector<double> Values() const {
    std::vector<double> values;
    for (int64_t i = 0; i < view_.elements(); ++i) {
      values.push_back(Get(offset_ + i));
    }
    return values;
  }

  // Where an index of the view is in memory.
  int64_t At(std::initializer_list<int64_t> index) const {
    int64_t at = offset_;
    int d = 0;
    for (int64_t i : index) {
      at += i * view_.strides[d++];
    }
    return at;
  }
  double operator()(std::initializer_list<int64_t> index) const { return Get(At(index)); }

  // The same memory with dimensions in another order.
  HostTensor Transposed(std::vector<int> order) const {
    HostTensor t = *this;
    for (size_t d = 0; d < order.size(); ++d) {
      t.view_.sizes[d] = view_.sizes[order[d]];
      t.view_.strides[d] = view_.strides[order[d]];
    }
    return t;
  }
  // The same memory, element 0 and size of one dimension changed.
  HostTensor Slice(int dim, int64_t begin, int64_t size) const {
    HostTensor t = *this;
    t.view_.sizes[dim] = size;
    t.offset_ += begin * view_.strides[dim];
    t.view_.data = static_cast<uint8_t*>(view_.data) + begin * view_.strides[dim] * BitWidth(view_.dtype) / 8;
    return t;
  }

  const Tensor& view() const { return view_; }
  Tensor& view() { return view_; }
  const std::vector<uint8_t>& bytes() const { return *bytes_; }
  std::vector<uint8_t>& bytes() { return *bytes_; }
  // False when something was written behind the end.
  bool GuardIntact() const {
    for (size_t i = bytes_->size() - kGuard; i < bytes_->size(); ++i) {
      if ((*bytes_)[i] != 0xa5) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr int64_t kGuard = 64;
  Tensor view_;
  int64_t offset_ = 0;  // elements
  std::shared_ptr<std::vector<uint8_t>> bytes_;
};

// Runs a kernel as the runtime does: attributes decoded, workspace of exactly the bytes asked for (filled with NaNs and
// guarded), `threads` threads.
inline absl::Status Launch(const CpuKernel& kernel, std::vector<Attr> attrs, const std::vector<HostTensor>& ins,
                           const std::vector<HostTensor>& outs, int threads = 1, std::span<int64_t> counts = {}) {
  std::unique_ptr<Config> config;
  if (kernel.prepare != nullptr) {
    ASSIGN_OR_RETURN(config, kernel.prepare(Attrs(std::move(attrs))));
  }
  std::vector<Tensor> in_views, out_views;
  for (const HostTensor& t : ins) {
    in_views.push_back(t.view());
  }
  for (const HostTensor& t : outs) {
    out_views.push_back(t.view());
  }
  ThreadPool pool(threads);
  const int64_t bytes = kernel.workspace == nullptr ? 0 : kernel.workspace(config.get(), in_views, out_views, threads);
  std::vector<uint8_t> memory(bytes + 192, 0xff);
  uint8_t* base = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  LaunchArgs args;
  args.ins = in_views;
  args.outs = out_views;
  args.config = config.get();
  args.workspace = base;
  args.pool = &pool;
  args.counts = counts;
  RETURN_IF_ERROR(kernel.run(args));
  for (const HostTensor& t : outs) {
    if (!t.GuardIntact()) {
      return absl::InternalError("wrote behind an output");
    }
  }
  for (int i = 0; i < 64; ++i) {
    if (base[bytes + i] != 0xff) {
      return absl::InternalError("wrote behind the workspace");
    }
  }
  return absl::OkStatus();
}

}  // namespace sluice::kernels

#endif  // SLUICE_TEST_KERNELS_HOST_TENSOR_H_
