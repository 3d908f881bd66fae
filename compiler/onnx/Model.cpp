#include "compiler/onnx/Model.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "compiler/onnx/ImportError.h"
#include "compiler/onnx/WireStrip.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "llvm/ADT/StringExtras.h"

namespace mlir::onnx_import {
namespace {

namespace fs = std::filesystem;

// Tensors of more bytes are not parsed; covers kMaxConstantElements of the widest type.
constexpr int64_t kKeepBytes = kMaxConstantElements * 8;
// Marks a placeholder: its raw_data is the index into Model::stored as text, so that the ONNX checker is content.
constexpr char kPlaceholder[] = "sluice.stored";

// A file mapped for reading.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || ::fstat(fd, &info) != 0) {
      int error = errno;
      if (fd >= 0) {
        ::close(fd);
      }
      fail(path + ": cannot be read: " + std::strerror(error));
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0) {
      ::close(fd);
      fail(path + (S_ISREG(info.st_mode) ? ": is empty" : ": is not a file"));
    }
    size_ = info.st_size;
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    ::close(fd);
    if (data_ == MAP_FAILED) {
      fail(path + ": cannot be mapped: " + std::strerror(errno));
    }
  }
  ~MappedFile() { ::munmap(data_, size_); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

// The value of an external_data entry, or null.
const std::string* entryOf(const onnx::TensorProto& tensor, const std::string& key) {
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == key) {
      return &entry.value();
    }
  }
  return nullptr;
}

// Replaces every tensor that lies elsewhere by a placeholder, or by its elements when it is small.
class TensorResolver {
 public:
  TensorResolver(Model& model, const ImportOptions& options, std::vector<RawSpan> spans)
      : model_(model),
        folder_(fs::path(options.path).parent_path()),
        strip_(options.strip_weights),
        spans_(std::move(spans)) {
    model_.files.push_back(fs::path(options.path).filename().string());
    sizes_.push_back(fs::file_size(options.path));
  }

  void resolve(onnx::GraphProto& graph) {
    for (auto& tensor : *graph.mutable_initializer()) {
      resolve(tensor);
    }
    for (auto& node : *graph.mutable_node()) {
      resolve(node);
    }
  }

  void resolve(onnx::NodeProto& node) {
    for (auto& attr : *node.mutable_attribute()) {
      if (attr.has_t()) {
        if (attr.t().name().empty()) {
          attr.mutable_t()->set_name(node.output_size() ? node.output(0) : node.name());
        }
        resolve(*attr.mutable_t());
      }
      for (auto& tensor : *attr.mutable_tensors()) {
        resolve(tensor);
      }
      if (attr.has_g()) {
        resolve(*attr.mutable_g());
      }
      for (auto& graph : *attr.mutable_graphs()) {
        resolve(graph);
      }
    }
  }

