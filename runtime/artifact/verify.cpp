#include "runtime/artifact/verify.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/desc.h"
#include "runtime/base/dtype.h"
#include "runtime/plan/size_expr.h"

namespace sluice::artifact {
namespace {

using kernels::Layout;

// Collects nothing: the first fault ends the check.
class ProgramVerifier {
 public:
  ProgramVerifier(const fb::Program& program, std::span<const uint8_t> file, const Header& header,
                  const std::string& where)
      : program_(program), file_(file), header_(header), where_(where) {}

  absl::Status Run() {
    RETURN_IF_ERROR(Exprs());
    RETURN_IF_ERROR(Symbols());
    RETURN_IF_ERROR(Weights());
    RETURN_IF_ERROR(Chunks());
    RETURN_IF_ERROR(Kernels());
    RETURN_IF_ERROR(States());
    RETURN_IF_ERROR(Functions());
    return CallGraph();
  }

 private:
  template <typename... Args>
  absl::Status Bad(const absl::FormatSpec<Args...>& format, const Args&... args) const {
    return absl::InvalidArgumentError(
        absl::StrCat(where_, ": the artifact breaks its format: ", absl::StrFormat(format, args...)));
  }
  bool IsSlot(int64_t slot) const { return slot >= 0 && slot < List(program_.exprs()).size(); }

