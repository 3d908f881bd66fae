// Arithmetic of pack expressions: casts, element-wise operations, dequantization.
//
// Each runs in pieces that stay in the first cache: load into one of three working types, compute, store.
//   int64   integers to integers, exactly; a narrower result keeps the low bits
//   double  f64, and integers that f32 cannot hold
//   float   the rest.  One f32 operation on f16 or bf16 numbers, rounded once more, is the correctly rounded result
//           (24 >= 2 * 11 + 2 bits).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/base/half.h"
#include "runtime/base/pack_block.h"

namespace sluice::pack_internal {
namespace {

constexpr int64_t kPiece = 1024;

bool IsInteger(DType t) { return !IsFloat(t); }
bool Wide(DType t) {
  return t == DType::kF64 || t == DType::kI32 || t == DType::kU32 || t == DType::kI64 || t == DType::kU64;
}

template <typename From, typename To>
void LoadAs(const uint8_t* from, int64_t n, To* to) {
  const From* x = reinterpret_cast<const From*>(from);
  for (int64_t i = 0; i < n; ++i) {
    to[i] = static_cast<To>(x[i]);
  }
}

// Elements to a working type.
template <typename W>
void Load(DType dtype, const uint8_t* from, int64_t n, W* to) {
  float narrow[kPiece];
  switch (dtype) {
    case DType::kF32:
      return LoadAs<float>(from, n, to);
    case DType::kF64:
      return LoadAs<double>(from, n, to);
    case DType::kF16:
      F16ToF32(reinterpret_cast<const uint16_t*>(from), narrow, n);
      return LoadAs<float>(reinterpret_cast<const uint8_t*>(narrow), n, to);
    case DType::kBF16:
      BF16ToF32(reinterpret_cast<const uint16_t*>(from), narrow, n);
      return LoadAs<float>(reinterpret_cast<const uint8_t*>(narrow), n, to);
    case DType::kI8:
    case DType::kI4:
      return LoadAs<int8_t>(from, n, to);
    case DType::kU8:
    case DType::kU4:
    case DType::kBool:
      return LoadAs<uint8_t>(from, n, to);
    case DType::kI16:
      return LoadAs<int16_t>(from, n, to);
    case DType::kU16:
      return LoadAs<uint16_t>(from, n, to);
    case DType::kI32:
      return LoadAs<int32_t>(from, n, to);
    case DType::kU32:
      return LoadAs<uint32_t>(from, n, to);
    case DType::kI64:
      return LoadAs<int64_t>(from, n, to);
    case DType::kU64:
      return LoadAs<uint64_t>(from, n, to);
    default:
      std::fill(to, to + n, W(0));
  }
}

// Towards zero; NaN is 0, and what int64 cannot hold its nearest end.
template <typename W>
int64_t ToInt(W v) {
  if constexpr (std::is_integral_v<W>) {
    return v;
  } else {
    return v != v ? 0 : v >= W(0x1p63) ? INT64_MAX : v <= W(-0x1p63) ? INT64_MIN : static_cast<int64_t>(v);
  }
}

template <typename To, typename W>
void StoreInts(const W* from, int64_t n, uint8_t* to) {
  To* y = reinterpret_cast<To*>(to);
  for (int64_t i = 0; i < n; ++i) {
    y[i] = static_cast<To>(ToInt(from[i]));
  }
}

// Rounds once: from f64 through f64's own conversions, from integers through f32.
template <typename W>
void StoreHalf(DType dtype, const W* from, int64_t n, uint16_t* to) {
  float narrow[kPiece];
  if constexpr (std::is_same_v<W, double>) {
    for (int64_t i = 0; i < n; ++i) {
      to[i] = dtype == DType::kF16 ? F64ToF16(from[i]) : F64ToBF16(from[i]);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      narrow[i] = static_cast<float>(from[i]);
    }
    dtype == DType::kF16 ? F32ToF16(narrow, to, n) : F32ToBF16(narrow, to, n);
  }
}

template <typename W>
void Store(DType dtype, const W* from, int64_t n, uint8_t* to) {
  switch (dtype) {
    case DType::kF32:
      return LoadAs<W>(reinterpret_cast<const uint8_t*>(from), n, reinterpret_cast<float*>(to));
    case DType::kF64:
      return LoadAs<W>(reinterpret_cast<const uint8_t*>(from), n, reinterpret_cast<double*>(to));
    case DType::kF16:
    case DType::kBF16:
      return StoreHalf(dtype, from, n, reinterpret_cast<uint16_t*>(to));
    case DType::kBool:
      for (int64_t i = 0; i < n; ++i) {
        to[i] = from[i] != W(0) ? 1 : 0;
      }
      return;
    case DType::kI8:
      return StoreInts<int8_t>(from, n, to);
    case DType::kU8:
      return StoreInts<uint8_t>(from, n, to);
    case DType::kI4:
      for (int64_t i = 0; i < n; ++i) {
        to[i] = static_cast<uint8_t>(((ToInt(from[i]) & 15) ^ 8) - 8);
      }
      return;
    case DType::kU4:
      for (int64_t i = 0; i < n; ++i) {
        to[i] = static_cast<uint8_t>(ToInt(from[i]) & 15);
      }
      return;
    case DType::kI16:
      return StoreInts<int16_t>(from, n, to);
    case DType::kU16:
      return StoreInts<uint16_t>(from, n, to);
    case DType::kI32:
      return StoreInts<int32_t>(from, n, to);
    case DType::kU32:
      return StoreInts<uint32_t>(from, n, to);
    case DType::kI64:
      return StoreInts<int64_t>(from, n, to);
    case DType::kU64:
      return StoreInts<uint64_t>(from, n, to);
    default:
      return;
  }
}

template <typename W>
W Divide(W a, W b) {
  if constexpr (std::is_integral_v<W>) {
    return b == 0 ? 0 : b == -1 ? static_cast<W>(-static_cast<uint64_t>(a)) : a / b;
  } else {
    return a / b;
  }
}

// Signed overflow wraps: computed unsigned.
template <typename W>
using Modular = std::conditional_t<std::is_integral_v<W>, uint64_t, W>;

template <typename W>
void Apply(PackKind kind, W* a, const W* b, int64_t n) {
  using U = Modular<W>;
  const auto each = [&](const auto& f) {
    for (int64_t i = 0; i < n; ++i) {
      a[i] = f(i);
    }
  };
  switch (kind) {
    case PackKind::kAdd:
      return each([&](int64_t i) { return static_cast<W>(static_cast<U>(a[i]) + static_cast<U>(b[i])); });
    case PackKind::kSub:
      return each([&](int64_t i) { return static_cast<W>(static_cast<U>(a[i]) - static_cast<U>(b[i])); });
    case PackKind::kMul:
      return each([&](int64_t i) { return static_cast<W>(static_cast<U>(a[i]) * static_cast<U>(b[i])); });
    case PackKind::kDiv:
      return each([&](int64_t i) { return Divide(a[i], b[i]); });
    case PackKind::kNeg:
      return each([&](int64_t i) { return static_cast<W>(-static_cast<U>(a[i])); });
    case PackKind::kSqrt:
      return each([&](int64_t i) { return static_cast<W>(std::sqrt(a[i])); });
    case PackKind::kReciprocal:
      return each([&](int64_t i) { return Divide(W(1), a[i]); });
    default:
      return;  // kCast
  }
}

// y = kind(a, b) over stored elements [0, n).
template <typename W>
void Run(PackKind kind, DType in, DType out, const uint8_t* a, int in_width, const uint8_t* b, int64_t n, uint8_t* y,
         int out_width) {
  W x[kPiece];
  W z[kPiece];
  for (int64_t at = 0; at < n; at += kPiece) {
    const int64_t count = std::min(kPiece, n - at);
    Load(in, a + at * in_width, count, x);
    if (b != nullptr) {
      Load(in, b + at * in_width, count, z);
    }
    Apply(kind, x, z, count);
    Store(out, x, count, y + at * out_width);
  }
}

template <typename W>
class Dequantizer {
 public:
  Dequantizer(const DequantizeArgs& args, const Block& q, const Block& scale, const Block* zero)
      : args_(args), q_(q), scale_(Widened(scale)) {
    if (zero != nullptr) {
      zero_ = Widened(*zero);
    }
  }

