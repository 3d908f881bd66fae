// Reading expressions.  The text may come from a file nobody vouches for: depth and length are bounded.
#include <cctype>

#include "runtime/plan/size_expr.h"

namespace sluice::plan {
namespace {

constexpr int kMaxDepth = 200;
constexpr size_t kMaxText = 1 << 16;

// expr := ['-'] term (('+' | '-') term)*     term := factor ('*' factor)*
// factor := integer | symbol | name '(' expr ',' expr ')' | '(' expr ')' | '-' factor
class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  absl::StatusOr<SizeExpr> Parse() {
    if (text_.size() > kMaxText) {
      return absl::InvalidArgumentError("a size expression of more than 65536 characters");
    }
    ASSIGN_OR_RETURN(SizeExpr e, Expr());
    Skip();
    if (at_ != text_.size()) {
      return Error("an operator or the end is expected");
    }
    return e;
  }

 private:
  absl::Status Error(const std::string& what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("size expression \"", text_.substr(0, 200), "\", column ", at_ + 1, ": ", what));
  }
  void Skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) {
      ++at_;
    }
  }
  bool Take(char c) {
    Skip();
    const bool is = at_ < text_.size() && text_[at_] == c;
    at_ += is ? 1 : 0;
    return is;
  }

  absl::StatusOr<SizeExpr> Expr() {
    if (++depth_ > kMaxDepth) {
      return Error("nested too deeply");
    }
    ASSIGN_OR_RETURN(SizeExpr sum, Term(Take('-')));
    for (;;) {
      const bool minus = Take('-');
      if (!minus && !Take('+')) {
        --depth_;
        return sum;
      }
      ASSIGN_OR_RETURN(SizeExpr term, Term(minus));
      sum = sum + term;
    }
  }

  // The sign goes to the first factor, so that -9223372036854775808 can be read.
  absl::StatusOr<SizeExpr> Term(bool negative) {
    ASSIGN_OR_RETURN(SizeExpr product, Factor(negative));
    while (Take('*')) {
      ASSIGN_OR_RETURN(SizeExpr factor, Factor(false));
      product = product * factor;
    }
    return product;
  }

  absl::StatusOr<SizeExpr> Factor(bool negative) {
    while (Take('-')) {
      negative = !negative;
    }
    Skip();
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    if (std::isdigit(static_cast<unsigned char>(c))) {
      return Integer(negative);
    }
    ASSIGN_OR_RETURN(SizeExpr e, Take('(') ? Parenthesis() : Name());
    return negative ? SizeExpr(-1) * e : e;
  }

  absl::StatusOr<SizeExpr> Parenthesis() {
    ASSIGN_OR_RETURN(SizeExpr e, Expr());
    if (!Take(')')) {
      return Error("')' is expected");
    }
    return e;
  }

  absl::StatusOr<SizeExpr> Integer(bool negative) {
    int64_t value = 0;  // negative all the way: the range of int64 has one more number there
    for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_) {
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, text_[at_] - '0', &value)) {
        return Error("the number is too large");
      }
    }
    if (!negative && value == std::numeric_limits<int64_t>::min()) {
      return Error("the number is too large");
    }
    return SizeExpr(negative ? value : -value);
  }

  absl::StatusOr<SizeExpr> Name() {
    const size_t start = at_;
    const auto symbol = [&] {
      const unsigned char c = at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : 0;
      return c < 0x80 && (std::isalpha(c) || c == '_' || (at_ > start && (std::isdigit(c) || c == '.')));
    };
    while (symbol()) {
      ++at_;
    }
    const std::string name = text_.substr(start, at_ - start);
    if (name.empty()) {
      return Error("a number, a name or '(' is expected");
    }
    if (!Take('(')) {
      return SizeExpr::Symbol(name);
    }
    return Call(name);
  }

  absl::StatusOr<SizeExpr> Call(const std::string& name) {
    ASSIGN_OR_RETURN(SizeExpr a, Expr());
    if (!Take(',')) {
      return Error("',' is expected");
    }
    ASSIGN_OR_RETURN(SizeExpr b, Expr());
    if (!Take(')')) {
      return Error("')' is expected");
    }
    if (name == "floordiv") {
      return SizeExpr::FloorDiv(a, b);
    }
    if (name == "ceildiv") {
      return SizeExpr::CeilDiv(a, b);
    }
    if (name == "mod") {
      return SizeExpr::Mod(a, b);
    }
    if (name == "min") {
      return SizeExpr::Min(a, b);
    }
    if (name == "max") {
      return SizeExpr::Max(a, b);
    }
    return Error("there is no function \"" + name + "\" (floordiv, ceildiv, mod, min and max are)");
  }

  const std::string& text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<SizeExpr> SizeExpr::Parse(const std::string& text) { return Parser(text).Parse(); }

}  // namespace sluice::plan
