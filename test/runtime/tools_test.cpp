// The runtime's tools as a user calls them: output, exit codes, files.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/npy.h"
#include "test/runtime/api_programs.h"
#include "test/tools/tool_fixture.h"

namespace sluice {
namespace {

using test::Outcome;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Tools : public test::ToolFixture {
 protected:
  Tools() {
    Write("add.sluice", test::DoubleAddArtifact());
    Write("count.sluice", test::CountingDecoderArtifact());
  }

  void WriteF32(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
    ASSERT_TRUE(WriteNpy(Path(name), DType::kF32, shape, values.data()).ok());
  }

  // A TensorProto: dims (1), data_type (2), name (8), raw_data (9); sizes below 128.
  void WritePb(const std::string& path, const std::string& name, const std::vector<int64_t>& shape,
               const std::vector<float>& values) {
    std::string pb;
    for (int64_t d : shape) {
      pb += {'\x08', static_cast<char>(d)};
    }
    pb += {'\x10', '\x01', '\x42', static_cast<char>(name.size())};
    pb += name;
    pb += {'\x4a', static_cast<char>(values.size() * 4)};
    pb.append(reinterpret_cast<const char*>(values.data()), values.size() * 4);
    Write(path, {pb.begin(), pb.end()});
  }
};

TEST_F(Tools, RunOnceWritesOutputs) {
  WriteF32("x.npy", {1, 4}, {1, 2, 3, 4});
  WriteF32("z.npy", {1, 4}, {10, 10, 10, 10});
  const Outcome run = Run("sluice-run", "add.sluice --input x=x.npy -i z=z.npy --output-dir out");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, HasSubstr("y f32 [1, 4] min 12 max 18 mean 15"));
  const auto y = ReadNpy(Path("out/y.npy"));
  ASSERT_TRUE(y.ok());
  EXPECT_EQ(reinterpret_cast<const float*>(y->data.data())[2], 16);
  const Outcome json = Run("sluice-run", "add.sluice --input x=x.npy -i z=z.npy --json --profile trace.json");
  EXPECT_THAT(json.out, HasSubstr(R"("outputs":[{"name":"y","dtype":"f32","sizes":[1,4]}])"));
  std::ifstream trace(Path("trace.json"));
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(trace), {}),
              AllOf(HasSubstr("traceEvents"), HasSubstr("double_f32"), HasSubstr("node_1")));
}

TEST_F(Tools, ErrorsAndExitCodes) {
  WriteF32("x.npy", {1, 4}, {1, 2, 3, 4});
  WriteF32("bad.npy", {2, 3}, {1, 2, 3, 4, 5, 6});
  Outcome run = Run("sluice-run", "missing.sluice");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("sluice-run: error: missing.sluice"));
  run = Run("sluice-run", "add.sluice --input x=x.npy");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("error: input 'z': missing; it takes f32 [n, 4]"));
  run = Run("sluice-run", "add.sluice --input x=x.npy --input z=bad.npy");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("input 'z': dimension"));
  run = Run("sluice-run", "add.sluice --input q=x.npy");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("input 'q'"));
  EXPECT_EQ(Run("sluice-run", "add.sluice --frob").code, 2);
  EXPECT_EQ(Run("sluice-run", "add.sluice --device tpu").code, 2);
  run = Run("sluice-run", "add.sluice --device cuda:0");
  EXPECT_EQ(run.code, 4);
  EXPECT_THAT(run.out, HasSubstr("no CUDA driver"));
  run = Run("sluice-run", "add.sluice --no-native --input x=x.npy --input z=x.npy");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("--no-native"));
  run = Run("sluice-run", "add.sluice --prompt hello");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("no tokenizer"));
  run = Run("sluice-run", "add.sluice --ids 1");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("does not generate text"));
  std::vector<uint8_t> damaged = test::CountingDecoderArtifact();
  damaged[4100] ^= 1;
  Write("damaged.sluice", damaged);
  run = Run("sluice-run", "damaged.sluice --ids 1");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("damaged.sluice: weight 'table' is damaged"));
  EXPECT_EQ(Run("sluice-dump", "damaged.sluice --verify").code, 1);
}

TEST_F(Tools, TestData) {
  std::filesystem::create_directories(dir_ / "set");
  WritePb("set/input_0.pb", "x", {1, 4}, {1, 2, 3, 4});
  WritePb("set/input_1.pb", "", {1, 4}, {1, 1, 1, 1});
  WritePb("set/output_0.pb", "y", {1, 4}, {3, 5, 7, 9});
  Outcome run = Run("sluice-run", "add.sluice --test-data set --test-data set");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_EQ(run.out, "y 0 0 ok\ny 0 0 ok\n");
  WritePb("set/output_0.pb", "y", {1, 4}, {3, 5, 7, 10});
  run = Run("sluice-run", "add.sluice --test-data set");
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.out, HasSubstr("y 1 0.1 DIFFERENT"));
  EXPECT_EQ(Run("sluice-run", "add.sluice --test-data set --rtol 0.11").code, 0);
  WritePb("set/output_0.pb", "y", {2, 2}, {3, 5, 7, 9});
  run = Run("sluice-run", "add.sluice --test-data set --json");
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.out, HasSubstr(R"("why":"f32 [1, 4], expected f32 [2, 2]")"));
  Write("set/input_0.pb", {1, 2, 3});
  EXPECT_EQ(Run("sluice-run", "add.sluice --test-data set").code, 1);
  EXPECT_EQ(Run("sluice-run", "add.sluice --test-data nowhere").code, 1);
}

