#include "runtime/artifact/artifact.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/hash.h"
#include "test/runtime/artifact_builder.h"

namespace sluice {
namespace {

using artifact::Artifact;
using test::ArtifactBuilder;
using test::FunctionBuilder;
using test::Views;
using testing::HasSubstr;

// y = x · w with one weight, an arena buffer and a constant: every kind of table.
ArtifactBuilder SmallProgram() {
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int weight = b.Weight("w", DType::kF32, {4, 4}, test::Bytes(std::vector<float>(16, 1.5f)));
  const int x = main.Input("x", DType::kF32, {"n", "4"});
  const int y = main.Output("y", DType::kF32, {"n", "4"});
  const int w = main.Weight(weight);
  const int c = main.Constant(test::Bytes(std::vector<float>(4, 2.0f)));
  const int t = main.Arena("16 * n");
  const int matmul = b.Kernel("matmul");
  main.Launch(matmul, Views(main.View(x, {"n", "4"}), main.View(w, {"4", "4"})), Views(main.View(t, {"n", "4"})));
  main.Launch(matmul, Views(main.View(t, {"n", "4"}), main.View(w, {"4", "4"})), Views(main.View(y, {"n", "4"})));
  (void)c;
  b.Assume("n", 2, "1");
  return b;
}

absl::Status OpenAndVerify(const std::vector<uint8_t>& file) {
  ASSIGN_OR_RETURN(auto artifact, Artifact::FromMemory(file, "m.sluice"));
  ThreadPool pool(2);
  return artifact->VerifyChunks(pool);
}

TEST(Artifact, RoundTrip) {
  ArtifactBuilder b = SmallProgram();
  const std::vector<uint8_t> file = b.Finish();
  auto artifact = Artifact::FromMemory(file, "m.sluice");
  ASSERT_TRUE(artifact.ok()) << artifact.status();
  EXPECT_TRUE(OpenAndVerify(file).ok());
  const fb::Weight& w = *(*artifact)->program().weights()->Get(0);
  const std::span<const uint8_t> bytes = (*artifact)->WeightBytes(w);
  ASSERT_EQ(bytes.size(), 64u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % artifact::kBlobAlignment, 0u);
  EXPECT_EQ(reinterpret_cast<const float*>(bytes.data())[3], 1.5f);
}

TEST(Artifact, AnyFlippedByteIsFound) {
  ArtifactBuilder b = SmallProgram();
  std::vector<uint8_t> file = b.Finish();
  for (size_t i = 0; i < file.size(); ++i) {
    file[i] ^= static_cast<uint8_t>(1u << (i % 8));
    const absl::Status status = OpenAndVerify(file);
    ASSERT_FALSE(status.ok()) << "byte " << i;
    ASSERT_THAT(std::string(status.message()), HasSubstr("m.sluice: "));
    file[i] ^= static_cast<uint8_t>(1u << (i % 8));
  }
  EXPECT_TRUE(OpenAndVerify(file).ok());
}

TEST(Artifact, AnyTruncationIsFound) {
  ArtifactBuilder b = SmallProgram();
  const std::vector<uint8_t> file = b.Finish();
  for (size_t n = 0; n < file.size(); n += n < 128 ? 1 : 37) {
    EXPECT_FALSE(OpenAndVerify({file.begin(), file.begin() + n}).ok()) << n;
  }
  std::vector<uint8_t> longer = file;
  longer.push_back(0);
  EXPECT_FALSE(OpenAndVerify(longer).ok());
}

TEST(Artifact, UnknownFormatVersionIsNamed) {
  ArtifactBuilder b = SmallProgram();
  std::vector<uint8_t> file = b.Finish();
  file[8] = 7;
  EXPECT_THAT(std::string(OpenAndVerify(file).message()), HasSubstr("format version 7, this runtime reads version 1"));
  EXPECT_THAT(std::string(OpenAndVerify({'h', 'e', 'l', 'l', 'o', ' ', 't', 'h', 'e', 'r', 'e'}).message()),
              HasSubstr("not a Sluice artifact"));
}

// A program whose hash is right and whose content is not: each change must be refused, by name.
TEST(Artifact, BrokenProgramsAreRefused) {
  struct Case {
    const char* says;
    std::function<void(fb::ProgramT&)> change;
  };
  const std::vector<Case> cases = {
      {"exprs[0]", [](fb::ProgramT& p) { p.exprs[0] = fb::ExprInstr(77, 0, 0); }},
      {"reads slots", [](fb::ProgramT& p) { p.exprs[0] = fb::ExprInstr(2, 0, 0); }},
      {"exprs[0]: symbol 5", [](fb::ProgramT& p) { p.exprs[0] = fb::ExprInstr(1, 5, 0); }},
      {"assumptions[0]", [](fb::ProgramT& p) { p.assumptions[0]->left = 999; }},
      {"assumptions[0]", [](fb::ProgramT& p) { p.assumptions[0]->function = 999; }},
      {"symbols[0]", [](fb::ProgramT& p) { p.symbols[0]->bound = 3; }},
      {"symbols[0]", [](fb::ProgramT& p) { p.symbols[0]->kind = fb::SymbolKind::Counted; }},
      {"weights[0]", [](fb::ProgramT& p) { p.weights[0]->sizes = {4, 5}; }},
      {"weights[0]", [](fb::ProgramT& p) { p.weights[0]->sizes = {int64_t{1} << 40, int64_t{1} << 40}; }},
      {"weights[0]", [](fb::ProgramT& p) { p.weights[0]->dtype = 200; }},
      {"a chunk of", [](fb::ProgramT& p) { p.weights[0]->chunks[0]->length = uint64_t{1} << 63; }},
      {"a chunk of", [](fb::ProgramT& p) { p.weights[0]->chunks[0]->offset = 64; }},
      {"overlap", [](fb::ProgramT& p) { p.weights[0]->chunks[0]->offset = 0; }},
      {"functions", [](fb::ProgramT& p) { p.functions.clear(); }},
      {"buffers[2]", [](fb::ProgramT& p) { p.functions[0]->buffers[2]->index = 4; }},
      {"buffers[3]", [](fb::ProgramT& p) { p.functions[0]->buffers[3]->offset = ~uint64_t{0}; }},
      {"buffers[4]", [](fb::ProgramT& p) { p.functions[0]->buffers[4]->bytes = -1; }},
      {"buffers[4]", [](fb::ProgramT& p) { p.functions[0]->buffers[4]->last = 9; }},
      {"buffers[4]",
       [](fb::ProgramT& p) {
         p.functions[0]->buffers[4]->kind = fb::BufferKind::Alias;
         p.functions[0]->buffers[4]->index = 4;
       }},
      {"outside the life", [](fb::ProgramT& p) { p.functions[0]->buffers[4]->first = 1; }},
      {"ins[0]: buffer", [](fb::ProgramT& p) { p.functions[0]->instrs[0]->ins[0]->buffer = 12; }},
      {"type, rank or slots", [](fb::ProgramT& p) { p.functions[0]->instrs[0]->ins[0]->sizes[0] = 1000; }},
      {"type, rank or slots", [](fb::ProgramT& p) { p.functions[0]->instrs[0]->ins[0]->sizes.resize(9, 0); }},
      {"strides", [](fb::ProgramT& p) { p.functions[0]->instrs[0]->ins[0]->strides = {0}; }},
      {"writes to a weight", [](fb::ProgramT& p) { p.functions[0]->instrs[0]->outs[0]->buffer = 2; }},
      {"kernel 3", [](fb::ProgramT& p) { p.functions[0]->instrs[0]->kernel = 3; }},
      {"kind 9 is unknown", [](fb::ProgramT& p) { p.functions[0]->instrs[0]->kind = static_cast<fb::InstrKind>(9); }},
      {"calls function 0",
       [](fb::ProgramT& p) {
         p.functions[0]->instrs[0]->kind = fb::InstrKind::Loop;
         p.functions[0]->instrs[0]->ins[0]->dtype = static_cast<uint8_t>(DType::kI64);
         p.functions[0]->instrs[0]->ins[1]->dtype = static_cast<uint8_t>(DType::kBool);
         p.functions[0]->instrs[0]->then_function = 0;
       }},
      {"inputs[0] ('x')", [](fb::ProgramT& p) { p.functions[0]->inputs[0]->sizes[0] = 1000; }},
      {"buffers[0]", [](fb::ProgramT& p) { p.functions[0]->inputs[0]->buffer = 1; }},
      {"outputs[0] ('y')", [](fb::ProgramT& p) { p.functions[0]->outputs[0]->dtype = 0; }},
      {"plans[0]", [](fb::ProgramT& p) { p.functions[0]->plans.push_back(std::make_unique<fb::BucketPlanT>()); }},
  };
  for (const Case& c : cases) {
    ArtifactBuilder b = SmallProgram();
    b.Finish();  // live ranges, chunks
    fb::ProgramT changed = std::move(b.program);
    c.change(changed);
    // Pack it again by hand: the builder would put some of it right.
    std::vector<uint8_t> file = SmallProgram().Finish();
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(fb::Program::Pack(builder, &changed));
    file.resize(2 * artifact::kBlobAlignment);
    artifact::Header header{.program_offset = file.size(), .program_length = builder.GetSize()};
    header.program_hash = Hash64(builder.GetBufferPointer(), builder.GetSize());
    file.insert(file.end(), builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
    header.file_length = file.size();
    const auto head = artifact::SerializeHeader(header);
    std::copy(head.begin(), head.end(), file.begin());
    const absl::Status status = OpenAndVerify(file);
    EXPECT_FALSE(status.ok()) << c.says;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.says));
  }
}

}  // namespace
}  // namespace sluice
