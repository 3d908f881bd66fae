#include "runtime/exec/weights.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>

#include "runtime/artifact/verify.h"
#include "runtime/base/file.h"
#include "runtime/base/pack_weight.h"

namespace sluice::exec {
namespace {

using artifact::List;

constexpr int64_t kJobBytes = 4 << 20;  // what a thread packs at a time

// File 0 of an artifact is the model itself, whatever its name is by now; the others lie beside it.
absl::StatusOr<std::unique_ptr<PackReader>> OpenFiles(const artifact::Artifact& artifact, const std::string& model) {
  const std::filesystem::path dir = std::filesystem::path(model).parent_path();
  std::vector<std::string> paths;
  for (const fb::WeightFile* file : List(artifact.program().files())) {
    paths.push_back(paths.empty() ? model : (dir / file->name()->str()).string());
    ASSIGN_OR_RETURN(const RandomAccessFile opened, RandomAccessFile::Open(paths.back()));
    if (file->bytes() != 0 && static_cast<uint64_t>(opened.size()) != file->bytes()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: has %d bytes, the model that was compiled had %u (give that model's files)",
                          paths.back(), opened.size(), file->bytes()));
    }
  }
  ASSIGN_OR_RETURN(FilePackReader reader, FilePackReader::Open(paths));
  return std::make_unique<FilePackReader>(std::move(reader));
}

absl::StatusOr<std::unique_ptr<PackReader>> OpenSource(const artifact::Artifact& artifact, const std::string& source) {
  if (source != "random" && source.rfind("random:", 0) != 0) {
    return OpenFiles(artifact, source);
  }
  uint64_t seed = 0;
  if (source != "random") {
    const char* begin = source.data() + 7;
    const char* end = source.data() + source.size();
    if (const auto [at, error] = std::from_chars(begin, end, seed); error != std::errc() || at != end) {
      return absl::InvalidArgumentError("--weights: '" + source + "' (give random or random:SEED)");
    }
  }
  return std::make_unique<RandomPackReader>(seed);
}

struct Job {
  const PackExpr* expr;
  int64_t begin, end;  // units
  std::span<uint8_t> out;
};

// The first error of several threads.
class FirstError {
 public:
  void Add(const absl::Status& status) {
    if (!status.ok()) {
      const std::lock_guard<std::mutex> lock(mutex_);
      status_.Update(status);
      any_.store(true, std::memory_order_relaxed);
    }
  }
  bool any() const { return any_.load(std::memory_order_relaxed); }
  const absl::Status& status() const { return status_; }

 private:
  std::mutex mutex_;
  absl::Status status_;
  std::atomic<bool> any_{false};
};

}  // namespace

absl::StatusOr<Weights> BindWeights(const artifact::Artifact& artifact, const std::string& source, ThreadPool& pool) {
  Weights weights;
  std::unique_ptr<PackReader> reader;
  std::vector<std::unique_ptr<PackExpr>> exprs;
  std::vector<Job> jobs;
  for (const fb::Weight* weight : List(artifact.program().weights())) {
    const std::span<const uint8_t> bytes = artifact.WeightBytes(*weight);
    if (!bytes.empty() || weight->bytes() == 0) {
      weights.bytes_.push_back({bytes.data(), static_cast<int64_t>(bytes.size())});
      continue;
    }
    const std::string name = weight->name()->str();
    if (source.empty()) {
      return absl::FailedPreconditionError(absl::StrFormat(
          "%s: the artifact holds no weights ('%s'): give them with --weights MODEL.onnx or --weights random",
          artifact.where(), name));
    }
    if (reader == nullptr) {
      ASSIGN_OR_RETURN(reader, OpenSource(artifact, source));
    }
    ASSIGN_OR_RETURN(PackExpr parsed, ParsePack({weight->pack()->data(), weight->pack()->size()}));
    exprs.push_back(std::make_unique<PackExpr>(std::move(parsed)));
    const PackExpr& expr = *exprs.back();
    if (static_cast<uint64_t>(PackedBytes(expr)) != weight->bytes()) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s: weight '%s': its pack expression makes %d bytes, %u are needed", artifact.where(), name,
                          PackedBytes(expr), weight->bytes()));
    }
    Block& block = weights.owned_.emplace_back(weights.counters_.get());
    RETURN_IF_ERROR(block.Reserve(PackedBytes(expr)));
    weights.bytes_.push_back({block.data(), PackedBytes(expr)});
    const int64_t unit = std::max<int64_t>(1, UnitBytes(expr));
    const int64_t step = std::max<int64_t>(1, kJobBytes / unit);
    for (int64_t begin = 0; begin < PackedUnits(expr); begin += step) {
      const int64_t end = std::min(begin + step, PackedUnits(expr));
      const int64_t last = end == PackedUnits(expr) ? PackedBytes(expr) : end * unit;
      jobs.push_back({&expr, begin, end, {block.data() + begin * unit, block.data() + last}});
    }
  }
  FirstError error;
  pool.ParallelFor(static_cast<int64_t>(jobs.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end && !error.any(); ++j) {
      error.Add(ExecutePack(*jobs[j].expr, *reader, jobs[j].begin, jobs[j].end, jobs[j].out));
    }
  });
  RETURN_IF_ERROR(error.status());
  return weights;
}

}  // namespace sluice::exec
