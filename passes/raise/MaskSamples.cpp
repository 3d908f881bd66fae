// Seeded evaluation of masks: finds a position where two of them differ.
#include <random>

#include "passes/raise/MaskAnalysis.h"

namespace mlir::sluice::raise {

namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;
  return hash ^ (hash >> 29);
}

// Values of unknowns under one seed: small or large sizes, positions in range, elements by a hash of their position, so
// that the same element read twice is the same number.
class Sample {
 public:
  Sample(const ExprContext& x, unsigned seed) : x_(x), seed_(seed), random_(seed) {}

  double operator()(unsigned id) {
    if (auto it = values_.find(id); it != values_.end()) {
      return it->second;
    }
    const Atom& atom = x_.atom(id);
    double value = 0;
    auto within = [&](uint64_t number) {
      auto extent = static_cast<int64_t>(x_.evaluate(*atom.extent, std::ref(*this)));
      empty_ |= extent <= 0;
      return extent <= 0 ? 0.0 : static_cast<double>(number % extent);
    };
    if (atom.kind == Atom::kSymbol) {
      value = static_cast<double>(random_() % (seed_ % 4 == 0 ? 6000 : 7));
    } else if (atom.kind == Atom::kIndex) {
      value = within(random_());
    } else {
      uint64_t hash = mix(seed_, x_.family(id));
      for (Expr arg : atom.args) {
        hash = mix(hash, static_cast<uint64_t>(static_cast<int64_t>(x_.evaluate(arg, std::ref(*this)))));
      }
      // Mostly zeros and ones, as padding is.
      value = atom.extent  ? within(hash)
              : atom.whole ? static_cast<double>(hash % 5 < 4 ? hash % 2 : hash % 7)
                           : static_cast<double>(hash % 1000) / 250 - 2;
    }
    values_[id] = value;
    return value;
  }

  bool empty() const { return empty_; }

 private:
  const ExprContext& x_;
  unsigned seed_;
  std::mt19937 random_;
  std::map<unsigned, double> values_;
  bool empty_ = false;
};

}  // namespace

std::string findDifference(ElementExpr& elements, const ScoreFrame& frame, Expr a, Expr b, int samples) {
  const ExprContext& x = elements.context();
  int taken = 0;
  for (unsigned seed = 1; taken < samples && seed < 64U * samples; ++seed) {
    Sample sample(x, seed);
    auto value = [&](Expr e) { return static_cast<int64_t>(x.evaluate(e, std::ref(sample))); };
    for (Expr index : {frame.b, frame.h, frame.q, frame.k}) {
      value(index);
    }
    if (sample.empty() || !elements.facts().admits(std::ref(sample))) {
      continue;
    }
    ++taken;
    if ((x.evaluate(a, std::ref(sample)) != 0) != (x.evaluate(b, std::ref(sample)) != 0)) {
      auto extent = [&](const Poly& p) {
        return std::to_string(static_cast<int64_t>(x.evaluate(p, std::ref(sample))));
      };
      return "query " + std::to_string(value(frame.q)) + ", key " + std::to_string(value(frame.k)) + " of " +
             extent(frame.queries) + " x " + extent(frame.keys);
    }
  }
  return "";
}

}  // namespace mlir::sluice::raise
