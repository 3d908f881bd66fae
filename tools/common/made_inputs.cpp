#include "tools/common/made_inputs.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <random>

#include "runtime/base/half.h"
#include "runtime/exec/copy.h"
#include "runtime/exec/sizes.h"

namespace sluice::tools {
namespace {

using kernels::Tensor;

template <typename T, typename Value>
void FillAs(std::vector<uint8_t>& data, int64_t n, Value value) {
  for (int64_t i = 0; i < n; ++i) {
    const T v = static_cast<T>(value(i));
    std::memcpy(data.data() + i * static_cast<int64_t>(sizeof(T)), &v, sizeof(T));
  }
}

// Writes value(i) as element i of type `dtype`.
template <typename Value>
void Fill(DType dtype, std::vector<uint8_t>& data, int64_t n, Value value) {
  switch (dtype) {
    case DType::kF32:
      return FillAs<float>(data, n, value);
    case DType::kF64:
      return FillAs<double>(data, n, value);
    case DType::kF16:
      return FillAs<uint16_t>(data, n, [&](int64_t i) { return F32ToF16(static_cast<float>(value(i))); });
    case DType::kBF16:
      return FillAs<uint16_t>(data, n, [&](int64_t i) { return F32ToBF16(static_cast<float>(value(i))); });
    case DType::kI64:
    case DType::kU64:
      return FillAs<int64_t>(data, n, value);
    case DType::kI32:
    case DType::kU32:
      return FillAs<int32_t>(data, n, value);
    case DType::kI16:
    case DType::kU16:
      return FillAs<int16_t>(data, n, value);
    default:
      return FillAs<uint8_t>(data, static_cast<int64_t>(data.size()), value);
  }
}

// One set of inputs for one binding of the sizes.
class Maker {
 public:
  Maker(const exec::Model& model, const exec::Sizes& sizes, const MakeOptions& options)
      : model_(model), sizes_(sizes), options_(options), random_(options.seed), token_limit_(TokenLimit(model)) {}

  absl::StatusOr<MadeInputs> Make() {
    MadeInputs inputs;
    for (const exec::PortDesc& port : model_.inputs()) {
      ASSIGN_OR_RETURN(inputs.tensors.emplace_back(), Shape(port));
    }
    for (const exec::StateDesc& state : model_.program().states) {
      past_ = std::max(past_, sizes_.slots()[state.length_before]);
    }
    ChoosePadding(inputs);
    for (size_t i = 0; i < inputs.tensors.size(); ++i) {
      Tensor& t = inputs.tensors[i];
      std::vector<uint8_t>& data = inputs.data.emplace_back(static_cast<size_t>(exec::DenseBytes(t)));
      FillInput(model_.inputs()[i].role, t, data);
      t.data = data.data();
    }
    return inputs;
  }

 private:
  absl::StatusOr<Tensor> Shape(const exec::PortDesc& port) const {
    Tensor t;
    t.dtype = port.dtype;
    t.rank = static_cast<int>(port.sizes.size());
    for (int d = 0; d < t.rank; ++d) {
      t.sizes[d] = sizes_.slots()[port.sizes[d]];
      if (t.sizes[d] < 0) {
        return absl::InvalidArgumentError(
            absl::StrFormat("--dims: input '%s' would have the size %d in dimension %d", port.name, t.sizes[d], d));
      }
    }
    exec::SetDenseStrides(t);
    return t;
  }

  // Masked positions of each sequence: before its tokens where a cache goes on behind them, else after them.
  void ChoosePadding(const MadeInputs& inputs) {
    for (size_t i = 0; i < inputs.tensors.size() && options_.padding; ++i) {
      const Tensor& t = inputs.tensors[i];
      if (model_.inputs()[i].role != "mask" || t.rank != 2 || t.elements() == 0) {
        continue;
      }
      for (int64_t b = static_cast<int64_t>(padding_.size()); b < t.sizes[0]; ++b) {
        padding_.push_back(b % 2 == 0 ? 0 : static_cast<int64_t>(random_()) % t.sizes[1]);
      }
      for (int64_t b = 0; b < t.sizes[0]; ++b) {  // masks of different lengths: one position stays in each
        padding_[b] = std::min(padding_[b], t.sizes[1] - 1);
      }
    }
  }
  bool PadsLeft() const { return !model_.program().states.empty(); }
  int64_t PaddingOf(int64_t row) const { return row < static_cast<int64_t>(padding_.size()) ? padding_[row] : 0; }

  void FillInput(const std::string& role, const Tensor& t, std::vector<uint8_t>& data) {
    const int64_t last = t.rank > 0 ? t.size(-1) : 1;
    const auto mask = [&](int64_t i) {
      return (PadsLeft() ? i % last : last - 1 - i % last) >= PaddingOf(i / last) ? 1 : 0;
    };
    const auto position = [&](int64_t i) {
      return std::max<int64_t>(0, past_ + i % last - (PadsLeft() && t.rank > 1 ? PaddingOf(i / last) : 0));
    };
    const auto token = [&](int64_t) { return static_cast<int64_t>(random_()) % token_limit_; };
    const int64_t n = t.elements();
    if (role == "mask") {
      return Fill(t.dtype, data, n, mask);
    }
    if (role == "branch") {
      return Fill(t.dtype, data, n, [&](int64_t) { return options_.branch ? 1 : 0; });
    }
    if (role == "positions") {
      return Fill(t.dtype, data, n, position);
    }
    if (role == "tokens") {
      return Fill(t.dtype, data, n, token);
    }
    if (IsFloat(t.dtype)) {
      return Fill(t.dtype, data, n, [&](int64_t) { return std::uniform_real_distribution<float>(-1, 1)(random_); });
    }
    Fill(t.dtype, data, n, [&](int64_t) { return static_cast<int64_t>(random_() % 2); });
  }

  const exec::Model& model_;
  const exec::Sizes& sizes_;
  const MakeOptions& options_;
  std::mt19937 random_;
  int64_t token_limit_;
  int64_t past_ = 0;
  std::vector<int64_t> padding_;
};

}  // namespace

absl::StatusOr<Dims> ParseDims(const std::string& text) {
  Dims dims;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    const size_t equals = std::min(part.find('='), part.size());
    const char* first = part.data() + std::min(equals + 1, part.size());
    const char* last = part.data() + part.size();
    int64_t value = 0;
    const auto [p, error] = std::from_chars(first, last, value);
    if (equals == 0 || error != std::errc() || p != last || value < 0) {
      return absl::InvalidArgumentError("--dims: '" + part + "' (give NAME=SIZE,NAME=SIZE)");
    }
    dims[part.substr(0, equals)] = value;
    at = end + 1;
  }
  return dims;
}

int64_t TokenLimit(const exec::Model& model) {
  int64_t limit = 64;
  for (const exec::PortDesc& port : model.outputs()) {
    if (port.role == "logits" && !port.sizes.empty()) {
      const plan::ExprProgram::Instr& last = model.program().exprs.code()[port.sizes.back()];
      limit = last.op == plan::ExprProgram::Op::kConst ? std::clamp<int64_t>(last.a, 1, limit) : limit;
    }
  }
  return limit;
}

absl::StatusOr<MadeInputs> MakeInputs(const exec::Model& model, const Dims& dims, const MakeOptions& options) {
  exec::Sizes sizes(model.program());
  RETURN_IF_ERROR(sizes.BindByName(dims));
  if (!options.allow_broken) {
    RETURN_IF_ERROR(sizes.CheckAssumptions());
  }
  return Maker(model, sizes, options).Make();
}

}  // namespace sluice::tools
