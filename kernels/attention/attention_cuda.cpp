// nn.attention on CUDA: q [b,h,s,d], k [b,g,t,d], v [b,g,t,e], optional bias, key_mask, lengths, slopes → out
// [b,h,s,e].
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "kernels/attention/attention_choice.h"
#include "kernels/common/plan_numbers.h"
#include "kernels/cuda.h"
#include "kernels/device/wgmma_text.h"

namespace sluice::kernels {
namespace {

constexpr int64_t kManyRows = 1 << 20;  // more than a tile has

enum Operand { kQ, kK, kV, kBias, kKeyMask, kLengths, kSlopes, kOperands };

bool Has(const CudaQuery& query, int operand) {
  return operand < static_cast<int>(query.ins.size()) && query.ins[operand].present();
}

// The op's attributes; a wrong kind counts as absent, since the op's verifier has checked them.
struct Attributes {
  double scale, softcap;
  bool causal;
  int64_t window;
  std::string empty_rows;  // as kernels/attention/attention_score.cuh spells them

  explicit Attributes(const Attrs& attrs)
      : scale(attrs.Float("scale", 1.0).value_or(1.0)),
        softcap(attrs.Float("softcap", 0.0).value_or(0.0)),
        causal(attrs.Int("causal", 0).value_or(0) != 0),
        window(causal ? attrs.Int("window", 0).value_or(0) : 0),
        empty_rows(attrs.String("empty_rows", "zero").value_or("zero")) {
    empty_rows[0] = absl::ascii_toupper(empty_rows[0]);
  }
};

// Rows of the bias if a tensor map can take it: 1 (every query has the same) or, where there is one for each, many;
// else 0.
int64_t BiasRows(const CudaQuery& query) {
  if (!Has(query, kBias) || BitWidth(query.ins[kBias].dtype) != 16) {
    return 0;
  }
  const CudaDim &rows = query.ins[kBias].dims[2], &keys = query.ins[kBias].dims[3];
  if (!keys.constant() || keys.value() % 8 != 0 || keys.value() == 0) {
    return 0;  // rows of 16-byte pitch
  }
  return rows.constant() && rows.value() == 1 ? 1 : rows.text == query.ins[kQ].dims[2].text ? kManyRows : 0;
}

// What stands behind a decoder's next tokens where nothing bounds its caches.
constexpr int64_t kFewQueries = 16, kTypicalKeys = 1024;

AttentionWhat What(const CudaQuery& query) {
  const CudaOperand &q = query.ins[kQ], &k = query.ins[kK], &v = query.ins[kV];
  const Attributes attributes(query.attrs);
  AttentionWhat what;
  what.type = q.dtype;
  what.same_types = k.dtype == q.dtype && v.dtype == q.dtype && query.outs[0].dtype == q.dtype;
  what.b = q.dims[0].expected();
  what.h = q.dims[1].expected();
  what.s = q.dims[2].expected();
  what.d = q.dims[3].expected();
  what.g = k.dims[1].expected();
  what.t = k.dims[2].expected();
  what.e = v.dims[3].expected();
  what.s_max = q.dims[2].max;
  if (query.rows_max >= 0) {
    what.s = what.s_max = query.rows_max;
    what.t = std::max(what.t, what.s);
  }
  if (k.dims[2].max < 0 && k.dims[2].text != q.dims[2].text && what.s_max >= 0 && what.s_max <= kFewQueries) {
    what.t = std::max(what.t, kTypicalKeys);
  }
  what.b_max = q.dims[0].max;
  what.causal = attributes.causal;
  what.window = attributes.window;
  what.bias = Has(query, kBias);
  what.key_mask = Has(query, kKeyMask);
  what.slopes = Has(query, kSlopes);
  what.softcap = attributes.softcap > 0;
  what.bias_rows = BiasRows(query);
  what.lengths = Has(query, kLengths);
  what.empty_rows = attributes.empty_rows != "Zero";
  what.beyond_ends = what.lengths && attributes.empty_rows == "Uniform";
  return what;
}

// Which property keeps every kernel from computing it; empty: none does.
std::string Refusal(const CudaQuery& query) {
  static constexpr int kRanks[kOperands] = {4, 4, 4, 4, 2, 1, 1};
  static constexpr const char* kNames[kOperands] = {"q", "k", "v", "bias", "key_mask", "lengths", "slopes"};
  for (int i = 0; i < kOperands; ++i) {
    if (Has(query, i) && query.ins[i].rank() != kRanks[i]) {
      return absl::StrFormat("%s of rank %d", kNames[i], query.ins[i].rank());
    }
  }
  const DType type = query.ins[kQ].dtype;
  if (type != DType::kF64 && type != DType::kF32 && type != DType::kF16 && type != DType::kBF16) {
    return absl::StrFormat("%s operands", Name(type));
  }
  for (const CudaDim& dim :
       {query.ins[kQ].dims[1], query.ins[kQ].dims[3], query.ins[kK].dims[1], query.ins[kV].dims[3]}) {
    if (!dim.constant()) {
      return "heads or widths that vary";
    }
  }
  return "";
}

std::vector<CudaPlan> Plans(const CudaQuery& query, const Gpu& gpu, std::string& why) {
  why = Refusal(query);
  std::vector<CudaPlan> plans;
  if (!why.empty()) {
    return plans;
  }
  for (const AttentionHow& how : AttentionCandidates(What(query), gpu)) {
    // Where decode cuts a sequence depends on the others of the batch.
    if (!query.invariant || how.form != AttentionForm::kDecode) {
      plans.push_back({.name = how.Name(), .numbers = PlanNumbers(how), .us = how.us});
    }
  }
  if (plans.empty()) {
    why = "operands of different types, or heads wider than 256";
  }
  return plans;
}

// The kernel's text, its parameters in both forms.
class Emitter {
 public:
  Emitter(const CudaQuery& query, const AttentionHow& how) : query_(query), how_(how), attributes_(query.attrs) {
    kernel_.entry = "attention";
    kernel_.overlaps_previous = true;
    kernel_.row_invariant = how.form != AttentionForm::kDecode;
    kernel_.strided_ins = 1 << kQ | 1 << kK | 1 << kV;
    kernel_.strided_outs = 1;
    kernel_.shared = how.SharedBytes(Has(query, kLengths) ? query.ins[kQ].dims[0].max : 0);
    Add({.kind = CudaParam::Kind::kStep}, "const sl::Step* step");
  }

