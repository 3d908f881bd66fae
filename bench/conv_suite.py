"""Convolutions, channels last: which are asked for, checked and timed."""
import math

from gemm_suite import varying

# ResNet-50's, each shape once: channels, features, size of the image, kernel, stride.
RESNET = [(3, 64, 224, 7, 2), (64, 64, 56, 1, 1), (64, 64, 56, 3, 1), (64, 256, 56, 1, 1), (256, 64, 56, 1, 1), (256, 128, 56, 1, 1), (128, 128, 56, 3, 2), (256, 512, 56, 1, 2), (128, 512, 28, 1, 1),
          (512, 128, 28, 1, 1), (128, 128, 28, 3, 1), (512, 256, 28, 1, 1), (256, 256, 28, 3, 2), (512, 1024, 28, 1, 2), (256, 1024, 14, 1, 1), (1024, 256, 14, 1, 1), (256, 256, 14, 3, 1),
          (1024, 512, 14, 1, 1), (512, 512, 14, 3, 2), (1024, 2048, 14, 1, 2), (512, 2048, 7, 1, 1), (2048, 512, 7, 1, 1), (512, 512, 7, 3, 1)]
RESIDUAL = """
struct Epilogue {
  const %(type)s* other;
  int64_t width;
  __device__ __forceinline__ Epilogue(const sl::Step* step, const sl::Arg<4>& e0)
      : other(sl::View<%(type)s, 4>(step, e0).data), width(sl::View<%(type)s, 4>(step, e0).size(3)) {}
  __device__ __forceinline__ float operator()(float v, int64_t row, int64_t column) const {
    return fmaxf(v + sl::to_float(other[row * width + column]), 0.0f);
  }
};
"""