  Block Run() {
    Block out = MakeBlock(args_.dtype, q_.sizes);
    // [outer][along][inner] around the axis; everything is inner when one scale is for all.
    int64_t outer = 1;
    int64_t along = 1;
    int64_t inner = 1;
    for (size_t d = 0; d < q_.sizes.size(); ++d) {
      int64_t& size = static_cast<int64_t>(d) < args_.axis    ? outer
                      : static_cast<int64_t>(d) == args_.axis ? along
                                                              : inner;
      size *= q_.sizes[d];
    }
    const int64_t scales = args_.block == 0 ? along : BlocksIn(along);
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t a = 0; a < along;) {
        // Indices of the axis that share a scale.
        const int64_t at = args_.axis_start + a;
        const int64_t stop = args_.block == 0 ? a + 1 : std::min(along, a + args_.block - at % args_.block);
        const int64_t s = args_.axis < 0 ? 0 : args_.block == 0 ? a : at / args_.block - args_.scale_start;
        const int64_t first = (o * along + a) * inner;
        const int64_t count = (stop - a) * inner;
        if (args_.block == 0) {
          Piece(first, count, &scale_[s], zero_.empty() ? nullptr : &zero_[s], 0, &out);
        } else if (inner == 1) {
          const int64_t row = o * scales + s;
          Piece(first, count, &scale_[row], zero_.empty() ? nullptr : &zero_[row], 0, &out);
        } else {
          for (int64_t i = a; i < stop; ++i) {
            const int64_t row = (o * scales + s) * inner;
            Piece((o * along + i) * inner, inner, &scale_[row], zero_.empty() ? nullptr : &zero_[row], 1, &out);
          }
        }
        a = stop;
      }
    }
    return out;
  }

