// Plans and text of the CUDA GEMMs.
#include "kernels/gemm/gemm_cuda.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "kernels/common/cuda_text.h"
#include "kernels/common/plan_numbers.h"
#include "kernels/device/wgmma_text.h"

namespace sluice::kernels {
namespace {

// A size in two languages: the kernel's C++, which reads the Views `x` and `y`, and the grid's.  Constants stay out of
// the text, so that equal plans of different layers are one image.
struct SizeText {
  std::string code, grid;
};

// The product of dimensions [first, last) of the result.
SizeText Product(int first, int last) {
  std::vector<std::string> code, grid;
  for (int d = first; d < last; ++d) {
    code.push_back(absl::StrFormat("y.size(%d)", d));
    grid.push_back(absl::StrFormat("y0_%d", d));
  }
  return code.empty() ? SizeText{"1", "1"} : SizeText{absl::StrJoin(code, " * "), absl::StrJoin(grid, " * ")};
}

struct GemmTexts {
  SizeText batch, m, n;
  std::string sizes;

  GemmTexts(const CudaQuery& query, const GemmRoles& roles) {
    const int rank = query.outs[0].rank();
    batch = Product(0, roles.batch_dims);
    m = Product(roles.batch_dims, rank - 1);
    n = Product(rank - 1, rank);
    if (query.parts > 1) {
      n = {absl::StrFormat("%d * %s", query.parts, n.code), absl::StrFormat("%d * %s", query.parts, n.grid)};
    }
    const std::string taps = roles.taps > 1 ? absl::StrFormat(" * %d", roles.taps) : "";
    sizes = absl::StrFormat("const sl::GemmSizes sizes{int(%s), int(%s), int(x.size(%d)%s), int(%s)};", m.code, n.code,
                            query.ins[0].rank() - 1, taps, batch.code);
  }
  std::string Tiles(int64_t rows, int64_t cols) const {
    return absl::StrFormat("ceildiv(%s, %d) * ceildiv(%s, %d) * %s", m.grid, rows, n.grid, cols, batch.grid);
  }
};

// The function under construction: parameters in both forms, and what its text is put together from.
struct Function {
  CudaKernel kernel;
  std::vector<std::string> parameters;
  std::string views;                          // declarations of `x`, `y` …
  std::string epilogue = "sl::NoEpilogue()";  // an expression

