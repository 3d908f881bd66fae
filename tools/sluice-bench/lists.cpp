#include <algorithm>
#include <charconv>
#include <cstring>
#include <random>

#include "runtime/base/half.h"
#include "runtime/exec/copy.h"
#include "tools/sluice-bench/bench.h"

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

void FillInput(const exec::PortDesc& port, const Tensor& t, int64_t token_limit, std::vector<uint8_t>& data,
               std::mt19937& random) {
  const int64_t n = t.elements();
  std::uniform_real_distribution<float> real(-1, 1);
  const int64_t last = t.rank > 0 ? t.size(-1) : 1;
  const auto integer = [&](int64_t i) -> int64_t {
    return port.role == "mask" || port.role == "branch" ? 1
           : port.role == "positions"                   ? i % last
           : port.role == "tokens"                      ? static_cast<int64_t>(random()) % token_limit
                                                        : static_cast<int64_t>(random() % 2);
  };
  switch (port.dtype) {
    case DType::kF32:
      return FillAs<float>(data, n, [&](int64_t) { return real(random); });
    case DType::kF64:
      return FillAs<double>(data, n, [&](int64_t) { return real(random); });
    case DType::kF16:
      return FillAs<uint16_t>(data, n, [&](int64_t) { return F32ToF16(real(random)); });
    case DType::kBF16:
      return FillAs<uint16_t>(data, n, [&](int64_t) { return F32ToBF16(real(random)); });
    case DType::kI64:
    case DType::kU64:
      return FillAs<int64_t>(data, n, integer);
    case DType::kI32:
    case DType::kU32:
      return FillAs<int32_t>(data, n, integer);
    case DType::kI16:
    case DType::kU16:
      return FillAs<int16_t>(data, n, integer);
    default:
      return FillAs<uint8_t>(data, static_cast<int64_t>(data.size()), integer);
  }
}

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

absl::StatusOr<std::vector<int64_t>> ParseList(const std::string& text, const std::string& flag) {
  std::vector<int64_t> values;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    int64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || value < 1 || (next != end && *next != ',')) {
      return absl::InvalidArgumentError(flag + ": '" + text + "' (give numbers like 1,8,32)");
    }
    values.push_back(value);
    at = next == end ? end : next + 1;
  }
  return values;
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

absl::StatusOr<BenchInputs> MakeInputs(const exec::Model& model, const Dims& dims) {
  exec::Sizes sizes(model.program());
  RETURN_IF_ERROR(sizes.BindByName(dims));
  BenchInputs inputs;
  std::mt19937 random(1);
  for (const exec::PortDesc& port : model.inputs()) {
    Tensor t;
    t.dtype = port.dtype;
    t.rank = static_cast<int>(port.sizes.size());
    for (int d = 0; d < t.rank; ++d) {
      t.sizes[d] = sizes.slots()[port.sizes[d]];
      if (t.sizes[d] < 0) {
        return absl::InvalidArgumentError(
            absl::StrFormat("--dims: input '%s' would have the size %d in dimension %d", port.name, t.sizes[d], d));
      }
    }
    exec::SetDenseStrides(t);
    std::vector<uint8_t>& data = inputs.data.emplace_back(static_cast<size_t>(exec::DenseBytes(t)));
    FillInput(port, t, TokenLimit(model), data, random);
    t.data = data.data();
    inputs.tensors.push_back(t);
  }
  return inputs;
}

}  // namespace sluice::tools
