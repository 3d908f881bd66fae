"""GEMM: which operations are asked for, checked and timed."""
import math

NK = [(4096, 4096), (6144, 4096), (28672, 4096), (4096, 14336), (768, 768), (3072, 768), (768, 3072)]
# The 60 shapes; the last ten are those the cost model was not fitted to.
SHAPES = ([(m, n, k) for n, k in NK[:4] for m in (1, 4, 16, 64, 256, 1024, 4096)] +
          [(m, n, k) for n, k in NK[4:] for m in (16, 128, 512, 2048, 8192, 16384)] + [(16384, 28672, 4096), (8192, 8192, 8192), (1, 28672, 2048), (8, 128256, 4096)] +
          [(3, 5120, 5120), (12, 10240, 2560), (48, 2304, 768), (100, 1152, 4304), (197, 768, 768), (300, 13824, 5120), (768, 3072, 1024), (1576, 2304, 768), (3000, 5120, 13824),
           (6304, 3072, 768)])
CHECKS = [(1, 4096, 4096), (2, 4095, 4104), (4, 1000, 776), (7, 769, 1024), (13, 4097, 4096), (31, 999, 1000), (64, 512, 2048), (63, 333, 264), (128, 1024, 4096), (127, 1023, 4104),
          (129, 257, 264), (300, 1000, 520), (511, 768, 768), (65, 6144, 4096), (1025, 2056, 1096), (3000, 4096, 1032), (5, 8, 8), (1, 1, 1), (70, 3, 5)]
# Name: (the dimensions of what it reads, instructions an element, text).
EPILOGUES = {
    "bias gelu": (["n"], 12, """
#include "kernels/device/scalar.cuh"
struct Epilogue {
  const sl::bf16* bias;
  __device__ __forceinline__ Epilogue(const sl::Step* step, const sl::Arg<1>& e0) : bias(sl::View<sl::bf16, 1>(step, e0).data) {}
  __device__ __forceinline__ float operator()(float v, int64_t, int64_t column) const {
    v += sl::to_float(bias[column]);
    return __fdividef(v, 1.0f + __expf(-2.0f * 0.7978845608f * (v + 0.044715f * v * v * v)));
  }
};
"""),
    "bias erf": (["n"], 15, """
#include "kernels/device/scalar.cuh"
struct Epilogue {
  const sl::bf16* bias;
  __device__ __forceinline__ Epilogue(const sl::Step* step, const sl::Arg<1>& e0) : bias(sl::View<sl::bf16, 1>(step, e0).data) {}
  __device__ __forceinline__ void fetch(int64_t column) const { sl::fetch_ahead(bias + column); }
  template <class H>
  __device__ __forceinline__ static H gelu(H v) { return v * H(sl::bf16{0x3f00}) * (sl::narrow_result::erf_(v * H(sl::bf16{0x3f35})) + H(sl::bf16{0x3f80})); }
  __device__ __forceinline__ float operator()(float v, int64_t, int64_t column) const { return sl::to_float(gelu(sl::narrow<sl::bf16>(v) + bias[column])); }
  __device__ __forceinline__ sl::Two<sl::bf16> two(sl::Pair v, int64_t, int64_t column) const { return gelu(sl::narrow<sl::Two<sl::bf16>>(v) + sl::load_two(bias + column)); }
};
"""),
    "residual": (["m", "n"], 1, """
#include "kernels/device/scalar.cuh"
struct Epilogue {
  using Two = sl::Two<sl::bf16>;
  const sl::bf16* other;
  int64_t width;
  __device__ __forceinline__ Epilogue(const sl::Step* step, const sl::Arg<2>& e0)
      : other(sl::View<sl::bf16, 2>(step, e0).data), width(sl::View<sl::bf16, 2>(step, e0).size(1)) {}
  __device__ __forceinline__ float operator()(float v, int64_t row, int64_t column) const { return (*this)(v, row, column, other[row * width + column]); }
  __device__ __forceinline__ float operator()(float v, int64_t, int64_t, sl::bf16 element) const { return sl::to_float(sl::narrow<sl::bf16>(v) + element); }
  __device__ __forceinline__ Two two(sl::Pair v, int64_t row, int64_t column) const { return two(v, row, column, sl::load_two(other + row * width + column)); }
  __device__ __forceinline__ Two two(sl::Pair v, int64_t, int64_t, Two elements) const { return sl::narrow<Two>(v) + elements; }
};
""")}
# Of two parts, with biases for the result's columns, first and second in turn.
GATED = """
struct Epilogue {
  const sl::bf16* bias;
  __device__ __forceinline__ Epilogue(const sl::Step* step, const sl::Arg<2>& e0) : bias(sl::View<sl::bf16, 2>(step, e0).data) {}
  __device__ __forceinline__ float operator()(float gate, float up, int64_t, int64_t column) const {
    gate += sl::to_float(bias[2 * column]);
    return __fdividef(gate, 1.0f + __expf(-gate)) * (up + sl::to_float(bias[2 * column + 1]));
  }
};
"""


