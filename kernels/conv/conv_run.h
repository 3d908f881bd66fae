// The three ways a float convolution runs, and the workspace each needs.  Operands are described in conv_cpu.cpp.
#ifndef SLUICE_KERNELS_CONV_CONV_RUN_H_
#define SLUICE_KERNELS_CONV_CONV_RUN_H_

#include "kernels/conv/conv_problem.h"

namespace sluice::kernels {

struct ConvOperands {
  const float* x;  // [batch][groups * channels][pixels], f32
  const Tensor& w;
  const float* bias;  // [groups * features] f32, or null
  const Tensor& y;
  void* workspace;
  ThreadPool* pool;
};

// Implicit GEMM: features × (channels · taps) × pixels, the pixels' patches copied into panels a block at a time.
int64_t ConvGemmWorkspace(const ConvProblem& p, const Tensor& w, int threads);
void ConvGemm(const ConvProblem& p, const ConvOperands& o);

// One input channel an output channel: no contraction, so the window slides over a padded copy of the channel.
bool IsDepthwise(const ConvProblem& p);
int64_t DepthwiseWorkspace(const ConvProblem& p, int threads);
void ConvDepthwise(const ConvProblem& p, const ConvOperands& o);

// Transposed: every pixel's product with all taps by GEMM, then added where the taps point.
int64_t ConvTransposeWorkspace(const ConvProblem& p, int threads);
void ConvTranspose(const ConvProblem& p, const ConvOperands& o);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_CONV_CONV_RUN_H_