  explicit Function(const std::string& entry) {
    kernel.entry = entry;
    Add({.kind = CudaParam::Kind::kStep}, "const sl::Step* step");
  }
  void Add(CudaParam param, std::string text) {
    kernel.params.push_back(std::move(param));
    parameters.push_back(std::move(text));
  }
  void AddMap(CudaParam map, const std::string& name) {
    Add(std::move(map), "const __grid_constant__ sl::TensorMap " + name);
  }
  void AddArg(int number, const CudaOperand& operand, const std::string& name) {
    Add({.kind = CudaParam::Kind::kOperand, .operand = number},
        absl::StrFormat("sl::Arg<%d> %s", operand.rank(), name));
  }
  void AddView(int number, const CudaOperand& operand, const std::string& name) {
    AddArg(number, operand, "arg_" + name);
    views += absl::StrFormat("  const sl::View<%s, %d> %s(step, arg_%s);\n", CudaType(operand.dtype), operand.rank(),
                             name, name);
  }
  void AddEpilogue(const CudaQuery& query, int bias) {
    if (!query.epilogue.empty()) {
      epilogue = "Epilogue(step";
      for (int i = query.epilogue_ins; i < static_cast<int>(query.ins.size()); ++i) {
        const std::string name = absl::StrCat("e", i - query.epilogue_ins);
        AddArg(i, query.ins[i], name);
        epilogue += ", " + name;
      }
      epilogue += ")";
    }
    if (bias >= 0) {
      AddView(bias, query.ins[bias], "bias");
      epilogue = absl::StrFormat("sl::biased(bias.data, %s)", epilogue);
    }
  }
  // `head`: what stands before the function; `bounds`: its launch bounds; `body`: what follows the views.
  void Finish(const std::string& head, const std::string& bounds, const std::string& body) {
    kernel.text = absl::StrFormat("%sextern \"C\" __global__ void __launch_bounds__(%s)\n%s(%s) {\n%s%s}\n", head,
                                  bounds, kernel.entry, absl::StrJoin(parameters, ", "), views, body);
  }
};

// The map of an operand [batch..., rows..., columns...] in boxes; a batch dimension only if batched.
CudaParam MatrixMap(int number, const GemmRoles& roles, const CudaOperand& operand, int64_t box_rows, int64_t box_cols,
                    int columns = 1) {
  const int rank = operand.rank();
  CudaParam map{.kind = CudaParam::Kind::kTensorMap, .operand = number};
  if (roles.what.batched) {
    map.dims.push_back({0, roles.batch_dims - 1});
    map.box.push_back(1);
  }
  map.dims.push_back({roles.what.batched ? roles.batch_dims : 0, rank - 1 - columns});
  map.dims.push_back({rank - columns, rank - 1});
  map.box.insert(map.box.end(), {box_rows, box_cols});
  map.swizzle = static_cast<int>(box_cols * BitWidth(operand.dtype) / 8);
  return map;
}

// The map of an image whose windows are rows.
CudaParam WindowMap(int number, const GemmRoles& roles, const CudaOperand& image, int64_t box_rows, int64_t depth) {
  CudaParam map{.kind = CudaParam::Kind::kTensorMap, .operand = number, .box = {box_rows, depth}, .swizzle = 128};
  for (int d = 0; d < image.rank(); ++d) {
    map.dims.push_back({d, d});
  }
  map.windows = roles.windows;
  return map;
}

// The map of x, whose rows beyond the last one make results that nobody stores; a cluster reads `reach` rows together.
CudaParam RowsMap(const GemmRoles& roles, const CudaOperand& x, int64_t box_rows, int64_t reach, int64_t depth) {
  if (!roles.windows.empty()) {
    return WindowMap(0, roles, x, box_rows, depth);
  }
  CudaParam map = MatrixMap(0, roles, x, box_rows, depth);
  map.reach = static_cast<int>(reach);
  return map;
}

// How, as C++ the kernel template reads.
std::string HowText(const GemmWhat& what, const std::vector<std::pair<std::string, int64_t>>& numbers) {
  std::vector<std::string> parts;
  parts.reserve(numbers.size());
  for (const auto& [name, value] : numbers) {
    parts.push_back(absl::StrFormat("%s = %d", name, value));
  }
  return absl::StrFormat(
      "struct How {\n  using In = %s;\n  using Weight = %s;\n  using Out = %s;\n  static constexpr int %s;\n};\n",
      CudaType(what.in), CudaType(what.weight), CudaType(what.out), absl::StrJoin(parts, ", "));
}

std::string Include(const std::string& name) { return absl::StrFormat("#include \"kernels/gemm/%s.cuh\"\n", name); }

void EmitTiles(const CudaQuery& query, const GemmRoles& roles, const GemmHow& how, Function& f) {
  const GemmWhat& what = roles.what;
  const GemmTexts texts(query, roles);
  const CudaOperand &x = query.ins[0], &w = query.ins[1], &y = query.outs[0];
  const int result = static_cast<int>(query.ins.size());
  const bool tma_store = BitWidth(what.out) == 16 && y.dims.back().constant() && what.n / what.parts % 8 == 0;
  const bool reads = tma_store && what.finish_reads;
  const bool code_lines =
      BitWidth(what.out) == 8 && y.dims.back().constant() && what.n % 8 == 0 && how.cols / how.split % 32 == 0;
  const int64_t depth = BlockDepth(what);
  f.AddMap(RowsMap(roles, x, how.box, how.box < how.rows ? how.box : how.rows * how.multicast, depth), "map_a");
  f.AddMap(MatrixMap(1, roles, w, what.weight_by_width ? depth : how.cols / how.multicast, depth, roles.weight_columns),
           "map_b");
  if (tma_store) {
    f.AddMap(MatrixMap(result, roles, y, 64, how.PanelCols()), "map_c");
  }
  if (reads) {
    f.AddMap(MatrixMap(query.epilogue_whole, roles, y, 64, how.PanelCols()), "map_read");
  }
  f.AddView(0, x, "x");
  f.AddView(result, y, "y");
  f.AddEpilogue(query, roles.bias);
  if (tma_store) {  // a functor reads two elements at once
    for (int i = query.epilogue_ins; i < static_cast<int>(query.ins.size()) && !query.epilogue.empty(); ++i) {
      f.kernel.aligned_ins |= BitWidth(query.ins[i].dtype) == 16 ? 1U << i : 0;
    }
  }
  f.kernel.block = static_cast<int>(128 * (1 + how.Consumers()));
  f.kernel.cluster = static_cast<int>(how.cluster());
  const std::string tiles = texts.Tiles(how.rows * how.multicast, how.cols);
  // Persistent but for splits, whose clusters do one tile each.
  f.kernel.grid[0] = how.split > 1
                         ? absl::StrFormat("max(1, %s) * %d", tiles, how.cluster())
                         : absl::StrFormat("min(%d, max(1, %s)) * %d", how.ctas / how.cluster(), tiles, how.cluster());
  const std::string numbers = HowText(what, {{"kRows", how.rows},
                                             {"kCols", how.cols},
                                             {"kStages", how.stages},
                                             {"kMulticast", how.multicast},
                                             {"kSplit", how.split},
                                             {"kBoxRows", how.box},
                                             {"kBand", how.band},
                                             {"kPingPong", how.ping_pong},
                                             {"kParts", how.parts},
                                             {"kWidthMajorB", what.weight_by_width},
                                             {"kBatched", what.batched},
                                             {"kTmaStore", tma_store},
                                             {"kReads", reads},
                                             {"kPanels", how.panels},
                                             {"kCodeLines", code_lines},
                                             {"kWeights", what.read_only_weight}});
  const std::string check =
      absl::StrFormat("static_assert(sizeof(sl::TileShared<sl::TilePlan<How>>) == %d);\n", how.SharedBytes());
  const std::string include = roles.header.empty() ? "" : absl::StrFormat("#include \"%s\"\n", roles.header);
  f.Finish(Include("gemm_tiles") + include + WgmmaText(what.in, what.weight, static_cast<int>(how.cols)) +
               query.epilogue + numbers + check,
           absl::StrCat(f.kernel.block, ", 1"),
           absl::StrFormat("  %s\n  sl::gemm_tiles<How>(map_a, map_b, %s, %s, y.data, sizes, %s%s);\n", texts.sizes,
                           tma_store ? "map_c" : "map_a", reads ? "map_read" : "map_a", f.epilogue,
                           roles.rows.empty() ? "" : ", " + roles.rows));
}

void EmitStream(const CudaQuery& query, const GemmRoles& roles, const GemmHow& how, Function& f) {
  const GemmWhat& what = roles.what;
  f.AddMap(MatrixMap(1, roles, query.ins[1], how.rows, BlockDepth(what), roles.weight_columns), "map_w");
  f.AddMap(RowsMap(roles, query.ins[0], how.cols, how.cols, BlockDepth(what)), "map_x");
  f.AddView(0, query.ins[0], "x");
  f.AddView(static_cast<int>(query.ins.size()), query.outs[0], "y");
  f.AddEpilogue(query, roles.bias);
  f.kernel.block = 160;
  f.kernel.cluster = static_cast<int>(how.cluster());
  f.kernel.grid[0] = absl::StrCat(how.ctas);
  const std::string numbers = HowText(what, {{"kRows", how.rows},
                                             {"kTokens", how.cols},
                                             {"kBlocks", how.blocks},
                                             {"kStages", how.stages},
                                             {"kSplit", how.split},
                                             {"kParts", how.parts},
                                             {"kWeights", what.read_only_weight}});
  const std::string check =
      absl::StrFormat("static_assert(sizeof(sl::StreamShared<sl::StreamPlan<How>>) == %d);\n", how.SharedBytes());
  f.Finish(Include("gemm_stream") + WgmmaText(what.weight, what.in, static_cast<int>(how.cols)) + query.epilogue +
               numbers + check,
           "160",
           absl::StrFormat("  %s\n  sl::gemm_stream<How>(map_w, map_x, y.data, sizes, %s);\n",
                           GemmTexts(query, roles).sizes, f.epilogue));
}

// An operand's matrix, as C++: b is seen as [n, k].
std::string MatrixText(const CudaOperand& operand, const std::string& view, bool transposed) {
  const int rank = operand.rank();
  const std::string inner = absl::StrFormat("%s.stride(%d)", view, rank - 1);
  const std::string outer = rank > 1 ? absl::StrFormat("%s.stride(%d)", view, rank - 2) : "int64_t(0)";
  return absl::StrFormat("sl::Matrix<%s, %d>{sl::matrix_of(%s, batch), %s, %s}", CudaType(operand.dtype), !transposed,
                         view, transposed ? inner : outer, transposed ? outer : inner);
}

void EmitAny(const CudaQuery& query, const GemmRoles& roles, const GemmHow& how, Function& f) {
  const GemmTexts texts(query, roles);
  const CudaOperand &x = query.ins[0], &w = query.ins[1];
  f.AddView(0, x, "x");
  f.AddView(1, w, "w");
  f.AddView(static_cast<int>(query.ins.size()), query.outs[0], "y");
  f.AddEpilogue(query, roles.bias);
  // Rows that are several dimensions walked as one must be dense; matrices may be strided.
  f.kernel.strided_ins = roles.batch_dims + 2 < x.rank() ? 2 : 3;
  f.kernel.block = how.rows <= 64 ? 128 : 256;
  f.kernel.grid[0] = texts.Tiles(how.rows, how.cols);
  const bool codes = SumsCodes(roles.what);
  const std::string name = codes ? "gemm_codes" : "gemm_any";
  const std::string body = absl::StrFormat(
      "  %s\n"
      "  const int rows = sl::ceil_div(sizes.m, Plan::kRows), tiles = rows * sl::ceil_div(sizes.n, Plan::kCols);\n"
      "  sl::let_next_begin();\n  sl::wait_for_previous();\n"
      "  if (blockIdx.x >= int64_t(tiles) * sizes.batch) return;\n"
      "  const int batch = blockIdx.x / tiles, tile = blockIdx.x %% tiles;\n"
      "  sl::%s<Plan>(%s, %s, y.data, tile %% rows, tile / rows, batch, sizes, %s);\n",
      texts.sizes, name, MatrixText(x, "x", false), MatrixText(w, "w", roles.what.weight_by_width), f.epilogue);
  const std::string plan = codes ? "using Plan = sl::CodesPlan;\n"
                                 : absl::StrFormat("using Plan = sl::AnyPlan<%d, %d, %d, %d>;\n", how.rows, how.cols,
                                                   roles.what.tf32, how.parts);
  f.Finish(Include(name) + query.epilogue + plan, "Plan::kThreads, Plan::kBlocks", body);
}

bool IsGemmFloat(DType type) { return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16; }

// What no GEMM takes; "" when there is one.
std::string Missing(const CudaQuery& query) {
  const DType x = query.ins[0].dtype, w = query.ins[1].dtype, y = query.outs[0].dtype;
  if (IsCode(x) && IsCode(w)) {
    return NotOfCodes(query);
  }
  for (const DType type : {x, w, y}) {
    if (!IsGemmFloat(type)) {
      return absl::StrFormat("%s operands", Name(type));
    }
  }
  return "";
}

}  // namespace

void AddFinish(const CudaQuery& query, GemmWhat& what) {
  what.finish_ops = query.epilogue_ops;
  if (query.epilogue_whole >= 0) {
    const CudaOperand &read = query.ins[query.epilogue_whole], &y = query.outs[0];
    what.finish_reads =
        read.dtype == y.dtype && std::ranges::equal(read.dims, y.dims, {}, &CudaDim::text, &CudaDim::text);
  }
}

std::vector<CudaPlan> GemmPlans(const CudaQuery& query, const GemmRoles& roles, const Gpu& gpu, std::string& why) {
  if (why = Missing(query); !why.empty()) {
    return {};
  }
  std::vector<CudaPlan> plans;
  for (const GemmHow& how : GemmCandidates(roles.what, gpu)) {
    plans.push_back({.name = how.Name(), .numbers = PlanNumbers(how), .us = how.us});
  }
  return plans;
}

CudaKernel EmitGemm(const CudaQuery& query, const GemmRoles& roles, const CudaPlan& plan) {
  const GemmHow how = FromPlanNumbers<GemmHow>(plan.numbers);
  Function f(query.name);
  f.kernel.shared = how.SharedBytes();
  f.kernel.overlaps_previous = true;
  f.kernel.aligned_ins = how.form == GemmForm::kAny ? 0 : 3;
  f.kernel.aligned_outs = 1;
  switch (how.form) {
    case GemmForm::kTiles:
      EmitTiles(query, roles, how, f);
      break;
    case GemmForm::kStream:
      EmitStream(query, roles, how, f);
      break;
    case GemmForm::kAny:
      EmitAny(query, roles, how, f);
      break;
  }
  return f.kernel;
}

}  // namespace sluice::kernels
