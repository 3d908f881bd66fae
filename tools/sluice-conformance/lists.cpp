#include "tools/sluice-conformance/lists.h"

#include <fstream>
#include <functional>
#include <sstream>

namespace sluice::conformance {
namespace {

using mlir::onnx_import::ImportOptions;

// Calls `add` with the name and the rest of each line.
absl::Status ForEachLine(const std::string& path,
                         const std::function<absl::Status(const std::string& name, std::istringstream& rest)>& add) {
  std::ifstream file(path);
  if (!path.empty() && !file) {
    return absl::NotFoundError(path + ": cannot be read");
  }
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    std::istringstream words(line);
    std::string name;
    if (!(words >> name) || name[0] == '#') {
      continue;
    }
    if (absl::Status status = add(name, words); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Reason(std::istringstream& words) {
  std::string why;
  std::getline(words >> std::ws, why);
  return why.empty() ? absl::InvalidArgumentError("no reason is given") : absl::StatusOr<std::string>(why);
}

absl::Status SetFlag(const std::string& flag, ImportOptions& options) {
  if (flag == "--int8-activations") {
    options.int8_activations = true;
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(flag + ": is no flag of the import");
}

}  // namespace

absl::StatusOr<Known> ReadKnown(const std::string& path) {
  Known known;
  RETURN_IF_ERROR(ForEachLine(path, [&](const std::string& name, std::istringstream& words) -> absl::Status {
    ASSIGN_OR_RETURN(known[name], Reason(words));
    return absl::OkStatus();
  }));
  return known;
}

absl::StatusOr<CompileFlags> ReadCompileFlags(const std::string& path) {
  CompileFlags flags;
  RETURN_IF_ERROR(ForEachLine(path, [&](const std::string& name, std::istringstream& words) -> absl::Status {
    ImportOptions& options = flags[name];
    while ((words >> std::ws).peek() == '-') {
      std::string flag;
      words >> flag;
      RETURN_IF_ERROR(SetFlag(flag, options));
    }
    return Reason(words).status();
  }));
  return flags;
}

ImportOptions OptionsOf(const CompileFlags& flags, const std::filesystem::path& folder) {
  const auto it = flags.find(folder.filename().string());
  ImportOptions options = it == flags.end() ? ImportOptions() : it->second;
  options.path = (folder / "model.onnx").string();
  return options;
}

}  // namespace sluice::conformance
