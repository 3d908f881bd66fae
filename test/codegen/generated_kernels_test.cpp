// Generated kernels, compiled, loaded and run against plain loops.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <random>

#include "compiler/codegen/cpu/GeneratedKernels.h"
#include "dialects/nn/NNDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"

namespace mlir::sluice::codegen {
namespace {

using Entry = void (*)(const void* const*, void* const*, const int64_t*, int64_t, int64_t);

// A kernel written as a function whose arguments are the tensors read, then those written.
class Kernel {
 public:
  Kernel(const std::string& text, unsigned ins, std::vector<std::vector<std::string>> dims, std::string grid,
         std::string isa = "x86-64-v3", std::vector<std::vector<std::string>> strides = {},
         std::vector<std::string> offsets = {}) {
    context_.loadDialect<func::FuncDialect, linalg::LinalgDialect, tensor::TensorDialect, arith::ArithDialect,
                         math::MathDialect>();
    module_ = parseSourceString<ModuleOp>(text, &context_);
    EXPECT_TRUE(module_);
    auto func = *module_->getOps<func::FuncOp>().begin();
    GeneratedKernel kernel{
        "k", &func.front(), ins, std::move(dims), std::move(grid), std::move(strides), std::move(offsets)};
    auto libraries = compileKernels(context_, kernel, {{isa}, ""});
    if (failed(libraries)) {
      ADD_FAILURE() << "does not compile";
      return;
    }
    bytes_ = (*libraries)[0].bytes;
    file_ = memfd_create("k", 0);
    EXPECT_EQ(write(file_, bytes_.data(), bytes_.size()), static_cast<ssize_t>(bytes_.size()));
    handle_ = dlopen(("/proc/self/fd/" + std::to_string(file_)).c_str(), RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(handle_, nullptr) << dlerror();
    entry_ = handle_ ? reinterpret_cast<Entry>(dlsym(handle_, "k")) : nullptr;
  }
  ~Kernel() {
    if (handle_) {
      dlclose(handle_);
    }
    close(file_);
  }
  void operator()(std::vector<const void*> ins, std::vector<void*> outs, std::vector<int64_t> params, int64_t begin,
                  int64_t end) {
    ASSERT_NE(entry_, nullptr);
    entry_(ins.data(), outs.data(), params.data(), begin, end);
  }
  const std::vector<char>& bytes() const { return bytes_; }

 private:
  MLIRContext context_;
  OwningOpRef<ModuleOp> module_;
  std::vector<char> bytes_;
  // NOTE: open while loaded: dlopen knows libraries by path, and the path of a closed descriptor is reused.
  int file_ = -1;
  void* handle_ = nullptr;
  Entry entry_ = nullptr;
};

std::vector<float> randomFloats(size_t n, float low = -3, float high = 3) {
  std::mt19937 rng(7);
  std::uniform_real_distribution<float> dist(low, high);
  std::vector<float> v(n);
  for (float& x : v) {
    x = dist(rng);
  }
  return v;
}

constexpr const char* kGelu = R"(
  func.func @f(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
    %0 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
        ins(%x : tensor<?xf32>) outs(%y : tensor<?xf32>) {
    ^bb0(%a: f32, %b: f32):
      %half = arith.constant 0.5 : f32
      %root = arith.constant 0.70710678 : f32
      %one = arith.constant 1.0 : f32
      %1 = arith.mulf %a, %root : f32
      %2 = math.erf %1 : f32
      %3 = arith.addf %2, %one : f32
      %4 = arith.mulf %a, %3 : f32
      %5 = arith.mulf %4, %half : f32
      linalg.yield %5 : f32
    } -> tensor<?xf32>
    return %0 : tensor<?xf32>
  })";

TEST(GeneratedKernels, ComputesElementwiseOnAnyRange) {
  for (std::string isa : {"x86-64-v3", "x86-64-v4"}) {
    if (isa == "x86-64-v4" && !__builtin_cpu_supports("avx512f")) {
      continue;
    }
    Kernel kernel(kGelu, 1, {{"p0"}, {"p0"}}, "p0", isa);
    for (int64_t n : {0, 1, 7, 1003}) {
      std::vector<float> x = randomFloats(n), y(n, -99.0f);
      kernel({x.data()}, {y.data()}, {n}, 0, n);
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_NEAR(y[i], 0.5 * x[i] * (1 + std::erf(x[i] * M_SQRT1_2)), 2e-6) << isa << " " << i;
      }
    }
    // Rows outside [begin, end) stay as they are.
    std::vector<float> x = randomFloats(10), y(10, -99.0f);
    kernel({x.data()}, {y.data()}, {10}, 3, 5);
    EXPECT_EQ(y[2], -99.0f);
    EXPECT_NE(y[3], -99.0f);
    EXPECT_EQ(y[5], -99.0f);
  }
}

TEST(GeneratedKernels, WorksInPlace) {
  Kernel kernel(kGelu, 1, {{"p0"}, {"p0"}}, "p0");
  std::vector<float> x = randomFloats(513), y = x;
  kernel({y.data()}, {y.data()}, {513}, 0, 513);
  for (int i = 0; i < 513; ++i) {
    EXPECT_NEAR(y[i], 0.5 * x[i] * (1 + std::erf(x[i] * M_SQRT1_2)), 2e-6);
  }
}

TEST(GeneratedKernels, SameTextGivesSameBytes) {
  Kernel a(kGelu, 1, {{"p0"}, {"p0"}}, "p0"), b(kGelu, 1, {{"p0"}, {"p0"}}, "p0");
  EXPECT_EQ(a.bytes(), b.bytes());
}

// A row's sum of squares plus a broadcast: a transposed read, a reduction and a second input of lower rank.
TEST(GeneratedKernels, ReducesRowsAndReadsThroughMaps) {
  Kernel kernel(R"(
    func.func @f(%x: tensor<?x?xf32>, %b: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
      %zero = arith.constant 0.0 : f32
      %init = linalg.fill ins(%zero : f32) outs(%y : tensor<?xf32>) -> tensor<?xf32>
      %0 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1, d0)>, affine_map<(d0, d1) -> (d0)>, affine_map<(d0, d1) -> (d0)>],
          iterator_types = ["parallel", "reduction"]} ins(%x, %b : tensor<?x?xf32>, tensor<?xf32>) outs(%init : tensor<?xf32>) {
      ^bb0(%a: f32, %c: f32, %acc: f32):
        %1 = arith.mulf %a, %a : f32
        %2 = arith.addf %1, %c : f32
        %3 = arith.addf %acc, %2 : f32
        linalg.yield %3 : f32
      } -> tensor<?xf32>
      return %0 : tensor<?xf32>
    })",
                2, {{"p1", "p0"}, {"p0"}, {"p0"}}, "p0");
  for (auto [n, k] : {std::pair<int64_t, int64_t>{5, 37}, {1, 1}, {3, 0}}) {
    std::vector<float> x = randomFloats(n * k), b = randomFloats(n), y(n, -1);
    kernel({x.data(), b.data()}, {y.data()}, {n, k}, 0, n);
    for (int64_t r = 0; r < n; ++r) {
      double want = 0;
      for (int64_t i = 0; i < k; ++i) {
        want += x[i * n + r] * x[i * n + r] + b[r];
      }
      EXPECT_NEAR(y[r], want, 1e-4 * (1 + std::fabs(want)));
    }
  }
}

