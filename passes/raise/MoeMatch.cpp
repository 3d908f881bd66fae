#include "passes/raise/MoeMatch.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "passes/raise/Match.h"

namespace mlir::sluice::raise {

namespace {

int64_t rankOf(Value v) { return cast<RankedTensorType>(v.getType()).getRank(); }

// A position along a dimension; 0 where there is no other, as views give it.
Expr position(ElementExpr& elements, const char* name, const Poly& extent) {
  return extent.constant() == 1 ? elements.context().constant(0) : elements.index(name, extent);
}

// The atom a number is, when it is an element of a tensor.
const Atom* elementAtom(const ExprContext& x, Expr e) {
  auto id = e->kind == Node::kNumber ? e->poly.asAtom() : std::nullopt;
  return id && x.atom(*id).kind == Atom::kElement ? &x.atom(*id) : nullptr;
}

Poly extentOf(ElementExpr& elements, Expr index) { return *elements.context().atom(*index->poly.asAtom()).extent; }

bool isZero(Value value) { return scalarConstant(value) == 0.0; }

//--- Gathered.

// The dimension that a sum runs over.
std::optional<int64_t> summedDim(linalg::ReduceOp sum) {
  bool adds = sum.getInputs().size() == 1 && isa<arith::AddFOp>(sum.getCombiner().front().front());
  return adds && sum.getDimensions().size() == 1 ? std::optional(sum.getDimensions()[0]) : std::nullopt;
}

class GatheredMatcher {
 public:
  GatheredMatcher(ElementExpr& elements, linalg::ReduceOp sum) : elements_(elements), sum_(sum) {}

  MixtureMatch match(std::string& why) {
    auto dim = summedDim(sum_);
    Value input = sum_.getInputs().front();
    if (!dim || rankOf(input) != 3) {
      return std::nullopt;
    }
    const char* names[] = {"t", "p", "o"};
    Indices at(3, nullptr);
    for (int64_t d = 0, other = 0; d < 3; ++d) {
      int role = d == *dim ? 1 : other++ * 2;
      at[d] = position(elements_, names[role], elements_.size(input, d));
      (role == 0 ? t_ : role == 1 ? p_ : o_) = at[d];
    }
    choices_ = elements_.size(input, *dim);
    Place pair = sourceOf(elements_, {input, at}, /*casts=*/false);
    auto scaled = pair.value.getDefiningOp<arith::MulFOp>();
    if (!scaled) {
      return std::nullopt;
    }
    for (auto [result, weight] :
         {std::pair(scaled.getLhs(), scaled.getRhs()), std::pair(scaled.getRhs(), scaled.getLhs())}) {
      if (auto down = matchProduct(elements_, {result, pair.at}, o_, "f"); down && chosenExpert(down->weight)) {
        return matchScaled({result, pair.at}, {weight, pair.at}, chosenExpert(down->weight), why);
      }
    }
    return std::nullopt;
  }

 private:
  // The index of a stack of matrices that is itself read from a tensor.
  Expr chosenExpert(const Place& weight) {
    auto it = llvm::find_if(weight.at, [&](Expr e) { return elementAtom(elements_.context(), e) != nullptr; });
    return it == weight.at.end() ? nullptr : *it;
  }

  FailureOr<Mixture> matchScaled(const Place& result, const Place& weight, Expr chosen, std::string& why) {
    auto fail = [&](StringRef text) -> FailureOr<Mixture> {
      why = text.str();
      return failure();
    };
    if (!isZero(sum_.getInits().front())) {
      return fail("the sum over choices does not start from zero");
    }
    FailureOr<Expert> expert = matchExpert(elements_, result, o_, why);
    if (failed(expert)) {
      return failure();
    }
    Mixture mixture{.experts = {*expert}, .stacked = chosen};
    const Atom* index = elementAtom(elements_.context(), chosen);
    bool all = index->args.size() == 2 && elements_.size(index->value, 1) == choices_;
    if (!all || index->args != Indices{t_, p_}) {
      return fail("the experts' numbers are no [tokens, choices]");
    }
    mixture.indices = index->value;
    Poly tokens = elements_.size(index->value, 0);
    mixture.weights = holderOf(elements_, weight, {{tokens, choices_}, {t_, p_}});
    if (!mixture.weights) {
      return fail("a pair is not scaled by the weight of its token and choice");
    }
    const ExpertProduct& gate = expert->gate;
    mixture.x = holderOf(elements_, gate.input, {{tokens, extentOf(elements_, gate.k)}, {t_, gate.k}});
    if (!mixture.x) {
      return fail("an expert does not read the row of its token");
    }
    return mixture;
  }

