#include "compiler/codegen/WeightWriter.h"

#include "dialects/nn/NNDialect.h"
#include "mlir/IR/Remarks.h"
#include "passes/fuse/DeviceKernel.h"
#include "runtime/artifact/format.h"
#include "runtime/base/hash.h"

namespace mlir::sluice::codegen {

namespace fb = ::sluice::fb;
using ::sluice::PackExpr;
using ::sluice::WeightLayout;

namespace {

constexpr int64_t kChunk = 16 << 20;  // what is packed at once; far below the format's limit, so that memory stays flat
static_assert(kChunk <= ::sluice::artifact::kMaxChunkBytes);

std::vector<std::string> fileNames(ModuleOp module) {
  std::vector<std::string> names;
  if (auto files = module->getAttrOfType<ArrayAttr>(nn::kFilesAttr)) {
    for (auto name : files.getAsRange<StringAttr>()) {
      names.push_back(name.getValue().str());
    }
  }
  return names;
}

LogicalResult report(Operation* op, const absl::Status& status) {
  return status.ok() ? success() : op->emitError() << std::string(status.message());
}

}  // namespace

absl::StatusOr<fb::ChunkT> BlobAppender::append(std::vector<uint8_t>& bytes) {
  constexpr int64_t kAlign = ::sluice::artifact::kBlobAlignment;
  bytes.resize((bytes.size() + kAlign - 1) / kAlign * kAlign, 0);
  fb::ChunkT chunk;
  chunk.offset = static_cast<uint64_t>(offset_);
  chunk.length = bytes.size();
  chunk.hash = ::sluice::Hash64(bytes.data(), bytes.size());
  RETURN_IF_ERROR(sink_.append(bytes));
  offset_ += static_cast<int64_t>(bytes.size());
  return chunk;
}

absl::Status BlobAppender::rewind(int64_t offset) {
  offset_ = offset;
  return sink_.truncate(offset);
}

std::map<std::string, WeightUse> weightUses(ModuleOp module) {
  std::map<std::string, WeightUse> uses;
  SymbolTable symbols(module);
  module.walk([&](exec::LaunchOp launch) {
    auto kernel = symbols.lookup<exec::KernelOp>(launch.getKernel());
    fuse::KernelTraits traits = kernel ? fuse::traitsOf(kernel) : fuse::KernelTraits();
    int64_t slot = -1;
    for (Value in : launch.getIns()) {
      do {
        ++slot;
      } while (llvm::is_contained(launch.getAbsent(), slot));
      auto view = in.getDefiningOp<exec::ViewOp>();
      auto buffer = view.getBuffer().getDefiningOp<exec::BufferOp>();
      if (buffer.getKind() != exec::BufferKind::Weight) {
        continue;
      }
      WeightUse& use = uses[buffer.getSource()->str()];
      bool tiles = llvm::any_of(traits.layouts, [&](const auto& l) {
        return l.operand == slot && l.layout == ::sluice::kernels::Layout::kNkTile16;
      });
      use.everyUserReadsTiles &= tiles && !view.getStrides() && !view.getOffset();
      if (auto groups =
              kernel && kernel.getConfig() ? kernel.getConfigAttr().getAs<IntegerAttr>("groups") : IntegerAttr()) {
        use.groups = groups.getInt();
      }
    }
  });
  return uses;
}

WeightWriter::WeightWriter(ModuleOp module, const ArtifactOptions& options, BlobAppender& blobs)
    : module_(module), options_(options), blobs_(blobs), reader_(options.modelDirectory, fileNames(module)) {}

// Weights of one type and shape in different layouts whose contents are equal (a tied embedding, once for lookups and
// once for the head) take the tiled layout when all their users read it: then their bytes are equal, too.
LogicalResult WeightWriter::mergeTied() {
  std::map<std::string, WeightUse> uses = weightUses(module_);
  std::map<std::pair<int, std::vector<int64_t>>, std::vector<size_t>> alike;
  for (size_t n = 0; n < exprs_.size(); ++n) {
    const ::sluice::PackNode& result = exprs_[n].nodes.back();
    if (result.sizes.size() == 2) {
      alike[{static_cast<int>(result.dtype), result.sizes}].push_back(n);
    }
  }
  for (const auto& [key, group] : alike) {
    auto tiled = [&](size_t n) { return exprs_[n].layout == WeightLayout::kNkTile16; };
    auto couldBe = [&](size_t n) { return !tiled(n) && uses[ops_[n].getSymName().str()].everyUserReadsTiles; };
    if (llvm::none_of(group, tiled) || llvm::none_of(group, couldBe)) {
      continue;
    }
    std::set<uint64_t> hashes;
    for (size_t n : group) {
      auto hash = tiled(n) ? ::sluice::ContentHash(exprs_[n], reader_) : absl::StatusOr<uint64_t>(0);
      if (!hash.ok()) {
        return report(ops_[n], hash.status());
      }
      if (tiled(n)) {
        hashes.insert(*hash);
      }
    }
    for (size_t n : group) {
      auto hash = couldBe(n) ? ::sluice::ContentHash(exprs_[n], reader_) : absl::StatusOr<uint64_t>(0);
      if (!hash.ok()) {
        return report(ops_[n], hash.status());
      }
      if (couldBe(n) && hashes.count(*hash)) {
        exprs_[n].layout = WeightLayout::kNkTile16;
        remark::passed(ops_[n].getLoc(), remark::RemarkOpts::name("tied-weight").category("codegen"))
            << "weight " << ops_[n].getName() << " equals another one: stored once, nk_tile16";
      }
    }
  }
  return success();
}

LogicalResult WeightWriter::writeBlob(size_t index, fb::WeightT& weight) {
  const PackExpr& expr = exprs_[index];
  const int64_t units = ::sluice::PackedUnits(expr), unit = ::sluice::UnitBytes(expr), begin = blobs_.offset();
  // Chunks follow each other without a gap: all but the last are whole pages.
  int64_t step = std::max<int64_t>(1, kChunk / std::max<int64_t>(unit, 1));
  ::sluice::Hasher whole;
  std::vector<uint8_t> pending;
  for (int64_t at = 0; at < units; at += step) {
    int64_t end = std::min(units, at + step);
    size_t kept = pending.size();
    pending.resize(kept + (end - at) * unit);
    std::span<uint8_t> fresh(pending.data() + kept, (end - at) * unit);
    if (failed(report(ops_[index], ::sluice::ExecutePack(expr, reader_, at, end, fresh)))) {
      return failure();
    }
    whole.Add(fresh.data(), fresh.size());
    size_t full = end == units ? pending.size() : pending.size() / 4096 * 4096;
    std::vector<uint8_t> bytes(pending.begin(), pending.begin() + full);
    pending.erase(pending.begin(), pending.begin() + full);
    if (bytes.empty()) {
      continue;
    }
    auto chunk = blobs_.append(bytes);
    if (!chunk.ok()) {
      return report(ops_[index], chunk.status());
    }
    weight.chunks.push_back(std::make_unique<fb::ChunkT>(*chunk));
  }
  auto [it, fresh] = written_.try_emplace({static_cast<int64_t>(weight.bytes), whole.Digest()});
  if (fresh) {
    for (const auto& chunk : weight.chunks) {
      it->second.push_back(*chunk);
    }
    return success();
  }
  weight.chunks.clear();
  for (const fb::ChunkT& chunk : it->second) {
    weight.chunks.push_back(std::make_unique<fb::ChunkT>(chunk));
  }
  return report(ops_[index], blobs_.rewind(begin));
}

LogicalResult WeightWriter::write(fb::ProgramT& program) {
  std::map<std::string, WeightUse> uses = weightUses(module_);
  for (auto op : module_.getOps<exec::WeightOp>()) {
    FailureOr<PackExpr> expr = packExpression(op, uses[op.getSymName().str()].groups);
    if (failed(expr)) {
      return failure();
    }
    ops_.push_back(op);
    exprs_.push_back(std::move(*expr));
  }
  if (!options_.stripWeights && failed(mergeTied())) {
    return failure();
  }
  for (size_t n = 0; n < ops_.size(); ++n) {
    auto weight = std::make_unique<fb::WeightT>();
    const ::sluice::PackNode& result = exprs_[n].nodes.back();
    weight->name = ops_[n].getName().str();
    weight->dtype = static_cast<uint8_t>(result.dtype);
    weight->sizes = result.sizes;
    weight->layout = static_cast<uint8_t>(exprs_[n].layout);
    weight->bytes = static_cast<uint64_t>(::sluice::PackedBytes(exprs_[n]));
    std::string pack = ::sluice::SerializePack(exprs_[n]);
    weight->pack.assign(pack.begin(), pack.end());
    if (!options_.stripWeights && failed(writeBlob(n, *weight))) {
      return failure();
    }
    program.weights.push_back(std::move(weight));
  }
  for (auto [n, name] : llvm::enumerate(fileNames(module_))) {
    auto file = std::make_unique<fb::WeightFileT>();
    file->name = name;
    const absl::StatusOr<int64_t> bytes = reader_.FileBytes(n);  // a stripped artifact may be made before its weights
    file->bytes = bytes.ok() ? static_cast<uint64_t>(*bytes) : 0;
    program.files.push_back(std::move(file));
  }
  return success();
}

}  // namespace mlir::sluice::codegen
