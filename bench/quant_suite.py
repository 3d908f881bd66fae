"""Linear layers with 4- and 8-bit weights: which are asked for, checked and timed."""
from gemm_suite import gated, gated_reference


def quantized(m, n, k, bits=4, block=32, dtype="bf16", scale="f16", signed=False, zero=False):
    blocks = -(-k // block) if block else 1
    code = f"{'i' if signed else 'ui'}{bits}"
    stored = blocks * block if block else k  # a row is padded to whole blocks
    ins = [{"dtype": dtype, "dims": [m, k]}, {"dtype": code, "dims": [n, stored], "weight": True}, {"dtype": scale, "dims": [n, blocks], "weight": True}]
    if zero:
        ins.append({"dtype": code, "dims": [n, blocks + blocks % 2 if bits == 4 else blocks], "weight": True})
    return {"name": f"linear_q{bits}", "attrs": {"block": block}, "ins": ins, "outs": [{"dtype": dtype, "dims": [m, n]}]}


def checks():
    cases = [gated(quantized(m, n, k, bits, 32, dtype, zero=zero)) for bits in (4, 8) for m, n, k, dtype, zero in
             ((1, 48, 128, "bf16", False), (9, 1008, 320, "bf16", True), (40, 336, 1024, "f32", False))]
    for bits in (4, 8):
        cases += [quantized(m, n, k, bits, block) for m, n, k, block in ((1, 64, 128, 32), (3, 100, 320, 32), (9, 1000, 1024, 64), (33, 48, 4096, 128), (70, 17, 96, 32), (1, 4096, 4096, 32))]
        cases += [quantized(5, 80, 416, bits, 32, dtype, scale, signed, zero) for dtype, scale, signed, zero in
                  (("f16", "f16", False, True), ("f16", "f32", True, False), ("f32", "f32", False, True), ("bf16", "bf16", True, True), ("f32", "f16", True, False))]
        cases += [quantized(2, 40, 200, bits, 32, "f16"), quantized(2, 40, 201, bits, 64, "f32")]
    return cases + [quantized(4, 60, 272, 8, 0, "f16"), quantized(4, 60, 272, 8, 0, "f32", "f32", True)]


def table():
    return [quantized(m, n, k, bits, block) for bits, block in ((4, 32), (8, 128)) for n, k in ((4096, 4096), (28672, 4096), (4096, 14336)) for m in (1, 4, 16, 64)]


def label(query):
    (m, k), n = query["ins"][0]["dims"], query["outs"][0]["dims"][1]
    return f"{m} x {n} x {k} {query['name'][-2:]} b{query['attrs']['block']}"


def groups(query):
    return [f"{query['name']} m {query['ins'][0]['dims'][0]}"]


def flops(query):
    (m, k), n = query["ins"][0]["dims"], query["outs"][0]["dims"][1]
    return 2 * m * n * k


def bytes_of(query):
    (m, k), n = query["ins"][0]["dims"], query["outs"][0]["dims"][1]
    bits, block = int(query["name"][-1]), query["attrs"]["block"] or k
    return n * k * bits // 8 + 2 * n * (k // block) + 2 * m * (n + k)


def tolerance(query):
    return 3e-5 if query["outs"][0]["dtype"] == "f32" else 6e-3


def dense(query, operands, torch):
    """The weights the codes mean, f64."""
    k, bits, signed, block = operands[0].shape[1], int(query["name"][-1]), query["ins"][1]["dtype"][0] == "i", query["attrs"]["block"]

    def codes(t):
        if bits == 4:
            t = torch.stack([t & 15, t >> 4], -1).flatten(1)
            return (t.to(torch.int64) ^ 8) - 8 if signed else t.to(torch.int64)
        return t.view(torch.int8).to(torch.int64) if signed else t.to(torch.int64)
    q, scale = codes(operands[1]), operands[2].double()
    zero = codes(operands[3])[:, :scale.shape[1]] if len(operands) > 3 else torch.full_like(scale, 0 if signed else 1 << (bits - 1)).long()
    each = block or k
    return ((q - zero.repeat_interleave(each, 1)) * scale.repeat_interleave(each, 1))[:, :k]


def reference(query, operands, torch):
    if query.get("parts"):
        *operands, bias = operands
        return gated_reference(operands[0].double() @ dense(query, operands, torch).t(), bias, torch)
    return operands[0].double() @ dense(query, operands, torch).t()


def make_pool(torch):
    return {"codes": torch.randint(0, 256, (640 << 20,), dtype=torch.uint8, device="cuda"), "scales": torch.rand(64 << 20, device="cuda").to(torch.float16),
            "dense": torch.randn(1 << 28, device="cuda").to(torch.bfloat16)}


def read_ceiling(torch, device, pool):
    return device.read_ceiling(torch.empty(1 << 30, device="cuda", dtype=torch.float32).normal_())  # 4 GiB


def runs(query, plans, modules, pool, torch, device):
    """peer: cuBLASLt on the same weights in bf16: what quantising gains."""
    (m, k), n = query["ins"][0]["dims"], query["outs"][0]["dims"][1]
    size, blocks = n * k * int(query["name"][-1]) // 8, query["ins"][2]["dims"][1]
    reps = max(1, min(40, int(400 / (size / 4e6 + 3))))
    x, y = torch.randn(m, k, device="cuda").to(torch.bfloat16), torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
    row = size // n
    q = [pool["codes"][i * size % (len(pool["codes"]) - size) // 256 * 256:][:size].view(n, row) for i in range(reps)]
    s = [pool["scales"][i * n * blocks % (len(pool["scales"]) - n * blocks) // 256 * 256:][:n * blocks].view(n, blocks) for i in range(reps)]
    w = [pool["dense"][i * n * k % (len(pool["dense"]) - n * k) // 256 * 256:][:n * k].view(n, k) for i in range(reps)]
    graphs = {plan["plan"]: device.graph_of([device.Launch(modules, plan, [x, a, b, y]) for a, b in zip(q, s)]) for plan in plans}
    graphs["peer"] = device.graph_of([lambda c=c: torch.mm(x, c.t(), out=y) for c in w])
    return graphs, reps