  CudaKernel Emit() {
    switch (how_.form) {
      case AttentionForm::kPrefill:
        EmitPrefill();
        break;
      case AttentionForm::kDecode:
        EmitDecode();
        break;
      case AttentionForm::kAny:
        EmitAny();
        break;
    }
    return std::move(kernel_);
  }

 private:
  void Add(CudaParam param, std::string text) {
    kernel_.params.push_back(std::move(param));
    parameters_.push_back(std::move(text));
  }
  void AddView(int number, const CudaOperand& operand, const std::string& name) {
    Add({.kind = CudaParam::Kind::kOperand, .operand = number},
        absl::StrFormat("sl::Arg<%d> arg_%s", operand.rank(), name));
    body_ += absl::StrFormat("  const sl::View<%s, %d> %s(step, arg_%s);\n", CudaType(operand.dtype), operand.rank(),
                             name, name);
  }
  // Boxes of one head: `rows` x 64.
  void AddMap(int number, int64_t rows, const std::string& name) {
    Add({.kind = CudaParam::Kind::kTensorMap,
         .operand = number,
         .dims = {{0, 0}, {1, 1}, {2, 2}, {3, 3}},
         .box = {1, 1, rows, 64},
         .swizzle = 128},
        "const __grid_constant__ sl::TensorMap " + name);
    kernel_.aligned_ins |= 1 << number;
    kernel_.aligned_outs = 1;
  }
  // Views of all operands, the sizes and the optional operands: what every form reads.
  void AddOperands() {
    AddView(kQ, query_.ins[kQ], "q");
    AddView(kK, query_.ins[kK], "k");
    AddView(kV, query_.ins[kV], "v");
    AddView(static_cast<int>(query_.ins.size()), query_.outs[0], "out");
    body_ +=
        absl::StrFormat("  const sl::AttentionSizes sizes{int(q.size(0)), %d, %d, int(q.size(2)), int(k.size(2))};\n",
                        query_.ins[kQ].dims[1].value(), query_.ins[kK].dims[1].value());
    body_ += "  sl::AttentionExtras<How> extras{};\n";
    if (Has(query_, kBias)) {
      AddView(kBias, query_.ins[kBias], "bias");
      body_ += "  sl::set_bias(extras, bias);\n";
    }
    if (Has(query_, kKeyMask)) {
      AddView(kKeyMask, query_.ins[kKeyMask], "key_mask");
      body_ += "  extras.key_mask = key_mask.data;\n";
    }
    if (Has(query_, kLengths)) {
      AddView(kLengths, query_.ins[kLengths], "lengths");
      body_ += "  extras.lengths = lengths.data;\n";
    }
    if (Has(query_, kSlopes)) {
      AddView(kSlopes, query_.ins[kSlopes], "slopes");
      body_ += "  extras.slopes = slopes.data;\n";
    }
  }
  std::string TypeOf(int operand, const char* otherwise) const {
    return Has(query_, operand) ? CudaType(query_.ins[operand].dtype) : otherwise;
  }
  std::string HowText(const std::string& numbers) const {
    return absl::StrFormat(
        "struct How {\n  using Element = %s;\n  using BiasElement = %s;\n  using SlopeElement = %s;\n"
        "  using LengthElement = %s;\n  static constexpr bool kCausal = %d, kKeyMask = %d, kBias = %d, kSlopes = %d, "
        "kLengths = %d;\n  static constexpr int kEmptyRows = sl::kEmpty%s, kWindow = %d, %s;\n"
        "  static constexpr double kScale = %.17g, kSoftcap = %.17g;\n};\n",
        CudaType(query_.ins[kQ].dtype), TypeOf(kBias, "float"), TypeOf(kSlopes, "float"), TypeOf(kLengths, "int64_t"),
        attributes_.causal, Has(query_, kKeyMask), Has(query_, kBias), Has(query_, kSlopes), Has(query_, kLengths),
        attributes_.empty_rows, attributes_.window, numbers, attributes_.scale, attributes_.softcap);
  }
  void Finish(const std::string& head, const std::string& shared, const std::string& bounds, const std::string& call) {
    kernel_.text = absl::StrFormat(
        "%sstatic_assert(sizeof(%s) == %d);\nextern \"C\" __global__ void __launch_bounds__(%s)\n%s(%s) {\n%s%s}\n",
        head, shared, kernel_.shared, bounds, kernel_.entry, absl::StrJoin(parameters_, ", "), body_, call);
  }
  std::string Wgmma(int64_t n) const { return WgmmaText(query_.ins[kQ].dtype, static_cast<int>(n)); }

