"""What compiling costs, and that it gives the same bytes each time."""
import filecmp
import json
import pathlib
import tempfile
import unittest

import tools

GIB = 1 << 30


class CompileCostTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def compile(self, model, out, *flags):
        return tools.check(tools.tool("sluice-compile", tools.MODELS / model / "model.onnx", "-o", self.dir / out, "-q", *flags))

    def test_stripped_8b_needs_no_weights_and_little_memory(self):
        """Llama-3.1-8B: 2,781 nodes, no weights.bin; alike for one thread and two."""
        costs = [self.compile("shapes/llama-3.1-8b", f"{j}.sluice", "--strip-weights", "-j", j) for j in (2, 1)]
        for cost in costs:
            self.assertLess(cost.max_rss, GIB)
        print(f"llama-3.1-8b: {costs[0].seconds:.1f} s, {costs[0].max_rss / GIB:.2f} GiB ", end="")
        self.assertTrue(filecmp.cmp(self.dir / "2.sluice", self.dir / "1.sluice", shallow=False))
        kernels = json.loads(tools.check(tools.tool("sluice-dump", self.dir / "1.sluice", "--launches", "--json")).out)["launches"]
        self.assertEqual(sum(launch["kernel"] == "attention" for launch in kernels), 32)

    def test_same_input_gives_the_same_bytes(self):
        """Weights, generated code and all; the place of the output does not matter."""
        (self.dir / "elsewhere").mkdir()
        for model in ("llama-tiny-genai-int4", "resnet18-small-qdq-int8", "t5-tiny-decoder-merged-optimum"):
            with self.subTest(model):
                self.compile(model, "a.sluice")
                self.compile(model, "elsewhere/b.sluice", "-j", 1)
                self.assertTrue(filecmp.cmp(self.dir / "a.sluice", self.dir / "elsewhere" / "b.sluice", shallow=False))