// Three loops: the outer two are rows, the input is a transposed, offset slice read through strides.
TEST(GeneratedKernels, ReadsStridedOperands) {
  Kernel kernel(R"(
    func.func @f(%x: tensor<?x?x?xf32>, %y: tensor<?x?x?xf32>) -> tensor<?x?x?xf32> {
      %0 = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2) -> (d0, d1, d2)>, affine_map<(d0, d1, d2) -> (d0, d1, d2)>],
          iterator_types = ["parallel", "parallel", "parallel"]} ins(%x : tensor<?x?x?xf32>) outs(%y : tensor<?x?x?xf32>) {
      ^bb0(%a: f32, %c: f32):
        %1 = arith.negf %a : f32
        linalg.yield %1 : f32
      } -> tensor<?x?x?xf32>
      return %0 : tensor<?x?x?xf32>
    })",
                1, {{"p0", "p1", "5"}, {"p0", "p1", "5"}}, "p2", "x86-64-v3", {{"100", "p3", "7"}, {"p4", "5", "1"}},
                {"3", "0"});
  std::vector<float> x = randomFloats(400), y(2 * 4 * 5);
  kernel({x.data()}, {y.data()}, {2, 4, 8, 2, 20}, 0, 8);
  for (int64_t a = 0; a < 2; ++a) {
    for (int64_t b = 0; b < 4; ++b) {
      for (int64_t c = 0; c < 5; ++c) {
        EXPECT_EQ(y[a * 20 + b * 5 + c], -x[3 + a * 100 + b * 2 + c * 7]);
      }
    }
  }
}

