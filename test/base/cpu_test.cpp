#include "runtime/base/cpu.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Cpu, OverrideLowersAndNeverRaises) {
  const CpuFeatures machine = DetectCpu(nullptr);
  EXPECT_EQ(DetectCpu("v2").level, CpuLevel::kV2);
  EXPECT_LE(DetectCpu("v3").level, CpuLevel::kV3);
  EXPECT_EQ(DetectCpu("v4").level, machine.level);
  EXPECT_EQ(DetectCpu("nonsense").level, machine.level);
}

TEST(Cpu, ExtrasNeedTheirLevel) {
  const CpuFeatures f = DetectCpu("v3");
  EXPECT_FALSE(f.avx512_bf16);
  EXPECT_FALSE(f.avx512_vnni);
  EXPECT_FALSE(f.v4());
}

TEST(Cpu, NamesAreThePsabiOnes) {
  EXPECT_STREQ(Name(CpuLevel::kV3), "x86-64-v3");
  EXPECT_GE(AvailableCpus(), 1);
}

}  // namespace
}  // namespace sluice
