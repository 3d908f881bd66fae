#include "compiler/driver/Report.h"

#include <filesystem>
#include <map>

#include "dialects/exec/ExecDialect.h"
#include "mlir/IR/BuiltinTypes.h"
#include "runtime/base/file.h"
#include "runtime/base/json_writer.h"

namespace sluice::compiler {
namespace {

namespace exec = mlir::exec;

struct KernelRow {
  std::string name;
  std::string kind;  // the library's name, or "generated"
  int64_t launches = 0;
};

struct WeightRow {
  std::string name, type, layout;
  int64_t bytes = 0;
};

struct Facts {
  std::vector<KernelRow> kernels;
  std::vector<WeightRow> weights;
  std::vector<std::string> symbols;
  int64_t programs = 0, launches = 0, states = 0, arena_buffers = 0, weight_bytes = 0;
  int64_t arena = -1, lower_bound = -1;  // of the largest bucket

  double ratio() const { return lower_bound > 0 ? static_cast<double>(arena) / static_cast<double>(lower_bound) : 1; }
};

int64_t LogicalBytes(mlir::RankedTensorType type) {
  int64_t bits = type.getElementTypeBitWidth();
  return (type.getNumElements() * (bits == 1 ? 8 : bits) + 7) / 8;
}

Facts Gather(mlir::ModuleOp module) {
  Facts facts;
  std::map<std::string, int64_t> launches;
  module.walk([&](exec::LaunchOp launch) { ++launches[launch.getKernel().str()]; });
  for (auto kernel : module.getOps<exec::KernelOp>()) {
    std::string name = kernel.getSymName().str();
    facts.kernels.push_back({name, kernel.isGenerated() ? "generated" : kernel.getLibrary()->str(), launches[name]});
    facts.launches += launches[name];
  }
  for (auto weight : module.getOps<exec::WeightOp>()) {
    auto type = mlir::cast<mlir::RankedTensorType>(weight.getType());
    std::string text;
    llvm::raw_string_ostream(text) << type;
    facts.weights.push_back(
        {weight.getName().str(), text, exec::stringifyLayout(weight.getLayout()).str(), LogicalBytes(type)});
    facts.weight_bytes += facts.weights.back().bytes;
  }
  for (auto symbol : module.getOps<exec::SymbolOp>()) {
    facts.symbols.push_back(symbol.getName().str());
  }
  for (auto program : module.getOps<exec::ProgramOp>()) {
    ++facts.programs;
    for (auto buffer : program.getOps<exec::BufferOp>()) {
      facts.arena_buffers += buffer.getKind() == exec::BufferKind::Arena;
    }
    for (auto pack : program.getOps<exec::PackOp>()) {
      if (pack.getArena() && static_cast<int64_t>(*pack.getArena()) > facts.arena) {
        facts.arena = *pack.getArena();
        facts.lower_bound = *pack.getLowerBound();
      }
    }
  }
  auto states = module.getOps<exec::StateOp>();
  facts.states = std::distance(states.begin(), states.end());
  return facts;
}

void WriteSummary(JsonWriter& w, const Facts& facts) {
  w.BeginObject();
  w.Field("programs", facts.programs).Field("launches", facts.launches);
  w.Field("kernels", static_cast<int64_t>(facts.kernels.size()))
      .Field("weights", static_cast<int64_t>(facts.weights.size()));
  w.Field("weight_bytes", facts.weight_bytes).Field("states", facts.states).Field("arena_buffers", facts.arena_buffers);
  w.Field("symbols", facts.symbols);
  if (facts.arena >= 0) {
    w.Field("arena_bytes", facts.arena).Field("arena_lower_bound", facts.lower_bound);
    w.Field("arena_ratio", facts.ratio());
  }
  w.EndObject();
}

std::string Json(const Facts& facts, const CompileOptions& options, const CompileResult& result) {
  JsonWriter w;
  w.BeginObject();
  w.Field("model", std::filesystem::path(options.model).filename().string()).Field("target", options.target);
  w.Key("phases").BeginArray();
  for (const PhaseTime& phase : result.phases) {
    w.BeginObject().Field("name", phase.phase).Field("ms", phase.ms).EndObject();
  }
  w.EndArray();
  w.Key("summary");
  WriteSummary(w, facts);
  w.Key("kernels").BeginArray();
  for (const KernelRow& row : facts.kernels) {
    w.BeginObject().Field("name", row.name).Field("kind", row.kind).Field("launches", row.launches).EndObject();
  }
  w.EndArray();
  w.Key("weights").BeginArray();
  for (const WeightRow& row : facts.weights) {
    w.BeginObject()
        .Field("name", row.name)
        .Field("type", row.type)
        .Field("layout", row.layout)
        .Field("bytes", row.bytes)
        .EndObject();
  }
  w.EndArray();
  w.Key("remarks").BeginArray();
  for (const Remark& r : result.remarks) {
    w.BeginObject()
        .Field("kind", r.kind)
        .Field("phase", r.category)
        .Field("name", r.name)
        .Field("node", r.node)
        .Field("text", r.text)
        .EndObject();
  }
  w.EndArray().EndObject();
  return w.text() + "\n";
}

std::string Escape(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// One table; rows of cells.
std::string Table(const std::string& title, const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<h2>" + title + "</h2>\n<table>\n<tr>";
  for (const std::string& cell : head) {
    html += "<th>" + cell + "</th>";
  }
  html += "</tr>\n";
  for (const auto& row : rows) {
    html += "<tr>";
    for (const std::string& cell : row) {
      html += "<td>" + Escape(cell) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

std::string Html(const Facts& facts, const CompileOptions& options, const CompileResult& result) {
  std::vector<std::vector<std::string>> phases, summary, kernels, weights, remarks;
  for (const PhaseTime& phase : result.phases) {
    phases.push_back({phase.phase, absl::StrFormat("%.1f", phase.ms)});
  }
  summary = {{"programs", std::to_string(facts.programs)},
             {"launches", std::to_string(facts.launches)},
             {"states", std::to_string(facts.states)},
             {"arena buffers", std::to_string(facts.arena_buffers)},
             {"weight bytes", std::to_string(facts.weight_bytes)}};
  if (facts.arena >= 0) {
    summary.push_back({"arena bytes", std::to_string(facts.arena)});
    summary.push_back({"arena lower bound", std::to_string(facts.lower_bound)});
    summary.push_back({"arena ratio", absl::StrFormat("%.3f", facts.ratio())});
  }
  for (const KernelRow& row : facts.kernels) {
    kernels.push_back({row.name, row.kind, std::to_string(row.launches)});
  }
  for (const WeightRow& row : facts.weights) {
    weights.push_back({row.name, row.type, row.layout, std::to_string(row.bytes)});
  }
  for (const Remark& r : result.remarks) {
    remarks.push_back({r.kind, r.category, r.name, r.node, r.text});
  }
  std::string name = Escape(std::filesystem::path(options.model).filename().string());
  return "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>" + name +
         "</title><style>body{font-family:sans-serif}table{border-collapse:collapse}"
         "td,th{border:1px solid #ccc;padding:2px 8px;text-align:left}</style></head><body>\n<h1>" +
         name + " for " + Escape(options.target) + "</h1>\n" + Table("Summary", {"what", "value"}, summary) +
         Table("Phases", {"phase", "ms"}, phases) + Table("Kernels", {"name", "kind", "launches"}, kernels) +
         Table("Weights", {"name", "type", "layout", "bytes"}, weights) +
         Table("Remarks", {"kind", "phase", "name", "node", "text"}, remarks) + "</body></html>\n";
}

}  // namespace

std::string ArtifactReport(mlir::ModuleOp module) {
  JsonWriter w;
  WriteSummary(w, Gather(module));
  return w.text();
}

absl::Status WriteReport(const std::string& path, mlir::ModuleOp module, const CompileOptions& options,
                         const CompileResult& result) {
  bool html = std::filesystem::path(path).extension() == ".html";
  Facts facts = Gather(module);
  return WriteFile(path, html ? Html(facts, options, result) : Json(facts, options, result));
}

}  // namespace sluice::compiler