  absl::Status Exprs() const {
    using Op = plan::ExprProgram::Op;
    const auto exprs = List(program_.exprs());
    const int64_t symbols = List(program_.symbols()).size();
    for (int64_t i = 0; i < exprs.size(); ++i) {
      const fb::ExprInstr& e = *exprs[i];
      if (e.op() > static_cast<uint8_t>(Op::kMax)) {
        return Bad("exprs[%d]: operation %d is unknown", i, e.op());
      }
      const Op op = static_cast<Op>(e.op());
      if (op == Op::kSymbol && (e.a() < 0 || e.a() >= symbols)) {
        return Bad("exprs[%d]: symbol %d of %d", i, e.a(), symbols);
      }
      if (op != Op::kSymbol && op != Op::kConst && (e.a() < 0 || e.a() >= i || e.b() < 0 || e.b() >= i)) {
        return Bad("exprs[%d]: reads slots %d and %d, of which it may read those below %d", i, e.a(), e.b(), i);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Symbols() const {
    const auto symbols = List(program_.symbols());
    for (int64_t i = 0; i < symbols.size(); ++i) {
      const fb::Symbol& s = *symbols[i];
      if (s.kind() > fb::SymbolKind::MAX) {
        return Bad("symbols[%d]: kind %d is unknown", i, static_cast<int>(s.kind()));
      }
      if (s.kind() == fb::SymbolKind::Counted ? !IsSlot(s.bound()) : s.bound() >= 0) {
        return Bad("symbols[%d] ('%s'): bound %d", i, s.name()->c_str(), s.bound());
      }
      if (s.min() < 0 || (s.max() != -1 && s.max() < s.min())) {
        return Bad("symbols[%d] ('%s'): from %d to %d", i, s.name()->c_str(), s.min(), s.max());
      }
    }
    const auto assumptions = List(program_.assumptions());
    for (int64_t i = 0; i < assumptions.size(); ++i) {
      const fb::Assumption& a = *assumptions[i];
      if (!IsSlot(a.left()) || !IsSlot(a.right()) || a.relation() > 2 || a.function() < 0 ||
          (a.function() > 0 && a.function() >= List(program_.functions()).size())) {
        return Bad("assumptions[%d]: slots %u and %u, relation %d, function %d", i, a.left(), a.right(), a.relation(),
                   a.function());
      }
    }
    return absl::OkStatus();
  }

  absl::Status Weights() const {
    const auto weights = List(program_.weights());
    for (int64_t i = 0; i < weights.size(); ++i) {
      const fb::Weight& w = *weights[i];
      const DType dtype = static_cast<DType>(w.dtype());
      __int128 elements = 1;
      for (int64_t size : List(w.sizes())) {
        elements *= size;
        if (size < 0 || elements > (int64_t{1} << 56)) {
          return Bad("weights[%d] ('%s'): sizes", i, w.name()->c_str());
        }
      }
      if (BitWidth(dtype) == 0 || w.layout() > static_cast<uint8_t>(Layout::kOihwTile16) ||
          List(w.sizes()).size() > kernels::kMaxRank) {
        return Bad("weights[%d] ('%s'): element type %d, layout %d, rank %d", i, w.name()->c_str(), w.dtype(),
                   w.layout(), List(w.sizes()).size());
      }
      const uint64_t dense = static_cast<uint64_t>(ByteSize(dtype, static_cast<int64_t>(elements)));
      if (static_cast<Layout>(w.layout()) == Layout::kRowMajor && w.bytes() != dense) {
        return Bad("weights[%d] ('%s'): %u bytes, its sizes need %u", i, w.name()->c_str(), w.bytes(), dense);
      }
      RETURN_IF_ERROR(WeightChunks(w, i));
    }
    return absl::OkStatus();
  }

  absl::Status WeightChunks(const fb::Weight& weight, int64_t index) const {
    const auto chunks = List(weight.chunks());
    if (chunks.empty()) {
      if (List(weight.pack()).empty() && weight.bytes() > 0) {
        return Bad("weights[%d] ('%s'): has neither bytes nor a pack expression", index, weight.name()->c_str());
      }
      return absl::OkStatus();
    }
    uint64_t end = 0;
    uint64_t total = 0;
    for (int64_t i = 0; i < chunks.size(); ++i) {
      const fb::Chunk& c = *chunks[i];
      RETURN_IF_ERROR(ChunkRange(c));
      if (c.length() > static_cast<uint64_t>(kMaxChunkBytes) || (i > 0 && c.offset() != end)) {
        return Bad("weights[%d].chunks[%d] ('%s'): %u bytes at %u", index, i, weight.name()->c_str(), c.length(),
                   c.offset());
      }
      end = c.offset() + c.length();
      total += c.length();
    }
    if (weight.bytes() > total || total - weight.bytes() >= static_cast<uint64_t>(kBlobAlignment)) {
      return Bad("weights[%d] ('%s'): %u bytes in chunks of %u", index, weight.name()->c_str(), weight.bytes(), total);
    }
    return absl::OkStatus();
  }

  absl::Status ChunkRange(const fb::Chunk& c) const {
    if (c.offset() % kBlobAlignment != 0 || c.length() % kBlobAlignment != 0 || c.offset() > file_.size() ||
        c.length() > file_.size() - c.offset() || c.length() == 0) {
      return Bad("a chunk of %u bytes at %u in a file of %u", c.length(), c.offset(), file_.size());
    }
    return absl::OkStatus();
  }

  // No two chunks overlap (but equal ones), and every byte outside is a zero of padding.
  absl::Status Chunks() const {
    std::vector<std::pair<uint64_t, uint64_t>> ranges = {
        {0, kHeaderBytes}, {header_.program_offset, header_.program_offset + header_.program_length}};
    for (const fb::Weight* weight : List(program_.weights())) {
      for (const fb::Chunk* c : List(weight->chunks())) {
        ranges.push_back({c->offset(), c->offset() + c->length()});
      }
    }
    for (const fb::Library* library : List(program_.libraries())) {
      RETURN_IF_ERROR(ChunkRange(*library->chunk()));
      ranges.push_back({library->chunk()->offset(), library->chunk()->offset() + library->chunk()->length()});
    }
    std::sort(ranges.begin(), ranges.end());
    ranges.erase(std::unique(ranges.begin(), ranges.end()), ranges.end());
    ranges.push_back({file_.size(), file_.size()});
    uint64_t end = 0;
    for (const auto& [first, last] : ranges) {
      if (first < end) {
        return Bad("two parts of the file overlap at byte %u", first);
      }
      if (first - end >= static_cast<uint64_t>(kBlobAlignment) ||
          !std::all_of(file_.begin() + end, file_.begin() + first, [](uint8_t b) { return b == 0; })) {
        return absl::DataLossError(absl::StrFormat(
            "%s: bytes %u to %u of the artifact should be zeros (copy or compile it again)", where_, end, first));
      }
      end = last;
    }
    return absl::OkStatus();
  }

  bool IsForm(const fb::CudaKernel& cuda) const {
    bool fine = cuda.library() < List(program_.libraries()).size() && cuda.block() > 0 && cuda.block() <= 1024 &&
                cuda.cluster() > 0 && cuda.cluster() <= 16 && cuda.shared() <= (uint32_t{1} << 20) &&
                cuda.counters() <= (uint32_t{1} << 20) && program_.compute_capability() > 0;
    for (const fb::CudaParam* p : List(cuda.params())) {
      fine = fine && p->kind() <= fb::CudaParamKind::MAX;
    }
    return fine;
  }

  absl::Status Kernels() const {
    const auto kernels = List(program_.kernels());
    for (int64_t i = 0; i < kernels.size(); ++i) {
      const fb::CudaKernel* cuda = kernels[i]->cuda();
      if (cuda == nullptr) {
        continue;
      }
      bool fine = IsForm(*cuda);
      int64_t limit = -1;
      for (const fb::CudaKernel* few : List(cuda->smaller())) {
        fine = fine && IsForm(*few) && few->limit() > limit && List(few->smaller()).empty();
        limit = few->limit();
      }
      if (!fine) {
        return Bad("kernels[%d] ('%s'): image, block, shared memory, parameters or limits", i,
                   kernels[i]->name()->c_str());
      }
    }
    return absl::OkStatus();
  }

  absl::Status States() const {
    const auto states = List(program_.states());
    for (int64_t i = 0; i < states.size(); ++i) {
      const fb::State& s = *states[i];
      const auto sizes = List(s.sizes());
      bool fine = BitWidth(static_cast<DType>(s.dtype())) >= 8 && s.axis() >= 0 && s.axis() < sizes.size() &&
                  sizes.size() <= kernels::kMaxRank && IsSlot(s.length_before()) && IsSlot(s.length_after());
      for (uint32_t slot : sizes) {
        fine = fine && IsSlot(slot);
      }
      fine = fine && sizes[s.axis()] == s.length_before();
      if (!fine) {
        return Bad("states[%d] ('%s'): element type, sizes, axis or lengths", i, s.name()->c_str());
      }
    }
    return absl::OkStatus();
  }

  absl::Status Functions() const {
    const auto functions = List(program_.functions());
    if (functions.empty()) {
      return Bad("functions: there is no @main");
    }
    for (int64_t i = 0; i < functions.size(); ++i) {
      RETURN_IF_ERROR(
          VerifyFunction(program_, i, absl::StrFormat("%s: the artifact breaks its format: functions[%d]", where_, i)));
    }
    const fb::Function& main = *functions[0];
    const auto states = List(program_.states());
    for (int64_t i = 0; i < states.size(); ++i) {
      const fb::State& s = *states[i];
      if (s.input() < 0 || s.input() >= List(main.inputs()).size() || s.output() >= List(main.outputs()).size() ||
          main.inputs()->Get(s.input())->state() != i) {
        return Bad("states[%d] ('%s'): input %d, output %d", i, s.name()->c_str(), s.input(), s.output());
      }
    }
    return absl::OkStatus();
  }

  absl::Status CallGraph() const {
    const auto functions = List(program_.functions());
    std::vector<uint8_t> colour(functions.size(), 0);  // 0 new, 1 on the path, 2 done
    std::vector<std::pair<int64_t, int64_t>> path;     // function, next instruction
    for (int64_t root = 0; root < functions.size(); ++root) {
      if (colour[root] == 0) {
        path.push_back({root, 0});
        colour[root] = 1;
      }
      while (!path.empty()) {
        auto& [f, next] = path.back();
        const auto instrs = List(functions[f]->instrs());
        if (next >= 2 * instrs.size()) {
          colour[f] = 2;
          path.pop_back();
          continue;
        }
        const fb::Instr& instr = *instrs[next / 2];
        const int64_t callee = next % 2 == 0 ? instr.then_function() : instr.else_function();
        ++next;
        if (instr.kind() == fb::InstrKind::Launch || callee < 0 || colour[callee] == 2) {
          continue;
        }
        if (colour[callee] == 1) {
          return Bad("functions[%d] ('%s') calls itself", callee, functions[callee]->name()->c_str());
        }
        colour[callee] = 1;
        path.push_back({callee, 0});
      }
    }
    return absl::OkStatus();
  }

  const fb::Program& program_;
  std::span<const uint8_t> file_;
  const Header& header_;
  const std::string& where_;
};

}  // namespace

absl::Status VerifyProgram(const fb::Program& program, std::span<const uint8_t> file, const Header& header,
                           const std::string& where) {
  return ProgramVerifier(program, file, header, where).Run();
}

}  // namespace sluice::artifact
