"""Products of 8-bit codes: exact sums, and sums that an epilogue makes codes again.  Timed against the same product in f16."""
import math

from gemm_suite import varying

# scale of each column, i32 added to each sum, then zero point -3.
REQUANTIZE = """
struct Epilogue {
  const float* scale;
  const int32_t* added;
  __device__ __forceinline__ Epilogue(const sl::Step* step, const sl::Arg<1>& e0, const sl::Arg<1>& e1)
      : scale(sl::View<float, 1>(step, e0).data), added(sl::View<int32_t, 1>(step, e1).data) {}
  __device__ __forceinline__ int32_t operator()(int32_t sum, int64_t, int64_t column) const {
    return static_cast<int32_t>(fminf(fmaxf(rintf(static_cast<float>(sum + added[column]) * scale[column]) - 3.0f, -128.0f), 127.0f));
  }
};
"""
SIGNS = [("ui8", "i8"), ("i8", "i8"), ("ui8", "ui8"), ("i8", "ui8")]
CHECKS = [(1, 4096, 4096), (2, 1000, 1040), (7, 777, 784), (33, 96, 128), (40, 1024, 2048), (63, 336, 272), (64, 512, 1024), (65, 200, 144), (127, 1023, 528), (300, 1000, 1040),
          (1025, 2056, 1104), (3, 5, 7), (70, 33, 65), (129, 65, 130), (1, 1, 1), (5, 8, 16), (3000, 264, 4096)]


def product(m, n, k, signs=("ui8", "i8"), out="i32"):
    query = {"name": "linear", "ins": [{"dtype": signs[0], "dims": [m, k]}, {"dtype": signs[1], "dims": [n, k], "weight": True}], "outs": [{"dtype": out, "dims": [m, n]}]}
    if out != "i32":
        query |= {"epilogue": REQUANTIZE if out != "f16" else REQUANTIZE.replace("int32_t operator", "float operator"), "epilogue_ins": 2}
        query["ins"] += [{"dtype": "f32", "dims": [n], "weight": True}, {"dtype": "i32", "dims": [n], "weight": True}]
    return query


