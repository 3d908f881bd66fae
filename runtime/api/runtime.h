// Sluice for C++: run compiled models.  A thin header over the C interface (sluice.h): no other dependency, no
// exceptions.
//
//   sluice::Result<sluice::Model> model = sluice::Model::Open("model.sluice");
//   if (!model.ok()) { std::cerr << model.status().message(); }
//   sluice::Result<sluice::Context> context = model->NewContext();
//   float x[4] = {1, 2, 3, 4};
//   auto outputs = context->Run({sluice::Tensor::Of(x, {1, 4})});
//   const float* y = (*outputs)[0].data<float>();             // valid until the next run
//
// Threads: a Model may be shared; a Context is used by one thread at a time (but Cancel by any).
#ifndef SLUICE_RUNTIME_API_RUNTIME_H_
#define SLUICE_RUNTIME_API_RUNTIME_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice.h"

namespace sluice {

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(sluice_status code, std::string message) : code_(code), message_(std::move(message)) {}
  // What a C function gave, with its message.
  static Status Of(sluice_status code) { return code == SLUICE_OK ? Status() : Status(code, sluice_last_error()); }
  bool ok() const { return code_ == SLUICE_OK; }
  sluice_status code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  sluice_status code_ = SLUICE_OK;
  std::string message_;
};

// A value, or why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT
  Result(Status status) : status_(std::move(status)) {}  // NOLINT
  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::optional<T> value_;
};

// The element type of T, for Tensor::Of.
template <typename T>
constexpr sluice_dtype DTypeOf();
template <>
constexpr sluice_dtype DTypeOf<float>() {
  return SLUICE_F32;
}
template <>
constexpr sluice_dtype DTypeOf<double>() {
  return SLUICE_F64;
}
template <>
constexpr sluice_dtype DTypeOf<bool>() {
  return SLUICE_BOOL;
}
template <>
constexpr sluice_dtype DTypeOf<int8_t>() {
  return SLUICE_I8;
}
template <>
constexpr sluice_dtype DTypeOf<uint8_t>() {
  return SLUICE_U8;
}
template <>
constexpr sluice_dtype DTypeOf<int16_t>() {
  return SLUICE_I16;
}
template <>
constexpr sluice_dtype DTypeOf<uint16_t>() {
  return SLUICE_U16;
}
template <>
constexpr sluice_dtype DTypeOf<int32_t>() {
  return SLUICE_I32;
}
template <>
constexpr sluice_dtype DTypeOf<uint32_t>() {
  return SLUICE_U32;
}
template <>
constexpr sluice_dtype DTypeOf<int64_t>() {
  return SLUICE_I64;
}
template <>
constexpr sluice_dtype DTypeOf<uint64_t>() {
  return SLUICE_U64;
}

// A dense row-major tensor in memory it does not own.
class Tensor {
 public:
  Tensor() { c_.struct_size = sizeof(c_); }  // as input: not given; as output: kept by the context
  Tensor(sluice_dtype dtype, void* data, size_t bytes, const std::vector<int64_t>& sizes) : Tensor() {
    c_.dtype = dtype;
    c_.data = data;
    c_.bytes = bytes;
    c_.rank = static_cast<int>(sizes.size());
    for (size_t d = 0; d < sizes.size() && d < SLUICE_MAX_RANK; ++d) {
      c_.sizes[d] = sizes[d];
    }
  }
  template <typename T>
  static Tensor Of(const T* data, const std::vector<int64_t>& sizes) {
    int64_t n = 1;
    for (int64_t size : sizes) {
      n *= size;
    }
    return Tensor(DTypeOf<T>(), const_cast<T*>(data), static_cast<size_t>(n) * sizeof(T), sizes);
  }
  // In memory of the GPU that the model runs on; as output, of `bytes` bytes.
  static Tensor OnDevice(sluice_dtype dtype, void* data, size_t bytes, const std::vector<int64_t>& sizes = {}) {
    Tensor t(dtype, data, bytes, sizes);
    t.c_.on_device = 1;
    return t;
  }
  // As output: do not compute a copy of it.
  static Tensor Skip() {
    Tensor t;
    t.c_.skip = 1;
    return t;
  }