  void EmitPrefill() {
    AddMap(kQ, 64 * how_.consumers, "q_map");
    AddMap(kK, how_.keys, "k_map");
    AddMap(kV, how_.keys, "v_map");
    if (how_.bias_rows > 0) {
      AddMap(kBias, how_.bias_rows, "bias_map");
    }
    AddOperands();
    Add({.kind = CudaParam::Kind::kCounters}, "uint32_t* counters");
    kernel_.counters = 1;
    kernel_.block = static_cast<int>(128 * (how_.consumers + 1));
    kernel_.grid[0] =
        absl::StrFormat("min(%d, max(1, ceildiv(x0_2, %d) * x0_0 * x0_1))", how_.ctas, 64 * how_.consumers);
    const std::string wgmma = Wgmma(how_.keys) + (how_.keys == how_.dim ? "" : Wgmma(how_.dim));
    const bool runs_to_end = query_.ins[kK].dims[2].constant() && !Has(query_, kLengths);
    const std::string numbers = absl::StrFormat(
        "kDim = %d, kKeys = %d, kConsumers = %d, kQStages = %d, kStages = %d, kPerSm = %d, kBiasRows = %d, "
        "kWidth = %d, kHeadBytes = %d, kRunsToEnd = %d",
        how_.dim, how_.keys, how_.consumers, how_.q_stages, how_.stages, how_.per_sm, how_.bias_rows,
        query_.outs[0].dims[3].value(), kHeadBytes, runs_to_end);
    Finish("#include \"kernels/attention/attention_prefill.cuh\"\n" + wgmma + HowText(numbers) +
               "using Plan = sl::PrefillPlan<How>;\n",
           "sl::PrefillShared<Plan>", "Plan::kThreads, Plan::kPerSm",
           absl::StrFormat(
               "  sl::attention_prefill<Plan>({q_map, k_map, v_map, %s}, {q, k, v, out}, sizes, extras, counters);\n",
               how_.bias_rows > 0 ? "bias_map" : "k_map"));
  }

