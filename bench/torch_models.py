"""What torch runs beside us: the same models with random weights on the GPU, eager and compiled, as CUDA graphs.

    python3 bench/torch_models.py NAME BATCH MODE      answers each line of its standard input (see models.py)

The models are transformers' and torchvision's, in the type of the graphs in ../shared/models/shapes.  Inputs and results
stay on the GPU; a compiled model is captured as one CUDA graph, so that no Python is timed.
"""
import json
import statistics
import sys
import time

import torch

QUEUED = 10  # runs a timed wait, as `sluice-bench --on-device`


def milliseconds(run, samples=20):
    """The median time of a run among QUEUED of them."""
    times = []
    for _ in range(samples + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(QUEUED):
            run()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - began) * 1e3 / QUEUED)
    return statistics.median(times[1:])


def made(build, dtype):
    """A module made on the GPU, in `dtype`, for inference."""
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with torch.device("cuda"):
            return build().eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(torch.float32)


def bert_base(batch):
    from transformers import BertConfig, BertModel
    model = made(lambda: BertModel(BertConfig(attn_implementation="sdpa")), torch.float16)
    ids = torch.randint(0, 30000, (batch, 128), device="cuda")
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    return model, lambda m: m(**inputs)


def vit_b_16(batch):
    from transformers import ViTConfig, ViTForImageClassification
    config = ViTConfig(attn_implementation="sdpa", num_labels=1000)
    model = made(lambda: ViTForImageClassification(config), torch.float16)
    x = torch.randn(batch, 3, 224, 224, device="cuda", dtype=torch.float16)
    return model, lambda m: m(pixel_values=x)


def resnet50(batch):
    """Channels last and the batch norms folded into the convolutions, as in the graph."""
    import torch.fx.experimental.optimization
    import torchvision
    torch.backends.cudnn.benchmark = True
    model = made(torchvision.models.resnet50, torch.float16)
    model = torch.fx.experimental.optimization.fuse(model).requires_grad_(False).to(memory_format=torch.channels_last)
    x = torch.randn(batch, 3, 224, 224, device="cuda", dtype=torch.float16).to(memory_format=torch.channels_last)
    return model, lambda m: m(x)


LLAMA_8B = {"vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "rms_norm_eps": 1e-5, "max_position_embeddings": 131072}
SMOLLM2 = {"vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
           "num_attention_heads": 9, "num_key_value_heads": 3, "rms_norm_eps": 1e-5, "max_position_embeddings": 8192,
           "tie_word_embeddings": True}


def decoder(shape, batch, context, room):
    """One step at `context`, over static caches with room for as many positions behind it."""
    from transformers import LlamaConfig, LlamaForCausalLM, StaticCache
    config = LlamaConfig(**shape, attn_implementation="sdpa")
    model = made(lambda: LlamaForCausalLM(config), torch.bfloat16)
    cache = StaticCache(config=config, max_cache_len=context + room)
    prompt = torch.randint(0, 64, (batch, context), device="cuda")
    model(input_ids=prompt, past_key_values=cache, use_cache=True, logits_to_keep=1)
    at = torch.full((1,), context, device="cuda")
    step = {"input_ids": prompt[:, :1].contiguous(), "position_ids": at.expand(batch, 1).contiguous(),
            "past_key_values": cache, "use_cache": True}

    def run(m):
        return m(**step).logits[:, -1].argmax(-1)

    def rewind():  # a step moves the caches' lengths, which are on the GPU, on
        for layer in cache.layers:
            layer.cumulative_length.fill_(context)
    run.rewind = rewind
    return model, run


MODELS = {"bert-base": bert_base, "vit-b-16": vit_b_16, "resnet50": resnet50,
          "llama-3.1-8b": lambda batch: decoder(LLAMA_8B, batch, 512, 512),
          "smollm2": lambda batch: decoder(SMOLLM2, batch, 512, 512)}


class Peer:
    """A model at a batch, compiled and captured."""
    def __init__(self, name, batch, mode):
        began = time.perf_counter()
        with torch.inference_mode():
            self.model, self.call = MODELS[name](batch)
            compiled, stream = torch.compile(self.model, mode=mode, dynamic=False), torch.cuda.Stream()
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self.call(compiled)
            stream.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, stream=stream):
                self.result = self.call(compiled)
        self.ready_s = time.perf_counter() - began

    def times(self):
        rewind = getattr(self.call, "rewind", lambda: None)
        with torch.inference_mode():
            rewind()
            compiled = milliseconds(self.graph.replay)
            rewind()
            return {"compile_ms": compiled, "eager_ms": milliseconds(lambda: self.call(self.model), 3)}


def serve(name, batch, mode):
    """Gets ready, says so, and answers each line of the standard input with times: one JSON object a line."""
    peer = Peer(name, batch, mode)
    print(json.dumps({"ready_s": peer.ready_s, "device": torch.cuda.get_device_name(), "torch": torch.__version__}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(peer.times()), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
