// Every CUDA family compiled without a GPU: each type, optional operand and axis of its templates, and what the images
// say of registers and local memory.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "compiler/codegen/cuda/Images.h"
#include "runtime/base/file.h"
#include "runtime/cuda/cubin.h"
#include "test/kernels/cuda_query.h"

namespace sluice::codegen {
namespace {

using kernels::Attr;
using kernels::CudaOperand;
using kernels::CudaQuery;
using kernels::Hopper;
using kernels::Operand;

CudaOperand Weight(DType dtype, std::vector<int64_t> sizes) {
  CudaOperand operand = Operand(dtype, std::move(sizes));
  operand.weight = true;
  return operand;
}

constexpr DType kF32 = DType::kF32, kF16 = DType::kF16, kBF16 = DType::kBF16, kF64 = DType::kF64, kI64 = DType::kI64;

CudaQuery Query(std::string name, std::vector<CudaOperand> ins, std::vector<CudaOperand> outs,
                std::vector<Attr> attrs = {}) {
  return {.name = std::move(name),
          .attrs = kernels::Attrs(std::move(attrs)),
          .ins = std::move(ins),
          .outs = std::move(outs)};
}

Attr Ints(const char* name, std::vector<int64_t> values) { return {name, std::move(values)}; }
Attr Int(const char* name, int64_t value) { return {name, value}; }
Attr Text(const char* name, const char* value) { return {name, std::string(value)}; }

std::vector<CudaQuery> Movement() {
  return {
      Query("copy", {Operand(kF32, {-8, 16})}, {Operand(kF32, {-8, 16})}),
      Query("copy", {Operand(DType::kBool, {})}, {Operand(DType::kBool, {})}),
      Query("transpose", {Operand(kF16, {-2, 3, -5})}, {Operand(kF16, {-5, -2, 3})}, {Ints("perm", {2, 0, 1})}),
      Query("transpose", {Operand(kBF16, {1000, -2, 3000})}, {Operand(kBF16, {3000, -2, 1000})},
            {Ints("perm", {2, 1, 0})}),
      Query("transpose", {Operand(DType::kU8, {1000, 3000})}, {Operand(DType::kU8, {3000, 1000})},
            {Ints("perm", {1, 0})}),
      Query("transpose", {Operand(DType::kU8, {1024, 3200})}, {Operand(DType::kU8, {3200, 1024})},
            {Ints("perm", {1, 0})}),
      Query("transpose", {Operand(kF64, {1000, 3000})}, {Operand(kF64, {3000, 1000})}, {Ints("perm", {1, 0})}),
      Query("transpose", {Operand(kF16, {-2, 64, 12, 64})}, {Operand(kF16, {-2, 12, 64, 64})},
            {Ints("perm", {0, 2, 1, 3})}),
      Query("broadcast", {Operand(kI64, {-3})}, {Operand(kI64, {-2, -3})}, {Ints("dimensions", {0})}),
      Query("reverse", {Operand(kF64, {-2, -3})}, {Operand(kF64, {-2, -3})}, {Ints("axes", {-1})}),
      Query("tile", {Operand(DType::kI8, {-2, 3})}, {Operand(DType::kI8, {-4, -6})}),
      Query("gather", {Operand(kBF16, {100, 64}), Operand(kI64, {-1, -9})}, {Operand(kBF16, {-1, -9, 64})},
            {Int("axis", 0)}),
      Query("gather", {Operand(kF32, {-4, 100, 6}), Operand(DType::kI32, {})}, {Operand(kF32, {-4, 6})},
            {Int("axis", 1)}),
  };
}

std::vector<CudaQuery> Rows() {
  return {
      Query("rms_norm", {Operand(kBF16, {-1, -9, 4096}), Operand(kBF16, {4096})}, {Operand(kBF16, {-1, -9, 4096})}),
      Query("rms_norm", {Operand(kBF16, {-9, 4096}), Weight(kBF16, {4096})}, {Operand(kBF16, {-9, 4096})}),
      Query("layer_norm", {Operand(kF16, {-9, 768}), Weight(kF16, {768}), Weight(kF16, {768})},
            {Operand(kF16, {-9, 768})}),
      Query("rms_norm", {Operand(kF32, {-9, 64})}, {Operand(kF32, {-9, 64})}),
      Query("layer_norm", {Operand(kF16, {-9, 768}), Operand(kF32, {768}), Operand(kF32, {768})},
            {Operand(kF16, {-9, 768})}),
      Query("layer_norm", {Operand(kF64, {-9, 32}), Operand(kF64, {32})}, {Operand(kF64, {-9, 32})}),
      Query("layer_norm", {Operand(kF16, {-9, 32000}), Operand(kF32, {32000}), Operand(kF32, {32000})},
            {Operand(kF16, {-9, 32000})}),
      Query("rms_norm", {Operand(kF16, {-9, 20000}), Operand(kF16, {20000})}, {Operand(kF16, {-9, 20000})}),
      Query("softmax", {Operand(kF32, {-9, 32000})}, {Operand(kF32, {-9, 32000})}, {Int("axis", -1)}),
      Query("softmax", {Operand(kF32, {-2, 4, -9, -9})}, {Operand(kF32, {-2, 4, -9, -9})}, {Int("axis", -1)}),
      Query("softmax", {Operand(kBF16, {-2, 5, 7})}, {Operand(kBF16, {-2, 5, 7})}, {Int("axis", 1), Int("log", 1)}),
      Query("rope", {Operand(kF16, {-1, 4, -9, 64}), Operand(kF32, {-1, -9, 32}), Operand(kF32, {-1, -9, 32})},
            {Operand(kF16, {-1, 4, -9, 64})}),
      Query("rope", {Operand(kF32, {-1, 4, -9, 64}), Operand(kF32, {-9, 16}), Operand(kF32, {-9, 16})},
            {Operand(kF32, {-1, 4, -9, 64})}, {Int("interleaved", 1)}),
      Query("reduce", {Operand(kF32, {-3, -5, 7})}, {Operand(kF32, {-3, 7})},
            {Ints("axes", {1}), Text("kind", "mean")}),
      Query("reduce", {Operand(kF16, {-3, -5, 7})}, {Operand(kF16, {})}, {Ints("axes", {0, 1, 2}), Text("kind", "l2")}),
      Query("reduce", {Operand(kI64, {-3, 70000})}, {Operand(kI64, {-3})}, {Ints("axes", {-1}), Text("kind", "max")}),
      Query("reduce", {Operand(kBF16, {1 << 20, 64})}, {Operand(kBF16, {})},
            {Ints("axes", {0, 1}), Text("kind", "log_sum")}),
      Query("reduce", {Operand(DType::kI8, {1 << 16, 64})}, {Operand(DType::kI8, {64})},
            {Ints("axes", {0}), Text("kind", "max")}),
      Query("reduce", {Operand(kF64, {-9, 8, 7, 16})}, {Operand(kF64, {8, 16})},
            {Ints("axes", {0, 2}), Text("kind", "prod")}),
      Query("reduce", {Operand(kF16, {-9, 8, 7, 16})}, {Operand(kF16, {-9, 7})},
            {Ints("axes", {1, 3}), Text("kind", "l1")}),
      Query("reduce", {Operand(kF32, {-3, 4})}, {Operand(kF32, {4})}, {Ints("axes", {0}), Text("kind", "min")}),
      Query("pool", {Operand(kF32, {-1, 8, -32, -32})}, {Operand(kF32, {-1, 8, -16, -16})},
            {Ints("kernel", {3, 3}), Ints("strides", {2, 2}), Ints("pads", {1, 1, 1, 1})}),
      Query("pool", {Operand(kF16, {-1, 8, -32})}, {Operand(kF16, {-1, 8, -16})},
            {Ints("kernel", {2}), Text("kind", "average"), Int("count_include_pad", 1)}),
  };
}

std::vector<CudaQuery> Indexed() {
  const CudaOperand data = Operand(kF32, {-4, 5, -6});
  return {
      Query("gather_nd", {data, Operand(kI64, {-9, 2})}, {Operand(kF32, {-9, -6})}),
      Query("gather_nd", {Operand(kF16, {-4, 5}), Operand(DType::kI32, {-4, 1})}, {Operand(kF16, {-4})},
            {Int("batch_dims", 1)}),
      Query("gather_elements", {data, Operand(kI64, {-4, 3, -6})}, {Operand(kF32, {-4, 3, -6})}, {Int("axis", 1)}),
      Query("scatter_nd", {data, Operand(kI64, {-9, 2}), Operand(kF32, {-9, -6})}, {data}, {Text("reduction", "add")}),
      Query("scatter_nd", {data, Operand(kI64, {-9, 3}), Operand(kF32, {-9})}, {data}),
      Query("scatter_elements", {Operand(kBF16, {-4, 5}), Operand(DType::kI32, {-4, 2}), Operand(kBF16, {-4, 2})},
            {Operand(kBF16, {-4, 5})}, {Int("axis", -1), Text("reduction", "max")}),
      Query("arg_reduce", {data}, {Operand(kI64, {-4, -6})}, {Int("axis", 1)}),
      Query("arg_reduce", {Operand(kBF16, {-4, 1, 50000})}, {Operand(kI64, {-4, 1})}, {Int("axis", 2)}),
      Query("arg_reduce", {Operand(kI64, {-7})}, {Operand(kI64, {})},
            {Int("axis", 0), Text("kind", "min"), Int("select_last_index", 1)}),
      Query("top_k", {Operand(kF16, {-4, 64})}, {Operand(kF16, {-4, 2}), Operand(kI64, {-4, 2})}, {Int("axis", -1)}),
      Query("top_k", {Operand(DType::kI32, {-4, 64})}, {Operand(DType::kI32, {2, 64}), Operand(kI64, {2, 64})},
            {Int("axis", 0), Int("largest", 0)}),
      Query("cumsum", {data}, {data}, {Int("axis", 2), Int("exclusive", 1)}),
      Query("cumsum", {Operand(kI64, {-4, -9})}, {Operand(kI64, {-4, -9})}, {Int("axis", 0), Int("reverse", 1)}),
  };
}

std::vector<CudaQuery> Resampling() {
  const auto resize = [](DType type, std::vector<Attr> attrs) {
    return Query("resize", {Operand(type, {-1, 3, -16, -16})}, {Operand(type, {-1, 3, -40, -40})}, std::move(attrs));
  };
  const auto sample = [](DType type, std::vector<int64_t> x, std::vector<int64_t> grid, std::vector<int64_t> y,
                         const char* mode, const char* padding, int64_t corners) {
    return Query("grid_sample", {Operand(type, std::move(x)), Operand(type, std::move(grid))},
                 {Operand(type, std::move(y))},
                 {Text("mode", mode), Text("padding", padding), Int("align_corners", corners)});
  };
  return {
      resize(kF32, {Text("mode", "nearest"), Text("coordinate_mode", "asymmetric"), Text("nearest_mode", "floor")}),
      resize(DType::kBool, {Text("coordinate_mode", "pytorch_half_pixel"), Text("nearest_mode", "ceil")}),
      resize(kF16, {Text("mode", "linear"), {"scales", std::vector<double>{1, 1, 2.5, 2.5}}}),
      resize(DType::kU8, {Text("mode", "cubic"), Text("coordinate_mode", "align_corners")}),
      resize(kF64, {Text("mode", "cubic"), Text("coordinate_mode", "half_pixel_symmetric"), Int("exclude_outside", 1)}),
      resize(DType::kI8, {Text("mode", "linear"), Text("nearest_mode", "round_prefer_ceil")}),
      sample(kF32, {-1, 3, -16, -16}, {-1, -9, 7, 2}, {-1, 3, -9, 7}, "linear", "zeros", 0),
      sample(kF16, {-1, 3, -16, -16}, {-1, -9, 7, 2}, {-1, 3, -9, 7}, "cubic", "reflection", 1),
      sample(kF32, {-1, 3, -4, -5, -6}, {-1, -2, -9, 7, 3}, {-1, 3, -2, -9, 7}, "cubic", "border", 1),
      sample(kF64, {-1, 3, -16}, {-1, -9, 1}, {-1, 3, -9}, "nearest", "border", 0),
  };
}

std::vector<CudaQuery> Recurrent() {
  // x, w, r, then what is optional.
  const auto weights = [](DType type, int64_t directions, int64_t gates) {
    return std::vector<CudaOperand>{Operand(type, {-9, -2, 8}), Operand(type, {directions, gates * 48, 8}),
                                    Operand(type, {directions, gates * 48, 48})};
  };
  const auto state = [](DType type, int64_t directions) { return Operand(type, {directions, -2, 48}); };
  const auto all = [](DType type, int64_t directions) { return Operand(type, {-9, directions, -2, 48}); };
  std::vector<CudaQuery> queries = {
      Query("lstm", weights(kF32, 1, 4), {all(kF32, 1), state(kF32, 1), state(kF32, 1)},
            {Text("direction", "reverse")}),
      Query("lstm", weights(kF16, 2, 4), {all(kF16, 2), state(kF16, 2), state(kF16, 2)},
            {Text("direction", "bidirectional"), {"clip", 3.0}, Int("input_forget", 1)}),
      Query("gru", weights(kF64, 1, 3), {all(kF64, 1), state(kF64, 1)}),
      Query("gru", weights(kBF16, 2, 3), {all(kBF16, 2), state(kBF16, 2)},
            {Text("direction", "bidirectional"), Int("linear_before_reset", 1)}),
  };
  for (CudaOperand optional :
       {Operand(kF16, {2, 8 * 48}), Operand(kI64, {-2}), state(kF16, 2), state(kF16, 2), Operand(kF16, {2, 3 * 48})}) {
    queries[1].ins.push_back(optional);
  }
  return queries;
}

std::vector<CudaQuery> Experts() {
  const auto moe = [](DType type, DType routing, int64_t tokens, int64_t d, int64_t f, bool all,
                      const char* activation) {
    std::vector<CudaOperand> ins = {Operand(type, {tokens, d}), Operand(kI64, {tokens, 2}),
                                    Operand(routing, {tokens, 2}), Operand(type, {8, f, d}), Operand(type, {8, d, f})};
    for (CudaOperand optional :
         {Operand(type, {8, f, d}), Operand(type, {8, f}), Operand(type, {8, f}), Operand(type, {8, d})}) {
      ins.push_back(all ? optional : CudaOperand());
    }
    ins[1].dtype = all ? kI64 : DType::kI32;
    return Query("moe", std::move(ins), {Operand(type, {tokens, d})}, {Text("activation", activation)});
  };
  return {
      moe(kBF16, kBF16, -1, 2048, 768, true, "silu"),   moe(kF16, kF32, -64, 256, 512, false, "gelu"),
      moe(kBF16, kF32, -4096, 256, 512, true, "relu"),  moe(kF32, kF32, -16, 64, 48, true, "silu"),
      moe(kF32, kF32, -300, 30, 17, true, "gelu_tanh"), moe(kF16, kF16, -1, 33, 20, true, "silu"),
  };
}

std::vector<CudaQuery> Codes() {
  const CudaOperand x = Operand(kF32, {-1, -9, 64});
  return {
      Query("quantize", {x, Operand(kF32, {}), Operand(DType::kU8, {})}, {Operand(DType::kU8, {-1, -9, 64})}),
      Query("quantize", {Operand(kF16, {-1, 8, -5}), Operand(kF16, {8})}, {Operand(DType::kI8, {-1, 8, -5})},
            {Int("axis", 1)}),
      Query("dequantize", {Operand(DType::kI8, {-1, 8, -5}), Operand(kF32, {8}), Operand(DType::kI8, {8})},
            {Operand(kF32, {-1, 8, -5})}, {Int("axis", 1)}),
      Query("quantize", {Operand(kF32, {-1, 64}), Operand(kF32, {-1, 4})}, {Operand(DType::kI8, {-1, 64})},
            {Int("axis", 1), Int("block", 16)}),
      Query("dequantize", {Operand(DType::kI8, {-5, -4}), Operand(kF32, {-4})}, {Operand(kF32, {-5, -4})},
            {Int("axis", 1)}),
      Query("dequantize", {Operand(DType::kU4, {8, 64}), Operand(kF16, {8, 2}), Operand(DType::kU4, {8, 2})},
            {Operand(kF16, {8, 64})}, {Int("axis", 1), Int("block", 32)}),
      Query("dequantize", {Operand(DType::kI32, {-3}), Operand(kF32, {1})}, {Operand(kF32, {-3})}),
      Query("linear_q4", {x, Operand(DType::kU4, {32, 64}), Operand(kF32, {32, 2})}, {Operand(kF32, {-1, -9, 32})},
            {Int("block", 32)}),
      Query("linear_q4",
            {Operand(kF16, {-9, 64}), Operand(DType::kI4, {32, 64}), Operand(kF16, {32, 4}),
             Operand(DType::kI4, {32, 4})},
            {Operand(kF16, {-9, 32})}, {Int("block", 16)}),
      Query("linear_q8", {x, Operand(DType::kI8, {32, 64}), Operand(kF32, {32}), Operand(kF32, {32})},
            {Operand(kF32, {-1, -9, 32})}),
  };
}

std::vector<CudaQuery> Contractions() {
  const auto heads = [](DType type, int64_t n) { return Operand(type, {-1, n, -9, 64}); };
  std::vector<CudaQuery> queries;
  for (DType type : {kF32, kF16, kBF16, kF64}) {
    if (type != kF64) {
      queries.push_back(
          Query("linear", {Operand(type, {-1, -9, 768}), Operand(type, {3072, 768})}, {Operand(type, {-1, -9, 3072})}));
      queries.push_back(Query("matmul", {Operand(type, {-1, 4, -9, 16}), Operand(type, {-1, 4, 16, -9})},
                              {Operand(type, {-1, 4, -9, -9})}));
    }
    queries.push_back(
        Query("attention", {heads(type, 8), heads(type, 2), heads(type, 2)}, {heads(type, 8)}, {Int("causal", 1)}));
    queries.push_back(Query("conv", {Operand(type, {-1, 3, -32, -32}), Operand(type, {8, 3, 3, 3}), Operand(type, {8})},
                            {Operand(type, {-1, 8, -32, -32})}, {Ints("pads", {1, 1, 1, 1})}));
  }
  queries.push_back(Query("matmul", {Operand(kF32, {-9, 16}), Operand(kF32, {-9, 16})}, {Operand(kF32, {-9, -9})},
                          {Int("transpose_b", 1)}));
  queries.push_back(
      Query("attention",
            {heads(kF32, 4), heads(kF32, 4), Operand(kF32, {-1, 4, -9, 48}), Operand(kF16, {1, 1, -9, -9}),
             Operand(DType::kBool, {-1, -9}), Operand(kI64, {-1}), Operand(kF32, {4})},
            {Operand(kF32, {-1, 4, -9, 48})}, {Int("window", 8), {"softcap", 30.0}}));
  queries.push_back(Query("conv_transpose", {Operand(kF32, {-1, 4, -8, -8}), Operand(kF32, {4, 2, 2, 2})},
                          {Operand(kF32, {-1, 4, -16, -16})}, {Ints("strides", {2, 2}), Int("groups", 2)}));
  queries.push_back(Query("conv", {Operand(kF32, {-1, 4, -32}), Operand(kF32, {4, 1, 3})},
                          {Operand(kF32, {-1, 4, -32})}, {Int("groups", 4)}));
  return queries;
}

// Channels last: each type and way of filling a slot, splits and wide tiles, one to three dimensions, groups,
// transposes, depthwise with and without whole chunks; pools.
std::vector<CudaQuery> ChannelsLast() {
  std::vector<CudaQuery> queries;
  const auto conv = [&](DType type, int64_t batch, std::vector<int64_t> image, std::vector<int64_t> window,
                        int64_t channels, int64_t features, int64_t groups = 1, std::string name = "conv") {
    const std::vector<int64_t> same(window.size(), 1);
    std::vector<int64_t> x = {batch}, w = {features}, y = {batch};
    x.insert(x.end(), image.begin(), image.end()), w.insert(w.end(), window.begin(), window.end());
    y.insert(y.end(), image.begin(), image.end());
    x.push_back(channels), w.push_back(channels / groups), y.push_back(features);
    queries.push_back(Query(std::move(name), {Operand(type, x), Operand(type, w), Operand(type, {features})},
                            {Operand(type, y)},
                            {Int("channels_last", 1), Ints("strides", same), Int("groups", groups)}));
  };
  for (DType type : {kF16, kBF16, kF32}) {
    conv(type, 1, {7, 7}, {3, 3}, 512, 512);
    conv(type, 32, {56, 56}, {1, 1}, 256, 512);
    conv(type, -8, {-56, -56}, {7, 7}, 3, 64);
    conv(type, 2, {14, 14}, {3, 3}, 96, 96, 96);
    conv(type, 2, {14, 14}, {3, 3}, 37, 37, 37);
    conv(type, 2, {14, 14}, {2, 2}, 64, 32, 2, "conv_transpose");
  }
  conv(kF16, 1, {500}, {5}, 64, 64);
  conv(kF16, 2, {14, 14}, {3, 3}, 24, 40);
  conv(kF16, 1, {9, 9, 9}, {3, 3, 3}, 32, 64, 4);
  conv(kBF16, 1, {14, 14}, {3, 3}, 12, 24, 12, "conv_transpose");
  queries.push_back(Query("pool", {Operand(kF16, {-1, -32, -32, 64})}, {Operand(kF16, {-1, -16, -16, 64})},
                          {Int("channels_last", 1), Ints("kernel", {3, 3}), Ints("strides", {2, 2})}));
  queries.push_back(Query("pool", {Operand(kF32, {-1, -32, 6})}, {Operand(kF32, {-1, -16, 6})},
                          {Int("channels_last", 1), Ints("kernel", {2}), Text("kind", "average")}));
  return queries;
}

// Products of codes in each form, by wgmma and by mma.sync, with sums as they are and made codes again.
std::vector<CudaQuery> CodeProducts() {
  std::vector<CudaQuery> queries;
  const auto add = [&](std::string name, std::vector<CudaOperand> ins, std::vector<int64_t> result, DType type,
                       std::vector<Attr> attrs = {}) {
    queries.push_back(Query(std::move(name), std::move(ins), {Operand(type, std::move(result))}, std::move(attrs)));
    if (type != DType::kI32) {
      queries.back().epilogue_ins = 2;
      queries.back().epilogue =
          "struct Epilogue {\n  __device__ Epilogue(const sl::Step*) {}\n"
          "  __device__ int32_t operator()(int32_t v, int64_t, int64_t) const { return v >> 8; }\n};\n";
    }
  };
  constexpr DType kU8 = DType::kU8, kI8 = DType::kI8, kI32 = DType::kI32;
  add("linear", {Operand(kU8, {8, 4096}), Weight(kI8, {4096, 4096})}, {8, 4096}, kI8);
  add("linear", {Operand(kI8, {48, 1024}), Weight(kI8, {96, 1024})}, {48, 96}, kI32);
  add("linear", {Operand(kU8, {4096, 4096}), Weight(kU8, {4096, 4096})}, {4096, 4096}, kU8);
  add("linear", {Operand(kI8, {300, 1040}), Weight(kU8, {1000, 1040})}, {300, 1000}, kI32);
  add("linear", {Operand(kU8, {-9, 33}), Weight(kI8, {17, 33})}, {-9, 17}, kI8);
  const auto conv = [&](int64_t image, int64_t channels, int64_t outside, DType type) {
    add("conv", {Operand(kU8, {1, image, image, channels}), Weight(kI8, {64, 3, 3, channels})}, {1, image, image, 64},
        type, {Ints("pads", {1, 1, 1, 1}), Int("channels_last", 1), Int("outside", outside)});
  };
  conv(56, 256, 0, kU8);
  conv(14, 64, 7, kI32);
  conv(30, 3, 114, kU8);
  return queries;
}

// Sizes that lead to each form the tensor cores have: streams, splits, multicasts, ping-pong; batches and both orders
// of the weight; epilogues; prefill by each tile, with each kind of bias and of rows without keys, decode with lengths
// and with two groups of rows.
std::vector<CudaQuery> TensorCores() {
  std::vector<CudaQuery> queries;
  for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 4096, 4096},
                                {64, 4096, 14336},
                                {256, 4096, 4096},
                                {1024, 4096, 4096},
                                {8192, 3072, 768},
                                {300, 1000, 520}}) {
    queries.push_back(Query("linear", {Operand(kBF16, {m, k}), Operand(kBF16, {n, k})}, {Operand(kBF16, {m, n})}));
  }
  // An epilogue of two parts in every form, and of codes.
  const auto gated = [&](std::string name, std::vector<CudaOperand> ins, std::vector<int64_t> result,
                         std::vector<Attr> attrs = {}) {
    CudaQuery query = Query(std::move(name), std::move(ins), {Operand(kBF16, std::move(result))}, std::move(attrs));
    query.epilogue =
        "struct Epilogue {\n  __device__ Epilogue(const sl::Step*) {}\n"
        "  __device__ float operator()(float a, float b, int64_t, int64_t) const { return a * b; }\n};\n";
    query.epilogue_ins = static_cast<int>(query.ins.size());
    query.parts = 2;
    queries.push_back(std::move(query));
  };
  for (const int64_t m : {5, 300}) {
    gated("linear", {Operand(kBF16, {m, 776}), Operand(kBF16, {1008, 776})}, {m, 504});
    gated("linear", {Operand(kF32, {m, 33}), Operand(kF32, {48, 33})}, {m, 24});
  }
  gated("linear", {Operand(kBF16, {32, 14336}), Operand(kBF16, {4096, 14336})}, {32, 2048});
  gated("linear_q4", {Operand(kBF16, {5, 64}), Operand(DType::kU4, {48, 64}), Operand(kF16, {48, 2})}, {5, 24},
        {Int("block", 32)});
  for (const int64_t m : {128, 4096}) {  // an operand of the result's shape, for a split and for whole tiles
    queries.push_back(Query("linear", {Operand(kF16, {m, 768}), Operand(kF16, {768, 768}), Operand(kF16, {m, 768})},
                            {Operand(kF16, {m, 768})}));
    queries.back().epilogue_ins = queries.back().epilogue_whole = 2;
    queries.back().epilogue =
        "struct Epilogue {\n  __device__ Epilogue(const sl::Step*, const sl::Arg<2>&) {}\n"
        "  __device__ float operator()(float v, int64_t, int64_t) const { return v; }\n"
        "  __device__ float operator()(float v, int64_t, int64_t, sl::f16 e) const { return v + sl::to_float(e); }\n"
        "};\n";
  }
  queries.push_back(
      Query("matmul", {Operand(kF16, {3, 200, 136}), Operand(kF16, {3, 136, 264})}, {Operand(kF16, {3, 200, 264})}));
  queries.push_back(Query("matmul", {Operand(kBF16, {3, 200, 136}), Operand(kBF16, {3, 264, 136})},
                          {Operand(kF32, {3, 200, 264})}, {Int("transpose_b", 1)}));
  const auto attention = [&](int64_t s, int64_t t, int64_t d, std::vector<Attr> attrs, int64_t b = 2) {
    attrs.push_back(Int("causal", 1));
    queries.push_back(Query(
        "attention",
        {Operand(kBF16, {b, 8, s, d}), Operand(kBF16, {b, 2, t, d}), Operand(kBF16, {b, 2, t, d}), {}, {}, {}, {}},
        {Operand(kBF16, {b, 8, s, d})}, std::move(attrs)));
    return &queries.back();
  };
  attention(16384, 16384, 128, {});
  attention(1024, 1024, 128, {}, 32);
  attention(8192, 8192, 64, {});
  attention(1024, 1024, 256, {Int("window", 100), {"softcap", 30.0}});
  attention(1024, 1024, 128, {})->ins[3] = Operand(kBF16, {1, 8, 1024, 1024});
  attention(1024, 1024, 64, {Text("empty_rows", "either")})->ins[4] = Operand(DType::kBool, {2, 1024});
  attention(128, 128, 64, {Text("empty_rows", "uniform")}, 64)->ins[4] = Operand(DType::kBool, {64, 128});
  attention(80, -320, 64, {}, 128);
  attention(1, 4096, 128, {Text("empty_rows", "scores")})->ins[5] = Operand(kI64, {2});
  attention(4, 4096, 64, {})->ins[6] = Operand(kF32, {8});
  attention(128, 128, 64, {Text("empty_rows", "uniform")})->ins[4] = Operand(DType::kBool, {2, 128});
  attention(40, 40, 64, {})->ins[3] = Operand(kBF16, {2, 1, 1, 40});
  attention(40, 40, 128, {})->ins[3] = Operand(kF32, {2, 1, 40, 40});
  attention(100, 260, 128, {Text("empty_rows", "scores"), Int("window", 50)})->ins[5] = Operand(kI64, {2});
  queries.push_back(Query("linear_q4",
                          {Operand(kBF16, {1, 4096}), Operand(DType::kU4, {4096, 4096}), Operand(kF16, {4096, 128}),
                           Operand(DType::kU4, {4096, 128})},
                          {Operand(kBF16, {1, 4096})}, {Int("block", 32)}));
  queries.push_back(Query("linear_q8",
                          {Operand(kF32, {16, 4096}), Operand(DType::kI8, {4096, 4096}), Operand(kF32, {4096, 32})},
                          {Operand(kF32, {16, 4096})}, {Int("block", 128)}));
  return queries;
}

