#include "runtime/base/hash.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Hash, IsXxh3) {
  EXPECT_EQ(Hash64(std::string()), 0x2d06800538d394c2u);  // XXH3's own test vectors, seed 0
  EXPECT_EQ(Hash64(std::string("\0", 1)), Hash64("\0", 1));
}

TEST(Hash, StreamEqualsWhole) {
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    text += static_cast<char>(i * 31);
  }
  for (size_t step : {1u, 3u, 64u, 1000u, 5000u}) {
    Hasher h;
    for (size_t i = 0; i < text.size(); i += step) {
      h.Add(text.substr(i, step));
    }
    EXPECT_EQ(h.Digest(), Hash64(text)) << step;
  }
}

}  // namespace
}  // namespace sluice
