// Windows, pooling, resizing, and moving between depth and space.
#include "compiler/onnx/ops/Spatial.h"

namespace mlir::onnx_import {

Window windowOf(OpContext& op, const Tensor& x, ArrayRef<SizeExpr> kernel) {
  Window window;
  for (const SizeExpr& size : kernel) {
    auto constant = size.Constant();
    if (!constant) {
      op.fail("its kernel has a size that is not known");
    }
    window.kernel.push_back(*constant);
  }
  size_t spatial = kernel.size();
  if (x.rank() != static_cast<int64_t>(spatial) + 2) {
    op.fail("its input has rank " + llvm::Twine(x.rank()) + ", its kernel " + llvm::Twine(spatial));
  }
  window.strides = op.attrInts("strides", SmallVector<int64_t>(spatial, 1));
  window.dilations = op.attrInts("dilations", SmallVector<int64_t>(spatial, 1));
  window.pads = op.attrInts("pads", SmallVector<int64_t>(2 * spatial, 0));
  std::string mode = op.attr("auto_pad", "NOTSET");
  if (mode == "VALID") {
    window.pads.assign(2 * spatial, 0);
  }
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") {
    return window;
  }
  for (size_t d = 0; d < spatial; ++d) {
    SizeExpr stride(window.strides[d]);
    SizeExpr reach((window.kernel[d] - 1) * window.dilations[d] + 1);
    SizeExpr total = (SizeExpr::CeilDiv(x.size(d + 2), stride) - SizeExpr(1)) * stride + reach - x.size(d + 2);
    auto constant = total.Constant();
    if (!constant) {
      op.fail("auto_pad with a stride above 1 depends on the sizes of its input");
    }
    int64_t all = std::max<int64_t>(*constant, 0);
    window.pads[d] = mode == "SAME_UPPER" ? all / 2 : all - all / 2;
    window.pads[d + spatial] = all - window.pads[d];
  }
  return window;
}

namespace {
// Output sizes of a window over the spatial dimensions of x, after `lead`.  An input smaller than the window has none.
Sizes windowSizes(OpContext& op, Sizes lead, const Tensor& x, const Window& window, bool ceil) {
  for (size_t d = 0; d < window.kernel.size(); ++d) {
    int64_t begin = window.pads[d], end = window.pads[d + window.kernel.size()];
    SizeExpr stride(window.strides[d]), reach(window.dilations[d] * (window.kernel[d] - 1) + 1);
    op.t().facts().assumeAtLeast(x.size(d + 2), reach - SizeExpr(begin + end), op.loc());
    SizeExpr room = x.size(d + 2) + SizeExpr(begin + end) - reach;
    SizeExpr size = (ceil ? SizeExpr::CeilDiv(room, stride) : SizeExpr::FloorDiv(room, stride)) + SizeExpr(1);
    if (ceil) {  // a window must not begin in the padding behind the input
      size = SizeExpr::Min(size, SizeExpr::FloorDiv(x.size(d + 2) + SizeExpr(begin - 1), stride) + SizeExpr(1));
    }
    lead.push_back(size);
  }
  return lead;
}
}  // namespace

Tensor conv(OpContext& op, const Tensor& x, const Tensor& w, const Tensor& bias, const Window& window) {
  TensorBuilder& t = op.t();
  int64_t groups = op.attr("group", int64_t{1});
  t.facts().unify(x.size(1), w.size(1) * SizeExpr(groups), op.loc());
  Sizes sizes = windowSizes(op, {x.size(0), w.size(0)}, x, window, false);
  return t.emit<nn::ConvOp>(sizes, x.element(), t.value(x), t.value(w), t.valueOrNull(bias),
                            op.b().getDenseI64ArrayAttr(window.strides), op.b().getDenseI64ArrayAttr(window.pads),
                            op.b().getDenseI64ArrayAttr(window.dilations), op.b().getI64IntegerAttr(groups),
                            IntegerAttr());
}

