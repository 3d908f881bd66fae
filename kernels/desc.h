// What a kernel is: a name, attributes decoded once, and one entry point over tensors.
//
// The compiler writes launches (kernel name, attributes, operands) into the artifact; the runtime looks the name up in
// the registry (kernels/registry.h), decodes the attributes once at load (`prepare`) and then only calls `run`.
// No MLIR here, and nothing of a backend: a CPU kernel and its CUDA twin share name, attributes and operand order.
#ifndef SLUICE_KERNELS_DESC_H_
#define SLUICE_KERNELS_DESC_H_

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/base/dtype.h"
#include "runtime/base/status.h"
#include "runtime/base/thread_pool.h"

namespace sluice::kernels {

inline constexpr int kMaxRank = 8;

// How the elements of a weight lie in memory.  Activations are always kRowMajor.  Documented in docs/layouts.md;
// packed by runtime/base/pack.h; the same on every CPU.
enum class Layout : uint8_t {
  kRowMajor = 0,
  kNkTile16 = 1,    // [ceil(n/16)][k][16]: 16 weight rows interleaved, zero padded; for f32, f16, bf16
  kQ4Block32 = 2,   // 4-bit weights with per-block scales, packed together; see docs/layouts.md
  kOihwTile16 = 3,  // convolution: [g][ceil(o/16)][i*kh*kw][16]
};

// A view of a tensor: not owned.  Strides are in elements; dense row-major unless the kernel says it reads strides
// (attention's k and v, copies).  For a packed weight the sizes are the logical ones and strides are unused.
struct Tensor {
  void* data = nullptr;
  DType dtype = DType::kUndefined;
  Layout layout = Layout::kRowMajor;
  int rank = 0;
  std::array<int64_t, kMaxRank> sizes{};
  std::array<int64_t, kMaxRank> strides{};

  bool present() const { return dtype != DType::kUndefined; }  // an optional operand that is absent has kUndefined
  int64_t size(int d) const { return sizes[d < 0 ? d + rank : d]; }
  int64_t stride(int d) const { return strides[d < 0 ? d + rank : d]; }
  int64_t elements() const {
    int64_t n = 1;
    for (int d = 0; d < rank; ++d) {
      n *= sizes[d];
    }
    return n;
  }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

// Attributes of a launch: the attributes of the `nn` op it came from, same names.
struct Attr {
  std::string name;
  std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>> value;  // bool: int64 0/1
};

class Attrs {
 public:
  Attrs() = default;
  explicit Attrs(std::vector<Attr> attrs) : attrs_(std::move(attrs)) {}
  // The attribute's value; the `or_else` when it is absent.  A wrong kind is kInvalidArgument naming it.
  absl::StatusOr<int64_t> Int(const std::string& name, int64_t or_else) const;
  absl::StatusOr<double> Float(const std::string& name, double or_else) const;
  absl::StatusOr<std::string> String(const std::string& name, const std::string& or_else) const;
  absl::StatusOr<std::vector<int64_t>> Ints(const std::string& name, const std::vector<int64_t>& or_else) const;
  absl::StatusOr<std::vector<double>> Floats(const std::string& name, const std::vector<double>& or_else) const;
  const std::vector<Attr>& all() const { return attrs_; }

 private:
  std::vector<Attr> attrs_;
};

// What `prepare` returns: the decoded attributes of one launch.  Immutable; shared by contexts.
struct Config {
  virtual ~Config() = default;
};

struct LaunchArgs {
  std::span<const Tensor> ins;   // in the order of the nn op's operands; absent optional ones are not present()
  std::span<const Tensor> outs;  // in the order of its results; distinct from ins unless the kernel is in_place
  const Config* config = nullptr;
  void* workspace = nullptr;  // `workspace()` bytes, 64-byte aligned, uninitialised
  ThreadPool* pool = nullptr;
  // Sizes the data decide (nn.nonzero's count): written here, one per result symbol, in order.
  std::span<int64_t> counts;
};

// Describes one CPU kernel.  All function pointers are pure but for `run`.
struct CpuKernel {
  const char* name;  // the nn op's mnemonic, "linear", "rms_norm"
  // Decodes and checks attributes; may be null when there are none.
  absl::StatusOr<std::unique_ptr<Config>> (*prepare)(const Attrs& attrs) = nullptr;
  // Bytes of workspace for operands of these sizes (their data may be null); may be null for none.  Monotonic in every
  // size, so that a plan for upper bounds serves smaller ones.
  int64_t (*workspace)(const Config* config, std::span<const Tensor> ins, std::span<const Tensor> outs,
                       int threads) = nullptr;
  // Computes outs.  Any size may be 0 or 1.  No allocation.  An error names the operand; it is the data's fault
  // (an index out of range), since shapes were checked by the compiler.
  absl::Status (*run)(const LaunchArgs& args) = nullptr;
  // True when outs[0] may be the same memory as ins[0].
  bool in_place = false;
  // True when a row of the result depends only on that row of the input, bit for bit, whatever the batch.
  bool row_invariant = true;
  // Operands (by index) whose strides are honoured; all others must be dense row-major.
  uint32_t strided_ins = 0;  // bit i: ins[i]
  uint32_t strided_outs = 0;
  // Layouts each operand may have: a list of (operand, layout) beyond kRowMajor.
  struct OperandLayout {
    int operand;
    Layout layout;
  };
  std::span<const OperandLayout> layouts = {};
};

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_DESC_H_
