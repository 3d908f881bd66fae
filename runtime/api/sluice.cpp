#include "runtime/api/sluice.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/api/generate.h"
#include "runtime/artifact/artifact.h"
#include "runtime/exec/context.h"
#include "runtime/exec/copy.h"
#include "runtime/exec/model.h"

namespace {

using sluice::exec::Context;
using sluice::exec::Model;
using sluice::exec::PortDesc;
using sluice::kernels::Tensor;

thread_local std::string last_error;  // NOLINT: what sluice_last_error gives

sluice_status Report(const absl::Status& status) {
  last_error = std::string(status.message());
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return SLUICE_OK;
    case absl::StatusCode::kNotFound:
      return SLUICE_NOT_FOUND;
    case absl::StatusCode::kDataLoss:
      return SLUICE_DAMAGED;
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kUnavailable:
      return SLUICE_UNSUPPORTED;
    case absl::StatusCode::kResourceExhausted:
      return SLUICE_EXHAUSTED;
    case absl::StatusCode::kCancelled:
      return SLUICE_CANCELLED;
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return SLUICE_INTERNAL;
    default:
      return SLUICE_INVALID;
  }
}

// Copies the caller's struct into ours: of an older caller's, the fields it knows; the others are zero.
template <typename T>
T Take(const T* from) {
  T taken{};
  if (from != nullptr) {
    std::memcpy(&taken, from, std::min(sizeof(T), from->struct_size));
  }
  return taken;
}

template <typename T>
void Give(const T& value, T* to) {
  const size_t known = std::min(sizeof(T), to->struct_size);
  if (known > sizeof(size_t)) {
    std::memcpy(reinterpret_cast<char*>(to) + sizeof(size_t), reinterpret_cast<const char*>(&value) + sizeof(size_t),
                known - sizeof(size_t));
  }
}

struct PortText {
  std::vector<std::string> dims;
  std::vector<const char*> pointers;
};

std::vector<PortText> Texts(const Model& model, std::span<const PortDesc> ports) {
  std::vector<PortText> texts;
  for (const PortDesc& port : ports) {
    PortText& text = texts.emplace_back();
    for (uint32_t slot : port.sizes) {
      text.dims.push_back(model.program().SlotText(slot));
    }
    for (const std::string& dim : text.dims) {
      text.pointers.push_back(dim.c_str());
    }
  }
  return texts;
}

}  // namespace

struct sluice_model {
  std::shared_ptr<const Model> model;
  std::vector<PortText> inputs, outputs;
};

struct sluice_context {
  std::unique_ptr<Context> context;
  std::thread worker;
  absl::Status async_status;
  std::vector<Tensor> inputs;
  std::vector<uint8_t> on_device;  // one an input
  std::vector<sluice::exec::RunOutput> outputs;
};

namespace {

Tensor FromC(const sluice_tensor& from) {
  Tensor t;
  t.data = from.data;
  t.dtype = static_cast<sluice::DType>(from.dtype);
  t.rank = std::clamp(from.rank, 0, SLUICE_MAX_RANK);
  std::copy_n(from.sizes, SLUICE_MAX_RANK, t.sizes.begin());
  sluice::exec::SetDenseStrides(t);
  return t;
}

void ToC(const Tensor& t, sluice_tensor* to) {
  sluice_tensor out = Take(to);
  out.dtype = static_cast<sluice_dtype>(t.dtype);
  out.rank = t.rank;
  std::copy_n(t.sizes.begin(), SLUICE_MAX_RANK, out.sizes);
  out.data = t.data != nullptr ? t.data : out.data;
  Give(out, to);
}

// `count` structs of the caller's size, one after the other.
template <typename T>
T* At(T* array, int i) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return reinterpret_cast<T*>(reinterpret_cast<Byte*>(array) + i * array->struct_size);
}

