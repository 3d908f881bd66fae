/* Sluice's C interface: run compiled models from any language.
 *
 *   sluice_model* model;
 *   if (sluice_model_open("model.sluice", NULL, &model) != SLUICE_OK) { puts(sluice_last_error()); }
 *   sluice_context* context;
 *   sluice_context_create(model, &context);
 *   sluice_tensor in = {.struct_size = sizeof in, .dtype = SLUICE_F32, .rank = 2, .sizes = {1, 4}, .data = x};
 *   sluice_tensor out = {.struct_size = sizeof out};          // no memory: the context keeps the result
 *   sluice_context_run(context, &in, 1, &out, 1);              // out.data, out.sizes
 *
 * Versions: what stands here stays.  New functions are added; structs grow at their end only and begin with
 * `struct_size`, which the caller sets to sizeof, so a program built against an older header works with a newer
 * library. Errors: a function returns a status; sluice_last_error() is the message of this thread's last failure.
 * Threads: a model may be used by many threads; a context by one at a time (but sluice_context_cancel by any).
 * Strings and arrays that functions give out belong to the model or context and live as long as it does. */
#ifndef SLUICE_RUNTIME_API_SLUICE_H_
#define SLUICE_RUNTIME_API_SLUICE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API_VERSION 1
#define SLUICE_MAX_RANK 8

#if defined(__GNUC__)
#define SLUICE_API __attribute__((visibility("default")))
#else
#define SLUICE_API
#endif

typedef enum sluice_status {
  SLUICE_OK = 0,
  SLUICE_INVALID = 1,     /* the artifact or the inputs are at fault */
  SLUICE_NOT_FOUND = 2,   /* no such file */
  SLUICE_DAMAGED = 3,     /* a wrong byte in the artifact */
  SLUICE_UNSUPPORTED = 4, /* this library or machine cannot run it */
  SLUICE_EXHAUSTED = 5,   /* no memory */
  SLUICE_CANCELLED = 6,
  SLUICE_INTERNAL = 7 /* a fault of the library */
} sluice_status;

/* Element types; the numbers are ONNX's. */
typedef enum sluice_dtype {
  SLUICE_UNDEFINED = 0,
  SLUICE_F32 = 1,
  SLUICE_U8 = 2,
  SLUICE_I8 = 3,
  SLUICE_U16 = 4,
  SLUICE_I16 = 5,
  SLUICE_I32 = 6,
  SLUICE_I64 = 7,
  SLUICE_BOOL = 9,
  SLUICE_F16 = 10,
  SLUICE_F64 = 11,
  SLUICE_U32 = 12,
  SLUICE_U64 = 13,
  SLUICE_BF16 = 16,
  SLUICE_F8E4M3FN = 17,
  SLUICE_F8E5M2 = 19,
  SLUICE_U4 = 21,
  SLUICE_I4 = 22
} sluice_dtype;

typedef struct sluice_model sluice_model;
typedef struct sluice_context sluice_context;

/* The version the library was built with. */
SLUICE_API int sluice_api_version(void);
/* The message of this thread's last failure; "" when there was none.  Valid until the next call on this thread. */
SLUICE_API const char* sluice_last_error(void);

/* ---- models ---- */

typedef struct sluice_options {
  size_t struct_size;
  int threads;         /* 0: as many as the process may use */
  int refuse_native;   /* 1: refuse artifacts that hold machine code */
  int skip_checksums;  /* 1: do not compare the weights' checksums */
  const char* weights; /* stripped artifacts: a model file, "random" or "random:SEED"; NULL: none */
  const char* device;  /* "cpu" or "cuda:N"; NULL: what the artifact is for, cuda:0 */
} sluice_options;

/* Loads an artifact.  `options` may be NULL. */
SLUICE_API sluice_status sluice_model_open(const char* path, const sluice_options* options, sluice_model** model);
/* The same from bytes, which are copied. */
SLUICE_API sluice_status sluice_model_from_memory(const void* data, size_t size, const sluice_options* options,
                                                  sluice_model** model);
/* Contexts of the model stay valid.  NULL is fine. */
SLUICE_API void sluice_model_free(sluice_model* model);

/* An input or output. */
typedef struct sluice_port {
  size_t struct_size;
  const char* name;
  sluice_dtype dtype;
  int rank;
  const char* const* dims; /* `rank` expressions: "batch", "4", "past + seq" */
  const char* role;        /* tokens, positions, mask, branch, logits, state, input, output */
} sluice_port;

