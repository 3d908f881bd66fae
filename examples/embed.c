/* Runs a compiled model from C: every input is filled with zeros of the smallest sizes, every output is described.
 *
 *   cc embed.c -I PREFIX/include/sluice -L PREFIX/lib -lsluice -lstdc++ -lm -o embed && ./embed model.sluice */
#include <stdio.h>
#include <stdlib.h>

#include "sluice.h"

static int Fail(void) {
  fprintf(stderr, "embed: error: %s\n", sluice_last_error());
  return 1;
}

/* Dimensions that are no plain numbers get the size 1. */
static int64_t SizeOf(const char* dim) {
  char* end = NULL;
  const long long size = strtoll(dim, &end, 10);
  return *end == '\0' ? size : 1;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: embed MODEL.sluice\n");
    return 2;
  }
  sluice_model* model = NULL;
  sluice_context* context = NULL;
  if (sluice_model_open(argv[1], NULL, &model) != SLUICE_OK || sluice_context_create(model, &context) != SLUICE_OK) {
    return Fail();
  }
  enum { kMax = 256 };
  static sluice_tensor inputs[kMax], outputs[kMax];
  const int input_count = sluice_model_input_count(model);
  const int output_count = sluice_model_output_count(model);
  if (input_count > kMax || output_count > kMax) {
    fprintf(stderr, "embed: error: more than %d inputs or outputs\n", kMax);
    return 1;
  }
  for (int i = 0; i < input_count; ++i) {
    sluice_port port = {.struct_size = sizeof port};
    sluice_model_input(model, i, &port);
    sluice_tensor* t = &inputs[i];
    t->struct_size = sizeof *t;
    t->dtype = port.dtype;
    t->rank = port.rank;
    size_t elements = 1;
    for (int d = 0; d < port.rank; ++d) {
      t->sizes[d] = SizeOf(port.dims[d]);
      elements *= (size_t)t->sizes[d];
    }
    t->data = calloc(elements > 0 ? elements : 1, 8); /* enough for every type */
    printf("input %s, role %s\n", port.name, port.role);
  }
  for (int i = 0; i < output_count; ++i) {
    outputs[i].struct_size = sizeof outputs[i];
  }
  if (sluice_context_run(context, inputs, input_count, outputs, output_count) != SLUICE_OK) {
    return Fail();
  }
  for (int i = 0; i < output_count; ++i) {
    sluice_port port = {.struct_size = sizeof port};
    sluice_model_output(model, i, &port);
    printf("output %s:", port.name);
    for (int d = 0; d < outputs[i].rank; ++d) {
      printf(" %lld", (long long)outputs[i].sizes[d]);
    }
    printf("\n");
  }
  for (int i = 0; i < input_count; ++i) {
    free(inputs[i].data);
  }
  sluice_context_free(context);
  sluice_model_free(model);
  return 0;
}
