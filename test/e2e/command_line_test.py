"""Ten models by the commands a user types: compile, look inside, run the data sets."""
import pathlib
import tempfile
import unittest

import tools

MODELS = ["bert-tiny-optimum", "clip-tiny-optimum", "cond-dynamo", "gemma2-tiny-dynamo", "llama-tiny-dynamo", "loop-if-torchscript",
          "lstm-gru-tiny-torchscript", "resnet18-small-torchscript-bn", "t5-tiny-decoder-merged-optimum", "unet-tiny-torchscript"]


class CommandLineTest(unittest.TestCase):
    def test_compile_verify_run(self):
        with tempfile.TemporaryDirectory() as folder:
            artifact = pathlib.Path(folder) / "model.sluice"
            for name in MODELS:
                with self.subTest(name):
                    model = tools.MODELS / name
                    tools.check(tools.tool("sluice-compile", model / "model.onnx", "-o", artifact, "-q"))
                    tools.check(tools.tool("sluice-dump", artifact, "--verify"))
                    sets = sorted(model.glob("test_data_set_*"))
                    self.assertTrue(sets)
                    flags = [flag for data in sets for flag in ("--test-data", data)]
                    run = tools.check(tools.tool("sluice-run", artifact, *flags, "--rtol", 1e-3, "--atol", 1e-4))
                    outputs = run.out.splitlines()
                    self.assertTrue(outputs and all(line.endswith(" ok") for line in outputs), run.out)
