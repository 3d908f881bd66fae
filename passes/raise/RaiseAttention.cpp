// Raises attention that exporters write out, and gives attention its real pattern: masks by what they mean, keys and
// values before they were repeated.
#include <cmath>

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Remarks.h"
#include "passes/raise/AttentionBuild.h"
#include "passes/raise/Match.h"
#include "passes/raise/Passes.h"

namespace mlir::sluice::raise {
#define GEN_PASS_DEF_RAISEATTENTIONPASS
#include "passes/raise/Passes.h.inc"

namespace {

remark::RemarkOpts remarkOpts() { return remark::RemarkOpts::name("attention").category("raise"); }

// The analyses of one function, and what masks were found to mean: layers share them.
struct FunctionState {
  explicit FunctionState(FunctionOpInterface func) : facts(context), elements(func, sizes, context, facts) {}

  const MaskMeaning& meaning(const ScoreFrame& frame, ArrayRef<MaskTerm> terms) {
    MaskKey key;
    for (Expr index : {frame.b, frame.h, frame.q, frame.k}) {
      key.first.push_back(index->id);
    }
    for (const MaskTerm& term : terms) {
      key.second.push_back({term.value.getAsOpaquePointer(), term.at, term.factor, term.kind, term.when, term.fill});
    }
    auto [it, inserted] = meanings.try_emplace(std::move(key));
    if (inserted) {
      it->second = analyzeMask(elements, frame, terms);
    }
    return it->second;
  }

