#include <cstdio>
#include <map>
#include <set>

#include "runtime/artifact/verify.h"
#include "runtime/exec/decode.h"
#include "runtime/exec/memory_plan.h"
#include "tools/sluice-dump/dump.h"

namespace sluice::tools {

using artifact::List;

// Of its image; the shared memory is that of the image and of the launch.  Zeros for a kernel on the CPU.
cuda::CubinFacts Dump::FactsOf(const fb::CudaKernel* kernel) const {
  if (kernel == nullptr) {
    return {};
  }
  const fb::Library& library = *fb().libraries()->Get(kernel->library());
  const absl::StatusOr<cuda::CubinFacts> read =
      cuda::ReadCubin(program_.artifact->ChunkBytes(*library.chunk()), kernel->entry()->str());
  cuda::CubinFacts facts = read.ok() ? *read : cuda::CubinFacts();
  facts.shared_bytes += kernel->shared();
  return facts;
}

void Dump::Kernels(JsonWriter* json) const {
  std::map<int, std::set<std::string>> nodes;
  std::map<int, int64_t> uses;
  for (const fb::Function* function : List(fb().functions())) {
    for (const fb::Instr* instr : List(function->instrs())) {
      uses[instr->kernel()] += 1;
      for (const flatbuffers::String* node : List(instr->nodes())) {
        nodes[instr->kernel()].insert(node->str());
      }
    }
  }
  if (json != nullptr) {
    json->Key("kernels").BeginArray();
  }
  for (int k = 0; k < List(fb().kernels()).size(); ++k) {
    const fb::Kernel& kernel = *fb().kernels()->Get(k);
    const std::set<std::string>& where = nodes[k];
    Kernel(kernel, kernel.cuda(), uses[k], where, json);
    if (kernel.cuda() != nullptr) {
      for (const fb::CudaKernel* few : List(kernel.cuda()->smaller())) {
        Kernel(kernel, few, uses[k], where, json);
      }
    }
  }
  if (json != nullptr) {
    json->EndArray();
  }
}

// A row: a kernel on the CPU (`form` null) or one of its forms on the GPU.
void Dump::Kernel(const fb::Kernel& kernel, const fb::CudaKernel* form, int64_t uses,
                  const std::set<std::string>& nodes, JsonWriter* json) const {
  const cuda::CubinFacts facts = FactsOf(form);
  const int64_t limit = form == nullptr ? -1 : form->limit();
  if (json == nullptr) {
    std::printf("%s (%s), %lld launches", kernel.name()->c_str(), kernel.library() ? "library" : "generated",
                static_cast<long long>(uses));
    if (limit >= 0) {
      std::printf(", up to %lld rows", static_cast<long long>(limit));
    }
    if (form != nullptr) {
      std::printf(", GPU: %lld registers, %lld bytes local, %lld bytes shared", static_cast<long long>(facts.registers),
                  static_cast<long long>(facts.local_bytes), static_cast<long long>(facts.shared_bytes));
    }
    for (const std::string& node : nodes) {
      std::printf("  %s", node.c_str());
    }
    std::printf("\n");
    return;
  }
  // Registers and shared memory are figures of GPU kernels; a CPU kernel has none.
  json->BeginObject().Field("name", kernel.name()->str());
  json->Field("family", kernel.library() ? kernel.name()->str() : "generated");
  json->Field("registers", facts.registers).Field("local_bytes", facts.local_bytes);
  json->Field("shared_bytes", facts.shared_bytes).Field("launches", uses);
  json->Field("device", form != nullptr ? "gpu" : "cpu");
  if (limit >= 0) {
    json->Field("rows", limit);
  }
  json->Field("nodes", std::vector<std::string>(nodes.begin(), nodes.end())).EndObject();
}

void Dump::States(JsonWriter* json) const {
  if (json != nullptr) {
    json->Key("states").BeginArray();
  }
  for (const exec::StateDesc& s : program_.states) {
    if (json == nullptr) {
      std::printf("%s: layer %d, %s, %s%s, axis %d, %s positions, then %s\n", s.name.c_str(), s.layer,
                  s.component.c_str(), Name(s.dtype), program_.SizesText(s.sizes).c_str(), s.axis,
                  program_.SlotText(s.length_before).c_str(), program_.SlotText(s.length_after).c_str());
      continue;
    }
    json->BeginObject()
        .Field("name", s.name)
        .Field("layer", s.layer)
        .Field("component", s.component)
        .Field("dtype", Name(s.dtype));
    json->Key("dims").BeginArray();
    for (uint32_t slot : s.sizes) {
      json->Value(program_.SlotText(slot));
    }
    json->EndArray().Field("axis", s.axis).Field("input", s.input).Field("output", s.output).EndObject();
  }
  if (json != nullptr) {
    json->EndArray();
  }
}

absl::Status Dump::Source(const std::string& name, JsonWriter* json) const {
  for (const fb::Kernel* kernel : List(fb().kernels())) {
    if (kernel->name()->str() != name) {
      continue;
    }
    if (kernel->source() == nullptr || kernel->source()->size() == 0) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "--source: kernel '%s' %s", name,
          kernel->library() ? "is the runtime's own (see kernels/ in its source)" : "has no source in the artifact"));
    }
    if (json != nullptr) {
      json->Field("source", kernel->source()->str());
    } else {
      std::printf("%s\n", kernel->source()->c_str());
    }
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("--source: the artifact has no kernel '" + name + "' (--kernels lists them)");
}

absl::Status Dump::VerifyPlans(const exec::Program& program) const {
  const exec::FunctionDesc& main = program.main();
  for (const fb::BucketPlan* plan : main.plans) {
    exec::Sizes sizes(program);
    for (uint32_t s = 0; s < program.symbols.size(); ++s) {
      sizes.Set(s, plan->symbols()->Get(s));
    }
    sizes.SetToBounds(main.counts);
    RETURN_IF_ERROR(exec::MakePlan(program, main, 0, sizes, /*threads=*/1).status());
  }
  return absl::OkStatus();
}

absl::Status Dump::Verify() const {
  ThreadPool pool(AvailableCpus());
  RETURN_IF_ERROR(program_.artifact->VerifyChunks(pool));  // Open did the rest of the file
  if (fb().compute_capability() == 0 && (fb().target() == nullptr || fb().target()->str() != "cpu")) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<const exec::Program> program, exec::Decode(program_.artifact, {}));
  return VerifyPlans(*program);
}

}  // namespace sluice::tools