SLUICE_API int sluice_model_input_count(const sluice_model* model);
SLUICE_API int sluice_model_output_count(const sluice_model* model);
SLUICE_API sluice_status sluice_model_input(const sluice_model* model, int index, sluice_port* port);
SLUICE_API sluice_status sluice_model_output(const sluice_model* model, int index, sluice_port* port);
/* -1 when there is none of that name. */
SLUICE_API int sluice_model_find_input(const sluice_model* model, const char* name);
SLUICE_API int sluice_model_find_output(const sluice_model* model, const char* name);

/* ---- contexts ---- */

SLUICE_API sluice_status sluice_context_create(const sluice_model* model, sluice_context** context);
/* Waits for a run in progress.  NULL is fine. */
SLUICE_API void sluice_context_free(sluice_context* context);

/* A dense row-major tensor in memory of the caller (or, for a result, of the context). */
typedef struct sluice_tensor {
  size_t struct_size;
  sluice_dtype
      dtype; /* SLUICE_UNDEFINED as input: not given (only the past of a state, which the context then keeps) */
  int rank;
  int64_t sizes[SLUICE_MAX_RANK];
  void* data;    /* output: the caller's memory, or NULL to let the context keep the result until its next run */
  size_t bytes;  /* output: size of `data` */
  int skip;      /* output: 1 when the result is not wanted */
  int on_device; /* 1: `data` is memory of the GPU that the model runs on (a CUdeviceptr), dense like any other */
} sluice_tensor;

/* Sizes and types of the outputs for inputs of these sizes (data may be NULL), without running.  A size that the data
 * decide is its largest; -1 where it has no bound. */
SLUICE_API sluice_status sluice_context_output_sizes(sluice_context* context, const sluice_tensor* inputs,
                                                     int input_count, sluice_tensor* outputs, int output_count);
/* Runs the model once; one tensor an input and output, in the model's order.  Fills dtype, rank, sizes and data. */
SLUICE_API sluice_status sluice_context_run(sluice_context* context, const sluice_tensor* inputs, int input_count,
                                            sluice_tensor* outputs, int output_count);
/* The same on a thread of the context; arrays and memory must live until sluice_context_wait, which gives the run's
 * status. */
SLUICE_API sluice_status sluice_context_run_async(sluice_context* context, const sluice_tensor* inputs, int input_count,
                                                  sluice_tensor* outputs, int output_count);
SLUICE_API sluice_status sluice_context_wait(sluice_context* context);
/* Models on a GPU: runs go to this CUDA stream (a CUstream) from now on, behind what is in it; NULL: to the context's
 * own. A run whose results are all skipped or on_device then returns once its work is queued, and errors of its kernels
 * show up later, at the latest when the stream is waited for. */
SLUICE_API sluice_status sluice_context_set_stream(sluice_context* context, void* stream);
/* Ends the run in progress, or the next one, soon: it returns SLUICE_CANCELLED. */
SLUICE_API void sluice_context_cancel(sluice_context* context);

/* States (the caches of a decoder): a past that is not given is what the context holds from the run before. */
SLUICE_API int64_t sluice_context_state_length(const sluice_context* context);
SLUICE_API sluice_status sluice_context_truncate_states(sluice_context* context, int64_t length);
SLUICE_API void sluice_context_reset_states(sluice_context* context);

/* ---- text ---- */

typedef struct sluice_generation {
  size_t struct_size;
  int64_t max_tokens; /* 0: 128 */
  float temperature;  /* 0: always the most likely token */
  int top_k;          /* 0: all */
  float top_p;        /* 0: 1 */
  uint64_t seed;
  const int64_t* eos; /* tokens that end the text (and are not reported) */
  size_t eos_count;
} sluice_generation;

/* Called with each new token; a result other than 0 ends the generation. */
typedef int (*sluice_token_callback)(void* user, int64_t token);

/* Continues `prompt` token by token.  Resets the context's states first.  `options` may be NULL. */
SLUICE_API sluice_status sluice_context_generate(sluice_context* context, const int64_t* prompt, size_t prompt_count,
                                                 const sluice_generation* options, sluice_token_callback on_token,
                                                 void* user);

#ifdef __cplusplus
}
#endif

#endif /* SLUICE_RUNTIME_API_SLUICE_H_ */