  sluice_dtype dtype() const { return c_.dtype; }
  std::vector<int64_t> sizes() const { return {c_.sizes, c_.sizes + c_.rank}; }
  int64_t elements() const {
    int64_t n = 1;
    for (int d = 0; d < c_.rank; ++d) {
      n *= c_.sizes[d];
    }
    return n;
  }
  template <typename T>
  T* data() const {
    return static_cast<T*>(c_.data);
  }
  const sluice_tensor& c() const { return c_; }

 private:
  sluice_tensor c_{};
};

struct Port {
  std::string name;
  sluice_dtype dtype = SLUICE_UNDEFINED;
  std::vector<std::string> dims;  // "batch", "4", "past + seq"
  std::string role;
};

struct Options {
  int threads = 0;             // 0: as many as the process may use
  bool refuse_native = false;  // refuse artifacts that hold machine code
  bool skip_checksums = false;
  std::string weights;  // stripped artifacts: a model file, "random" or "random:SEED"
  std::string device;   // "cpu" or "cuda:N"; empty: what the artifact is for, cuda:0
};

struct Generation {
  int64_t max_tokens = 128;
  float temperature = 0;  // 0: always the most likely token
  int top_k = 0;
  float top_p = 1;
  uint64_t seed = 0;
  std::vector<int64_t> eos;  // tokens that end the text
};

class Context {
 public:
  // Runs once; one tensor an input, in the model's order.  The context keeps the results until its next run.
  Result<std::vector<Tensor>> Run(const std::vector<Tensor>& inputs) {
    std::vector<Tensor> outputs(static_cast<size_t>(output_count_));
    Status status = Run(inputs, outputs);
    return status.ok() ? Result<std::vector<Tensor>>(std::move(outputs))
                       : Result<std::vector<Tensor>>(std::move(status));
  }
  // The same into the caller's memory, where an output has some.
  Status Run(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
    return Status::Of(sluice_context_run(c_.get(), C(inputs), Count(inputs), C(outputs), Count(outputs)));
  }
  // Starts a run; inputs and outputs must stay where they are until Wait, which gives the run's status.
  Status RunAsync(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
    return Status::Of(sluice_context_run_async(c_.get(), C(inputs), Count(inputs), C(outputs), Count(outputs)));
  }
  Status Wait() { return Status::Of(sluice_context_wait(c_.get())); }
  void Cancel() { sluice_context_cancel(c_.get()); }
  // Runs go to this CUDA stream from now on (see sluice.h).
  Status SetStream(void* stream) { return Status::Of(sluice_context_set_stream(c_.get(), stream)); }

  // Types and sizes of the outputs, without running (see sluice.h).
  Result<std::vector<Tensor>> OutputSizes(const std::vector<Tensor>& inputs) {
    std::vector<Tensor> outputs(static_cast<size_t>(output_count_));
    Status status =
        Status::Of(sluice_context_output_sizes(c_.get(), C(inputs), Count(inputs), C(outputs), Count(outputs)));
    return status.ok() ? Result<std::vector<Tensor>>(std::move(outputs))
                       : Result<std::vector<Tensor>>(std::move(status));
  }

  int64_t StateLength() const { return sluice_context_state_length(c_.get()); }
  Status TruncateStates(int64_t length) { return Status::Of(sluice_context_truncate_states(c_.get(), length)); }
  void ResetStates() { sluice_context_reset_states(c_.get()); }