TEST(CudaKernels, EveryFamilyCompilesWithoutSpills) {
  setenv("SLUICE_KERNEL_CACHE", "", 1);
  std::vector<CudaQuery> queries = Movement();
  for (const std::vector<CudaQuery>& more : {Rows(), Indexed(), Resampling(), Recurrent(), Experts(), Codes(),
                                             Contractions(), ChannelsLast(), TensorCores(), CodeProducts()}) {
    queries.insert(queries.end(), more.begin(), more.end());
  }
  std::vector<CudaSource> sources;
  std::vector<kernels::CudaKernel> made;
  std::set<std::string> families;
  for (const CudaQuery& query : queries) {
    const absl::StatusOr<kernels::CudaChoice> choice = kernels::ChooseCuda(query, Hopper());
    ASSERT_TRUE(choice.ok()) << choice.status();
    EXPECT_GT(choice->plan.us, 0) << query.name;
    families.insert(query.name);
    sources.push_back({choice->kernel.entry + "-" + std::to_string(made.size()), choice->kernel.text});
    made.push_back(choice->kernel);
  }
  for (const kernels::CudaFamily* family : kernels::AllCudaFamilies()) {
    EXPECT_TRUE(families.count(family->name)) << family->name << " is not tried here";
  }
  const std::string folder = ::testing::TempDir() + "/sluice-kernels/";
  std::filesystem::create_directories(folder);
  const auto images = CompileImages(sources, Hopper(), {.dumpDirectory = folder});
  ASSERT_TRUE(images.ok()) << images.status();
  for (size_t i = 0; i < images->size(); ++i) {
    // A launch begins before the one it follows has ended: a kernel that did not wait would compute with what is not
    // there yet, and one that let no other begin would keep the next from overlapping it.
    const absl::StatusOr<std::string> ptx = ReadFile(folder + sources[i].name + ".ptx");
    ASSERT_TRUE(ptx.ok()) << ptx.status();
    EXPECT_TRUE(made[i].overlaps_previous) << sources[i].text;
    EXPECT_NE(ptx->find("griddepcontrol.wait"), std::string::npos) << sources[i].text;
    EXPECT_NE(ptx->find("griddepcontrol.launch_dependents"), std::string::npos) << sources[i].text;
    const absl::StatusOr<cuda::CubinFacts> facts = cuda::ReadCubin((*images)[i], made[i].entry);
    ASSERT_TRUE(facts.ok()) << facts.status();
    EXPECT_EQ(facts->local_bytes, 0) << sources[i].text;
    EXPECT_GT(facts->registers, 0) << sources[i].text;
    EXPECT_LE(facts->registers * made[i].block, Hopper().registers_per_sm) << sources[i].text;
    EXPECT_LE(facts->shared_bytes + made[i].shared, Hopper().shared_per_block) << sources[i].text;
  }
}

