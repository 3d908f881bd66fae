#include "passes/raise/MaskAnalysis.h"

#include <cmath>

#include "llvm/ADT/SetVector.h"

namespace mlir::sluice::raise {

namespace {

// Numbers p(x) with x in {0, 1} as a decision: (1 - x)·min becomes select(x != 0, 0, min).
Expr splitBinary(ExprContext& x, Expr e, unsigned atom) {
  auto substituted = [&](const Poly& p, double value) {
    Poly result;
    for (const auto& [monomial, c] : p.terms) {
      Poly::Monomial rest;
      llvm::copy_if(monomial, std::back_inserter(rest), [&](unsigned id) { return id != atom; });
      Poly term;
      term.terms[rest] = c;
      result = result + (rest.size() == monomial.size() || value != 0 ? term : Poly());
    }
    return x.number(result);
  };
  Expr one = x.compare(Cmp::kNe, x.number(Poly::atom(atom)), x.constant(0));
  return x.map(e, [&](const Poly& p) {
    bool uses = llvm::any_of(p.terms, [&](const auto& t) { return llvm::is_contained(t.first, atom); });
    return uses ? x.select(one, substituted(p, 1), substituted(p, 0)) : x.number(p);
  });
}

MaskSplit splitLeaves(ExprContext& x, Expr added) {
  if (added->kind == Node::kSelect) {
    Expr condition = added->args[0];
    MaskSplit a = splitLeaves(x, added->args[1]), b = splitLeaves(x, added->args[2]);
    // Where one arm is masked its value does not matter: take the other's.
    Expr value = a.masked->kind == Node::kTrue   ? b.value
                 : b.masked->kind == Node::kTrue ? a.value
                                                 : x.select(condition, a.value, b.value);
    return {x.choice(condition, a.masked, b.masked), value, std::max(a.weakest, b.weakest), {}};
  }
  // min + score is still masked: the rest is no counterweight to it.
  double c = added->poly.constantTerm();
  bool huge = llvm::any_of(added->poly.terms,
                           [](const auto& t) { return !t.first.empty() && std::abs(t.second) >= -kMaskedBelow; });
  bool masked = c <= kMaskedBelow && !huge;
  return {x.boolean(masked), masked ? x.constant(0) : added, masked ? c : -INFINITY, {}};
}

// Where the constant of an added value is below `level`.
Expr below(ExprContext& x, Expr added, double level) {
  return added->kind == Node::kSelect
             ? x.choice(added->args[0], below(x, added->args[1], level), below(x, added->args[2], level))
             : x.boolean(added->poly.constantTerm() < level);
}

// The mask as one boolean, built from its terms.
struct Visible {
  Expr visible;
  SmallVector<MaskSplit> splits;  // of each term
};

Visible visibleKeys(ElementExpr& elements, ArrayRef<MaskTerm> terms, std::optional<unsigned> binary) {
  ExprContext& x = elements.context();
  Visible result{x.boolean(true)};
  for (const MaskTerm& term : terms) {
    Expr e = elements.element(term.value, term.at);
    if (term.kind == MaskTerm::kFill) {
      Expr fill = x.constant(term.fill), keep = x.constant(0);
      result.splits.push_back(splitMask(elements, term.when ? x.select(e, fill, keep) : x.select(e, keep, fill)));
    } else {
      result.splits.push_back(splitMask(elements, x.mul(e, x.constant(term.factor)), binary));
    }
    result.visible = x.andOf(result.visible, x.notOf(result.splits.back().masked));
  }
  return result;
}

// A sum with this number leaves nothing of a score: scores are below 16, say.
bool swallows(const MaskTerm& term, double number) {
  auto type = cast<FloatType>(term.sum ? term.sum : getElementTypeOrSelf(term.value.getType()));
  return std::ldexp(-number, -static_cast<int>(APFloat::semanticsPrecision(type.getFloatSemantics()))) >= 16;
}

// What a query gives that sees no key, as the graph spells its masks: `pattern` and `keys` hide a key each.
nn::EmptyRows emptyRowsOf(ElementExpr& elements, ArrayRef<MaskTerm> terms, const Visible& v, Expr pattern, Expr keys) {
  ExprContext& x = elements.context();
  const MaskTerm* mask = nullptr;
  const MaskSplit* split = nullptr;
  bool one = true;
  for (auto [term, part] : llvm::zip_equal(terms, v.splits)) {
    if (std::isfinite(part.weakest)) {
      one = mask == nullptr;
      mask = &term;
      split = &part;
    }
  }
  if (!mask) {
    return nn::EmptyRows::Zero;
  }
  if (!one || mask->kind == MaskTerm::kFill || swallows(*mask, split->weakest)) {
    return nn::EmptyRows::Uniform;
  }
  if (split->stronger->kind == Node::kFalse) {
    return nn::EmptyRows::Scores;
  }
  Expr shown = x.orOf(pattern, keys);
  Expr agrees = x.orOf(v.visible, x.choice(split->stronger, x.notOf(shown), shown));
  return elements.facts().valid(agrees) ? nn::EmptyRows::Either : nn::EmptyRows::Uniform;
}

// Atoms of a boolean, those inside arguments of elements excepted.
llvm::SetVector<unsigned> atomsOf(Expr e) {
  llvm::SetVector<unsigned> atoms;
  for (Expr leaf : leavesOf(e)) {
    if (leaf->kind == Node::kFact) {
      atoms.insert(leaf->atom);
    }
    for (const auto& [monomial, c] : leaf->poly.terms) {
      atoms.insert(monomial.begin(), monomial.end());
    }
  }
  return atoms;
}

// True for an element that key (b, k) alone selects.
bool isKeyElement(const ExprContext& x, const ScoreFrame& frame, unsigned id) {
  const Atom& atom = x.atom(id);
  return atom.kind == Atom::kElement && llvm::is_contained(atom.args, frame.k) &&
         llvm::all_of(atom.args, [&](Expr arg) {
           return arg == frame.k || arg == frame.b || (arg->kind == Node::kNumber && arg->poly.constant() == 0);
         });
}

// Padding tests that the mask may be made of: element != 0, == 0, the booleans, and its own comparisons with constants.
SmallVector<KeyTest> keyTests(ExprContext& x, const ScoreFrame& frame, Expr visible) {
  SmallVector<KeyTest> tests;
  auto push = [&](unsigned id, Cmp cmp, double rhs, Expr holds) {
    bool known = llvm::any_of(tests, [&](const KeyTest& t) { return t.holds == holds; });
    if (!known) {
      tests.push_back({x.atom(id).value, x.atom(id).args, cmp, rhs, holds});
    }
  };
  for (Expr leaf : leavesOf(visible)) {
    if (leaf->kind == Node::kFact && isKeyElement(x, frame, leaf->atom)) {
      push(leaf->atom, Cmp::kNe, 0, leaf);
      push(leaf->atom, Cmp::kEq, 0, x.notOf(leaf));
    }
  }
  for (unsigned id : atomsOf(visible)) {
    if (isKeyElement(x, frame, id) && !getElementTypeOrSelf(x.atom(id).value.getType()).isInteger(1)) {
      Expr element = x.number(Poly::atom(id));
      push(id, Cmp::kNe, 0, x.compare(Cmp::kNe, element, x.constant(0)));
      push(id, Cmp::kEq, 0, x.compare(Cmp::kEq, element, x.constant(0)));
    }
  }
  // a·x + c <= 0 is x <= -c/a (a > 0) or x >= -c/a.
  for (Expr leaf : leavesOf(visible)) {
    auto atoms = atomsOf(leaf);
    if (atoms.size() != 1 || leaf->kind == Node::kFact || !isKeyElement(x, frame, atoms[0])) {
      continue;
    }
    auto it = leaf->poly.terms.find({atoms[0]});
    if (it == leaf->poly.terms.end()) {
      continue;
    }
    double a = it->second, rhs = -leaf->poly.constantTerm() / a;
    bool strict = leaf->kind == Node::kLessReal;
    Cmp cmp = leaf->kind == Node::kEqReal ? Cmp::kEq
              : a > 0                     ? (strict ? Cmp::kLt : Cmp::kLe)
                                          : (strict ? Cmp::kGt : Cmp::kGe);
    Cmp opposite = cmp == Cmp::kEq   ? Cmp::kNe
                   : cmp == Cmp::kLt ? Cmp::kGe
                   : cmp == Cmp::kLe ? Cmp::kGt
                   : cmp == Cmp::kGt ? Cmp::kLe
                                     : Cmp::kLt;
    // 1 - mask == 0 is two comparisons: try the equality, too.
    Expr equal = x.compare(Cmp::kEq, x.number(Poly::atom(atoms[0])), x.constant(rhs));
    push(atoms[0], Cmp::kEq, rhs, equal);
    push(atoms[0], Cmp::kNe, rhs, x.notOf(equal));
    push(atoms[0], cmp, rhs, leaf);
    push(atoms[0], opposite, rhs, x.notOf(leaf));
  }
  return tests;
}

// Constant window widths that the mask's comparisons of query and key speak of.
SmallVector<int64_t> windows(const ScoreFrame& frame, ExprContext& x, Expr visible) {
  SmallVector<int64_t> widths;
  Poly position = frame.keys - frame.queries + frame.q->poly;
  for (Expr leaf : leavesOf(visible)) {
    if (leaf->kind != Node::kLe) {
      continue;
    }
    for (const Poly& p : {leaf->poly, Poly(1) - leaf->poly}) {
      // position - k - w + 1 <= 0
      auto w = (position - frame.k->poly + Poly(1) - p).constant();
      if (w && *w >= 1 && !llvm::is_contained(widths, static_cast<int64_t>(*w))) {
        widths.push_back(static_cast<int64_t>(*w));
      }
    }
  }
  return widths;
}

Expr patternOf(ExprContext& x, const ScoreFrame& frame, bool causal, int64_t window, ArrayRef<KeyTest> keys) {
  Expr position = x.number(frame.keys - frame.queries + frame.q->poly);
  Expr result = causal ? x.compare(Cmp::kLe, frame.k, position) : x.boolean(true);
  if (window > 0) {
    Expr distance = x.sub(position, frame.k);
    result = x.andOf(result, x.compare(Cmp::kLt, distance, x.constant(static_cast<double>(window))));
  }
  for (const KeyTest& key : keys) {
    result = x.andOf(result, key.holds);
  }
  return result;
}

std::string describe(bool causal, int64_t window, size_t keys) {
  std::string text = causal ? "causal" : "full";
  text += window ? ", window " + std::to_string(window) : "";
  return text + (keys ? " and key padding" : "");
}

// Tries the patterns from the plainest on: rejected by samples, or proven.
bool provePattern(ElementExpr& elements, const ScoreFrame& frame, ArrayRef<MaskTerm> terms, const Visible& v,
                  MaskMeaning& meaning) {
  ExprContext& x = elements.context();
  Expr visible = v.visible;
  SmallVector<SmallVector<KeyTest, 2>> keySets = {{}};
  SmallVector<KeyTest> tests = keyTests(x, frame, visible);
  for (const KeyTest& test : tests) {
    keySets.push_back({test});
  }
  for (size_t i = 0; i < tests.size(); ++i) {
    for (size_t j = i + 1; j < tests.size(); ++j) {
      if (tests[i].value != tests[j].value) {
        keySets.push_back({tests[i], tests[j]});
      }
    }
  }
  SmallVector<int64_t> widths = {0};
  llvm::append_range(widths, windows(frame, x, visible));
  for (const auto& keys : keySets) {
    for (bool causal : {false, true}) {
      for (int64_t window : widths) {
        Expr pattern = patternOf(x, frame, causal, window, keys);
        std::string difference = findDifference(elements, frame, visible, pattern, 64);
        if (!difference.empty()) {
          if (causal && !window && meaning.why.empty()) {
            meaning.why = "is no known pattern: not causal at " + difference;
          }
          continue;
        }
        if (elements.facts().valid(x.choice(visible, pattern, x.notOf(pattern)))) {
          meaning.causal = causal;
          meaning.window = window;
          meaning.keys = keys;
          Expr without = patternOf(x, frame, causal, window, {}), padding = x.boolean(true);
          for (const KeyTest& key : keys) {
            padding = x.andOf(padding, key.holds);
          }
          meaning.emptyRows = emptyRowsOf(elements, terms, v, without, padding);
          return true;
        }
        meaning.why = "agrees with " + describe(causal, window, keys.size()) + " on 64 samples, but is not proven";
      }
    }
  }
  return false;
}

}  // namespace

MaskSplit splitMask(ElementExpr& elements, Expr added, std::optional<unsigned> binary) {
  ExprContext& x = elements.context();
  added = binary ? splitBinary(x, added, *binary) : added;
  MaskSplit split = splitLeaves(x, added);
  split.stronger = below(x, added, 1.5 * split.weakest);
  // select(1 - mask != 0, min, 1 - mask): what is left is zero.
  if (!split.addsNothing() && split.masked->kind != Node::kFalse &&
      elements.facts().valid(x.orOf(split.masked, x.compare(Cmp::kEq, split.value, x.constant(0))))) {
    split.value = x.constant(0);
  }
  return split;
}

MaskMeaning analyzeMask(ElementExpr& elements, const ScoreFrame& frame, ArrayRef<MaskTerm> terms) {
  ExprContext& x = elements.context();
  MaskMeaning meaning;
  auto attempt = [&](std::optional<unsigned> binary) {
    Visible v = visibleKeys(elements, terms, binary);
    for (const MaskSplit& split : v.splits) {
      meaning.adds.push_back(!split.addsNothing());
      meaning.removes.push_back(split.masked->kind != Node::kFalse);
    }
    // A number that a padding input scales by a huge constant is a mask, though not one for every input.
    meaning.proven = provePattern(elements, frame, terms, v, meaning);
  };
  attempt(std::nullopt);
  if (meaning.proven && llvm::none_of(meaning.adds, [](bool adds) { return adds; })) {
    return meaning;
  }
  // Padding inputs as factors: (1 - mask)·min holds for masks of zeros and ones only.
  MaskMeaning plain = meaning;
  for (const MaskTerm& term : terms) {
    if (term.kind != MaskTerm::kAdd) {
      continue;
    }
    std::set<unsigned> atoms;
    x.map(elements.element(term.value, term.at), [&](const Poly& p) {
      for (const auto& [monomial, c] : p.terms) {
        if (std::abs(c) >= -kMaskedBelow) {
          atoms.insert(monomial.begin(), monomial.end());
        }
      }
      return x.constant(0);
    });
    for (unsigned id : atoms) {
      if (!isKeyElement(x, frame, id) || !isa<BlockArgument>(x.atom(id).value)) {
        continue;
      }
      elements.facts().assumeBinary(x.atom(id).value);
      meaning = {};
      attempt(id);
      elements.facts().forgetBinary();
      meaning.binary = id;
      if (meaning.proven) {
        return meaning;
      }
    }
  }
  return plain;
}

}  // namespace mlir::sluice::raise
