// Windows of convolutions and pools: strides, padding, dilations, and the sizes they give.
#ifndef SLUICE_COMPILER_ONNX_OPS_SPATIAL_H_
#define SLUICE_COMPILER_ONNX_OPS_SPATIAL_H_

#include "compiler/onnx/OpContext.h"

namespace mlir::onnx_import {

struct Window {
  SmallVector<int64_t> kernel, strides, pads, dilations;  // pads: all begins, then all ends
};

// The window attributes of a node over x [b, c, spatial…]; `auto_pad` is resolved.  Fails when the padding would depend
// on sizes that are not known before the run.
Window windowOf(OpContext& op, const Tensor& x, ArrayRef<SizeExpr> kernel);

// nn.conv with groups from the node's attributes.
Tensor conv(OpContext& op, const Tensor& x, const Tensor& w, const Tensor& bias, const Window& window);

}  // namespace mlir::onnx_import

#endif  // SLUICE_COMPILER_ONNX_OPS_SPATIAL_H_