  // Continues `prompt`; `on_token` sees each new token and may stop by returning false.
  Status Generate(const std::vector<int64_t>& prompt, const Generation& options,
                  const std::function<bool(int64_t)>& on_token) {
    sluice_generation g{};
    g.struct_size = sizeof(g);
    g.max_tokens = options.max_tokens;
    g.temperature = options.temperature;
    g.top_k = options.top_k;
    g.top_p = options.top_p;
    g.seed = options.seed;
    g.eos = options.eos.data();
    g.eos_count = options.eos.size();
    const auto call = [](void* user, int64_t token) {
      return (*static_cast<const std::function<bool(int64_t)>*>(user))(token) ? 0 : 1;
    };
    return Status::Of(sluice_context_generate(c_.get(), prompt.data(), prompt.size(), &g, call,
                                              const_cast<std::function<bool(int64_t)>*>(&on_token)));
  }

 private:
  friend class Model;
  struct Free {
    void operator()(sluice_context* c) const { sluice_context_free(c); }
  };
  Context(sluice_context* c, int output_count) : c_(c), output_count_(output_count) {}
  static_assert(sizeof(Tensor) == sizeof(sluice_tensor), "a vector of Tensor is an array of sluice_tensor");
  static const sluice_tensor* C(const std::vector<Tensor>& t) {
    return reinterpret_cast<const sluice_tensor*>(t.data());
  }
  static sluice_tensor* C(std::vector<Tensor>& t) { return reinterpret_cast<sluice_tensor*>(t.data()); }
  static int Count(const std::vector<Tensor>& t) { return static_cast<int>(t.size()); }

  std::unique_ptr<sluice_context, Free> c_;
  int output_count_;
};

class Model {
 public:
  static Result<Model> Open(const std::string& path, const Options& options = {}) {
    const sluice_options o = C(options);
    sluice_model* model = nullptr;
    const Status status = Status::Of(sluice_model_open(path.c_str(), &o, &model));
    return status.ok() ? Result<Model>(Model(model)) : Result<Model>(status);
  }
  static Result<Model> FromMemory(const void* data, size_t size, const Options& options = {}) {
    const sluice_options o = C(options);
    sluice_model* model = nullptr;
    const Status status = Status::Of(sluice_model_from_memory(data, size, &o, &model));
    return status.ok() ? Result<Model>(Model(model)) : Result<Model>(status);
  }

  std::vector<Port> inputs() const { return Ports(sluice_model_input_count(c_.get()), sluice_model_input); }
  std::vector<Port> outputs() const { return Ports(sluice_model_output_count(c_.get()), sluice_model_output); }
  // -1: none of that name.
  int FindInput(const std::string& name) const { return sluice_model_find_input(c_.get(), name.c_str()); }
  int FindOutput(const std::string& name) const { return sluice_model_find_output(c_.get(), name.c_str()); }

  // Lives on its own: the model may go first.
  Result<Context> NewContext() const {
    sluice_context* context = nullptr;
    const Status status = Status::Of(sluice_context_create(c_.get(), &context));
    return status.ok() ? Result<Context>(Context(context, sluice_model_output_count(c_.get())))
                       : Result<Context>(status);
  }

 private:
  struct Free {
    void operator()(sluice_model* c) const { sluice_model_free(c); }
  };
  explicit Model(sluice_model* c) : c_(c) {}
  static sluice_options C(const Options& options) {
    sluice_options o{};
    o.struct_size = sizeof(o);
    o.threads = options.threads;
    o.refuse_native = options.refuse_native ? 1 : 0;
    o.skip_checksums = options.skip_checksums ? 1 : 0;
    o.weights = options.weights.empty() ? nullptr : options.weights.c_str();
    o.device = options.device.empty() ? nullptr : options.device.c_str();
    return o;
  }
  std::vector<Port> Ports(int count, sluice_status (*get)(const sluice_model*, int, sluice_port*)) const {
    std::vector<Port> ports;
    for (int i = 0; i < count; ++i) {
      sluice_port p{};
      p.struct_size = sizeof(p);
      get(c_.get(), i, &p);
      ports.push_back({p.name, p.dtype, {p.dims, p.dims + p.rank}, p.role});
    }
    return ports;
  }

  std::unique_ptr<sluice_model, Free> c_;
};

}  // namespace sluice

#endif  // SLUICE_RUNTIME_API_RUNTIME_H_
