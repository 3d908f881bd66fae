#include "tools/sluice-dump/dump.h"

#include <cstdio>

#include "runtime/artifact/verify.h"
#include "runtime/base/dtype.h"
#include "runtime/exec/decode.h"

namespace sluice::tools {

using artifact::List;

namespace {

std::string Text(const flatbuffers::String* s) { return s == nullptr ? "" : s->str(); }
const char* TypeName(uint8_t dtype) { return Name(static_cast<DType>(dtype)); }
const char* LayoutName(uint8_t layout) {
  static constexpr const char* kNames[] = {"row_major", "nk_tile16", "q4_block32", "oihw_tile16"};
  return layout < 4 ? kNames[layout] : "?";
}

std::vector<std::string> Nodes(const fb::Instr& instr) {
  std::vector<std::string> nodes;
  for (const flatbuffers::String* node : List(instr.nodes())) {
    nodes.push_back(node->str());
  }
  return nodes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dump>> Dump::Open(const std::string& path) {
  auto dump = std::make_unique<Dump>();
  ASSIGN_OR_RETURN(dump->program_.artifact, artifact::Artifact::Open(path));
  RETURN_IF_ERROR(exec::DecodeTables(dump->program_));
  return dump;
}

std::string Dump::Sizes(const flatbuffers::Vector<uint32_t>* slots) const {
  std::vector<uint32_t> copy;
  for (uint32_t slot : List(slots)) {
    copy.push_back(slot);
  }
  return program_.SizesText(copy);
}

std::string Dump::BufferText(const fb::Function& function, int buffer) const {
  const fb::Buffer& b = *function.buffers()->Get(static_cast<flatbuffers::uoffset_t>(buffer));
  const auto port = [&](const auto* ports) { return ports->Get(b.index())->name()->str(); };
  switch (b.kind()) {
    case fb::BufferKind::Arena:
      return absl::StrCat("@", buffer);
    case fb::BufferKind::Weight:
      return "weight '" + fb().weights()->Get(b.index())->name()->str() + "'";
    case fb::BufferKind::Constant:
      return absl::StrCat("constant+", b.offset());
    case fb::BufferKind::Input:
      return "input '" + port(function.inputs()) + "'";
    case fb::BufferKind::Output:
      return "output '" + port(function.outputs()) + "'";
    case fb::BufferKind::State:
      return "state '" + fb().states()->Get(b.index())->name()->str() + "'";
    case fb::BufferKind::Alias:
      return BufferText(function, b.index()) +
             (b.base_offset() < 0 ? "" : "+(" + program_.SlotText(static_cast<uint32_t>(b.base_offset())) + ")B");
  }
  return "?";
}

std::string Dump::ViewText(const fb::Function& function, const fb::View& view) const {
  if (view.buffer() < 0) {
    return "-";
  }
  std::string text = BufferText(function, view.buffer()) + ": " + TypeName(view.dtype()) + Sizes(view.sizes());
  if (view.offset() >= 0) {
    absl::StrAppend(&text, " from ", program_.SlotText(static_cast<uint32_t>(view.offset())));
  }
  if (view.start() >= 0) {
    absl::StrAppend(&text, " at ", program_.SlotText(static_cast<uint32_t>(view.start())));
  }
  if (!List(view.strides()).empty()) {
    absl::StrAppend(&text, " strides ", Sizes(view.strides()));
  }
  return text;
}

std::string Dump::AssumptionText(const exec::AssumptionDesc& assumption) const {
  const fb::Function* function = List(fb().functions())[assumption.function];
  return assumption.function == 0 ? assumption.text : assumption.text + " in " + Text(function->name());
}

std::string Dump::InstrName(const fb::Instr& instr) const {
  const auto name = [&](int f) { return fb().functions()->Get(static_cast<flatbuffers::uoffset_t>(f))->name()->str(); };
  switch (instr.kind()) {
    case fb::InstrKind::Launch:
      return fb().kernels()->Get(static_cast<flatbuffers::uoffset_t>(instr.kernel()))->name()->str();
    case fb::InstrKind::If:
      return "if @" + name(instr.then_function()) + " else @" + name(instr.else_function());
    case fb::InstrKind::Loop:
      return "loop @" + name(instr.then_function());
  }
  return "?";
}

void Dump::Ports(const flatbuffers::Vector<flatbuffers::Offset<fb::Port>>* ports, const char* kind,
                 JsonWriter* json) const {
  if (json != nullptr) {
    json->Key(std::string(kind) + "s").BeginArray();
  }
  for (const fb::Port* port : List(ports)) {
    if (json == nullptr) {
      std::printf("  %s %s: %s%s%s%s\n", kind, port->name()->c_str(), TypeName(port->dtype()),
                  Sizes(port->sizes()).c_str(), Text(port->role()).empty() ? "" : ", role ",
                  Text(port->role()).c_str());
      continue;
    }
    json->BeginObject()
        .Field("name", port->name()->str())
        .Field("dtype", TypeName(port->dtype()))
        .Key("dims")
        .BeginArray();
    for (uint32_t slot : List(port->sizes())) {
      json->Value(program_.SlotText(slot));
    }
    json->EndArray().Field("role", Text(port->role())).EndObject();
  }
  if (json != nullptr) {
    json->EndArray();
  }
}

void Dump::Summary(JsonWriter* json) const {
  const fb::Function& main = *fb().functions()->Get(0);
  int64_t launches = 0, weight_bytes = 0, stripped = 0;
  for (const fb::Function* f : List(fb().functions())) {
    launches += List(f->instrs()).size();
  }
  for (const fb::Weight* w : List(fb().weights())) {
    weight_bytes += static_cast<int64_t>(w->bytes());
    stripped += List(w->chunks()).empty() ? 1 : 0;
  }
  std::string isas;
  for (const fb::Library* l : List(fb().libraries())) {
    absl::StrAppend(&isas, isas.empty() ? "" : " ", l->isa()->str());
  }
  const auto count = [](const auto* list) { return static_cast<long long>(List(list).size()); };
  if (json != nullptr) {
    json->Field("format_version", artifact::kFormatVersion)
        .Field("model", Text(fb().model()))
        .Field("target", Text(fb().target()));
    json->Field("producer", Text(fb().producer())).Field("bytes", program_.artifact->file_bytes());
    json->Field("functions", count(fb().functions()))
        .Field("launches", launches)
        .Field("weights", count(fb().weights()));
    json->Field("weights_bytes", weight_bytes).Field("stripped", stripped > 0).Field("libraries", isas);
    Ports(main.inputs(), "input", json);
    Ports(main.outputs(), "output", json);
    json->Key("assumptions").BeginArray();
    for (const exec::AssumptionDesc& a : program_.assumptions) {
      json->Value(AssumptionText(a));
    }
    json->EndArray();
    return;
  }
  std::printf("%s: Sluice artifact, format version %u, %lld bytes\n", program_.artifact->where().c_str(),
              artifact::kFormatVersion, static_cast<long long>(program_.artifact->file_bytes()));
  std::printf("  model %s, target %s, made by %s\n", Text(fb().model()).c_str(), Text(fb().target()).c_str(),
              Text(fb().producer()).c_str());
  std::printf("  %lld functions, %lld instructions, %lld kernels, %lld weights of %lld bytes%s, %lld states%s%s\n",
              count(fb().functions()), static_cast<long long>(launches), count(fb().kernels()), count(fb().weights()),
              static_cast<long long>(weight_bytes), stripped > 0 ? " (not in the file)" : "", count(fb().states()),
              isas.empty() ? "" : ", machine code for ", isas.c_str());
  Ports(main.inputs(), "input", nullptr);
  Ports(main.outputs(), "output", nullptr);
  for (const exec::AssumptionDesc& a : program_.assumptions) {
    std::printf("  assumes %s\n", AssumptionText(a).c_str());
  }
}

void Dump::Launches(JsonWriter* json) const {
  if (json != nullptr) {
    json->Key("launches").BeginArray();
  }
  for (const fb::Function* function : List(fb().functions())) {
    if (json == nullptr) {
      std::printf("@%s\n", function->name()->c_str());
    }
    int64_t at = 0;
    for (const fb::Instr* instr : List(function->instrs())) {
      std::vector<std::string> ins, outs;
      for (const fb::View* v : List(instr->ins())) {
        ins.push_back(ViewText(*function, *v));
      }
      for (const fb::View* v : List(instr->outs())) {
        outs.push_back(ViewText(*function, *v));
      }
      if (json != nullptr) {
        json->BeginObject()
            .Field("function", function->name()->str())
            .Field("index", at)
            .Field("kernel", InstrName(*instr));
        json->Field("ins", ins).Field("outs", outs).Field("nodes", Nodes(*instr)).EndObject();
      } else {
        std::printf("[%lld] %s", static_cast<long long>(at), InstrName(*instr).c_str());
        for (size_t i = 0; i < ins.size(); ++i) {
          std::printf("%s%s", i == 0 ? "  in " : "; ", ins[i].c_str());
        }
        for (size_t i = 0; i < outs.size(); ++i) {
          std::printf("%s%s", i == 0 ? "  out " : "; ", outs[i].c_str());
        }
        for (const std::string& node : Nodes(*instr)) {
          std::printf("  %s", node.c_str());
        }
        std::printf("\n");
      }
      ++at;
    }
  }
  if (json != nullptr) {
    json->EndArray();
  }
}

void Dump::Memory(JsonWriter* json) const {
  if (json != nullptr) {
    json->Key("weights").BeginArray();
  }
  for (const fb::Weight* w : List(fb().weights())) {
    if (json != nullptr) {
      json->BeginObject()
          .Field("name", w->name()->str())
          .Field("dtype", TypeName(w->dtype()))
          .Field("layout", LayoutName(w->layout()));
      json->Field("bytes", w->bytes()).EndObject();
    } else {
      std::printf("weight %s: %s %s %llu bytes\n", w->name()->c_str(), TypeName(w->dtype()), LayoutName(w->layout()),
                  static_cast<unsigned long long>(w->bytes()));
    }
  }
  if (json != nullptr) {
    json->EndArray().Key("buffers").BeginArray();
  }
  for (const fb::Function* function : List(fb().functions())) {
    for (int64_t b = 0; b < List(function->buffers()).size(); ++b) {
      const fb::Buffer& buffer = *function->buffers()->Get(b);
      if (buffer.kind() != fb::BufferKind::Arena) {
        continue;
      }
      const std::string bytes = program_.SlotText(static_cast<uint32_t>(buffer.bytes()));
      if (json != nullptr) {
        json->BeginObject().Field("function", function->name()->str()).Field("buffer", b).Field("bytes", bytes);
        json->Field("first", buffer.first()).Field("last", buffer.last()).EndObject();
      } else {
        std::printf("@%s @%lld: %s bytes, instructions %u to %u\n", function->name()->c_str(),
                    static_cast<long long>(b), bytes.c_str(), buffer.first(), buffer.last());
      }
    }
  }
  if (json != nullptr) {
    json->EndArray().Key("plans").BeginArray();
  }
  for (const fb::BucketPlan* plan : List(fb().functions()->Get(0)->plans())) {
    if (json != nullptr) {
      json->BeginObject()
          .Field("arena_bytes", plan->arena())
          .Field("arena_lower_bound", plan->lower_bound())
          .EndObject();
    } else {
      std::printf("bucket: arena %llu bytes, lower bound %llu\n", static_cast<unsigned long long>(plan->arena()),
                  static_cast<unsigned long long>(plan->lower_bound()));
    }
  }
  if (json != nullptr) {
    json->EndArray();
  }
}

void Dump::Roles(JsonWriter* json) const {
  const fb::Function& main = *fb().functions()->Get(0);
  Ports(main.inputs(), "input", json);
  Ports(main.outputs(), "output", json);
}

}  // namespace sluice::tools