TEST(CudaKernels, RefusalsSayWhatIsMissing) {
  const auto message = [](const CudaQuery& query) {
    return std::string(kernels::ChooseCuda(query, Hopper()).status().message());
  };
  EXPECT_EQ(message(Query("linear", {Operand(DType::kI8, {-9, 16}), Operand(DType::kI8, {8, 16})},
                          {Operand(DType::kI8, {-9, 8})})),
            "no CUDA kernel 'linear' for i8 of products of codes");
  EXPECT_EQ(message(Query("no_such_op", {}, {})), "no CUDA kernel 'no_such_op'");
  CudaQuery fused = Query("softmax", {Operand(kF32, {-9})}, {Operand(kF32, {-9})});
  fused.epilogue = "struct Epilogue {};";
  EXPECT_EQ(message(fused), "CUDA kernel 'softmax' takes no epilogue");
}

TEST(CudaImages, CacheGivesTheSameBytesAndSurvivesDamage) {
  const std::string folder = ::testing::TempDir() + "/sluice-kernel-cache";
  setenv("SLUICE_KERNEL_CACHE", folder.c_str(), 1);
  const CudaSource source{"k", "extern \"C\" __global__ void k(float* x) { x[threadIdx.x] = 1; }"};
  const auto first = CompileImages({&source, 1}, Hopper(), {});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto again = CompileImages({&source, 1}, Hopper(), {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*first, *again);
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    ++files;
    std::filesystem::resize_file(file.path(), 100);
  }
  EXPECT_GE(files, 1);
  const auto mended = CompileImages({&source, 1}, Hopper(), {});
  ASSERT_TRUE(mended.ok()) << mended.status();
  EXPECT_EQ(*first, *mended);
  std::filesystem::remove_all(folder);
  setenv("SLUICE_KERNEL_CACHE", "", 1);
}

TEST(CudaImages, AnErrorNamesTheKernel) {
  const CudaSource source{"ew_7", "extern \"C\" __global__ void ew_7() { undeclared(); }"};
  const auto images = CompileImages({&source, 1}, Hopper(), {});
  ASSERT_FALSE(images.ok());
  EXPECT_NE(images.status().message().find("kernel ew_7"), std::string::npos) << images.status();
  EXPECT_NE(images.status().message().find("undeclared"), std::string::npos) << images.status();
}

TEST(Cubin, WrongBytesAreRefused) {
  const uint8_t bytes[100] = {0x7f, 'E', 'L', 'F'};
  EXPECT_FALSE(cuda::ReadCubin(bytes, "k").ok());
  EXPECT_FALSE(cuda::ReadCubin({}, "k").ok());
}

}  // namespace
}  // namespace sluice::codegen
