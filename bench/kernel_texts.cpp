// bench-kernel-texts QUERIES.json DIR [EVERY]: the CUDA kernels of a list of operations, as files a script can run.
//
// A query: {"name": "linear", "attrs": {...}, "epilogue": "", "epilogue_ins": 0,
//           "epilogue_whole": -1, "epilogue_ops": 0,
//           "ins": [{"dtype": "bf16", "dims": [64, {"min": 0, "max": 512, "typical": 64}], "weight": true}, null],
//           "outs": [...]}
// Writes DIR/N.cu (each different text once) and DIR/kernels.json: for each query the chosen plan, then every EVERY-th
// of the others (from another place for each query), with the grid for the largest sizes.  Without EVERY also
// DIR/N.cubin, the images that an artifact would hold.  Needs no GPU.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "compiler/codegen/cuda/Images.h"
#include "kernels/cuda.h"
#include "runtime/base/file.h"
#include "runtime/base/json_writer.h"
#include "runtime/plan/size_expr.h"
#include "runtime/text/json.h"

namespace sluice {
namespace {

using kernels::CudaDim;
using kernels::CudaKernel;
using kernels::CudaOperand;
using kernels::CudaParam;
using kernels::CudaPlan;
using kernels::CudaQuery;
using text::JsonField;
using text::JsonKind;

absl::StatusOr<DType> ParseType(const JsonField& field) {
  ASSIGN_OR_RETURN(const std::string name, field.String());
  for (int i = 0; i < 32; ++i) {
    if (BitWidth(static_cast<DType>(i)) != 0 && name == Name(static_cast<DType>(i))) {
      return static_cast<DType>(i);
    }
  }
  return field.Error("no such element type");
}

absl::StatusOr<CudaDim> ParseDim(const JsonField& field) {
  CudaDim dim;
  if (field.value().kind() == JsonKind::kInteger) {
    dim.min = dim.max = dim.typical = field.value().integer();
    dim.text = absl::StrCat(dim.min);
    return dim;
  }
  ASSIGN_OR_RETURN(dim.min, field.IntegerOr("min", 0));
  ASSIGN_OR_RETURN(dim.max, field.IntegerOr("max", -1));
  ASSIGN_OR_RETURN(dim.typical, field.IntegerOr("typical", 64));
  ASSIGN_OR_RETURN(dim.text, field.StringOr("text", "d"));
  return dim;
}

absl::StatusOr<std::vector<CudaOperand>> ParseOperands(const JsonField& field) {
  std::vector<CudaOperand> operands;
  ASSIGN_OR_RETURN(const std::vector<JsonField> elements, field.Elements());
  for (const JsonField& element : elements) {
    CudaOperand operand;
    if (element.present()) {
      ASSIGN_OR_RETURN(const JsonField dtype, element.At("dtype"));
      ASSIGN_OR_RETURN(operand.dtype, ParseType(dtype));
      ASSIGN_OR_RETURN(operand.weight, element.BoolOr("weight", false));
      ASSIGN_OR_RETURN(const JsonField dims, element.At("dims"));
      ASSIGN_OR_RETURN(const std::vector<JsonField> sizes, dims.Elements());
      for (const JsonField& size : sizes) {
        ASSIGN_OR_RETURN(operand.dims.emplace_back(), ParseDim(size));
      }
    }
    operands.push_back(std::move(operand));
  }
  return operands;
}

// A list is one of integers.
absl::StatusOr<kernels::Attrs> ParseAttrs(const JsonField& field) {
  std::vector<kernels::Attr> attrs;
  if (field.present()) {
    field.value().ForEachMember([&](absl::string_view key, const text::JsonValue& value) {
      kernels::Attr attr{.name = std::string(key)};
      if (value.kind() == JsonKind::kInteger || value.kind() == JsonKind::kBool) {
        attr.value = value.integer();
      } else if (value.kind() == JsonKind::kFloat) {
        attr.value = std::stod(std::string(value.text()));
      } else if (value.kind() == JsonKind::kArray) {
        std::vector<int64_t> numbers;
        value.ForEachElement([&](const text::JsonValue& number) { numbers.push_back(number.integer()); });
        attr.value = std::move(numbers);
      } else {
        attr.value = std::string(value.text());
      }
      attrs.push_back(std::move(attr));
    });
  }
  return kernels::Attrs(std::move(attrs));
}

absl::StatusOr<CudaQuery> ParseQuery(const JsonField& field) {
  CudaQuery query;
  ASSIGN_OR_RETURN(query.name, field.StringAt("name"));
  ASSIGN_OR_RETURN(query.epilogue, field.StringOr("epilogue", ""));
  ASSIGN_OR_RETURN(query.attrs, ParseAttrs(field.Find("attrs")));
  ASSIGN_OR_RETURN(const JsonField ins, field.At("ins"));
  ASSIGN_OR_RETURN(const JsonField outs, field.At("outs"));
  ASSIGN_OR_RETURN(query.ins, ParseOperands(ins));
  ASSIGN_OR_RETURN(query.outs, ParseOperands(outs));
  ASSIGN_OR_RETURN(const int64_t first, field.IntegerOr("epilogue_ins", static_cast<int64_t>(query.ins.size())));
  query.epilogue_ins = static_cast<int>(first);
  ASSIGN_OR_RETURN(const int64_t parts, field.IntegerOr("parts", 1));
  query.parts = static_cast<int>(parts);
  ASSIGN_OR_RETURN(const int64_t whole, field.IntegerOr("epilogue_whole", -1));
  ASSIGN_OR_RETURN(const int64_t ops, field.IntegerOr("epilogue_ops", 0));
  query.epilogue_whole = static_cast<int>(whole);
  query.epilogue_ops = static_cast<double>(ops);
  return query;
}

// x0_1, y0_0 …: the largest size of each dimension, or the typical one where there is no bound.
plan::Bindings Sizes(const CudaQuery& query) {
  plan::Bindings sizes;
  const auto add = [&](const std::vector<CudaOperand>& operands, const char* letter) {
    for (size_t i = 0; i < operands.size(); ++i) {
      for (int d = 0; d < operands[i].rank(); ++d) {
        const CudaDim& dim = operands[i].dims[d];
        sizes[absl::StrFormat("%s%d_%d", letter, i, d)] = dim.max < 0 ? dim.typical : dim.max;
      }
    }
  };
  add(query.ins, "x");
  add(query.outs, "y");
  return sizes;
}

absl::StatusOr<int64_t> Evaluate(const std::string& expression, const plan::Bindings& sizes) {
  ASSIGN_OR_RETURN(const plan::SizeExpr parsed, plan::SizeExpr::Parse(expression));
  return parsed.Evaluate(sizes);
}

void WriteParam(const CudaParam& param, JsonWriter& json) {
  static constexpr const char* kKinds[] = {"step", "operand", "map", "workspace", "counters"};
  json.BeginObject().Field("kind", kKinds[static_cast<int>(param.kind)]).Field("operand", param.operand);
  if (param.kind == CudaParam::Kind::kTensorMap) {
    json.Key("dims").BeginArray();
    for (const auto& [first, last] : param.dims) {
      json.BeginArray().Value(first).Value(last).EndArray();
    }
    json.EndArray().Field("box", param.box).Field("swizzle", param.swizzle).Key("windows").BeginArray();
    for (const auto& [begin, end, step] : param.windows) {
      json.BeginArray().Value(begin).Value(end).Value(step).EndArray();
    }
    json.EndArray().Field("reach", param.reach);
  }
  json.EndObject();
}

class Writer {
 public:
  explicit Writer(std::filesystem::path dir) : dir_(std::move(dir)) { json_.BeginArray(); }

