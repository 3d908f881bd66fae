#include "tools/common/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/common/report.h"

namespace sluice::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Parsed {
  bool quiet = false;
  std::string output = "out";
  int64_t n = 3;
  double p = 0.5;
  std::vector<std::string> many;
  std::string input;
  std::vector<std::string> rest;
  bool n_given = false;
  std::optional<int> code;
};

Parsed Parse(std::vector<const char*> args) {
  Parsed r;
  Flags flags("tool", "IN [flags]", "tool in.txt");
  flags.Switch(&r.quiet, 'q', "quiet", "no progress");
  flags.String(&r.output, 'o', "output", "FILE", "where to");
  flags.Int(&r.n, 'j', "jobs", "N", "how many");
  flags.Double(&r.p, 0, "top-p", "P", "share");
  flags.Strings(&r.many, 'D', "define", "X", "things");
  flags.Positional(&r.input, "IN", "the input");
  flags.Positionals(&r.rest, 0, "MORE", "more inputs");
  args.insert(args.begin(), "tool");
  r.code = flags.Parse(static_cast<int>(args.size()), args.data());
  r.n_given = flags.Given("jobs");
  return r;
}

TEST(Flags, EveryForm) {
  const Parsed r = Parse({"in", "-q", "-o", "x", "-j4", "--top-p=0.25", "--define", "a=b", "-Dc", "--", "-z", "-"});
  EXPECT_FALSE(r.code.has_value());
  EXPECT_TRUE(r.quiet && r.n_given);
  EXPECT_EQ(r.output, "x");
  EXPECT_EQ(r.n, 4);
  EXPECT_EQ(r.p, 0.25);
  EXPECT_THAT(r.many, ElementsAre("a=b", "c"));
  EXPECT_EQ(r.input, "in");
  EXPECT_THAT(r.rest, ElementsAre("-z", "-"));
}

TEST(Flags, DefaultsStay) {
  const Parsed r = Parse({"-"});
  EXPECT_EQ(r.input, "-");
  EXPECT_EQ(r.output, "out");
  EXPECT_FALSE(r.n_given);
}

TEST(Flags, NegativeNumbersAreValues) { EXPECT_EQ(Parse({"in", "--jobs", "-2"}).n, -2); }

TEST(Flags, MistakesAreUsageErrors) {
  const std::pair<std::vector<const char*>, const char*> cases[] = {
      {{"in", "--foo"}, "tool: error: --foo: unknown flag (see tool --help)\n"},
      {{"in", "-z"}, "tool: error: -z: unknown flag (see tool --help)\n"},
      {{"in", "--quiet=1"}, "--quiet: takes no value"},
      {{"in", "-o"}, "-o: FILE is missing"},
      {{"in", "-jx"}, "--jobs: \"x\" is not a whole number"},
      {{"in", "-j", "99999999999999999999"}, "is not a whole number"},
      {{"in", "--jobs="}, "--jobs: \"\" is not a whole number"},
      {{"in", "--top-p", "nan"}, "is not a number"},
      {{}, "IN: is missing"},
  };
  for (const auto& [args, message] : cases) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(Parse(args).code, kExitUsage);
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr(message));
  }
}

TEST(Flags, HelpBeginsWithTheExample) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(Parse({"--help"}).code, kExitOk);
  const std::string help = testing::internal::GetCapturedStdout();
  EXPECT_EQ(help.rfind("Example:  tool in.txt\n", 0), 0u);
  EXPECT_THAT(help, HasSubstr("-o, --output FILE"));
  EXPECT_THAT(help, HasSubstr("(default 3)"));
}

TEST(Report, StatusBecomesExitCode) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), kExitOk);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), kExitInput);
  EXPECT_EQ(ExitCodeOf(absl::DataLossError("")), kExitInput);
  EXPECT_EQ(ExitCodeOf(absl::ResourceExhaustedError("")), kExitResources);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), kExitResources);
}

TEST(Report, ErrorsAreOneLine) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(Fail("tool", absl::InvalidArgumentError("a:\nb\n")), kExitInput);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "tool: error: a: b\n");
}

TEST(Report, ProgressIsALineAPhaseWithoutATerminal) {
  testing::internal::CaptureStderr();
  {
    Progress progress("tool", false);
    progress.Phase("import");
    progress.Update(1, 2);
    Progress("tool", true).Phase("silent");
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "tool: import\n");
}

}  // namespace
}  // namespace sluice::tools