 private:
  int64_t BlocksIn(int64_t along) const {
    return (args_.axis_start + along - 1) / args_.block - args_.axis_start / args_.block + 1;
  }
  static std::vector<W> Widened(const Block& block) {
    std::vector<W> values(static_cast<size_t>(block.stored));
    for (int64_t at = 0; at < block.stored; at += kPiece) {
      Load(block.dtype, block.data.get() + at * block.width(), std::min(kPiece, block.stored - at), values.data() + at);
    }
    return values;
  }
  // Elements [first, first + count): scale[i * step], zero[i * step].
  void Piece(int64_t first, int64_t count, const W* scale, const W* zero, int64_t step, Block* out) {
    W x[kPiece];
    for (int64_t at = 0; at < count; at += kPiece) {
      const int64_t n = std::min(kPiece, count - at);
      Load(q_.dtype, q_.data.get() + (first + at) * q_.width(), n, x);
      const W* s = scale + at * step;
      const W* z = zero == nullptr ? nullptr : zero + at * step;
      if (step == 0) {
        const W base = z == nullptr ? W(0) : *z;
        for (int64_t i = 0; i < n; ++i) {
          x[i] = (x[i] - base) * *s;
        }
      } else {
        for (int64_t i = 0; i < n; ++i) {
          x[i] = (x[i] - (z == nullptr ? W(0) : z[i])) * s[i];
        }
      }
      Store(args_.dtype, x, n, out->data.get() + (first + at) * out->width());
    }
  }

  const DequantizeArgs args_;
  const Block& q_;
  std::vector<W> scale_;
  std::vector<W> zero_;
};

}  // namespace

Block Compute(PackKind kind, DType dtype, Block a, Block* b) {
  // The same strides over the same memory: computed where they lie, gaps included.  Otherwise dense first.
  const bool in_place = b == nullptr ? a.stored <= 2 * a.elements() : a.strides == b->strides && a.stored == b->stored;
  if (!in_place) {
    a = Densify(std::move(a));
    if (b != nullptr) {
      *b = Densify(std::move(*b));
    }
  }
  Block out{dtype, a.sizes, a.strides, nullptr, a.stored};
  out.data.reset(new uint8_t[static_cast<size_t>(out.stored * out.width())]);
  const uint8_t* second = b == nullptr ? nullptr : b->data.get();
  const auto run = [&](auto* type) {
    using W = std::remove_reference_t<decltype(*type)>;
    Run<W>(kind, a.dtype, dtype, a.data.get(), a.width(), second, a.stored, out.data.get(), out.width());
  };
  if (IsInteger(a.dtype) && !(a.dtype == DType::kU64 && IsFloat(dtype))) {
    run(static_cast<int64_t*>(nullptr));
  } else if (Wide(a.dtype)) {
    run(static_cast<double*>(nullptr));
  } else {
    run(static_cast<float*>(nullptr));
  }
  return out;
}

Block Dequantize(const DequantizeArgs& args, Block q, const Block& scale, const Block* zero) {
  q = Densify(std::move(q));
  if (Wide(q.dtype) || Wide(scale.dtype)) {
    return Dequantizer<double>(args, q, scale, zero).Run();
  }
  return Dequantizer<float>(args, q, scale, zero).Run();
}

}  // namespace sluice::pack_internal
