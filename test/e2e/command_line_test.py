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

    # Half precision errs by its rounding (8 bits of bf16, 11 of f16, some layers deep) and not at all where nothing is
    # rounded: the largest logit of this model is about 1.  Caches given in f32 are taken in as the artifact stores them.
    def test_other_types_stay_near_the_data(self):
        with tempfile.TemporaryDirectory() as folder:
            artifact = pathlib.Path(folder) / "model.sluice"
            model = tools.MODELS / "llama-tiny-dynamo"
            sets = [flag for data in sorted(model.glob("test_data_set_*")) for flag in ("--test-data", data)]
            errors = {}
            for dtype, bound in (("bf16", 8e-2), ("f16", 1e-2), ("f32", 1e-4)):
                tools.check(tools.tool("sluice-compile", model / "model.onnx", "-o", artifact, "-q", "--dtype", dtype))
                run = tools.check(tools.tool("sluice-run", artifact, *sets, "--rtol", bound, "--atol", bound))
                errors[dtype] = max(float(line.split()[1]) for line in run.out.splitlines())
            self.assertGreater(errors["bf16"], 2 * errors["f16"])
            self.assertGreater(errors["f16"], 10 * errors["f32"])

    def test_unknown_type_is_wrong_usage(self):
        run = tools.tool("sluice-compile", tools.MODELS / "llama-tiny-dynamo" / "model.onnx", "-o", "x.sluice", "--dtype", "f8")
        self.assertEqual(run.code, 2)
        self.assertIn("--dtype: 'f8' (f16, bf16, tf32 or f32)", run.err)

    def test_a_stripped_artifact_takes_the_models_weights(self):
        with tempfile.TemporaryDirectory() as folder:
            artifact, model = pathlib.Path(folder) / "model.sluice", tools.MODELS / "llama-tiny-optimum"
            tools.check(tools.tool("sluice-compile", model / "model.onnx", "-o", artifact, "-q", "--strip-weights"))
            run = ["sluice-run", artifact, "--test-data", model / "test_data_set_0"]
            self.assertNotEqual(tools.tool(*run).code, 0)
            tools.check(tools.tool(*run, "--weights", model / "model.onnx"))
