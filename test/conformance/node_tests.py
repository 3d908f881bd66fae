#!/usr/bin/env python3
"""Writes ONNX's node tests as model folders: NAME/model.onnx and NAME/test_data_set_0 with input_K.pb and output_K.pb.

    node_tests.py OUT       does nothing where OUT already has those of the installed onnx package

The package carries the tests as programs; their data are made with fixed seeds.
"""
import pathlib
import sys
import warnings

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case import node

MAKERS = {"tensor_type": numpy_helper.from_array, "sequence_type": numpy_helper.from_list,
          "optional_type": numpy_helper.from_optional}


def proto_of(value, info):
    if isinstance(value, TensorProto):
        named = TensorProto()
        named.CopyFrom(value)
        named.name = info.name
        return named
    return MAKERS[info.type.WhichOneof("value")](value, info.name)


def write(case, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for n, data in enumerate(case.data_sets):
        data_folder = folder / f"test_data_set_{n}"
        data_folder.mkdir(exist_ok=True)
        for kind, values, infos in zip(("input", "output"), data, (case.model.graph.input, case.model.graph.output)):
            for k, (value, info) in enumerate(zip(values, infos)):
                (data_folder / f"{kind}_{k}.pb").write_bytes(proto_of(value, info).SerializeToString())


def main():
    out = pathlib.Path(sys.argv[1])
    stamp = out / "version"
    if stamp.exists() and stamp.read_text() == onnx.__version__:
        return
    warnings.simplefilter("ignore")  # some tests divide by zero on purpose
    for case in node.collect_testcases(None):
        write(case, out / case.name)
    stamp.write_text(onnx.__version__)


if __name__ == "__main__":
    main()