def linear(m, n, k, dtype="bf16", out=None, epilogue=None):
    query = {"name": "linear", "ins": [{"dtype": dtype, "dims": [m, k]}, {"dtype": dtype, "dims": [n, k], "weight": True}],
             "outs": [{"dtype": out or dtype, "dims": [m, n]}]}
    if epilogue:
        dims, ops, text = EPILOGUES[epilogue]
        query |= {"finish": epilogue, "epilogue": text, "epilogue_ins": 2, "epilogue_ops": ops, "epilogue_whole": 2 if dims == ["m", "n"] else -1}
        query["ins"].append({"dtype": dtype, "dims": [{"m": m, "n": n}[d] for d in dims]})
    return query


def gated(query):
    """The same with silu(gate) * up as its epilogue: half of its columns."""
    out = query["outs"][0]
    out["dims"] = out["dims"][:-1] + [out["dims"][-1] // 2]
    bias = {"dtype": "bf16", "dims": [out["dims"][-1], 2]}
    return query | {"finish": "gated", "epilogue": GATED, "epilogue_ins": len(query["ins"]), "parts": 2, "ins": query["ins"] + [bias]}


def gated_reference(sums, bias, torch):
    """`sums` has 8 columns of the gate, 8 of up, and so on."""
    gate, up = (part.flatten(1) + bias[:, i].double() for i, part in enumerate(sums.unflatten(1, (-1, 2, 8)).unbind(2)))
    return torch.nn.functional.silu(gate) * up


def matmul(batch, m, n, k, dtype="bf16", transpose_b=False):
    return {"name": "matmul", "attrs": {"transpose_b": int(transpose_b)},
            "ins": [{"dtype": dtype, "dims": [*batch, m, k]}, {"dtype": dtype, "dims": [*batch, *((n, k) if transpose_b else (k, n))]}],
            "outs": [{"dtype": dtype, "dims": [*batch, m, n]}]}


def varying(query, most):
    """The same with the first dimension, rows or a batch, between 0 and `most`: `actual` is this run's."""
    m = query["outs"][0]["dims"][0]
    for operand in query["ins"][:1] + query["outs"]:
        operand["dims"][0] = {"min": 0, "max": most, "typical": most, "actual": m}
    return query


def checks():
    """Sizes off every tile multiple; every plan of each."""
    cases = [linear(*s) for s in CHECKS]
    cases += [linear(*s, dtype="f16") for s in CHECKS[6:12:4]] + [linear(*s, dtype="f32") for s in CHECKS[3:18:2]]
    cases += [linear(*s, out="f32") for s in CHECKS[6:13:6]]
    cases += [linear(m, n, 776, epilogue=e) for e in EPILOGUES for m, n in ((5, 1024), (300, 1024), (701, 776))]
    cases += [gated(linear(m, n, k)) for m, n, k in ((1, 1008, 776), (5, 16, 8), (13, 4112, 4096), (33, 560, 520), (64, 1024, 2048), (100, 336, 264), (300, 2064, 776), (1025, 1584, 1096))]
    cases += [gated(linear(m, 1008, 2048, dtype=t)) for t in ("f16", "f32") for m in (3, 200)]
    cases += [gated(linear(m, 48, 33)) for m in (7, 70)] + [gated(varying(linear(m, 1040, 2048), most)) for m, most in ((1, 64), (129, 3000))]
    cases += [varying(linear(m, 1024, 2048), most) for m, most in ((0, 64), (1, 64), (50, 64), (129, 3000), (1000, 3000))]
    cases += [matmul(b, m, n, k, transpose_b=t) for t in (False, True) for b, m, n, k in (((3,), 200, 264, 136), ((2, 5), 128, 128, 64), ((), 300, 1000, 520))]
    cases += [matmul((2, 3), 33, 65, 17, dtype="f32", transpose_b=t) for t in (False, True)]
    return cases


def table():
    return [linear(*s) for s in SHAPES] + [gated(linear(m, 28672, 4096)) for m in (1, 32, 512, 16384)]


def fused():
    """Encoders' layers: each product plain, then with each epilogue; the peer is the plain product."""
    return [linear(m, n, k, epilogue=e) for m in (128, 1024, 4096, 197, 1576, 6304) for n, k in NK[4:] for e in (None, *EPILOGUES)]


def flops(query):
    (m, k), n = query["ins"][0]["dims"], query["ins"][1]["dims"][0]
    return 2 * m * n * k


def bytes_of(query):
    return sum(2 * math.prod(o["dims"]) for o in query["ins"] + query["outs"])


def label(query):
    (m, k), n = query["ins"][0]["dims"], query["ins"][1]["dims"][0]
    return f"{m} x {n} x {k}" + (f" {query['finish']}" if "finish" in query else "")


def groups(query):
    m = query["ins"][0]["dims"][0]
    return ["all", query.get("finish", "plain"), "m 1-16" if m <= 16 else "m 17-255" if m < 256 else "m >= 256"]


def tolerance(query):
    """Of the norm: a 16-bit result rounds to 2e-3; tensor cores truncate sums, which grows with k."""
    return 6e-3 if query["outs"][0]["dtype"] != "f32" else 5e-5


def reference(query, operands, torch):
    a, b = operands[0].double(), operands[1].double()
    transposed = query["name"] == "linear" or query["attrs"]["transpose_b"]
    c = a @ (b.transpose(-1, -2) if transposed else b)
    if query.get("parts"):
        return gated_reference(c, operands[2], torch)
    if len(operands) > 2:
        other = operands[2].double()
        approximate = "tanh" if query["finish"] == "bias gelu" else "none"
        c = torch.nn.functional.gelu(c + other, approximate=approximate) if other.dim() == 1 else c + other
    return c


def make_pool(torch):
    return {"weights": torch.randn(576 << 20, device="cuda", dtype=torch.float32).to(torch.bfloat16),
            "rows": torch.randn(16384 * 14336, device="cuda", dtype=torch.bfloat16), "out": torch.empty(16384 * 28672, device="cuda", dtype=torch.bfloat16)}


def read_ceiling(torch, device, pool):
    return device.read_ceiling(torch.empty(1 << 30, device="cuda", dtype=torch.float32).normal_())  # 4 GiB


def runs(query, plans, modules, pool, torch, device):
    """Graphs of `reps` launches over rotating weights; peer: cuBLASLt's first heuristic answer through torch."""
    torch.backends.cuda.preferred_blas_library("cublaslt")
    (m, k), n = query["ins"][0]["dims"], query["ins"][1]["dims"][0]
    reps = max(1, min(40, int(400 / (max(flops(query) / 600e6, 2 * n * k / 4e6) + 2))))
    copies = max(1, pool["weights"].numel() // (n * k))
    weights = [pool["weights"][i % copies * n * k:][:n * k].view(n, k) for i in range(reps)]
    x, y = pool["rows"][:m * k].view(m, k), pool["out"][:m * n].view(m, n)
    more, result = [pool["rows"][-math.prod(o["dims"]):].view(o["dims"]) for o in query["ins"][2:]], y
    if query.get("parts"):
        more, result = [torch.randn(n // 2, 2, device="cuda").to(torch.bfloat16)], torch.empty(m, n // 2, device="cuda", dtype=torch.bfloat16)
    graphs = {}
    for plan in plans:
        graphs[plan["plan"]] = device.graph_of([device.Launch(modules, plan, [x, w, *more, result]) for w in weights])
    graphs["peer"] = device.graph_of([lambda w=w: torch.mm(x, w.t(), out=y) for w in weights])
    if len(plans) == 1:
        graphs["no overlap"] = device.graph_of([device.Launch(modules, plans[0], [x, w, *more, result], overlap=False) for w in weights])
    return graphs, reps
