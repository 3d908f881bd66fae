// The CUDA GEMMs: what is asked → the ways to compute it → their predicted times.  Pure arithmetic, no CUDA.
#ifndef SLUICE_KERNELS_GEMM_GEMM_CHOICE_H_
#define SLUICE_KERNELS_GEMM_GEMM_CHOICE_H_

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/target/target.h"
#include "runtime/base/dtype.h"

namespace sluice::kernels {

// out[batch, m, n] = in[batch, m, k] · weight, where sizes that vary have the value they typically have.
struct GemmWhat {
  DType in = DType::kBF16, weight = DType::kBF16, out = DType::kBF16;
  int64_t batch = 1, m = 0, n = 0, k = 0;
  int64_t m_max = -1;          // -1: no bound
  bool m_constant = false;     // so that a grid can be a number
  bool dense_constant = true;  // batch, m, n, k as far as tensor maps need them constant are so, and operands are dense
  bool weight_by_width = false;  // the weight is [batch, k, n], not [batch, n, k]
  bool batched = false;          // there is a batch dimension that is not constantly 1
  bool read_only_weight = false;
  bool fills = false;         // the tensor map of in ends with its rows
  int64_t taps = 1;           // that neighbouring rows of in share all but one of: read from memory once
  bool tf32 = false;          // products of f32 keep 10 bits
  int64_t parts = 1;          // of the epilogue: the result has n / parts columns
  double finish_ops = 0;      // of the epilogue, an element: instructions
  bool finish_reads = false;  // and an operand that lies as the result does, of its type
};

// Operands are 8-bit codes, whose products are summed exactly.
bool SumsCodes(const GemmWhat& what);
// Elements of k that are 128 bytes: a block.
int64_t BlockDepth(const GemmWhat& what);

enum class GemmForm : int64_t {
  kTiles,   // gemm_tiles.cuh
  kStream,  // gemm_stream.cuh
  kAny      // gemm_any.cuh, gemm_codes.cuh
};

// How: the numbers a kernel is instantiated with.
struct GemmHow {
  GemmForm form = GemmForm::kAny;
  int64_t rows = 0, cols = 0;        // of a tile of the result; stream: weight rows of a tile, tokens
  int64_t stages = 0;                // slots of the ring
  int64_t multicast = 1, split = 1;  // how a cluster is used; stream: to split k
  bool ping_pong = false;            // tiles: consumers take tiles in turn
  int64_t box = 0;                   // tiles: rows of x that one TMA load brings
  int64_t ctas = 0;                  // of the grid; when m varies, its most
  int64_t band = 1;                  // tiles: rows of tiles walked together
  int64_t panels = 2;                // tiles: pieces of the result that a consumer stages at a time
  int64_t blocks = 0;                // stream: 64-wide blocks of k in a slot
  int64_t parts = 1;                 // of the epilogue
  double us = 0;                     // predicted

  int64_t cluster() const { return multicast * split; }
  // Tiles: warpgroups that multiply 64 rows each.
  int64_t Consumers() const { return rows / 64; }
  // Tiles: columns of a panel, which has 64 rows; and how many of them a consumer's part of a tile has.
  int64_t PanelCols() const;
  int64_t TilePanels() const { return (ping_pong ? 2 : 1) * cols / split / parts / PanelCols(); }
  // Bytes of dynamic shared memory: what the kernel's own sizeof says (the printed text asserts it).
  int64_t SharedBytes() const;
  // "tiles 128x256 multicast", "stream 32x8", "any 64x64": unique among the candidates of a what.
  std::string Name() const;
  // kernels/common/plan_numbers.h
  static constexpr auto kNumbers =
      std::tuple(&GemmHow::form, &GemmHow::rows, &GemmHow::cols, &GemmHow::stages, &GemmHow::multicast, &GemmHow::split,
                 &GemmHow::ping_pong, &GemmHow::box, &GemmHow::ctas, &GemmHow::band, &GemmHow::panels, &GemmHow::blocks,
                 &GemmHow::parts);
};

// Every way that can compute `what`, with its prediction.  Never empty for float types and 8-bit codes.
std::vector<GemmHow> GemmCandidates(const GemmWhat& what, const Gpu& gpu);
// The time of `how` for `what`, which may have fewer rows than those it was made for.
double PredictGemm(const GemmWhat& what, const Gpu& gpu, GemmHow how);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_GEMM_GEMM_CHOICE_H_
