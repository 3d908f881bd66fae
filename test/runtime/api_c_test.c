/* The C interface from C: what examples do, and the errors. */
#include <stdio.h>
#include <string.h>

#include "runtime/api/sluice.h"

#define CHECK(cond)                                                                                \
  do {                                                                                             \
    if (!(cond)) {                                                                                 \
      snprintf(failure, sizeof failure, "line %d: %s (%s)", __LINE__, #cond, sluice_last_error()); \
      return failure;                                                                              \
    }                                                                                              \
  } while (0)

static char failure[512];

/* Runs y = 2 x + z [n, 4] of program_test.cpp.  Returns NULL, or what went wrong. */
const char* sluice_c_api_test(const void* artifact, size_t size) {
  sluice_model* model = NULL;
  CHECK(sluice_api_version() == SLUICE_API_VERSION);
  CHECK(sluice_model_open("no-such-file.sluice", NULL, &model) == SLUICE_NOT_FOUND);
  CHECK(strstr(sluice_last_error(), "no-such-file.sluice") != NULL);
  CHECK(sluice_model_from_memory("nonsense", 8, NULL, &model) == SLUICE_INVALID);
  CHECK(sluice_model_from_memory(artifact, size, NULL, &model) == SLUICE_OK);
  CHECK(sluice_model_input_count(model) == 2 && sluice_model_output_count(model) == 1);
  sluice_port port = {.struct_size = sizeof port};
  CHECK(sluice_model_input(model, 0, &port) == SLUICE_OK);
  CHECK(strcmp(port.name, "x") == 0 && port.dtype == SLUICE_F32 && port.rank == 2);
  CHECK(strcmp(port.dims[0], "n") == 0 && strcmp(port.dims[1], "4") == 0 && strcmp(port.role, "input") == 0);
  CHECK(sluice_model_input(model, 2, &port) == SLUICE_INVALID);
  CHECK(sluice_model_find_input(model, "z") == 1 && sluice_model_find_output(model, "q") == -1);

  sluice_context* context = NULL;
  CHECK(sluice_context_create(model, &context) == SLUICE_OK);
  sluice_model_free(model); /* the context keeps what it needs */
  float x[8] = {0, 1, 2, 3, 4, 5, 6, 7}, z[8] = {1, 1, 1, 1, 1, 1, 1, 1}, y[8] = {0};
  sluice_tensor in[2] = {{.struct_size = sizeof *in, .dtype = SLUICE_F32, .rank = 2, .sizes = {2, 4}, .data = x},
                         {.struct_size = sizeof *in, .dtype = SLUICE_F32, .rank = 2, .sizes = {2, 4}, .data = z}};
  sluice_tensor out = {.struct_size = sizeof out};
  CHECK(sluice_context_output_sizes(context, in, 2, &out, 1) == SLUICE_OK);
  CHECK(out.dtype == SLUICE_F32 && out.rank == 2 && out.sizes[0] == 2 && out.sizes[1] == 4 && out.data == NULL);
  CHECK(sluice_context_run(context, in, 2, &out, 1) == SLUICE_OK);
  CHECK(out.data != NULL && ((const float*)out.data)[7] == 15);

  out.data = y;
  out.bytes = sizeof y;
  CHECK(sluice_context_run_async(context, in, 2, &out, 1) == SLUICE_OK);
  CHECK(sluice_context_run(context, in, 2, &out, 1) == SLUICE_INVALID);
  CHECK(sluice_context_wait(context) == SLUICE_OK);
  CHECK(y[7] == 15);
  CHECK(sluice_context_wait(context) == SLUICE_INVALID);
  sluice_context_cancel(context);
  CHECK(sluice_context_run(context, in, 2, &out, 1) == SLUICE_CANCELLED);
  in[1].sizes[0] = 1;
  CHECK(sluice_context_run(context, in, 2, &out, 1) == SLUICE_INVALID);
  CHECK(strstr(sluice_last_error(), "input 'z'") != NULL);
  in[1].struct_size = 0;
  CHECK(sluice_context_run(context, in, 1, &out, 1) == SLUICE_INVALID);
  const int64_t prompt[1] = {1};
  CHECK(sluice_context_generate(context, prompt, 1, NULL, NULL, NULL) == SLUICE_INVALID);
  CHECK(strstr(sluice_last_error(), "does not generate text") != NULL);
  sluice_context_free(context);
  return NULL;
}