namespace {

void importPool(OpContext& op, StringRef kind) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  SmallVector<int64_t> kernel = op.attrInts("kernel_shape");
  Window window = windowOf(op, x, SmallVector<SizeExpr>(kernel.begin(), kernel.end()));
  bool ceil = op.flag("ceil_mode");
  if (op.wants(1)) {
    op.fail("its second output, the indices, is not one Sluice computes");
  }
  Sizes sizes = windowSizes(op, {x.size(0), x.size(1)}, x, window, ceil);
  op.out(0, t.emit<nn::PoolOp>(sizes, x.element(), t.value(x), op.b().getStringAttr(kind),
                               op.b().getDenseI64ArrayAttr(window.kernel), op.b().getDenseI64ArrayAttr(window.strides),
                               op.b().getDenseI64ArrayAttr(window.pads), op.b().getDenseI64ArrayAttr(window.dilations),
                               op.b().getBoolAttr(ceil), op.b().getBoolAttr(op.flag("count_include_pad"))));
}

void importMaxPool(OpContext& op) { importPool(op, "max"); }
void importAveragePool(OpContext& op) { importPool(op, "average"); }

void importGlobalPool(OpContext& op, Reduction kind) {
  op.out(0, op.t().reduce(kind, op.in(0), llvm::to_vector(llvm::seq<int64_t>(2, op.in(0).rank())), true));
}
void importGlobalAveragePool(OpContext& op) { importGlobalPool(op, Reduction::Mean); }
void importGlobalMaxPool(OpContext& op) { importGlobalPool(op, Reduction::Max); }

// Contents of a float input that may be empty (Resize's scales).
SmallVector<double> numbersIn(OpContext& op, size_t index) {
  SmallVector<double> numbers;
  if (!op.has(index) || !op.in(index).isKnown()) {
    return numbers;
  }
  for (const Scalar& scalar : op.in(index).known()) {
    if (auto number = scalar.constant()) {
      numbers.push_back(*number);
    }
  }
  return numbers;
}

// floor(size · scale), exact for scales with a short binary fraction.
SizeExpr scaledSize(OpContext& op, const SizeExpr& size, double scale) {
  if (auto constant = size.Constant()) {
    return SizeExpr(static_cast<int64_t>(std::floor(static_cast<double>(*constant) * scale)));
  }
  for (int64_t den = 1; den <= 4096; den *= 2) {
    double num = scale * static_cast<double>(den);
    if (num == std::floor(num)) {
      return SizeExpr::FloorDiv(size * SizeExpr(static_cast<int64_t>(num)), SizeExpr(den));
    }
  }
  op.fail("scales a size that is known only at run time by " + std::to_string(scale));
}

void importResize(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  size_t scales_at = op.opset() < 11 ? 1 : 2;
  SmallVector<double> scales = numbersIn(op, scales_at);
  SmallVector<int64_t> axes = op.attrInts("axes", llvm::to_vector(llvm::seq<int64_t>(0, x.rank())));
  Sizes sizes = x.sizes();
  SmallVector<double> all_scales;
  if (op.has(3) && op.in(3).size(0).Constant() != 0) {
    Sizes wanted = op.sizesIn(3);
    for (auto [axis, size] : llvm::zip_equal(axes, wanted)) {
      sizes[t.axis(axis, x.rank())] = size;
    }
    if (op.attr("keep_aspect_ratio_policy", "stretch") != "stretch") {
      op.fail("keep_aspect_ratio_policy is not one Sluice has");
    }
  } else {
    if (scales.size() != axes.size()) {
      op.fail("its scales must be constant");
    }
    all_scales.assign(x.rank(), 1.0);
    for (auto [axis, scale] : llvm::zip_equal(axes, scales)) {
      int64_t d = t.axis(axis, x.rank());
      all_scales[d] = scale;
      sizes[d] = scaledSize(op, x.size(d), scale);
    }
  }
  std::string coordinates = op.opset() < 11 ? "asymmetric" : op.attr("coordinate_transformation_mode", "half_pixel");
  if (op.flag("antialias") || coordinates == "tf_crop_and_resize") {
    op.fail("antialias and tf_crop_and_resize are not modes Sluice has");
  }
  std::string nearest = op.opset() < 11 ? "floor" : op.attr("nearest_mode", "round_prefer_floor");
  op.out(0,
         t.emit<nn::ResizeOp>(sizes, x.element(), t.value(x), nn::sizesAttr(op.context(), sizes),
                              op.b().getDenseF64ArrayAttr(all_scales), op.b().getStringAttr(op.attr("mode", "nearest")),
                              op.b().getStringAttr(coordinates), op.b().getStringAttr(nearest),
                              op.b().getF64FloatAttr(op.attrFloat("cubic_coeff_a", -0.75)),
                              op.b().getBoolAttr(op.flag("exclude_outside"))));
}

