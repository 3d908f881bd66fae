// Products of codes give what products of what they stand for give: of each sign on each side, with zero points on
// none, one or both sides, one for all or one a feature, in f32 and in i32.  Of f32 only the rounding of both scales'
// product is left.
#include <filesystem>
#include <fstream>
#include <random>

#include "compiler/reference/Evaluator.h"
#include "compiler/reference/TestData.h"
#include "dialects/exec/ExecDialect.h"
#include "dialects/nn/NNDialect.h"
#include "gtest/gtest.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/fuse/Passes.h"

namespace mlir::sluice::fuse {
namespace {

using llvm::formatv;
using reference::RefTensor;

enum class Kind { kLinear, kTurned, kPadded, kGroups, kIntegers, kIntegerWeight };
enum class Zero { kNone, kOne, kEach };

struct Form {
  Kind kind;
  bool x_signed, w_signed;
  Zero x, w;
};

// The sizes of x [..], of w, of the result; features are 6 everywhere.
struct Shapes {
  const char *x, *w, *y;
  std::vector<int64_t> x_sizes;
  int axis;  // of w's features
};
Shapes shapesOf(Kind kind) {
  switch (kind) {
    case Kind::kLinear:
      return {"3x20", "6x20", "3x6", {3, 20}, 0};
    case Kind::kPadded:
      return {"2x4x7x6", "6x4x3x2", "2x6x5x3", {2, 4, 7, 6}, 0};
    case Kind::kGroups:
      return {"2x4x7x6", "6x2x3x2", "2x6x5x3", {2, 4, 7, 6}, 0};
    default:
      return {"3x20", "20x6", "3x6", {3, 20}, 1};
  }
}

std::string typeOf(const char* shape, bool is_signed) {
  return formatv("tensor<{0}{1}{2}>", shape, *shape == '\0' ? "" : "x", is_signed ? "i8" : "ui8");
}

std::string zeroText(const char* name, Zero zero, bool is_signed) {
  const char* each = is_signed ? "[-128, 5, 0, -1, 127, 9]" : "[0, 255, 128, 3, 127, 1]";
  std::string numbers = zero == Zero::kEach ? each : is_signed ? "-7" : "130";
  std::string type = typeOf(zero == Zero::kEach ? "6" : "", is_signed);
  return zero == Zero::kNone ? "" : formatv("%{0} = arith.constant dense<{1}> : {2}\n", name, numbers, type).str();
}

// In f32: nn.dequantize on both sides, and the product.
std::string floats(const Form& form) {
  Shapes s = shapesOf(form.kind);
  bool each = form.w == Zero::kEach;
  std::string text = zeroText("zx", form.x, form.x_signed) + zeroText("zw", form.w, form.w_signed);
  auto dequantize = [&](const char* name, const char* q, const char* shape, bool is_signed, Zero zero, int axis) {
    const char* along = zero == Zero::kEach ? "6" : "";
    std::string type = typeOf(shape, is_signed);
    return formatv(
               "%{0} = nn.dequantize {1}, %s{0}{2} {{axis = {3} : i64} : ({4}, tensor<{5}f32>{6}) -> tensor<{7}xf32>\n",
               name, q, zero == Zero::kNone ? "" : formatv(", %z{0}", name).str(), axis, type,
               *along == '\0' ? "" : "6x", zero == Zero::kNone ? "" : ", " + typeOf(along, is_signed), shape)
        .str();
  };
  text += "%sx = arith.constant dense<0.75> : tensor<f32>\n";
  text += each ? "%sw = arith.constant dense<[0.5, 0.3, 1.1, 0.01, 0.02, 7.0]> : tensor<6xf32>\n"
               : "%sw = arith.constant dense<0.3> : tensor<f32>\n";
  text +=
      dequantize("x", "%q", s.x, form.x_signed, form.x, 0) + dequantize("w", "%c", s.w, form.w_signed, form.w, s.axis);
  std::string types = formatv("(tensor<{0}xf32>, tensor<{1}xf32>) -> tensor<{2}xf32>", s.x, s.w, s.y);
  if (form.kind == Kind::kTurned) {
    text +=
        "%e = tensor.empty() : tensor<6x20xf32>\n"
        "%t = linalg.transpose ins(%w : tensor<20x6xf32>) outs(%e : tensor<6x20xf32>) permutation = [1, 0]\n"
        "%y = nn.linear %x, %t : (tensor<3x20xf32>, tensor<6x20xf32>) -> tensor<3x6xf32>\n";
  } else if (form.kind == Kind::kLinear) {
    text += "%y = nn.linear %x, %w : " + types + "\n";
  } else {
    text += formatv("%y = nn.conv %x, %w strides [2, 2] pads [2, 1, 2, 0] dilations [1, 2] groups {0} : {1}\n",
                    form.kind == Kind::kGroups ? 2 : 1, types);
  }
  return text + formatv("return %y : tensor<{0}xf32>\n", s.y).str();
}

// In i32: codes less zero points that are known to nobody, of the rows of x and the columns of w, or one for all.
std::string integers(const Form& form) {
  auto wide = [](const char* name, const char* from, const char* shape, bool is_signed) {
    std::string bits =
        is_signed ? ""
                  : formatv("%b{0} = tensor.bitcast {1} : tensor<{2}ui8> to tensor<{2}i8>\n", name, from, shape).str();
    return bits + formatv("%{0} = arith.ext{1}i {2} : tensor<{3}i8> to tensor<{3}i32>\n", name, is_signed ? "s" : "u",
                          is_signed ? from : "%b" + std::string(name), shape)
                      .str();
  };
  auto centred = [&](const char* name, const char* q, const char* shape, bool is_signed, Zero zero, const char* count,
                     const char* added) {
    std::string n = name, text = wide(("l" + n).c_str(), q, shape, is_signed);
    if (zero == Zero::kNone) {
      return text +
             formatv(
                 "%s{0} = arith.constant dense<0> : tensor<{1}i32>\n%{0} = arith.subi %l{0}, %s{0} : tensor<{1}i32>\n",
                 n, shape)
                 .str();
    }
    bool one = zero == Zero::kOne;
    text += wide(("z" + n).c_str(), ("%" + n + "zero").c_str(), one ? "" : count, is_signed);
    return text +
           formatv(
               "%e{0} = tensor.empty() : tensor<{1}i32>\n"
               "%s{0} = linalg.broadcast ins(%z{0} : tensor<{2}i32>) outs(%e{0} : tensor<{1}i32>) dimensions = [{3}]\n"
               "%{0} = arith.subi %l{0}, %s{0} : tensor<{1}i32>\n",
               n, shape, one ? "" : count, one ? "0, 1" : added)
               .str();
  };
  return centred("x", "%q", "3x20x", form.x_signed, form.x, "3x", "1") +
         centred("w", "%c", "20x6x", form.w_signed, form.w, "6x", "0") +
         "%y = nn.matmul %x, %w : (tensor<3x20xi32>, tensor<20x6xi32>) -> tensor<3x6xi32>\nreturn %y : "
         "tensor<3x6xi32>\n";
}

bool inIntegers(const Form& form) { return form.kind >= Kind::kIntegers; }

std::string moduleOf(const Form& form) {
  Shapes s = shapesOf(form.kind);
  std::string args = "%q: " + typeOf(s.x, form.x_signed), text;
  const int64_t bytes = form.kind == Kind::kPadded ? 144 : form.kind == Kind::kGroups ? 72 : 120;
  if (form.kind == Kind::kIntegers) {
    args += ", %c: " + typeOf(s.w, form.w_signed);
  } else {
    text = formatv("%c = nn.weight \"w\" file 0 offset 0 length {0} : {1}\n", bytes, typeOf(s.w, form.w_signed));
  }
  if (inIntegers(form) && form.x != Zero::kNone) {
    args += ", %xzero: " + typeOf(form.x == Zero::kOne ? "" : "3", form.x_signed);
  }
  if (inIntegers(form) && form.w != Zero::kNone) {
    args += ", %wzero: " + typeOf(form.w == Zero::kOne ? "" : "6", form.w_signed);
  }
  text += inIntegers(form) ? integers(form) : floats(form);
  return formatv(
      "module attributes {{exec.target = \"cuda-sm90a\", nn.files = [\"w.bin\"]} {{\n"
      "func.func @main({0}) -> tensor<{1}x{2}32> {{\n{3}}\n}\n",
      args, s.y, inIntegers(form) ? "i" : "f", text);
}

RefTensor codes(RankedTensorType type, std::mt19937& random) {
  RefTensor tensor = RefTensor::make(type.getElementType(), type.getShape().vec());
  const int64_t low = type.getElementType().isUnsignedInteger() ? 0 : -128;
  for (int64_t& code : tensor.i) {
    code = low + static_cast<int64_t>(random() % 256);
  }
  return tensor;
}

void check(const Form& form) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<nn::NNDialect, exec::ExecDialect, func::FuncDialect, arith::ArithDialect, tensor::TensorDialect,
                      linalg::LinalgDialect>();
  auto module = parseSourceString<ModuleOp>(moduleOf(form), &context);
  ASSERT_TRUE(module) << moduleOf(form);
  std::mt19937 random(static_cast<unsigned>(form.kind) * 7 + 1);
  std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "integer_products";
  std::filesystem::create_directories(folder);
  std::vector<char> bytes =
      reference::toBytes(codes(RankedTensorType::get({144}, IntegerType::get(&context, 8)), random));
  std::ofstream(folder / "w.bin", std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  std::vector<RefTensor> inputs;
  for (Type type : module->lookupSymbol<func::FuncOp>("main").getArgumentTypes()) {
    inputs.push_back(codes(cast<RankedTensorType>(type), random));
  }
  auto before = reference::Evaluator(*module, {.modelDir = folder.string()}).run(inputs);
  ASSERT_TRUE(succeeded(before));
  PassManager passes(&context);
  passes.addPass(createIntegerProductsPass());
  ASSERT_TRUE(succeeded(passes.run(*module)));
  auto after = reference::Evaluator(*module, {.modelDir = folder.string()}).run(inputs);
  ASSERT_TRUE(succeeded(after));
  auto difference = reference::compare((*after)[0], (*before)[0], 2e-7, 1e-9);
  EXPECT_TRUE(difference.ok) << difference.maxAbs << " in\n" << moduleOf(form);
  std::filesystem::remove_all(folder);

  int raised = 0;
  module->walk([&](Operation* op) {
    raised += op->getNumOperands() > 1 && isa<nn::LinearOp, nn::MatmulOp, nn::ConvOp>(op) &&
              getElementTypeOrSelf(op->getOperand(0).getType()).isInteger(8);
  });
  bool stays = form.kind == Kind::kGroups && form.w != Zero::kNone;
  EXPECT_EQ(raised, stays ? 0 : 1 + (form.x != Zero::kNone) + (form.w != Zero::kNone)) << moduleOf(form);
}

TEST(IntegerProducts, AreThoseOfWhatCodesStandFor) {
  for (Kind kind :
       {Kind::kLinear, Kind::kTurned, Kind::kPadded, Kind::kGroups, Kind::kIntegers, Kind::kIntegerWeight}) {
    for (int signs = 0; signs < 4; ++signs) {
      for (Zero x : {Zero::kNone, Zero::kOne, Zero::kEach}) {
        for (Zero w : {Zero::kNone, Zero::kOne, Zero::kEach}) {
          if (kind < Kind::kIntegers && x == Zero::kEach) {
            continue;  // a scale a row is not one of dequantizations of activations
          }
          check({kind, signs % 2 != 0, signs / 2 != 0, x, w});
        }
      }
    }
  }
}

}  // namespace
}  // namespace mlir::sluice::fuse