def conv(batch, c, f, image, kernel, stride=1, outside=0, groups=1, signs=("ui8", "i8"), out="i32"):
    pad = kernel // 2
    size = (image + 2 * pad - kernel) // stride + 1
    query = {"name": "conv", "attrs": {"channels_last": 1, "strides": [stride] * 2, "pads": [pad] * 4, "dilations": [1, 1], "groups": groups, "outside": outside},
             "ins": [{"dtype": signs[0], "dims": [batch, image, image, c]}, {"dtype": signs[1], "dims": [f, kernel, kernel, c // groups], "weight": True}],
             "outs": [{"dtype": out, "dims": [batch, size, size, f]}]}
    if out != "i32":
        query |= {"epilogue": REQUANTIZE, "epilogue_ins": 2}
        query["ins"] += [{"dtype": "f32", "dims": [f], "weight": True}, {"dtype": "i32", "dims": [f], "weight": True}]
    return query


def checks():
    """Sizes off every tile multiple, both signs; every plan of each."""
    cases = [product(*s, signs=SIGNS[i % 4], out=("i32", "i8", "i32", "ui8")[i // 2 % 4]) for i, s in enumerate(CHECKS)]
    cases += [product(m, 320, 784, signs, out) for m in (20, 200) for signs in SIGNS[1:3] for out in ("i8", "f16")]
    cases += [conv(2, 128, 96, 13, 3), conv(1, 256, 64, 9, 3, out="i8"), conv(3, 3, 33, 29, 7, 2, outside=114), conv(2, 48, 40, 11, 3, 2, outside=-128, signs=SIGNS[1], out="i8"),
              conv(2, 32, 64, 10, 3, groups=2, outside=255, signs=SIGNS[2]), conv(1, 136, 72, 7, 1, signs=SIGNS[3]), conv(1, 512, 512, 7, 3, out="ui8"), conv(2, 128, 64, 15, 3, 2)]
    cases += [varying(product(m, 1024, 2048, out="i8"), most) for m, most in ((0, 64), (50, 64), (129, 3000))]
    return cases


def table():
    return [product(m, n, k, out="i8") for m, n, k in ((1, 4096, 4096), (16, 4096, 4096), (1, 28672, 4096), (256, 4096, 4096), (1024, 4096, 4096), (4096, 4096, 4096), (2048, 768, 3072),
                                                        (16384, 3072, 768), (8192, 8192, 8192))]


def label(query):
    (m, k), n = query["ins"][0]["dims"], query["outs"][0]["dims"][1]
    return f"{m} x {n} x {k} {query['ins'][0]['dtype']}"


def groups(query):
    m = query["ins"][0]["dims"][0]
    return ["m 1-16" if m <= 16 else "m > 16"]


def flops(query):
    (m, k), n = query["ins"][0]["dims"], query["outs"][0]["dims"][1]
    return 2 * m * n * k


def bytes_of(query):
    return sum(math.prod(o["dims"]) for o in query["ins"][:2] + query["outs"])


def tolerance(query):
    return 1e-12 if query["outs"][0]["dtype"] != "f16" else 1e-3


def codes(operand, tensor, torch):
    return tensor.view(torch.int8) if operand["dtype"] == "i8" else tensor


def prepare(query, operands, torch):
    """Scales that use the range of a code, biases of a sum's size."""
    if len(query["ins"]) > 2:
        k = operands[1][0].numel()
        operands[2].copy_(operands[2].abs().clamp(0.1, 3) * 1e-2 / max(k, 1) ** 0.5)
        operands[3].copy_(torch.randint(-20000, 20000, operands[3].shape, device="cuda", dtype=torch.int32))


def reference(query, operands, torch):
    a, b = (codes(o, t, torch).double() for o, t in zip(query["ins"][:2], operands))
    if query["name"] == "conv":
        attrs = query["attrs"]
        a = torch.nn.functional.pad(a.permute(0, 3, 1, 2), [attrs["pads"][0]] * 4, value=attrs["outside"])
        sums = torch.nn.functional.conv2d(a, b.permute(0, 3, 1, 2), stride=attrs["strides"], groups=attrs["groups"]).permute(0, 2, 3, 1)
        sums = sums.round()
    else:
        sums = a @ b.t()  # exact below 2^53
    if len(operands) == 2:
        return sums
    result = (torch.round((sums + operands[3].double()).to(torch.float32) * operands[2]) - 3).clamp(-128, 127)
    return result.remainder(256) if query["outs"][0]["dtype"] == "ui8" else result  # the bits of a code


def make_pool(torch):
    return {"codes": torch.randint(0, 256, (640 << 20,), dtype=torch.uint8, device="cuda"), "dense": torch.randn(1 << 28, device="cuda").to(torch.float16)}


def read_ceiling(torch, device, pool):
    return device.read_ceiling(torch.empty(1 << 30, device="cuda", dtype=torch.float32).normal_())  # 4 GiB


def runs(query, plans, modules, pool, torch, device):
    """peer: cuBLASLt on the same sizes in f16: what codes gain."""
    (m, k), n = query["ins"][0]["dims"], query["outs"][0]["dims"][1]
    reps = max(1, min(40, int(400 / (max(flops(query) / 1200e6, n * k / 4e6) + 3))))
    x, y = torch.randint(0, 256, (m, k), dtype=torch.uint8, device="cuda"), torch.empty(m, n, device="cuda", dtype=torch.int8)
    scale, added = torch.full((n,), 1e-3 / k ** 0.5, device="cuda"), torch.zeros(n, device="cuda", dtype=torch.int32)
    w = [pool["codes"][i * n * k % (len(pool["codes"]) - n * k) // 256 * 256:][:n * k].view(n, k) for i in range(reps)]
    a, c = torch.randn(m, k, device="cuda").to(torch.float16), torch.empty(m, n, device="cuda", dtype=torch.float16)
    b = [pool["dense"][i * n * k % (len(pool["dense"]) - n * k) // 256 * 256:][:n * k].view(n, k) for i in range(reps)]
    graphs = {plan["plan"]: device.graph_of([device.Launch(modules, plan, [x, each, scale, added, y]) for each in w]) for plan in plans}
    graphs["peer"] = device.graph_of([lambda each=each: torch.mm(a, each.t(), out=c) for each in b])
    return graphs, reps