  ElementExpr& elements_;
  linalg::ReduceOp sum_;
  Expr t_ = nullptr, p_ = nullptr, o_ = nullptr;
  Poly choices_;
};

//--- Unrolled.

// A scatter of whole rows.
std::optional<Link> scatterOf(Operation* op) {
  StringRef reduction;
  Link link{.scatter = op};
  if (auto nd = dyn_cast_or_null<nn::ScatterNdOp>(op)) {
    reduction = nd.getReduction();
    link = {nd.getResult(), nd.getData(), nd.getIndices(), nd.getUpdates(), op};
  } else if (auto elements = dyn_cast_or_null<nn::ScatterElementsOp>(op); elements && elements.getAxis() == 0) {
    reduction = elements.getReduction();
    link = {elements.getResult(), elements.getData(), elements.getIndices(), elements.getUpdates(), op};
  } else {
    return std::nullopt;
  }
  link.replaces = reduction == "none" && isZero(link.previous);
  bool rows = rankOf(link.sum) == 2 && rankOf(link.updates) == 2 && rankOf(link.rows) == 2;
  return rows && (reduction == "add" || link.replaces) ? std::optional(link) : std::nullopt;
}

}  // namespace

std::optional<Link> linkOf(Operation* op) {
  if (auto scatter = scatterOf(op)) {
    return scatter;
  }
  auto add = dyn_cast<arith::AddFOp>(op);
  if (!add) {
    return std::nullopt;
  }
  return eitherOrder(add, [&](Value previous, Value added) -> std::optional<Link> {
    auto scatter = scatterOf(added.getDefiningOp());
    if (!scatter || !isZero(scatter->previous)) {
      return std::nullopt;
    }
    scatter->sum = add;
    scatter->previous = previous;
    return scatter;
  });
}

namespace {

class UnrolledMatcher {
 public:
  UnrolledMatcher(ElementExpr& elements, ArrayRef<Link> chain)
      : elements_(elements), x_(elements.context()), chain_(chain) {}

  MixtureMatch match(std::string& why) {
    if (llvm::none_of(chain_, [&](const Link& link) { return chosenRows(link).has_value(); })) {
      return std::nullopt;
    }
    return matchAll(why);
  }

 private:
  // The rows of one expert: row i is pair (token, choice), the i-th position that nn.nonzero found.
  struct Rows {
    nn::NonzeroOp nonzero;
    unsigned tokenDim = 0;  // of nonzero's operand; the other one counts choices
    Expr i = nullptr, o = nullptr, token = nullptr, choice = nullptr;
  };
  std::optional<Rows> chosenRows(const Link& link) {
    Rows rows{.i = elements_.index("i", elements_.size(link.updates, 0)),
              .o = elements_.index("o", elements_.size(link.updates, 1))};
    bool tuples = isa<nn::ScatterNdOp>(link.scatter);
    if (tuples && elements_.size(link.rows, 1).constant() != 1) {
      return std::nullopt;
    }
    rows.token = elements_.element(link.rows, {rows.i, tuples ? x_.constant(0) : rows.o});
    const Atom* atom = elementAtom(x_, rows.token);
    rows.nonzero = atom ? atom->value.getDefiningOp<nn::NonzeroOp>() : nullptr;
    auto dim = rows.nonzero ? atom->args[0]->poly.constant() : std::nullopt;
    if (!dim || rankOf(rows.nonzero.getX()) != 2 || atom->args[1] != rows.i) {
      return std::nullopt;
    }
    bool all = elements_.size(link.updates, 0) == elements_.size(rows.nonzero.getResult(), 1) &&
               elements_.size(link.updates, 1) == elements_.size(link.sum, 1);
    if (!all) {
      return std::nullopt;
    }
    rows.tokenDim = static_cast<unsigned>(*dim);
    rows.choice = elements_.element(rows.nonzero.getResult(), {x_.constant(1 - rows.tokenDim), rows.i});
    return rows;
  }

  // nn.nonzero's operand holds indices[t, p] == number.
  struct Choice {
    Value indices;
    int64_t number = 0, count = 0;  // of an expert; of all experts
  };
  std::optional<Choice> choiceOf(Rows rows) {
    Value tested = rows.nonzero.getX();
    Indices at = {position(elements_, "a", elements_.size(tested, 0)),
                  position(elements_, "b", elements_.size(tested, 1))};
    Expr chosen = elements_.element(tested, at);
    if (chosen->kind == Node::kNumber || chosen->kind == Node::kSelect) {
      chosen = x_.compare(Cmp::kNe, chosen, x_.constant(0));
    }
    Indices pair = rows.tokenDim == 0 ? at : Indices{at[1], at[0]};
    for (Expr leaf : leavesOf(chosen)) {
      for (const auto& [monomial, coefficient] : leaf->poly.terms) {
        Expr index = x_.number(monomial.size() == 1 ? Poly::atom(monomial[0]) : Poly());
        const Atom* atom = elementAtom(x_, index);
        auto count = atom && atom->extent ? atom->extent->constant() : std::nullopt;
        double number = -leaf->poly.constantTerm() / coefficient;
        if (!count || atom->args != pair || number < 0 || number >= *count) {
          continue;
        }
        bool all = elements_.size(tested, rows.tokenDim) == elements_.size(atom->value, 0) &&
                   elements_.size(tested, 1 - rows.tokenDim) == elements_.size(atom->value, 1);
        if (!all) {
          continue;
        }
        Expr same = x_.compare(Cmp::kEq, index, x_.constant(number));
        Expr both = x_.andOf(chosen, same), neither = x_.andOf(x_.notOf(chosen), x_.notOf(same));
        if (elements_.facts().valid(x_.orOf(both, neither))) {
          return Choice{atom->value, static_cast<int64_t>(number), static_cast<int64_t>(*count)};
        }
      }
    }
    return std::nullopt;
  }