def conv(batch, c, f, image, kernel, stride=1, pad=None, dilation=1, groups=1, dtype="f16", bias=True, residual=False, out=None, transposed=False):
    """`image`, `kernel`: sizes of the spatial dimensions; pad: of both sides, by default what keeps the size at stride 1."""
    n = len(image)
    pad = [dilation * (k - 1) // 2 for k in kernel] if pad is None else [pad] * n
    reach = [dilation * (k - 1) + 1 for k in kernel]
    result = [(i - 1) * stride + r - 2 * p if transposed else (i + 2 * p - r) // stride + 1 for i, r, p in zip(image, reach, pad)]
    ins = [{"dtype": dtype, "dims": [batch, *image, c]}, {"dtype": dtype, "dims": [f, *kernel, c // groups], "weight": True}]
    ins += [{"dtype": dtype, "dims": [f], "weight": True}] if bias else []
    query = {"name": "conv_transpose" if transposed else "conv", "attrs": {"channels_last": 1, "strides": [stride] * n, "pads": pad * 2, "dilations": [dilation] * n, "groups": groups},
             "ins": ins, "outs": [{"dtype": out or dtype, "dims": [batch, *result, f]}]}
    if residual:
        query |= {"epilogue": RESIDUAL % {"type": "sl::" + dtype if dtype != "f32" else "float"}, "epilogue_ins": len(ins)}
        query["ins"] = ins + [{"dtype": dtype, "dims": [batch, *result, f]}]
    return query


def checks():
    """Sizes off every tile multiple, each axis of the templates; every plan of each."""
    cases = []
    for dtype in ("f16", "bf16", "f32"):
        cases += [conv(2, 64, 96, (13, 17), (3, 3), dtype=dtype), conv(1, 136, 72, (7, 7), (1, 1), dtype=dtype, bias=False),
                  conv(3, 3, 33, (29, 31), (7, 7), 2, dtype=dtype), conv(2, 24, 40, (9, 11), (3, 3), 2, dilation=2, groups=1, dtype=dtype),
                  conv(2, 32, 64, (10, 9), (3, 3), groups=4, dtype=dtype, residual=True), conv(2, 10, 15, (10, 9), (3, 2), groups=5, dtype=dtype),
                  conv(2, 72, 72, (15, 14), (3, 3), 2, groups=72, dtype=dtype), conv(2, 37, 37, (15, 14), (5, 5), groups=37, dtype=dtype, residual=True),
                  conv(2, 12, 36, (15, 14), (3, 3), groups=12, dtype=dtype)]
        cases += [conv(2, 48, 32, (8, 16), (2, 2), 2, 0, dtype=dtype, transposed=True), conv(1, 12, 18, (5, 7), (3, 3), 2, 1, groups=3, dtype=dtype, transposed=True),
                  conv(1, 16, 16, (5, 7), (3, 3), 2, 1, groups=16, dtype=dtype, transposed=True), conv(1, 16, 24, (6, 5), (4, 4), 3, 1, dilation=2, dtype=dtype, transposed=True)]
    cases += [conv(2, 16, 24, (50,), (5,), 2), conv(1, 16, 24, (5, 6, 7), (3, 3, 3)), conv(1, 8, 24, (5, 6, 7), (1, 2, 3), 2, dtype="f32"), conv(1, 2048, 136, (7, 7), (1, 1), residual=True),
              conv(1, 512, 512, (7, 7), (3, 3), residual=True), conv(1, 64, 1, (1, 1), (1, 1)), conv(1, 1, 1, (1, 1), (1, 1)), conv(2, 64, 64, (20, 20), (3, 3), out="f32")]
    return cases + [varying(conv(b, 64, 96, (9, 9), (3, 3)), most) for b, most in ((0, 4), (1, 4), (3, 4))] + [varying(conv(1, 40, 40, (9, 9), (3, 3), groups=40), 3)]


def table():
    cases = [conv(b, c, f, (i, i), (k, k), s) for b in (1, 8, 32) for c, f, i, k, s in RESNET]
    return cases + [conv(b, c, c, (i, i), (3, 3), s, groups=c) for b in (1, 32) for c, i, s in ((32, 112, 1), (144, 56, 2), (576, 14, 1), (960, 7, 1))]


def sizes(query):
    (batch, *image, c), (f, *kernel, each), result = query["ins"][0]["dims"], query["ins"][1]["dims"], query["outs"][0]["dims"][1:-1]
    return batch, image, c, f, kernel, each, result


def label(query):
    batch, image, c, f, kernel, each, _ = sizes(query)
    return f"b{batch} {c}->{f} {'x'.join(map(str, image))} k{kernel[0]} s{query['attrs']['strides'][0]}" + ("" if each == c else f" g{c // each}")


def groups(query):
    return [f"b{query['ins'][0]['dims'][0]}" + (" depthwise" if query["ins"][1]["dims"][-1] == 1 else "")]


def flops(query):
    batch, _, _, f, kernel, each, result = sizes(query)
    return 2 * batch * math.prod(result) * f * math.prod(kernel) * each


def bytes_of(query):
    return sum(2 * math.prod(o["dims"]) for o in query["ins"] + query["outs"])


def tolerance(query):
    """Of the norm: what rounding the result costs; f32 is the sum of three products of tf32."""
    return 4e-3 if query["outs"][0]["dtype"] == "bf16" else 6e-4 if query["outs"][0]["dtype"] == "f16" else 5e-4 if query["ins"][0]["dtype"] != "f32" else 1e-5


def library(query, x, w, bias, torch):
    """The same through torch, channels second in name and last in memory."""
    attrs, n = query["attrs"], x.dim() - 2
    options = {"stride": attrs["strides"], "padding": attrs["pads"][:n], "dilation": attrs["dilations"], "groups": attrs["groups"]}
    name = ("conv_transpose" if query["name"] == "conv_transpose" else "conv") + f"{n}d"
    return getattr(torch.nn.functional, name)(x, w, bias, **options)


def reference(query, operands, torch):
    x, w = (t.double().movedim(-1, 1) for t in operands[:2])
    rest = list(operands[2:])
    bias = rest.pop(0).double() if rest and rest[0].dim() == 1 else None
    if query["name"] == "conv_transpose":  # [f, c / groups, …] to torch's [c, f / groups, …]
        g = query["attrs"]["groups"]
        w = w.reshape(g, w.shape[0] // g, *w.shape[1:]).transpose(1, 2).flatten(0, 1)
    if x.shape[0] == 0:
        return torch.empty([d if isinstance(d, int) else d["actual"] for d in query["outs"][0]["dims"]], dtype=torch.float64)
    with torch.backends.cudnn.flags(enabled=False):
        y = library(query, x.cpu(), w.cpu(), bias.cpu() if bias is not None else None, torch).movedim(1, -1).cuda()
    return (y + rest[0].double()).clamp(min=0) if rest else y


def make_pool(torch):
    return {"values": torch.randn(256 << 20, device="cuda", dtype=torch.float32).to(torch.float16)}


def read_ceiling(torch, device, pool):
    return device.read_ceiling(torch.empty(1 << 30, device="cuda", dtype=torch.float32).normal_())  # 4 GiB


def runs(query, plans, modules, pool, torch, device):
    """Graphs of `reps` launches over rotating weights; peer: cuDNN through torch, channels last, its own search."""
    torch.backends.cudnn.benchmark = True
    batch, image, c, f, kernel, each, result = sizes(query)
    count = f * math.prod(kernel) * each
    reps = max(1, min(20, int(300 / (flops(query) / 300e6 + bytes_of(query) / 2e6 + 3))))
    values = pool["values"]
    x = values[:batch * math.prod(image) * c].view(batch, *image, c)
    weights = [values[i * count * 8 % (values.numel() - count) // 8 * 8:][:count].view(f, *kernel, each) for i in range(reps)]
    bias, y = values[:f], torch.empty(batch, *result, f, device="cuda", dtype=torch.float16)
    graphs = {plan["plan"]: device.graph_of([device.Launch(modules, plan, [x, w, bias, y]) for w in weights]) for plan in plans}
    graphs["peer"] = device.graph_of([lambda w=w: library(query, x.movedim(-1, 1), w.movedim(-1, 1), bias, torch) for w in weights])
    return graphs, reps
