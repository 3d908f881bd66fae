// Families that move, fold and look up elements.
#include "test/cuda/families.h"

namespace sluice::test {
namespace {

using kernels::Attr;
using kernels::CudaOperand;
using Rank = std::vector<int64_t>;

const Axis kFloats = {"type", {"f16|bf16", "f32|f64"}};

// ---- Movement.

// By words where the last dimension is a multiple of them.
std::optional<Way> Walk(const Row& row) {
  const std::string &op = row.at("op"), &element = row.at("element");
  const int64_t last = row.is("lanes", "1") ? 15 : 64;
  if (op == "broadcast") {
    return Way{
        Query(op, {Operand(element, {-3, last})}, {Operand(element, {-2, -3, last})}, {Ints("dimensions", {0})})};
  }
  const Rank from = {-2, -3, last}, to = op == "copy" ? from : Rank{-3, -2, last};
  return Way{Query(op, {Operand(element, from)}, {Operand(element, to)}, {Ints("perm", {1, 0, 2})}), "^walk"};
}

std::optional<Way> Move(const Row& row) {
  const CudaOperand x = Operand(row.at("element"), {-2, 3});
  return row.is("op", "reverse") ? Way{Query("reverse", {x}, {x}, {Ints("axes", {-1})})}
                                 : Way{Query("tile", {x}, {Operand(row.at("element"), {-4, -6})})};
}

std::optional<Way> Gather(const Row& row) {
  const int64_t last = row.is("lanes", "1") ? 6 : 64;
  const std::string& element = row.at("element");
  return Way{Query("gather", {Operand(element, {-4, 100, last}), Operand(row.at("index"), {-9})},
                   {Operand(element, {-4, -9, last})}, {Int("axis", 1)})};
}

std::optional<Way> Transpose(const Row& row) {
  const std::string& element = row.at("element");
  return Way{Query("transpose", {Operand(element, {1024, -2, 3200})}, {Operand(element, {3200, -2, 1024})},
                   {Ints("perm", {2, 1, 0})}),
             "^squares of " + row.at("side") + (row.is("form", "blocks") ? " in blocks$" : "$")};
}

std::optional<Way> Indexed(const Row& row) {
  const std::string &op = row.at("op"), &type = row.at("type"), &index = row.at("index");
  const bool scatters = op.starts_with("scatter"), batched = row.is("batch", "1");
  if ((!scatters && !row.is("join", "none")) || (batched && op != "gather_nd")) {
    return std::nullopt;
  }
  const CudaOperand data = Operand(type, {-4, 5, -6}), some = Operand(type, {-4, 3, -6});
  const Attr join = Text("reduction", row.at("join"));
  if (op == "gather_nd") {
    const CudaOperand indices = Operand(index, {batched ? -4 : -9, batched ? 1 : 2});
    return Way{Query(op, {data, indices}, {Operand(type, {batched ? -4 : -9, -6})}, {Int("batch_dims", batched)})};
  }
  if (op == "scatter_nd") {
    return Way{Query(op, {data, Operand(index, {-9, 2}), Operand(type, {-9, -6})}, {data}, {join})};
  }
  const CudaOperand indices = Operand(index, {-4, 3, -6});
  return op == "gather_elements" ? Way{Query(op, {data, indices}, {some}, {Int("axis", 1)})}
                                 : Way{Query(op, {data, indices, some}, {data}, {Int("axis", -2), join})};
}

// ---- Rows.

// How a norm cuts rows of a length, by words or not: threads of several rows in a block, or of one that hold it; blocks
// that share it; threads that read it again for each pass.
int64_t RowLength(const Row& row) {
  const bool words = row.is("lanes", "word");
  const std::string& form = row.at("form");
  return form == "rows of a block"   ? (words ? 64 : 63)
         : form == "a row a block"   ? (words ? 4096 : 2047)
         : form == "a row a cluster" ? (words ? 32768 : 8191)
                                     : (words ? 1 << 20 : -5000);
}
std::string RowPlan(const Row& row) {
  const std::string& form = row.at("form");
  const std::string words = row.is("lanes", "word") ? " words of (2|4|8)$" : " words of 1$";
  return form == "rows of a block"   ? "^(4|8|16|32|64|128) threads a row, \\d+" + words
         : form == "a row a block"   ? "^(256|512) threads a row, \\d+" + words
         : form == "a row a cluster" ? "^\\d blocks of \\d+ threads a row, \\d+" + words
                                     : "^\\d+ threads a row, read again$";
}

std::optional<Way> Norm(const Row& row) {
  const std::string &op = row.at("op"), &type = row.at("type"), &weights = row.at("weights");
  const bool norm = op != "softmax", layer = op == "layer_norm";
  if ((weights == "none") != !norm && op != "rms_norm") {
    return std::nullopt;
  }
  if (weights == "f32" && type == "f64") {
    return std::nullopt;
  }
  const int64_t n = RowLength(row);
  const CudaOperand x = Operand(type, {-9, n});
  std::vector<CudaOperand> ins = {x};
  if (norm && weights != "none") {
    ins.insert(ins.end(), layer ? 2 : 1,
               Operand(weights == "f32" ? "f32" : type, {n}, row.is("weights are", "constants")));
  }
  return Way{Query(op, std::move(ins), {x}, {Int("axis", -1), Int("log", row.is("log", "yes"))}), RowPlan(row)};
}

std::optional<Way> SoftmaxOfColumns(const Row& row) {
  const CudaOperand x = Operand(row.at("type"), {-2, 5, 7});
  return Way{Query("softmax", {x}, {x}, {Int("axis", 1), Int("log", row.is("log", "yes"))}), "^a thread a column$"};
}

std::optional<Way> Rope(const Row& row) {
  const std::string& type = row.at("type");
  const int64_t half = row.is("lanes", "1") ? 15 : 32, heads = row.is("heads", "1") ? 3 : 4;
  const CudaOperand x = Operand(type, {-1, heads, -9, 2 * half});
  const CudaOperand angle = Operand(row.is("angles", "f32") ? "f32" : type, {-1, -9, half});
  return Way{Query("rope", {x, angle, angle}, {x}, {Int("interleaved", row.is("order", "interleaved"))})};
}

// The last dimension is folded or kept, together with one that is no neighbour where there are two runs of them.
std::optional<Way> Reduce(const Row& row) {
  const std::string &form = row.at("form"), &type = row.at("type");
  const bool columns = form.starts_with("columns"), blocks = form.ends_with("blocks"), two = row.is("runs", "two");
  const int64_t last = row.is("lanes", "1") ? 15 : 64;
  const bool few = form == "rows by few threads";
  const int64_t kept = columns || blocks ? 3 : -3;  // blocks share what is a known number of results
  const int64_t folded = blocks ? 1 << 16 : few ? 2 : columns ? 16 : 256;
  Rank x, y, axes;
  if (columns) {
    x = two ? Rank{2, kept, folded, last} : Rank{folded, kept, last}, y = {kept, last};
    axes = two ? Rank{0, 2} : Rank{0};
  } else {
    x = two ? Rank{folded, kept, last} : Rank{kept, folded, last}, y = {kept};
    axes = two ? Rank{0, 2} : Rank{1, 2};
  }
  const std::string words = row.is("lanes", "1") ? "words of 1" : "words of (2|4|8|16)", end = blocks ? ", " : "$";
  // A word, while 64-bit divisions find where a run of single elements begins.
  const int64_t spilled = !columns && two && row.is("lanes", "1") ? 8 : 0;
  const std::string threads = few ? "(4|8|16|32)" : "256";
  return Way{
      Query("reduce", {Operand(type, x)}, {Operand(type, y)}, {Ints("axes", axes), Text("kind", row.at("kind"))}),
      (columns ? "^columns, " : "^" + threads + " threads a result, ") + words + end, spilled};
}

std::optional<Way> Order(const Row& row) {
  const std::string &op = row.at("op"), &type = row.at("type");
  const CudaOperand x = Operand(type, {-4, 64, -6});
  const bool first = row.is("first", "yes"), second = row.is("second", "yes");
  if (op == "top_k") {
    return second ? std::nullopt
                  : std::optional(Way{Query(op, {x}, {Operand(type, {-4, 2, -6}), Operand("i64", {-4, 2, -6})},
                                            {Int("axis", 1), Int("largest", first)})});
  }
  if (op == "cumsum") {
    return Way{Query(op, {x}, {x}, {Int("axis", 1), Int("exclusive", first), Int("reverse", second)})};
  }
  return Way{Query("arg_reduce", {x}, {Operand("i64", {-4, -6})},
                   {Int("axis", 1), Text("kind", first ? "max" : "min"), Int("select_last_index", second)}),
             op == "the place of a warp" ? "^a warp a row$" : "blocks a row$"};
}

// ---- Images.

std::optional<Way> Pool(const Row& row) {
  const std::string& type = row.at("type");
  const bool last = !row.is("channels", "second"), average = row.is("kind", "average");
  if (average && type == "i8") {
    return std::nullopt;
  }
  const size_t spatial = row.at("dimensions")[0] - '0';
  const int64_t channels = row.is("channels", "last, by words") ? 64 : last ? 7 : 8;
  Rank x = {-1}, y = {-1};
  x.insert(x.end(), spatial, -32), y.insert(y.end(), spatial, -16);
  x.insert(last ? x.end() : x.begin() + 1, channels), y.insert(last ? y.end() : y.begin() + 1, channels);
  return Way{Query("pool", {Operand(type, x)}, {Operand(type, y)},
                   {Int("channels_last", last), Ints("kernel", Rank(spatial, 3)), Ints("strides", Rank(spatial, 2)),
                    Ints("pads", Rank(2 * spatial, 1)), Text("kind", row.at("kind")),
                    Int("count_include_pad", row.is("padding counts", "yes"))}),
             row.is("channels", "last, by words") ? "^(2|4|8|16) results" : "^1 results"};
}

std::optional<Way> Resize(const Row& row) {
  const std::string &mode = row.at("mode"), &type = row.at("type"), &rounding = row.at("rounding");
  if ((mode == "nearest") != (rounding != "-") || (mode != "cubic" && row.is("outside", "excluded"))) {
    return std::nullopt;
  }
  std::vector<Attr> attrs = {Text("mode", mode), Text("coordinate_mode", row.at("coordinates")),
                             Text("nearest_mode", rounding == "-" ? "floor" : rounding),
                             Int("exclude_outside", row.is("outside", "excluded"))};
  if (row.is("scales", "given")) {
    attrs.push_back({"scales", std::vector<double>{1, 1, 2.5, 2.5}});
  }
  return Way{Query("resize", {Operand(type, {-1, 3, -16, -16})}, {Operand(type, {-1, 3, -40, -40})}, std::move(attrs))};
}

std::optional<Way> GridSample(const Row& row) {
  const std::string& type = row.at("type");
  const size_t spatial = row.at("dimensions")[0] - '0';
  Rank x = {-1, 3}, grid = {-1}, y = {-1, 3};
  x.insert(x.end(), spatial, -16), grid.insert(grid.end(), spatial, -9), y.insert(y.end(), spatial, -9);
  grid.push_back(static_cast<int64_t>(spatial));
  return Way{Query("grid_sample", {Operand(type, x), Operand(type, grid)}, {Operand(type, y)},
                   {Text("mode", row.at("mode")), Text("padding", row.at("padding")),
                    Int("align_corners", row.is("corners", "aligned"))})};
}

std::optional<Way> PlainConv(const Row& row) {
  const std::string& type = row.at("type");
  const size_t spatial = row.at("dimensions")[0] - '0';
  const bool transposed = row.is("op", "conv_transpose");
  const int64_t groups = row.is("groups", "1") ? 1 : 2;
  Rank x = {-1, 4}, w = transposed ? Rank{4, 8 / groups} : Rank{8, 4 / groups}, y = {-1, 8};
  x.insert(x.end(), spatial, -8), w.insert(w.end(), spatial, 2), y.insert(y.end(), spatial, transposed ? -16 : -4);
  std::vector<CudaOperand> ins = {Operand(type, x), Operand(type, w)};
  if (row.is("bias", "yes")) {
    ins.push_back(Operand(type, {8}));
  }
  return Way{Query(row.at("op"), std::move(ins), {Operand(type, y)},
                   {Ints("strides", Rank(spatial, 2)), Int("groups", groups)})};
}

// ---- Codes.

std::optional<Way> Codes(const Row& row) {
  const std::string &op = row.at("op"), &codes = row.at("codes"), &scales = row.at("scales"), &real = row.at("type");
  const int64_t last = 64, block = scales == "of blocks" ? 16 : 0;
  if (op == "quantize" && codes.ends_with("4")) {
    return std::nullopt;
  }
  const Rank of = scales == "one" ? Rank{} : scales == "of an axis" ? Rank{8} : Rank{8, last / block};
  const CudaOperand number = Operand(real, {8, last}), code = Operand(codes, {8, last});
  std::vector<CudaOperand> ins = {op == "quantize" ? number : code, Operand(real, of)};
  if (row.is("zero point", "yes")) {
    ins.push_back(Operand(codes, of));
  }
  return Way{Query(op, std::move(ins), {op == "quantize" ? code : number},
                   {Int("axis", scales == "of an axis" ? 0 : 1), Int("block", block)})};
}

std::optional<Way> PlainCodedLinear(const Row& row) {
  const std::string &codes = row.at("codes"), &type = row.at("type"), &zero = row.at("zero point");
  const int64_t block = row.is("scales", "of rows") ? 0 : 16, blocks = block == 0 ? 1 : 4;
  std::vector<CudaOperand> ins = {Operand(type, {-1, -9, 64}), Operand(codes, {32, 64}), Operand(type, {32, blocks})};
  if (zero != "implied") {
    ins.push_back(Operand(zero == "a code" ? codes : type, {32, blocks}));
  }
  return Way{Query(codes.ends_with("4") ? "linear_q4" : "linear_q8", std::move(ins), {Operand(type, {-1, -9, 32})},
                   {Int("block", block)}),
             "^plain"};
}

// ---- Cells.

std::optional<Way> Recurrent(const Row& row) {
  const std::string &cell = row.at("cell"), &type = row.at("type"), &direction = row.at("direction");
  const bool lstm = cell == "lstm", all = row.is("optional operands", "all");
  const int64_t directions = direction == "bidirectional" ? 2 : 1, gates = lstm ? 4 : 3, hidden = 48;
  const CudaOperand state = Operand(type, {directions, -2, hidden});
  std::vector<CudaOperand> ins = {Operand(type, {-9, -2, 8}),
                                  Operand(type, {directions, gates * hidden, 8}),
                                  Operand(type, {directions, gates * hidden, hidden}),
                                  {},
                                  {},
                                  {}};
  if (lstm) {
    ins.resize(8);
  }
  if (all) {
    ins[3] = Operand(type, {directions, 2 * gates * hidden});
    ins[5] = state;
  }
  if (all && lstm) {
    ins[6] = state, ins[7] = Operand(type, {directions, 3 * hidden});
  }
  if (!row.is("lengths", "none")) {
    ins[4] = Operand(row.at("lengths"), {-2});
  }
  std::vector<CudaOperand> outs = {Operand(type, {-9, directions, -2, hidden}), state};
  if (lstm) {
    outs.push_back(state);
  }
  return Way{Query(cell, std::move(ins), std::move(outs),
                   {Text("direction", direction),
                    {"clip", row.is("clip", "yes") ? 3.0 : 0.0},
                    Int(lstm ? "input_forget" : "linear_before_reset", row.is("flag", "yes"))})};
}

}  // namespace

std::vector<Family> SmallFamilies() {
  const Axis lanes = {"lanes", {"1", "word"}}, index = {"index", {"i32", "i64"}}, log = {"log", {"no|yes"}};
  const Axis elements = {"element", {"ui8|f16|f32|f64"}}, dimensions = {"dimensions", {"1|2|3"}};
  const Axis modes = {"mode", {"nearest", "linear", "cubic"}};
  return {
      {{"walk", {{"op", {"copy|transpose", "broadcast"}}, lanes, elements}}, Walk},
      {{"move", {{"op", {"reverse", "tile"}}, {"element", {"i8|i64"}}}}, Move},
      {{"gather", {lanes, index, elements}}, Gather},
      {{"transpose",
        {{"element", {"ui8", "f16|bf16", "f32", "f64"}}, {"form", {"squares", "blocks"}}, {"side", {"128|64|32"}}}},
       Transpose},
      {{"indexed",
        {{"op", {"gather_nd", "gather_elements", "scatter_nd", "scatter_elements"}},
         {"join", {"none", "add|mul|max|min"}},
         index,
         {"type", {"f16|bf16|i8", "f32|f64|i64"}},
         {"batch", {"0|1"}}}},
       Indexed},
      {{"norm",
        {{"op", {"rms_norm", "layer_norm", "softmax"}},
         {"form", {"rows of a block", "a row a block", "a row a cluster", "again"}},
         lanes,
         kFloats,
         {"weights", {"same", "f32", "none"}},
         {"weights are", {"constants", "results"}},
         log}},
       Norm},
      {{"softmax of columns", {kFloats, log}}, SoftmaxOfColumns},
      {{"rope",
        {{"order", {"halves", "interleaved"}}, lanes, {"heads", {"1", "2"}}, {"angles", {"f32", "same"}}, kFloats}},
       Rope},
      {{"reduce",
        {{"form", {"rows by few threads", "rows", "rows by blocks", "columns", "columns by blocks"}},
         {"kind", {"sum|mean|log_sum|prod", "max", "min", "l1|l2|sum_square"}},
         {"type", {"f16|bf16", "f32|f64", "i8|ui8|i64|ui64"}},
         lanes,
         {"runs", {"one", "two"}}}},
       Reduce},
      {{"order",
        {{"op", {"the place of a warp", "the place of blocks", "top_k", "cumsum"}},
         {"first", {"no", "yes"}},
         {"second", {"no", "yes"}},
         {"type", {"f16|bf16", "f32|f64|i32|i64"}}}},
       Order},
      {{"pool",
        {{"channels", {"second", "last, one by one", "last, by words"}},
         {"kind", {"max", "average"}},
         {"padding counts", {"no", "yes"}},
         {"type", {"f16|bf16", "f32|f64|i8"}},
         dimensions}},
       Pool},
      {{"resize",
        {modes,
         {"type", {"f16|bf16", "f32|f64", "ui8|i8"}},
         {"coordinates", {"half_pixel|asymmetric|align_corners|pytorch_half_pixel|half_pixel_symmetric"}},
         {"rounding", {"round_prefer_floor|round_prefer_ceil|floor|ceil|-"}},
         {"outside", {"counts", "excluded"}},
         {"scales", {"of sizes", "given"}}}},
       Resize},
      {{"grid_sample",
        {modes, {"padding", {"zeros", "border|reflection"}}, {"corners", {"centres", "aligned"}}, kFloats, dimensions}},
       GridSample},
      {{"plain conv",
        {{"op", {"conv", "conv_transpose"}}, kFloats, {"groups", {"1", "2"}}, {"bias", {"no", "yes"}}, dimensions}},
       PlainConv},
      {{"codes",
        {{"op", {"quantize", "dequantize"}},
         {"scales", {"one", "of an axis", "of blocks"}},
         {"codes", {"ui8|i8|i16|ui16|i32", "ui4|i4"}},
         {"zero point", {"no", "yes"}},
         {"type", {"f16|bf16", "f32"}}}},
       Codes},
      {{"plain coded linear",
        {{"codes", {"ui4|i4", "ui8|i8"}},
         {"zero point", {"implied", "a code", "a number"}},
         {"scales", {"of rows", "of blocks"}},
         {"type", {"f16|bf16", "f32"}}}},
       PlainCodedLinear},
      {{"recurrent",
        {{"cell", {"lstm", "gru"}},
         {"flag", {"no", "yes"}},
         kFloats,
         {"lengths", {"none", "i32|i64"}},
         {"optional operands", {"none", "all"}},
         {"direction", {"forward|reverse|bidirectional"}},
         {"clip", {"no|yes"}}}},
       Recurrent},
  };
}

}  // namespace sluice::test