 private:
  void resolve(onnx::TensorProto& tensor) {
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL && !entryOf(tensor, kSpanKey)) {
      return;
    }
    StoredTensor stored;
    stored.name = tensor.name();
    stored.data_type = tensor.data_type();
    stored.dims.assign(tensor.dims().begin(), tensor.dims().end());
    int64_t elements = countElements(tensor);
    int64_t need = (elements * elementBits(tensor.data_type()) + 7) / 8;
    if (const std::string* span = entryOf(tensor, kSpanKey)) {
      size_t index = 0;
      if (llvm::StringRef(*span).getAsInteger(10, index) || index >= spans_.size()) {
        fail("tensor '" + tensor.name() + "': bad external data entry");
      }
      stored.offset = spans_[index].offset;
      stored.length = spans_[index].length;
    } else {
      locate(tensor, need, stored);
    }
    if (elementBits(tensor.data_type()) == 0) {
      fail("tensor '" + tensor.name() + "': element type " + onnx::TensorProto::DataType_Name(tensor.data_type()) +
           " is not one Sluice has");
    }
    if (stored.length != need) {
      fail("tensor '" + tensor.name() + "': its shape needs " + std::to_string(need) + " bytes, its data have " +
           std::to_string(stored.length));
    }
    if (elements <= kMaxConstantElements && inlineElements(tensor, stored)) {
      return;
    }
    makePlaceholder(tensor, std::move(stored));
  }

  static int64_t countElements(const onnx::TensorProto& tensor) {
    int64_t elements = 1;
    for (int64_t dim : tensor.dims()) {
      if (dim < 0 || __builtin_mul_overflow(elements, dim, &elements) || elements > (int64_t{1} << 56)) {
        fail("tensor '" + tensor.name() + "': its shape is negative or too large");
      }
    }
    return elements;
  }

  int64_t numberOf(const onnx::TensorProto& tensor, const char* key, int64_t otherwise) {
    const std::string* text = entryOf(tensor, key);
    int64_t value = otherwise;
    if (text && (llvm::StringRef(*text).getAsInteger(10, value) || value < 0)) {
      fail("tensor '" + tensor.name() + "': external data " + key + " '" + *text + "' is not a size");
    }
    return value;
  }

  void locate(const onnx::TensorProto& tensor, int64_t need, StoredTensor& stored) {
    const std::string* location = entryOf(tensor, "location");
    if (!location || location->empty()) {
      fail("tensor '" + tensor.name() + "': external data without a location");
    }
    fs::path path = fs::path(*location).lexically_normal();
    if (path.is_absolute() || *path.begin() == "..") {
      fail("tensor '" + tensor.name() + "': external data '" + *location + "' lie outside the model's folder");
    }
    stored.offset = numberOf(tensor, "offset", 0);
    stored.length = numberOf(tensor, "length", need);
    stored.file = fileIndex(path.string(), tensor.name());
    int64_t size = sizes_[stored.file];
    if (size >= 0 && (stored.offset > size || stored.length > size - stored.offset)) {
      fail("tensor '" + tensor.name() + "': its data end at byte " + llvm::Twine(stored.offset + stored.length).str() +
           " of '" + path.string() + "', which has " + std::to_string(size));
    }
  }

  int64_t fileIndex(const std::string& path, const std::string& tensor) {
    auto it = llvm::find(model_.files, path);
    if (it == model_.files.end()) {
      std::error_code error;
      auto size = fs::file_size(folder_ / path, error);
      if (error && !strip_) {
        fail("tensor '" + tensor + "': external data file '" + path + "' is missing (" + error.message() +
             "); put it beside the model");
      }
      model_.files.push_back(path);
      sizes_.push_back(error ? -1 : static_cast<int64_t>(size));
      return model_.files.size() - 1;
    }
    return it - model_.files.begin();
  }

  // Reads a small tensor's bytes into the message.  False when its file is not there (--strip-weights).
  bool inlineElements(onnx::TensorProto& tensor, const StoredTensor& stored) {
    std::ifstream in(folder_ / model_.files[stored.file], std::ios::binary);
    std::string bytes(stored.length, '\0');
    if (!in.seekg(stored.offset) || !in.read(bytes.data(), stored.length)) {
      return false;
    }
    tensor.clear_external_data();
    tensor.clear_data_location();
    tensor.set_raw_data(std::move(bytes));
    return true;
  }

  void makePlaceholder(onnx::TensorProto& tensor, StoredTensor stored) {
    std::string index = std::to_string(model_.stored.size());
    tensor.clear_external_data();
    tensor.clear_data_location();
    tensor.set_doc_string(kPlaceholder);
    tensor.set_data_type(onnx::TensorProto::UINT8);
    tensor.clear_dims();
    tensor.add_dims(index.size());
    tensor.set_raw_data(index);
    model_.stored.push_back(std::move(stored));
  }

  Model& model_;
  fs::path folder_;
  bool strip_;
  std::vector<RawSpan> spans_;
  std::vector<int64_t> sizes_;  // of Model::files; -1 for one that does not exist
};

std::vector<RawSpan> parseBinary(const std::string& path, onnx::ModelProto& proto) {
  MappedFile file(path);
  std::vector<RawSpan> spans;
  auto stripped = StripRawData(file.bytes(), kKeepBytes, spans);
  if (!stripped.ok()) {
    fail(path + ": " + std::string(stripped.status().message()));
  }
  google::protobuf::io::ArrayInputStream bytes(stripped->data(), stripped->size());
  google::protobuf::io::CodedInputStream in(&bytes);
  if (!proto.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage()) {
    fail(path + ": not an ONNX model: a field has the wrong kind");
  }
  return spans;
}

}  // namespace

const StoredTensor* Model::storedOf(const onnx::TensorProto& tensor) const {
  size_t index = 0;
  if (tensor.doc_string() != kPlaceholder || llvm::StringRef(tensor.raw_data()).getAsInteger(10, index) ||
      index >= stored.size()) {
    return nullptr;
  }
  return &stored[index];
}

Model loadModel(const ImportOptions& options) {
  Model model;
  std::vector<RawSpan> spans;
  if (llvm::StringRef(options.path).ends_with(".onnxtxt")) {
    parseText(options.path, model.proto);
  } else {
    spans = parseBinary(options.path, model.proto);
  }
  if (!model.proto.has_graph() || model.proto.opset_import_size() == 0) {
    fail(options.path + ": not an ONNX model: it has no " + (model.proto.has_graph() ? "opset import" : "graph"));
  }
  TensorResolver resolver(model, options, std::move(spans));
  resolver.resolve(*model.proto.mutable_graph());
  for (auto& function : *model.proto.mutable_functions()) {
    for (auto& node : *function.mutable_node()) {
      resolver.resolve(node);
    }
  }
  return model;
}

}  // namespace mlir::onnx_import
