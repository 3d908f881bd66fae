// The C++ header, and the C interface by way of api_c_test.c.
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/api/runtime.h"
#include "test/runtime/api_programs.h"

extern "C" const char* sluice_c_api_test(const void* artifact, size_t size);

namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Api, FromC) {
  const std::vector<uint8_t> file = sluice::test::DoubleAddArtifact();
  const char* failure = sluice_c_api_test(file.data(), file.size());
  EXPECT_EQ(failure, nullptr) << failure;
}

TEST(Api, FromCpp) {
  const std::vector<uint8_t> file = sluice::test::DoubleAddArtifact();
  auto model = sluice::Model::FromMemory(file.data(), file.size(), {.threads = 2});
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->inputs()[1].name, "z");
  EXPECT_THAT(model->outputs()[0].dims, ElementsAre("n", "4"));
  auto context = model->NewContext();
  ASSERT_TRUE(context.ok());
  const std::vector<float> x = {1, 2, 3, 4}, z = {10, 10, 10, 10};
  const std::vector<sluice::Tensor> inputs = {sluice::Tensor::Of(x.data(), {1, 4}),
                                              sluice::Tensor::Of(z.data(), {1, 4})};
  auto outputs = context->Run(inputs);
  ASSERT_TRUE(outputs.ok()) << outputs.status().message();
  EXPECT_THAT((*outputs)[0].sizes(), ElementsAre(1, 4));
  EXPECT_EQ((*outputs)[0].data<float>()[3], 18);
  std::vector<float> y(4);
  std::vector<sluice::Tensor> own = {sluice::Tensor::Of(y.data(), {1, 4})};
  ASSERT_TRUE(context->RunAsync(inputs, own).ok());
  ASSERT_TRUE(context->Wait().ok());
  EXPECT_THAT(y, ElementsAre(12, 14, 16, 18));
  const auto wrong = context->Run({inputs[0], sluice::Tensor()});
  EXPECT_EQ(wrong.status().code(), SLUICE_INVALID);
  EXPECT_THAT(wrong.status().message(), HasSubstr("input 'z': missing"));
}

TEST(Api, DeviceMemoryIsRefusedByNameOnTheCpu) {
  const std::vector<uint8_t> file = sluice::test::DoubleAddArtifact();
  auto model = sluice::Model::FromMemory(file.data(), file.size());
  ASSERT_TRUE(model.ok()) << model.status().message();
  auto context = model->NewContext();
  std::vector<float> x(4), y(4);
  const auto host = sluice::Tensor::Of(x.data(), {1, 4});
  const auto device = sluice::Tensor::OnDevice(SLUICE_F32, x.data(), 16, {1, 4});
  const auto input = context->Run({host, device});
  EXPECT_EQ(input.status().code(), SLUICE_INVALID);
  EXPECT_THAT(input.status().message(), HasSubstr("input 'z': is on a device"));
  std::vector<sluice::Tensor> own = {sluice::Tensor::OnDevice(SLUICE_F32, y.data(), 16)};
  const sluice::Status output = context->Run({host, host}, own);
  EXPECT_EQ(output.code(), SLUICE_INVALID);
  EXPECT_THAT(output.message(), HasSubstr(model->outputs()[0].name + "': is on a device"));
  EXPECT_EQ(context->SetStream(&x).code(), SLUICE_INVALID);
  EXPECT_TRUE(context->Run({host, host}).ok());
}

// A "decoder" whose logits say that token t is followed by t + 1.
TEST(Api, Generates) {
  const std::vector<uint8_t> file = sluice::test::CountingDecoderArtifact();
  auto model = sluice::Model::FromMemory(file.data(), file.size());
  ASSERT_TRUE(model.ok()) << model.status().message();
  auto context = model->NewContext();
  std::vector<int64_t> tokens;
  const auto keep = [&](int64_t token) {
    tokens.push_back(token);
    return true;
  };
  const sluice::Status status = context->Generate({3, 1}, {.max_tokens = 4}, keep);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_THAT(tokens, ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(context->StateLength(), 5);  // the last token was not fed
  tokens.clear();
  ASSERT_TRUE(context->Generate({1}, {.max_tokens = 10, .eos = {4}}, keep).ok());
  EXPECT_THAT(tokens, ElementsAre(2, 3));
  tokens.clear();
  ASSERT_TRUE(context->Generate({1}, {.max_tokens = 10}, [&](int64_t t) { return keep(t) && t < 3; }).ok());
  EXPECT_THAT(tokens, ElementsAre(2, 3));
}

}  // namespace
