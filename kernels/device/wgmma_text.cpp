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

std::string Accumulators(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += (i ? ", \"+f\"(d[" : "\"+f\"(d[") + std::to_string(i) + "])";
  }
  return text;
}

// One member function: A comes from shared memory (one 64-bit operand) or from 4 registers.
std::string Member(const std::string& op, int sums, bool a_in_registers) {
  const auto arg = [](int i) { return "%" + std::to_string(i); };
  const int a_args = a_in_registers ? 4 : 1;
  const int b = sums + a_args;
  const std::string a = a_in_registers
                            ? "{" + arg(sums) + "," + arg(sums + 1) + "," + arg(sums + 2) + "," + arg(sums + 3) + "}"
                            : arg(sums);
  // Immediates: scale A, scale B, (A's order when in shared memory), B's order.
  const std::string immediates = a_in_registers ? "1, 1, " + arg(b + 2) : "1, 1, 0, " + arg(b + 2);
  return std::string("  template <int kWidthMajorB>\n  static SL_DEVICE void ") +
         (a_in_registers ? "registers" : "shared") + "(float (&d)[" + std::to_string(sums) + "], " +
         (a_in_registers ? "const uint32_t (&a)[4]" : "uint64_t a") + ", uint64_t b, int keep) {\n" +
         "    asm volatile(\n        \"{\\n.reg .pred p;\\nsetp.ne.b32 p, " + arg(b + 1) + ", 0;\\n\"\n        \"" +
         op + " {" + Registers(sums) + "}, " + a + ", " + arg(b) + ", p, " + immediates +
         ";\\n}\"\n        : " + Accumulators(sums) +
         "\n        : " + (a_in_registers ? R"("r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]))" : R"("l"(a))") +
         ", \"l\"(b), \"r\"(keep), \"n\"(kWidthMajorB));\n  }\n";
}

}  // namespace

const char* DeviceType(DType type) { return type == DType::kBF16 ? "bf16" : type == DType::kF16 ? "f16" : "float"; }

std::string WgmmaText(DType type, int n) {
  const std::string name = type == DType::kBF16 ? "bf16" : "f16";  // of PTX and of sl alike
  const std::string op = "wgmma.mma_async.sync.aligned.m64n" + std::to_string(n) + "k16.f32." + name + "." + name;
  return "namespace sl {\ntemplate <> struct Wgmma<" + name + ", " + std::to_string(n) + "> {\n" +
         Member(op, n / 2, false) + Member(op, n / 2, true) + "};\n}  // namespace sl\n";
}

}  // namespace sluice::kernels