  // No token chooses an expert twice: choices are positions of a top-k along them.
  static bool distinct(Value indices) {
    auto top = indices.getDefiningOp<nn::TopKOp>();
    return top && top.getAxis() == 1;
  }

  FailureOr<Mixture> matchAll(std::string& why) {
    auto fail = [&](const Twine& text) -> FailureOr<Mixture> {
      why = text.str();
      return failure();
    };
    Mixture all;
    std::map<int64_t, Expert> experts;
    int64_t count = 0;
    for (const Link& link : chain_) {
      auto rows = chosenRows(link);
      auto choice = rows ? choiceOf(*rows) : std::nullopt;
      if (!choice) {
        return fail("what is added are not the rows that chose one expert");
      }
      std::string name = "expert " + std::to_string(choice->number);
      FailureOr<Mixture> one = matchOne(link, *rows, *choice, why);
      if (failed(one)) {
        return fail(name + ": " + why);
      }
      if (!experts.try_emplace(choice->number, one->experts.front()).second) {
        return fail(name + " is added twice");
      }
      if (experts.size() > 1 && (all.x != one->x || all.indices != one->indices || all.weights != one->weights)) {
        return fail(name + " has another input or routing than the others");
      }
      all = *one;
      count = choice->count;
    }
    all.experts.clear();
    for (auto& [number, expert] : experts) {
      if (number != static_cast<int64_t>(all.experts.size())) {
        break;
      }
      all.experts.push_back(expert);
    }
    if (static_cast<int64_t>(all.experts.size()) != count) {
      return fail("expert " + Twine(all.experts.size()) + " of " + Twine(count) + " is missing");
    }
    if (!isZero(chain_.back().previous)) {
      return fail("the sum over experts does not start from zero");
    }
    return all;
  }

  FailureOr<Mixture> matchOne(const Link& link, const Rows& rows, const Choice& choice, std::string& why) {
    auto fail = [&](StringRef text) -> FailureOr<Mixture> {
      why = text.str();
      return failure();
    };
    if (link.replaces && !distinct(choice.indices)) {
      return fail("a row may occur twice, and the later one replaces the first");
    }
    Place updates = sourceOf(elements_, {link.updates, {rows.i, rows.o}}, /*casts=*/false);
    auto scaled = updates.value.getDefiningOp<arith::MulFOp>();
    Mixture mixture{.indices = choice.indices};
    Poly tokens = elements_.size(choice.indices, 0);
    Place result;
    for (unsigned side = 0; scaled && side < 2 && !mixture.weights; ++side) {
      mixture.weights = holderOf(elements_, {scaled->getOperand(side), updates.at},
                                 {{tokens, elements_.size(choice.indices, 1)}, {rows.token, rows.choice}});
      result = {scaled->getOperand(1 - side), updates.at};
    }
    if (!mixture.weights) {
      return fail("its rows are not scaled by the weight of their token and choice");
    }
    FailureOr<Expert> expert = matchExpert(elements_, result, rows.o, why);
    if (failed(expert)) {
      return failure();
    }
    const ExpertProduct& gate = expert->gate;
    mixture.x = holderOf(elements_, gate.input, {{tokens, extentOf(elements_, gate.k)}, {rows.token, gate.k}});
    if (!mixture.x) {
      return fail("it does not read the rows of its tokens");
    }
    mixture.experts.push_back(*expert);
    return mixture;
  }

  ElementExpr& elements_;
  ExprContext& x_;
  ArrayRef<Link> chain_;
};

}  // namespace

MixtureMatch matchGathered(ElementExpr& elements, linalg::ReduceOp sum, std::string& why) {
  return GatheredMatcher(elements, sum).match(why);
}

MixtureMatch matchUnrolled(ElementExpr& elements, ArrayRef<Link> chain, std::string& why) {
  return UnrolledMatcher(elements, chain).match(why);
}

}  // namespace mlir::sluice::raise