void importGridSample(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0), grid = op.in(1);
  if (grid.rank() != x.rank()) {
    op.fail("samples a tensor of rank " + llvm::Twine(x.rank()) + " with a grid of rank " + llvm::Twine(grid.rank()));
  }
  t.facts().unify(x.size(0), grid.size(0), op.loc());
  Sizes sizes = {x.size(0), x.size(1)};
  sizes.append(grid.sizes().begin() + 1, grid.sizes().end() - 1);
  // Before opset 20 the modes have the names of their two-dimensional forms.
  std::string mode = op.attr("mode", op.opset() < 20 ? "bilinear" : "linear");
  mode = StringRef(mode).starts_with("bi") ? mode.substr(2) : mode;
  op.out(0, t.emit<nn::GridSampleOp>(sizes, x.element(), t.value(x), t.value(t.cast(grid, x.element())),
                                     op.b().getStringAttr(mode), op.b().getStringAttr(op.attr("padding_mode", "zeros")),
                                     op.b().getBoolAttr(op.flag("align_corners"))));
}

// [b, c, h, w] → [b, c/s², h·s, w·s]
void importDepthToSpace(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  SizeExpr s(op.attr("blocksize", int64_t{1}));
  auto depth = divideExactly(x.size(1), s * s);
  if (!depth) {
    op.fail("its channels are not a multiple of the squared block size");
  }
  bool crd = op.attr("mode", "DCR") == "CRD";
  Tensor apart = crd ? t.reshape(x, {x.size(0), *depth, s, s, x.size(2), x.size(3)})
                     : t.reshape(x, {x.size(0), s, s, *depth, x.size(2), x.size(3)});
  Tensor moved = crd ? t.transpose(apart, {0, 1, 4, 2, 5, 3}) : t.transpose(apart, {0, 3, 4, 1, 5, 2});
  op.out(0, t.reshape(moved, {x.size(0), *depth, x.size(2) * s, x.size(3) * s}));
}

void importSpaceToDepth(OpContext& op) {
  TensorBuilder& t = op.t();
  Tensor x = op.in(0);
  SizeExpr s(op.attr("blocksize", int64_t{1}));
  auto height = divideExactly(x.size(2), s);
  auto width = divideExactly(x.size(3), s);
  if (!height || !width) {
    op.fail("its sizes are not multiples of the block size");
  }
  Tensor apart = t.reshape(x, {x.size(0), x.size(1), *height, s, *width, s});
  bool crd = op.attr("mode", "DCR") == "CRD";
  Tensor moved = crd ? t.transpose(apart, {0, 1, 3, 5, 2, 4}) : t.transpose(apart, {0, 3, 5, 1, 2, 4});
  op.out(0, t.reshape(moved, {x.size(0), x.size(1) * s * s, *height, *width}));
}

constexpr OpDefinition kOps[] = {
    {"", "MaxPool", importMaxPool},
    {"", "AveragePool", importAveragePool},
    {"", "GlobalAveragePool", importGlobalAveragePool},
    {"", "GlobalMaxPool", importGlobalMaxPool},
    {"", "Resize", importResize},
    {"", "Upsample", importResize},
    {"", "GridSample", importGridSample},
    {"", "DepthToSpace", importDepthToSpace},
    {"", "SpaceToDepth", importSpaceToDepth},
};

}  // namespace

ArrayRef<OpDefinition> poolOps() { return kOps; }

}  // namespace mlir::onnx_import
