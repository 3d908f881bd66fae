#include "kernels/desc.h"

namespace sluice::kernels {
namespace {

const char* KindName(const Attr& attr) {
  static constexpr const char* kKinds[] = {"an integer", "a float", "a string", "a list of integers",
                                           "a list of floats"};
  return kKinds[attr.value.index()];
}

// The attribute's value as a T; `or_else` when no attribute has the name.
template <typename T>
absl::StatusOr<T> Get(const std::vector<Attr>& attrs, const std::string& name, const T& or_else, const char* wanted) {
  for (const Attr& attr : attrs) {
    if (attr.name != name) {
      continue;
    }
    if (const T* value = std::get_if<T>(&attr.value)) {
      return *value;
    }
    return absl::InvalidArgumentError("attribute " + name + ": is " + KindName(attr) + ", " + wanted + " is expected");
  }
  return or_else;
}

}  // namespace

absl::StatusOr<int64_t> Attrs::Int(const std::string& name, int64_t or_else) const {
  return Get<int64_t>(attrs_, name, or_else, "an integer");
}

absl::StatusOr<double> Attrs::Float(const std::string& name, double or_else) const {
  return Get<double>(attrs_, name, or_else, "a float");
}

absl::StatusOr<std::string> Attrs::String(const std::string& name, const std::string& or_else) const {
  return Get<std::string>(attrs_, name, or_else, "a string");
}

absl::StatusOr<std::vector<int64_t>> Attrs::Ints(const std::string& name, const std::vector<int64_t>& or_else) const {
  return Get<std::vector<int64_t>>(attrs_, name, or_else, "a list of integers");
}

absl::StatusOr<std::vector<double>> Attrs::Floats(const std::string& name, const std::vector<double>& or_else) const {
  return Get<std::vector<double>>(attrs_, name, or_else, "a list of floats");
}

}  // namespace sluice::kernels