  using MaskKey = std::pair<std::vector<unsigned>, std::vector<std::tuple<void*, Indices, double, int, bool, double>>>;
  nn::SizeAnalysis sizes;
  ExprContext context;
  Facts facts;
  ElementExpr elements;
  std::map<MaskKey, MaskMeaning> meanings;
};

// What nn.attention says of a mask, made from its meaning.
struct MaskOperands {
  Value bias, keyMask, slopes;
  nn::PatternAttr pattern;
  nn::EmptyRows emptyRows = nn::EmptyRows::Zero;
  std::string text;  // for the remark
};

FailureOr<MaskOperands> buildMask(AttentionBuilder& build, MLIRContext* context, ArrayRef<MaskTerm> terms,
                                  const MaskMeaning& proven) {
  MaskMeaning meaning = proven;
  MaskOperands result;
  AttentionBuilder::Added added = build.added(terms, meaning);
  result.keyMask = build.keyMask(meaning.keys);
  if (meaning.proven && (added.failed || (!meaning.keys.empty() && !result.keyMask))) {
    meaning = {.why = added.failed ? "adds numbers besides the mask that are not apart from it"
                                   : "tests keys by a value that is no [batch, keys]"};
    added = build.added(terms, meaning);
    result.keyMask = {};
  }
  if (added.failed) {
    return failure();
  }
  result.bias = added.bias;
  result.slopes = added.slopes;
  result.pattern = nn::PatternAttr::get(context, meaning.causal, meaning.window);
  result.emptyRows = meaning.emptyRows;  // a guard against NaN does nothing for rows of finite numbers
  if (!meaning.proven) {
    result.text = "mask kept as a bias: it " + meaning.why;
    return result;
  }
  result.text = meaning.causal ? "causal" : "all keys";
  result.text += meaning.window ? ", window " + std::to_string(meaning.window) : "";
  result.text += meaning.keys.empty() ? "" : ", key padding";
  result.text += result.slopes ? ", slopes" : "";
  result.text += result.bias ? ", bias" : "";
  result.text += meaning.binary ? " (padding input taken as zeros and ones)" : "";
  return result;
}

// The usual scale without the rounding of its roots in the graph, so that all spellings give one number.
double scaleOf(double scale, const Poly& width) {
  double usual = 1 / std::sqrt(width.constant().value_or(1));
  return std::abs(scale / usual - 1) < 1e-6 ? usual : scale;
}

// Replaces the weighted sum by nn.attention; false, with a remark, when an operand has no such form.
bool raiseDecomposed(const AttentionMatch& match, FunctionState& state) {
  nn::MatmulOp scores = match.scores, output = match.output;
  OpBuilder builder(output);
  Location loc = FusedLoc::get(builder.getContext(), {scores.getLoc(), match.softmax->getLoc(), output.getLoc()});
  auto missed = [&](StringRef why) {
    remark::missed(output.getLoc(), remarkOpts()) << "not raised: " + why.str();
    return false;
  };
  const ScoreFrame& f = match.frame;
  AttentionBuilder build(state.elements, f, builder, loc);
  Indices lead(match.scoresAt.begin(), match.scoresAt.end() - 2);
  auto at = [](Indices first, Expr a, Expr b) {
    first.push_back(a);
    first.push_back(b);
    return first;
  };
  auto q = build.heads(scores.getA(), at(lead, f.q, match.d), f.q, f.queries, match.d, match.width, true, false);
  auto k = build.heads(scores.getB(), at(lead, match.d, f.k), f.k, f.keys, match.d, match.width, true, true);
  auto v = build.heads(output.getB(), at(match.outputLead, f.k, match.e), f.k, f.keys, match.e, match.valueWidth, false,
                       true);
  if (!q.value || !k.value || !v.value) {
    return missed((q.value ? k.value ? "values" : "keys" : "queries") + std::string(" are no [batch, heads, ..]"));
  }
  auto headsOf = [](Value x) { return cast<RankedTensorType>(x.getType()).getDimSize(1); };
  if (headsOf(k.value) != headsOf(v.value)) {
    return missed("keys and values are repeated differently");
  }
  auto mask = buildMask(build, builder.getContext(), match.terms, state.meaning(f, match.terms));
  if (failed(mask)) {
    return missed("what is added to the scores is no [batch, heads, queries, keys]");
  }
  double scale = scaleOf(match.scale * q.factor * k.factor, match.width);
  nn::Sizes sizes = state.sizes.of(q.value);
  sizes[3] = state.sizes.of(v.value)[3];
  auto attention = nn::AttentionOp::create(
      builder, loc, nn::typeOf(sizes, cast<RankedTensorType>(v.value.getType()).getElementType()), q.value, k.value,
      v.value, mask->bias, mask->keyMask, Value(), mask->slopes, mask->pattern, llvm::APFloat(scale),
      llvm::APFloat(match.softcap), mask->emptyRows);
  remark::passed(output.getLoc(), remarkOpts()) << "matched: " + mask->text;
  Value result = attention.getResult();
  if (result.getType() != output.getType() || !llvm::equal(sizes, state.sizes.of(output.getResult()))) {
    result = nn::ReshapeOp::create(builder, loc, output.getType(), result,
                                   nn::sizesAttr(builder.getContext(), state.sizes.of(output.getResult())));
  }
  output.getResult().replaceAllUsesWith(result);
  return true;
}

// What `mask` means beside what the op says already.
void takeMask(nn::AttentionOp op, const MaskOperands& mask, OpBuilder& builder) {
  nn::PatternAttr was = op.getPattern();
  int64_t window = was.getWindow() && mask.pattern.getWindow() ? std::min(was.getWindow(), mask.pattern.getWindow())
                                                               : std::max(was.getWindow(), mask.pattern.getWindow());
  op.setPatternAttr(nn::PatternAttr::get(op.getContext(), was.getCausal() || mask.pattern.getCausal(), window));
  op.getBiasMutable().assign(mask.bias ? ValueRange(mask.bias) : ValueRange());
  if (mask.keyMask) {
    Value both = mask.keyMask;
    both = op.getKeyMask() ? arith::AndIOp::create(builder, op.getLoc(), op.getKeyMask(), both).getResult() : both;
    op.getKeyMaskMutable().assign(both);
  }
  if (mask.slopes) {
    op.getSlopesMutable().assign(mask.slopes);
  }
  if (mask.emptyRows != nn::EmptyRows::Zero) {
    op.setEmptyRows(mask.emptyRows);
  }
}

// Attention as the graph spelled it: strips repeated heads and replaces a bias by its pattern.
void refineAttention(nn::AttentionOp op, FunctionState& state) {
  ElementExpr& elements = state.elements;
  auto extent = [&](Value v, unsigned d) { return elements.size(v, d); };
  ScoreFrame f{.batch = extent(op.getQ(), 0),
               .heads = extent(op.getQ(), 1),
               .queries = extent(op.getQ(), 2),
               .keys = extent(op.getK(), 2)};
  f.b = elements.index("b", f.batch);
  f.h = elements.index("h", f.heads);
  f.q = elements.index("q", f.queries);
  f.k = elements.index("k", f.keys);
  OpBuilder builder(op);
  AttentionBuilder build(elements, f, builder, op.getLoc());
  auto stripped = [&](Value operand) {
    Poly width = extent(operand, 3);
    Expr d = elements.index("d", width);
    auto groups = extent(operand, 1).constant(), heads = f.heads.constant();
    bool repeats = groups && heads && *groups == *heads;
    return repeats ? build.heads(operand, {f.b, f.h, f.k, d}, f.k, f.keys, d, width, false, true).value : Value();
  };
  Value k = stripped(op.getK()), v = stripped(op.getV());
  auto headsOf = [](Value x) { return cast<RankedTensorType>(x.getType()).getDimSize(1); };
  if (k && v && headsOf(k) == headsOf(v)) {
    op.getKMutable().assign(k);
    op.getVMutable().assign(v);
  }
  if (!op.getBias() || op.getLengths() || op.getSlopes()) {
    remark::passed(op.getLoc(), remarkOpts()) << (op.getBias() ? "taken over: bias kept" : "taken over: no bias");
    return;
  }
  bool boolean = cast<RankedTensorType>(op.getBias().getType()).getElementType().isInteger(1);
  MaskTerm term{.kind = boolean ? MaskTerm::kFill : MaskTerm::kAdd, .value = op.getBias()};
  term.sum = builder.getF32Type();
  if (boolean) {
    term.when = false;
    term.fill = -INFINITY;
  }
  Expr indices[] = {f.b, f.h, f.q, f.k};
  for (int d = 0; d < 4; ++d) {
    term.at.push_back(extent(op.getBias(), d).constant() == 1 ? elements.context().constant(0) : indices[d]);
  }
  auto mask = buildMask(build, builder.getContext(), {term}, state.meaning(f, {term}));
  if (failed(mask)) {
    remark::missed(op.getLoc(), remarkOpts()) << "bias kept: it has no [batch, heads, queries, keys]";
    return;
  }
  remark::passed(op.getLoc(), remarkOpts()) << "taken over: " + mask->text;
  takeMask(op, *mask, builder);
}

void raiseFunction(FunctionOpInterface func) {
  FunctionState state(func);
  SmallVector<nn::AttentionOp> given;
  SmallVector<nn::SoftmaxOp> candidates;
  func->walk([&](nn::AttentionOp op) { given.push_back(op); });
  func->walk([&](nn::SoftmaxOp op) { candidates.push_back(op); });
  for (nn::AttentionOp op : given) {
    refineAttention(op, state);
  }
  for (nn::SoftmaxOp softmax : candidates) {
    for (nn::MatmulOp output : weightedSums(softmax)) {
      std::string why;
      auto match = matchAttention(state.elements, softmax, output, why);
      if (failed(match)) {
        remark::missed(output.getLoc(), remarkOpts()) << "not raised: " + why;
        continue;
      }
      raiseDecomposed(*match, state);
    }
  }
}

struct RaiseAttention : impl::RaiseAttentionPassBase<RaiseAttention> {
  using RaiseAttentionPassBase::RaiseAttentionPassBase;
  void runOnOperation() final {
    getOperation()->walk([](func::FuncOp func) {
      if (!func.isExternal()) {
        raiseFunction(func);
      }
    });
  }
};

}  // namespace
}  // namespace mlir::sluice::raise
