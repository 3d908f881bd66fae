#include <optional>

#include "runtime/artifact/verify.h"
#include "runtime/exec/decode.h"

namespace sluice::exec {
namespace {

using artifact::List;

absl::StatusOr<kernels::Attrs> DecodeAttrs(const fb::Kernel& kernel, const std::string& where) {
  std::vector<kernels::Attr> attrs;
  for (const fb::Attr* a : List(kernel.attrs())) {
    kernels::Attr& attr = attrs.emplace_back();
    attr.name = a->name()->str();
    switch (a->kind()) {
      case 0:
        attr.value = a->i();
        break;
      case 1:
        attr.value = a->f();
        break;
      case 2:
        attr.value = a->s() == nullptr ? std::string() : a->s()->str();
        break;
      case 3: {
        std::vector<int64_t> values;
        for (int64_t v : List(a->is())) {
          values.push_back(v);
        }
        attr.value = std::move(values);
        break;
      }
      case 4: {
        std::vector<double> values;
        for (double v : List(a->fs())) {
          values.push_back(v);
        }
        attr.value = std::move(values);
        break;
      }
      default:
        return absl::InvalidArgumentError(absl::StrFormat("%s: kernel '%s': attribute '%s' is of unknown kind %d",
                                                          where, kernel.name()->c_str(), attr.name, a->kind()));
    }
  }
  return kernels::Attrs(std::move(attrs));
}

// The library for the highest level this machine has.
absl::StatusOr<const fb::Library*> ChooseLibrary(const fb::Program& program, const std::string& where) {
  const fb::Library* best = nullptr;
  CpuLevel best_level = CpuLevel::kV2;
  std::string have;
  for (const fb::Library* library : List(program.libraries())) {
    absl::StrAppend(&have, have.empty() ? "" : ", ", library->isa()->str());
    const absl::StatusOr<CpuLevel> level = cpu::ParseIsa(library->isa()->str());  // an image for a GPU is none
    if (level.ok() && *level <= Cpu().level && (best == nullptr || *level > best_level)) {
      best = library;
      best_level = *level;
    }
  }
  if (best == nullptr) {
    return absl::UnimplementedError(absl::StrFormat("%s: the artifact's machine code is for %s, this machine is %s",
                                                    where, have, Name(Cpu().level)));
  }
  return best;
}

absl::Status NativeRefused(const std::string& where) {
  return absl::FailedPreconditionError(where + ": the artifact holds machine code, which --no-native refuses to run");
}

absl::Status LoadLibrary(Program& program, const DecodeOptions& options) {
  const artifact::Artifact& artifact = *program.artifact;
  if (!options.native) {
    return NativeRefused(artifact.where());
  }
  ASSIGN_OR_RETURN(const fb::Library* library, ChooseLibrary(artifact.program(), artifact.where()));
  RETURN_IF_ERROR(artifact.VerifyChunk(*library->chunk(), "library for " + library->isa()->str()));
  ASSIGN_OR_RETURN(program.library, cpu::NativeLibrary::Load(artifact.ChunkBytes(*library->chunk()), artifact.where()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<DecodedKernel>> DecodeKernels(Program& program, const DecodeOptions& options) {
  const std::string& where = program.artifact->where();
  std::vector<DecodedKernel> decoded;
  uint32_t functions = 0;
  for (const fb::Kernel* from : List(program.artifact->program().kernels())) {
    DecodedKernel& kernel = decoded.emplace_back();
    kernel.name = from->name()->str();
    if (from->cuda() != nullptr) {
      if (!options.native) {
        return NativeRefused(where);
      }
      for (const fb::CudaKernel* few : List(from->cuda()->smaller())) {
        kernel.forms.push_back({.cuda = few, .function = functions++});
      }
      kernel.forms.push_back({.cuda = from->cuda(), .function = functions++});
      program.on_device = true;
      continue;
    }
    if (!from->library()) {
      if (program.library == nullptr) {
        RETURN_IF_ERROR(LoadLibrary(program, options));
      }
      ASSIGN_OR_RETURN(kernel.entry, program.library->Find(kernel.name));
      continue;
    }
    kernel.kernel = options.find_kernel(kernel.name);
    if (kernel.kernel == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: this runtime has no kernel '%s' (use a newer runtime)", where, kernel.name));
    }
    ASSIGN_OR_RETURN(const kernels::Attrs attrs, DecodeAttrs(*from, where));
    if (kernel.kernel->prepare != nullptr) {
      absl::StatusOr<std::unique_ptr<kernels::Config>> config = kernel.kernel->prepare(attrs);
      if (!config.ok()) {
        return absl::Status(config.status().code(), absl::StrFormat("%s: kernel '%s': %s", where, kernel.name,
                                                                    std::string(config.status().message())));
      }
      kernel.config = config->get();
      program.configs.push_back(*std::move(config));
    }
  }
  return decoded;
}

}  // namespace sluice::exec
