// What CUDA families share when they emit: the usual signature, and the cost of moving their operands once.
#ifndef SLUICE_KERNELS_COMMON_CUDA_TEXT_H_
#define SLUICE_KERNELS_COMMON_CUDA_TEXT_H_

#include <string>
#include <vector>

#include "kernels/cuda.h"

namespace sluice::kernels {

// A kernel that takes the step block and every operand as an sl::Arg: x0, x1 … and y0 …; `body` is its one statement.
// The name of the entry begins with `stem` and ends in a hash of the text.  `ranks`: of operands that may be absent.
// With `counters`, `workspace` and that many `counters` are parameters too.
// `head`: what stands before the function; `blocks`: of an SM, at least.
CudaKernel OperandKernel(const CudaQuery& query, const std::string& stem, const std::string& header,
                         const std::string& body, int block, const std::vector<int>& ranks = {}, int counters = 0,
                         const std::string& head = "", int blocks = 1);

// The same of a kernel that can share its launch (ShareLaunch): `body` gives `blocks`, its sl::Share, to what it calls.
// `waits`: which waits for its turn on its own.
CudaKernel ShareableKernel(const CudaQuery& query, const std::string& stem, const std::string& header,
                           const std::string& body, int block, bool waits = false);

// The functor of the query's epilogue over the arguments of an OperandKernel: "Epilogue(step, x3)", "sl::NoEpilogue()".
std::string EpilogueText(const CudaQuery& query);

// "{1, 3, 3}": values of spatial dimensions [first, first + spatial) as three, missing ones in front.
std::string ThreeText(const std::vector<int64_t>& values, size_t first, size_t spatial, int64_t missing);

// Bytes of all operands, at expected sizes.
double OperandBytes(const CudaQuery& query);
// Time of a kernel that moves them once at `share` of the copy bandwidth.
double CopyUs(const CudaQuery& query, const Gpu& gpu, double share);

// "x0_0 * x0_1": a product of dimensions [first, last) of operand `name`; "1" for none.
std::string ProductText(const std::string& name, int first, int last);
// The rows of ins[0], all its dimensions but the last: "x0_0 * x0_1", "" when they are constant (CudaFamily::rows); and
// how many to expect.
std::string VaryingRows(const CudaQuery& query);
int64_t ExpectedRows(const CudaQuery& query);
// "min(ceildiv(A, B), cap)".
std::string BlocksText(const std::string& work, int64_t each, int64_t cap);

// The unsigned type as wide as `dtype`, for kernels that only move elements; "" for packed ones.
const char* CudaBitsType(DType dtype);
// "f32", or what else one of `dtypes` is; "" when all are floats that kernels compute with (f16, bf16, f32, f64).
std::string NotAFloat(std::span<const DType> dtypes);
// An 8-bit code, whose products are summed in i32.
bool IsCode(DType dtype);
// What no product of codes gives: "" for i32, and for codes and floats that an epilogue makes of it.
std::string NotOfCodes(const CudaQuery& query);

}  // namespace sluice::kernels

#endif  // SLUICE_KERNELS_COMMON_CUDA_TEXT_H_
