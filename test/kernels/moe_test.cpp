// moe against plain loops in f64.
#include <gtest/gtest.h>

#include "kernels/registry.h"
#include "test/kernels/host_tensor.h"

namespace sluice::kernels {
namespace {

double Act(double v, const std::string& name) {
  if (name == "silu") {
    return v / (1 + std::exp(-v));
  }
  if (name == "gelu") {
    return v * 0.5 * std::erfc(-v / std::sqrt(2.0));
  }
  if (name == "gelu_tanh") {
    return v * 0.5 * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
  }
  return std::max(v, 0.0);
}

struct Operands {
  HostTensor x, indices, weights, gate, down, up, gate_bias, up_bias, down_bias;
  std::vector<HostTensor> list() const { return {x, indices, weights, gate, down, up, gate_bias, up_bias, down_bias}; }
};

enum class Form { kPlain, kGated, kGatedBiased };

Operands Make(DType t, int64_t tokens, int64_t p, int64_t d, int64_t e, int64_t f, Form form,
              DType weights = DType::kF32) {
  const bool up = form != Form::kPlain, bias = form == Form::kGatedBiased;
  const auto random = [&](bool present, std::vector<int64_t> sizes, int seed) {
    return present ? HostTensor::Random(t, std::move(sizes), seed, -0.5, 0.5) : HostTensor();
  };
  return {HostTensor::Random(t, {tokens, d}, 1),
          HostTensor::Random(DType::kI64, {tokens, p}, 2, 0, static_cast<double>(e) - 2),  // the last is never chosen
          HostTensor::Random(t == DType::kF64 ? t : weights, {tokens, p}, 3),
          random(true, {e, f, d}, 4),
          random(true, {e, d, f}, 6),
          random(up, {e, f, d}, 5),
          random(bias, {e, f}, 7),
          random(bias, {e, f}, 8),
          random(bias, {e, d}, 9)};
}

double BiasOr0(const HostTensor& bias, int64_t e, int64_t i) { return bias.view().present() ? bias({e, i}) : 0; }

std::vector<double> Naive(const Operands& o, const std::string& act) {
  const int64_t tokens = o.x.view().sizes[0], d = o.x.view().sizes[1], f = o.gate.view().sizes[1];
  std::vector<double> out(tokens * d);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t c = 0; c < o.indices.view().sizes[1]; ++c) {
      const int64_t e = static_cast<int64_t>(o.indices({t, c}));
      std::vector<double> hidden(f);
      for (int64_t i = 0; i < f; ++i) {
        double gate = BiasOr0(o.gate_bias, e, i), up = BiasOr0(o.up_bias, e, i);
        for (int64_t k = 0; k < d; ++k) {
          gate += o.gate({e, i, k}) * o.x({t, k});
          up += o.up.view().present() ? o.up({e, i, k}) * o.x({t, k}) : 0;
        }
        hidden[i] = Act(gate, act) * (o.up.view().present() ? up : 1);
      }
      for (int64_t i = 0; i < d; ++i) {
        double down = BiasOr0(o.down_bias, e, i);
        for (int64_t k = 0; k < f; ++k) {
          down += o.down({e, i, k}) * hidden[k];
        }
        out[t * d + i] += o.weights({t, c}) * down;
      }
    }
  }
  return out;
}

TEST(Moe, EqualsFormula) {
  for (DType t : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64}) {
    for (const std::string act : {"silu", "gelu", "gelu_tanh", "relu"}) {
      for (Form form : {Form::kPlain, Form::kGated, Form::kGatedBiased}) {
        for (int64_t tokens : {0, 1, 7, 300}) {
          if (tokens == 300 && (t != DType::kF32 || act != "silu")) {
            continue;
          }
          const DType weights = act == "relu" && t != DType::kF32 ? t : DType::kF32;
          const Operands o = Make(t, tokens, 3, 19, 6, 61, form, weights);
          const HostTensor y(t, {tokens, 19});
          ASSERT_TRUE(Launch(*FindCpuKernel("moe"), {{"activation", act}}, o.list(), {y}, 3).ok());
          const std::vector<double> want = Naive(o, act);
          const double unit = t == DType::kF64 ? 1e-10 : t == DType::kF32 ? 2e-5 : t == DType::kF16 ? 1e-2 : 8e-2;
          for (size_t i = 0; i < want.size(); ++i) {
            ASSERT_NEAR(y.Get(static_cast<int64_t>(i)), want[i], unit) << Name(t) << " " << act;
          }
        }
      }
    }
  }
}

TEST(Moe, UnchosenExpertsAreNotRead) {
  Operands o = Make(DType::kF32, 4, 2, 8, 5, 8, Form::kGated);
  for (int64_t i = 4 * 64; i < 5 * 64; ++i) {
    o.gate.Set(i, NAN);
    o.up.Set(i, NAN);
    o.down.Set(i, NAN);
  }
  const HostTensor y(DType::kF32, {4, 8});
  ASSERT_TRUE(Launch(*FindCpuKernel("moe"), {{"activation", "silu"}}, o.list(), {y}).ok());
  for (double v : y.Values()) {
    EXPECT_FALSE(std::isnan(v));
  }
}

// Bit for bit, alone or among others, whatever experts the others chose and however many threads compute.
TEST(Moe, TokensDoNotDependOnTheBatch) {
  for (DType t : {DType::kF32, DType::kBF16, DType::kF64}) {
    const Operands o = Make(t, 270, 2, 40, 4, 70, Form::kGatedBiased);
    const HostTensor y(t, {270, 40});
    ASSERT_TRUE(Launch(*FindCpuKernel("moe"), {{"activation", "silu"}}, o.list(), {y}, 4).ok());
    for (auto [begin, size] : {std::pair<int64_t, int64_t>{0, 1}, {100, 1}, {250, 20}, {256, 1}, {3, 70}}) {
      Operands part = o;
      part.x = o.x.Slice(0, begin, size);
      part.indices = o.indices.Slice(0, begin, size);
      part.weights = o.weights.Slice(0, begin, size);
      const HostTensor z(t, {size, 40});
      ASSERT_TRUE(Launch(*FindCpuKernel("moe"), {{"activation", "silu"}}, part.list(), {z}).ok());
      for (int64_t row = 0; row < size; ++row) {
        for (int64_t i = 0; i < 40; ++i) {
          ASSERT_EQ(z({row, i}), y({begin + row, i})) << Name(t) << " token " << begin + row;
        }
      }
    }
  }
}

TEST(Moe, BadExpertAndActivation) {
  Operands o = Make(DType::kF32, 2, 2, 4, 3, 4, Form::kGated);
  const HostTensor y(DType::kF32, {2, 4});
  EXPECT_FALSE(Launch(*FindCpuKernel("moe"), {{"activation", "swish"}}, o.list(), {y}).ok());
  o.indices.Set(3, 3);
  const absl::Status status = Launch(*FindCpuKernel("moe"), {}, o.list(), {y});
  EXPECT_EQ(status.message(), "indices[3] = 3 is not one of 3 experts");
}

}  // namespace
}  // namespace sluice::kernels
