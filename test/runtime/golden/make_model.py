#!/usr/bin/env python3
"""Writes the model behind the golden artifacts: make_model.py OUT.onnx.

y = tanh(x · w), and a cache that every run appends y to, four positions of four.  So an artifact of it holds each kind
of record: a packed weight, machine code for both instruction sets, library kernels, symbols, a state.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

K = 16


def main():
    k, n = np.meshgrid(np.arange(K), np.arange(K), indexing="ij")
    w = (((7 * k + 3 * n) % 16 - 8) / 16).astype(np.float32)
    f32 = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"], name="product"),
            helper.make_node("Tanh", ["h"], ["y"], name="tanh"),
            helper.make_node("Reshape", ["y", "shape"], ["new"], name="positions"),
            helper.make_node("Concat", ["past", "new"], ["present"], name="append", axis=1),
        ],
        "golden",
        [f32("x", ["batch", K]), f32("past", ["batch", "length", 4])],
        [f32("y", ["batch", K]), f32("present", ["batch", "total", 4])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(np.array([0, 4, 4], np.int64), "shape")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, sys.argv[1])


if __name__ == "__main__":
    main()