// bf16 arithmetic rounds after every op; comparisons give bytes; integers divide without trapping.
TEST(GeneratedKernels, NarrowFloatsBoolsAndDivision) {
  Kernel add(R"(
    func.func @f(%x: tensor<?xbf16>, %h: tensor<?xf16>, %y: tensor<?xbf16>, %m: tensor<?xi1>) -> (tensor<?xbf16>, tensor<?xi1>) {
      %0:2 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
          iterator_types = ["parallel"]} ins(%x, %h : tensor<?xbf16>, tensor<?xf16>) outs(%y, %m : tensor<?xbf16>, tensor<?xi1>) {
      ^bb0(%a: bf16, %b: f16, %c: bf16, %d: i1):
        %1 = arith.extf %b : f16 to f32
        %2 = arith.truncf %1 : f32 to bf16
        %3 = arith.addf %a, %2 : bf16
        %zero = arith.constant 0.0 : bf16
        %4 = arith.cmpf ogt, %3, %zero : bf16
        linalg.yield %3, %4 : bf16, i1
      } -> (tensor<?xbf16>, tensor<?xi1>)
      return %0#0, %0#1 : tensor<?xbf16>, tensor<?xi1>
    })",
             2, {{"p0"}, {"p0"}, {"p0"}, {"p0"}}, "p0");
  std::vector<uint16_t> x = {0x3f80, 0xbf80, 0x4049};  // 1, −1, 3.140625
  std::vector<_Float16> h = {0.5f, 0.25f, 0.0078125f};
  std::vector<uint16_t> y(3);
  std::vector<uint8_t> m(3);
  add({x.data(), h.data()}, {y.data(), m.data()}, {3}, 0, 3);
  EXPECT_EQ(y, (std::vector<uint16_t>{0x3fc0, 0xbf40, 0x404a}));  // 1.5, −0.75, 3.1484375 → even: 3.15625
  EXPECT_EQ(m, (std::vector<uint8_t>{1, 0, 1}));

  Kernel divide(R"(
    func.func @f(%x: tensor<?xi64>, %d: tensor<?xi64>, %y: tensor<?xi64>) -> tensor<?xi64> {
      %0 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
          ins(%x, %d : tensor<?xi64>, tensor<?xi64>) outs(%y : tensor<?xi64>) {
      ^bb0(%a: i64, %b: i64, %c: i64):
        %1 = arith.divsi %a, %b : i64
        linalg.yield %1 : i64
      } -> tensor<?xi64>
      return %0 : tensor<?xi64>
    })",
                2, {{"p0"}, {"p0"}, {"p0"}}, "p0");
  std::vector<int64_t> a = {7, -7, 5, INT64_MIN}, b = {2, 2, 0, -1}, q(4);
  divide({a.data(), b.data()}, {q.data()}, {4}, 0, 4);
  EXPECT_EQ(q, (std::vector<int64_t>{3, -3, 0, INT64_MIN}));
}

}  // namespace
}  // namespace mlir::sluice::codegen
