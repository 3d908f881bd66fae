#include "tools/common/flags.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "tools/common/report.h"

namespace sluice::tools {
namespace {

template <typename T>
absl::Status ParseNumber(const std::string& text, const char* kind, T* out) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *out);
  if (text.empty() || result.ptr != end || result.ec != std::errc()) {
    return absl::InvalidArgumentError("\"" + text + "\" is not " + kind);
  }
  return absl::OkStatus();
}

std::string Quoted(const std::string& text) { return text.empty() ? "" : "\"" + text + "\""; }

}  // namespace

Flags::Flags(std::string tool, std::string synopsis, std::string example)
    : tool_(std::move(tool)), synopsis_(std::move(synopsis)), example_(std::move(example)) {}

void Flags::Add(char letter, const std::string& name, const std::string& value, const std::string& help,
                const std::string& shown_default, std::function<absl::Status(const std::string&)> set) {
  flags_.push_back({letter, name, value, help, shown_default, std::move(set)});
}

void Flags::Switch(bool* out, char letter, const std::string& name, const std::string& help) {
  Add(letter, name, "", help, "", [out](const std::string&) {
    *out = true;
    return absl::OkStatus();
  });
}

void Flags::String(std::string* out, char letter, const std::string& name, const std::string& value,
                   const std::string& help) {
  Add(letter, name, value, help, *out, [out](const std::string& text) {
    *out = text;
    return absl::OkStatus();
  });
}

void Flags::Int(int64_t* out, char letter, const std::string& name, const std::string& value, const std::string& help) {
  Add(letter, name, value, help, *out == 0 ? "" : std::to_string(*out),
      [out](const std::string& text) { return ParseNumber(text, "a whole number", out); });
}

void Flags::Double(double* out, char letter, const std::string& name, const std::string& value,
                   const std::string& help) {
  Add(letter, name, value, help, *out == 0 ? "" : absl::StrCat(*out), [out](const std::string& text) {
    double number = 0;
    RETURN_IF_ERROR(ParseNumber(text, "a number", &number));
    if (!std::isfinite(number)) {
      return absl::InvalidArgumentError("\"" + text + "\" is not a number");
    }
    *out = number;
    return absl::OkStatus();
  });
}

void Flags::Strings(std::vector<std::string>* out, char letter, const std::string& name, const std::string& value,
                    const std::string& help) {
  Add(letter, name, value, help + "; repeatable", "", [out](const std::string& text) {
    out->push_back(text);
    return absl::OkStatus();
  });
}

void Flags::Custom(std::function<absl::Status(const std::string&)> parse, char letter, const std::string& name,
                   const std::string& value, const std::string& help) {
  Add(letter, name, value, help, "", std::move(parse));
}

void Flags::Positional(std::string* out, const std::string& value, const std::string& help) {
  arguments_.push_back({value, help, out});
}

void Flags::Positionals(std::vector<std::string>* out, size_t least, const std::string& value,
                        const std::string& help) {
  rest_ = out;
  rest_least_ = least;
  rest_help_ = Argument{value, help, nullptr};
}

Flags::Flag* Flags::Find(const std::string& name) {
  for (Flag& flag : flags_) {
    if (name == "--" + flag.name || (flag.letter != 0 && name == std::string{'-', flag.letter})) {
      return &flag;
    }
  }
  return nullptr;
}

bool Flags::Given(const std::string& name) const {
  for (const Flag& flag : flags_) {
    if (flag.name == name) {
      return flag.given;
    }
  }
  return false;
}

// args[*at] begins with a dash.  Leaves *at on the last argument used.
absl::Status Flags::ParseFlag(const std::vector<std::string>& args, size_t* at) {
  const std::string& arg = args[*at];
  std::string name = arg;
  std::optional<std::string> value;
  const size_t equals = arg.find('=');
  if (arg[1] != '-' && arg.size() > 2) {  // -oVALUE
    name = arg.substr(0, 2);
    value = arg.substr(2);
  } else if (arg[1] == '-' && equals != std::string::npos) {
    name = arg.substr(0, equals);
    value = arg.substr(equals + 1);
  }
  Flag* flag = Find(name);
  if (flag == nullptr) {
    return absl::InvalidArgumentError(name + ": unknown flag");
  }
  if (flag->value.empty() && value) {
    return absl::InvalidArgumentError(name + ": takes no value");
  }
  if (!flag->value.empty() && !value) {
    if (*at + 1 == args.size()) {
      return absl::InvalidArgumentError(name + ": " + flag->value + " is missing");
    }
    value = args[++*at];
  }
  flag->given = true;
  const absl::Status status = flag->set(value.value_or(""));
  return status.ok() ? status : absl::InvalidArgumentError("--" + flag->name + ": " + std::string(status.message()));
}

absl::Status Flags::ParseArguments(const std::vector<std::string>& values) {
  for (size_t i = 0; i < arguments_.size(); ++i) {
    if (i >= values.size()) {
      return absl::InvalidArgumentError(arguments_[i].value + ": is missing");
    }
    *arguments_[i].out = values[i];
  }
  for (size_t i = arguments_.size(); i < values.size(); ++i) {
    if (rest_ == nullptr) {
      return absl::InvalidArgumentError(Quoted(values[i]) + ": one argument too many");
    }
    rest_->push_back(values[i]);
  }
  if (rest_ != nullptr && rest_->size() < rest_least_) {
    return absl::InvalidArgumentError(rest_help_->value + ": is missing");
  }
  return absl::OkStatus();
}

std::optional<int> Flags::Parse(int argc, const char* const* argv) {
  const std::vector<std::string> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  std::vector<std::string> values;
  absl::Status status;
  for (size_t i = 0; i < args.size() && status.ok(); ++i) {
    if (args[i] == "--help" || args[i] == "-h") {
      std::fputs(Help().c_str(), stdout);
      return kExitOk;
    }
    if (args[i] == "--") {
      values.insert(values.end(), args.begin() + static_cast<std::ptrdiff_t>(i) + 1, args.end());
      break;
    }
    if (args[i].size() > 1 && args[i][0] == '-') {
      status = ParseFlag(args, &i);
    } else {
      values.push_back(args[i]);
    }
  }
  if (status.ok()) {
    status = ParseArguments(values);
  }
  if (status.ok()) {
    return std::nullopt;
  }
  return UsageError(tool_, std::string(status.message()));
}

std::string Flags::Help() const {
  std::string out = "Example:  " + example_ + "\n\nUsage:    " + tool_ + " " + synopsis_ + "\n\n";
  const auto row = [&](std::string left, const std::string& help) {
    constexpr size_t kColumn = 30;
    left = "  " + left;
    left += left.size() < kColumn ? std::string(kColumn - left.size(), ' ') : "\n" + std::string(kColumn, ' ');
    out += left + help + "\n";
  };
  for (const Argument& a : arguments_) {
    row(a.value, a.help);
  }
  if (rest_help_) {
    row(rest_help_->value, rest_help_->help);
  }
  for (const Flag& f : flags_) {
    const std::string letter = f.letter == 0 ? "    " : std::string{'-', f.letter, ',', ' '};
    const std::string value = f.value.empty() ? "" : " " + f.value;
    row(letter + "--" + f.name + value, f.help + (f.shown_default.empty() ? "" : " (default " + f.shown_default + ")"));
  }
  row("-h, --help", "this text");
  out += "\nExit codes: 0 done, 1 the input is at fault, 2 wrong usage, 3 results differ, 4 not enough of something.\n";
  return out;
}

}  // namespace sluice::tools