sluice_status Load(absl::StatusOr<std::shared_ptr<const sluice::artifact::Artifact>> artifact,
                   const sluice_options* options, sluice_model** model) {
  if (!artifact.ok()) {
    return Report(artifact.status());
  }
  const sluice_options o = Take(options);
  absl::StatusOr<std::shared_ptr<const Model>> loaded =
      Model::Load(*std::move(artifact), {.threads = o.threads,
                                         .native = o.refuse_native == 0,
                                         .weights = o.weights == nullptr ? "" : o.weights,
                                         .device = o.device == nullptr ? "" : o.device,
                                         .verify = o.skip_checksums == 0});
  if (!loaded.ok()) {
    return Report(loaded.status());
  }
  *model = new sluice_model{*loaded, Texts(**loaded, (*loaded)->inputs()), Texts(**loaded, (*loaded)->outputs())};
  return SLUICE_OK;
}

sluice_status GivePort(std::span<const PortDesc> ports, const std::vector<PortText>& texts, int index,
                       sluice_port* to) {
  if (index < 0 || index >= static_cast<int>(ports.size())) {
    return Report(absl::OutOfRangeError(absl::StrFormat("there is no port %d of %d", index, ports.size())));
  }
  sluice_port port{};
  port.name = ports[index].name.c_str();
  port.dtype = static_cast<sluice_dtype>(ports[index].dtype);
  port.rank = static_cast<int>(ports[index].sizes.size());
  port.dims = texts[index].pointers.data();
  port.role = ports[index].role.c_str();
  Give(port, to);
  return SLUICE_OK;
}

absl::Status CheckArray(const sluice_tensor* array, int count, const char* what) {
  if (count < 0 || (count > 0 && (array == nullptr || array->struct_size < offsetof(sluice_tensor, bytes)))) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: no array of %d tensors whose struct_size is set", what, count));
  }
  return absl::OkStatus();
}

absl::Status TakeArguments(sluice_context* c, const sluice_tensor* inputs, int input_count,
                           const sluice_tensor* outputs, int output_count) {
  if (c->worker.joinable()) {
    return absl::FailedPreconditionError("the context is running: call sluice_context_wait first");
  }
  RETURN_IF_ERROR(CheckArray(inputs, input_count, "inputs"));
  RETURN_IF_ERROR(CheckArray(outputs, output_count, "outputs"));
  c->inputs.clear();
  c->on_device.clear();
  for (int i = 0; i < input_count; ++i) {
    const sluice_tensor in = Take(At(inputs, i));
    c->inputs.push_back(FromC(in));
    c->on_device.push_back(in.on_device != 0 ? 1 : 0);
  }
  c->outputs.assign(static_cast<size_t>(std::max(output_count, 0)), {});
  for (int i = 0; i < output_count; ++i) {
    const sluice_tensor out = Take(At(outputs, i));
    c->outputs[i].wanted = out.skip == 0;
    c->outputs[i].data = out.data;
    c->outputs[i].bytes = static_cast<int64_t>(out.bytes);
    c->outputs[i].on_device = out.on_device != 0;
  }
  return absl::OkStatus();
}

