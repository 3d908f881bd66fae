#include "kernels/device/wgmma_text.h"

namespace sluice::kernels {
namespace {

// "%0,%1,...,%(count-1)"
std::string Registers(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += (i ? ",%" : "%") + std::to_string(i);
  }
  return text;
}

std::string Accumulators(int count, const char* constraint) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += std::string(i ? ", \"+" : "\"+") + constraint + "\"(d[" + std::to_string(i) + "])";
  }
  return text;
}

// What an instruction's operands are.
struct Operands {
  std::string op;
  const char *sum, *constraint;  // type of the sums
  bool orders;                   // immediates say their signs and the order of B
  int sums;
};

// One member function: A comes from shared memory (one 64-bit operand) or from 4 registers.
std::string Member(const Operands& operands, bool a_in_registers) {
  const auto arg = [](int i) { return "%" + std::to_string(i); };
  const int sums = operands.sums, b = sums + (a_in_registers ? 4 : 1);
  const std::string a = a_in_registers
                            ? "{" + arg(sums) + "," + arg(sums + 1) + "," + arg(sums + 2) + "," + arg(sums + 3) + "}"
                            : arg(sums);
  // Immediates: scale A, scale B, (A's order when in shared memory), B's order.
  const std::string immediates = !operands.orders ? "" : (a_in_registers ? ", 1, 1, " : ", 1, 1, 0, ") + arg(b + 2);
  return std::string("  template <int kWidthMajorB>\n  static SL_DEVICE void ") +
         (a_in_registers ? "registers" : "shared") + "(" + operands.sum + " (&d)[" + std::to_string(sums) + "], " +
         (a_in_registers ? "const uint32_t (&a)[4]" : "uint64_t a") + ", uint64_t b, int keep) {\n" +
         "    asm volatile(\n        \"{\\n.reg .pred p;\\nsetp.ne.b32 p, " + arg(b + 1) + ", 0;\\n\"\n        \"" +
         operands.op + " {" + Registers(sums) + "}, " + a + ", " + arg(b) + ", p" + immediates +
         ";\\n}\"\n        : " + Accumulators(sums, operands.constraint) +
         "\n        : " + (a_in_registers ? R"("r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]))" : R"("l"(a))") +
         ", \"l\"(b), \"r\"(keep), \"n\"(kWidthMajorB));\n  }\n";
}

}  // namespace

const char* DeviceType(DType type) { return type == DType::kBF16 ? "bf16" : type == DType::kF16 ? "f16" : "float"; }

std::string WgmmaText(DType type, int n) {
  const std::string name = type == DType::kBF16 ? "bf16" : "f16";  // of PTX and of sl alike
  const Operands operands{"wgmma.mma_async.sync.aligned.m64n" + std::to_string(n) + "k16.f32." + name + "." + name,
                          "float", "f", true, n / 2};
  return "namespace sl {\ntemplate <> struct Wgmma<" + name + ", " + std::to_string(n) + "> {\n" +
         Member(operands, false) + Member(operands, true) + "};\n}  // namespace sl\n";
}

std::string WgmmaText(DType a, DType b, int n) {
  if (BitWidth(a) != 8) {
    return WgmmaText(a, n);
  }
  const auto name = [](DType type) { return std::string(type == DType::kI8 ? "s8" : "u8"); };
  const auto element = [](DType type) { return std::string(type == DType::kI8 ? "int8_t" : "uint8_t"); };
  const Operands operands{
      "wgmma.mma_async.sync.aligned.m64n" + std::to_string(n) + "k32.s32." + name(a) + "." + name(b), "int32_t", "r",
      false, n / 2};
  return "namespace sl {\ntemplate <> struct Wgmma<" + element(a) + ", " + std::to_string(n) + ", " + element(b) +
         "> {\n" + Member(operands, false) + "};\n}  // namespace sl\n";
}

}  // namespace sluice::kernels