  void EmitDecode() {
    AddMap(kK, 64, "k_map");
    AddMap(kV, 64, "v_map");
    AddOperands();
    Add({.kind = CudaParam::Kind::kWorkspace}, "void* workspace");
    Add({.kind = CudaParam::Kind::kCounters}, "uint32_t* counters");
    kernel_.aligned_ins |= 1 << kQ;
    kernel_.counters = how_.ctas;
    kernel_.workspace = absl::StrCat(how_.ctas * 2 * 8 * how_.rows8 * (how_.dim + 2) * 4);
    kernel_.block = static_cast<int>(32 * (how_.warps() + 1));
    kernel_.grid[0] = absl::StrCat(how_.ctas);
    const int64_t batch = Has(query_, kLengths) ? query_.ins[kQ].dims[0].max : 0;
    const std::string numbers = absl::StrFormat("kDim = %d, kRows8 = %d, kStages = %d, kWarps = %d, kBatch = %d",
                                                how_.dim, how_.rows8, how_.stages, how_.warps(), batch);
    Finish("#include \"kernels/attention/attention_decode.cuh\"\n" + HowText(numbers) +
               "using Plan = sl::DecodePlan<How>;\n",
           "sl::DecodeShared<Plan>", "Plan::kThreads, 1",
           "  sl::attention_decode<Plan>(k_map, v_map, {q, k, v, out}, sizes, extras, workspace, counters);\n");
  }

  void EmitAny() {
    AddOperands();
    kernel_.block = 128;
    kernel_.grid[0] = "ceildiv(x0_2, 16) * x0_0 * x0_1";
    Finish("#include \"kernels/attention/attention_any.cuh\"\n" +
               HowText(absl::StrFormat("kDim = %d, kValueDim = %d", how_.dim, how_.dim)),
           "sl::AnyAttentionShared<How>", "128, 1", "  sl::attention_any<How>({q, k, v, out}, sizes, extras);\n");
  }

  static constexpr int64_t kHeadBytes = 8 << 20;  // of 50 MB of L2: an under-estimate works better

  const CudaQuery& query_;
  const AttentionHow how_;
  const Attributes attributes_;
  CudaKernel kernel_;
  std::vector<std::string> parameters_;
  std::string body_;
};

CudaKernel Emit(const CudaQuery& query, const Gpu&, const CudaPlan& plan) {
  return Emitter(query, FromPlanNumbers<AttentionHow>(plan.numbers)).Emit();
}

// Fewer queries may be told to see more keys, so a plan's time for them is no less than it says itself.
double Predict(const CudaQuery& query, const Gpu& gpu, const CudaPlan& plan) {
  for (const AttentionHow& how : AttentionCandidates(What(query), gpu)) {
    if (how.Name() == plan.name) {
      return how.us;
    }
  }
  return plan.us;
}

// Queries of a sequence: one, where a decoder makes a step.
std::string Rows(const CudaQuery& query) { return query.ins[kQ].dims[2].constant() ? "" : "x0_2"; }

}  // namespace

extern const CudaFamily kCudaAttention;
const CudaFamily kCudaAttention = {.name = "attention", .plans = Plans, .emit = Emit, .rows = Rows, .predict = Predict};

}  // namespace sluice::kernels
