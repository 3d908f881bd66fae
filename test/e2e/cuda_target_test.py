"""Compiling for a GPU on a machine without one: what is chosen, what it costs, what is said."""
import filecmp
import json
import os
import pathlib
import re
import tempfile
import unittest
import unittest.mock

import tools

GIB = 1 << 30


class CudaTargetTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(unittest.mock.patch.dict(os.environ, {"SLUICE_KERNEL_CACHE": str(self.dir / "cache")}))

    def compile(self, model, out, *flags):
        path = model if isinstance(model, pathlib.Path) else tools.MODELS / model / "model.onnx"
        return tools.tool("sluice-compile", path, "-o", self.dir / out, "-q", "--target",
                          "cuda-sm90a", *flags)

    def kernels(self, artifact):
        return json.loads(tools.check(tools.tool("sluice-dump", self.dir / artifact, "--kernels", "--json")).out)["kernels"]

    def test_models_run_whole_on_the_gpu(self):
        for model in ("bert-tiny-optimum", "llama-tiny-optimum", "gpt2-tiny-dynamo", "resnet18-small-dynamo",
                      "unet-tiny-dynamo", "lstm-gru-tiny-torchscript", "qwen3-moe-tiny-optimum"):
            with self.subTest(model):
                tools.check(self.compile(model, "a.sluice"))
                kernels = self.kernels("a.sluice")
                self.assertEqual([k["name"] for k in kernels if k["device"] != "gpu"], [])
                self.assertTrue(all(k["registers"] > 0 for k in kernels))
                tools.check(tools.tool("sluice-dump", self.dir / "a.sluice", "--verify"))

    def test_what_has_no_form_stays_on_the_cpu_and_is_told(self):
        """NonZero's result has the size that the data decide: the host makes it, what follows is on the GPU again."""
        model = self.dir / "nonzero.onnxtxt"
        model.write_text('<ir_version: 8, opset_import: ["" : 17]>\n'
                         "g (float[n] x) => (int64[1, k] y) {\n  i = NonZero(x)\n  y = Mul(i, i)\n}\n")
        run = tools.check(self.compile(model, "a.sluice", "--remarks"))
        self.assertRegex(run.err, "missed: select-kernel: kernel nonzero runs on the CPU: a size the data decide")
        self.assertEqual({k["family"] for k in self.kernels("a.sluice") if k["device"] == "cpu"}, {"nonzero"})

    def test_stripped_8b_is_cheap_and_the_cache_makes_it_cheaper(self):
        costs = [tools.check(self.compile("shapes/llama-3.1-8b", f"{i}.sluice", "--strip-weights")) for i in range(2)]
        print(f"llama-3.1-8b for CUDA: {costs[0].seconds:.1f} s, then {costs[1].seconds:.1f} s, "
              f"{costs[0].max_rss / GIB:.2f} GiB ", end="")
        self.assertLess(costs[0].max_rss, 1.5 * GIB)
        self.assertLess(costs[0].seconds, 60)
        self.assertLess(costs[1].seconds, 10)
        self.assertTrue(filecmp.cmp(self.dir / "0.sluice", self.dir / "1.sluice", shallow=False))

    def test_a_kernel_can_be_replaced_by_hand(self):
        tools.check(self.compile("bert-tiny-optimum", "a.sluice", "--dump", self.dir / "dump"))
        text = (self.dir / "dump" / "layer_norm.cu").read_text()
        (self.dir / "mine.cu").write_text("// mine\n" + text)
        tools.check(self.compile("bert-tiny-optimum", "b.sluice", "--kernel", f"layer_norm={self.dir / 'mine.cu'}"))
        source = tools.check(tools.tool("sluice-dump", self.dir / "b.sluice", "--source", "layer_norm")).out
        self.assertTrue(source.startswith("// mine"))
        for suffix in ("ptx", "cubin"):
            self.assertTrue((self.dir / "dump" / f"layer_norm.{suffix}").stat().st_size > 0)
        self.assertRegex((self.dir / "dump" / "layer_norm.sass").read_text(), r"\bLDG\.E.*\n(.*\n)*.*\bSTG\.E")
        run = self.compile("bert-tiny-optimum", "b.sluice", "--kernel", f"no_such={self.dir / 'mine.cu'}")
        self.assertEqual(run.code, 2)
        self.assertIn("no GPU kernel 'no_such'", run.err)

    def test_nothing_is_compiled_at_run_time(self):
        """Images are machine code for this GPU alone, with no PTX for the driver to compile, and what runs them knows no
        compiler; test/gpu/run.sh forbids the driver's too."""
        tools.check(self.compile("llama-tiny-optimum", "a.sluice"))
        artifact = (self.dir / "a.sluice").read_bytes()
        self.assertGreater(len(re.findall(rb"\x7fELF\x02\x01.{12}\xbe\x00", artifact, re.DOTALL)), 5)  # machine 190: CUDA
        for ptx in (rb"\.version \d+\.\d+\s+\.target sm_", rb"\x50\xed\x55\xba", rb"\.nv_debug_ptx_txt"):
            self.assertIsNone(re.search(ptx, artifact))  # as text, in a fat binary, in a section
        for tool in ("sluice-run", "sluice-bench"):
            binary = (tools.BUILD / "bin" / tool).read_bytes()
            self.assertIn(b"libcuda.so.1", binary)
            self.assertIsNone(re.search(rb"(?i)nvrtc|nvjitlink|nvptxcompiler|cuLinkCreate|cuModuleLoadDataEx", binary))

    def test_without_nvrtc_the_answer_is_clear(self):
        with unittest.mock.patch.dict(os.environ, {"SLUICE_NVRTC": "/nonexistent/libnvrtc.so.13"}):
            run = self.compile("bert-tiny-optimum", "a.sluice")
        self.assertNotEqual(run.code, 0)
        self.assertRegex(run.err, "NVRTC, which compiles CUDA kernels, was not found")
        self.assertFalse((self.dir / "a.sluice").exists())
