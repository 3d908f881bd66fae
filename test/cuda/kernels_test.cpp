// Every CUDA family compiled without a GPU, each pair of what its template can be, and what the images say of registers
// and local memory.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/str_replace.h"
#include "compiler/codegen/cuda/Images.h"
#include "runtime/base/file.h"
#include "runtime/cuda/cubin.h"
#include "test/cuda/families.h"
#include "test/cuda/together.h"
#include "test/kernels/cuda_query.h"

namespace sluice::codegen {
namespace {

using kernels::CudaKernel;
using kernels::Hopper;

constexpr size_t kMostTexts = 80;     // that a machine without a GPU compiles in a test
constexpr size_t kMostTogether = 24;  // kernels of one
constexpr int64_t kAnyLocalBytes = -1;

// A text to compile, and which rows its kernels are.
struct Text {
  std::vector<CudaKernel> kernels;
  std::vector<std::string> rows;
  std::vector<int64_t> local_bytes;  // they are known to need
};

test::Valid HasKernel(const test::Family& family) {
  return [&family](const test::Row& row) { return test::KernelOf(family, row).has_value(); };
}

void Add(const test::Family& family, const test::Row& row, std::vector<Text>& texts, Text& together) {
  if (!family.together) {
    texts.push_back({});
  } else if (together.kernels.size() == kMostTogether) {
    texts.push_back(std::exchange(together, {}));
  }
  Text& text = family.together ? together : texts.back();
  text.kernels.push_back(*test::KernelOf(family, row));
  text.rows.push_back(row.Text());
  text.local_bytes.push_back(family.way(row)->local_bytes);
}

std::vector<test::Family> AllFamilies() {
  std::vector<test::Family> all = test::SmallFamilies();
  for (test::Family& family : test::LargeFamilies()) {
    all.push_back(std::move(family));
  }
  return all;
}

void ExpectFacts(const CudaKernel& kernel, const std::string& row, int64_t local_bytes,
                 const std::vector<uint8_t>& image, const std::string& ptx) {
  // A launch begins before the one it follows has ended: a kernel that did not wait would compute with what is not
  // there yet, and one that let no other begin would keep the next from overlapping it.
  const std::string own = test::PartOf(ptx, kernel.entry);
  EXPECT_TRUE(kernel.overlaps_previous);
  EXPECT_NE(own.find("griddepcontrol.wait"), std::string::npos);
  EXPECT_NE(own.find("griddepcontrol.launch_dependents"), std::string::npos);
  const absl::StatusOr<cuda::CubinFacts> facts = cuda::ReadCubin(image, kernel.entry);
  ASSERT_TRUE(facts.ok()) << facts.status();
  if (local_bytes != kAnyLocalBytes) {
    EXPECT_LE(facts->local_bytes, local_bytes);
  } else if (facts->local_bytes > 0) {
    printf("%d bytes of local memory: %s\n", static_cast<int>(facts->local_bytes), row.c_str());
  }
  EXPECT_GT(facts->registers, 0);
  EXPECT_LE(facts->registers * kernel.block, Hopper().registers_per_sm);
  EXPECT_LE(facts->shared_bytes + kernel.shared, Hopper().shared_per_block);
}

void CompileAll(std::vector<Text> texts) {
  setenv("SLUICE_KERNEL_CACHE", "", 1);
  std::vector<CudaSource> sources;
  for (Text& text : texts) {
    const std::string name = absl::StrCat(text.kernels[0].entry, "-", sources.size());
    sources.push_back({name, text.kernels.size() > 1 ? test::Together(text.kernels) : text.kernels[0].text});
  }
  const std::string folder = ::testing::TempDir() + "/sluice-kernels/";
  std::filesystem::create_directories(folder);
  const auto images = CompileImages(sources, Hopper(), {.dumpDirectory = folder});
  ASSERT_TRUE(images.ok()) << images.status();
  for (size_t i = 0; i < images->size(); ++i) {
    const absl::StatusOr<std::string> ptx = ReadFile(folder + sources[i].name + ".ptx");
    ASSERT_TRUE(ptx.ok()) << ptx.status();
    for (size_t k = 0; k < texts[i].kernels.size(); ++k) {
      SCOPED_TRACE(texts[i].rows[k] + "\n" + sources[i].name + ".cu");
      ExpectFacts(texts[i].kernels[k], texts[i].rows[k], texts[i].local_bytes[k], (*images)[i], *ptx);
    }
  }
}

// Few rows of each family hold every pair of what its template can be.
TEST(CudaKernels, EveryPairCompilesWithoutSpills) {
  std::vector<Text> texts;
  Text together;
  std::set<std::string> names;
  size_t rows = 0, pairs = 0;
  for (const test::Family& family : AllFamilies()) {
    const test::Valid valid = HasKernel(family);
    const std::vector<test::Row> cover = test::Cover(family.space, valid);
    const std::set<int> held = test::PairsOf(family.space, cover);
    EXPECT_EQ(held, test::PairsOf(family.space, test::AllRows(family.space, valid)));
    EXPECT_EQ(test::MissingValues(family.space, cover), "");
    for (const test::Row& row : cover) {
      names.insert(family.way(row)->query.name);
      Add(family, row, texts, together);
    }
    rows += cover.size();
    pairs += held.size();
  }
  for (const kernels::CudaFamily* family : kernels::AllCudaFamilies()) {
    EXPECT_TRUE(names.contains(family->name)) << family->name << " is not tried here";
  }
  texts.push_back(std::move(together));
  printf("%zu texts with %zu kernels that hold %zu pairs\n", texts.size(), rows, pairs);
  EXPECT_LE(texts.size(), kMostTexts);
  CompileAll(std::move(texts));
}

// All rows of a family, which takes minutes: test/gpu/pack.sh asks for it.  Some spill, where a model would lose time
// but no result: they are told.
class EveryRow : public testing::TestWithParam<size_t> {};

TEST_P(EveryRow, DISABLED_Compiles) {
  const test::Family family = AllFamilies()[GetParam()];
  std::vector<Text> texts;
  Text together;
  for (const test::Row& row : test::AllRows(family.space, HasKernel(family))) {
    Add(family, row, texts, together);
  }
  if (family.together) {
    texts.push_back(std::move(together));
  }
  for (Text& text : texts) {
    std::ranges::fill(text.local_bytes, kAnyLocalBytes);
  }
  printf("%s: %zu texts\n", family.space.name.c_str(), texts.size());
  CompileAll(std::move(texts));
}

INSTANTIATE_TEST_SUITE_P(Families, EveryRow, testing::Range<size_t>(0, AllFamilies().size()),
                         [](const testing::TestParamInfo<size_t>& info) {
                           return absl::StrReplaceAll(AllFamilies()[info.param].space.name, {{" ", "_"}});
                         });

TEST(CudaKernels, RefusalsSayWhatIsMissing) {
  const auto message = [](const kernels::CudaQuery& query) {
    return std::string(kernels::ChooseCuda(query, Hopper()).status().message());
  };
  const auto operand = [](DType type, const std::vector<int64_t>& sizes) { return kernels::Operand(type, sizes); };
  using test::Query;
  EXPECT_EQ(message(Query("linear", {operand(DType::kI8, {-9, 16}), operand(DType::kI8, {8, 16})},
                          {operand(DType::kI8, {-9, 8})})),
            "no CUDA kernel 'linear' for i8 of products of codes");
  EXPECT_EQ(message(Query("no_such_op", {}, {})), "no CUDA kernel 'no_such_op'");
  kernels::CudaQuery fused = Query("softmax", {operand(DType::kF32, {-9})}, {operand(DType::kF32, {-9})});
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
