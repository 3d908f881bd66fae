#include "test/runtime/api_programs.h"

#include "runtime/base/file.h"
#include "test/runtime/artifact_builder.h"

namespace sluice::test {

std::vector<uint8_t> DoubleAddArtifact() {
  const std::string code = ReadFile(SLUICE_TEST_NATIVE).value();
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int x = main.Input("x", DType::kF32, {"n", "4"});
  const int z = main.Input("z", DType::kF32, {"n", "4"});
  const int y = main.Output("y", DType::kF32, {"n", "4"});
  const int t = main.Arena("16 * n");
  main.Native("double_f32", Views(main.View(x, {"n", "4"})), Views(main.View(t, {"n", "4"})), "n", {"4"});
  main.Native("add_f32", Views(main.View(t, {"n", "4"}), main.View(z, {"n", "4"})), Views(main.View(y, {"n", "4"})),
              "n", {"4"});
  return b.Finish({{"x86-64-v2", std::vector<uint8_t>(code.begin(), code.end())}});
}

std::vector<uint8_t> CountingDecoderArtifact() {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  std::vector<float> table(64, 0.0f);
  for (int t = 0; t < 8; ++t) {
    table[t * 8 + (t + 1) % 8] = 1;
  }
  const int w = main.Weight(b.Weight("table", DType::kF32, {8, 8}, Bytes(table)));
  const int ids = main.Input("ids", DType::kI64, {"batch", "seq"}, "tokens");
  const int positions = main.Input("positions", DType::kI64, {"batch", "seq"}, "positions");
  const int cache = b.State("0.k", DType::kI64, {"batch", "past", "1"}, {"batch", "past + seq", "1"}, 1);
  const int logits = main.Output("logits", DType::kF32, {"batch", "seq", "8"}, "logits");
  main.Launch(b.Kernel("copy"), Views(main.View(positions, {"batch", "seq", "1"}, DType::kI64)),
              Views(main.View(cache, {"batch", "seq", "1"}, DType::kI64, "", "past")));
  main.Launch(b.Kernel("gather", {{"axis", int64_t{0}}}),
              Views(main.View(w, {"8", "8"}), main.View(ids, {"batch", "seq"}, DType::kI64)),
              Views(main.View(logits, {"batch", "seq", "8"})));
  return b.Finish();
}

}  // namespace sluice::test
