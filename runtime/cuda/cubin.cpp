#include "runtime/cuda/cubin.h"

#include <elf.h>

#include <cstring>
#include <string_view>
#include <vector>

namespace sluice::cuda {
namespace {

// Records of .nv.info: format, attribute, size, data.
constexpr uint8_t kSized = 4;             // EIFMT_SVAL
constexpr uint8_t kFrameSize = 0x11;      // EIATTR_FRAME_SIZE: symbol, bytes
constexpr uint8_t kRegisterCount = 0x2f;  // EIATTR_REGCOUNT: symbol, registers

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> file) : file_(file) {}

  bool Open() {
    Elf64_Ehdr header;
    if (!Read(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != kCudaMachine) {
      return false;
    }
    for (int i = 0; i < header.e_shnum; ++i) {
      Elf64_Shdr section;
      if (!Read(header.e_shoff + static_cast<uint64_t>(i) * sizeof(section), section)) {
        return false;
      }
      sections_.push_back(section);
    }
    if (header.e_shstrndx >= sections_.size()) {
      return false;
    }
    names_ = sections_[header.e_shstrndx];
    return true;
  }

  const Elf64_Shdr* Find(const std::string& name) const {
    for (const Elf64_Shdr& section : sections_) {
      if (Text(names_, section.sh_name) == name) {
        return &section;
      }
    }
    return nullptr;
  }

  // Number of the symbol of that name; -1: none.
  int64_t Symbol(const std::string& name) const {
    const Elf64_Shdr* table = Find(".symtab");
    if (table == nullptr || table->sh_link >= sections_.size()) {
      return -1;
    }
    for (uint64_t i = 0; i < table->sh_size / sizeof(Elf64_Sym); ++i) {
      Elf64_Sym symbol;
      if (!Read(table->sh_offset + i * sizeof(symbol), symbol)) {
        return -1;
      }
      if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && Text(sections_[table->sh_link], symbol.st_name) == name) {
        return static_cast<int64_t>(i);
      }
    }
    return -1;
  }

  // The number .nv.info gives a symbol under `attribute`; 0 when it gives none.
  int64_t Info(uint8_t attribute, int64_t symbol) const {
    const Elf64_Shdr* info = Find(".nv.info");
    uint64_t at = info == nullptr ? 0 : info->sh_offset;
    const uint64_t end = info == nullptr ? 0 : at + info->sh_size;
    while (at < end) {
      struct {
        uint8_t format, attribute;
        uint16_t size;
      } record;
      uint32_t data[2];
      if (!Read(at, record)) {
        return 0;
      }
      at += sizeof(record);
      const bool sized = record.format == kSized;
      if (sized && record.attribute == attribute && record.size == sizeof(data) && Read(at, data) &&
          data[0] == symbol) {
        return data[1];
      }
      at += sized ? record.size : 0;
    }
    return 0;
  }

 private:
  static constexpr uint16_t kCudaMachine = 190;

  template <typename T>
  bool Read(uint64_t at, T& value) const {
    if (at > file_.size() || sizeof(T) > file_.size() - at) {
      return false;
    }
    std::memcpy(&value, file_.data() + at, sizeof(T));
    return true;
  }

  std::string_view Text(const Elf64_Shdr& strings, uint64_t at) const {
    if (strings.sh_offset > file_.size() || strings.sh_size > file_.size() - strings.sh_offset ||
        at >= strings.sh_size) {
      return {};
    }
    const char* text = reinterpret_cast<const char*>(file_.data() + strings.sh_offset + at);
    return {text, strnlen(text, strings.sh_size - at)};
  }

  std::span<const uint8_t> file_;
  std::vector<Elf64_Shdr> sections_;
  Elf64_Shdr names_ = {};
};

}  // namespace

absl::StatusOr<CubinFacts> ReadCubin(std::span<const uint8_t> cubin, const std::string& entry) {
  Reader reader(cubin);
  if (!reader.Open()) {
    return absl::InvalidArgumentError("not a cubin");
  }
  const int64_t symbol = reader.Symbol(entry);
  if (symbol < 0) {
    return absl::InvalidArgumentError("the cubin has no kernel '" + entry + "'");
  }
  const Elf64_Shdr* shared = reader.Find(".nv.shared." + entry);
  return CubinFacts{.registers = reader.Info(kRegisterCount, symbol),
                    .local_bytes = reader.Info(kFrameSize, symbol),
                    .shared_bytes = shared == nullptr ? 0 : static_cast<int64_t>(shared->sh_size)};
}

}  // namespace sluice::cuda
