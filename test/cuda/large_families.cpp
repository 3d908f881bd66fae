// Families that multiply matrices.
#include "absl/strings/str_cat.h"
#include "test/cuda/families.h"

namespace sluice::test {
namespace {

using kernels::Attr;
using kernels::CudaOperand;
using kernels::CudaQuery;
using Rank = std::vector<int64_t>;

constexpr char kOfOne[] = "  __device__ float operator()(float v, int64_t, int64_t) const { return v > 0 ? v : 0; }\n";
constexpr char kOfTwo[] = "  __device__ float operator()(float a, float b, int64_t, int64_t) const { return a * b; }\n";
constexpr char kCodeOfSum[] = "  __device__ int32_t operator()(int32_t v, int64_t, int64_t) const { return v >> 8; }\n";
constexpr char kFloatOfSum[] =
    "  __device__ float operator()(int32_t v, int64_t, int64_t) const { return v * 0.5f; }\n";

std::string Functor(const std::string& body, const std::string& operands = "") {
  return absl::StrCat(
      "#include \"kernels/device/scalar.cuh\"\nstruct Epilogue {\n  __device__ Epilogue(const sl::Step*", operands,
      ") {}\n", body, "};\n");
}

// A form for two adjacent elements, of results of 16 bits.
std::string OfAdjacent(DType type) {
  return BitWidth(type) != 16 ? ""
                              : absl::StrFormat(
                                    "  __device__ sl::Two<%1$s> two(sl::Pair v, int64_t, int64_t) const {\n"
                                    "    return sl::narrow_result::erf_(sl::narrow<sl::Two<%1$s>>(v));\n  }\n",
                                    kernels::CudaType(type));
}

// Puts the row's epilogue on a query: "none", "of one", "of two" (parts), "reads whole" (an operand of `whole`'s type
// and shape); sums of codes have their own.
void AddEpilogue(const Row& row, bool codes, const std::string& whole, CudaQuery& query) {
  const std::string& epilogue = row.at("epilogue");
  if (epilogue == "none") {
    return;
  }
  query.epilogue_ins = static_cast<int>(query.ins.size());
  const char* of_sum = IsFloat(query.outs[0].dtype) ? kFloatOfSum : kCodeOfSum;
  query.epilogue = Functor(codes ? of_sum : epilogue == "of two" ? kOfTwo : kOfOne + OfAdjacent(query.outs[0].dtype));
  query.parts = epilogue == "of two" ? 2 : 1;
  if (epilogue == "reads whole") {
    const std::string add =
        absl::StrCat("  __device__ float operator()(float v, int64_t, int64_t, ", kernels::CudaType(TypeOf(whole)),
                     " e) const { return v + sl::to_float(e); }\n");
    query.epilogue_whole = query.epilogue_ins;
    query.ins.push_back(Operand(whole, {}));
    query.ins.back().dims = query.outs[0].dims;
    query.epilogue =
        Functor(kOfOne + add, absl::StrFormat(", const sl::Arg<%d>&", static_cast<int>(query.outs[0].dims.size())));
  }
}

// ---- GEMM.

bool OfCodes(const Row& row) { return row.at("operands").ends_with("8"); }
std::string OtherCode(const std::string& code) { return code == "ui8" ? "i8" : "ui8"; }

// The type of the row's result.
std::string ResultOf(const Row& row) {
  const std::string &result = row.at("result"), &in = row.at("operands");
  return result == "wide" ? (OfCodes(row) ? "i32" : "f32") : result == "codes" ? "i8" : OfCodes(row) ? "f16" : in;
}

// x [m, k] · w [n, k], a linear; where the row says so, a batch of them or w [k, n], a matmul.
std::optional<CudaQuery> Product(const Row& row, int64_t m, int64_t n, int64_t k) {
  const bool codes = OfCodes(row), batch = row.is("batch", "yes"), by_width = row.is("weight", "[k, n]");
  const bool two = row.is("epilogue", "of two");
  const std::string in = row.at("operands"), out = ResultOf(row), weight = codes ? OtherCode(in) : in;
  const bool needs = codes && out != "i32";  // an epilogue that makes something of the sums
  if ((batch || by_width) && two) {
    return std::nullopt;
  }
  if (codes && (row.is("epilogue", "none") == needs || two || row.is("epilogue", "reads whole"))) {
    return std::nullopt;
  }
  if (!codes && row.is("result", "codes")) {
    return std::nullopt;
  }
  Rank x = {m, k}, w = by_width ? Rank{k, n} : Rank{n, k}, y = {m, two ? n / 2 : n};
  std::vector<Attr> attrs = {Int("tf32", row.is("products", "tf32"))};
  if (batch) {
    for (Rank* rank : {&x, &w, &y}) {
      rank->insert(rank->begin(), 3);
    }
  }
  if (batch || by_width) {
    attrs.push_back(Int("transpose_b", !by_width));
  }
  CudaQuery query =
      Query(batch || by_width ? "matmul" : "linear",
            {Operand(in, x), Operand(weight, w, row.is("weight is", "constant"))}, {Operand(out, y)}, std::move(attrs));
  AddEpilogue(row, codes, out, query);
  return query;
}

// As a convolution whose windows TMA walks.
std::optional<CudaQuery> Windows(const Row& row, int64_t n) {
  const bool codes = OfCodes(row), plain = row.is("epilogue", "none") || row.is("epilogue", "of one");
  if (codes || !plain || row.is("batch", "yes") || row.is("weight", "[k, n]") || row.is("result", "codes")) {
    return std::nullopt;
  }
  const std::string& in = row.at("operands");
  CudaQuery query =
      Query("conv", {Operand(in, {32, 14, 14, 256}), Operand(in, {n, 3, 3, 256}, row.is("weight is", "constant"))},
            {Operand(ResultOf(row), {32, 14, 14, n})}, {Int("channels_last", 1), Ints("pads", {1, 1, 1, 1})});
  AddEpilogue(row, false, "", query);
  return query;
}

std::optional<Way> GemmTiles(const Row& row) {
  const std::string &tile = row.at("tile"), &cluster = row.at("cluster");
  const bool ping_pong = row.is("consumers", "in turn"), windows = row.is("rows", "windows");
  const std::string plan = absl::StrCat(tile, ping_pong ? " ping-pong" : "", cluster == "alone" ? "" : " ",
                                        cluster == "alone" ? "" : cluster);
  // What the result goes by: maps take 16 bits, lines codes, pointers the rest.
  if (row.is("epilogue", "reads whole") && !row.is("result", "narrow")) {
    return std::nullopt;
  }
  const std::optional<CudaQuery> query =
      windows ? Windows(row, 1024) : Product(row, row.is("rows", "few") ? 40 : 1024, 1024, 1024);
  return query ? std::optional(Way{*query, absl::StrCat("^(gemm )?tiles ", plan, "( box \\d+)?$")}) : std::nullopt;
}

std::optional<Way> GemmStream(const Row& row) {
  const std::optional<CudaQuery> query = Product(row, std::stoi(row.at("tokens")), 1024, 4096);
  return query
             ? std::optional(Way{*query, absl::StrCat("^stream ", row.at("tile"), "x\\d+",
                                                      row.is("split", "no") ? "$" : " split " + row.at("split") + "$")})
             : std::nullopt;
}

// Sizes off every tile and vector; products of f32 by three of tf32, or by one.
std::optional<Way> GemmAny(const Row& row) {
  if (OfCodes(row) || row.is("operands", "f32") == row.is("products", "as they are")) {
    return std::nullopt;
  }
  const std::optional<CudaQuery> query = Product(row, -300, 514, 33);
  return query ? std::optional(Way{*query, "^any " + row.at("tile") + "$"}) : std::nullopt;
}

std::optional<Way> GemmCodes(const Row& row) {
  const std::optional<CudaQuery> query = Product(row, -9, 17, 33);
  return query ? std::optional(Way{*query, "^any"}) : std::nullopt;
}

std::optional<Way> CodedLinear(const Row& row) {
  const std::string &codes = row.at("codes"), &x = row.at("type");
  const int64_t block = row.is("scales", "of rows") ? 0 : 32, blocks = block == 0 ? 1 : 2;
  const bool constant = row.is("weight is", "constant"), two = row.is("epilogue", "of two");
  std::vector<CudaOperand> ins = {Operand(x, {-5, 64}), Operand(codes, {48, 64}, constant),
                                  Operand(row.at("scale"), {48, blocks}, constant)};
  if (row.is("zero point", "yes")) {
    ins.push_back(Operand(codes, {48, blocks}, constant));
  } else if (!row.is("epilogue", "none")) {
    ins.emplace_back();
  }
  CudaQuery query = Query(codes.ends_with("4") ? "linear_q4" : "linear_q8", std::move(ins),
                          {Operand(x, {-5, two ? 24 : 48})}, {Int("block", block)});
  AddEpilogue(row, false, "", query);
  return Way{std::move(query), "^quant " + row.at("rows") + " rows$"};
}

std::optional<Way> Moe(const Row& row) {
  const std::string& type = row.at("type");
  const bool all = row.is("optional operands", "all"), words = row.is("lanes", "word");
  const int64_t d = words ? 256 : 33, f = words ? 512 : 20;
  std::vector<CudaOperand> ins = {Operand(type, {-64, d}), Operand(row.at("index"), {-64, 2}),
                                  Operand(row.is("routing", "f32") ? "f32" : type, {-64, 2}), Operand(type, {8, f, d}),
                                  Operand(type, {8, d, f})};
  if (all) {
    ins.insert(ins.end(),
               {Operand(type, {8, f, d}), Operand(type, {8, f}), Operand(type, {8, f}), Operand(type, {8, d})});
  }
  return Way{Query("moe", std::move(ins), {Operand(type, {-64, d})}, {Text("activation", row.at("activation"))}),
             "^" + row.at("form") + "$"};
}

// ---- Attention.

struct Heads {
  int64_t b, s, t, d, e;
};

// Four heads a key head.
CudaQuery Attention(const Row& row, const Heads& n) {
  const std::string &type = row.at("type"), &bias = row.at("bias"), &pattern = row.at("pattern");
  std::vector<CudaOperand> ins = {Operand(type, {n.b, 8, n.s, n.d}), Operand(type, {n.b, 2, n.t, n.d}),
                                  Operand(type, {n.b, 2, n.t, n.e})};
  ins.resize(7);
  if (bias != "none") {
    const bool pointers = bias == "by pointers", one = bias == "of a row";
    ins[3] = Operand(pointers ? "f32" : type, {n.b, 1, one ? 1 : n.s, n.t});
  }
  if (row.is("key mask", "yes")) {
    ins[4] = Operand("i1", {n.b, n.t});
  }
  if (row.is("lengths", "yes")) {
    ins[5] = Operand("i64", {n.b});
  }
  if (row.is("slopes", "yes")) {
    ins[6] = Operand("f32", {8});
  }
  return Query("attention", std::move(ins), {Operand(type, {n.b, 8, n.s, n.e})},
               {Int("causal", pattern != "all"),
                Int("window", pattern == "window" ? 50 : 0),
                {"softcap", row.is("softcap", "yes") ? 30.0 : 0.0},
                Text("empty_rows", row.at("empty rows"))});
}

std::optional<Way> Prefill(const Row& row) {
  const int64_t d = std::stoi(row.at("d")), t = row.is("keys", "vary") ? -1024 : 1024;
  return Way{Attention(row, {2, 1024, t, d, d}),
             absl::StrFormat("^prefill %sx%s d%d( x\\d)?$", row.at("queries"), row.at("block"), d)};
}

std::optional<Way> Decode(const Row& row) {
  const int64_t d = std::stoi(row.at("d")), s = row.is("rows", "8") ? 1 : 4;
  // Registers of 16 rows with a softcap beside other options are not enough: what spills is a row's, not a key's.
  const int64_t spilled = row.is("rows", "16") && row.is("softcap", "yes") ? 256 : 0;
  return Way{Attention(row, {2, s, -4096, d, d}), "^decode " + row.at("rows") + " rows", spilled};
}

std::optional<Way> AnyAttention(const Row& row) {
  // A few words, while calls divide; they are read again at the end.
  return Way{Attention(row, {-2, -9, -9, 64, row.is("values", "as wide") ? 64 : 40}), "^any", 24};
}

// ---- Convolutions, channels last.

// [before, dimensions..., last].
Rank Image(int64_t before, const Row& row, int64_t each, int64_t last) {
  Rank rank(row.at("dimensions")[0] - '0', each);
  rank.insert(rank.begin(), before);
  rank.push_back(last);
  return rank;
}

CudaQuery Conv(const Row& row, int64_t channels, int64_t features, int64_t groups, std::vector<Attr> attrs = {}) {
  const std::string& in = row.at("operands");
  const bool codes = in.ends_with("8");
  const std::string out = !codes ? in : row.is("epilogue", "none") ? "i32" : in;
  const size_t spatial = row.at("dimensions")[0] - '0';
  attrs.insert(attrs.end(), {Int("channels_last", 1), Int("groups", groups), Ints("pads", Rank(2 * spatial, 1))});
  std::vector<CudaOperand> ins = {
      Operand(in, Image(2, row, 30, channels)),
      Operand(codes ? OtherCode(in) : in, Image(features, row, 3, channels / groups), row.is("weight is", "constant"))};
  if (row.is("bias", "yes")) {
    ins.push_back(Operand(in, {features}));
  } else if (!row.is("epilogue", "none")) {
    ins.emplace_back();
  }
  CudaQuery query = Query(row.at("op"), std::move(ins), {Operand(out, Image(2, row, 30, features))}, std::move(attrs));
  AddEpilogue(row, codes, "", query);
  return query;
}

std::optional<Way> ConvTiles(const Row& row) {
  const bool codes = row.at("operands").ends_with("8"), chunks = row.is("slots by", "chunks");
  if (codes && (row.is("op", "conv_transpose") || row.is("bias", "yes") || row.is("groups", "2"))) {
    return std::nullopt;
  }
  const int64_t groups = row.is("groups", "2") ? 2 : 1;
  const std::string& split = row.at("split");
  return Way{
      Conv(row, groups * (chunks ? 64 : 101), groups * 64, groups,
           {Int("outside", codes ? std::stoi(row.at("outside")) : 0)}),
      absl::StrCat(chunks ? "^tiles " : "^gather ", row.at("tile"), split == "no" ? "$" : " split " + split + "$")};
}

std::optional<Way> ConvFew(const Row& row) { return Way{Conv(row, 3, 64, 1), "^few " + row.at("tile") + "$"}; }

std::optional<Way> Depthwise(const Row& row) {
  const bool words = row.is("lanes", "word");
  const int64_t channels = words ? 64 : 37;
  return Way{Conv(row, channels, row.is("results", "two of a channel") ? 2 * channels : channels, channels),
             words ? "^depthwise x[48]$" : "^depthwise x1$"};
}

}  // namespace

std::vector<Family> LargeFamilies() {
  const Axis halves = {"type", {"f16|bf16"}};
  const auto flag = [](const char* name) { return Axis{name, {"no", "yes"}}; };
  const auto fixed = [](const char* name, const char* value) { return Axis{name, {value}}; };
  const Axis weight_is = {"weight is", {"constant", "a result"}};
  const Axis one_or_two = {"epilogue", {"none|of one", "of two"}}, one = {"epilogue", {"none|of one"}};
  const Axis orders = {"weight", {"[n, k]", "[k, n]"}}, dimensions = {"dimensions", {"1|2|3"}};
  const auto attention = [&](Space space) {
    for (const char* name : {"softcap", "key mask", "lengths", "slopes"}) {
      space.axes.push_back(flag(name));
    }
    return space;
  };
  return {
      {{"gemm tiles",
        {{"operands", {"f16|bf16", "ui8|i8"}},
         {"tile", {"128x256|128x224|128x160", "128x128|128x96", "64x64|64x96"}},
         {"cluster", {"alone", "multicast", "split 2|split 4"}},
         {"consumers", {"together", "in turn"}},
         {"result", {"narrow", "wide", "codes"}},
         {"epilogue", {"none|of one", "of two", "reads whole"}},
         {"rows", {"many|few", "windows"}},
         orders,
         {"batch", {"no|yes"}},
         {"weight is", {"constant|a result"}}}},
       GemmTiles,
       false},
      {{"gemm stream",
        {{"operands", {"f16|bf16", "ui8|i8"}},
         {"tile", {"8|16|32", "40|48|64"}},
         {"tokens", {"1|8", "33|64"}},
         {"split", {"no", "2|4"}},
         {"result", {"narrow|codes", "wide"}},
         one_or_two,
         weight_is,
         fixed("batch", "no"),
         fixed("weight", "[n, k]")}},
       GemmStream,
       false},
      {{"gemm any",
        {{"tile", {"16x32|16x64", "64x64", "128x128"}},
         {"operands", {"f32", "f16|bf16"}},
         {"products", {"three", "tf32|as they are"}},
         one_or_two,
         orders,
         flag("batch"),
         {"result", {"narrow|wide"}}}},
       GemmAny,
       false},
      {{"gemm codes", {{"operands", {"ui8|i8"}}, {"result", {"wide|codes"}}, orders, {"batch", {"no|yes"}}, one}},
       GemmCodes,
       false},
      {{"coded linear",
        {{"codes", {"ui4|i4", "ui8|i8"}},
         {"rows", {"8|16", "32"}},
         {"type", {"f16|bf16", "f32"}},
         flag("zero point"),
         {"scales", {"of rows", "of blocks"}},
         one_or_two,
         weight_is,
         {"scale", {"f16|bf16|f32"}}}},
       CodedLinear},
      {{"moe",
        {{"form", {"128x128 tiles", "16x8 pieces|16x16 pieces", "16x32 pieces"}},
         {"type", {"f16|bf16", "f32"}},
         {"lanes", {"1", "word"}},
         {"optional operands", {"none", "all"}},
         {"routing", {"same|f32"}},
         {"index", {"i32|i64"}},
         {"activation", {"silu|gelu|gelu_tanh|relu"}}}},
       Moe,
       false},
      {attention({"attention prefill",
                  {{"queries", {"64", "128", "192"}},
                   {"d", {"64", "128", "256"}},
                   {"block", {"128|80|64"}},
                   {"pattern", {"all", "causal|window"}},
                   {"bias", {"none", "of a row|of rows", "by pointers"}},
                   {"empty rows", {"zero", "uniform|scores", "either"}},
                   {"keys", {"vary", "are constant"}},
                   halves}}),
       Prefill, false},
      {attention({"attention decode",
                  {{"d", {"64|128", "256"}},
                   {"rows", {"8", "16"}},
                   {"pattern", {"causal", "window"}},
                   {"bias", {"none", "of a row|of rows|by pointers"}},
                   {"empty rows", {"zero", "uniform|scores|either"}},
                   halves}}),
       Decode, false},
      {attention({"attention any",
                  {{"type", {"f16|bf16", "f32|f64"}},
                   {"values", {"as wide", "narrower"}},
                   {"pattern", {"all", "causal|window"}},
                   {"bias", {"none", "of a row|of rows|by pointers"}},
                   {"empty rows", {"zero", "uniform|scores|either"}}}}),
       AnyAttention},
      {{"conv tiles",
        {dimensions,
         {"operands", {"f16|bf16", "f32", "ui8|i8"}},
         {"slots by", {"chunks", "elements"}},
         {"tile", {"128x256|128x128", "64x128|64x32"}},
         {"split", {"no", "2|4"}},
         {"op", {"conv", "conv_transpose"}},
         one,
         flag("bias"),
         {"groups", {"1|2"}},
         {"outside", {"0|7"}},
         {"weight is", {"constant|a result"}}}},
       ConvTiles,
       false},
      {{"conv of few channels",
        {{"operands", {"f16|bf16", "f32"}},
         {"tile", {"128x128|128x64", "64x128|64x32"}},
         {"op", {"conv"}},
         one,
         {"bias", {"no|yes"}},
         {"weight is", {"constant|a result"}},
         {"dimensions", {"1|2"}}}},
       ConvFew,
       false},
      {{"depthwise",
        {{"operands", {"f16|bf16", "f32"}},
         {"lanes", {"1", "word"}},
         {"results", {"one of a channel", "two of a channel"}},
         {"op", {"conv", "conv_transpose"}},
         one,
         {"bias", {"no|yes"}},
         fixed("weight is", "constant"),
         dimensions}},
       Depthwise},
  };
}

}  // namespace sluice::test
