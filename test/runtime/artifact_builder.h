// Makes artifacts without the compiler: tables through FlatBuffers' object API, blobs from memory.
//
//   ArtifactBuilder b;
//   FunctionBuilder& main = b.Function("main");
//   int x = main.Input("x", DType::kF32, {"n", "4"});
//   int y = main.Output("y", DType::kF32, {"n", "4"});
//   main.Native("double_f32", {main.View(x, {"n", "4"})}, {main.View(y, {"n", "4"})}, "n", {"4"});
//   std::vector<uint8_t> file = b.Finish();
#ifndef SLUICE_TEST_RUNTIME_ARTIFACT_BUILDER_H_
#define SLUICE_TEST_RUNTIME_ARTIFACT_BUILDER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/desc.h"
#include "runtime/artifact/program_generated.h"
#include "runtime/base/dtype.h"
#include "runtime/plan/size_expr.h"

namespace sluice::test {

using Dims = std::vector<std::string>;
using ViewPtr = std::unique_ptr<fb::ViewT>;

// Moves its arguments into a vector (initializer lists only copy).
template <typename... T>
std::vector<ViewPtr> Views(T... views) {
  std::vector<ViewPtr> all;
  (all.push_back(std::move(views)), ...);
  return all;
}

class ArtifactBuilder;

class FunctionBuilder {
 public:
  FunctionBuilder(ArtifactBuilder& owner, std::string name);

  // Each adds a buffer (and its port) and returns the buffer's index.
  int Input(const std::string& name, DType dtype, const Dims& dims, const std::string& role = "input");
  int Output(const std::string& name, DType dtype, const Dims& dims, const std::string& role = "output");
  int Arena(const std::string& bytes);
  int Weight(int weight);
  int Constant(const std::vector<uint8_t>& bytes);
  int State(int state);
  int Alias(int buffer, const std::string& base_offset);
  // A port on a buffer that exists.
  int OutputPort(const std::string& name, DType dtype, const Dims& dims, int buffer,
                 const std::string& role = "output");

  ViewPtr View(int buffer, const Dims& sizes, DType dtype = DType::kF32, const std::string& offset = "",
               const std::string& start = "");

  fb::InstrT& Launch(int kernel, std::vector<ViewPtr> ins, std::vector<ViewPtr> outs);
  fb::InstrT& Native(const std::string& entry, std::vector<ViewPtr> ins, std::vector<ViewPtr> outs,
                     const std::string& grid, const Dims& params);
  fb::InstrT& If(std::vector<ViewPtr> ins, std::vector<ViewPtr> outs, int then_function, int else_function);
  fb::InstrT& Loop(std::vector<ViewPtr> ins, std::vector<ViewPtr> outs, int body, int carried);

  int index() const { return index_; }
  fb::FunctionT& function();

 private:
  friend class ArtifactBuilder;
  int AddBuffer(fb::BufferT buffer);
  std::unique_ptr<fb::PortT> Port(const std::string& name, DType dtype, const Dims& dims, const std::string& role,
                                  int buffer);
  ArtifactBuilder& owner_;
  int index_;
};

class ArtifactBuilder {
 public:
  ArtifactBuilder();

  FunctionBuilder& Function(const std::string& name);
  // The symbol of that name, made Free when new.
  uint32_t Symbol(const std::string& name, fb::SymbolKind kind = fb::SymbolKind::Free);
  uint32_t Slot(const std::string& text);
  std::vector<uint32_t> Slots(const Dims& dims);
  void Assume(const std::string& left, int relation, const std::string& right, int function = 0);
  int Kernel(const std::string& name, std::vector<kernels::Attr> attrs = {});
  int NativeKernel(const std::string& entry);
  int Weight(const std::string& name, DType dtype, const std::vector<int64_t>& sizes,
             const std::vector<uint8_t>& bytes);
  // A cache of @main with its two ports; returns the state's index.
  int State(const std::string& name, DType dtype, const Dims& past, const Dims& present, int axis);

  // The file.  `libraries`: machine code by instruction set.
  std::vector<uint8_t> Finish(const std::map<std::string, std::vector<uint8_t>>& libraries = {});

  fb::ProgramT program;

 private:
  friend class FunctionBuilder;
  void SetLiveRanges();
  plan::ExprProgram exprs_;
  std::map<std::string, uint32_t> symbols_;
  std::deque<FunctionBuilder> functions_;
  std::vector<std::vector<uint8_t>> weight_bytes_;
};

// The bytes of values of one type.
template <typename T>
std::vector<uint8_t> Bytes(const std::vector<T>& values) {
  const uint8_t* data = reinterpret_cast<const uint8_t*>(values.data());
  return {data, data + values.size() * sizeof(T)};
}

// A kernel of a GPU, which the artifact is then for; it needs a library (Finish).  Operands by their number.
int CudaKernel(ArtifactBuilder& b, const std::string& entry,
               const std::vector<std::pair<fb::CudaParamKind, int>>& params);

}  // namespace sluice::test

#endif  // SLUICE_TEST_RUNTIME_ARTIFACT_BUILDER_H_
