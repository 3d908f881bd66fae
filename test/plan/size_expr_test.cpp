#include "runtime/plan/size_expr.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <random>
#include <thread>

namespace sluice::plan {
namespace {

constexpr int64_t kMinInt = std::numeric_limits<int64_t>::min();
constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();

SizeExpr S(const char* name) { return SizeExpr::Symbol(name); }
SizeExpr P(const std::string& text) {
  const auto e = SizeExpr::Parse(text);
  EXPECT_TRUE(e.ok()) << e.status();
  return e.ok() ? *e : SizeExpr(-12345);
}
std::string Canonical(const std::string& text) { return P(text).ToString(); }

TEST(SizeExpr, Polynomials) {
  EXPECT_EQ(Canonical("seq + past"), "past + seq");
  EXPECT_EQ(Canonical("2*(a+b)*(a-b) + 1 - 1"), "2 * a * a - 2 * b * b");
  EXPECT_EQ(Canonical("a - a"), "0");
  EXPECT_EQ(Canonical("-a - -3"), "-a + 3");
  EXPECT_EQ(Canonical("4 * (seq + past) - seq*3"), "4 * past + seq");
  EXPECT_EQ(S("past") + S("seq"), P("seq + past"));
  EXPECT_EQ(P("b*a"), S("a") * S("b"));
  EXPECT_TRUE(P("3 * 4 - 2").IsConstant());
  EXPECT_EQ(P("min * max.1"), S("max.1") * S("min"));  // function names are names too
}

TEST(SizeExpr, Divisions) {
  EXPECT_EQ(Canonical("floordiv(8*a, 8)"), "a");
  EXPECT_EQ(Canonical("floordiv(8*a + b + 19, 8)"), "a + floordiv(b + 3, 8) + 2");
  EXPECT_EQ(Canonical("ceildiv(a, 16)"), "floordiv(a + 15, 16)");
  EXPECT_EQ(Canonical("ceildiv(a + 16, 16) - ceildiv(a, 16)"), "1");
  EXPECT_EQ(Canonical("floordiv(4*a + 6, 8)"), "floordiv(a + 1, 2)");
  EXPECT_EQ(Canonical("floordiv(6*a + 3, 9)"), "floordiv(2 * a + 1, 3)");
  EXPECT_EQ(Canonical("floordiv(floordiv(a, 2) + 1, 2)"), "floordiv(a + 2, 4)");
  EXPECT_EQ(Canonical("floordiv(a, -2)"), "floordiv(-a, 2)");
  EXPECT_EQ(Canonical("floordiv(a*b*64, b*64)"), "a");
  EXPECT_EQ(Canonical("floordiv(a*b + c, b)"), "a + floordiv(c, b)");
  EXPECT_EQ(Canonical("floordiv((a + b)*c, a + b)"), "c");
  EXPECT_EQ(Canonical("floordiv(a*a - b*b, a + b)"), "a - b");
  EXPECT_EQ(Canonical("floordiv(-7, 2)"), "-4");
  EXPECT_EQ(Canonical("ceildiv(-7, 2)"), "-3");
  EXPECT_EQ(Canonical("mod(-7, 4)"), "1");
  EXPECT_EQ(Canonical("mod(7, -4)"), "-1");
  EXPECT_EQ(Canonical("mod(8*a + b + 19, 8)"), "mod(b + 3, 8)");
  EXPECT_EQ(Canonical("mod(4*a + 6, 8)"), "4 * mod(a + 1, 2) + 2");
  EXPECT_EQ(Canonical("mod(mod(a, 8) + 1, 4)"), "mod(a + 1, 4)");
  EXPECT_EQ(Canonical("mod(a*b, b)"), "0");
  EXPECT_EQ(Canonical("floordiv(a, 0)"), "floordiv(a, 0)");
}

TEST(SizeExpr, Extrema) {
  EXPECT_EQ(Canonical("min(a, a + 1)"), "a");
  EXPECT_EQ(Canonical("max(3, max(b, max(a, 5)))"), "max(5, max(a, b))");
  EXPECT_EQ(Canonical("max(b, a) - max(a, b)"), "0");
  EXPECT_EQ(Canonical("min(max(a, b), b)"), "min(b, max(a, b))");
}

TEST(SizeExpr, ReadsTheWholeRangeAndRefusesBadText) {
  EXPECT_EQ(P("-9223372036854775808").Constant(), kMinInt);
  EXPECT_EQ(Canonical("a - 9223372036854775808"), "a - 9223372036854775808");
  EXPECT_EQ(P("  ( (a)) ").ToString(), "a");
  for (const char* text : {"", "a +", "1 2", "9223372036854775808", "99999999999999999999", "foo(a, b)", "min(a)",
                           "min(a, b", "a b", "(a", "a)", "a ** 2", "2x", ".a", "a/2", "min(a,b,c)", "a # b", "é"}) {
    EXPECT_EQ(SizeExpr::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(SizeExpr::Parse(std::string(100000, '(')).ok());
  std::string wide = "a0";
  for (int i = 1; i < 5000; ++i) {
    wide += "+a" + std::to_string(i);
  }
  EXPECT_TRUE(SizeExpr::Parse(wide).ok());
  EXPECT_TRUE(SizeExpr::Parse("(" + wide + ")*(" + wide + ")").status().code() != absl::StatusCode::kInternal);
}

TEST(SizeExpr, EvaluateErrors) {
  const auto total = (S("past") + S("seq")) * 4;
  EXPECT_EQ(total.Evaluate({{"past", 5}, {"seq", 2}}).value(), 28);
  const auto unbound = total.Evaluate({{"past", 5}});
  EXPECT_EQ(unbound.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(unbound.status().message()).find("seq"), std::string::npos);
  EXPECT_EQ(P("floordiv(a, b)").Evaluate({{"a", 1}, {"b", 0}}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(P("a * b").Evaluate({{"a", kMaxInt}, {"b", 2}}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(P("a + b").Evaluate({{"a", kMaxInt}, {"b", 2}}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(P("a - b + c").Evaluate({{"a", kMaxInt}, {"b", 2}, {"c", 2}}).value(), kMaxInt);
}

TEST(SizeExpr, CoefficientsBeyondInt64StayExact) {
  const SizeExpr big = SizeExpr(kMaxInt) * S("a");
  for (const SizeExpr& e : {big * 4, big + big, (big + big) - big, S("a") - SizeExpr(kMinInt) * S("a")}) {
    EXPECT_EQ(P(e.ToString()), e);
    EXPECT_EQ(e.Evaluate({{"a", 0}}).value(), 0);
  }
  EXPECT_EQ((big * 4).Evaluate({{"a", 1}}).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(SizeExpr(kMaxInt) + 1, P((SizeExpr(kMaxInt) + 1).ToString()));
  SizeExpr power = S("x");
  for (int i = 0; i < 10; ++i) {  // x^1024 is not multiplied out
    power = power * power;
  }
  EXPECT_EQ(P(power.ToString()), power);
  EXPECT_EQ(power.Evaluate({{"x", -1}}).value(), 1);
}

// ---- random expressions -----------------------------------------------------------------------------------------

// A tree, evaluated by its definition, and the same tree as a SizeExpr.
struct Tree {
  char op = '0';  // 0 constant, s symbol, + - * / c % m M
  int64_t value = 0;
  std::string name;
  std::shared_ptr<Tree> a, b;
};

std::shared_ptr<Tree> RandomTree(std::mt19937& rng, int depth) {
  auto t = std::make_shared<Tree>();
  const int pick = static_cast<int>(rng() % 12);
  if (depth == 0 || pick < 2) {
    t->op = rng() % 3 == 0 ? '0' : 's';
    t->value = static_cast<int64_t>(rng() % 21) - 6;
    t->name = std::string(1, static_cast<char>('w' + rng() % 4));
    return t;
  }
  t->op = "++-**/c%mM"[pick - 2];
  t->a = RandomTree(rng, depth - 1);
  t->b = RandomTree(rng, depth - 1);
  if (rng() % 3 != 0 && std::string("/c%").find(t->op) != std::string::npos) {  // most divisors are constants
    t->b = std::make_shared<Tree>();
    t->b->value = static_cast<int64_t>(rng() % 19) - 3;
  }
  return t;
}

std::optional<int64_t> Value(const Tree& t, const Bindings& values) {
  if (t.op == '0') {
    return t.value;
  }
  if (t.op == 's') {
    return values.at(t.name);
  }
  const auto a = Value(*t.a, values);
  const auto b = Value(*t.b, values);
  if (!a || !b) {
    return std::nullopt;
  }
  const auto floordiv = [](int64_t x, int64_t y) {  // by the definition: the largest q with q * y <= x (y > 0)
    return static_cast<int64_t>(std::floor(static_cast<long double>(x) / static_cast<long double>(y)));
  };
  switch (t.op) {
    case '+':
      return *a + *b;
    case '-':
      return *a - *b;
    case '*':
      return *a * *b;
    case 'm':
      return std::min(*a, *b);
    case 'M':
      return std::max(*a, *b);
    default:
      break;
  }
  if (*b == 0) {
    return std::nullopt;
  }
  const int64_t q = floordiv(*a, *b);
  return t.op == '/' ? q : t.op == 'c' ? -floordiv(-*a, *b) : *a - *b * q;
}

SizeExpr Build(const Tree& t) {
  switch (t.op) {
    case '0':
      return SizeExpr(t.value);
    case 's':
      return SizeExpr::Symbol(t.name);
    case '+':
      return Build(*t.a) + Build(*t.b);
    case '-':
      return Build(*t.a) - Build(*t.b);
    case '*':
      return Build(*t.a) * Build(*t.b);
    case '/':
      return SizeExpr::FloorDiv(Build(*t.a), Build(*t.b));
    case 'c':
      return SizeExpr::CeilDiv(Build(*t.a), Build(*t.b));
    case '%':
      return SizeExpr::Mod(Build(*t.a), Build(*t.b));
    case 'm':
      return SizeExpr::Min(Build(*t.a), Build(*t.b));
    default:
      return SizeExpr::Max(Build(*t.a), Build(*t.b));
  }
}

std::string Text(const Tree& t) {
  const auto call = [&](const char* name) { return std::string(name) + "(" + Text(*t.a) + "," + Text(*t.b) + ")"; };
  switch (t.op) {
    case '0':
      return std::to_string(t.value);
    case 's':
      return t.name;
    case '/':
      return call("floordiv");
    case 'c':
      return call("ceildiv");
    case '%':
      return call("mod");
    case 'm':
      return call("min");
    case 'M':
      return call("max");
    default:
      return "(" + Text(*t.a) + " " + t.op + " " + Text(*t.b) + ")";
  }
}

class RandomSizes : public testing::TestWithParam<int> {};

TEST_P(RandomSizes, CanonicalFormKeepsTheMeaning) {
  std::mt19937 rng(static_cast<unsigned>(GetParam()));
  const std::map<std::string, uint32_t> index = {{"w", 0}, {"x", 1}, {"y", 2}, {"z", 3}};
  for (int round = 0; round < 2000; ++round) {
    const auto tree = RandomTree(rng, 1 + static_cast<int>(rng() % 4));
    const SizeExpr e = Build(*tree);
    const std::string text = e.ToString();
    ASSERT_EQ(P(text), e) << Text(*tree) << " -> " << text;
    ASSERT_EQ(P(text).ToString(), text);
    ASSERT_EQ(P(Text(*tree)), e) << Text(*tree);
    ASSERT_EQ(e.Substitute({{"x", S("y")}}).Substitute({{"y", S("y")}}), e.Substitute({{"x", S("y")}}));
    ExprProgram program;
    const uint32_t slot = program.Add(e, index);
    const size_t length = program.code().size();
    ASSERT_EQ(program.Add(e, index), slot);
    ASSERT_EQ(program.code().size(), length);
    SymbolBounds bounds;
    for (const auto& [name, i] : index) {
      const int64_t low = static_cast<int64_t>(rng() % 15) - 8;
      bounds[name] = {low, low + static_cast<int64_t>(rng() % 10)};
    }
    const Interval interval = e.Bounds(bounds);
    for (int sample = 0; sample < 12; ++sample) {
      Bindings values;
      int64_t symbols[4];
      std::map<std::string, SizeExpr> constants;
      for (const auto& [name, i] : index) {
        const Interval& b = bounds[name];
        symbols[i] = values[name] = b.min + static_cast<int64_t>(rng() % static_cast<uint64_t>(b.max - b.min + 1));
        constants[name] = SizeExpr(values[name]);
      }
      const std::optional<int64_t> expected = Value(*tree, values);
      if (!expected) {
        continue;  // a division by zero may fold away
      }
      const auto got = e.Evaluate(values);
      ASSERT_TRUE(got.ok()) << got.status() << "\n" << Text(*tree);
      ASSERT_EQ(*got, *expected) << Text(*tree) << " -> " << text << " x=" << values["x"] << " y=" << values["y"];
      ASSERT_LE(interval.min, *expected) << text;
      ASSERT_GE(interval.max, *expected) << text;
      ASSERT_EQ(e.Substitute(constants).Constant(), *expected) << text;
      std::vector<int64_t> slots(program.code().size());
      program.Run(symbols, slots.data());
      ASSERT_EQ(slots[slot], *expected) << text;
      if (ProvenNonNegative(e, bounds)) {
        ASSERT_GE(*expected, 0) << text;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSizes, testing::Range(0, 10));

// Two trees that agree on many points but are not proven equal are fine; two proven equal must agree everywhere.
TEST(SizeExpr, ProvenEqualIsSound) {
  std::mt19937 rng(77);
  int proven = 0;
  for (int round = 0; round < 20000; ++round) {
    const auto s = RandomTree(rng, 2);
    const auto t = RandomTree(rng, 2);
    if (!ProvenEqual(Build(*s), Build(*t))) {
      continue;
    }
    ++proven;
    for (int sample = 0; sample < 10; ++sample) {
      Bindings values;
      for (const char* name : {"w", "x", "y", "z"}) {
        values[name] = static_cast<int64_t>(rng() % 40) - 20;
      }
      const auto a = Value(*s, values);
      const auto b = Value(*t, values);
      ASSERT_TRUE(!a || !b || *a == *b) << Text(*s) << " vs " << Text(*t);
    }
  }
  EXPECT_GT(proven, 20);
  EXPECT_TRUE(ProvenEqual(P("a"), P("8 * floordiv(a, 8) + mod(a, 8)")));
  EXPECT_FALSE(ProvenEqual(P("a"), P("b")));
}

TEST(SizeExpr, BoundsAndProofs) {
  EXPECT_EQ(P("4 * seq + 1").Bounds({}), (Interval{1, kMaxInt}));
  EXPECT_EQ(P("a - b").Bounds({}), (Interval{-kMaxInt, kMaxInt}));
  EXPECT_EQ(P("(a - 3) * (a - 3)").Bounds({{"a", {0, 5}}}).max >= 9, true);
  EXPECT_EQ(P("mod(a, 8)").Bounds({{"a", {2, 5}}}), (Interval{2, 5}));
  EXPECT_EQ(P("floordiv(64 - a, 16)").Bounds({{"a", {0, 64}}}), (Interval{0, 4}));
  EXPECT_EQ(P("a * a * a * a * a * a").Bounds({}).min, kMinInt);  // beyond what is tracked
  EXPECT_TRUE(ProvenNonNegative(P("past + seq - past")));
  EXPECT_TRUE(ProvenNonNegative(P("a - min(a, b)")));
  EXPECT_TRUE(ProvenNonNegative(P("max(a, b) - b")));
  EXPECT_TRUE(ProvenNonNegative(P("a - floordiv(a, 2)")));
  EXPECT_TRUE(ProvenNonNegative(P("16 * ceildiv(a, 16) - a")));
  EXPECT_TRUE(ProvenNonNegative(P("a - mod(a, 4)")));
  EXPECT_FALSE(ProvenNonNegative(P("a - 1")));
  EXPECT_TRUE(ProvenNonNegative(P("a - 1"), {{"a", {1, 9}}}));
}

TEST(SizeExpr, ManyThreadsInternTheSame) {
  std::vector<std::thread> threads;
  std::vector<std::string> texts(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const SizeExpr e = SizeExpr::FloorDiv(S("p") * i + S(("q" + std::to_string(i % 50)).c_str()), 7) * S("p");
        texts[t] = e.ToString();
      }
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
  EXPECT_EQ(texts[0], texts[3]);
}

// A number to look at: what the compiler does hundreds of thousands of times.
TEST(SizeExpr, Speed) {
  const auto start = std::chrono::steady_clock::now();
  constexpr int kRounds = 20000;
  int64_t terms = 0;
  for (int i = 0; i < kRounds; ++i) {
    const SizeExpr total = SizeExpr::Symbol("past_sequence") + SizeExpr::Symbol("sequence");
    const SizeExpr bytes = total * SizeExpr::Symbol("batch") * 64 * SizeExpr(i);
    terms += SizeExpr::FloorDiv(bytes + 63, 64) == total ? 1 : 0;
    terms += static_cast<int64_t>(bytes.ToString().size());
  }
  const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
  std::printf("%.2f us for 10 operations (%ld)\n", spent.count() / kRounds, static_cast<long>(terms));
}

}  // namespace
}  // namespace sluice::plan