  absl::Status Add(const CudaQuery& query, size_t every) {
    const kernels::Gpu& gpu = *kernels::FindTarget("cuda-sm90a")->gpu;
    ASSIGN_OR_RETURN(const kernels::CudaChoice choice, kernels::ChooseCuda(query, gpu));
    json_.BeginArray();
    RETURN_IF_ERROR(AddPlan(query, choice.plan, choice.kernel));
    for (size_t i = every ? queries_ % every : choice.others.size(); i < choice.others.size(); i += every) {
      const CudaPlan& plan = choice.others[i];
      RETURN_IF_ERROR(AddPlan(query, plan, kernels::FindCudaFamily(query.name)->emit(query, gpu, plan)));
    }
    ++queries_;
    json_.EndArray();
    return absl::OkStatus();
  }
  // Chosen plans get the product's images; of every plan there would be too many to wait for.
  absl::Status Finish(bool images) {
    json_.EndArray();
    RETURN_IF_ERROR(WriteFile((dir_ / "kernels.json").string(), json_.text()));
    if (!images) {
      return absl::OkStatus();
    }
    std::vector<codegen::CudaSource> sources;
    for (const auto& [text, file] : files_) {
      sources.push_back({.name = std::to_string(file), .text = text});
    }
    ASSIGN_OR_RETURN(const std::vector<std::vector<uint8_t>> made,
                     codegen::CompileImages(sources, *kernels::FindTarget("cuda-sm90a")->gpu, {}));
    for (size_t i = 0; i < sources.size(); ++i) {
      RETURN_IF_ERROR(
          WriteFile((dir_ / (sources[i].name + ".cubin")).string(), std::string(made[i].begin(), made[i].end())));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status AddPlan(const CudaQuery& query, const CudaPlan& plan, const CudaKernel& kernel) {
    const auto [it, fresh] = files_.try_emplace(kernel.text, files_.size());
    if (fresh) {
      std::ofstream(dir_ / absl::StrCat(it->second, ".cu")) << kernel.text;
    }
    const plan::Bindings sizes = Sizes(query);
    json_.BeginObject().Field("plan", plan.name).Field("us", plan.us).Field("file", it->second);
    json_.Field("entry", kernel.entry).Field("block", kernel.block).Field("shared", kernel.shared);
    json_.Field("cluster", kernel.cluster)
        .Field("counters", kernel.counters)
        .Field("overlaps", kernel.overlaps_previous);
    json_.Key("grid").BeginArray();
    for (const std::string& extent : kernel.grid) {
      ASSIGN_OR_RETURN(const int64_t blocks, Evaluate(extent, sizes));
      json_.Value(blocks);
    }
    json_.EndArray();
    ASSIGN_OR_RETURN(const int64_t workspace, Evaluate(kernel.workspace, sizes));
    json_.Field("workspace", workspace).Key("params").BeginArray();
    for (const CudaParam& param : kernel.params) {
      WriteParam(param, json_);
    }
    json_.EndArray().EndObject();
    return absl::OkStatus();
  }

  std::filesystem::path dir_;
  JsonWriter json_;
  std::map<std::string, int64_t> files_;
  size_t queries_ = 0;
};

absl::Status Main(const std::string& queries, const std::string& dir, size_t every) {
  ASSIGN_OR_RETURN(const text::JsonDocument document, text::JsonDocument::Read(queries));
  ASSIGN_OR_RETURN(const std::vector<JsonField> elements, document.root().Elements());
  std::filesystem::create_directories(dir);
  Writer writer(dir);
  for (const JsonField& element : elements) {
    ASSIGN_OR_RETURN(const CudaQuery query, ParseQuery(element));
    RETURN_IF_ERROR(writer.Add(query, every));
  }
  return writer.Finish(every == 0);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    fprintf(stderr, "usage: bench-kernel-texts QUERIES.json DIR [EVERY]\n");
    return 2;
  }
  if (const absl::Status status = sluice::Main(argv[1], argv[2], argc == 4 ? std::stoul(argv[3]) : 0); !status.ok()) {
    fprintf(stderr, "bench-kernel-texts: error: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
