// Every fuzz target over its seeds and some thousand random changes of them; one that crashes ends the test.
#include <random>

#include "gtest/gtest.h"
#include "test/fuzz/target.h"

namespace sluice::fuzz {
namespace {

#ifdef SLUICE_FUZZ_CHANGES
constexpr int kChanges = SLUICE_FUZZ_CHANGES;  // of each seed
#else
constexpr int kChanges = 500;
#endif

std::string Changed(std::string text, const std::string& other, std::mt19937& random) {
  const auto below = [&](size_t n) { return n == 0 ? 0 : std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  for (size_t changes = 1 + below(4); changes > 0; --changes) {
    const size_t at = below(text.size());
    switch (below(6)) {
      case 0:
        text.resize(at);
        break;
      case 1:
        text.insert(at, 1 + below(4), static_cast<char>(below(256)));
        break;
      case 2:
        text.erase(at, 1 + below(8));
        break;
      case 3:
        text.insert(at, other.substr(below(other.size()), below(64)));
        break;
      case 4:
        text.insert(at, text.substr(at, below(256)));
        break;
      default:
        if (!text.empty()) {
          text[at] = static_cast<char>(below(256));
        }
    }
  }
  return text;
}

class Replay : public testing::TestWithParam<Target> {};

TEST_P(Replay, ComesBack) {
  std::mt19937 random(1);
  const std::vector<std::string> seeds = GetParam().seeds();
  for (const std::string& seed : seeds) {
    GetParam().run(seed);
    for (int i = 0; i < kChanges; ++i) {
      GetParam().run(Changed(seed, seeds[i % seeds.size()], random));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, testing::ValuesIn(Targets()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sluice::fuzz
