#include "compiler/codegen/Artifact.h"

#include <algorithm>
#include <map>

#include "compiler/codegen/ProgramTables.h"
#include "compiler/codegen/WeightWriter.h"
#include "compiler/codegen/cpu/GeneratedKernels.h"
#include "compiler/codegen/cuda/Images.h"
#include "dialects/nn/NNDialect.h"
#include "flatbuffers/flatbuffers.h"
#include "passes/fuse/DeviceKernel.h"
#include "runtime/artifact/format.h"
#include "runtime/base/hash.h"

namespace mlir::sluice::codegen {

namespace fb = ::sluice::fb;
namespace artifact = ::sluice::artifact;

absl::Status MemorySink::append(std::span<const uint8_t> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
  return absl::OkStatus();
}
absl::Status MemorySink::writeAt(int64_t offset, std::span<const uint8_t> more) {
  std::copy(more.begin(), more.end(), bytes.begin() + offset);
  return absl::OkStatus();
}
absl::Status MemorySink::truncate(int64_t size) {
  bytes.resize(size);
  return absl::OkStatus();
}

namespace {

std::vector<std::string> texts(Attribute list) {
  std::vector<std::string> result;
  for (auto text : cast<ArrayAttr>(list).getAsRange<StringAttr>()) {
    result.push_back(text.getValue().str());
  }
  return result;
}

GeneratedKernel describe(exec::KernelOp op) {
  GeneratedKernel kernel;
  kernel.name = op.getSymName().str();
  kernel.body = &op.getBody().front();
  kernel.numIns = kernel.body->getNumArguments() - op.getNumOuts();
  ArrayAttr dims = *op.getDims();
  for (Attribute list : dims) {
    kernel.dims.push_back(texts(list));
  }
  kernel.grid = op.getGrid()->str();
  if (op.getStrides()) {
    ArrayAttr strides = *op.getStrides();
    for (Attribute list : strides) {
      kernel.strides.push_back(texts(list));
    }
    kernel.offsets = texts(*op.getOffsets());
  }
  return kernel;
}

LogicalResult appendLibrary(ModuleOp module, std::string isa, std::vector<uint8_t> bytes, BlobAppender& blobs,
                            fb::ProgramT& program) {
  auto library = std::make_unique<fb::LibraryT>();
  library->isa = std::move(isa);
  auto chunk = blobs.append(bytes);
  if (!chunk.ok()) {
    return module.emitError() << std::string(chunk.status().message());
  }
  library->chunk = std::make_unique<fb::ChunkT>(*chunk);
  program.libraries.push_back(std::move(library));
  return success();
}

LogicalResult writeLibraries(ModuleOp module, const ArtifactOptions& options, BlobAppender& blobs,
                             fb::ProgramT& program) {
  std::vector<GeneratedKernel> kernels;
  for (auto op : module.getOps<exec::KernelOp>()) {
    if (op.isGenerated() && !op.getCuda()) {
      kernels.push_back(describe(op));
    }
  }
  CpuCodegenOptions codegen;
  codegen.dumpDirectory = options.dumpDirectory;
  FailureOr<std::vector<CpuLibrary>> libraries = compileKernels(*module.getContext(), kernels, codegen);
  if (failed(libraries)) {
    return failure();
  }
  for (CpuLibrary& made : *libraries) {
    if (failed(appendLibrary(module, made.isa, {made.bytes.begin(), made.bytes.end()}, blobs, program))) {
      return failure();
    }
  }
  return success();
}

// Images of the kernels that run on a GPU, equal texts once.
LogicalResult writeImages(ModuleOp module, const ArtifactOptions& options, BlobAppender& blobs, fb::ProgramT& program) {
  const ::sluice::kernels::Gpu* gpu = fuse::targetOf(module).gpu;
  if (!gpu) {
    return success();
  }
  program.compute_capability = static_cast<uint32_t>(10 * gpu->major + gpu->minor);
  program.driver = static_cast<uint32_t>(gpu->min_driver);
  std::vector<::sluice::codegen::CudaSource> sources;
  std::map<std::string, uint32_t> numbers;
  uint32_t first = static_cast<uint32_t>(program.libraries.size());
  auto add = [&](fb::CudaKernelT& form, const std::string& name, const std::string& source) {
    auto [it, fresh] = numbers.try_emplace(source, first + static_cast<uint32_t>(sources.size()));
    form.library = it->second;
    if (fresh) {
      sources.push_back({name, source});
    }
  };
  for (auto [op, kernel] : llvm::zip_equal(module.getOps<exec::KernelOp>(), program.kernels)) {
    if (kernel->cuda) {
      add(*kernel->cuda, op.getSymName().str(), kernel->source);
      for (std::unique_ptr<fb::CudaKernelT>& few : kernel->cuda->smaller) {
        add(*few, fuse::formName(op.getSymName(), few->limit), few->source);
      }
    }
  }
  auto images = ::sluice::codegen::CompileImages(sources, *gpu,
                                                 {.threads = options.threads, .dumpDirectory = options.dumpDirectory});
  if (!images.ok()) {
    return module.emitError() << std::string(images.status().message());
  }
  for (std::vector<uint8_t>& image : *images) {
    if (failed(appendLibrary(module, gpu->arch, std::move(image), blobs, program))) {
      return failure();
    }
  }
  return success();
}

// The program behind the blobs, then the header in front of them.
absl::Status finish(fb::ProgramT& program, ArtifactSink& sink, int64_t offset) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Program::Pack(builder, &program));
  std::span<const uint8_t> bytes(builder.GetBufferPointer(), builder.GetSize());
  RETURN_IF_ERROR(sink.append(bytes));
  artifact::Header header{.program_offset = static_cast<uint64_t>(offset),
                          .program_length = bytes.size(),
                          .program_hash = ::sluice::Hash64(bytes),
                          .file_length = static_cast<uint64_t>(offset) + bytes.size()};
  std::array<uint8_t, artifact::kHeaderBytes> head = artifact::SerializeHeader(header);
  return sink.writeAt(0, head);
}

}  // namespace

LogicalResult writeArtifact(ModuleOp module, const ArtifactOptions& options) {
  fb::ProgramT program;
  program.target = fuse::targetOf(module).name;
  auto name = module.getOperation()->getAttrOfType<StringAttr>(nn::kNameAttr);
  program.model = name ? name.str() : options.model;
  program.producer = options.producer;
  program.report = options.report;
  std::vector<uint8_t> header(artifact::kBlobAlignment, 0);
  if (absl::Status status = options.sink->append(header); !status.ok()) {
    return module.emitError() << std::string(status.message());
  }
  BlobAppender blobs(*options.sink, artifact::kBlobAlignment);
  ProgramTables tables(module);
  WeightWriter weights(module, options, blobs);
  if (failed(tables.build(program)) || failed(weights.write(program)) ||
      failed(writeLibraries(module, options, blobs, program)) || failed(writeImages(module, options, blobs, program))) {
    return failure();
  }
  if (absl::Status status = finish(program, *options.sink, blobs.offset()); !status.ok()) {
    return module.emitError() << std::string(status.message());
  }
  return success();
}

}  // namespace mlir::sluice::codegen
