// Command lines: declared, then parsed.
//
//   Flags flags("sluice-plan", "FILE.csv [flags]", "sluice-plan buffers.csv -o packed.csv");
//   flags.Positional(&input, "FILE.csv", "buffers to pack");
//   flags.String(&output, 'o', "output", "FILE", "write the offsets there");
//   flags.Int(&effort, 0, "effort", "N", "how long to search");
//   if (std::optional<int> code = flags.Parse(argc, argv)) { return *code; }
//
// Forms: --name VALUE, --name=VALUE, -o VALUE, -oVALUE; bare --name for switches; `--` ends the flags; `-` is a value.
// --help prints the example, then what was declared, and gives 0; anything not understood is an error line and 2.
#ifndef SLUICE_TOOLS_COMMON_FLAGS_H_
#define SLUICE_TOOLS_COMMON_FLAGS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace sluice::tools {

class Flags {
 public:
  // `synopsis` follows the tool's name in the usage line; `example` is one whole command line (or several lines).
  Flags(std::string tool, std::string synopsis, std::string example);

  // `out` keeps its value when the flag is absent: that is the default, shown by --help where it says something.
  // `letter` 0: no short form.
  void Switch(bool* out, char letter, const std::string& name, const std::string& help);
  void String(std::string* out, char letter, const std::string& name, const std::string& value,
              const std::string& help);
  void Int(int64_t* out, char letter, const std::string& name, const std::string& value, const std::string& help);
  void Double(double* out, char letter, const std::string& name, const std::string& value, const std::string& help);
  // Repeatable: each use appends.
  void Strings(std::vector<std::string>* out, char letter, const std::string& name, const std::string& value,
               const std::string& help);
  // Anything else: `parse` gets the value; its message goes behind "--name: ".  Repeatable.
  void Custom(std::function<absl::Status(const std::string&)> parse, char letter, const std::string& name,
              const std::string& value, const std::string& help);

  // Arguments without a dash, in the order declared; each is required.
  void Positional(std::string* out, const std::string& value, const std::string& help);
  // Any number more of them, at least `least` in all.
  void Positionals(std::vector<std::string>* out, size_t least, const std::string& value, const std::string& help);

  // Nothing: go on.  A number: the tool ends with it; everything has been printed.
  std::optional<int> Parse(int argc, const char* const* argv);

  // True when the flag stood on the command line.
  bool Given(const std::string& name) const;
  const std::string& tool() const { return tool_; }
  std::string Help() const;

 private:
  struct Flag {
    char letter;
    std::string name;
    std::string value;  // empty: a switch
    std::string help;
    std::string shown_default;
    std::function<absl::Status(const std::string&)> set;
    bool given = false;
  };
  struct Argument {
    std::string value;
    std::string help;
    std::string* out;
  };
  void Add(char letter, const std::string& name, const std::string& value, const std::string& help,
           const std::string& shown_default, std::function<absl::Status(const std::string&)> set);
  Flag* Find(const std::string& name);
  absl::Status ParseFlag(const std::vector<std::string>& args, size_t* at);
  absl::Status ParseArguments(const std::vector<std::string>& values);

  std::string tool_;
  std::string synopsis_;
  std::string example_;
  std::vector<Flag> flags_;
  std::vector<Argument> arguments_;
  std::optional<Argument> rest_help_;
  std::vector<std::string>* rest_ = nullptr;
  size_t rest_least_ = 0;
};

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_COMMON_FLAGS_H_
