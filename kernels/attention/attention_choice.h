// CUDA attention: what is asked → the ways to compute it → their predicted times.  Pure arithmetic, no CUDA.
#ifndef SLUICE_KERNELS_ATTENTION_ATTENTION_CHOICE_H_
#define SLUICE_KERNELS_ATTENTION_ATTENTION_CHOICE_H_

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/target/target.h"
#include "runtime/base/dtype.h"

namespace sluice::kernels {

// Sizes that vary have the value they typically have.
struct AttentionWhat {
  DType type = DType::kBF16;
  int64_t b = 1, h = 1, g = 1, s = 1, t = 1;
  int64_t d = 64, e = 64;          // of q and k; of v
  int64_t s_max = -1, b_max = -1;  // -1: no bound
  bool causal = false;
  int64_t window = 0;  // 0: none
  bool bias = false, key_mask = false, slopes = false, softcap = false;
  int64_t bias_rows = 0;     // of a bias that tensor maps can take: 1 (every query has the same) or s; 0: they cannot
  bool lengths = false;      // sequences of different lengths
  bool empty_rows = false;   // what a query that sees no key gives is not zero
  bool beyond_ends = false;  // it takes keys beyond its sequence's length
  bool same_types = true;    // q, k, v and the result
};

enum class AttentionForm : int64_t {
  kPrefill,  // attention_prefill.cuh
  kDecode,   // attention_decode.cuh
  kAny       // attention_any.cuh
};

struct AttentionHow {
  AttentionForm form = AttentionForm::kAny;
  int64_t dim = 0;                                // of q, k and v as the kernel holds them
  int64_t keys = 0, consumers = 0, q_stages = 0;  // prefill
  int64_t stages = 0;                             // ring slots of keys and values
  int64_t bias_rows = 0;                          // prefill: that a tile holds of the bias; 0: it is read as it lies
  int64_t per_sm = 1;                             // blocks
  int64_t rows8 = 0;                              // decode: groups of 8 rows of a key head
  int64_t real_bytes = 4;                         // any: of what it computes in
  int64_t ctas = 0;
  double us = 0;  // predicted

  int64_t warps() const { return 2 * stages / rows8; }  // decode: two share a slot
  // Bytes of dynamic shared memory, as the kernel's sizeof.  `batch`: with lengths, the most rows of the batch.
  int64_t SharedBytes(int64_t batch) const;
  std::string Name() const;
  // kernels/common/plan_numbers.h
  static constexpr auto kNumbers =
      std::tuple(&AttentionHow::form, &AttentionHow::dim, &AttentionHow::keys, &AttentionHow::consumers,
                 &AttentionHow::q_stages, &AttentionHow::bias_rows, &AttentionHow::per_sm, &AttentionHow::rows8,
                 &AttentionHow::stages, &AttentionHow::real_bytes, &AttentionHow::ctas);
};

// Every way that can compute `what`, with its prediction; none for types or widths no kernel takes.
std::vector<AttentionHow> AttentionCandidates(const AttentionWhat& what, const Gpu& gpu);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_ATTENTION_ATTENTION_CHOICE_H_