absl::Status RunTaken(sluice_context* c, sluice_tensor* outputs) {
  RETURN_IF_ERROR(c->context->Run(c->inputs, c->outputs, {.on_device = c->on_device}));
  for (size_t i = 0; i < c->outputs.size(); ++i) {
    if (c->outputs[i].wanted) {
      ToC(c->outputs[i].tensor, At(outputs, static_cast<int>(i)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

int sluice_api_version(void) { return SLUICE_API_VERSION; }

const char* sluice_last_error(void) { return last_error.c_str(); }

sluice_status sluice_model_open(const char* path, const sluice_options* options, sluice_model** model) {
  return Load(sluice::artifact::Artifact::Open(path), options, model);
}

sluice_status sluice_model_from_memory(const void* data, size_t size, const sluice_options* options,
                                       sluice_model** model) {
  return Load(sluice::artifact::Artifact::FromMemory({static_cast<const uint8_t*>(data), size}, "artifact in memory"),
              options, model);
}

void sluice_model_free(sluice_model* model) { delete model; }

int sluice_model_input_count(const sluice_model* model) { return static_cast<int>(model->inputs.size()); }
int sluice_model_output_count(const sluice_model* model) { return static_cast<int>(model->outputs.size()); }

sluice_status sluice_model_input(const sluice_model* model, int index, sluice_port* port) {
  return GivePort(model->model->inputs(), model->inputs, index, port);
}

sluice_status sluice_model_output(const sluice_model* model, int index, sluice_port* port) {
  return GivePort(model->model->outputs(), model->outputs, index, port);
}

int sluice_model_find_input(const sluice_model* model, const char* name) {
  return model->model->FindInput(name).value_or(-1);
}
int sluice_model_find_output(const sluice_model* model, const char* name) {
  return model->model->FindOutput(name).value_or(-1);
}

sluice_status sluice_context_create(const sluice_model* model, sluice_context** context) {
  absl::StatusOr<std::unique_ptr<Context>> made = Context::Create(model->model);
  if (!made.ok()) {
    return Report(made.status());
  }
  *context = new sluice_context{.context = *std::move(made)};
  return SLUICE_OK;
}

void sluice_context_free(sluice_context* context) {
  if (context != nullptr && context->worker.joinable()) {
    context->worker.join();
  }
  delete context;
}

sluice_status sluice_context_output_sizes(sluice_context* context, const sluice_tensor* inputs, int input_count,
                                          sluice_tensor* outputs, int output_count) {
  if (absl::Status status = TakeArguments(context, inputs, input_count, outputs, output_count); !status.ok()) {
    return Report(status);
  }
  for (size_t i = 0; i < context->inputs.size(); ++i) {  // sizes need no data, and these cannot be read here
    context->inputs[i].data = context->on_device[i] != 0 ? nullptr : context->inputs[i].data;
  }
  const absl::StatusOr<std::vector<Tensor>> sizes = context->context->OutputSizes(context->inputs);
  if (!sizes.ok()) {
    return Report(sizes.status());
  }
  for (int i = 0; i < std::min(output_count, static_cast<int>(sizes->size())); ++i) {
    ToC((*sizes)[i], At(outputs, i));
  }
  return SLUICE_OK;
}

sluice_status sluice_context_run(sluice_context* context, const sluice_tensor* inputs, int input_count,
                                 sluice_tensor* outputs, int output_count) {
  if (absl::Status status = TakeArguments(context, inputs, input_count, outputs, output_count); !status.ok()) {
    return Report(status);
  }
  return Report(RunTaken(context, outputs));
}

sluice_status sluice_context_run_async(sluice_context* context, const sluice_tensor* inputs, int input_count,
                                       sluice_tensor* outputs, int output_count) {
  if (absl::Status status = TakeArguments(context, inputs, input_count, outputs, output_count); !status.ok()) {
    return Report(status);
  }
  context->worker = std::thread([context, outputs] { context->async_status = RunTaken(context, outputs); });
  return SLUICE_OK;
}

sluice_status sluice_context_wait(sluice_context* context) {
  if (!context->worker.joinable()) {
    return Report(absl::FailedPreconditionError("no run was started"));
  }
  context->worker.join();
  return Report(context->async_status);
}

sluice_status sluice_context_set_stream(sluice_context* context, void* stream) {
  return Report(context->context->SetStream(stream));
}

void sluice_context_cancel(sluice_context* context) { context->context->Cancel(); }

int64_t sluice_context_state_length(const sluice_context* context) { return context->context->state_length(); }

sluice_status sluice_context_truncate_states(sluice_context* context, int64_t length) {
  return Report(context->context->TruncateStates(length));
}

void sluice_context_reset_states(sluice_context* context) { context->context->ResetStates(); }

sluice_status sluice_context_generate(sluice_context* context, const int64_t* prompt, size_t prompt_count,
                                      const sluice_generation* options, sluice_token_callback on_token, void* user) {
  if (absl::Status status = TakeArguments(context, nullptr, 0, nullptr, 0); !status.ok()) {
    return Report(status);
  }
  const sluice_generation o = Take(options);
  sluice::api::GenerateOptions generate;
  generate.max_tokens = o.max_tokens > 0 ? o.max_tokens : generate.max_tokens;
  generate.sampling = {
      .temperature = o.temperature, .top_k = o.top_k, .top_p = o.top_p > 0 ? o.top_p : 1.0f, .seed = o.seed};
  generate.logits = false;
  generate.eos.assign(o.eos, o.eos + o.eos_count);
  return Report(
      sluice::api::Generate(*context->context, {prompt, prompt_count}, generate, [&](const sluice::api::Step& step) {
        return step.is_eos || on_token == nullptr || on_token(user, step.token) == 0;
      }).status());
}
