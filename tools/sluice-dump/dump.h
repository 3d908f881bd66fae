// What sluice-dump prints: each view of an artifact as text and as JSON.
#ifndef SLUICE_TOOLS_SLUICE_DUMP_DUMP_H_
#define SLUICE_TOOLS_SLUICE_DUMP_DUMP_H_

#include <memory>
#include <set>
#include <string>

#include "runtime/artifact/artifact.h"
#include "runtime/base/json_writer.h"
#include "runtime/cuda/cubin.h"
#include "runtime/exec/program.h"

namespace sluice::tools {

// An artifact and its size expressions, decoded without kernels: artifacts of every target can be looked at.
class Dump {
 public:
  static absl::StatusOr<std::unique_ptr<Dump>> Open(const std::string& path);

  // Each adds its fields to an open JSON object, or prints text on stdout.
  void Summary(JsonWriter* json) const;
  void Launches(JsonWriter* json) const;
  void Memory(JsonWriter* json) const;
  void Kernels(JsonWriter* json) const;
  void Roles(JsonWriter* json) const;
  void States(JsonWriter* json) const;
  // kInvalidArgument: no such kernel, or no source of it in the artifact.
  absl::Status Source(const std::string& kernel, JsonWriter* json) const;
  // Every checksum, every invariant, every bucket plan; for this machine's target also that all kernels are there.
  absl::Status Verify() const;

 private:
  const fb::Program& fb() const { return program_.artifact->program(); }
  std::string Sizes(const flatbuffers::Vector<uint32_t>* slots) const;
  std::string ViewText(const fb::Function& function, const fb::View& view) const;
  std::string BufferText(const fb::Function& function, int buffer) const;
  std::string AssumptionText(const exec::AssumptionDesc& assumption) const;
  std::string InstrName(const fb::Instr& instr) const;
  void Ports(const flatbuffers::Vector<flatbuffers::Offset<fb::Port>>* ports, const char* kind, JsonWriter* json) const;
  cuda::CubinFacts FactsOf(const fb::CudaKernel* kernel) const;
  void Kernel(const fb::Kernel& kernel, const fb::CudaKernel* form, int64_t uses, const std::set<std::string>& nodes,
              JsonWriter* json) const;
  absl::Status VerifyPlans(const exec::Program& program) const;

  exec::Program program_;
};

}  // namespace sluice::tools

#endif  // SLUICE_TOOLS_SLUICE_DUMP_DUMP_H_
