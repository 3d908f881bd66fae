// Decoders on a GPU that a fake driver plays (fake_driver.h): what is copied when, and that nobody overtakes anybody.
#include <algorithm>
#include <deque>
#include <map>

#include "runtime/api/generate.h"
#include "runtime/base/thread_pool.h"
#include "runtime/cuda/device.h"
#include "test/runtime/fake_driver.h"
#include "test/runtime/run_helper.h"

namespace sluice {
namespace {

using test::ArtifactBuilder;
using test::FunctionBuilder;
using test::Views;
using testing::HasSubstr;
using Kind = fb::CudaParamKind;

constexpr int64_t kVocabulary = 8;

// An operand as kernels read it (kernels/device/step.cuh).
struct Operand {
  Operand(const test::FakeParams& params, size_t p, size_t rank) {
    const auto* step = reinterpret_cast<const int64_t*>(params[0][0]);
    const auto value = [&](int64_t number) { return number >= 0 ? number : step[~number]; };
    data = reinterpret_cast<uint8_t*>(params[p][0] + value(params[p][1]));
    for (size_t d = 0; d < rank; ++d) {
      sizes.push_back(value(params[p][2 + d]));
      strides.push_back(value(params[p][2 + rank + d]));
    }
  }
  int64_t& at(int64_t i, int64_t j) const { return reinterpret_cast<int64_t*>(data)[i * strides[0] + j * strides[1]]; }
  uint8_t* data;
  std::vector<int64_t> sizes, strides;
};

// The cache gets the tokens.
void Append(const test::FakeParams& params) {
  const Operand tokens(params, 1, 2), cache(params, 2, 3);
  for (int64_t b = 0; b < tokens.sizes[0]; ++b) {
    for (int64_t s = 0; s < tokens.sizes[1]; ++s) {
      cache.at(b, s) = tokens.at(b, s);
    }
  }
}

// The likely token behind position s follows from all that a step is given: from all tokens until there, from its
// position and from the mask.
void Logits(const test::FakeParams& params) {
  const Operand mask(params, 1, 2), positions(params, 2, 2), cache(params, 3, 3), logits(params, 4, 3);
  const int64_t past = cache.sizes[1] - logits.sizes[1];
  for (int64_t b = 0; b < logits.sizes[0]; ++b) {
    for (int64_t s = 0; s < logits.sizes[1]; ++s) {
      int64_t sum = positions.at(b, s);
      for (int64_t t = 0; t <= past + s; ++t) {
        sum += (t + 1) * cache.at(b, t) + mask.at(b, t);
      }
      for (int64_t v = 0; v < kVocabulary; ++v) {
        const int64_t at = b * logits.strides[0] + s * logits.strides[1] + v;
        reinterpret_cast<float*>(logits.data)[at] = v == sum % kVocabulary ? 1.0f : 0.0f;
      }
    }
  }
}

void Choose(const test::FakeParams& params) {
  const Operand logits(params, 1, 3), next(params, 2, 2);
  for (int64_t b = 0; b < next.sizes[0]; ++b) {
    const float* row = reinterpret_cast<const float*>(logits.data) + b * logits.strides[0];
    next.at(b, 0) = std::max_element(row, row + kVocabulary) - row;
  }
}

// `late`: the tokens are read once more when the next ones have been chosen.
ArtifactBuilder Decoder(bool late = false) {
  const int two = 2 + 2 * 2, three = 2 + 2 * 3;
  test::FakeKernel("append", {1, two, three}, Append);
  test::FakeKernel("logits", {1, two, two, three, three}, Logits);
  test::FakeKernel("choose", {1, three, two}, Choose);
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int ids = main.Input("ids", DType::kI64, {"batch", "seq"}, "tokens");
  const int mask = main.Input("mask", DType::kI64, {"batch", "past + seq"}, "mask");
  const int positions = main.Input("positions", DType::kI64, {"batch", "seq"}, "positions");
  const int cache = b.State("0.k", DType::kI64, {"batch", "past", "1"}, {"batch", "past + seq", "1"}, 1);
  const int logits = main.Output("logits", DType::kF32, {"batch", "seq", "8"}, "logits");
  const int next = main.Output("next", DType::kI64, {"batch", "min(1, seq)"}, "next");
  const auto launch = [&](const char* name, auto ins, auto outs) {
    std::vector<std::pair<Kind, int>> params = {{Kind::Step, 0}};
    for (size_t i = 0; i < ins.size() + outs.size(); ++i) {
      params.emplace_back(Kind::Operand, static_cast<int>(i));
    }
    main.Launch(CudaKernel(b, name, params), std::move(ins), std::move(outs)).blocks = b.Slots({"batch", "1", "1"});
  };
  const auto view = [&](int buffer, const test::Dims& sizes) { return main.View(buffer, sizes, DType::kI64); };
  const auto append = [&] {
    launch("append", Views(view(ids, {"batch", "seq"})),
           Views(main.View(cache, {"batch", "seq", "1"}, DType::kI64, "", "past")));
  };
  append();
  launch("logits",
         Views(view(mask, {"batch", "past + seq"}), view(positions, {"batch", "seq"}),
               view(cache, {"batch", "past + seq", "1"})),
         Views(main.View(logits, {"batch", "seq", "8"})));
  auto row = main.View(logits, {"batch", "min(1, seq)", "8"});
  row->strides = b.Slots({"8 * seq", "8", "1"});
  row->offset = static_cast<int32_t>(b.Slot("8 * seq - 8 * min(1, seq)"));
  launch("choose", Views(std::move(row)), Views(view(next, {"batch", "min(1, seq)"})));
  if (late) {
    append();
  }
  return b;
}

std::unique_ptr<exec::Context> NewContext(bool late = false) {
  return test::NewContext(Decoder(late).Finish({{"sm_90a", {1}}}));
}

const std::vector<int64_t> kPrompts = {1, 5, 2, 3, 3, 7};  // of two sequences

// Tokens [step][sequence] that logits on the host say.
std::vector<std::vector<int64_t>> ByLogits(int steps) {
  const auto context = NewContext();
  const auto decoder = exec::Decoder::Create(*context, 2).value();
  std::vector<std::vector<int64_t>> chosen;
  std::vector<int64_t> tokens = kPrompts;
  for (int step = 0; step < steps; ++step) {
    const absl::Status status = decoder->Step(tokens);
    EXPECT_TRUE(status.ok()) << status;
    tokens.clear();
    for (int64_t b : {0, 1}) {
      const float* row = static_cast<const float*>(decoder->Logits(b).data);
      tokens.push_back(std::max_element(row, row + kVocabulary) - row);
    }
    chosen.push_back(tokens);
  }
  return chosen;
}

// 60 steps: caches and plans grow on the way, from 16 positions to 64.
TEST(DeviceRun, AStepIsFedWhatTheOneBeforeChose) {
  constexpr int kSteps = 60;
  const auto expected = ByLogits(kSteps);
  for (bool late : {false, true}) {
    const auto context = NewContext(late);
    EXPECT_EQ(context->model().outputs().size(), 2u);  // the cache and logits: `next` is not the callers'
    const auto decoder = exec::Decoder::Create(*context, 2).value();
    ASSERT_TRUE(decoder->chooses());
    std::vector<std::vector<int64_t>> chosen;
    absl::Status status = decoder->Queue(kPrompts);
    for (int step = 0; step < kSteps && status.ok(); ++step) {
      status = decoder->Queue({});  // before it is known what it is fed
      ASSERT_TRUE(status.ok()) << status;
      const auto tokens = decoder->Chosen();
      ASSERT_TRUE(tokens.ok()) << tokens.status();
      chosen.emplace_back(tokens->begin(), tokens->end());
    }
    EXPECT_EQ(chosen, expected);
    EXPECT_EQ(decoder->length(), 3 + kSteps);
  }
}

// A decoder whose `next` does not come from its logits: each is computed where it is wanted, and the cache always.
std::map<std::string, int> launched;

std::unique_ptr<exec::Context> ContextOfTwoHeads() {
  const auto counted = [](const std::string& name) { return [name](const test::FakeParams&) { ++launched[name]; }; };
  const int two = 2 + 2 * 2, three = 2 + 2 * 3;
  ArtifactBuilder b;
  FunctionBuilder& main = b.Function("main");
  const int ids = main.Input("ids", DType::kI64, {"batch", "seq"}, "tokens");
  const int cache = b.State("0.k", DType::kI64, {"batch", "past", "1"}, {"batch", "past + seq", "1"}, 1);
  const int logits = main.Output("logits", DType::kF32, {"batch", "seq", "8"}, "logits");
  const int next = main.Output("next", DType::kI64, {"batch", "min(1, seq)"}, "next");
  const int hidden = main.Arena("8 * batch * seq");
  const auto launch = [&](const std::string& name, int in, auto out, int rank) {
    test::FakeKernel(name, {1, two, rank}, counted(name));
    main.Launch(CudaKernel(b, name.c_str(), {{Kind::Step, 0}, {Kind::Operand, 0}, {Kind::Operand, 1}}),
                Views(main.View(in, {"batch", "seq"}, DType::kI64)), Views(std::move(out)))
        .blocks = b.Slots({"batch", "1", "1"});
  };
  launch("cache", ids, main.View(cache, {"batch", "seq", "1"}, DType::kI64, "", "past"), three);
  launch("hidden", ids, main.View(hidden, {"batch", "seq"}, DType::kI64), two);
  launch("head", hidden, main.View(logits, {"batch", "seq", "8"}), three);
  launch("choose", ids, main.View(next, {"batch", "min(1, seq)"}, DType::kI64), two);
  launched.clear();
  return test::NewContext(b.Finish({{"sm_90a", {1}}}));
}

TEST(DeviceRun, ComputesWhatIsWanted) {
  using Launched = std::map<std::string, int>;
  const auto context = ContextOfTwoHeads();
  const auto decoder = exec::Decoder::Create(*context, 2).value();
  ASSERT_TRUE(decoder->Queue(kPrompts).ok());
  ASSERT_TRUE(decoder->Chosen().ok());
  EXPECT_EQ(launched, (Launched{{"cache", 1}, {"choose", 1}}));
  ASSERT_TRUE(decoder->Step({{1, 2}}).ok());
  EXPECT_EQ(launched, (Launched{{"cache", 2}, {"choose", 1}, {"hidden", 1}, {"head", 1}}));
  EXPECT_FALSE(decoder->Queue({}).ok());  // logits chose nothing
  ASSERT_TRUE(decoder->Queue({{1, 2}}).ok());
  ASSERT_TRUE(decoder->Queue({}).ok());
  ASSERT_TRUE(decoder->Chosen().ok() && decoder->Chosen().ok());
  EXPECT_EQ(launched, (Launched{{"cache", 4}, {"choose", 3}, {"hidden", 1}, {"head", 1}}));
}

// Sizes, positions and what is new of the mask go in one copy; chosen tokens stay where they are, unless that is
// written before they are read; nothing but they leaves the device.
TEST(DeviceRun, AStepCopiesOnceEachWay) {
  for (bool late : {false, true}) {
    const auto context = NewContext(late);
    const auto decoder = exec::Decoder::Create(*context, 2).value();
    ASSERT_TRUE(decoder->Queue(kPrompts).ok());
    for (int step = 0; step < 3; ++step) {  // to 6 positions, of a graph that serves up to 8
      ASSERT_TRUE(decoder->Queue({}).ok());
      ASSERT_TRUE(decoder->Chosen().ok());
    }
    const test::FakeCounts before = test::Counts();
    ASSERT_TRUE(decoder->Queue({}).ok());
    ASSERT_TRUE(decoder->Chosen().ok());
    EXPECT_EQ(test::Counts().copies_in - before.copies_in, 1);
    EXPECT_EQ(test::Counts().copies_within - before.copies_within, late ? 1 : 0);
    EXPECT_EQ(test::Counts().copies_out - before.copies_out, 1);
    EXPECT_EQ(test::Counts().graphs_launched - before.graphs_launched, 1);
    EXPECT_EQ(test::Counts().graphs_made - before.graphs_made, 0);
  }
}

// 64 masks of 130 positions are 66,560 bytes, what is new of them too far behind the rest to go with it.  It goes when
// the caches have got more room, for the prompt and for the step behind it, and then no more until that is used.
TEST(DeviceRun, AMaskGoesAhead) {
  const auto context = NewContext();
  const auto decoder = exec::Decoder::Create(*context, 64).value();
  ASSERT_TRUE(decoder->Queue(std::vector<int64_t>(64 * 130, 1)).ok());
  for (int step = 0; step < 10; ++step) {
    const test::FakeCounts before = test::Counts();
    ASSERT_TRUE(decoder->Queue({}).ok());
    ASSERT_TRUE(decoder->Chosen().ok());
    EXPECT_EQ(test::Counts().copies_in - before.copies_in, step < 2 ? 2 : 1) << step;
  }
}

TEST(DeviceRun, NoMoreThanTwoStepsAreAhead) {
  const auto context = NewContext();
  const auto decoder = exec::Decoder::Create(*context, 2).value();
  EXPECT_FALSE(decoder->Chosen().ok());
  EXPECT_FALSE(decoder->Queue({}).ok());  // nothing was chosen
  ASSERT_TRUE(decoder->Queue(kPrompts).ok());
  ASSERT_TRUE(decoder->Queue({}).ok());
  EXPECT_FALSE(decoder->Queue({}).ok());
}

// The same text with logits and without, also where it ends at a token that is known a step late, and the context is
// left alike.
TEST(DeviceRun, TextEndsWhereItShould) {
  const auto generate = [](const api::GenerateOptions& options, int64_t& length) {
    const auto context = NewContext();
    const std::vector<int64_t> prompt = {4, 1};
    const auto stats = api::Generate(*context, prompt, options, [&](const api::Step& step) {
      EXPECT_EQ(step.logits.data != nullptr, options.logits);
      return true;
    });
    EXPECT_TRUE(stats.ok()) << stats.status();
    length = context->state_length();
    return stats->tokens;
  };
  for (const std::vector<int64_t>& eos : {std::vector<int64_t>{}, {0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}}) {
    for (int64_t max_tokens : {0, 1, 2, 30}) {
      int64_t with = 0, without = 0;
      api::GenerateOptions options = {.max_tokens = max_tokens, .eos = eos};
      const std::vector<int64_t> expected = generate(options, with);
      options.logits = false;
      EXPECT_EQ(generate(options, without), expected);
      EXPECT_EQ(without, with);
    }
  }
}

// More than threads and pinned pieces hold at once; the link has none of it before somebody waits.
TEST(DeviceRun, WeightsComeWhole) {
  const auto device = cuda::Device::Open({}).value();
  ThreadPool pool(3);
  std::vector<std::vector<uint8_t>> weights = {{}, {1, 2, 3}, std::vector<uint8_t>((40 << 20) + 123)};
  for (size_t i = 0; i < weights.back().size(); ++i) {
    weights.back()[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  }
  std::deque<cuda::DeviceBlock> there;
  std::vector<cuda::Device::Upload> uploads;
  for (const std::vector<uint8_t>& weight : weights) {
    there.emplace_back(*device);
    ASSERT_TRUE(there.back().Reserve(static_cast<int64_t>(weight.size()) + 1).ok());
    uploads.push_back({there.back().address(), weight});
  }
  ASSERT_TRUE(device->CopyAll(uploads, pool).ok());
  for (size_t w = 0; w < weights.size(); ++w) {
    EXPECT_EQ(std::memcmp(reinterpret_cast<const void*>(there[w].address()), weights[w].data(), weights[w].size()), 0);
  }
}

TEST(DeviceRun, WrongNextTokensAreRefused) {
  const auto refusal = [](auto change) {
    ArtifactBuilder b = Decoder();
    change(*b.program.functions[0]);
    return std::string(test::LoadModel(b.Finish({{"sm_90a", {1}}})).status().message());
  };
  EXPECT_EQ(refusal([](fb::FunctionT&) {}), "");
  EXPECT_THAT(refusal([](fb::FunctionT& main) { main.inputs[0]->role = "input"; }), HasSubstr("outputs[2] ('next')"));
  EXPECT_THAT(refusal([](fb::FunctionT& main) { main.outputs[2]->dtype = static_cast<uint8_t>(DType::kI32); }),
              HasSubstr("outputs[2] ('next')"));
  EXPECT_THAT(refusal([](fb::FunctionT& main) { std::swap(main.outputs[1]->role, main.outputs[2]->role); }),
              HasSubstr("outputs[1] ('logits')"));
}

}  // namespace
}  // namespace sluice