TEST_F(Tools, Generates) {
  Outcome run = Run("sluice-run", "count.sluice --ids 3,1 --max-tokens 3 --json -q");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, AllOf(HasSubstr(R"({"prompt_ids":[3,1],"steps":[{"top":[[2,1],[0,0],)"),
                             HasSubstr(R"("ids":[2,3,4],"text":"")"), HasSubstr("\"prefill_ms\":"),
                             HasSubstr("\"decode_tok_s\":")));
  run = Run("sluice-run", "count.sluice --ids 3,1 --max-tokens 9 --eos 5 -q");
  EXPECT_EQ(run.out, "2 3 4\n");
  run = Run("sluice-run", "count.sluice --ids 1,x");
  EXPECT_EQ(run.code, 1);
  run = Run("sluice-run", "count.sluice --ids 99");
  EXPECT_EQ(run.code, 1) << run.out;  // no such row of the table
}

TEST_F(Tools, Dump) {
  Outcome run = Run("sluice-dump", "add.sluice");
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, AllOf(HasSubstr("format version 1"), HasSubstr("input x: f32[n, 4], role input"),
                             HasSubstr("2 instructions")));
  run = Run("sluice-dump", "add.sluice --launches");
  EXPECT_THAT(run.out,
              HasSubstr("[1] add_f32  in @3: f32[n, 4]; input 'z': f32[n, 4]  out output 'y': f32[n, 4]  node_1"));
  run = Run("sluice-dump", "add.sluice --memory");
  EXPECT_THAT(run.out, HasSubstr("@main @3: 16 * n bytes, instructions 0 to 1"));
  run = Run("sluice-dump", "add.sluice --kernels --json");
  EXPECT_THAT(run.out, HasSubstr(R"({"kernels":[{"name":"double_f32","family":"generated","registers":0)"));
  run = Run("sluice-dump", "count.sluice --states --roles --verify");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, AllOf(HasSubstr("0.k: layer 0, k, i64[batch, past, 1], axis 1, past positions, then past + seq"),
                             HasSubstr("input ids: i64[batch, seq], role tokens"),
                             HasSubstr("every checksum and invariant holds")));
  EXPECT_EQ(Run("sluice-dump", "add.sluice --source add_f32").code, 1);
}

TEST_F(Tools, Bench) {
  Outcome run = Run("sluice-bench", "add.sluice --dims n=8 --dims n=100 --iters 5 --warmup 1 --json");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, AllOf(HasSubstr(R"("runs":[{"dims":{"n":8},"latency_ms":{"min":)"), HasSubstr(R"("launches":2)"),
                             HasSubstr(R"("arena_bytes":)"), HasSubstr(R"("weights_bytes":0)")));
  run = Run("sluice-bench", "add.sluice --kernels --iters 5");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, HasSubstr("double_f32  node_0"));
  run = Run("sluice-bench", "count.sluice --decode --batch 1,2 --context 8 --tokens 4 --prefill 8 --json");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, AllOf(HasSubstr(R"("decode":[{"batch":1,"tok_s":)"),
                             HasSubstr(R"("prefill":[{"batch":1,"tokens":8,)"), HasSubstr("kv_bytes")));
  // Two positions: i64 copied, 16 + 16 bytes; two rows of the table, 64, by 16 bytes of ids into 64 of logits.
  run = Run("sluice-bench", "count.sluice --dims batch=1,seq=2,past=0 --iters 1 --json");
  EXPECT_THAT(run.out, HasSubstr(R"("bytes":176,)"));
  run = Run("sluice-bench", "add.sluice --dims n=8 --on-device");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("--on-device: the model runs on the CPU"));
  run = Run("sluice-bench", "add.sluice --dims rows=3");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, HasSubstr("'rows' is no size of the model's inputs (they are n)"));
}

TEST_F(Tools, NeedOnlyGlibc) {
  for (const char* tool : {"sluice-run", "sluice-dump", "sluice-bench"}) {
    Outcome ldd = Run("../bin/" + std::string(tool),
                      "--help >/dev/null; ldd '" + std::string(SLUICE_BINARY_DIR) + "/bin/" + tool + "'");
    EXPECT_THAT(ldd.out, AllOf(HasSubstr("libc.so.6"), Not(HasSubstr("libstdc++")), Not(HasSubstr("absl")),
                               Not(HasSubstr("libgcc"))))
        << tool;
  }
}

TEST_F(Tools, Examples) {
  Outcome run = Run("embed_c", "add.sluice");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, HasSubstr("output y: 1 4"));
  run = Run("embed_cpp", "count.sluice 1");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_THAT(run.out, HasSubstr("\n2 3 4 5 6 7 0 1 2 3"));
  EXPECT_EQ(Run("embed_cpp", "nothing.sluice 1").code, 1);
}

}  // namespace
}  // namespace sluice
