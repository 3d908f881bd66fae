/* Kernels of the tests, with the entry points the compiler generates (docs/internals.md). */
#include <stdint.h>

typedef const void* const* Ins;
typedef void* const* Outs;

/* y = 2 x over [rows, params[0]] */
void double_f32(Ins ins, Outs outs, const int64_t* params, int64_t begin, int64_t end) {
  for (int64_t i = begin * params[0]; i < end * params[0]; ++i) {
    ((float*)outs[0])[i] = 2 * ((const float*)ins[0])[i];
  }
}

/* z = x + y over [rows, params[0]] */
void add_f32(Ins ins, Outs outs, const int64_t* params, int64_t begin, int64_t end) {
  for (int64_t i = begin * params[0]; i < end * params[0]; ++i) {
    ((float*)outs[0])[i] = ((const float*)ins[0])[i] + ((const float*)ins[1])[i];
  }
}

/* y = x over [rows, params[0]] i64 */
void copy_i64(Ins ins, Outs outs, const int64_t* params, int64_t begin, int64_t end) {
  for (int64_t i = begin * params[0]; i < end * params[0]; ++i) {
    ((int64_t*)outs[0])[i] = ((const int64_t*)ins[0])[i];
  }
}

/* Appends x [rows, new, params[0]] to a cache whose rows are params[1] elements apart. */
void append_f32(Ins ins, Outs outs, const int64_t* params, int64_t begin, int64_t end) {
  const int64_t row = params[0];
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t i = 0; i < row; ++i) {
      ((float*)outs[0])[r * params[1] + i] = ((const float*)ins[0])[r * row + i];
    }
  }
}

/* y = x > params[0] (a bool, one element) */
void greater_f32(Ins ins, Outs outs, const int64_t* params, int64_t begin, int64_t end) {
  if (begin == 0 && end > 0) {
    ((uint8_t*)outs[0])[0] = ((const float*)ins[0])[0] > (float)params[0];
  }
}
